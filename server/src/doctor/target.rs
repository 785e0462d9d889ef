//! What is examined: the provider as it is configured, and how it is reached.

use pixygate::jwt::{FetchError, HttpFetch, KeySource, Trust};
use url::Url;

use super::probe::is_tls;
use crate::config::{Config, Provider, Source};
use crate::findings::{Code, Finding};

/// A provider, and the settings that its findings are about.
pub(super) struct Target<'a> {
    pub(super) config: &'a Config,
    pub(super) provider: Provider,
    /// How it is reached; its `algorithms` are those of the gate.
    pub(super) trust: Trust,
    /// Where its metadata are.
    pub(super) location: Url,
    pub(super) fetch: HttpFetch,
}

impl Target<'_> {
    /// The setting of a finding, and where it was set.
    pub(super) fn place(&self, key: &str) -> String {
        place(self.config, key)
    }
}

/// A key, and where it was set.
pub(super) fn place(config: &Config, key: &str) -> String {
    let setting = config.settings.iter().find(|(name, _)| name == key);
    match setting.map(|(_, setting)| &setting.origin) {
        None | Some(Source::Default) => key.to_owned(),
        Some(origin) => format!("{key} ({origin})"),
    }
}

/// Where the metadata of a trust are, wherever its keys come from.
pub(crate) fn metadata_location(trust: &Trust) -> Option<Url> {
    let mut place = Trust::new(&trust.issuer);
    place.discovery_url.clone_from(&trust.discovery_url);
    place.insecure_http_hosts.clone_from(&trust.insecure_http_hosts);
    match place.key_source() {
        Ok(KeySource::Discovery(url)) => Some(url),
        _ => None,
    }
}

/// The finding for a document that could not be fetched. `missing` is the code for a document that is not there.
pub(super) fn not_fetched(error: &FetchError, missing: Code) -> Finding {
    let code = match error {
        FetchError::Unreachable { why, .. } if is_tls(why) => Code::Tls,
        FetchError::Unreachable { .. } => Code::NotConnected,
        FetchError::Timeout { .. } => Code::TooSlow,
        FetchError::Status { status: 404 | 410, .. } => missing,
        FetchError::Status { .. } => Code::ProviderError,
        FetchError::Forbidden { .. } | FetchError::Redirected { .. } => Code::Redirected,
        FetchError::Setting { .. } => Code::Configuration,
        _ if missing == Code::NoKeySet => Code::NotKeySet,
        _ => Code::NotMetadata,
    };
    Finding::new(code).found(error.to_string())
}
