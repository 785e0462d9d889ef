//! Accepts connections within their limits, and lets them finish when the server ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service as _;

use crate::connection::{Phase, Response, Timed, Times};

/// For the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// For the client to read some of a response.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// For what is in flight at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// After an error of `accept` (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of connections. Requests are HTTP/1.1; the proxy in front speaks HTTP/2 with browsers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once (`server.max_connections`). Further ones wait until one ends.
    pub max_connections: usize,
    /// How long a connection may be idle between two requests (`server.keep_alive_seconds`).
    pub keep_alive: Duration,
    /// Bytes of a request's head: its line and all headers. More is answered with 431.
    pub max_head_bytes: usize,
}

/// Serves until `shutdown` resolves, then lets open requests finish.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: impl Future<Output = ()>) {
    // Each connection holds a receiver: it hears of the shutdown, and its end closes the channel.
    let (stopping, stopped) = watch::channel(false);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let place = place(&places).await;
            (listener.accept().await, place)
        };
        tokio::select! {
            (accepted, place) = accepted => match accepted {
                Ok((stream, peer)) => spawn(stream, peer, place, limits, &router, stopped.clone()),
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

/// Waits while there are as many connections as there may be. The system queues those that come meanwhile.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = places.clone().try_acquire_owned() {
        return Some(place);
    }
    tracing::warn!(
        hint = "raise server.max_connections if the machine can bear it",
        "the limit of connections is reached, new ones wait"
    );
    // The semaphore is never closed.
    places.clone().acquire_owned().await.ok()
}

fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    place: Option<OwnedSemaphorePermit>,
    limits: Limits,
    router: &Router,
    mut stopped: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let phase = Phase::new();
    let times = Times {
        idle: limits.keep_alive,
        head: HEAD_TIME,
        write: WRITE_TIME,
    };
    let bytes = Timed::new(TokioIo::new(stream), phase.clone(), times);
    let router = router.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        phase.begin_request();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answer, phase) = (router.clone().call(request), phase.clone());
        async move {
            answer.await.map(|response| {
                // After a 101 the connection belongs to a tunnel, which is neither idle nor waits for a head.
                let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let phase = if is_tunnel { Phase::new() } else { phase };
                response.map(|body| Response { body, phase })
            })
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        // These times are `Timed`'s.
        .header_read_timeout(None)
        .max_header_size(limits.max_head_bytes)
        .max_buf_size(limits.max_head_bytes.max(MIN_BUFFER))
        .serve_connection(bytes, service)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // Clients go away all the time.
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop((place, stopped));
    });
}

/// What hyper needs for its buffer.
const MIN_BUFFER: usize = 8192;
