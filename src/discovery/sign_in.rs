//! The configuration that a page needs to sign users in, refreshed in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use url::Url;

use super::{Discovery, DiscoveryError, DocumentStore, Documents, Metadata, NoDocuments};
use crate::authorization::{Client, DpopMode, Jwk, Provider};
use crate::jwt::{FETCH_SECONDS, Fetch, FetchError, HttpFetch, SystemClock, Trust, is_loopback_host, shown};

/// More keys than any provider publishes.
const MAX_KEYS: usize = 100;

/// The wait after the first failed attempt. It doubles with each further one, up to the trust's `jwks_cooldown_seconds`.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// The configuration of the sign-in: the client's registration and the provider's metadata. It is refreshed in the background while a clone
/// of it lives. Cloning is cheap.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use pixygate::discovery::SignInConfig;
///
/// let sign_in = SignInConfig::discover("https://idp.example", "my-client-id", "https://shop.example").await?;
/// // Put this into each page, with `pixygate::leptos::ClientData`.
/// let client = sign_in.client();
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SignInConfig {
    shared: Arc<Shared>,
}

/// A snapshot of the configuration for rendering a page.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SignInPage {
    /// The client for the page; `None` until the provider's metadata were fetched for the first time. Users cannot sign in until then.
    pub client: Option<Client>,
    /// The origins that scripts of the page call, for `connect-src` of a Content Security Policy.
    pub connect_origins: BTreeSet<String>,
    /// The origins that forms and links of the page lead to, for `form-action`.
    pub form_origins: BTreeSet<String>,
    /// Why the last attempt to refresh this failed, if it did.
    pub outage: Option<DiscoveryError>,
}

/// A [`SignInConfig`] cannot be made with these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInConfigError {
    /// The client ID is empty.
    #[error("expected the client ID that the provider gave this application, found an empty one")]
    ClientId,
    /// The public URL is not an origin that browsers can use.
    #[error("expected an https origin (http on loopback addresses only) without a path as public URL, found {0:?}")]
    PublicUrl(String),
    /// A scope is not one (RFC 6749, section 3.3), or `openid` is missing.
    #[error("expected scopes without spaces, `openid` among them, found {0:?}")]
    Scopes(Vec<String>),
    /// The provider is not the configured one, or cannot be used.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

/// Endpoints for the browser, where it reaches the provider by another name than the server does.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrowserEndpoints {
    /// In place of `authorization_endpoint`.
    pub authorization: Option<String>,
    /// In place of `token_endpoint`.
    pub token: Option<String>,
    /// In place of `jwks_uri`.
    pub jwks: Option<String>,
    /// In place of `end_session_endpoint`.
    pub end_session: Option<String>,
    /// In place of `revocation_endpoint`.
    pub revocation: Option<String>,
    /// In place of `pushed_authorization_request_endpoint`.
    pub pushed_authorization_request: Option<String>,
    /// For all other endpoints: the prefix of their URLs to replace.
    pub from: Option<String>,
    /// The replacement of the prefix.
    pub to: Option<String>,
}

/// Settings of a [`SignInConfig`]; all have defaults.
pub struct SignInConfigBuilder {
    trust: Trust,
    settings: Settings,
    fetch: Option<Arc<dyn Fetch>>,
    store: Arc<dyn DocumentStore>,
}

struct Settings {
    public_url: String,
    client_id: String,
    scopes: Vec<String>,
    offline_access: bool,
    resource: Option<String>,
    extra_params: BTreeMap<String, String>,
    dpop: DpopMode,
    logout_url: Option<String>,
    sessions_url: Option<String>,
    call_origins: Vec<String>,
    idle_sign_out_seconds: Option<u32>,
    browser_endpoints: BrowserEndpoints,
}

impl SignInConfig {
    /// Discovers a provider with the default settings. `issuer` is exactly the `iss` of its tokens; `public_url` is the origin of this
    /// application for browsers. Register `{public_url}/callback` and `{public_url}/` at the provider, as redirect URIs of sign-in and
    /// sign-out. Needs a tokio runtime.
    ///
    /// A provider that is down is not an error: discovery is retried until it answers.
    ///
    /// # Errors
    ///
    /// When a setting is wrong: there are no metadata, they name another issuer, or they lack a required member.
    pub async fn discover(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        public_url: impl Into<String>,
    ) -> Result<Self, SignInConfigError> {
        Self::builder(issuer, client_id, public_url).discover().await
    }

