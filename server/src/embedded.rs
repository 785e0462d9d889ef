//! The embedded provider, for development. It has its own origin and shares no code with the gate. For the rest
//! of the server it is a provider like any other, found by discovery.

use std::net::SocketAddr;

use dev_idp::config::StateFile;

use crate::config::{Config, Provider, Source};

/// The `client_id` of this application at the embedded provider.
const CLIENT_ID: &str = "pixygate";

/// The embedded provider, listening and not yet served.
pub(crate) struct Embedded {
    bound: dev_idp::Bound,
}

/// It cannot start.
#[derive(Debug, thiserror::Error)]
#[error(
    "The embedded provider cannot start: {0}\n    \
     hint      write another address under [dev_idp] listen, or configure a [provider]"
)]
pub struct EmbeddedError(#[from] dev_idp::StartError);

/// With port 0, the port differs at each start. A state file would be left over, and another provider that gets the same
/// port later would read it.
fn state(listen: SocketAddr) -> StateFile {
    if listen.port() == 0 {
        StateFile::Nowhere
    } else {
        StateFile::Auto
    }
}

/// Returns the `[provider]` settings of an embedded provider.
fn provider_of(config: &dev_idp::Config) -> Provider {
    Provider {
        sessions_url: Some(config.sessions_url()),
        issuer: config.issuer(),
        discovery_url: None,
        client_id: CLIENT_ID.to_owned(),
        scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        resource: None,
        extra_params: Default::default(),
        offline_access: true,
        dpop: Default::default(),
        logout_url: None,
        browser_endpoints: Default::default(),
        insecure_http_hosts: Vec::new(),
        issuer_origin: Source::Default,
    }
}

/// Returns the settings of an embedded provider that already runs at the address.
pub(crate) fn running(config: &Config, error: &EmbeddedError) -> Option<Provider> {
    match &error.0 {
        dev_idp::StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => assumed(config),
        _ => None,
    }
}

/// Returns the settings of the embedded provider if no other is configured, unless its port changes with each start.
pub(crate) fn assumed(config: &Config) -> Option<Provider> {
    let listen = config.dev_idp.listen;
    (listen.port() != 0).then(|| {
        provider_of(&dev_idp::Config {
            listen,
            ..dev_idp::Config::default()
        })
    })
}

impl Embedded {
    pub(crate) async fn bind(config: &Config) -> Result<Self, EmbeddedError> {
        let mut settings = dev_idp::Config {
            listen: config.dev_idp.listen,
            state: state(config.dev_idp.listen),
            ..dev_idp::Config::default()
        };
        settings
            .follow(config.server.public_url.as_str())
            .map_err(dev_idp::StartError::from)?;
        let bound = dev_idp::bind(settings).await?;
        Ok(Self { bound })
    }

    /// Returns its `[provider]` settings.
    pub(crate) fn provider(&self) -> Provider {
        provider_of(&self.bound.provider().config())
    }

    /// Returns name and password of every account.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let tenants = &self.bound.provider().config().tenants;
        let users = tenants
            .first()
            .map(|tenant| tenant.users.as_slice())
            .unwrap_or_default();
        users
            .iter()
            .map(|user| format!("{} / {}", user.username, user.password))
            .collect()
    }

    /// Serves for as long as the future is polled.
    pub(crate) async fn serve(self) {
        if let Err(error) = self.bound.serve(std::future::pending()).await {
            tracing::error!(%error, "the embedded provider has ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_port_that_is_named_has_a_state_file() {
        let state = |listen: &str| state(listen.parse().unwrap());
        assert_eq!(state("127.0.0.1:0"), StateFile::Nowhere);
        assert_eq!(state("127.0.0.1:3001"), StateFile::Auto);
    }
}
