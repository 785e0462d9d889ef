//! Services behind the gate. A call arrives here after the gate has accepted it, with the path and the principal that the gate saw.
//!
//! In the order in which a call meets them:
//!
//! 1. [`Upstream::call`] limits the body, waits for a free place and bounds each step in time.
//! 2. `headers` removes what the caller must not send on; `identity` and `forwarded` add what only the gate may say.
//! 3. `path` writes the target's address from the path that the gate authorized.
//! 4. `target` chooses among several targets and leaves out those that fail.
//! 5. `client` holds the connections.
//! 6. `body` carries both bodies without buffering; `tunnel` carries a WebSocket after a checked 101.
//! 7. `right` ends streams when the token expires or is revoked.

mod body;
mod client;
mod cors;
mod counts;
mod forwarded;
mod headers;
mod health;
mod identity;
mod path;
mod reject;
mod right;
mod routes;
mod service;
mod settings;
mod target;
mod tunnel;
mod upgrade;
mod websocket;

pub use client::{ClientError, TlsSettings};
pub(crate) use cors::allow as allow_origin;
pub(crate) use cors::preflight;
pub(crate) use counts::Lines;
pub use forwarded::Proxies;
pub use health::watch;
pub use identity::Assertions;
pub use right::Streams;
pub(crate) use right::Watched;
pub(crate) use routes::{Common, Target, policies, targeted};
pub use routes::{Routed, UpstreamRoute, Upstreams};
pub use service::{Call, Proxied, Upstream};
pub use settings::{Cors, Identity, Protocol, UpstreamSettings};
