//! For tests of what stands behind the gate: an issuer that makes tokens good and bad, a clock and a provider that do what
//! the test says, and the rejection matrix as a table.
//!
//! ```
//! use pixygate::gate::{Gate, Policies, Policy};
//! use pixygate::jwt::{Algorithm, Validator};
//! use pixygate::test_support::{Documents, TestClock, TestIssuer};
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
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod documents;
mod issuer;
mod key;
pub mod matrix;
mod proof;

pub use clock::{TestClock, at};
pub use documents::Documents;
pub use issuer::{TestIssuer, TokenBuilder};
pub use key::TestKey;
pub use proof::ProofBuilder;
