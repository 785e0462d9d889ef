use std::fmt;

use super::policy::PatternError;
use crate::jwt::{LoadError, TrustError};

/// A setting or a route with which a gate cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// A trust cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A setting prevents loading the keys of an issuer. An outage of the provider is not an error.
    #[error(transparent)]
    Keys(#[from] LoadError),
    /// A route cannot be used.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The gate has both trusts and a validator, which has trusts of its own.
    #[error("`trust` and `validator` exclude each other; give the trusts to the validator")]
    TrustAndValidator,
    /// The public URL is not a base for links.
    #[error(
        "public_url {0:?} is not an http(s) URL without query; write the address at which browsers reach this server"
    )]
    PublicUrl(String),
    /// An allowed origin is not an origin.
    #[error("the allowed origin {0:?} is not an origin; write scheme, host and port, as in \"https://app.example\"")]
    Origin(String),
    /// A protected prefix is not a path.
    #[error(
        "the protected prefix {0:?} is not a path; write it decoded and without `*`, as in \"/api\": it begins with `/` and does \
         not end with `/`, and everything under it is protected"
    )]
    Prefix(String),
    /// A rate cannot be read.
    #[error(transparent)]
    Rate(#[from] super::limit::RateError),
    /// `explain` shows details to attackers too, so it is for development on one machine.
    #[error(
        "gate.explain is for development: it requires that public_url ({public_url:?}) and listen ({listen}) are loopback addresses; \
         set it to false"
    )]
    Explain {
        /// The configured public URL.
        public_url: String,
        /// The configured listen address, or `none`.
        listen: String,
    },
    /// A certificate header counts only when it comes from a trusted proxy.
    #[error("gate.certificate_header requires trusted_proxies; without them any client could send the header")]
    CertificateHeaderWithoutProxy,
    /// The header has another meaning, or none.
    #[error(
        "gate.certificate_header {0:?} is not a header for a client certificate; write the one that your proxy sets, as in \
         \"x-client-cert\""
    )]
    CertificateHeader(String),
}

/// A route with which a gate cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The method or the path cannot be read.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An earlier route takes every request of this one.
    #[error("the route {route} is never reached: {by} stands before it and matches all of it; move it up or remove it")]
    Shadowed {
        /// Methods and path of the route.
        route: String,
        /// Methods and path of the earlier one.
        by: String,
    },
    /// Requirements that exclude each other, or one of no values.
    #[error(
        "no request can meet the policy of the route {0}: a list of acceptable values is empty; `acr` narrows, so write several \
         acceptable values as one `any_acr`"
    )]
    Unsatisfiable(String),
    /// The gate protects other paths only.
    #[error("the route {0} is outside of the protected prefixes, so its policy would never be checked")]
    Unprotected(String),
    /// `htu` of a DPoP proof is compared with the public URL (RFC 9449, section 4.3).
    #[error(
        "the route {0} requires DPoP, and proofs are compared with public_url; set it to the address that clients use"
    )]
    DpopWithoutPublicUrl(String),
    /// axum's router rejects the path.
    #[error("the path {path:?} cannot be routed: {why}")]
    Path {
        /// The path, as written.
        path: String,
        /// Why.
        why: String,
    },
}

/// Every reason why a gate cannot start, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateErrors(pub Vec<GateError>);

impl fmt::Display for GateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GateErrors {}

impl<E: Into<GateError>> From<E> for GateErrors {
    fn from(error: E) -> Self {
        Self(vec![error.into()])
    }
}
