//! One call through the gate, however often it has to be sent.

use std::cell::Cell;

use futures_channel::oneshot;
use gloo_net::http::{Request, Response};
use leptos::prelude::window;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::AddEventListenerOptions;

use crate::authorization::ReturnTo;
use crate::session::browser::{Browser, Popup};
use crate::session::{Called, Credentials, Demand, NetworkError, Reply, Session, SessionError, WaitingCall};

thread_local! {
    static IN_POPUP: Cell<bool> = const { Cell::new(false) };
}

/// Whether sign-ins that a call asks for open a window of their own.
pub(super) fn step_up_in_popup(yes: bool) {
    IN_POPUP.set(yes);
}

impl Reply for Response {
    fn status(&self) -> u16 {
        self.status()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers().get(name)
    }
}

/// Sends copies of the request, so that its body is there for each attempt.
pub(super) async fn call(session: &Session<Browser>, request: Request) -> Result<Response, SessionError> {
    let request = web_sys::Request::from(request);
    let (method, url) = (request.method(), request.url());
    loop {
        let called = session.call(&method, &url, async |credentials| send(&request, credentials).await);
        match called.await? {
            Called::Answered(response) => return Ok(response),
            Called::Demands(demand, response) => {
                let popup = if IN_POPUP.get() { Popup::open() } else { None };
                let met = match popup {
                    Some(popup) => session.step_up_popup(popup, &demand, &method, &url).await,
                    None => leave(session, &demand, &request).await,
                };
                match met {
                    Ok(()) => {}
                    // The refusal says more than that nobody went to sign in.
                    Err(SessionError::Cancelled) => return Ok(response),
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

async fn send(request: &web_sys::Request, credentials: Credentials) -> Result<Response, SessionError> {
    let failed = |problem: String| NetworkError {
        url: request.url().split('?').next().unwrap_or_default().to_owned(),
        problem,
        timed_out: false,
    };
    let copy = request
        .clone()
        .map_err(|_| failed("its body was read before".to_owned()))?;
    let copy = Request::from(copy);
    copy.headers().set("Authorization", &credentials.authorization);
    if let Some(proof) = &credentials.dpop {
        copy.headers().set("DPoP", proof);
    }
    Ok(copy.send().await.map_err(|error| failed(error.to_string()))?)
}

/// Leaves for the provider with the call in the luggage. Comes back only when the person does, by the back button.
async fn leave(session: &Session<Browser>, demand: &Demand, request: &web_sys::Request) -> Result<(), SessionError> {
    let copy = request.clone().map(Request::from).ok();
    let body = match copy {
        Some(copy) => copy.text().await.ok().filter(|body| !body.is_empty()),
        None => None,
    };
    let call = WaitingCall {
        method: request.method(),
        url: request.url(),
        content_type: request.headers().get("Content-Type").ok().flatten(),
        body,
    };
    let location = window().location();
    let here = [location.pathname(), location.search(), location.hash()];
    let here: String = here.into_iter().map(Result::unwrap_or_default).collect();
    let return_to = ReturnTo::parse(&here).unwrap_or_default();

    let (back, wait) = oneshot::channel::<()>();
    let shown = Closure::once_into_js(move || back.send(()).unwrap_or_default());
    let once = AddEventListenerOptions::new();
    once.set_once(true);
    session.step_up(demand, call, return_to).await?;
    // Where it cannot be listened to, waiting ends at once.
    drop(
        window().add_event_listener_with_callback_and_add_event_listener_options(
            "pageshow",
            shown.unchecked_ref(),
            &once,
        ),
    );
    wait.await.unwrap_or_default();
    Err(SessionError::Cancelled)
}
