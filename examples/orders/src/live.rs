//! Changes to the caller's orders, as they happen. The gateway ends both kinds of stream when the caller's token expires, and the client
//! connects again with a fresh one.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use tokio::sync::broadcast::error::RecvError;

use crate::{Caller, Order, Service};

/// Shorter than the gateway's `idle_timeout_ms`.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Yields the changes to the caller's orders. Changes that a slow reader has missed are left out: it lists the orders anew.
fn changes(service: &Service, caller: &Caller) -> impl Stream<Item = Order> + Send + use<> {
    let (receiver, owner) = (service.book.changes(), caller.owner());
    futures_util::stream::unfold((receiver, owner), |(mut receiver, owner)| async move {
        loop {
            match receiver.recv().await {
                Ok((changed, order)) if changed == owner => return Some((order, (receiver, owner))),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

pub(crate) async fn events(
    State(service): State<Service>,
    caller: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    use futures_util::StreamExt as _;
    // An order is numbers and strings, which always serialize.
    let event = |order| Ok(Event::default().event("order").json_data(order).unwrap_or_default());
    let changes = changes(&service, &caller).map(event);
    Sse::new(changes).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

pub(crate) async fn socket(State(service): State<Service>, caller: Caller, upgrade: WebSocketUpgrade) -> Response {
    let changes = changes(&service, &caller);
    upgrade.on_upgrade(|socket| send(socket, changes))
}

async fn send(mut socket: WebSocket, changes: impl Stream<Item = Order>) {
    use futures_util::StreamExt as _;
    let mut changes = std::pin::pin!(changes);
    loop {
        tokio::select! {
            change = changes.next() => {
                let Some(order) = change else { return };
                let text = serde_json::to_string(&order).unwrap_or_default();
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            // What the caller sends does not matter; its end does.
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}
