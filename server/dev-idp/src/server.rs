//! The listener, and the layers around every request.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;

use crate::config::{Config, ConfigError};
use crate::journal::{Decision, Entry};
use crate::provider::{Provider, StartError};
use crate::refusal::Refusal;
use crate::switches::Endpoint;
use crate::{control, cors, endpoints, pages};

const LARGEST_BODY: usize = 64 * 1024;

/// A provider with a bound listener, ready to serve.
pub struct Bound {
    provider: Provider,
    listener: TcpListener,
}

/// Checks the configuration, binds its address and prepares the keys.
///
/// # Errors
///
/// When the address is not on loopback or is taken, or when the configuration or the state file cannot be used.
pub async fn bind(mut config: Config) -> Result<Bound, StartError> {
    config.check()?;
    let listen = config.listen;
    let fail = |source| StartError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    config.listen = listener.local_addr().map_err(fail)?;
    start(config, listener).await
}

/// Serves on a listener until `shutdown` resolves. The listener's address replaces `config.listen`.
///
/// # Errors
///
/// When the address is not on loopback, or when the configuration or the state file cannot be used.
pub async fn serve(
    mut config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let listen = config.listen;
    config.listen = listener
        .local_addr()
        .map_err(|source| StartError::Listen { listen, source })?;
    start(config, listener).await?.serve(shutdown).await
}

async fn start(config: Config, listener: TcpListener) -> Result<Bound, StartError> {
    if !config.listen.ip().is_loopback() {
        return Err(ConfigError::NotLoopback { found: config.listen }.into());
    }
    // On a blocking thread, because generating keys takes CPU time.
    let made = tokio::task::spawn_blocking(move || Provider::new(config)).await;
    let provider = made.map_err(|error| StartError::Serve(std::io::Error::other(error)))??;
    Ok(Bound { provider, listener })
}

impl Bound {
    /// Returns the provider. Its configuration has the bound port.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Returns the bound address.
    pub fn address(&self) -> SocketAddr {
        self.provider.config().listen
    }

    /// Serves until `shutdown` resolves. Does not wait for connections that are idle then.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        let served = axum::serve(self.listener, router(self.provider));
        tokio::select! {
            ended = async { served.await } => ended.map_err(StartError::Serve),
            () = shutdown => Ok(()),
        }
    }
}

/// Builds the router of the provider, without a listener.
pub fn router(provider: Provider) -> Router {
    let scripts = Router::new()
        .route(
            "/t/{tenant}/.well-known/openid-configuration",
            get(endpoints::discovery::get),
        )
        .route(
            "/t/{tenant}/oauth2/token/.well-known/openid-configuration",
            get(endpoints::discovery::get),
        )
        .route(
            "/t/{tenant}/oauth2/oidcdiscovery/.well-known/openid-configuration",
            get(endpoints::discovery::get),
        )
        .route("/t/{tenant}/oauth2/jwks", get(endpoints::jwks::get))
        .route("/t/{tenant}/oauth2/token", post(endpoints::token::post))
        .route(
            "/t/{tenant}/oauth2/userinfo",
            get(endpoints::userinfo::answer).post(endpoints::userinfo::answer),
        )
        .route(
            "/t/{tenant}/api/users/v1/me/sessions",
            delete(endpoints::userinfo::end_sessions),
        )
        .route("/t/{tenant}/oauth2/revoke", post(endpoints::revoke::post))
        .route("/t/{tenant}/oauth2/par", post(endpoints::par::post))
        .layer(middleware::from_fn_with_state(provider.clone(), inject_faults))
        // Outside of the faults: without CORS headers a script could not see that the provider is down.
        .layer(middleware::from_fn_with_state(provider.clone(), cors::layer));
    let rest = Router::new()
        .route(
            "/t/{tenant}/oauth2/authorize",
            get(endpoints::authorize::get).post(endpoints::authorize::post),
        )
        .route(
            "/t/{tenant}/signin/{id}",
            get(endpoints::authorize::sign_in::get).post(endpoints::authorize::sign_in::post),
        )
        .route("/t/{tenant}/oauth2/introspect", post(endpoints::introspect::post))
        .route(
            "/t/{tenant}/oidc/logout",
            get(endpoints::logout::get).post(endpoints::logout::post),
        )
        .layer(middleware::from_fn_with_state(provider.clone(), inject_faults));
    let routes = scripts
        .merge(rest)
        .merge(control::router())
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .fallback(pages::error::not_found)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(provider.clone(), outer))
        .with_state(provider.clone());
    // Before routing: a profile may have endpoints at other paths.
    let rewrite = middleware::from_fn_with_state(provider, rewrite_path);
    Router::new().fallback_service(routes).layer(rewrite)
}

