//! The provider at which users sign in: the settings of `[provider]` as the library's [`SignInConfig`].
//!
//! The server fetches metadata and keys only. Codes and tokens are between the browser and the provider.

use std::sync::Arc;

use pixygate::discovery::{DiscoveryError, DocumentStore, SignInConfig, SignInConfigBuilder, SignInConfigError};
use pixygate::jwt::{FetchError, Trust};

use crate::config::{Config, Provider, PublicUrl, Session, Source};
use crate::findings::Code;

/// The configuration of the provider is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {}.\n\n    expected  {expected}   ({origin})\n    found     {found}\n    hint      {hint}", .code.title())]
pub struct ProviderError {
    code: Code,
    expected: String,
    origin: Source,
    found: String,
    hint: String,
}

impl ProviderError {
    fn new(provider: &Provider, error: &SignInConfigError) -> Self {
        let issuer = &provider.issuer;
        let origin = provider.issuer_origin.clone();
        let (code, expected, found, hint) = match error {
            SignInConfigError::Discovery(DiscoveryError::Issuer { found, location, .. }) => (
                Code::OtherIssuer,
                format!("the issuer {issuer}"),
                format!("the issuer {found}   (in {location})"),
                hint_issuer(&origin, found),
            ),
            SignInConfigError::Discovery(DiscoveryError::Fetch(FetchError::Status { status: 404, .. })) => (
                Code::NoMetadata,
                format!("metadata of the issuer {issuer}"),
                error.to_string(),
                "correct provider.issuer: it is the `iss` of the provider's tokens; or set provider.discovery_url"
                    .to_owned(),
            ),
            _ => (
                of(error),
                format!("metadata of the issuer {issuer} with what a sign-in needs"),
                error.to_string(),
                "correct it at the provider, or in the [provider] section".to_owned(),
            ),
        };
        Self {
            code,
            expected,
            origin,
            found,
            hint,
        }
    }
}

/// Returns the code of an error that has no message of its own.
fn of(error: &SignInConfigError) -> Code {
    match error {
        SignInConfigError::Discovery(DiscoveryError::Fetch(FetchError::Forbidden { .. })) => Code::Redirected,
        SignInConfigError::Discovery(DiscoveryError::NotMetadata { .. }) => Code::NotMetadata,
        SignInConfigError::Discovery(DiscoveryError::Member { member, .. }) => match *member {
            "code_challenge_methods_supported" => Code::NoS256,
            _ => Code::EndpointMissing,
        },
        _ => Code::Configuration,
    }
}

fn hint_issuer(origin: &Source, found: &str) -> String {
    match origin {
        Source::Environment { variable } => format!("set\n\n{variable}={found}"),
        Source::File { path, .. } => format!("write in {path} under [provider]\n\nissuer = \"{found}\""),
        Source::Default => format!("write in pixygate.toml under [provider]\n\nissuer = \"{found}\""),
    }
}

/// Returns the trust with which the provider is reached: its `[[trust]]` if there is one, with its certificates and private addresses.
pub fn reached(config: &Config, provider: &Provider) -> Trust {
    let trust = config.trust_of(provider);
    let own = trust.into_iter().find(|entry| entry.issuer == provider.issuer);
    let mut own = own.unwrap_or_else(|| Trust::new(&provider.issuer));
    if let Some(url) = &provider.discovery_url {
        own.discovery_url.clone_from(url);
    }
    own.insecure_http_hosts.extend_from_slice(&provider.insecure_http_hosts);
    own
}

/// Discovers the provider and keeps its metadata fresh. `documents` are used while the provider is down.
///
/// # Errors
///
/// If a setting is wrong. A provider that is down is not an error.
pub async fn discover(
    provider: &Provider,
    session: &Session,
    trust: Trust,
    public_url: &PublicUrl,
    documents: Arc<dyn DocumentStore>,
) -> Result<SignInConfig, ProviderError> {
    let settings = settings(provider, session, trust, public_url).documents(documents);
    let discovered = settings.discover().await;
    discovered.map_err(|error| ProviderError::new(provider, &error))
}

/// Converts `[provider]` and `[session]` to the library's settings.
pub fn settings(provider: &Provider, session: &Session, trust: Trust, public_url: &PublicUrl) -> SignInConfigBuilder {
    let idle = u32::try_from(session.idle_sign_out_seconds).ok();
    let mut settings = SignInConfig::builder(&provider.issuer, &provider.client_id, public_url.as_str())
        .trust(trust)
        .scopes(provider.scopes.clone())
        .offline_access(provider.offline_access)
        .dpop(provider.dpop)
        .browser_endpoints(provider.browser_endpoints.clone())
        .idle_sign_out_seconds(idle.filter(|seconds| *seconds > 0));
    for (name, value) in &provider.extra_params {
        settings = settings.extra_param(name, value);
    }
    for origin in &session.call_origins {
        settings = settings.call_origin(origin);
    }
    if let Some(resource) = &provider.resource {
        settings = settings.resource(resource);
    }
    if let Some(url) = &provider.logout_url {
        settings = settings.logout_url(url);
    }
    if let Some(url) = &provider.sessions_url {
        settings = settings.sessions_url(url);
    }
    settings
}
