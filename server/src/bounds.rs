//! Limits the size and the time of a request's body. Handlers read the body as a stream.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use pixygate::Reason;
use pixygate::gate::RequestId;
use pixygate::jwt::Rejection;

use crate::connection::Deadline;

/// The time from a handler's first read of a body to the body's end.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The largest body of a request, in bytes.
const BODY_SIZE: u64 = 1024 * 1024;

/// The reason why a body was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BodyError {
    #[error("a body of more than {BODY_SIZE} bytes")]
    TooLarge,
    #[error("a body that took longer than {} s", BODY_TIME.as_secs())]
    TooSlow,
    #[error("a body that ended too early")]
    Broken,
}

impl BodyError {
    fn reason(self) -> Reason {
        match self {
            Self::TooLarge => Reason::BodyTooLarge,
            Self::TooSlow => Reason::RequestTimeout,
            Self::Broken => Reason::InvalidRequest,
        }
    }

    fn answer(self, request_id: Option<&RequestId>, path: &str) -> Response {
        let rejection = Rejection::new(self.reason());
        tracing::warn!(status = rejection.status(), ?path, found = %self, "rejected");
        let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let id = request_id.cloned().unwrap_or_else(RequestId::generate);
        (status, Json(rejection.refusal(&id))).into_response()
    }
}

/// Limits the body that a handler reads. It is behind the gate, so the body of a rejected call is never read. If a body is cut off, the
/// response of the handler is replaced, so that all handlers answer alike.
pub(crate) async fn limit_body(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let id = parts.extensions.get::<RequestId>().cloned();
    let path = parts.uri.path().to_owned();
    if body.size_hint().lower() > BODY_SIZE {
        return BodyError::TooLarge.answer(id.as_ref(), &path);
    }
    let error = Arc::new(OnceLock::new());
    let body = Bounded {
        body,
        left: BODY_SIZE,
        deadline: Deadline::default(),
        error: error.clone(),
    };
    let response = next.run(Request::from_parts(parts, Body::new(body))).await;
    match error.get() {
        Some(error) => error.answer(id.as_ref(), &path),
        None => response,
    }
}

struct Bounded {
    body: Body,
    left: u64,
    deadline: Deadline,
    error: Arc<OnceLock<BodyError>>,
}

impl Bounded {
    fn end(&self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Err(*self.error.get_or_init(|| error))))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => self.end(BodyError::TooLarge),
                }
            }
            Poll::Ready(Some(Err(_))) => self.end(BodyError::Broken),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.deadline.poll(context, BODY_TIME) {
                Poll::Ready(()) => self.end(BodyError::TooSlow),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
