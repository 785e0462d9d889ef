//! Time limits of a connection: while it is idle, for the head of a request, and for a client that does not read its
//! response.
//!
//! hyper has one timer for the head, which also runs while a connection is idle between two requests, and none for writing.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep, sleep_until};

/// The time limits of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The time between two requests.
    pub(crate) idle: Duration,
    /// The time for the head of a request, from its first byte; for the first request, from the start of the connection.
    pub(crate) head: Duration,
    /// The time in which the client must read a part of a response.
    pub(crate) write: Duration,
}

/// The phase of a connection, and its start. The I/O and the service share it.
#[derive(Clone, Debug)]
pub(crate) struct Phase(Arc<Mutex<(Doing, Instant)>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing, between two requests.
    Idle,
    /// The client sends the head of a request.
    Head,
    /// A request is handled, or its response is written.
    Busy,
}

impl Phase {
    /// A new connection waits for the head of its first request.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((Doing::Head, Instant::now()))))
    }

    /// Call it when the head of a request is complete.
    pub(crate) fn begin_request(&self) {
        self.set(Doing::Busy);
    }

    fn get(&self) -> (Doing, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, doing: Doing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (doing, Instant::now());
    }
}

/// The body of a response; dropping it ends the request.
pub(crate) struct Response {
    pub(crate) body: Body,
    pub(crate) phase: Phase,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.phase.set(Doing::Idle);
    }
}

impl HttpBody for Response {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The I/O of a connection, with time limits.
pub(crate) struct Timed<I> {
    io: I,
    phase: Phase,
    times: Times,
    read: Timer,
    write: Deadline,
}

impl<I> Timed<I> {
    pub(crate) fn new(io: I, phase: Phase, times: Times) -> Self {
        Self {
            io,
            phase,
            times,
            read: Timer::default(),
            write: Deadline::default(),
        }
    }

    fn written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write.clear();
            return written;
        }
        ready!(self.write.poll(context, self.times.write));
        Poll::Ready(Err(late("the client does not read")))
    }

    /// Returns the time at which the client must have sent something.
    fn due(&self) -> Instant {
        match self.phase.get() {
            (Doing::Idle, since) => since + self.times.idle,
            (Doing::Head, since) => since + self.times.head,
            // hyper does not read again when a request ends, so this timer must check the phase then.
            (Doing::Busy, _) => Instant::now() + self.times.idle,
        }
    }
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<I: Read + Unpin> Read for Timed<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(context, buffer);
        if read.is_ready() {
            if this.phase.get().0 == Doing::Idle {
                this.phase.set(Doing::Head);
            }
            return read;
        }
        loop {
            let due = this.due();
            ready!(this.read.poll(context, due));
            if Instant::now() >= this.due() {
                return Poll::Ready(Err(late("the client does not send a request")));
            }
        }
    }
}

impl<I: Write + Unpin> Write for Timed<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, bytes);
        this.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

/// A timer that can be moved back at no cost: the sleep is extended only when it fires.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at || timer.is_elapsed() {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(context)
    }
}

/// A limit that starts at the first poll.
#[derive(Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Timer,
}

impl Deadline {
    fn clear(&mut self) {
        self.at = None;
    }

    /// Resolves when `limit` has passed since the first poll, or the first poll after `clear`.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let at = *self.at.get_or_insert_with(|| Instant::now() + limit);
        while Instant::now() < at {
            ready!(self.timer.poll(context, at));
        }
        Poll::Ready(())
    }
}
