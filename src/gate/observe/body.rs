use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http::Method;
use http_body::{Frame, SizeHint};

use super::{Observer, Outcome};

/// A request that is not over yet. When it is dropped, the observer is notified.
pub(crate) struct Observed {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) started: Instant,
    pub(crate) outcome: Outcome,
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.outcome.took = self.started.elapsed();
        self.observer.finished(&self.outcome);
    }
}

impl Observed {
    /// Counts the bytes that are sent of a response. The request is over when its body is dropped.
    pub(crate) fn until_sent(mut self: Box<Self>, response: Response) -> Response {
        self.outcome.status = Some(response.status());
        response.map(|body| {
            // The body of a response to HEAD is not sent (RFC 9110, section 9.3.2).
            self.outcome.complete = body.is_end_stream() || self.outcome.method == Method::HEAD;
            Body::new(ObservedBody { body, observed: self })
        })
    }
}

struct ObservedBody {
    body: Body,
    observed: Box<Observed>,
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.observed.outcome.bytes += bytes as u64;
        }
        // A body with a length is not polled again after its last frame.
        self.observed.outcome.complete = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
