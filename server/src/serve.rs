//! Accepts connections and serves requests within [`Limits`]. On shutdown, waits for requests in flight.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http::{Request, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use crate::connection::{Phase, Response, Timed, Times};
use crate::tls::Tls;

/// The time that requests in flight have to finish at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// The pause after an error of `accept`, such as too many open files, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// HTTP/2: the interval between pings, and the time that the client has to answer one.
const PING: Duration = Duration::from_secs(20);

/// HTTP/2: concurrent requests on a connection.
const MAX_STREAMS: u32 = 100;

/// HTTP/2: bytes of one response that are buffered until the client reads them.
const MAX_SEND_BUFFER: usize = 64 * 1024;

/// The limits of connections. Requests are HTTP/1.1, or HTTP/2 if it is negotiated by ALPN.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Concurrent connections (`server.max_connections`). Further ones wait until one ends.
    pub max_connections: usize,
    /// How long a connection may be idle between two requests (`server.keep_alive_seconds`).
    pub keep_alive: Duration,
    /// How long the head of a request may take, and separately the TLS handshake (`server.head_seconds`).
    pub head: Duration,
    /// How long a response waits for a client that reads nothing of it (`server.write_seconds`).
    pub write: Duration,
    /// Bytes of a request's head: its line and all headers (`server.max_head_bytes` and `gate.max_token_bytes`). More is answered with 431.
    pub max_head_bytes: usize,
}

/// Serves until `shutdown` resolves, then waits at most ten seconds for requests in flight.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    serve_with(listener, router, limits, None, shutdown).await;
}

