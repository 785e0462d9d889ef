//! The rejection matrix: tokens that must be rejected, each with its reason, next to similar ones that must be accepted. Run it
//! against the validator, over HTTP, or against another validator:
//!
//! ```
//! use pixygate::{jwt::Validator, test_support::{TestClock, matrix::{Expected, Setting, cases}}};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let (setting, clock) = (Setting::new(), TestClock::default());
//! let validator = Validator::builder(setting.trusts()).fetch(setting.documents()).clock(clock.clone()).build()?;
//! validator.load().await?;
//! for case in cases() {
//!     let verdict = validator.validate(&(case.token)(&setting), clock.time()).await;
//!     match case.expected {
//!         Expected::Accepted => assert!(verdict.is_ok(), "{}", case.name),
//!         Expected::Refused(reason) => assert_eq!(verdict.unwrap_err().reason(), reason, "{}", case.name),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod table;

use super::{Documents, TestIssuer, TestKey};
use crate::{
    Reason,
    jwt::{Algorithm, Trust},
};

pub use table::cases;

/// The issuer of the accepted tokens. It is the URL of a token endpoint, as at some providers.
pub const ISSUER: &str = "https://api.idp.example/t/acme/oauth2/token";
/// Another trusted issuer, which uses the same `kid`s.
pub const OTHER_ISSUER: &str = "https://other.example";
/// The audience of the gate.
pub const AUDIENCE: &str = "orders";

/// The issuers and keys of the matrix.
#[derive(Debug)]
pub struct Setting {
    /// Trusted, with keys for RS256, PS256, ES256 and EdDSA, and one for RS512, which the trust does not list.
    pub issuer: TestIssuer,
    /// Trusted as well, with other keys under the same `kid`s.
    pub other: TestIssuer,
    /// A key of no issuer, with a `kid` of the first one.
    pub stranger: TestKey,
}

impl Default for Setting {
    fn default() -> Self {
        Self::new()
    }
}

impl Setting {
    /// Generates the keys.
    pub fn new() -> Self {
        use Algorithm::{ES256, EdDSA, PS256, RS256, RS512};
        Self {
            issuer: TestIssuer::new(ISSUER, [RS256, PS256, ES256, EdDSA, RS512]),
            other: TestIssuer::new(OTHER_ISSUER, [ES256]),
            stranger: TestKey::generate(ES256, "es256"),
        }
    }

    /// Returns a trust for each issuer, with every default.
    pub fn trusts(&self) -> Vec<Trust> {
        vec![self.issuer.trust(AUDIENCE), self.other.trust(AUDIENCE)]
    }

    /// Returns the metadata and keys of both.
    pub fn documents(&self) -> Documents {
        Documents::of([&self.issuer, &self.other])
    }
}

/// A token, and its expected verdict.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The property that the token tests.
    pub name: &'static str,
    /// The line of docs/threats.md.
    pub threat: u8,
    /// Makes the token at the beginning of every test ([`at`](super::at) 0).
    pub token: fn(&Setting) -> String,
    /// The expected verdict.
    pub expected: Expected,
    /// Why an independent validator (jwt-simple, given issuer and audience) decides otherwise.
    pub oracle_differs: Option<&'static str>,
}

/// The verdict on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The token is accepted.
    Accepted,
    /// The token is rejected for this reason.
    Refused(Reason),
}

const fn accepted(threat: u8, name: &'static str, token: fn(&Setting) -> String) -> Case {
    Case {
        name,
        threat,
        token,
        expected: Expected::Accepted,
        oracle_differs: None,
    }
}

const fn refused(threat: u8, name: &'static str, reason: Reason, token: fn(&Setting) -> String) -> Case {
    Case {
        name,
        threat,
        token,
        expected: Expected::Refused(reason),
        oracle_differs: None,
    }
}

impl Case {
    const fn oracle_differs(mut self, why: &'static str) -> Self {
        self.oracle_differs = Some(why);
        self
    }
}
