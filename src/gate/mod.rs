//! The gate: every request is authorized before a handler runs, and a path without a policy is denied.
//!
//! In the order in which a request meets it:
//!
//! 1. [`GateService`]: the path must have one meaning.
//! 2. [`Policies`]: the [`Policy`] of its method and path. Without one it is denied.
//! 3. The credentials: exactly one `Authorization` header, `Bearer` or `DPoP`.
//! 4. [`Validator`](crate::jwt::Validator): the token becomes a [`Principal`](crate::jwt::Principal).
//! 5. The [`Policy`] again: scopes, roles, age of the sign-in.
//! 6. The handler takes the [`Principal`](crate::jwt::Principal) as an extractor.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pixygate::prelude::*;
//!
//! let gate = Gate::builder()
//!     .trust(Trust::new("https://idp.example").audience("orders"))
//!     .public_url("https://shop.example")
//!     .start()
//!     .await?;
//! let app = gate
//!     .router()
//!     .get("/orders", Policy::signed_in().scope("orders:read"), async |caller: Principal| {
//!         format!("Orders of {}", caller.subject())
//!     })
//!     .get("/health", Policy::public(), async || "ok")
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await?;
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
mod config;
mod credentials;
mod cross_site;
mod dpop;
mod error;
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
mod router;
mod state;
mod tally;

pub use backchannel::BackchannelLogout;
pub use builder::GateBuilder;
pub use config::{GateConfig, RouteConfig};
pub use error::{GateError, GateErrors, RouteError};
pub use layer::{GateLayer, GateService};
pub use observe::{NoObserver, Observe, Verdict};
pub use passed::Passed;
pub use path::{AmbiguousPath, RequestPath};
pub use pattern::{Methods, Pattern, PatternError};
pub use policies::{Policies, Route};
pub use policy::{Contradiction, Policy};
pub use rate::{Rate, RateError};
pub use replay::{LocalReplays, ReplayFuture, Replays, Use};
pub use request_id::RequestId;
pub use router::GateRouter;
pub use state::Gate;
pub use tally::Tally;

#[cfg(feature = "test-support")]
pub(crate) use dpop::thumbprint;
