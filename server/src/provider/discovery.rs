//! Discovery at start. The issuer is an exact string: metadata that say another one end the start, and the message has
//! both and the line to write.

use pixygate::authorization::{Client, Jwk, Provider as ProviderForBrowser};
use pixygate::jwt::{Fetch, FetchError, FetchRequest, Trust};
use serde_json::Value;

use super::metadata::Metadata;
use crate::config::{Origin, Provider, PublicUrl, secure_url};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The provider cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The metadata are somebody else's, or the configured issuer is not quite its name.
    #[error(
        "The provider calls itself by another name than provider.issuer.\n\n    \
         expected  the issuer {configured}   ({origin})\n    \
         found     the issuer {found}   (in {location})\n    \
         mend      {}",
        mend_issuer(origin, found)
    )]
    OtherIssuer {
        /// `provider.issuer`.
        configured: String,
        /// Where it was set.
        origin: Origin,
        /// The `issuer` of the metadata.
        found: String,
        /// Where the metadata are.
        location: String,
    },
    /// Nothing is at the well-known path.
    #[error(
        "The provider's metadata could not be had.\n\n    \
         expected  metadata for the issuer {configured}   ({origin})\n    \
         found     {error}\n    \
         mend      correct provider.issuer: it is the `iss` of the provider's tokens; or name the place in provider.discovery_url"
    )]
    NotFound {
        /// `provider.issuer`.
        configured: String,
        /// Where it was set.
        origin: Origin,
        /// What came instead.
        error: Absence,
    },
    /// The network, or the provider, is down.
    #[error(
        "The provider cannot be reached: {0}.\n    mend      start it, or check the network; provider.issuer says where it is"
    )]
    Unreachable(Absence),
    /// The document is not what it should be.
    #[error("The metadata in {location} cannot be used: {why}")]
    Unusable {
        /// Where the metadata are.
        location: String,
        /// What is wrong with them.
        why: String,
    },
}

fn mend_issuer(origin: &Origin, found: &str) -> String {
    match origin {
        Origin::Environment { variable } => format!("set\n\n{variable}={found}"),
        Origin::File { path, .. } => format!("write in {path} under [provider]\n\nissuer = \"{found}\""),
        Origin::Default => format!("write in pixygate.toml under [provider]\n\nissuer = \"{found}\""),
    }
}

impl DiscoveryError {
    /// Whether trying again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// How to reach the provider: within the library's limits, with the certificates and addresses that its trust allows.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// What fetches.
    pub fetch: &'a dyn Fetch,
    /// The provider's entry among the trusts.
    pub trust: &'a Trust,
}

impl Reach<'_> {
    async fn get(&self, url: &str) -> Result<Vec<u8>, Absence> {
        let url = secure_url(url).map_err(|why| Absence::Insecure {
            url: url.to_owned(),
            why,
        })?;
        Ok(self.fetch.fetch(FetchRequest::get(&url, self.trust)).await?)
    }
}