    /// Starts from the settings that have no default; see [`discover`](Self::discover).
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        public_url: impl Into<String>,
    ) -> SignInConfigBuilder {
        SignInConfigBuilder {
            trust: Trust::new(issuer),
            settings: Settings {
                public_url: public_url.into(),
                client_id: client_id.into(),
                scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
                offline_access: true,
                resource: None,
                extra_params: BTreeMap::new(),
                dpop: DpopMode::default(),
                logout_url: None,
                sessions_url: None,
                call_origins: Vec::new(),
                idle_sign_out_seconds: None,
                browser_endpoints: BrowserEndpoints::default(),
            },
            fetch: None,
            store: Arc::new(NoDocuments),
        }
    }

    /// Returns the client for a page; `None` until the provider was reached for the first time.
    pub fn client(&self) -> Option<Client> {
        self.page().client.clone()
    }

    /// Returns the current configuration for rendering a page.
    pub fn page(&self) -> Arc<SignInPage> {
        self.shared.page.load_full()
    }

    /// Returns how long a client should wait before it tries again, while [`client`](Self::client) is `None`.
    pub fn retry_after(&self) -> Duration {
        self.shared.longest_pause()
    }
}

impl std::fmt::Debug for SignInConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInConfig")
            .field("page", &self.page())
            .finish_non_exhaustive()
    }
}

impl SignInConfigBuilder {
    /// Sets the requested scopes; `openid`, `profile` and `email` by default. They must include `openid`.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether to request `offline_access` if the provider lists it (OpenID Connect Core 1.0, section 11); `true` by default. Many
    /// providers issue refresh tokens only then, and without one the session ends with the access token.
    #[must_use]
    pub fn offline_access(mut self, on: bool) -> Self {
        self.settings.offline_access = on;
        self
    }

    /// Sets the resource that access tokens are for (RFC 8707).
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.settings.resource = Some(resource.into());
        self
    }

    /// Adds a parameter to the authorization request, such as `audience`.
    #[must_use]
    pub fn extra_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.extra_params.insert(name.into(), value.into());
        self
    }

    /// Sets whether tokens are bound to a key of the browser (RFC 9449).
    #[must_use]
    pub fn dpop(mut self, mode: DpopMode) -> Self {
        self.settings.dpop = mode;
        self
    }

    /// Sets the address for sign-out, in place of the provider's `end_session_endpoint`. `{client_id}`, `{post_logout_redirect_uri}` and
    /// `{id_token_hint}` in it are filled in. If it has one of them, no other parameter is added.
    #[must_use]
    pub fn logout_url(mut self, url: impl Into<String>) -> Self {
        self.settings.logout_url = Some(url.into());
        self
    }

    /// Sets the address at which a `DELETE` with the user's access token ends all of their sessions at the provider.
    #[must_use]
    pub fn sessions_url(mut self, url: impl Into<String>) -> Self {
        self.settings.sessions_url = Some(url.into());
        self
    }

    /// Adds an origin to which calls may send the access token, such as `https://api.example.com`.
    #[must_use]
    pub fn call_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.call_origins.push(origin.into());
        self
    }

    /// After how many seconds without a sign of the user, in any tab, they are signed out; `None`: never.
    #[must_use]
    pub fn idle_sign_out_seconds(mut self, seconds: Option<u32>) -> Self {
        self.settings.idle_sign_out_seconds = seconds;
        self
    }

    /// Sets endpoints for the browser, if it reaches the provider at another address than the server does.
    #[must_use]
    pub fn browser_endpoints(mut self, endpoints: BrowserEndpoints) -> Self {
        self.settings.browser_endpoints = endpoints;
        self
    }

    /// Sets how to reach the provider, from a trust: `discovery_url`, `ca_file`, `client_certificate_file`, and how often to refresh. Its
    /// issuer replaces that of the builder.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Fetches in another way than with [`HttpFetch`].
    #[must_use]
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Stores metadata and keys for the next start, and uses those of the last one while the provider is down.
    #[must_use]
    pub fn documents(mut self, store: Arc<dyn DocumentStore>) -> Self {
        self.store = store;
        self
    }

    /// Discovers the provider; see [`SignInConfig::discover`].
    ///
    /// # Errors
    ///
    /// When a setting is wrong. A provider that is down is not an error.
    pub async fn discover(self) -> Result<SignInConfig, SignInConfigError> {
        let Self {
            trust,
            mut settings,
            fetch,
            store,
        } = self;
        settings.check()?;
        let location = trust.discovery_location().map_err(DiscoveryError::from)?;
        let trust = Arc::new(trust);
        let documents = Documents {
            fetch: fetch.unwrap_or_else(|| Arc::new(HttpFetch::new())),
            store,
            clock: Arc::new(SystemClock),
        };
        let shared = Arc::new(Shared {
            discovery: Discovery::new(trust.clone(), location, documents.clone()),
            page: ArcSwap::from_pointee(settings.page(None, None)),
            trust,
            settings,
            documents,
            refresh: std::sync::OnceLock::new(),
        });
        // A provider that hangs must not delay the start.
        let limit = Duration::from_secs(FETCH_SECONDS);
        let complete = match tokio::time::timeout(limit, shared.update()).await {
            Ok(complete) => complete,
            Err(_) => {
                let url = shown(shared.discovery.location());
                shared.fail(FetchError::Timeout { url }.into());
                false
            }
        };
        let page = shared.page.load_full();
        if let Some(error) = &page.outage
            && (matches!(error, DiscoveryError::Issuer { .. }) || error.is_configuration() && page.client.is_none())
        {
            return Err(error.clone().into());
        }
        let refresh = tokio::spawn(refresh(Arc::downgrade(&shared), complete));
        drop(shared.refresh.set(refresh.abort_handle()));
        Ok(SignInConfig { shared })
    }
}

