//! Requests to the provider: without cookies, redirects and referrer, and with a timeout.

use std::cell::RefCell;

use futures_channel::oneshot::Sender;
use gloo_net::http::{Method, Request, RequestBuilder, Response};
use serde_json::Value;
use web_sys::{AbortSignal, ReferrerPolicy, RequestCache, RequestCredentials, RequestMode, RequestRedirect};

use crate::authorization::json::{Json, Object};
use crate::authorization::{EndpointResponse, Jwk};
use crate::session::NetworkError;

/// The timeout of a request, in milliseconds.
const TIMEOUT: u32 = 15_000;

thread_local! {
    static NEXT_REQUEST: RefCell<Option<Sender<()>>> = const { RefCell::new(None) };
}

/// Sets a sender that is dropped when the next form has been sent to the provider.
#[cfg(feature = "leptos")]
pub(crate) fn notify_of_next_request(sender: Option<Sender<()>>) {
    NEXT_REQUEST.set(sender);
}

pub(super) async fn post_form(url: &str, body: &str, proof: Option<&str>) -> Result<EndpointResponse, NetworkError> {
    let mut request = bounded(Request::post(url)).header("Content-Type", "application/x-www-form-urlencoded");
    if let Some(proof) = proof {
        request = request.header("DPoP", proof);
    }
    let failed = |error| failed(url, error);
    let response = request.body(body.to_owned()).map_err(failed)?.send();
    // Other tasks run only after this one has sent its request.
    drop(NEXT_REQUEST.take());
    let response = response.await.map_err(failed)?;
    Ok(EndpointResponse {
        status: response.status(),
        dpop_nonce: response.headers().get("DPoP-Nonce"),
        retry_after: response
            .headers()
            .get("Retry-After")
            .and_then(|seconds| seconds.parse().ok()),
        body: response.text().await.map_err(failed)?,
    })
}

pub(super) async fn status(url: &str) -> Result<u16, NetworkError> {
    let response = bounded(Request::get(url)).send().await;
    response
        .map(|response| response.status())
        .map_err(|error| failed(url, error))
}

pub(super) async fn responds(url: &str) -> Result<(), NetworkError> {
    let opaque = bounded(Request::get(url))
        .mode(RequestMode::NoCors)
        .redirect(RequestRedirect::Follow);
    opaque.send().await.map(drop).map_err(|error| failed(url, error))
}

/// Returns the server's time from a response of this origin. A cached response would have an older time.
pub(super) async fn date(origin: &str) -> Option<String> {
    let response = bounded(Request::get(origin).method(Method::HEAD)).send().await.ok()?;
    let headers = response.headers();
    headers.get("Date").filter(|_| headers.get("Age").is_none())
}

pub(super) async fn fetch_keys(url: &str) -> Result<Vec<Jwk>, NetworkError> {
    let failed = |error| failed(url, error);
    let response: Response = bounded(Request::get(url)).send().await.map_err(failed)?;
    let text = response.text().await.map_err(failed)?;
    let set = Object::read(text.as_bytes()).map_err(|error| failed(error.into()))?;
    let keys = set.get("keys").and_then(Value::as_array).cloned();
    // A key that cannot be read is skipped; the others stay usable.
    Ok(keys.unwrap_or_default().into_iter().filter_map(Json::read).collect())
}

fn bounded(request: RequestBuilder) -> RequestBuilder {
    request
        .mode(RequestMode::Cors)
        .credentials(RequestCredentials::Omit)
        .cache(RequestCache::NoStore)
        .redirect(RequestRedirect::Error)
        .referrer_policy(ReferrerPolicy::NoReferrer)
        .abort_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT)))
}

fn failed(url: &str, error: gloo_net::Error) -> NetworkError {
    let timed_out = matches!(&error, gloo_net::Error::JsError(error) if error.name == "TimeoutError");
    let problem = match error {
        gloo_net::Error::JsError(error) => format!("{}: {}", error.name, error.message),
        gloo_net::Error::SerdeError(_) => "the answer is not the JSON that it should be".to_owned(),
        gloo_net::Error::GlooError(problem) => problem,
    };
    NetworkError {
        url: url.split('?').next().unwrap_or_default().to_owned(),
        problem,
        timed_out,
    }
}
