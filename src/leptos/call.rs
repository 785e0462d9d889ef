//! The client of server functions. It adds a fresh token and its DPoP proof to every call.

use std::future::Future;

use bytes::Bytes;
use futures_util::sink::Drain;
use futures_util::stream::Empty;
use futures_util::{Sink, Stream, StreamExt as _};
use gloo_net::http::{Request, Response};
use js_sys::Uint8Array;
use send_wrapper::SendWrapper;
use serde::de::DeserializeOwned;
use server_fn::ServerFn;
use server_fn::client::browser::BrowserClient;
use server_fn::client::{Client, get_server_url};
use server_fn::error::{FromServerFnError, IntoAppError as _, ServerFnErrorErr};
use server_fn::redirect::REDIRECT_HEADER;
use server_fn::request::browser::BrowserRequest;
use server_fn::response::ClientRes;
use wasm_streams::ReadableStream;

use crate::session::{PendingRequest, Platform as _, SessionError, StepUpFailure};

use super::auth::send;
use super::{Auth, CallError, current, mock};

/// Attaches the access token to a server function's request: `#[server(client = GateClient)]`.
///
/// The token is fresh, see [`Session::access_token`](crate::session::Session::access_token). If the token is rejected, the call is retried
/// with another one. If the call needs a step-up, the sign-in starts, see [`Auth::take_pending`](super::Auth::take_pending). Without a
/// session the call is not made. An HTTP redirect is not followed; `leptos_axum::redirect` works. A WebSocket is not opened, because it
/// cannot carry a token ([`SessionError::WebSocket`]): a server function can stream its response instead.
///
/// ```
/// use leptos::prelude::*;
/// use leptos::server_fn::codec::{GetUrl, Json};
/// use pixygate::leptos::{CallError, GateClient};
///
/// #[server(prefix = "/api", input = GetUrl, output = Json, client = GateClient)]
/// async fn orders(year: u32) -> Result<Vec<String>, CallError> {
///     Ok(vec![format!("the first order of {year}")])
/// }
/// ```
#[derive(Debug)]
pub struct GateClient;

/// The response to a call. If the output of a server function is a stream, it is read as it arrives. Dropping the stream aborts the call.
///
/// ```
/// use futures::StreamExt as _;
/// use leptos::prelude::*;
/// use leptos::server_fn::codec::{PostUrl, StreamingText, TextStream};
/// use pixygate::leptos::{CallError, GateClient};
///
/// #[server(prefix = "/api", input = PostUrl, output = StreamingText, client = GateClient)]
/// async fn report() -> Result<TextStream<CallError>, CallError> {
///     let lines = ["first line\n", "second line\n"];
///     Ok(TextStream::new(futures::stream::iter(lines.map(|line| Ok(line.to_owned())))))
/// }
///
/// async fn read() -> Result<String, CallError> {
///     let mut lines = report().await?.into_inner();
///     let mut text = String::new();
///     while let Some(line) = lines.next().await {
///         // The stream can fail at any item.
///         text.push_str(&line?);
///     }
///     Ok(text)
/// }
/// # // On the server the function itself is called.
/// # assert_eq!(futures::executor::block_on(read()), Ok("first line\nsecond line\n".to_owned()));
/// ```
#[derive(Debug)]
pub struct GateResponse {
    response: SendWrapper<Response>,
    /// Aborts the call if it is dropped before the response was read.
    request: BrowserRequest,
}

impl<E, I, O> Client<E, I, O> for GateClient
where
    E: FromServerFnError + From<CallError>,
    I: FromServerFnError,
    O: FromServerFnError,
{
    type Request = BrowserRequest;
    type Response = GateResponse;

    fn send(mut request: Self::Request) -> impl Future<Output = Result<Self::Response, E>> + Send {
        SendWrapper::new(async move {
            let answer = async {
                // The request that is left in its place aborts nothing when it is dropped.
                let nothing = Request::get("/").build().map_err(|error| CallError::Failed {
                    failure: error.to_string(),
                })?;
                let sent = std::mem::replace(&mut *request, nothing);
                send(sent).await.map_err(CallError::from)
            };
            let response = SendWrapper::new(answer.await.map_err(E::from)?);
            Ok(GateResponse { response, request })
        })
    }

    async fn open_websocket(
        _path: &str,
    ) -> Result<
        (
            impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static,
            impl Sink<Bytes> + Send + 'static,
        ),
        E,
    > {
        let refused = CallError::from(SessionError::WebSocket);
        Err::<(Empty<Result<Bytes, Bytes>>, Drain<Bytes>), E>(refused.into())
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        <BrowserClient as Client<E, I, O>>::spawn(future);
    }
}

fn unreadable<E: FromServerFnError>(error: gloo_net::Error) -> E {
    ServerFnErrorErr::Deserialization(error.to_string()).into_app_error()
}

impl<E: FromServerFnError> ClientRes<E> for GateResponse {
    fn try_into_string(self) -> impl Future<Output = Result<String, E>> + Send {
        SendWrapper::new(async move {
            let Self { response, request } = self;
            let text = response.text().await.map_err(unreadable);
            drop(request);
            text
        })
    }

    fn try_into_bytes(self) -> impl Future<Output = Result<Bytes, E>> + Send {
        SendWrapper::new(async move {
            let Self { response, request } = self;
            let bytes = response.binary().await.map(Bytes::from).map_err(unreadable);
            drop(request);
            bytes
        })
    }

