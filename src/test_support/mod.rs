//! For tests of applications behind the gate: an issuer that signs valid and invalid tokens, a clock and a provider that the test controls,
//! a table of tokens that must be rejected (`matrix`), and the [`profiles`] of real providers.
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use pixygate::gate::{Gate, Policies, Policy};
//! use pixygate::jwt::{Algorithm, Principal, Validator};
//! use pixygate::test_support::{Documents, TestClock, TestIssuer};
//! use tower::ServiceExt as _;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
//! let (clock, provider) = (TestClock::default(), Documents::of([&issuer]));
//! let validator = Validator::builder([issuer.trust("orders")]).fetch(provider).clock(clock.clone()).build()?;
//! validator.load().await?;
//!
//! let token = issuer.token().audience("orders").subject("alice").scope("orders:read").sign();
//! let principal = validator.validate(&token, clock.time()).await?;
//! assert_eq!(principal.subject(), "alice");
//!
//! // The application: its router and policies, behind a gate with the same clock as the tokens.
//! let policies = Policies::new().route("GET", "/api/orders", Policy::signed_in().scope("orders:read"));
//! let router = Router::new().route("/api/orders", get(|principal: Principal| async move { principal.subject().to_owned() }));
//! let app: Router = Gate::builder().validator(validator).clock(clock).build()?.protect(router, policies)?;
//! let ask = |token: &str| {
//!     let request = Request::get("/api/orders").header("authorization", format!("Bearer {token}"));
//!     // Every client sends `Host`; a request without it gets 400.
//!     request.header("host", "shop.example").body(Body::empty())
//! };
//! let response = app.clone().oneshot(ask(&token)?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! let without_the_scope = issuer.token().audience("orders").scope("invoices:read").sign();
//! let response = app.oneshot(ask(&without_the_scope)?).await?;
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "test-support")]
mod clock;
#[cfg(feature = "test-support")]
mod documents;
#[cfg(feature = "test-support")]
mod issuer;
#[cfg(feature = "test-support")]
mod key;
#[cfg(feature = "test-support")]
pub mod matrix;
pub mod mutations;
pub mod profiles;
#[cfg(feature = "test-support")]
mod proof;

#[cfg(feature = "test-support")]
pub use self::{
    clock::{TestClock, at},
    documents::Documents,
    issuer::{TestIssuer, TokenBuilder},
    key::TestKey,
    proof::ProofBuilder,
};
