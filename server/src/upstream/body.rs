//! Both bodies of a call, carried chunk by chunk, within their limits in bytes and time.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use pixygate::jwt::Principal;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};

use super::headers::Filter;
use super::reject::Failure;
use super::right::{End, Streams, Watched};
use super::target::InFlight;

/// An event that has begun has this long to end before the stream is cut in it.
const EVENT_TIME: Duration = Duration::from_secs(1);

/// A time limit on the next chunk. The timer is created when something waits for the first time.
#[derive(Default)]
pub(crate) struct Idle {
    limit: Option<Duration>,
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    fn progress(&mut self) {
        self.at = None;
    }

    /// Is ready when nothing has made progress for as long as the limit.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let at = *self.at.get_or_insert_with(|| Instant::now() + limit);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // It is put off only when it fires, which costs a chunk nothing.
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }
}

/// The body of a request, on its way to a target. An attempt that fails before it has read the body leaves it for the next one.
pub(crate) struct Upload {
    has_body: bool,
    unread: Mutex<Option<Reader>>,
    is_read: AtomicBool,
    failure: OnceLock<Failure>,
    begin: Instant,
    /// The last progress, in milliseconds since `begin`.
    progress: AtomicU64,
}

struct Reader {
    body: Body,
    limit: Option<u64>,
    left: u64,
    idle: Idle,
    filter: Arc<Filter>,
}

impl Upload {
    /// # Errors
    ///
    /// When the length that the request announces is over the limit.
    pub(crate) fn new(
        body: Body,
        limit: Option<u64>,
        idle: Option<Duration>,
        filter: Arc<Filter>,
    ) -> Result<Arc<Self>, Failure> {
        if let Some(limit) = limit
            && body.size_hint().lower() > limit
        {
            return Err(Failure::BodyTooLarge(limit));
        }
        let reader = (!body.is_end_stream()).then(|| Reader {
            body,
            limit,
            left: limit.unwrap_or(u64::MAX),
            idle: Idle::new(idle),
            filter,
        });
        Ok(Arc::new(Self {
            has_body: reader.is_some(),
            is_read: AtomicBool::new(false),
            unread: Mutex::new(reader),
            failure: OnceLock::new(),
            begin: Instant::now(),
            progress: AtomicU64::new(0),
        }))
    }

    /// Returns the body for one attempt.
    pub(crate) fn attempt(self: &Arc<Self>) -> RequestBody {
        let reader = self.unread.lock().take();
        RequestBody(reader.map(|reader| (reader, self.clone())))
    }

    /// Returns whether there is a body, read or not.
    pub(crate) fn has_body(&self) -> bool {
        self.has_body
    }

    /// Returns whether nothing of the body was read, so that another attempt can send it.
    pub(crate) fn is_unread(&self) -> bool {
        !self.is_read.load(Ordering::Relaxed)
    }

    /// Returns what went wrong with the body on the caller's side.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    /// Resolves when nothing of the body has moved for that long.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let last = self.begin + Duration::from_millis(self.progress.load(Ordering::Relaxed));
            if last + limit <= Instant::now() {
                return;
            }
            sleep_until(last + limit).await;
        }
    }

    /// Counts from now on, for instance because a new attempt begins.
    pub(crate) fn touch(&self) {
        self.progress
            .store(self.begin.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn fail(&self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(Some(Err(self.failure.get_or_init(|| failure).clone())))
    }
}

/// The body as a target receives it.
pub(crate) struct RequestBody(Option<(Reader, Arc<Upload>)>);

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self(None)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some((reader, upload)) = &mut self.0 else {
            return Poll::Ready(None);
        };
        upload.is_read.store(true, Ordering::Relaxed);
        match Pin::new(&mut reader.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                reader.idle.progress();
                upload.touch();
                let mut frame = frame;
                if let Some(trailers) = frame.trailers_mut() {
                    reader.filter.trailers(trailers);
                }
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match reader.left.checked_sub(length) {
                    Some(left) => {
                        reader.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => upload.fail(Failure::BodyTooLarge(reader.limit.unwrap_or_default())),
                }
            }
            Poll::Ready(Some(Err(_))) => upload.fail(Failure::BodyBroken),
            Poll::Ready(None) => {
                upload.touch();
                Poll::Ready(None)
            }
            Poll::Pending => match reader.idle.poll(context) {
                Poll::Ready(()) => upload.fail(Failure::BodyTooSlow),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(reader, _)| reader.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |(reader, _)| reader.body.size_hint())
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some((reader, upload)) = self.0.take()
            && upload.is_unread()
        {
            *upload.unread.lock() = Some(reader);
        }
    }
}

/// How a stream can be ended so that its reader understands.
enum Ending {
    /// It breaks off: a reader must not take a part for the whole.
    Cut,
    /// A last server-sent event.
    Event(EventTail),
    /// A status in the trailers.
    Grpc,
}

impl Ending {
    fn of(headers: &HeaderMap, length: &SizeHint) -> Self {
        let media_type = headers.get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        match media_type {
            _ if length.exact().is_some() => Self::Cut,
            Some(media_type) if media_type.starts_with(b"text/event-stream") => Self::Event(EventTail::default()),
            Some(media_type) if media_type.starts_with(b"application/grpc") => Self::Grpc,
            _ => Self::Cut,
        }
    }
}

