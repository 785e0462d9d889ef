//! The services that a user may call, and what each requires.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

/// Everything that can be called through the gate, as it is for the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Services {
    /// Whether the caller may see and end what is not theirs.
    pub administrator: bool,
    /// The upstreams in the order of the configuration, and this server's own functions after them.
    pub services: Vec<Service>,
}

/// An upstream, or this server itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name; `pixygate` for this server itself.
    pub name: String,
    /// The beginning of its paths, as in `/gw/orders`.
    pub prefix: String,
    /// Its purpose; empty for an upstream, whose routes are described.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is behind the gate; `false` for this server itself.
    pub upstream: bool,
    /// Its routes. The first that matches counts.
    pub routes: Vec<ServiceRoute>,
}

/// A route of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceRoute {
    /// The methods that it is for, as in `GET` or `GET,POST`; `*` stands for all.
    pub methods: String,
    /// The pattern of its paths, with the prefix.
    pub path: String,
    /// Its purpose: for an upstream in the words of the operator, for this server in English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether everybody may call it, without signing in.
    pub public: bool,
    /// Its requirements. All must be met.
    pub requirements: Vec<Requirement>,
    /// How often one user may call it, as in `10/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}

impl ServiceRoute {
    /// Returns whether the caller has everything that it requires.
    pub fn is_callable(&self) -> bool {
        self.requirements.iter().all(|requirement| requirement.met)
    }
}

/// One thing that a route requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The kind.
    pub kind: RequirementKind,
    /// The values that its kind has, see there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The requirement in English, as in `scope orders:read` or `signed in within 300 s`.
    pub text: String,
    /// Whether the caller meets it.
    pub met: bool,
    /// The way to meet it, in English; empty when it is met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
}

/// A kind of requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequirementKind {
    /// A valid token. No values.
    SignedIn,
    /// The scope that is the value.
    Scope,
    /// One of the scopes that are the values.
    AnyScope,
    /// The role that is the value.
    Role,
    /// One of the roles that are the values.
    AnyRole,
    /// One of the authentication context classes that are the values.
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

/// `GET /api/services`: every service with its routes, what each requires, and whether the caller has it.
#[server(name = GetServices, prefix = "/api", endpoint = "services", input = GetUrl, output = Json, client = GateClient)]
pub async fn services() -> Result<Services, CallError> {
    let (caller, backend) = super::backend::caller().await?;
    Ok(Services {
        administrator: backend.is_administrator(&caller),
        services: backend.services(&caller),
    })
}
