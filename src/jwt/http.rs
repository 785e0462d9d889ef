//! Keys over HTTP, within the limits that keep a provider, or who poses as one, from doing harm.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use url::Url;

use super::{FETCH_SECONDS, Fetch, FetchError, FetchFuture, FetchRequest, MAX_BODY_BYTES, address, fetch::shown};

/// A redirect within the host may be followed this often.
const MOST_REDIRECTS: usize = 3;

/// Fetches over HTTP: [`FETCH_SECONDS`] for everything together, [`MAX_BODY_BYTES`] at most, no redirect to another
/// host, port or scheme, private addresses only where the request allows them (checked after the name was looked up).
#[derive(Default)]
pub struct HttpFetch {
    clients: Mutex<HashMap<Settings, Client>>,
}

/// What a connection depends on; requests that agree in it share their connections.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Settings {
    private_addresses: bool,
    ca_file: Option<String>,
    client_certificate_file: Option<String>,
}

impl HttpFetch {
    /// Without connections yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn client(&self, settings: &Settings) -> Result<Client, FetchError> {
        if let Some(client) = self.clients.lock().get(settings) {
            return Ok(client.clone());
        }
        let client = build(settings)?;
        self.clients.lock().insert(settings.clone(), client.clone());
        Ok(client)
    }
}

impl Fetch for HttpFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            let url = request.url;
            let private_addresses = request.private_addresses;
            if !private_addresses && address::is_private_host(url) {
                return Err(forbidden(
                    url,
                    url,
                    "it is a private address, and the issuer is not configured on one",
                ));
            }
            let client = self.client(&Settings {
                private_addresses,
                ca_file: request.ca_file.map(str::to_owned),
                client_certificate_file: request.client_certificate_file.map(str::to_owned),
            })?;
            let exchange = async {
                let request = match request.post {
                    None => client.get(url.clone()),
                    Some(post) => client
                        .post(url.clone())
                        .header(header::AUTHORIZATION, basic(post.client_id, post.client_secret))
                        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                        .body(post.form.to_owned()),
                };
                let response = request.header(header::ACCEPT, "application/json").send().await;
                read(url, response.map_err(|error| failed(url, &error))?).await
            };
            let limit = Duration::from_secs(FETCH_SECONDS);
            tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|_| Err(FetchError::Timeout { url: shown(url) }))
        })
    }
}

async fn read(url: &Url, mut response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status {
            url: shown(url),
            status: response.status().as_u16(),
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, &error))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(FetchError::TooLarge { url: shown(url) });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn build(settings: &Settings) -> Result<Client, FetchError> {
    let mut builder = Client::builder()
        .user_agent(concat!("pixygate/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::custom(same_host))
        .referer(false)
        .connect_timeout(Duration::from_secs(FETCH_SECONDS))
        .timeout(Duration::from_secs(FETCH_SECONDS));
    if settings.private_addresses {
        // What is near is reached directly; a proxy would look for it in its own network.
        builder = builder.no_proxy();
    } else {
        builder = builder.dns_resolver(std::sync::Arc::new(PublicAddresses));
    }
    if let Some(path) = &settings.ca_file {
        let certificates =
            reqwest::Certificate::from_pem_bundle(&file(path)?).map_err(|error| setting(path, &error))?;
        if certificates.is_empty() {
            return Err(setting(path, &"it holds no certificate (PEM)"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(path) = &settings.client_certificate_file {
        builder = builder.identity(reqwest::Identity::from_pem(&file(path)?).map_err(|error| setting(path, &error))?);
    }
    builder.build().map_err(|error| setting("the TLS settings", &error))
}

/// Another host could be one that the provider does not control; another scheme or port, one that it does not protect.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= MOST_REDIRECTS {
        attempt.follow()
    } else {
        let to = shown(attempt.url());
        attempt.error(Elsewhere(to))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("redirected to {0}")]
struct Elsewhere(String);

/// Looks names up, and refuses those that lead into a private network.
struct PublicAddresses;

#[derive(Debug, thiserror::Error)]
#[error("the name leads to the private address {0}")]
struct PrivateAddress(std::net::IpAddr);

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match addresses.iter().find(|found| address::is_private(found.ip())) {
                Some(found) => Err(PrivateAddress(found.ip()).into()),
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

fn failed(url: &Url, error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Timeout { url: shown(url) };
    }
    let mut why = String::from("the exchange failed");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        if let Some(Elsewhere(to)) = next.downcast_ref() {
            let rule = "a redirect is followed only within the same host";
            return FetchError::Forbidden {
                url: shown(url),
                to: to.clone(),
                why: rule,
            };
        }
        if let Some(PrivateAddress(found)) = next.downcast_ref() {
            let rule = "it is a private address, and the issuer is not configured on one";
            return FetchError::Forbidden {
                url: shown(url),
                to: found.to_string(),
                why: rule,
            };
        }
        why = next.to_string();
        cause = next.source();
    }
    FetchError::Unreachable { url: shown(url), why }
}

fn forbidden(url: &Url, to: &Url, why: &'static str) -> FetchError {
    FetchError::Forbidden {
        url: shown(url),
        to: shown(to),
        why,
    }
}

fn file(path: &str) -> Result<Vec<u8>, FetchError> {
    std::fs::read(path).map_err(|error| setting(path, &error))
}

fn setting(path: &str, error: &dyn std::fmt::Display) -> FetchError {
    FetchError::Setting {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Both parts are form-encoded first (RFC 6749, section 2.3.1).
fn basic(client_id: &str, client_secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(client_id), encode(client_secret)))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_into_a_private_network_is_refused_after_it_was_looked_up() {
        let name = "localhost".parse::<Name>().unwrap();
        let error = PublicAddresses.resolve(name).await.err().expect("it is refused");
        assert!(error.downcast_ref::<PrivateAddress>().is_some(), "{error}");
        let looked_up = tokio::net::lookup_host(("localhost", 0)).await.unwrap();
        assert!(looked_up.count() > 0, "the name itself can be looked up");
    }
}