    fn try_into_stream(self) -> Result<impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static, E> {
        let body = self.response.body().ok_or_else(|| {
            E::from_server_fn_error(ServerFnErrorErr::Deserialization("the answer has no body".to_owned()))
        })?;
        let request = self.request;
        let chunks = ReadableStream::from_raw(body).into_stream().map(move |chunk| {
            // Dropping the stream drops the request and aborts the call.
            let _lives = &request;
            chunk
                .map(|bytes| Bytes::from(Uint8Array::new(&bytes).to_vec()))
                .map_err(|_| {
                    E::from_server_fn_error(ServerFnErrorErr::Request("the answer broke off".to_owned())).ser()
                })
        });
        Ok(SendWrapper::new(chunks))
    }

    fn status(&self) -> u16 {
        self.response.status()
    }

    fn status_text(&self) -> String {
        self.response.status_text()
    }

    fn location(&self) -> String {
        let location = self.response.headers().get("Location");
        location.unwrap_or_else(|| self.response.url())
    }

    fn has_redirect(&self) -> bool {
        self.response.headers().get(REDIRECT_HEADER).is_some()
    }
}

impl Auth {
    /// Returns the call of a server function whose step-up failed, and the reason, once. The call was not made: its page should say so and
    /// restore the user's input. If the user repeats the call, it requires the step-up again.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::{CallError, GateClient, use_auth};
    /// # use leptos::server_fn::codec::{Json, PostUrl};
    /// #[server(prefix = "/api", input = PostUrl, output = Json, client = GateClient)]
    /// async fn transfer(amount: u32) -> Result<u32, CallError> {
    ///     Ok(amount)
    /// }
    ///
    /// # fn component() {
    /// let amount = RwSignal::new(0);
    /// Effect::new(move || {
    ///     if let Some((call, failure)) = use_auth().take_cancelled::<Transfer>() {
    ///         amount.set(call.amount);
    ///         leptos::logging::warn!("not transferred: {failure}");
    ///     }
    /// });
    /// # }
    /// ```
    pub fn take_cancelled<F: ServerFn + DeserializeOwned>(self) -> Option<(F, StepUpFailure)> {
        let mut found = None;
        let (_, failure) = take_cancelled(|call| reads(call, &mut found))?;
        Some((found?, failure))
    }

    /// Returns the request of [`Auth::fetch`] that `fits` and whose step-up failed, and the reason, once.
    ///
    /// ```
    /// # use leptos::prelude::*;
    /// # use pixygate::leptos::use_auth;
    /// # fn component() {
    /// let order = RwSignal::new(String::new());
    /// Effect::new(move || {
    ///     if let Some((call, failure)) = use_auth().take_cancelled_request(|call| call.url == "https://api.example.com/orders") {
    ///         order.set(call.body.unwrap_or_default());
    ///         leptos::logging::warn!("not ordered: {failure}");
    ///     }
    /// });
    /// # }
    /// ```
    pub fn take_cancelled_request(
        self,
        fits: impl FnOnce(&PendingRequest) -> bool,
    ) -> Option<(PendingRequest, StepUpFailure)> {
        take_cancelled(fits)
    }
}

pub(super) fn take_pending(fits: impl FnOnce(&PendingRequest) -> bool) -> Option<PendingRequest> {
    match mock::is_here() {
        true => mock::take_pending(fits),
        false => current::opened()?.take_pending(fits),
    }
}

fn take_cancelled(fits: impl FnOnce(&PendingRequest) -> bool) -> Option<(PendingRequest, StepUpFailure)> {
    match mock::is_here() {
        true => mock::take_cancelled(fits),
        false => current::opened()?.take_cancelled(fits),
    }
}

/// Returns the arguments of a call, if it is a call of this server function.
pub(super) fn reads<F: ServerFn + DeserializeOwned>(call: &PendingRequest, found: &mut Option<F>) -> bool {
    // A mock has no page.
    let page = current::opened().map(|session| session.platform().origin());
    if is_call_of(&call.url, &page.unwrap_or_default(), F::PATH) {
        *found = arguments(call.content_type.as_deref(), &call.url, call.body.as_deref());
    }
    found.is_some()
}

/// Returns whether a call is for the server function with this path, from a page of the origin `page`.
fn is_call_of(url: &str, page: &str, path: &str) -> bool {
    let server = match get_server_url() {
        "" => page,
        server => server,
    };
    let called = url.split(['?', '#']).next().unwrap_or_default();
    called.strip_prefix(server) == Some(path)
}

/// Reads the arguments of a server function from its call.
fn arguments<F: ServerFn + DeserializeOwned>(content_type: Option<&str>, url: &str, body: Option<&str>) -> Option<F> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    match body {
        None => serde_qs::from_str(query).ok(),
        Some(body) if content_type.is_some_and(|it| it.starts_with("application/json")) => {
            serde_json::from_str(body).ok()
        }
        Some(body) => serde_qs::from_str(body).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_call_of;

    #[test]
    fn a_call_is_known_by_its_origin_and_its_whole_path() {
        let is_call = |url| is_call_of(url, "https://app.example", "/api/confirm");
        assert!(is_call("https://app.example/api/confirm"));
        assert!(is_call("https://app.example/api/confirm?statement=x"));
        for other in [
            "https://app.example/v2/api/confirm",
            "https://app.example/api/confirm/all",
            "https://api.example/api/confirm",
            "https://app.example.evil.example/api/confirm",
            "https://app.example/api/other?next=/api/confirm",
        ] {
            assert!(!is_call(other), "{other}");
        }
    }
}
