//! The services behind the gate, and their requirements.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

/// All services behind the gate, with the requirements that the caller meets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Services {
    /// Whether the caller is an administrator.
    pub administrator: bool,
    /// The upstreams in the order of the configuration, then this server's own functions.
    pub services: Vec<Service>,
}

/// An upstream, or this server itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name; `pixygate` for this server itself.
    pub name: String,
    /// The beginning of its paths, as in `/gw/orders`.
    pub prefix: String,
    /// Its description; empty for an upstream, whose routes have descriptions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is behind the gate; `false` for this server itself.
    pub upstream: bool,
    /// Its routes. The first one that matches applies.
    pub routes: Vec<ServiceRoute>,
}

/// A route of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceRoute {
    /// Its methods, as in `GET` or `GET,POST`; `*` stands for all.
    pub methods: String,
    /// The pattern of its paths, with the prefix.
    pub path: String,
    /// Its description: that of the operator for an upstream, in English for this server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it can be called without signing in.
    pub public: bool,
    /// Its requirements. All must be met.
    pub requirements: Vec<Requirement>,
    /// The rate limit for one user, as in `10/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

impl ServiceRoute {
    /// Returns whether the caller meets all requirements.
    pub fn is_callable(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.met)
    }
}

/// A requirement of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The kind.
    pub kind: RequirementKind,
    /// The values, depending on the kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The requirement in English, as in `scope orders:read` or `signed in within 300 s`.
    pub text: String,
    /// Whether the caller meets it.
    pub met: bool,
    /// The way to meet it, in English; empty if it is met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
}

/// A kind of requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequirementKind {
    /// A valid token. No values.
    SignedIn,
    /// The scope in the value.
    Scope,
    /// One of the scopes in the values.
    AnyScope,
    /// The role in the value.
    Role,
    /// One of the roles in the values.
    AnyRole,
    /// One of the authentication context classes in the values.
    Acr,
    /// A sign-in at most this many seconds ago; the value is the number.
    MaxAge,
    /// The claim whose name is the first value, with one of the other values, which are JSON.
    Claim,
    /// A token that is bound to a key, with a DPoP proof. No values.
    Dpop,
    /// An administrator of this server, by `console.admin_roles` or `console.admin_scopes`. No values.
    Administrator,
}

/// `GET /api/services`: every service with its routes and their requirements, and whether the caller meets them.
#[server(name = GetServices, prefix = "/api", endpoint = "services", input = GetUrl, output = Json, client = GateClient)]
pub async fn services() -> Result<Services, CallError> {
    let (caller, backend) = super::backend::caller().await?;
    Ok(Services {
        administrator: backend.is_administrator(&caller),
        services: backend.services(&caller),
    })
}