impl Settings {
    fn check(&mut self) -> Result<(), SignInConfigError> {
        let origin = Url::parse(&self.public_url).ok().filter(|url| {
            let secure = url.scheme() == "https" || url.scheme() == "http" && is_loopback_host(url);
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            secure && bare && url.username().is_empty() && url.password().is_none()
        });
        let Some(origin) = origin else {
            return Err(SignInConfigError::PublicUrl(self.public_url.clone()));
        };
        self.public_url = origin.origin().ascii_serialization();
        if self.client_id.is_empty() {
            return Err(SignInConfigError::ClientId);
        }
        let is_scope = |scope: &String| !scope.is_empty() && !scope.contains(char::is_whitespace);
        if !self.scopes.iter().any(|scope| scope == "openid") || !self.scopes.iter().all(is_scope) {
            return Err(SignInConfigError::Scopes(self.scopes.clone()));
        }
        Ok(())
    }

    /// Returns the configuration for pages. Without a client it contains only values from the settings.
    fn page(&self, client: Option<Client>, outage: Option<DiscoveryError>) -> SignInPage {
        let provider = client.as_ref().map(|client| &client.provider);
        let called = provider.into_iter().flat_map(|provider| {
            [
                Some(&provider.token_endpoint),
                Some(&provider.jwks_uri),
                provider.revocation_endpoint.as_ref(),
                provider.pushed_authorization_request_endpoint.as_ref(),
            ]
        });
        let called = called.flatten().chain(&self.sessions_url).chain(&self.call_origins);
        let led_to = provider.into_iter().flat_map(|provider| {
            [
                Some(&provider.authorization_endpoint),
                provider.end_session_endpoint.as_ref(),
            ]
        });
        SignInPage {
            connect_origins: called.filter_map(|url| origin(url)).collect(),
            form_origins: led_to.flatten().filter_map(|url| origin(url)).collect(),
            client,
            outage,
        }
    }

