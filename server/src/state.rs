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
use crate::traces::Traces;
use crate::upstream::{Proxies, Streams, Upstreams};

/// The parts of a running server, behind one reference count: each layer clones them for each request.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

impl std::ops::Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The content of [`AppState`].
#[derive(Clone)]
pub struct Parts {
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
    /// The recorder of spans, if a collector is configured.
    pub traces: Option<Traces>,
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
        Self(Arc::new(Parts {
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
            traces: None,
            stopping: Arc::default(),
            options,
            reload_port,
        }))
    }

    fn with(self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = Arc::unwrap_or_clone(self.0);
        change(&mut parts);
        Self(Arc::new(parts))
    }
}

impl AppState {
    /// Adds services behind the gate.
    #[must_use]
    pub fn with_upstreams(self, upstreams: Upstreams, backend_tokens: Arc<BackendTokens>) -> Self {
        self.with(|parts| {
            parts.upstreams = upstreams;
            parts.backend_tokens = Some(backend_tokens);
        })
    }

    /// Adds what records spans.
    #[must_use]
    pub fn with_traces(self, traces: Option<Traces>) -> Self {
        self.with(|parts| parts.traces = traces)
    }
}

impl AppState {
    /// Adds the backend of the console, and the streams.
    #[must_use]
    pub fn with_console(self, backend: Arc<dyn Backend>, streams: Streams) -> Self {
        self.with(|parts| {
            parts.backend = Some(backend);
            parts.streams = Some(streams);
        })
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.options.clone()
    }
}
