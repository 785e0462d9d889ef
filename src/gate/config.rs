use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::{
    GateBuilder,
    error::{GateError, RouteError},
    limit::Rate,
    policy::{Methods, Policies, Policy},
};
use crate::jwt::Trust;

/// The settings of a [`Gate`](super::Gate), as in a configuration file.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use pixygate::gate::{Gate, GateConfig};
///
/// let config: GateConfig = toml::from_str(
///     r#"
///     public_url = "https://shop.example"
///
///     [[trust]]
///     issuer = "https://idp.example"
///     audience = ["orders"]
/// #   jwks = '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
///
///     [[route]]
///     methods = ["GET"]
///     path = "/orders/**"
///     scopes = ["orders:read"]
///     "#,
/// )?;
/// let gate = Gate::from_config(config).start().await?;
/// assert_eq!(gate.policies().routes()[0].policy.to_string(), "signed in, scope orders:read");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GateConfig {
    /// The address at which browsers reach this server.
    pub public_url: String,
    /// The address that the server listens on, which [`explain`](Self::explain) requires.
    pub listen: Option<SocketAddr>,
    /// The issuers whose tokens are accepted.
    pub trust: Vec<Trust>,
    /// The policies of paths. The first that matches applies; a path without a policy is denied.
    pub route: Vec<RouteConfig>,
    /// The path prefixes that the gate protects; without this, all paths.
    pub protect_prefixes: Option<Vec<String>>,
    /// Origins of other sites whose pages may make state-changing calls.
    pub allow_origins: Vec<String>,
    /// The name of this resource in challenges and metadata.
    pub realm: Option<String>,
    /// The rate limit of one subject, such as `"50/s"`.
    pub rate_limit: Option<String>,
    /// The rate limit of all subjects of one client together, such as `"500/s"`.
    pub client_limit: Option<String>,
    /// The limit of calls of one address to public routes, such as `"100/m"`.
    pub address_limit: Option<String>,
    /// The limit of denied requests of one address, such as `"100/m"`.
    pub failure_limit: Option<String>,
    /// The size of the longest token that is accepted, in bytes.
    pub max_token_bytes: Option<usize>,
    /// How many verified tokens are cached; 0 turns the cache off.
    pub token_cache: Option<usize>,
    /// Whether DPoP proofs must have a nonce of the gate.
    pub dpop_nonce: bool,
    /// The networks of proxies whose `X-Forwarded-For` and certificate header the gate trusts.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which a trusted proxy sends the client's certificate.
    pub certificate_header: Option<String>,
    /// Whether refusals have details, for development.
    pub explain: bool,
}

/// The policy of a path, as in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RouteConfig {
    /// The methods, in capital letters; an empty list means every method. `GET` includes `HEAD`.
    pub methods: Vec<String>,
    /// The path; see [`Pattern`](super::policy::Pattern).
    pub path: String,
    /// Whether the path is public. A public path has no requirements.
    pub public: bool,
    /// The scopes that a token must have.
    pub scopes: Vec<String>,
    /// The scopes of which a token must have at least one.
    pub any_scope: Vec<String>,
    /// The roles that a token must have.
    pub roles: Vec<String>,
    /// The roles of which a token must have at least one.
    pub any_role: Vec<String>,
    /// The accepted authentication context classes (`acr`).
    pub acr: Vec<String>,
    /// The maximum age of the sign-in, in seconds; 0 means no limit.
    pub max_age_seconds: u64,
    /// The claims that a token must have, each with its value or a list of accepted values.
    pub claims: BTreeMap<String, Value>,
    /// Whether a token must be bound to a key and sent with a DPoP proof.
    pub dpop: bool,
    /// The rate limit of one subject on this route, such as `"50/s"`.
    pub rate_limit: Option<String>,
}

