//! Registers an application that is served from another loopback address.

use url::Url;

use super::{Client, Config, ConfigError};

impl Config {
    /// Registers `{public_url}/callback`, `{public_url}/` and the origin for the client `pixygate` of every tenant.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback `http` or `https` URL.
    pub fn follow(&mut self, public_url: &str) -> Result<(), ConfigError> {
        let refuse = || ConfigError::PublicUrl {
            found: public_url.to_owned(),
        };
        let url = Url::parse(public_url).map_err(|_| refuse())?;
        if !is_loopback(&url) || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse());
        }
        let origin = url.origin().ascii_serialization();
        for client in self
            .tenants
            .iter_mut()
            .filter_map(|tenant| tenant.client_mut("pixygate"))
        {
            client.register_origin(&origin);
            // Logout tokens are sent over http only: the provider would not trust the certificate of a development server.
            let is_http = url.scheme() == "http";
            client.backchannel_logout_uri = if is_http {
                format!("{origin}/backchannel-logout")
            } else {
                String::new()
            };
        }
        Ok(())
    }
}

impl Client {
    fn register_origin(&mut self, origin: &str) {
        add(&mut self.redirect_uris, format!("{origin}/callback"));
        add(&mut self.post_logout_redirect_uris, format!("{origin}/"));
        add(&mut self.origins, origin.to_owned());
    }
}

fn add(list: &mut Vec<String>, entry: String) {
    if !list.contains(&entry) {
        list.push(entry);
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let loopback_host = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    loopback_host && matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
}