    fn client(
        &self,
        issuer: &str,
        metadata: &Metadata,
        oauth: Option<&Metadata>,
        keys: Vec<Jwk>,
    ) -> Result<Client, DiscoveryError> {
        metadata.supports_pkce()?;
        let for_browser = &self.browser_endpoints;
        let endpoint = |member, other: &Option<String>| for_browser.endpoint(metadata, member, other);
        let required = |member, other: &Option<String>| -> Result<String, DiscoveryError> {
            match endpoint(member, other)? {
                Some(url) => Ok(url),
                None => metadata.required_url(member).map(String::from),
            }
        };
        let mut scopes = self.scopes.clone();
        let offline = "offline_access";
        if self.offline_access
            && metadata.list("scopes_supported").iter().any(|scope| scope == offline)
            && !scopes.iter().any(|scope| scope == offline)
        {
            scopes.push(offline.to_owned());
        }
        let revocation_endpoint = match endpoint("revocation_endpoint", &for_browser.revocation)? {
            Some(url) => Some(url),
            None => match oauth {
                Some(oauth) => oauth.url("revocation_endpoint")?.map(String::from),
                None => None,
            },
        };
        let pushed = "pushed_authorization_request_endpoint";
        let must_push = metadata.flag("require_pushed_authorization_requests");
        let pushed = match must_push {
            true => Some(required(pushed, &for_browser.pushed_authorization_request)?),
            false => endpoint(pushed, &for_browser.pushed_authorization_request)?,
        };
        Ok(Client {
            client_id: self.client_id.clone(),
            redirect_uri: format!("{}/callback", self.public_url),
            post_logout_redirect_uri: format!("{}/", self.public_url),
            scopes,
            resource: self.resource.clone(),
            extra_params: self.extra_params.clone(),
            sessions_url: self.sessions_url.clone(),
            call_origins: self.call_origins.clone(),
            step_up_scopes: BTreeMap::new(),
            idle_sign_out_seconds: self.idle_sign_out_seconds,
            dpop: self.dpop,
            provider: Provider {
                issuer: issuer.to_owned(),
                authorization_endpoint: required("authorization_endpoint", &for_browser.authorization)?,
                token_endpoint: required("token_endpoint", &for_browser.token)?,
                jwks_uri: required("jwks_uri", &for_browser.jwks)?,
                end_session_endpoint: match &self.logout_url {
                    Some(url) => Some(url.clone()),
                    // Only the operator's own may have parameters that are filled in.
                    None => endpoint("end_session_endpoint", &for_browser.end_session)?
                        .map(|url| url.replace('{', "%7B").replace('}', "%7D")),
                },
                revocation_endpoint,
                pushed_authorization_request_endpoint: pushed,
                require_pushed_authorization_requests: must_push,
                authorization_response_iss_parameter_supported: metadata
                    .flag("authorization_response_iss_parameter_supported"),
                id_token_signing_alg_values_supported: metadata.list("id_token_signing_alg_values_supported"),
                dpop_signing_alg_values_supported: metadata.list("dpop_signing_alg_values_supported"),
            },
            keys,
        })
    }
}

impl BrowserEndpoints {
    /// Returns the address of an endpoint for browsers: `other` if it is set, else that of the metadata.
    fn endpoint(
        &self,
        metadata: &Metadata,
        member: &'static str,
        other: &Option<String>,
    ) -> Result<Option<String>, DiscoveryError> {
        if let Some(url) = other.clone().or_else(|| self.rewritten(metadata, member)) {
            return Ok(Some(url));
        }
        Ok(metadata.url(member)?.map(String::from))
    }

    fn rewritten(&self, metadata: &Metadata, member: &str) -> Option<String> {
        let (from, to) = (self.from.as_ref()?.trim_end_matches('/'), self.to.as_ref()?);
        let rest = metadata.text(member)?.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{}{rest}", to.trim_end_matches('/')))
    }
}

fn origin(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

struct Shared {
    discovery: Discovery,
    trust: Arc<Trust>,
    settings: Settings,
    documents: Documents,
    page: ArcSwap<SignInPage>,
    refresh: std::sync::OnceLock<tokio::task::AbortHandle>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(refresh) = self.refresh.get() {
            refresh.abort();
        }
    }
}

