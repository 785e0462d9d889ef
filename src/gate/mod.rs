//! The gate: a tower layer around a whole axum router. What is not allowed by a policy does not reach it.
//!
//! In the order in which a request meets it:
//!
//! 1. [`GateService`]: the path must have one meaning; outside the protected prefixes it passes untouched.
//! 2. [`Policies`]: which [`Policy`] the method and path have. None means refused.
//! 3. The credentials: exactly one `Authorization` header, `Bearer` or `DPoP`.
//! 4. [`Validator`](crate::jwt::Validator): who it is.
//! 5. The [`Policy`] again: whether they may.
//! 6. The handler takes the [`Principal`](crate::jwt::Principal) as an extractor.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//! use pixygate::gate::{Gate, Policies, Policy};
//! use pixygate::jwt::{Principal, Trust, Validator};
//!
//! let validator = Validator::builder([Trust::new("https://idp.example").audience("orders")]).build()?;
//! validator.load().await?;
//! let refresh = validator.spawn_refresh();
//!
//! let policies = Policies::new()
//!     .route("GET", "/api/orders", Policy::signed_in().scope("orders:read"))?
//!     .route("POST", "/api/orders", Policy::signed_in().scope("orders:write").role("buyer"))?;
//! let gate = Gate::builder(validator, policies).public_url("https://shop.example").build()?;
//!
//! async fn orders(principal: Principal) -> String {
//!     format!("Orders of {}", principal.subject())
//! }
//! // `wrap` puts the gate in front of routing; `Router::layer` would judge after it.
//! let app = gate.wrap(Router::new().route("/api/orders", get(orders)));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! // Who is connected is told to the gate, for limits on addresses and for certificates from a proxy.
//! axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
//! # drop(refresh);
//! # Ok(()) }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../../docs/gate.md")]
mod guide {}

mod backchannel;
mod builder;
mod certificate;
mod challenge;
mod client_address;
mod credentials;
mod cross_site;
mod dpop;
mod extract;
mod judge;
mod layer;
mod limit;
mod lines;
mod metadata;
mod nonce;
mod observe;
mod passed;
mod path;
mod pattern;
mod permission;
mod policies;
mod policy;
mod rate;
mod refusal;
mod replay;
mod request_id;
mod tally;

pub use backchannel::BackchannelLogout;
pub use builder::{Gate, GateBuilder, GateError};
pub use layer::{GateLayer, GateService, MakeGateService};
pub use observe::{NoObserver, Observe, Verdict};
pub use passed::Passed;
pub use path::{AmbiguousPath, RequestPath};
pub use pattern::{Methods, Pattern, PatternError};
pub use policies::{Policies, Route};
pub use policy::{Contradiction, Policy};
pub use rate::{Rate, RateError};
pub use replay::{LocalReplays, ReplayFuture, Replays, Use};
pub use request_id::RequestId;
pub use tally::Tally;

#[cfg(feature = "test-support")]
pub(crate) use dpop::thumbprint;
