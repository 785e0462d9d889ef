use std::sync::Arc;

use url::Url;

use super::{GateLayer, GateService, Policies, Rate};
use crate::jwt::{Clock, Principal, SystemClock, Validator};

/// Everything that the gate judges by. Cloning is cheap.
#[derive(Clone)]
pub struct Gate {
    pub(crate) settings: Arc<Settings>,
}

pub(crate) struct Settings {
    pub(crate) validator: Validator,
    pub(crate) policies: Policies,
    pub(crate) public_url: Option<Url>,
    pub(crate) protected: Vec<String>,
    pub(crate) explain: bool,
}

/// Gathers what a [`Gate`] works with.
pub struct GateBuilder {
    validator: Validator,
    policies: Policies,
    clock: Arc<dyn Clock>,
    public_url: String,
    protected: Vec<String>,
    explain: bool,
    dpop_nonce: bool,
    rate_limit: Option<Rate>,
    failure_limit: Option<Rate>,
    trusted_proxies: Vec<ipnet::IpNet>,
    certificate_header: Option<String>,
}

/// A gate that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The public URL is no base for links.
    #[error("server.public_url {0:?} is no http(s) URL without query; write where browsers reach this server")]
    PublicUrl(String),
    /// A protected prefix is no path.
    #[error("the protected prefix {0:?} is no path; it must begin with `/` and have no `/` at its end")]
    Prefix(String),
    /// A policy is for a path that the gate never judges.
    #[error("the policy for {0:?} is outside the protected prefixes, so it would never be asked")]
    Unprotected(String),
    /// A client certificate header counts only when it comes from a trusted proxy.
    #[error("a client certificate header needs server.trusted_proxies; anybody else could send it")]
    CertificateHeader,
}

impl Gate {
    /// Starts from who is trusted and what they may do.
    pub fn builder(validator: Validator, policies: Policies) -> GateBuilder {
        GateBuilder {
            validator,
            policies,
            clock: Arc::new(SystemClock),
            public_url: String::new(),
            protected: vec!["/api".into(), "/gw".into()],
            explain: false,
            dpop_nonce: false,
            rate_limit: None,
            failure_limit: None,
            trusted_proxies: Vec::new(),
            certificate_header: None,
        }
    }

    /// The tower layer.
    pub fn layer(&self) -> GateLayer {
        GateLayer::new(self.clone())
    }

    /// Puts the gate in front of a whole router, before routing. The result serves as `axum::serve` and `oneshot` want it.
    pub fn wrap(&self, router: axum::Router) -> axum::Router {
        axum::Router::new().fallback_service(GateService::new(self.clone(), router))
    }

    /// The validator that it asks.
    pub fn validator(&self) -> &Validator {
        &self.settings.validator
    }

    /// The policies that it follows.
    pub fn policies(&self) -> &Policies {
        &self.settings.policies
    }

    /// The document at `/.well-known/oauth-protected-resource` (RFC 9728), made from trust and policies.
    pub fn resource_metadata(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

impl GateBuilder {
    /// Where browsers reach this server: the one base for DPoP's `htu`, for origins and links.
    #[must_use]
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = url.into();
        self
    }

    /// The prefixes that are judged, in place of `/api` and `/gw`.
    #[must_use]
    pub fn protect<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.protected = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Puts details into refusals. For development only.
    #[must_use]
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Requires a nonce of the gate in DPoP proofs (RFC 9449, section 9).
    #[must_use]
    pub fn dpop_nonce(mut self, required: bool) -> Self {
        self.dpop_nonce = required;
        self
    }

    /// Limits the calls of one subject.
    #[must_use]
    pub fn rate_limit(mut self, rate: Option<Rate>) -> Self {
        self.rate_limit = rate;
        self
    }

    /// Limits the refused calls of one address.
    #[must_use]
    pub fn failure_limit(mut self, rate: Option<Rate>) -> Self {
        self.failure_limit = rate;
        self
    }

    /// The proxies whose `X-Forwarded-For` and certificate header count.
    #[must_use]
    pub fn trusted_proxies(mut self, networks: impl IntoIterator<Item = ipnet::IpNet>) -> Self {
        self.trusted_proxies = networks.into_iter().collect();
        self
    }

    /// The header in which a trusted proxy tells the client's certificate (RFC 8705; RFC 9440).
    #[must_use]
    pub fn certificate_header(mut self, header: Option<String>) -> Self {
        self.certificate_header = header;
        self
    }

    /// Reads another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the gate.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn build(self) -> Result<Gate, GateError> {
        let public_url = match self.public_url.as_str() {
            "" => None,
            url => Some(Url::parse(url).map_err(|_| GateError::PublicUrl(url.to_owned()))?),
        };
        let settings = Settings {
            validator: self.validator,
            policies: self.policies,
            public_url,
            protected: self.protected,
            explain: self.explain,
        };
        Ok(Gate {
            settings: Arc::new(settings),
        })
    }
}

/// The principal that the gate left in a request, for code that has no extractor (Leptos server functions).
pub(crate) fn principal_of(extensions: &http::Extensions) -> Option<&Principal> {
    extensions.get::<Principal>()
}
