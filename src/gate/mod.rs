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

#[cfg(doctest)]
#[doc = include_str!("../../docs/first-service.md")]
mod first_service {}

mod authorize;
mod backchannel;
pub mod binding;
mod builder;
mod config;
mod diagnosis;
mod error;
mod limit;
mod logout_recorder;
pub mod observe;
pub mod policy;
pub mod request;
mod response;
mod router;
mod service;
mod state;

pub use backchannel::BackchannelLogout;
pub use builder::GateBuilder;
pub use config::{GateConfig, RouteConfig};
pub use diagnosis::{CallCheck, CallDiagnosis, Diagnosis};
pub use error::{GateError, GateErrors, RouteError};
pub use limit::{Rate, RateError};
pub use logout_recorder::{LocalLogouts, LogoutFuture, LogoutRecord, LogoutRecorder, logout_digest};
pub use policy::{Policies, Policy};
pub use request::{GateContext, RequestId};
pub use router::GateRouter;
pub use service::{GateFuture, GateLayer, GateService};
pub use state::Gate;

#[cfg(feature = "test-support")]
pub(crate) use binding::dpop::thumbprint;