async fn rewrite_path(State(provider): State<Provider>, mut request: Request, next: Next) -> Response {
    if let Some(path) = own_path(&provider, request.uri()) {
        *request.uri_mut() = path;
    }
    next.run(request).await
}

fn own_path(provider: &Provider, uri: &Uri) -> Option<Uri> {
    let profile = provider.switches().profile?;
    let (tenant, _) = uri.path().strip_prefix("/t/")?.split_once('/')?;
    let config = provider.config();
    let path = profile.path_of(&format!("{}{}", config.origin(), uri.path()), &config.base_of(tenant))?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/t/{tenant}{path}{query}").parse().ok()
}

/// Answers 503, or delays the response, if a switch says so.
async fn inject_faults(State(provider): State<Provider>, request: Request, next: Next) -> Response {
    let switches = provider.switches();
    let endpoint = endpoints::endpoint_of(request.uri().path());
    let is_among = |named: &[Endpoint]| endpoint.is_some_and(|it| named.contains(&it));
    let is_slow = switches.delay_endpoints.is_empty() || is_among(&switches.delay_endpoints);
    if switches.delay_ms > 0 && is_slow {
        tokio::time::sleep(Duration::from_millis(switches.delay_ms)).await;
    }
    if switches.down || is_among(&switches.down_endpoints) {
        if endpoints::is_for_users(request.uri().path()) {
            return pages::error::down();
        }
        return Refusal::new("temporarily_unavailable", "the control switch for being down is on")
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .header(header::RETRY_AFTER, "1")
            .into_response();
    }
    next.run(request).await
}

/// Checks the `Host`, calls the handler, saves its changes, and adds a line to the journal.
async fn outer(State(provider): State<Provider>, request: Request, next: Next) -> Response {
    if !is_loopback_host(request.headers()) {
        let text = "The Host header does not name a loopback address.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let method = request.method().to_string();
    let path = journal_path(request.uri().path());
    let mut response = next.run(request).await;
    if let Err(error) = provider.save() {
        tracing::error!(%error, "what changed could not be kept");
        response = (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response();
    }
    date(&provider, response.headers_mut());
    if path.starts_with("/t/") {
        let decision = response.extensions().get::<Decision>().cloned();
        let (client_id, decision) = decision.map_or((None, "answered".to_owned()), |it| (it.client_id, it.what));
        let at = provider.clock().now();
        let status = response.status().as_u16();
        tracing::info!(method, path, status, decision);
        provider.journal().add(Entry {
            at,
            method,
            path,
            status,
            client_id,
            decision,
        });
    }
    response
}

/// Hides the identifier of a pending sign-in, which is a secret.
fn journal_path(path: &str) -> String {
    match path.split_once("/signin/") {
        Some((before, _)) => format!("{before}/signin/…"),
        None => path.to_owned(),
    }
}

/// Protects against DNS rebinding: a page whose own name resolves to 127.0.0.1 has the same origin, but another `Host`.
fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Sets `Date`, so that clients which set their clock by it use the shifted time.
fn date(provider: &Provider, headers: &mut HeaderMap) {
    let now = u64::try_from(provider.clock().now()).unwrap_or_default();
    let now = std::time::UNIX_EPOCH + Duration::from_secs(now);
    if let Ok(value) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
        headers.insert(HeaderName::from_static("date"), value);
    }
}
