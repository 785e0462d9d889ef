//! Ends a streamed response of a server function when its caller's authorization ends, as for an upstream.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use pixygate::gate::GateContext;
use tokio::time::{Instant, Sleep, sleep};

use crate::state::AppState;
use crate::upstream::Watched;

/// The time that a stream has to end by itself. Then the connection is broken off, so that the client does not take a part for the whole.
const GRACE: Duration = Duration::from_millis(500);

/// Marks a streamed response, which is not compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// The authorization of a stream has ended.
#[derive(Debug, thiserror::Error)]
#[error("the token has expired or was revoked, or the server stops")]
struct RightEnded;

/// Ends a response without a length when its caller's authorization ends.
pub(crate) async fn end_with_right(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let context = request.extensions().get::<GateContext>();
    let principal = context.and_then(|context| context.principal().cloned());
    let mut response = next.run(request).await;
    let (Some(principal), Some(streams)) = (principal, &state.streams) else {
        return response;
    };
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.extensions_mut().insert(Streamed);
    // Prevents nginx from buffering the response.
    let unbuffered = (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response.headers_mut().insert(unbuffered.0, unbuffered.1);
    let right = streams.watch(Some(principal));
    response.map(|body| Body::new(EndingBody { body, right, end: None }))
}

struct EndingBody {
    body: Body,
    right: Watched,
    /// Resolves when the authorization has ended.
    end: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.is_none() && self.right.poll_end(context).is_ready() {
            self.end = Some(Box::pin(sleep(GRACE)));
        }
        // Polled first: a body that always has data would starve the timer.
        if let Some(end) = &mut self.end
            && (end.as_mut().poll(context).is_ready() || end.deadline() <= Instant::now())
        {
            return Poll::Ready(Some(Err(axum::Error::new(RightEnded))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::time::SystemTime;

    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use pixygate::jwt::{Algorithm, Ended, LocalRevocations, Principal, Validator};
    use pixygate::test_support::TestIssuer;

    use super::*;
    use crate::upstream::Streams;

    async fn caller() -> Principal {
        let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
        let mut trust = issuer.trust("orders");
        trust.jwks = issuer.jwks().to_string();
        let validator = Validator::builder([trust]).build().unwrap();
        validator.load().await.unwrap();
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let token = issuer.token().claim("iat", second - 5).claim("exp", second + 300);
        validator.validate(&token.sign(), now).await.unwrap()
    }

    /// Returns a body with one chunk, which then waits until the test ends it.
    fn answer(goes_on: impl Future<Output = ()> + Send + 'static) -> Body {
        let first = stream::iter([Ok::<_, Infallible>("one")]);
        let rest = stream::once(async {
            goes_on.await;
            Ok("two")
        });
        Body::from_stream(stream::StreamExt::chain(first, rest))
    }

    async fn next(body: &mut EndingBody) -> Option<Result<Bytes, axum::Error>> {
        let frame = body.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }

    #[tokio::test]
    async fn a_stream_breaks_off_when_the_right_to_it_ends_and_one_that_ends_by_itself_does_not() {
        let revocations = Arc::new(LocalRevocations::new(10));
        let streams = Streams::start(revocations.clone());
        let caller = caller().await;
        let ending = |body| EndingBody {
            body,
            right: streams.watch(Some(caller.clone())),
            end: None,
        };
        let (ends, end) = tokio::sync::oneshot::channel::<()>();
        let mut silent = ending(answer(std::future::pending()));
        let mut polite = ending(answer(async { drop(end.await) }));
        let mut endless = ending(Body::from_stream(stream::repeat(Ok::<_, Infallible>("more"))));
        for body in [&mut silent, &mut polite] {
            assert_eq!(next(body).await.unwrap().unwrap(), "one");
        }
        assert_eq!(next(&mut endless).await.unwrap().unwrap(), "more");

        revocations.end(&Ended::sessions_of(&caller, 0));
        ends.send(()).unwrap();
        assert_eq!(next(&mut polite).await.unwrap().unwrap(), "two");
        assert!(next(&mut polite).await.is_none());
        assert!(next(&mut silent).await.unwrap().is_err());
        let cut = async { while next(&mut endless).await.unwrap().is_ok() {} };
        tokio::time::timeout(Duration::from_secs(30), cut).await.unwrap();
    }
}