/// Like [`serve`], over TLS if there is a certificate.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
) {
    // Each connection holds a receiver, which notifies it of the shutdown. The channel closes when the last connection has ended.
    let (stopping, stopped) = watch::channel(false);
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let permit = next_permit(&permits).await;
            (listener.accept().await, permit)
        };
        tokio::select! {
            (accepted, permit) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        peer,
                        limits,
                        router: router.clone(),
                        stopped: stopped.clone(),
                    };
                    let tls = tls.as_ref().map(Tls::current);
                    tokio::spawn(async move {
                        // Only a debug line: clients often disconnect.
                        if let Err(error) = connection.serve(stream, tls).await {
                            tracing::debug!(%error, "a connection ended early");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = &mut shutdown => break,
        }
    }
    drop((listener, stopped));
    stopping.send_replace(true);
    if tokio::time::timeout(GRACE, stopping.closed()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// Waits until there are fewer than `max_connections`. The operating system queues new ones in the meantime.
async fn next_permit(permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = permits.clone().try_acquire_owned() {
        return Some(permit);
    }
    tracing::warn!(
        hint = "raise server.max_connections if the machine can bear it",
        "the limit of connections is reached, new ones wait"
    );
    // The semaphore is never closed.
    permits.clone().acquire_owned().await.ok()
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

struct Connection {
    peer: SocketAddr,
    limits: Limits,
    router: Router,
    stopped: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) -> Result<(), BoxError> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let Some(tls) = tls else {
            return self.http1(TokioIo::new(stream)).await;
        };
        // The handshake may take as long as a head, so that a client cannot hold a connection by not finishing it.
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let stream = tokio::time::timeout(self.limits.head, handshake).await??;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.http2(TokioIo::new(stream)).await,
            _ => self.http1(TokioIo::new(stream)).await,
        }
    }

    async fn http1<I>(self, io: I) -> Result<(), BoxError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let Self {
            peer,
            limits,
            router,
            mut stopped,
        } = self;
        let phase = Phase::new();
        let times = Times {
            idle: limits.keep_alive,
            head: limits.head,
            write: limits.write,
        };
        let bytes = Timed::new(io, phase.clone(), times);
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            phase.begin_request();
            let (answer, phase) = (router.clone().call(with_connect_info(request, peer)), phase.clone());
            async move {
                answer.await.map(|response| {
                    // After a 101 the connection is a tunnel. Dropping the response must not start the idle time limit.
                    let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                    let phase = if is_tunnel { Phase::new() } else { phase };
                    response.map(|body| Response { body, phase })
                })
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            // `Timed` has this limit.
            .header_read_timeout(None)
            .max_header_size(limits.max_head_bytes)
            .max_buf_size(limits.max_head_bytes.max(MIN_BUFFER))
            .serve_connection(bytes, service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = stop(&mut stopped) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn http2<I>(self, io: I) -> Result<(), BoxError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    {
        let Self {
            peer,
            limits,
            router,
            mut stopped,
        } = self;
        let open = OpenRequests::default();
        let counted = open.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let open = counted.begin();
            let answer = router.clone().call(with_connect_info(request, peer));
            async move {
                answer.await.map(|response| {
                    response.map(|body| OpenBody {
                        body,
                        rest: Bytes::new(),
                        open,
                    })
                })
            }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .max_concurrent_streams(MAX_STREAMS)
            .max_send_buf_size(MAX_SEND_BUFFER)
            .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
            .serve_connection(io, service);
        let mut connection = std::pin::pin!(connection);
        let mut idle_since = None;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                () = stop(&mut stopped) => break,
                () = tokio::time::sleep((limits.keep_alive / 4).min(limits.write / 2)) => {
                    if open.are_unread_for(limits.write) {
                        return Err("the client does not read".into());
                    }
                    if !open.is_empty() {
                        idle_since = None;
                        continue;
                    }
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= limits.keep_alive / 2 {
                        break;
                    }
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        // Waits for responses in flight, but not for a client that does not read.
        loop {
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                () = tokio::time::sleep(limits.write) => {
                    if open.is_empty() || open.are_unread_for(limits.write) {
                        return Err("the client does not read".into());
                    }
                }
            }
        }
    }
}

fn with_connect_info(request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

/// Resolves when the shutdown begins.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// The requests in flight on an HTTP/2 connection. For each, the time since which the client has read nothing of the response.
#[derive(Clone, Default)]
struct OpenRequests(Arc<Mutex<Requests>>);

#[derive(Default)]
struct Requests {
    next: u64,
    unread_since: HashMap<u64, Option<Instant>>,
}

impl OpenRequests {
    fn begin(&self) -> OpenRequest {
        let mut requests = self.lock();
        let number = requests.next;
        requests.next += 1;
        requests.unread_since.insert(number, None);
        OpenRequest {
            all: self.clone(),
            number,
        }
    }

    fn is_empty(&self) -> bool {
        self.lock().unread_since.is_empty()
    }

    fn are_unread_for(&self, time: Duration) -> bool {
        let requests = self.lock();
        let mut since = requests.unread_since.values().flatten();
        since.any(|since| since.elapsed() >= time)
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request of [`OpenRequests`]. Dropping it ends the request.
struct OpenRequest {
    all: OpenRequests,
    number: u64,
}

impl OpenRequest {
    fn set_unread(&self, since: Option<Instant>) {
        self.all.lock().unread_since.insert(self.number, since);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.all.lock().unread_since.remove(&self.number);
    }
}

/// The body of a response; dropping it ends the request. Large chunks are split, because hyper takes a chunk whole even if the client does
/// not read.
struct OpenBody {
    body: Body,
    rest: Bytes,
    open: OpenRequest,
}

/// The size of a piece in bytes: the initial maximum frame size of HTTP/2 (RFC 9113, section 6.5.2).
const MAX_CHUNK: usize = 16 * 1024;

impl HttpBody for OpenBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = match self.rest.is_empty() {
            true => Pin::new(&mut self.body).poll_frame(context),
            false => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest))))),
        };
        // hyper polls for the next piece only when the client has room for it.
        self.open.set_unread(frame.is_ready().then(Instant::now));
        frame.map_ok(|frame| match frame.into_data() {
            Ok(mut data) => {
                self.rest = data.split_off(data.len().min(MAX_CHUNK));
                Frame::data(data)
            }
            Err(other) => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

/// The smallest buffer that hyper accepts.
const MIN_BUFFER: usize = 8192;
