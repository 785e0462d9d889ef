//! A service that one would have behind a gateway: list, place and cancel orders, and see them change.
//!
//! 1. [`caller`]: who is calling, from the JWT that the gateway signs. It is validated here with a library of its own.
//! 2. `book`: the orders of each caller, in memory.
//! 3. `live`: changes as server-sent events, and over a WebSocket.
//!
//! | | |
//! |---|---|
//! | `GET /orders` | the caller's orders |
//! | `POST /orders` | places one: `{"item": "Tea", "quantity": 2}` |
//! | `DELETE /orders/{id}` | cancels one |
//! | `GET /orders/events` | server-sent events |
//! | `GET /orders/live` | WebSocket |
//! | `GET /healthz` | for health checks; the only path without a caller |

mod book;
pub mod caller;
mod live;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};

pub use book::{Order, Placed, Status};
pub use caller::{Caller, Callers};

use book::Book;

#[derive(Clone)]
struct Service {
    callers: Callers,
    book: Arc<Book>,
}

impl FromRef<Service> for Callers {
    fn from_ref(service: &Service) -> Self {
        service.callers.clone()
    }
}

/// The whole service.
pub fn router(callers: Callers) -> Router {
    Router::new()
        .route("/orders", get(list).post(place))
        .route("/orders/{id}", delete(cancel))
        .route("/orders/events", get(live::events))
        .route("/orders/live", get(live::socket))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Service {
            callers,
            book: Arc::default(),
        })
}

async fn list(State(service): State<Service>, caller: Caller) -> Json<Vec<Order>> {
    Json(service.book.of(&caller))
}

/// The gateway's route requires the scope. The service requires it too: a mistake in one of them is not enough.
async fn place(
    State(service): State<Service>,
    caller: Caller,
    Json(placed): Json<Placed>,
) -> Result<(StatusCode, Json<Order>), StatusCode> {
    caller.require_scope("orders:write")?;
    let order = service
        .book
        .place(&caller, placed)
        .ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok((StatusCode::CREATED, Json(order)))
}

/// Another caller's order is not found, like one that was never placed.
async fn cancel(
    State(service): State<Service>,
    caller: Caller,
    Path(id): Path<u64>,
) -> Result<Json<Order>, StatusCode> {
    caller.require_scope("orders:write")?;
    service.book.cancel(&caller, id).map(Json).ok_or(StatusCode::NOT_FOUND)
}
