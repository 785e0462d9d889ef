//! The view of one tenant for handlers.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use crate::clock::Random;
use crate::config::{Client, Lifetimes, Tenant, User};
use crate::endpoints;
use crate::jose;
use crate::pages;
use crate::profile::Named;
use crate::provider::Provider;
use crate::store::TenantStore;
use crate::switches::Switches;

/// The tenant in a request's path, and the provider.
pub(crate) struct TenantContext {
    pub(crate) provider: Provider,
    pub(crate) tenant: Tenant,
    pub(crate) issuer: String,
    /// `{origin}/t/{tenant}`
    pub(crate) base: String,
    pub(crate) switches: Switches,
}

impl TenantContext {
    pub(crate) fn of(provider: &Provider, name: &str) -> Option<Self> {
        let config = provider.config();
        let tenant = config.tenant(name)?.clone();
        let (base, switches) = (config.base_of(name), provider.switches());
        let issuer = switches.profile.as_ref().and_then(|profile| profile.issuer(&base));
        Some(Self {
            issuer: issuer.unwrap_or_else(|| config.issuer_of(&tenant)),
            base,
            tenant,
            switches,
            provider: provider.clone(),
        })
    }

    pub(crate) fn now(&self) -> i64 {
        self.provider.clock().now()
    }

    pub(crate) fn random(&self) -> &Random {
        self.provider.random()
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        self.switches.lifetimes.over(self.tenant.lifetimes)
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.tenant.client(id)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&TenantStore) -> T) -> T {
        self.provider.read(&self.tenant.name, look)
    }

    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut TenantStore) -> T) -> T {
        self.provider.write(&self.tenant.name, change)
    }

    /// Returns the stable identifier of a user: as configured, or a UUID derived from the names.
    pub(crate) fn sub(&self, user: &User) -> String {
        if !user.sub.is_empty() {
            return user.sub.clone();
        }
        let digest = jose::sha256_hex(&format!("{}/{}", self.tenant.name, user.username));
        // The version and variant digits of a UUID made from a name (RFC 9562, version 8).
        format!(
            "{}-{}-8{}-8{}-{}",
            &digest[..8],
            &digest[8..12],
            &digest[13..16],
            &digest[17..20],
            &digest[20..32]
        )
    }

    /// Returns the public URL of an endpoint.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        let profile = self.switches.profile.as_ref();
        let elsewhere = profile.and_then(|profile| profile.endpoint(path, &self.base));
        elsewhere.unwrap_or_else(|| self.url(path))
    }

    /// Returns a part of the active profile, filled in.
    pub(crate) fn profile_part(&self, name: &str, client_id: &str, named: Named<'_>) -> Option<Map<String, Value>> {
        let profile = self.switches.profile.as_ref()?;
        profile.part(name, &self.base, self.now(), client_id, named)
    }

    /// Returns a URL of this tenant.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl FromRequestParts<Provider> for TenantContext {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, provider: &Provider) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, provider)
            .await
            .map_err(|it| it.into_response())?;
        let is_for_users = endpoints::is_for_users(parts.uri.path());
        params
            .iter()
            .find(|(name, _)| *name == "tenant")
            .and_then(|(_, name)| Self::of(provider, name))
            .ok_or_else(|| {
                if is_for_users {
                    pages::error::no_tenant()
                } else {
                    (StatusCode::NOT_FOUND, "There is no such tenant.\n").into_response()
                }
            })
    }
}