/// The last bytes of an event stream, to know whether an event is unfinished.
#[derive(Default)]
struct EventTail([u8; 4]);

impl EventTail {
    fn add(&mut self, data: &[u8]) {
        for byte in &data[data.len().saturating_sub(4)..] {
            self.0.rotate_left(1);
            self.0[3] = *byte;
        }
    }

    fn is_between_events(&self) -> bool {
        self.0 == [0; 4] || self.0.ends_with(b"\n\n") || self.0.ends_with(b"\r\r") || self.0.ends_with(b"\n\r\n")
    }
}

/// Why a response broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the right to the stream has ended: {}", .0.reason())]
    Ended(End),
    #[error("the target sent nothing for too long")]
    Idle,
    #[error(transparent)]
    Target(#[from] hyper::Error),
}

/// The body of a response. Its place among the upstream's connections is free again when it is dropped.
pub(crate) struct ResponseBody {
    inner: Incoming,
    idle: Idle,
    ending: Ending,
    streams: Streams,
    principal: Option<Principal>,
    /// Most answers are over before it is worth watching them.
    watched: Option<Watched>,
    closing: Option<Closing>,
    _place: OwnedSemaphorePermit,
    _in_flight: InFlight,
}

struct Closing {
    end: End,
    by: Pin<Box<Sleep>>,
    written: bool,
}

impl ResponseBody {
    pub(crate) fn new(
        inner: Incoming,
        headers: &HeaderMap,
        idle: Option<Duration>,
        streams: Streams,
        principal: Option<Principal>,
        place: OwnedSemaphorePermit,
        in_flight: InFlight,
    ) -> Self {
        Self {
            ending: Ending::of(headers, &inner.size_hint()),
            inner,
            idle: Idle::new(idle),
            streams,
            principal,
            watched: None,
            closing: None,
            _place: place,
            _in_flight: in_flight,
        }
    }

    fn poll_closing(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(closing) = &mut self.closing else {
            return Poll::Pending;
        };
        let end = closing.end;
        match &self.ending {
            _ if closing.written => Poll::Ready(None),
            Ending::Cut => Poll::Ready(Some(Err(Broken::Ended(end)))),
            Ending::Grpc => {
                closing.written = true;
                let mut trailers = HeaderMap::new();
                // 16: the caller has no valid credentials (any more); 14: try another node.
                let status = if end == End::Stopping { "14" } else { "16" };
                trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static(status));
                trailers.insert(
                    HeaderName::from_static("grpc-message"),
                    HeaderValue::from_static(end.reason()),
                );
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Ending::Event(tail) if tail.is_between_events() => {
                closing.written = true;
                Poll::Ready(Some(Ok(Frame::data(last_event(end)))))
            }
            Ending::Event(_) => match closing.by.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Broken::Ended(end)))),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

fn last_event(end: End) -> Bytes {
    let reason = end.reason();
    let data = match end {
        End::Stopping => format!("{{\"status\":503,\"reason\":\"{reason}\"}}"),
        _ => format!("{{\"status\":401,\"error\":\"invalid_token\",\"reason\":\"{reason}\"}}"),
    };
    Bytes::from(format!("event: end\ndata: {data}\n\n"))
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if this.closing.is_some()
            && let Poll::Ready(last) = this.poll_closing(context)
        {
            return Poll::Ready(last);
        }
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        let is_over = matches!(polled, Poll::Ready(None | Some(Err(_)))) || this.inner.is_end_stream();
        if this.closing.is_none() && !is_over {
            let watch = || this.streams.watch(this.principal.take());
            let watched = this.watched.get_or_insert_with(watch);
            if let Poll::Ready(end) = watched.poll_end(context) {
                this.closing = Some(Closing {
                    end,
                    by: Box::pin(sleep_until(Instant::now() + EVENT_TIME)),
                    written: false,
                });
                // A frame that is here already is sent first, unless the body is cut anyway.
                if polled.is_pending() || matches!(this.ending, Ending::Cut) {
                    return this.poll_closing(context);
                }
            }
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.progress();
                if let (Ending::Event(tail), Some(data)) = (&mut this.ending, frame.data_ref()) {
                    tail.add(data);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.idle.poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Broken::Idle))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.closing.as_ref().is_none_or(|closing| closing.written)
    }

    fn size_hint(&self) -> SizeHint {
        // A last event or trailers may be added where the length is not known.
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line_in_any_of_the_three_line_ends() {
        for (chunks, between) in [
            (vec!["data: a\n\n"], true),
            (vec!["data: a\n", "\n"], true),
            (vec!["data: a\r\n\r\n"], true),
            (vec!["data: a\r\n\r", "\n"], true),
            (vec!["data: a\r\r"], true),
            (vec!["data: a\n"], false),
            (vec!["data: a\n\ndata"], false),
            (vec!["data: a\r\n"], false),
            (vec![], true),
        ] {
            let mut tail = EventTail::default();
            chunks.iter().for_each(|chunk| tail.add(chunk.as_bytes()));
            assert_eq!(tail.is_between_events(), between, "{chunks:?}");
        }
    }
}
