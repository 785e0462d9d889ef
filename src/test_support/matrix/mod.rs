//! The rejection matrix: tokens that must be refused, each with its reason and beside a neighbour that must pass. Run it
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

/// The issuer of the accepted tokens: one that is the address of a token endpoint, as there are.
pub const ISSUER: &str = "https://api.idp.example/t/acme/oauth2/token";
/// Another trusted issuer, which uses the same `kid`s.
pub const OTHER_ISSUER: &str = "https://other.example";
/// The audience of the gate.
pub const AUDIENCE: &str = "orders";

/// Who signs what in the matrix.
#[derive(Debug)]
pub struct Setting {
    /// Trusted, with keys for RS256, PS256, ES256 and EdDSA, and one for RS512, which the trust does not list.
    pub issuer: TestIssuer,
    /// Trusted too, with its own keys of the same `kid`s.
    pub other: TestIssuer,
    /// Nobody's key, named like the issuer's.
    pub stranger: TestKey,
}

impl Default for Setting {
    fn default() -> Self {
        Self::new()
    }
}

impl Setting {
    /// Makes the keys.
    pub fn new() -> Self {
        use Algorithm::{ES256, EdDSA, PS256, RS256, RS512};
        Self {
            issuer: TestIssuer::new(ISSUER, [RS256, PS256, ES256, EdDSA, RS512]),
            other: TestIssuer::new(OTHER_ISSUER, [ES256]),
            stranger: TestKey::generate(ES256, "es256"),
        }
    }

    /// Both trusted issuers, with every default.
    pub fn trusts(&self) -> Vec<Trust> {
        vec![self.issuer.trust(AUDIENCE), self.other.trust(AUDIENCE)]
    }

    /// Their metadata and keys.
    pub fn documents(&self) -> Documents {
        Documents::of([&self.issuer, &self.other])
    }
}

/// One token, and what must become of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// What is special about it.
    pub name: &'static str,
    /// Its line in the list of threats.
    pub threat: u8,
    /// Makes it, at the beginning of every test ([`at`](super::at) 0).
    pub token: fn(&Setting) -> String,
    /// The verdict.
    pub expected: Expected,
    /// Why an independent validator (jwt-simple, with issuer and audience given) says otherwise.
    pub oracle_differs: Option<&'static str>,
}

/// The verdict on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It passes.
    Accepted,
    /// It does not, for this reason.
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
