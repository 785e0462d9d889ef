//! Checks of a configuration, before anything is served.

use std::net::SocketAddr;

use url::Url;

use super::follow::is_loopback;
use super::{Client, Config, Tenant};

/// A configuration that cannot be served.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is not a loopback address.
    #[error(
        "the development provider listens on loopback only, found {found}; set `listen` to 127.0.0.1 or [::1] with a port"
    )]
    NotLoopback {
        /// The address in the configuration.
        found: SocketAddr,
    },
    /// The application's address is not a loopback address.
    #[error(
        "the development provider serves applications on loopback only, found `{found}`; expected an origin such as \
         http://localhost:3000, or configure a provider of its own"
    )]
    PublicUrl {
        /// The address.
        found: String,
    },
    /// There is no tenant.
    #[error("no tenant is configured; add a `[[tenants]]` section or leave `tenants` out for the demonstration")]
    NoTenant,
    /// A name is invalid or not unique.
    #[error("{what} `{name}`: {problem}")]
    Name {
        /// The kind of object that has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// An address of a client is invalid.
    #[error("client `{client}`: `{setting}` has `{found}`, expected {expected}")]
    ClientUri {
        /// The client.
        client: String,
        /// The setting.
        setting: &'static str,
        /// The address.
        found: String,
        /// The expected form.
        expected: &'static str,
    },
    /// A user has no password.
    #[error("user `{user}`: `password` is empty; set one; it may be the username")]
    Password {
        /// The username.
        user: String,
    },
    /// The secret of a second factor is not base32.
    #[error("user `{user}`: `totp_secret` is not base32 without padding")]
    TotpSecret {
        /// The username.
        user: String,
    },
}

impl Config {
    /// Checks everything that can be checked before listening.
    ///
    /// # Errors
    ///
    /// Names the first setting that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback { found: self.listen });
        }
        if self.tenants.is_empty() {
            return Err(ConfigError::NoTenant);
        }
        distinct("tenant", self.tenants.iter().map(|tenant| &tenant.name))?;
        self.tenants.iter().try_for_each(check_tenant)
    }
}

fn check_tenant(tenant: &Tenant) -> Result<(), ConfigError> {
    if !tenant
        .name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        let problem = "a name in the path has ASCII letters, digits and hyphens only";
        return Err(ConfigError::Name {
            what: "tenant",
            name: tenant.name.clone(),
            problem,
        });
    }
    distinct("client", tenant.clients.iter().map(|client| &client.id))?;
    distinct("user", tenant.users.iter().map(|user| &user.username))?;
    tenant.clients.iter().try_for_each(check_client)?;
    for user in &tenant.users {
        if user.password.is_empty() {
            return Err(ConfigError::Password {
                user: user.username.clone(),
            });
        }
        if crate::totp::decode_base32(&user.totp_secret).is_none() {
            return Err(ConfigError::TotpSecret {
                user: user.username.clone(),
            });
        }
    }
    Ok(())
}

/// Checks one client, at start and when the control API registers it.
pub(crate) fn check_client(client: &Client) -> Result<(), ConfigError> {
    let refuse = |setting, found: &str, expected| {
        Err(ConfigError::ClientUri {
            client: client.id.clone(),
            setting,
            found: found.to_owned(),
            expected,
        })
    };
    for (setting, uris) in [
        ("redirect_uris", &client.redirect_uris),
        ("post_logout_redirect_uris", &client.post_logout_redirect_uris),
    ] {
        for uri in uris {
            let usable = Url::parse(uri).is_ok_and(|url| {
                url.fragment().is_none() && !matches!(url.scheme(), "javascript" | "data" | "blob" | "file")
            });
            if !usable {
                return refuse(setting, uri, "an absolute URL without a fragment");
            }
        }
    }
    for origin in &client.origins {
        if Url::parse(origin).map_or(true, |url| url.origin().ascii_serialization() != *origin) {
            return refuse("origins", origin, "scheme, host and port without a slash at the end");
        }
    }
    let uri = &client.backchannel_logout_uri;
    if !uri.is_empty() && !Url::parse(uri).is_ok_and(|url| is_loopback(&url) && url.scheme() == "http") {
        return refuse("backchannel_logout_uri", uri, "a loopback http URL");
    }
    Ok(())
}

fn distinct<'a>(what: &'static str, names: impl Iterator<Item = &'a String>) -> Result<(), ConfigError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if name.is_empty() {
            return Err(ConfigError::Name {
                what,
                name: String::new(),
                problem: "a name is required",
            });
        }
        if !seen.insert(name) {
            return Err(ConfigError::Name {
                what,
                name: name.clone(),
                problem: "it is configured twice",
            });
        }
    }
    Ok(())
}
