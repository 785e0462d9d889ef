//! What the handlers share.

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

/// The parts of a running server, behind one count: each layer clones them for each request.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

impl std::ops::Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What [`AppState`] shares.
#[derive(Clone)]
pub struct Parts {
    /// What judges every call.
    pub gate: Gate,
    /// What takes the provider's word that a session has ended.
    pub backchannel_logout: BackchannelLogout,
    /// What nodes share.
    pub shared: Shared,
    /// What a page needs to sign users in.
    pub sign_in: SignInConfig,
    /// The files for the browser.
    pub site: Site,
    /// The base of every address.
    pub public_url: PublicUrl,
    /// `Strict-Transport-Security`, when browsers come by TLS.
    pub hsts: Option<HeaderValue>,
    /// The proxies in front of the server.
    pub proxies: Arc<Proxies>,
    /// The services behind the gate.
    pub upstreams: Upstreams,
    /// What signs statements about callers for them.
    pub backend_tokens: Option<Arc<BackendTokens>>,
    /// What the console's server functions ask; without it they are answered with 503.
    pub backend: Option<Arc<dyn Backend>>,
    /// Ends streams with the right to them.
    pub streams: Option<Streams>,
    /// What records spans, where a collector is configured.
    pub traces: Option<Traces>,
    /// Whether the server is about to stop. It still serves, and `/readyz` sends new work elsewhere.
    pub stopping: Arc<AtomicBool>,
    /// For Leptos.
    pub options: LeptosOptions,
    /// The port that `cargo leptos watch` tells pages of changes on; none outside of it.
    pub reload_port: Option<u16>,
}

impl AppState {
    /// Puts the parts together.
    pub fn new(
        gate: Gate,
        backchannel_logout: BackchannelLogout,
        shared: Shared,
        sign_in: SignInConfig,
        site: Site,
        server: &config::Server,
        reload_port: Option<u16>,
    ) -> Self {
        // Built here and not from the environment, so that the server behaves the same wherever it is started.
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
    /// Adds what the console shows, and the end of its streams.
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
