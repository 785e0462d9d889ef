//! The connections to the targets of one upstream.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use super::body::RequestBody;
use super::settings::{Protocol, UpstreamSettings};

/// Shorter than servers usually wait for the next request, so that a call seldom meets a connection that is just being closed.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// A connection of HTTP/2 that does not answer is dead.
const PING: Duration = Duration::from_secs(20);

/// The certificate authorities that sign for targets.
#[derive(Clone)]
pub struct TlsSettings(Arc<ClientConfig>);

/// Why an upstream cannot be connected to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A file of certificates cannot be used.
    #[error("{file} has no certificates that can be used: {why}")]
    Certificates {
        /// `upstream.ca_file`.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The system has no certificate authorities.
    #[error("the system's certificate authorities cannot be loaded: {0}")]
    System(String),
    /// The address of a target is not one of HTTP.
    #[error("upstream {0:?} has a target that is no address of http or https")]
    Target(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl TlsSettings {
    /// Uses the authorities in a PEM file, else the system's.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn load(ca_file: Option<&std::path::Path>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(file) => {
                let wrong = |why: String| ClientError::Certificates {
                    file: file.display().to_string(),
                    why,
                };
                let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                    roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(wrong("it is empty".to_owned()));
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                if found.certs.is_empty() {
                    return Err(ClientError::System(format!("{:?}", found.errors)));
                }
                roots.add_parsable_certificates(found.certs);
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

type Connector = Within<HttpsConnector<HttpConnector>>;

/// A pool of connections.
pub(crate) type HttpClient = Client<Connector, RequestBody>;

/// The two pools of an upstream.
pub(crate) struct Clients {
    /// For calls.
    pub(crate) calls: HttpClient,
    /// For WebSockets, which only HTTP/1.1 upgrades to.
    pub(crate) tunnels: HttpClient,
}

impl Clients {
    /// # Errors
    ///
    /// When the certificate authorities cannot be loaded.
    pub(crate) fn new(settings: &UpstreamSettings) -> Result<Self, ClientError> {
        let uses_tls = settings.targets.iter().any(|target| target.scheme() == "https");
        let tls = if uses_tls {
            TlsSettings::load(settings.ca_file.as_deref())?.0
        } else {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            Arc::new(config)
        };
        let http1 = client(settings, &tls, Protocol::Http1);
        Ok(Self {
            calls: match settings.protocol {
                Protocol::Http1 => http1.clone(),
                other => client(settings, &tls, other),
            },
            tunnels: http1,
        })
    }
}

fn client(settings: &UpstreamSettings, tls: &ClientConfig, protocol: Protocol) -> HttpClient {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http();
    let connector = match protocol {
        Protocol::Http1 => connector.enable_http1().wrap_connector(tcp),
        Protocol::Http2 => connector.enable_all_versions().wrap_connector(tcp),
        Protocol::H2c => connector.enable_http2().wrap_connector(tcp),
    };
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(settings.max_connections)
        .http2_only(protocol == Protocol::H2c)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        // Sent again only where nothing of it had left: the pool handed out a connection that was closed already.
        .retry_canceled_requests(true)
        .set_host(true)
        .build(Within {
            inner: connector,
            limit: settings.connect_timeout,
        })
}

/// A connector with one time limit for DNS, TCP and TLS together.
#[derive(Clone)]
pub(crate) struct Within<C> {
    inner: C,
    limit: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, limit) = (self.inner.call(uri), self.limit);
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time").into()),
            }
        })
    }
}
