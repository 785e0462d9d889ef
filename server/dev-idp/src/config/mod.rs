//! What the provider is told: where it listens, its tenants, their clients and people.

mod check;
mod demo;
mod follow;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::endpoints::userinfo::SESSIONS;

pub use check::ConfigError;

/// The whole configuration. The default is the demonstration: tenant `demo` shaped like Asgardeo, tenant `plain` beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The loopback address to listen on; also what the issuer is made of. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where keys, sessions and tokens survive a restart.
    pub state: StateFile,
    /// The worlds that the provider serves, each under `/t/{name}`.
    pub tenants: Vec<Tenant>,
}

/// Where keys, sessions and tokens are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateFile {
    /// Under `target/` where there is one, else in the folder for temporary files; one file per port.
    Auto,
    /// Nowhere: a restart forgets everything.
    Nowhere,
    /// In this file.
    File(PathBuf),
}

/// One issuer with its keys, clients and people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tenant {
    /// The name in the path.
    pub name: String,
    /// What its issuer and tokens look like.
    pub shape: Shape,
    /// What signs tokens: `RS256`, `PS256`, `ES256` or `EdDSA`.
    pub signing_algorithm: crate::jose::Algorithm,
    /// The organisations; the first one is home.
    pub organizations: Vec<Organization>,
    /// The scopes that it knows beside `openid`, `profile`, `email` and `groups`.
    pub scopes: Vec<String>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// The registered applications.
    pub clients: Vec<Client>,
    /// The people who can sign in.
    pub people: Vec<Person>,
}

/// What a tenant's issuer and tokens look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The issuer is the token endpoint's URL; discovery is under it and under `/oauth2/oidcdiscovery`.
    #[default]
    Asgardeo,
    /// The issuer is the base URL, and access tokens carry standard claims only.
    Plain,
}

/// An organisation that people belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organization {
    /// Its identifier, the `org_id` of tokens.
    pub id: String,
    /// Its name for people, the `org_name` of tokens.
    pub name: String,
    /// Its name for addresses, the `org_handle` of tokens.
    pub handle: String,
}

/// How long things live, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// An authorization code.
    pub code: u32,
    /// An access token.
    pub access_token: u32,
    /// An ID token.
    pub id_token: u32,
    /// A refresh token; each rotation starts it anew.
    pub refresh_token: u32,
    /// A browser session at the provider.
    pub session: u32,
    /// A pushed authorization request.
    pub pushed_request: u32,
    /// The time that a person has to sign in.
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
    /// Where the browser may be sent with a code, compared as exact strings.
    pub redirect_uris: Vec<String>,
    /// Where the browser may be sent after sign-out, compared as exact strings.
    pub post_logout_redirect_uris: Vec<String>,
    /// The origins whose scripts may call the endpoints.
    pub origins: Vec<String>,
    /// Where logout tokens are sent; a loopback address. Empty for none.
    pub backchannel_logout_uri: String,
    /// Further audiences of its access tokens.
    pub audience: Vec<String>,
    /// Whether people are asked before the application gets what it asks for.
    pub consent: bool,
    /// Whether its access tokens say nothing to others.
    pub opaque_access_tokens: bool,
    /// Whether it gets refresh tokens.
    pub refresh_tokens: bool,
    /// Whether its tokens must be bound to a key.
    pub dpop_required: bool,
    /// Whether its authorization requests must be pushed.
    pub par_required: bool,
}

/// Someone who can sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// The name to sign in with.
    pub username: String,
    /// The password. This is a provider for development: it stands in the configuration as it is.
    pub password: String,
    /// The stable identifier in tokens; made from tenant and name when empty.
    pub sub: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// E-mail address.
    pub email: String,
    /// Groups, always in access tokens.
    pub groups: Vec<String>,
    /// The scopes that this person may have beside the standard ones.
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

    /// Where a person of the first tenant ends all their sessions.
    pub fn sessions_url(&self) -> String {
        let base = self.tenants.first().map(|tenant| self.base_of(&tenant.name));
        base.unwrap_or_default() + SESSIONS
    }

    /// The issuer of a tenant, exactly as its tokens say it.
    pub fn issuer_of(&self, tenant: &Tenant) -> String {
        match tenant.shape {
            Shape::Asgardeo => format!("{}/oauth2/token", self.base_of(&tenant.name)),
            Shape::Plain => self.base_of(&tenant.name),
        }
    }

    /// The origin that everything is served from.
    pub fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The address under which a tenant's endpoints are.
    pub fn base_of(&self, tenant: &str) -> String {
        format!("{}/t/{tenant}", self.origin())
    }

    /// The tenant of that name.
    pub fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// The tenant of that name, to change it.
    pub fn tenant_mut(&mut self, name: &str) -> Option<&mut Tenant> {
        self.tenants.iter_mut().find(|tenant| tenant.name == name)
    }
}

impl Tenant {
    /// The client of that identifier.
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// The client of that identifier, to change it.
    pub fn client_mut(&mut self, id: &str) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.id == id)
    }

    /// The person of that name.
    pub fn person(&self, username: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.username == username)
    }

    pub(crate) fn knows_scope(&self, scope: &str) -> bool {
        STANDARD_SCOPES.contains(&scope) || self.scopes.iter().any(|known| known == scope)
    }

    /// What a person gets of what was asked for. Scopes that nobody knows, or that the person may not have, are left
    /// out, as RFC 6749, section 3.3 allows; the token response names what is left.
    pub(crate) fn grantable_scopes(&self, person: &Person, asked: &[String]) -> Vec<String> {
        asked
            .iter()
            .filter(|scope| {
                self.knows_scope(scope) && (STANDARD_SCOPES.contains(&scope.as_str()) || person.scopes.contains(scope))
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
    /// Whether it cannot keep a secret.
    pub fn is_public(&self) -> bool {
        self.secret.is_empty()
    }
}

impl Person {
    /// The name for people.
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

/// The scopes that every tenant knows and everyone may have.
pub(crate) const STANDARD_SCOPES: [&str; 4] = ["openid", "profile", "email", "groups"];
