//! The provider at which people sign in, as the server knows it: found at start, kept fresh in the background.
//!
//! The server asks for metadata and keys only. Codes and tokens are the browser's business.

mod discovery;
mod metadata;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pixygate::authorization::Client;
use pixygate::jwt::{Fetch, Trust};

pub use discovery::{Absence, DiscoveryError, Reach, discover};
pub use metadata::{Extensions, Metadata};

use crate::config::{Provider, PublicUrl};

/// The waits between the attempts at start: a provider that starts together with the server is a few seconds late.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// What the pages need of the provider. Cloning is cheap and shares the state.
#[derive(Clone, Debug)]
pub struct CurrentProvider(Arc<ArcSwap<Snapshot>>);

/// The provider at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// For the page.
    pub client: Client,
    /// The origins that scripts of the page may call.
    pub connect_origins: BTreeSet<String>,
    /// Where forms of the page may lead.
    pub form_origins: BTreeSet<String>,
}

impl Snapshot {
    fn new(client: Client) -> Self {
        let provider = &client.provider;
        let called = [
            Some(&provider.token_endpoint),
            Some(&provider.jwks_uri),
            provider.revocation_endpoint.as_ref(),
            provider.pushed_authorization_request_endpoint.as_ref(),
            client.sessions_url.as_ref(),
        ];
        let called = called.into_iter().flatten().chain(&client.call_origins);
        let connect_origins = called.filter_map(|url| origin(url)).collect();
        let led_to = [
            Some(&provider.authorization_endpoint),
            provider.end_session_endpoint.as_ref(),
        ];
        let form_origins = led_to.into_iter().flatten().filter_map(|url| origin(url)).collect();
        Self {
            client,
            connect_origins,
            form_origins,
        }
    }
}

fn origin(url: &str) -> Option<String> {
    let origin = url::Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

impl CurrentProvider {
    /// Wraps a client that is already known.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Snapshot::new(client))))
    }

    /// The provider as it was last seen.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Finds the provider, with some patience when it is not up yet.
    ///
    /// # Errors
    ///
    /// At once when the configuration is wrong, and when the provider stays out of reach.
    pub async fn find(reach: Reach<'_>, provider: &Provider, public_url: &PublicUrl) -> Result<Self, DiscoveryError> {
        let mut waits = PATIENCE.into_iter();
        loop {
            match discover(reach, provider, public_url).await {
                Ok(client) => return Ok(Self::new(client)),
                Err(error) => match waits.next() {
                    Some(wait) if error.is_passing() => {
                        tracing::warn!(%error, "the provider is not there yet, trying again");
                        tokio::time::sleep(wait).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Looks again as often as the gate renews its keys, for as long as the future is polled. What was good stays until
    /// something better comes.
    pub async fn keep_fresh(self, fetch: impl Fetch, trust: Trust, provider: Provider, public_url: PublicUrl) {
        let reach = Reach {
            fetch: &fetch,
            trust: &trust,
        };
        loop {
            tokio::time::sleep(Duration::from_secs(trust.jwks_refresh_seconds)).await;
            match discover(reach, &provider, &public_url).await {
                Ok(client) => self.0.store(Arc::new(Snapshot::new(client))),
                Err(error) => tracing::warn!(%error, "the provider's metadata could not be renewed, the old ones stay"),
            }
        }
    }
}
