//! The client of server functions: a fresh token, and its proof, on every call.

use std::future::Future;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use send_wrapper::SendWrapper;
use server_fn::client::Client;
use server_fn::client::browser::BrowserClient;
use server_fn::error::FromServerFnError;
use server_fn::request::browser::BrowserRequest;
use server_fn::response::browser::BrowserResponse;

use super::CallError;
use super::provider::session;

/// Attaches the access token to a server function's request: `#[server(client = GateClient)]`.
///
/// The token is fresh, see [`Session::access_token`](crate::session::Session::access_token). Without a session the call
/// is not made.
#[derive(Debug)]
pub struct GateClient;

impl<E, I, O> Client<E, I, O> for GateClient
where
    E: FromServerFnError + From<CallError>,
    I: FromServerFnError,
    O: FromServerFnError,
{
    type Request = BrowserRequest;
    type Response = BrowserResponse;

    fn send(request: Self::Request) -> impl Future<Output = Result<Self::Response, E>> + Send {
        SendWrapper::new(async move {
            let credentials = async { session()?.credentials(request.method().as_ref(), &request.url()).await }.await;
            let credentials = credentials.map_err(|error| E::from(CallError::from(error)))?;
            request.headers().set("Authorization", &credentials.authorization);
            if let Some(proof) = &credentials.dpop {
                request.headers().set("DPoP", proof);
            }
            <BrowserClient as Client<E, I, O>>::send(request).await
        })
    }

    fn open_websocket(
        path: &str,
    ) -> impl Future<
        Output = Result<
            (
                impl Stream<Item = Result<Bytes, Bytes>> + Send + 'static,
                impl Sink<Bytes> + Send + 'static,
            ),
            E,
        >,
    > + Send {
        <BrowserClient as Client<E, I, O>>::open_websocket(path)
    }

    fn spawn(future: impl Future<Output = ()> + Send + 'static) {
        <BrowserClient as Client<E, I, O>>::spawn(future);
    }
}
