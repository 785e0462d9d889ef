//! A TCP proxy between a node and its store that can break connections as networks do.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// Connections that were opened before the last reset are reset.
    resets: u64,
    /// While set, connections are accepted and nothing is forwarded.
    silent: bool,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State {
            resets: 0,
            silent: false,
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(forward(stream, port, shared.subscribe()));
            }
        });
        Self { address, state, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Resets every open connection (RST). New ones are forwarded.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Stops forwarding without closing connections, or resumes it.
    pub(crate) fn silence(&self, silent: bool) {
        self.state.send_modify(|state| state.silent = silent);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut near: TcpStream, port: u16, mut state: watch::Receiver<State>) {
    let first = *state.borrow_and_update();
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    loop {
        let now = *state.borrow_and_update();
        if now.resets != first.resets {
            // Closed with unsent data thrown away: the peer gets an RST.
            near.set_zero_linger().unwrap();
            far.set_zero_linger().unwrap();
            return;
        }
        if now.silent {
            if state.changed().await.is_err() {
                return;
            }
            continue;
        }
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}
