//! An answer of a server function that is a stream ends when the right to it ends, as that of an upstream does.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use pixygate::gate::GateContext;
use tokio::time::{Sleep, sleep};

use crate::state::AppState;
use crate::upstream::Watched;

/// A stream has this long to end by itself. Then it breaks off: a reader must not take a part for the whole.
const GRACE: Duration = Duration::from_millis(500);

/// Marks an answer that is sent as it comes, and so is not compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed;

/// The right to a stream has ended.
#[derive(Debug, thiserror::Error)]
#[error("the token has expired or was revoked, or the server stops")]
struct RightEnded;

/// Ends the answer with the right of its caller, where it has no length.
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
    let right = streams.watch(Some(principal));
    response.map(|body| Body::new(EndingBody { body, right, end: None }))
}

struct EndingBody {
    body: Body,
    right: Watched,
    /// Runs once the right has ended.
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
        if let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
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