/// A document could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Absence {
    /// Not https, and not on loopback either.
    #[error("{url} may not be fetched: {why}")]
    Insecure {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The fetch failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Absence {
    /// Whether trying again may help.
    fn is_passing(&self) -> bool {
        match self {
            Self::Fetch(FetchError::Unreachable { .. } | FetchError::Timeout { .. }) => true,
            Self::Fetch(FetchError::Status { status, .. }) => *status >= 500 || *status == 429,
            Self::Fetch(_) | Self::Insecure { .. } => false,
        }
    }
}

/// Fetches metadata and keys, and makes of them what the browser must know.
///
/// # Errors
///
/// When the metadata are not those of the configured issuer, are incomplete, or cannot be had.
pub async fn discover(reach: Reach<'_>, provider: &Provider, public_url: &PublicUrl) -> Result<Client, DiscoveryError> {
    let location = location(provider);
    let document = match reach.get(&location).await {
        Ok(document) => document,
        Err(error) if error.is_passing() => return Err(DiscoveryError::Unreachable(error)),
        Err(error) => return Err(explain_absence(reach, provider, error).await),
    };
    let metadata = read(&document, provider, &location)?;
    let keys = keys(reach, &metadata, &location).await?;
    client(provider, public_url, &metadata, keys, &location)
}

fn location(provider: &Provider) -> String {
    // OpenID Connect Discovery, section 4.1: a slash at the end of the issuer is dropped before the path is added.
    provider
        .discovery_url
        .clone()
        .unwrap_or_else(|| format!("{}{WELL_KNOWN}", provider.issuer.trim_end_matches('/')))
}

/// Where Asgardeo's and WSO2's base URL was written for the issuer, the metadata are one path further. They are fetched
/// for the message only and never accepted.
async fn explain_absence(reach: Reach<'_>, provider: &Provider, error: Absence) -> DiscoveryError {
    if provider.discovery_url.is_none() {
        let location = format!("{}/oauth2/token{WELL_KNOWN}", provider.issuer.trim_end_matches('/'));
        let document = reach.get(&location).await.ok();
        if let Some(found) = document.as_deref().and_then(issuer_of) {
            return other_issuer(provider, found, &location);
        }
    }
    DiscoveryError::NotFound {
        configured: provider.issuer.clone(),
        origin: provider.issuer_origin.clone(),
        error,
    }
}

fn other_issuer(provider: &Provider, found: String, location: &str) -> DiscoveryError {
    DiscoveryError::OtherIssuer {
        configured: provider.issuer.clone(),
        origin: provider.issuer_origin.clone(),
        found,
        location: location.to_owned(),
    }
}

fn issuer_of(document: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(document).ok()?;
    // A message shows it: a document of whoever answers there must not be able to write to the terminal.
    let issuer = value.get("issuer")?.as_str()?;
    (issuer.len() < 1024
        && !issuer
            .chars()
            .any(|character| character.is_control() || character == '"'))
    .then(|| issuer.to_owned())
}

fn read(document: &[u8], provider: &Provider, location: &str) -> Result<Metadata, DiscoveryError> {
    let unusable = |why: String| DiscoveryError::Unusable {
        location: location.to_owned(),
        why,
    };
    // The issuer is compared before anything else is read, and as a string: a URL type would normalise it.
    match issuer_of(document) {
        Some(found) if found == provider.issuer => {}
        Some(found) => return Err(other_issuer(provider, found, location)),
        None => return Err(unusable("there is no issuer in it".to_owned())),
    }
    let metadata: Metadata = serde_json::from_slice(document).map_err(|error| unusable(error.to_string()))?;
    let methods = &metadata.additional_metadata().code_challenge_methods_supported;
    if methods
        .as_ref()
        .is_some_and(|methods| !methods.iter().any(|method| method == "S256"))
    {
        return Err(unusable(
            "code_challenge_methods_supported has no S256, and Pixygate signs nobody in without PKCE".to_owned(),
        ));
    }
    Ok(metadata)
}

async fn keys(reach: Reach<'_>, metadata: &Metadata, location: &str) -> Result<Vec<Jwk>, DiscoveryError> {
    let unusable = |why: String| DiscoveryError::Unusable {
        location: location.to_owned(),
        why,
    };
    let document = match reach.get(metadata.jwks_uri().as_str()).await {
        Ok(document) => document,
        Err(error) if error.is_passing() => return Err(DiscoveryError::Unreachable(error)),
        Err(error) => return Err(unusable(format!("its jwks_uri: {error}"))),
    };
    let mut set: Value =
        serde_json::from_slice(&document).map_err(|_| unusable("its jwks_uri is not JSON".to_owned()))?;
    let Some(Value::Array(keys)) = set.get_mut("keys").map(Value::take) else {
        return Err(unusable("its jwks_uri has no keys".to_owned()));
    };
    // One key that cannot be read must not spoil the others.
    let keys: Vec<Jwk> = keys
        .into_iter()
        .filter_map(|key| serde_json::from_value(key).ok())
        .collect();
    Ok(keys
        .into_iter()
        .filter(|key| key.usage.as_deref() != Some("enc"))
        .collect())
}

fn client(
    provider: &Provider,
    public_url: &PublicUrl,
    metadata: &Metadata,
    keys: Vec<Jwk>,
    location: &str,
) -> Result<Client, DiscoveryError> {
    let unusable = |why: String| DiscoveryError::Unusable {
        location: location.to_owned(),
        why,
    };
    let secured = |name: &str, url: &str| match secure_url(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(why) => Err(unusable(format!("its {name}: {why}"))),
    };
    let optional = |name: &str, url: &Option<String>| url.as_deref().map(|url| secured(name, url)).transpose();
    let extensions = metadata.additional_metadata();
    let token_endpoint = metadata
        .token_endpoint()
        .ok_or_else(|| unusable("there is no token_endpoint in it".to_owned()))?;
    let algorithms = serde_json::to_value(metadata.id_token_signing_alg_values_supported())
        .and_then(serde_json::from_value)
        .map_err(|error| unusable(error.to_string()))?;
    Ok(Client {
        client_id: provider.client_id.clone(),
        redirect_uri: public_url.join("/callback"),
        post_logout_redirect_uri: public_url.join("/"),
        scopes: provider.scopes.clone(),
        resource: provider.resource.clone(),
        extra_params: provider.extra_params.clone(),
        sessions_url: provider.sessions_url.clone(),
        call_origins: provider.session.call_origins.clone(),
        idle_sign_out_seconds: provider.session.idle_sign_out_seconds,
        dpop: provider.dpop,
        provider: ProviderForBrowser {
            issuer: provider.issuer.clone(),
            authorization_endpoint: secured("authorization_endpoint", metadata.authorization_endpoint().as_str())?,
            token_endpoint: secured("token_endpoint", token_endpoint.as_str())?,
            jwks_uri: secured("jwks_uri", metadata.jwks_uri().as_str())?,
            end_session_endpoint: match optional("end_session_endpoint", &extensions.end_session_endpoint)? {
                Some(endpoint) => Some(endpoint),
                None => provider.logout_url.clone(),
            },
            revocation_endpoint: optional("revocation_endpoint", &extensions.revocation_endpoint)?,
            pushed_authorization_request_endpoint: optional(
                "pushed_authorization_request_endpoint",
                &extensions.pushed_authorization_request_endpoint,
            )?,
            require_pushed_authorization_requests: extensions.require_pushed_authorization_requests,
            authorization_response_iss_parameter_supported: extensions.authorization_response_iss_parameter_supported,
            id_token_signing_alg_values_supported: algorithms,
            dpop_signing_alg_values_supported: extensions.dpop_signing_alg_values_supported.clone(),
        },
        keys,
    })
}
