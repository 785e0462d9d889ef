//! Fetches over HTTP, with limits that protect against a hostile provider.

use std::{collections::HashMap, env, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use reqwest::{
    Client, ClientBuilder, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use url::Url;

use super::{FETCH_SECONDS, Fetch, FetchError, FetchFuture, FetchRequest, MAX_BODY_BYTES, address, fetch::shown};

/// How many redirects within the host are followed.
const MOST_REDIRECTS: usize = 3;

/// Fetches over HTTP, within [`FETCH_SECONDS`] and [`MAX_BODY_BYTES`]. It follows no redirect to another host, port or scheme, and
/// connects to private addresses only where the request allows them. The address is checked after the name was resolved.
pub struct HttpFetch {
    clients: Mutex<HashMap<Settings, Client>>,
    names: PublicAddresses,
}

/// The settings that a connection depends on. Requests with equal settings share connections.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Settings {
    private_addresses: bool,
    ca_file: Option<String>,
    client_certificate_file: Option<String>,
}

impl HttpFetch {
    /// Makes a client without connections.
    pub fn new() -> Self {
        let resolve = |name: String| -> Lookup {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        };
        Self::with(PublicAddresses {
            resolve: Arc::new(resolve),
            proxies: proxies(|name| env::var(name).ok()).into(),
        })
    }

    fn with(names: PublicAddresses) -> Self {
        Self {
            clients: Mutex::default(),
            names,
        }
    }

    fn client(&self, settings: &Settings) -> Result<Client, FetchError> {
        if let Some(client) = self.clients.lock().get(settings) {
            return Ok(client.clone());
        }
        let client = builder(settings, &self.names)?
            .build()
            .map_err(|error| setting("the TLS settings", &error))?;
        self.clients.lock().insert(settings.clone(), client.clone());
        Ok(client)
    }
}

impl Default for HttpFetch {
    fn default() -> Self {
        Self::new()
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
            // The resolver lets the proxy's name through, which must not make the proxy itself a target.
            if !private_addresses && url.host_str().is_some_and(|host| self.names.is_proxy(host)) {
                return Err(forbidden(url, url, "it is the proxy of this machine"));
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

fn builder(settings: &Settings, names: &PublicAddresses) -> Result<ClientBuilder, FetchError> {
    let mut builder = Client::builder()
        .user_agent(concat!("pixygate/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::custom(same_host))
        .referer(false)
        .connect_timeout(Duration::from_secs(FETCH_SECONDS))
        .timeout(Duration::from_secs(FETCH_SECONDS));
    if settings.private_addresses {
        // A proxy would resolve a private address in its own network.
        builder = builder.no_proxy();
    } else {
        builder = builder.dns_resolver(Arc::new(names.clone()));
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
    Ok(builder)
}

/// Returns the hosts of the proxies in the environment. The HTTP client reads the same variables.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .flat_map(|name| [variable(name), variable(&name.to_ascii_lowercase())])
        .flatten()
        .filter_map(|value| {
            let url = match value.contains("://") {
                true => Url::parse(&value),
                false => Url::parse(&format!("http://{value}")),
            };
            url.ok()?.host_str().map(str::to_owned)
        })
        .collect()
}

/// Another host may not belong to the provider, and another scheme or port may be unprotected.
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

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names, and rejects those that lead into a private network. The proxy may be in one, because the operator chose it.
#[derive(Clone)]
struct PublicAddresses {
    resolve: Arc<dyn Fn(String) -> Lookup + Send + Sync>,
    proxies: Arc<[String]>,
}

impl PublicAddresses {
    fn is_proxy(&self, host: &str) -> bool {
        self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(host))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to the private address {0}")]
struct PrivateAddress(std::net::IpAddr);

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let proxy = self.is_proxy(name.as_str());
        let lookup = (self.resolve)(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = lookup.await?;
            match addresses.iter().find(|found| address::is_private(found.ip())) {
                Some(found) if !proxy => Err(PrivateAddress(found.ip()).into()),
                _ => Ok(Box::new(addresses.into_iter()) as Addrs),
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
            return FetchError::Redirected {
                url: shown(url),
                to: to.clone(),
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

/// Returns HTTP Basic credentials. Both parts are form-encoded first (RFC 6749, section 2.3.1).
fn basic(client_id: &str, client_secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(client_id), encode(client_secret)))
    )
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::jwt::Trust;

    /// Resolves every name to the same address.
    fn resolving_to(address: SocketAddr, proxies: &[&str]) -> HttpFetch {
        HttpFetch::with(PublicAddresses {
            resolve: Arc::new(move |_| Box::pin(std::future::ready(Ok(vec![address])))),
            proxies: proxies.iter().map(|proxy| (*proxy).to_owned()).collect(),
        })
    }

    async fn fetch(fetch: &HttpFetch, url: &str, trust: &Trust) -> FetchError {
        let url = Url::parse(url).unwrap();
        fetch.fetch(FetchRequest::get(&url, trust)).await.unwrap_err()
    }

    /// Answers every request with 403, and returns the first one.
    async fn forbidding_server() -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let first = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = connection.read(&mut request).await.unwrap();
            let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            connection.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (address, first)
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_rejected() {
        let (address, first) = forbidding_server().await;
        let names = resolving_to(address, &[]);
        let public = Trust::new("https://idp.example").audience("orders");
        let error = fetch(&names, "http://idp.example/jwks", &public).await;
        let FetchError::Forbidden { to, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*to, "127.0.0.1");
        // An address is not resolved.
        let error = fetch(&names, &format!("http://{address}/jwks"), &public).await;
        assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
        // An issuer that is configured on a private address is fetched from there.
        let url = format!("http://localhost:{}/jwks", address.port());
        let private = Trust::new(&url).audience("orders");
        let error = fetch(&names, &url, &private).await;
        assert!(matches!(error, FetchError::Status { status: 403, .. }), "{error:?}");
        assert!(first.await.unwrap().starts_with("GET /jwks "));
    }

    #[tokio::test]
    async fn the_proxy_may_have_a_private_address_but_is_no_target() {
        let (address, first) = forbidding_server().await;
        let names = resolving_to(address, &["proxy.corp.example"]);
        let public = Trust::new("https://idp.example").audience("orders");
        let settings = Settings {
            private_addresses: false,
            ca_file: None,
            client_certificate_file: None,
        };
        let proxy = format!("http://proxy.corp.example:{}", address.port());
        let builder = builder(&settings, &names.names).unwrap();
        let client = builder.no_proxy().proxy(reqwest::Proxy::all(&proxy).unwrap());
        names.clients.lock().insert(settings, client.build().unwrap());
        let error = fetch(&names, "https://idp.example/jwks", &public).await;
        assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
        let request = tokio::time::timeout(Duration::from_secs(5), first).await;
        let request = request.expect("the proxy received a request").unwrap();
        assert!(request.starts_with("CONNECT idp.example:443 "));
        let error = fetch(&names, &format!("{proxy}/jwks"), &public).await;
        assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    }

    #[test]
    fn the_proxies_are_read_from_the_environment_in_either_case() {
        let hosts = proxies(|name| {
            let value = match name {
                "HTTP_PROXY" => "http://user:secret@one.corp:3128",
                "https_proxy" => "two.corp:3128",
                "all_proxy" => "socks5://three.corp",
                "NO_PROXY" => "idp.example",
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!(hosts, ["one.corp", "two.corp", "three.corp"]);
    }
}
