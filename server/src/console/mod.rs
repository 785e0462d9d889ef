//! The interface between the console's server functions and the server.
//!
//! - `token`: a token explained by the running gate.
//! - `services`: what can be called, and what a caller lacks for it.
//! - `configuration`: the settings in use, and the state of issuers, upstreams and nodes.
//! - `live`: the activity as it happens.

mod configuration;
mod live;
mod services;
mod token;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use app::api::{
    Backend, BackendFuture, Chart, Configuration, Filter, Inspection, LiveLines, PAGE, Page, RecordId, RecordOwner,
    Service, Unavailable,
};
use http::header::AUTHORIZATION;
use http::request::Parts;
use leptos::prelude::use_context;
use pixygate::gate::Gate;
use pixygate::jwt::{Ended, Principal, Rejection};

use crate::config;
use crate::reload::Reload;
use crate::shared::Shared;
use crate::store::StoreError;
use crate::upstream::{Streams, Upstreams};

/// The state of the running server, as the pages show it.
pub(crate) struct Console {
    pub(crate) gate: Gate,
    pub(crate) shared: Shared,
    pub(crate) upstreams: Upstreams,
    pub(crate) reload: Arc<Reload>,
    /// Ends streams with the right to them.
    pub(crate) streams: Streams,
    pub(crate) live: live::Places,
}

impl Console {
    pub(crate) fn new(gate: Gate, shared: Shared, upstreams: Upstreams, reload: Arc<Reload>, streams: Streams) -> Self {
        Self {
            gate,
            shared,
            upstreams,
            reload,
            streams,
            live: live::Places::default(),
        }
    }
}

impl Backend for Console {
    fn is_administrator(&self, caller: &Principal) -> bool {
        let config::Console {
            admin_roles,
            admin_scopes,
        } = self.shared.administrators();
        admin_roles.iter().any(|role| caller.has_role(role)) || admin_scopes.iter().any(|scope| caller.has_scope(scope))
    }

    fn activity(&self, whose: RecordOwner, filter: Filter, before: Option<RecordId>) -> BackendFuture<'_, Page> {
        Box::pin(async move {
            let page = self.shared.store.activity(&whose, &filter, before, PAGE).await;
            page.map_err(unavailable)
        })
    }

    fn chart(&self, whose: RecordOwner, from: u64, until: u64) -> BackendFuture<'_, Chart> {
        Box::pin(async move {
            let chart = self.shared.store.activity_chart(&whose, from, until).await;
            chart.map_err(unavailable)
        })
    }

    fn end(&self, ended: Ended) -> BackendFuture<'_, ()> {
        Box::pin(async move {
            let ended = self.shared.revocations.end(&ended, true).await;
            ended.map_err(unavailable)
        })
    }

    fn own_token(&self, caller: Principal) -> BackendFuture<'_, Inspection> {
        let parts = use_context::<Parts>();
        Box::pin(async move {
            // The gate has accepted the header.
            let header = parts.as_ref().and_then(|parts| parts.headers.get(AUTHORIZATION));
            let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
            Ok(token::own(&self.gate, header, &caller).await)
        })
    }

    fn inspect(&self, token: String, call: Option<(String, String)>) -> BackendFuture<'_, Inspection> {
        Box::pin(async move { Ok(token::inspect(&self.gate, &token, call).await) })
    }

    fn services(&self, caller: &Principal) -> Vec<Service> {
        let is_administrator = self.is_administrator(caller);
        services::all(&self.gate.policies(), &self.upstreams, caller, is_administrator)
    }

    fn configuration(&self) -> BackendFuture<'_, Configuration> {
        Box::pin(async move { configuration::of(self).await.map_err(unavailable) })
    }

    fn live(
        &self,
        caller: &Principal,
        whose: RecordOwner,
        filter: Filter,
        after: Option<RecordId>,
    ) -> Result<LiveLines, Rejection> {
        live::lines(self, caller, whose, filter, after)
    }
}

fn unavailable(error: StoreError) -> Unavailable {
    tracing::error!(%error, "the store does not answer");
    Unavailable
}

/// A time in milliseconds since 1970.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
