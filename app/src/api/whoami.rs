//! The caller, as the gate verified it.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use pixygate::leptos::{CallError, GateClient};
use serde::{Deserialize, Serialize};

/// The verified principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whoami {
    /// The issuer.
    pub iss: String,
    /// The subject.
    pub sub: String,
    /// The granted scopes.
    pub scope: Vec<String>,
    /// The expiry of the token, in seconds since the Unix epoch.
    pub exp: u64,
    /// The client that the token was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_id: Option<String>,
    /// The authentication context class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The time of the authentication, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
}

/// The data that requires the scope `profile`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The user's name.
    pub name: Option<String>,
    /// The user's roles.
    pub roles: Vec<String>,
}

/// `GET /api/whoami`: the verified principal.
#[server(name = GetWhoami, prefix = "/api", endpoint = "whoami", input = GetUrl, output = Json, client = GateClient)]
pub async fn whoami() -> Result<Whoami, CallError> {
    let principal = pixygate::leptos::principal().await?;
    Ok(Whoami {
        iss: principal.issuer().to_owned(),
        sub: principal.subject().to_owned(),
        scope: principal.scopes().to_vec(),
        exp: principal.expires_at(),
        client_id: principal.client_id().map(str::to_owned),
        name: principal.name().map(str::to_owned),
        roles: principal.roles().to_vec(),
        org_id: principal.org_id().map(str::to_owned),
        acr: principal.acr().map(str::to_owned),
        auth_time: principal.auth_time(),
    })
}

/// `GET /api/profile`: requires the scope `profile`.
#[server(name = GetProfile, prefix = "/api", endpoint = "profile", input = GetUrl, output = Json, client = GateClient)]
pub async fn profile() -> Result<Profile, CallError> {
    let principal = pixygate::leptos::principal_with_scope("profile").await?;
    Ok(Profile {
        name: principal.name().map(str::to_owned),
        roles: principal.roles().to_vec(),
    })
}