impl Shared {
    /// Fetches metadata and keys. Documents that cannot be fetched stay as they were. Returns whether all were fetched.
    async fn update(&self) -> bool {
        match self.try_update().await {
            Ok(()) => true,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    async fn try_update(&self) -> Result<(), DiscoveryError> {
        let fetched = self.discovery.fetch().await;
        let metadata = match &fetched {
            Ok(metadata) => metadata.clone(),
            Err(error) => self.discovery.last().ok_or_else(|| error.clone())?,
        };
        let oauth = match metadata.text("revocation_endpoint") {
            Some(_) => None,
            None => self.discovery.oauth_metadata().await,
        };
        let client = |keys| {
            self.settings
                .client(&self.trust.issuer, &metadata, oauth.as_ref(), keys)
        };
        let location = self.discovery.keys_url(&metadata)?;
        let before = self.page.load_full();
        let keys = match &before.client {
            Some(client) => client.keys.clone(),
            None => self.stored_keys(&location).unwrap_or_default(),
        };
        // A page needs the keys only after the way back from the provider, and can fetch them then.
        self.publish(client(keys)?, before.outage.clone());
        let keys = self.keys(&location).await?;
        fetched?;
        self.publish(client(keys)?, None);
        Ok(())
    }

    async fn keys(&self, location: &Url) -> Result<Vec<Jwk>, DiscoveryError> {
        let document = self.documents.get(location, &self.trust).await?;
        let keys = read_keys(&document).ok_or_else(|| DiscoveryError::NotKeys {
            location: shown(location),
        })?;
        self.documents.store(location, document);
        Ok(keys)
    }

    /// Returns the keys that an earlier process stored, unless they are too old.
    fn stored_keys(&self, location: &Url) -> Option<Vec<Jwk>> {
        let stored = self.documents.stored(location)?;
        let age = self.documents.clock.now().duration_since(stored.fetched_at).ok()?;
        (age.as_secs() < self.trust.jwks_stale_seconds).then(|| read_keys(&stored.body))?
    }

    fn publish(&self, client: Client, outage: Option<DiscoveryError>) {
        let before = self.page.load();
        let issuer = &self.trust.issuer;
        if before.client.is_none() && client.provider.end_session_endpoint.is_none() {
            tracing::warn!(
                %issuer,
                hint = "set logout_url when it has one that its metadata lack",
                "the provider has no end_session_endpoint: its own session goes on after Sign out"
            );
        }
        if before.outage.is_some() && outage.is_none() {
            tracing::info!(%issuer, "the provider is back");
        }
        self.page.store(Arc::new(self.settings.page(Some(client), outage)));
    }

    fn fail(&self, error: DiscoveryError) {
        let before = self.page.load();
        if before.outage.as_ref() != Some(&error) {
            let issuer = &self.trust.issuer;
            tracing::warn!(%issuer, %error, "the provider's metadata or keys cannot be fetched; trying again until they can");
        }
        self.page
            .store(Arc::new(self.settings.page(before.client.clone(), Some(error))));
    }

    fn longest_pause(&self) -> Duration {
        Duration::from_secs(self.trust.jwks_cooldown_seconds.max(1))
    }
}

/// Updates for as long as there is something to update.
async fn refresh(shared: Weak<Shared>, mut complete: bool) {
    let mut retry = FIRST_RETRY;
    loop {
        let Some(longest) = shared.upgrade().map(|shared| match complete {
            true => Duration::from_secs(shared.trust.jwks_refresh_seconds),
            false => shared.longest_pause(),
        }) else {
            return;
        };
        let pause = if complete { longest } else { retry.min(longest) };
        retry = if complete { FIRST_RETRY } else { pause * 2 };
        tokio::time::sleep(pause).await;
        let Some(shared) = shared.upgrade() else { return };
        complete = shared.update().await;
    }
}

/// Returns the signing keys of a JWK set (RFC 7517, section 5). A key that cannot be read is left out.
fn read_keys(document: &[u8]) -> Option<Vec<Jwk>> {
    let mut set: Value = serde_json::from_slice(document).ok()?;
    let Value::Array(keys) = set.get_mut("keys")?.take() else {
        return None;
    };
    let keys = keys.into_iter().take(MAX_KEYS);
    let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Some(keys.filter(|key| key.usage.as_deref() != Some("enc")).collect())
}
