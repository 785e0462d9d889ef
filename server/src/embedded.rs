//! The embedded provider, for development. It has an origin of its own, and nothing of it is shared with the gate: to the
//! rest of the server it is a provider like any other, found by discovery.

use std::net::SocketAddr;

use dev_idp::config::StateFile;

use crate::config::{Config, Origin, Provider};

/// The client that the embedded provider has registered for this application.
const CLIENT_ID: &str = "pixygate";

/// The embedded provider, listening and not yet served.
pub(crate) struct Embedded {
    bound: dev_idp::Bound,
}

/// It cannot be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "The embedded provider cannot start: {0}\n    \
     hint      write another address under [dev_idp] listen, or configure a [provider]"
)]
pub struct EmbeddedError(#[from] dev_idp::StartError);

/// Port 0 takes a free one, another at each start: what was kept for it would lie around, and would be read by whoever
/// gets that port next.
fn state(listen: SocketAddr) -> StateFile {
    if listen.port() == 0 {
        StateFile::Nowhere
    } else {
        StateFile::Auto
    }
}

/// What `[provider]` would say about an embedded provider.
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
        issuer_origin: Origin::Default,
    }
}

/// Returns the embedded provider of a server that is running, when its address is taken.
pub(crate) fn running(config: &Config, error: &EmbeddedError) -> Option<Provider> {
    match &error.0 {
        dev_idp::StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => assumed(config),
        _ => None,
    }
}

/// Returns what the embedded provider is where the configuration has no other, unless its port changes with each start.
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

    /// What `[provider]` would say.
    pub(crate) fn provider(&self) -> Provider {
        provider_of(&self.bound.provider().config())
    }

    /// Name and password of everybody who can sign in.
    pub(crate) fn accounts(&self) -> Vec<String> {
        let tenants = &self.bound.provider().config().tenants;
        let people = tenants
            .first()
            .map(|tenant| tenant.people.as_slice())
            .unwrap_or_default();
        people
            .iter()
            .map(|person| format!("{} / {}", person.username, person.password))
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
