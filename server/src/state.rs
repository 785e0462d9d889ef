//! The state that handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use app::api::Backend;
use axum::extract::FromRef;
use http::HeaderValue;
use leptos::config::LeptosOptions;
use pixygate::discovery::SignInConfig;
use pixygate::gate::{BackchannelLogout, Gate};

use crate::backend_token::BackendTokens;
use crate::config::{self, PublicUrl};
use crate::shared::Shared;
use crate::site::Site;
use crate::upstream::{Proxies, Streams, Upstreams};

/// The parts of a running server. Clones share them.
#[derive(Clone)]
pub struct AppState {
    /// The gate.
    pub gate: Gate,
    /// The back-channel logout endpoint.
    pub backchannel_logout: BackchannelLogout,
    /// The state that nodes share.
    pub shared: Shared,
    /// The data of a page that a sign-in needs.
    pub sign_in: SignInConfig,
    /// The files for the browser.
    pub site: Site,
    /// The base of every URL.
    pub public_url: PublicUrl,
    /// `Strict-Transport-Security`, if browsers use TLS.
    pub hsts: Option<HeaderValue>,
    /// The proxies in front of the server.
    pub proxies: Arc<Proxies>,
    /// The services behind the gate.
    pub upstreams: Upstreams,
    /// The signer of backend JWTs.
    pub backend_tokens: Option<Arc<BackendTokens>>,
    /// The backend of the console's server functions; without it they answer 503.
    pub backend: Option<Arc<dyn Backend>>,
    /// Ends streams when their authorization ends.
    pub streams: Option<Streams>,
    /// Whether the server is about to stop. It still serves, and `/readyz` fails, so that load balancers send new requests elsewhere.
    pub stopping: Arc<AtomicBool>,
    /// The options of Leptos.
    pub options: LeptosOptions,
    /// The port on which `cargo leptos watch` notifies pages of changes.
    pub reload_port: Option<u16>,
}

impl AppState {
    /// Makes the state.
    pub fn new(
        gate: Gate,
        backchannel_logout: BackchannelLogout,
        shared: Shared,
        sign_in: SignInConfig,
        site: Site,
        server: &config::Server,
        reload_port: Option<u16>,
    ) -> Self {
        // Not read from the environment, so that the server behaves the same wherever it is started.
        let options = LeptosOptions::builder()
            .output_name("pixygate")
            .site_root(site.root().display().to_string())
            .site_pkg_dir("pkg")
            .reload_port(reload_port.map_or(3002, u32::from))
            .build();
        Self {
            gate,
            backchannel_logout,
            shared,
            sign_in,
            site,
            public_url: server.public_url.clone(),
            hsts: server.hsts(),
            proxies: Arc::new(Proxies::new(
                server.trusted_proxies.iter().copied(),
                server.public_url.as_str(),
            )),
            upstreams: Upstreams::default(),
            backend_tokens: None,
            backend: None,
            streams: None,
            stopping: Arc::default(),
            options,
            reload_port,
        }
    }
}

impl AppState {
    /// Adds services behind the gate.
    #[must_use]
    pub fn with_upstreams(self, upstreams: Upstreams, backend_tokens: Arc<BackendTokens>) -> Self {
        Self {
            upstreams,
            backend_tokens: Some(backend_tokens),
            ..self
        }
    }
}

impl AppState {
    /// Adds the backend of the console, and the streams.
    #[must_use]
    pub fn with_console(self, backend: Arc<dyn Backend>, streams: Streams) -> Self {
        Self {
            backend: Some(backend),
            streams: Some(streams),
            ..self
        }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.options.clone()
    }
}