impl GateConfig {
    pub(crate) fn into_builder(self) -> GateBuilder {
        let mut errors = Vec::new();
        let mut rate = |rate: Option<String>| {
            let rate = rate.filter(|rate| !rate.is_empty())?.parse::<Rate>();
            rate.map_err(|error| errors.push(error.into())).ok()
        };
        let (rate_limit, failure_limit) = (rate(self.rate_limit), rate(self.failure_limit));
        let (client_limit, address_limit) = (rate(self.client_limit), rate(self.address_limit));
        let mut policies = Policies::new();
        for route in self.route {
            match route.parse() {
                Ok((methods, policy)) => policies = policies.route(methods, &route.path, policy),
                Err(error) => errors.push(error),
            }
        }
        let mut builder = GateBuilder::default()
            .public_url(self.public_url)
            .listen(self.listen)
            .policies(policies)
            .rate_limit(rate_limit)
            .client_limit(client_limit)
            .address_limit(address_limit)
            .failure_limit(failure_limit)
            .dpop_nonce(self.dpop_nonce)
            .trusted_proxies(self.trusted_proxies)
            .certificate_header(self.certificate_header.filter(|header| !header.is_empty()))
            .explain(self.explain);
        builder = self.trust.into_iter().fold(builder, GateBuilder::trust);
        builder = self.allow_origins.into_iter().fold(builder, GateBuilder::allow_origin);
        if let Some(prefixes) = self.protect_prefixes {
            builder = builder.protect_prefixes(prefixes);
        }
        if let Some(realm) = self.realm {
            builder = builder.realm(realm);
        }
        if let Some(bytes) = self.max_token_bytes {
            builder = builder.max_token_bytes(bytes);
        }
        if let Some(tokens) = self.token_cache {
            builder = builder.token_cache(tokens);
        }
        builder.errors = errors;
        builder
    }
}

impl RouteConfig {
    fn parse(&self) -> Result<(Methods, Policy), GateError> {
        let methods = Methods::named(&self.methods).map_err(RouteError::from)?;
        Ok((methods, self.policy()?))
    }

    /// Returns the policy that the entry describes.
    ///
    /// # Errors
    /// When a value is invalid, or `public` is combined with a requirement.
    pub fn policy(&self) -> Result<Policy, GateError> {
        let wrong = |why: &str| {
            let (path, why) = (self.path.clone(), why.to_owned());
            GateError::from(RouteError::Path { path, why })
        };
        let lists = [&self.scopes, &self.any_scope, &self.roles, &self.any_role, &self.acr];
        if lists.into_iter().flatten().any(String::is_empty) {
            return Err(wrong("a scope, role or acr is empty; remove it"));
        }
        let mut policy = Policy::signed_in().scopes(&self.scopes);
        if !self.any_scope.is_empty() {
            policy = policy.any_scope(&self.any_scope);
        }
        policy = self.roles.iter().fold(policy, Policy::role);
        if !self.any_role.is_empty() {
            policy = policy.any_role(&self.any_role);
        }
        if !self.acr.is_empty() {
            policy = policy.any_acr(&self.acr);
        }
        if self.max_age_seconds > 0 {
            policy = policy.max_age(Duration::from_secs(self.max_age_seconds));
        }
        for (name, value) in &self.claims {
            policy = match value {
                Value::Array(values) if values.is_empty() => {
                    return Err(wrong(
                        "a claim has no value that would do; name one, or remove the claim",
                    ));
                }
                Value::Array(values) => policy.any_claim(name, values.iter().cloned()),
                value => policy.claim(name, value.clone()),
            };
        }
        if self.dpop {
            policy = policy.dpop();
        }
        if let Some(rate) = self.rate_limit.as_deref().filter(|rate| !rate.is_empty()) {
            policy = policy.rate_limit(rate.parse::<Rate>()?);
        }
        match (self.public, policy == Policy::signed_in()) {
            (false, _) => Ok(policy),
            (true, true) => Ok(Policy::public()),
            (true, false) => Err(wrong("`public` excludes every requirement; remove one of them")),
        }
    }
}
