//! A call through the gate, with its retries.

use std::cell::Cell;

use gloo_net::http::{Headers, Request, Response};
use leptos::prelude::window;
use web_sys::{RequestInit, RequestRedirect, ResponseType};

use crate::Refusal;
use crate::authorization::ReturnTo;
use crate::authorization::json::Object;
use crate::session::browser::{Browser, Popup};
use crate::session::{
    Credentials, HttpResponse, LocalFuture, NetworkError, PendingRequest, Platform as _, Session, SessionError, StepUp,
};

use super::error::refusal;

thread_local! {
    static IN_POPUP: Cell<bool> = const { Cell::new(false) };
}

/// Sets whether a step-up opens a popup window.
pub(super) fn step_up_in_popup(yes: bool) {
    IN_POPUP.set(yes);
}

impl HttpResponse for web_sys::Response {
    fn status(&self) -> u16 {
        self.status()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers().get(name).ok()?
    }

    async fn refusal(&self) -> Option<Refusal> {
        let copy = self.clone().ok()?;
        let text = Response::from(copy).text().await.ok()?;
        refusal(&Object::read(text.as_bytes()).ok()?)
    }
}

/// Sends copies of the request, because an attempt consumes the body.
pub(super) async fn call(session: &Session<Browser>, request: Request) -> Result<Response, SessionError> {
    let request = without_redirects(request.into())?;
    let sign_in = |demand| -> LocalFuture<_> {
        // While the click counts that led to the call.
        // A session that is not stored would be gone after leaving the page.
        let popup = if IN_POPUP.get() || !session.is_stored() {
            Popup::open()
        } else {
            None
        };
        // The same request: its own `clone` is a copy.
        let (session, request) = (session.clone(), Clone::clone(&request));
        Box::pin(async move {
            match popup {
                Some(popup) => session.step_up_popup(popup, &demand).await,
                None => leave(&session, &demand, &request).await,
            }
        })
    };
    let (method, url) = (request.method(), request.url());
    let send = async |credentials| send(&request, credentials).await;
    let response = session.call_stepping_up(&method, &url, send, sign_in).await?;
    Ok(response.into())
}

/// Ends all sessions of the user: the only call to the provider with the access token.
pub(super) async fn sign_out_everywhere(session: &Session<Browser>) -> Result<(), SessionError> {
    let url = session
        .client()
        .sessions_url
        .as_deref()
        .ok_or(SessionError::NoSessionsUrl)?;
    let request = Request::delete(url).build().map_err(|_| SessionError::NoSessionsUrl)?;
    let request = without_redirects(request.into())?;
    session
        .sign_out_everywhere(async |credentials| send(&request, credentials).await)
        .await
}

/// Turns redirects off: a redirect may lead to an origin that is not listed, and the browser would send the proof there.
fn without_redirects(request: web_sys::Request) -> Result<web_sys::Request, SessionError> {
    let init = RequestInit::new();
    init.set_redirect(RequestRedirect::Manual);
    // With any of these set the browser forgets the two others.
    init.set_referrer(&request.referrer());
    init.set_referrer_policy(request.referrer_policy());
    let made = web_sys::Request::new_with_request_and_init(&request, &init);
    Ok(made.map_err(|_| was_read(&request))?)
}

fn failed(request: &web_sys::Request, problem: String) -> NetworkError {
    NetworkError {
        url: without_query(&request.url()),
        problem,
        timed_out: false,
    }
}

fn was_read(request: &web_sys::Request) -> NetworkError {
    failed(request, "its body was read before".to_owned())
}

fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

async fn send(request: &web_sys::Request, credentials: Credentials) -> Result<web_sys::Response, SessionError> {
    let copy = request.clone().map_err(|_| was_read(request))?;
    let copy = Request::from(copy);
    copy.headers().set("Authorization", &credentials.authorization);
    if let Some(proof) = &credentials.dpop {
        copy.headers().set("DPoP", proof);
    }
    let response = copy.send().await.map_err(|error| {
        let lost = failed(request, error.to_string());
        // A read-only call counts as not made.
        match request.method().as_str() {
            "GET" | "HEAD" => SessionError::Network(lost),
            _ => SessionError::NoAnswer(lost),
        }
    })?;
    match response.type_() {
        ResponseType::Opaqueredirect => Err(SessionError::Redirected(without_query(&request.url()))),
        _ => Ok(response.into()),
    }
}

/// Leaves for the provider and stores the call for afterwards. Returns only if the browser stays on this page or comes back to it.
async fn leave(session: &Session<Browser>, demand: &StepUp, request: &web_sys::Request) -> Result<(), SessionError> {
    let copy = request.clone().map(Request::from).ok();
    let body = match copy {
        // Converting a body that is not text would change it.
        Some(copy) => copy.binary().await.ok().and_then(|body| String::from_utf8(body).ok()),
        None => None,
    };
    let headers = Headers::from_raw(request.headers());
    let ours = ["authorization", "dpop", "content-type"];
    let others = headers.entries().filter(|(name, _)| !ours.contains(&name.as_str()));
    let call = PendingRequest {
        method: request.method(),
        url: request.url(),
        content_type: request.headers().get("Content-Type").ok().flatten(),
        headers: others.collect(),
        body: body.filter(|body| !body.is_empty()),
    };
    let location = window().location();
    let here = [location.pathname(), location.search(), location.hash()];
    let here: String = here.into_iter().map(Result::unwrap_or_default).collect();
    let return_to = ReturnTo::parse(&here).unwrap_or_default();
    session.step_up(demand, call, return_to).await?;
    session.platform().still_here().await;
    // This page still has the user's input.
    drop(session.platform().take_mark());
    Err(SessionError::Cancelled)
}
