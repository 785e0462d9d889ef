//! The configuration: address, tenants, their clients and users.

mod check;
mod demo;
mod follow;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::endpoints::userinfo::SESSIONS;

pub use check::ConfigError;

/// The whole configuration. The default is the demonstration: tenant `demo`, modelled on Asgardeo, and tenant `plain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The loopback address to listen on, which is also part of the issuer. With port 0, a free port.
    pub listen: SocketAddr,
    /// The file for keys, sessions and tokens.
    pub state: StateFile,
    /// The tenants, each under `/t/{name}`.
    pub tenants: Vec<Tenant>,
}

/// The file that stores keys, sessions and tokens across restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateFile {
    /// Under `target/` if that folder exists, else in the folder for temporary files; one file per port.
    Auto,
    /// No file: a restart loses everything.
    Nowhere,
    /// This file.
    File(PathBuf),
}

/// One issuer with its keys, clients and users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tenant {
    /// The name in the path.
    pub name: String,
    /// The form of its issuer and tokens.
    pub shape: Shape,
    /// The algorithm that signs tokens: `RS256`, `PS256`, `ES256` or `EdDSA`.
    pub signing_algorithm: crate::jose::Algorithm,
    /// The organisations. The first one is the users' own.
    pub organizations: Vec<Organization>,
    /// The supported scopes besides `openid`, `profile`, `email` and `groups`.
    pub scopes: Vec<String>,
    /// The lifetimes of codes, tokens and sessions.
    pub lifetimes: Lifetimes,
    /// The registered applications.
    pub clients: Vec<Client>,
    /// The users.
    #[serde(rename = "people")]
    pub users: Vec<User>,
}

/// The form of a tenant's issuer and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The issuer is the token endpoint's URL; discovery is under it and under `/oauth2/oidcdiscovery`.
    #[default]
    Asgardeo,
    /// The issuer is the base URL, and access tokens carry standard claims only.
    Plain,
}

/// An organisation that users belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organization {
    /// Its identifier, the `org_id` of tokens.
    pub id: String,
    /// The display name, the `org_name` of tokens.
    pub name: String,
    /// The name in URLs, the `org_handle` of tokens.
    pub handle: String,
}

/// Lifetimes in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// An authorization code.
    pub code: u32,
    /// An access token.
    pub access_token: u32,
    /// An ID token.
    pub id_token: u32,
    /// A refresh token; each rotation begins a new lifetime.
    pub refresh_token: u32,
    /// A browser session at the provider.
    pub session: u32,
    /// A pushed authorization request.
    pub pushed_request: u32,
    /// The time that a user has to sign in.
    pub interaction: u32,
}

/// A registered application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// Its name on pages.
    pub name: String,
    /// Its secret; empty for a public client.
    pub secret: String,
    /// The allowed redirect URIs, compared as exact strings.
    pub redirect_uris: Vec<String>,
    /// The allowed redirect URIs after sign-out, compared as exact strings.
    pub post_logout_redirect_uris: Vec<String>,
    /// The origins whose scripts may call the endpoints.
    pub origins: Vec<String>,
    /// The loopback URL for logout tokens; empty for none.
    pub backchannel_logout_uri: String,
    /// Additional audiences of its access tokens.
    pub audience: Vec<String>,
    /// Whether users are asked for consent.
    pub consent: bool,
    /// Whether its access tokens are opaque.
    pub opaque_access_tokens: bool,
    /// Whether it gets refresh tokens.
    pub refresh_tokens: bool,
    /// Whether its tokens must be bound to a key.
    pub dpop_required: bool,
    /// Whether its authorization requests must be pushed.
    pub par_required: bool,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// The name to sign in with.
    pub username: String,
    /// The password, in plain text: this is a provider for development.
    pub password: String,
    /// The stable identifier in tokens; derived from tenant and username if empty.
    pub sub: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// E-mail address.
    pub email: String,
    /// The groups. They are in every access token.
    pub groups: Vec<String>,
    /// The scopes that this user may have besides the standard ones.
    pub scopes: Vec<String>,
    /// The secret of the second factor in base32 (RFC 6238); empty for none.
    pub totp_secret: String,
}

impl Config {
    /// The issuer of the first tenant.
    pub fn issuer(&self) -> String {
        self.tenants
            .first()
            .map_or_else(String::new, |tenant| self.issuer_of(tenant))
    }

    /// Returns the URL at which a user of the first tenant ends all their sessions.
    pub fn sessions_url(&self) -> String {
        let base = self.tenants.first().map(|tenant| self.base_of(&tenant.name));
        base.unwrap_or_default() + SESSIONS
    }

    /// Returns the issuer of a tenant, exactly as in its tokens.
    pub fn issuer_of(&self, tenant: &Tenant) -> String {
        match tenant.shape {
            Shape::Asgardeo => format!("{}/oauth2/token", self.base_of(&tenant.name)),
            Shape::Plain => self.base_of(&tenant.name),
        }
    }

    /// Returns the origin of all URLs.
    pub fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Returns the base URL of a tenant's endpoints.
    pub fn base_of(&self, tenant: &str) -> String {
        format!("{}/t/{tenant}", self.origin())
    }

    /// Returns the tenant of that name.
    pub fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// Returns the tenant of that name, to change it.
    pub fn tenant_mut(&mut self, name: &str) -> Option<&mut Tenant> {
        self.tenants.iter_mut().find(|tenant| tenant.name == name)
    }
}

impl Tenant {
    /// Returns the client of that identifier.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// Returns the client of that identifier, to change it.
    pub fn client_mut(&mut self, id: &str) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    /// Returns the user of that name.
    pub fn user(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username == username)
    }

    pub(crate) fn knows_scope(&self, scope: &str) -> bool {
        STANDARD_SCOPES.contains(&scope) || self.scopes.iter().any(|known| known == scope)
    }

    /// Returns the requested scopes that a user may have. Unknown scopes, and those that the user may not have, are
    /// left out (RFC 6749, section 3.3); the token response names the granted ones.
    pub(crate) fn grantable_scopes(&self, user: &User, asked: &[String]) -> Vec<String> {
        asked
            .iter()
            .filter(|scope| {
                self.knows_scope(scope) && (STANDARD_SCOPES.contains(&scope.as_str()) || user.scopes.contains(scope))
            })
            .cloned()
            .collect()
    }

    pub(crate) fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations
            .iter()
            .find(|it| it.id == name || it.handle == name || it.name == name)
    }
}

impl Client {
    /// Returns whether the client is public (it has no secret).
    pub fn is_public(&self) -> bool {
        self.secret.is_empty()
    }
}

impl User {
    /// Returns the display name.
    pub fn display_name(&self) -> String {
        let full = format!("{} {}", self.given_name, self.family_name);
        let full = full.trim();
        if full.is_empty() {
            self.username.clone()
        } else {
            full.to_owned()
        }
    }
}

/// The scopes that every tenant supports and every user may have.
pub(crate) const STANDARD_SCOPES: [&str; 4] = ["openid", "profile", "email", "groups"];
