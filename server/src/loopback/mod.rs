//! A sign-in from the command line: the user's browser, a redirect to this machine (RFC 8252, section 7.3) or a code that the user
//! types elsewhere (RFC 8628), and the `openidconnect` crate as a client that shares no code with the one in the page.
//!
//! `pixygate token` stores what it got: `stored` is the file, `key` the key that it is sealed with.

mod callback;
mod command;
mod device;
mod key;
mod stored;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::core::{CoreErrorResponseType, CoreIdTokenVerifier, CoreTokenResponse};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, Nonce, NonceVerifier,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse as _,
};
use pixygate::jwt::{Trust, printable};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

pub(crate) use command::invite;
pub use command::{TokenArgs, main};
pub use device::UserCode;
pub use stored::{Stored, TokenFile, TokenFileError};

use crate::config::Provider;
use crate::doctor::{http_client, metadata_location};

/// The ports of the redirect URI: the second is for when the first is taken.
pub const PORTS: [u16; 2] = [8765, 8766];

/// A user needs some time to sign in.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the browser comes back to.
pub struct Loopback {
    listener: TcpListener,
    redirect_uri: String,
}

/// As whom to sign in, and where.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The provider, with the client's identifier.
    pub provider: Provider,
    /// How it is reached.
    pub trust: Trust,
    /// Scopes beyond those of the provider's settings.
    pub scopes: Vec<String>,
}

/// What a sign-in gave. The tokens are not in its `Debug`.
pub struct SignedIn {
    /// The access token.
    pub access_token: String,
    /// The refresh token, where there is one.
    pub refresh_token: Option<String>,
    /// The subject of the ID token.
    pub subject: String,
    /// The scopes that were granted, where the provider says.
    pub scopes: Option<Vec<String>>,
    /// How long the access token is valid, where the provider says.
    pub expires_in: Option<Duration>,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("subject", &self.subject)
            .field("scopes", &self.scopes)
            .field("expires_in", &self.expires_in)
            .field("can_refresh", &self.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a sign-in failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// No port is free.
    #[error("no connection can be taken at {0}; name another port with --port")]
    Listen(String),
    /// The provider cannot be used by a client that keeps to the standards.
    #[error("the provider's metadata or keys: {0}")]
    Metadata(String),
    /// The provider sent an error to the redirect URI.
    #[error("the provider answers {error}: {description}")]
    Refused {
        /// The code of RFC 6749, section 4.1.2.1.
        error: String,
        /// Its text.
        description: String,
    },
    /// The authorization response names another issuer (RFC 9207).
    #[error("the authorization response is from {found:?}, expected {expected:?}")]
    Issuer {
        /// The provider's.
        expected: String,
        /// The response's.
        found: String,
    },
    /// The token endpoint does not redeem the code.
    #[error("the token endpoint: {0}")]
    Token(String),
    /// The ID token is missing or wrong.
    #[error("the ID token: {0}")]
    IdToken(String),
    /// The provider no longer accepts the refresh token.
    #[error("the session has ended at the provider")]
    Ended,
    /// The provider has no device grant.
    #[error("the provider's metadata name no `device_authorization_endpoint` (RFC 8628)")]
    NoDeviceGrant,
    /// Nobody came back.
    #[error("no sign-in within {} seconds", PATIENCE.as_secs())]
    Patience,
}

impl Loopback {
    /// Listens on this port, or on one of [`PORTS`].
    ///
    /// # Errors
    ///
    /// When none can be had.
    pub async fn listen(port: Option<u16>) -> Result<Self, SignInError> {
        let ports = port.map_or(PORTS.to_vec(), |port| vec![port]);
        let mut failures = Vec::new();
        for port in ports {
            // RFC 8252, section 8.3: the address, not `localhost`, which may be another one.
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => {
                    let port = listener.local_addr().map_or(port, |address| address.port());
                    let redirect_uri = format!("http://127.0.0.1:{port}/callback");
                    return Ok(Self { listener, redirect_uri });
                }
                Err(error) => failures.push(format!("127.0.0.1:{port} ({error})")),
            }
        }
        Err(SignInError::Listen(failures.join(", ")))
    }

    /// The redirect URI, which must be registered at the provider.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Signs a user in. `open` gets the address for their browser.
    ///
    /// # Errors
    ///
    /// When any step fails, with what the provider said.
    pub async fn sign_in(self, registration: &Registration, open: impl FnOnce(&Url)) -> Result<SignedIn, SignInError> {
        let provider = &registration.provider;
        let found = registration.discover().await?;
        let redirect_uri = RedirectUrl::new(self.redirect_uri.clone()).map_err(|error| unusable(&error))?;
        let client = found.client(provider).set_redirect_uri(redirect_uri);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        for scope in registration.further_scopes() {
            request = request.add_scope(scope);
        }
        for (name, value) in &provider.extra_params {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        if let Some(resource) = &provider.resource {
            request = request.add_extra_param("resource", resource.clone());
        }
        let (address, state, nonce) = request.url();
        open(&address);

        let back = callback::wait(self.listener, state.secret());
        let answer = tokio::time::timeout(PATIENCE, back)
            .await
            .map_err(|_| SignInError::Patience)??;
        match answer.issuer {
            Some(found) if found != provider.issuer => {
                let expected = provider.issuer.clone();
                return Err(SignInError::Issuer { expected, found });
            }
            None if found.names_itself() => {
                let expected = provider.issuer.clone();
                return Err(SignInError::Issuer {
                    expected,
                    found: String::new(),
                });
            }
            _ => {}
        }
        let mut exchange = client
            .exchange_code(AuthorizationCode::new(answer.code))
            .map_err(|error| unusable(&error))?
            .set_pkce_verifier(verifier);
        if let Some(resource) = &provider.resource {
            exchange = exchange.add_extra_param("resource", resource.clone());
        }
        let tokens = exchange
            .request_async(&found.http)
            .await
            .map_err(|error| SignInError::Token(of_exchange(&error)))?;
        signed_in(&tokens, &client.id_token_verifier(), &nonce)
    }
}

impl Registration {
    /// Reads metadata and keys with the crate's own types.
    async fn discover(&self) -> Result<Discovered, SignInError> {
        let http = Http(http_client(&self.trust, ANSWER).map_err(SignInError::Metadata)?);
        let location = metadata_location(&self.trust).ok_or_else(|| unusable(&"they have no address"))?;
        let document = http.get(location.as_str()).await.map_err(|error| unusable(&error))?;
        let metadata: CoreProviderMetadata = serde_json::from_slice(&document).map_err(|error| unusable(&error))?;
        if metadata.issuer().as_str() != self.provider.issuer {
            return Err(SignInError::Issuer {
                expected: self.provider.issuer.clone(),
                found: printable(metadata.issuer().as_str()),
            });
        }
        let keys = http
            .get(metadata.jwks_uri().as_str())
            .await
            .map_err(|error| unusable(&error))?;
        let keys: CoreJsonWebKeySet = serde_json::from_slice(&keys).map_err(|error| unusable(&error))?;
        Ok(Discovered {
            http,
            metadata: metadata.set_jwks(keys),
            members: serde_json::from_slice(&document).unwrap_or_default(),
        })
    }

    /// Gets new tokens for a refresh token (RFC 6749, section 6).
    ///
    /// # Errors
    ///
    /// [`SignInError::Ended`] when the user has to sign in again; otherwise what the provider said.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Refreshed, SignInError> {
        let found = self.discover().await?;
        let client = found.client(&self.provider);
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let mut exchange = client
            .exchange_refresh_token(&refresh_token)
            .map_err(|error| unusable(&error))?;
        if let Some(resource) = &self.provider.resource {
            exchange = exchange.add_extra_param("resource", resource.clone());
        }
        let tokens = exchange
            .request_async(&found.http)
            .await
            .map_err(|error| match &error {
                RequestTokenError::ServerResponse(response)
                    if *response.error() == CoreErrorResponseType::InvalidGrant =>
                {
                    SignInError::Ended
                }
                _ => SignInError::Token(of_exchange(&error)),
            })?;
        Ok(Refreshed {
            access_token: tokens.access_token().secret().clone(),
            refresh_token: tokens.refresh_token().map(|token| token.secret().clone()),
            expires_in: tokens.expires_in(),
        })
    }

    /// The scopes beyond `openid`, which the crate asks for by itself.
    fn further_scopes(&self) -> impl Iterator<Item = Scope> {
        let all = self.provider.scopes.iter().chain(&self.scopes);
        all.filter(|scope| *scope != "openid")
            .map(|scope| Scope::new(scope.clone()))
    }
}

/// What a refresh gave.
pub struct Refreshed {
    /// The access token.
    pub access_token: String,
    /// The refresh token that takes the place of the old one, where the provider rotates it.
    pub refresh_token: Option<String>,
    /// How long the access token is valid, where the provider says.
    pub expires_in: Option<Duration>,
}

/// A provider, discovered.
struct Discovered {
    http: Http,
    metadata: CoreProviderMetadata,
    /// The metadata as they are: the crate does not know every member.
    members: Value,
}

/// A client of a discovered provider.
type Client = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

impl Discovered {
    fn client(&self, provider: &Provider) -> Client {
        CoreClient::from_provider_metadata(self.metadata.clone(), ClientId::new(provider.client_id.clone()), None)
    }

    /// Whether authorization responses name their issuer.
    fn names_itself(&self) -> bool {
        self.members["authorization_response_iss_parameter_supported"] == true
    }
}

/// Checks the ID token, and takes out what is used.
fn signed_in(
    tokens: &CoreTokenResponse,
    verifier: &CoreIdTokenVerifier<'_>,
    nonce: impl NonceVerifier,
) -> Result<SignedIn, SignInError> {
    let id_token = tokens
        .id_token()
        .ok_or_else(|| SignInError::IdToken("there is none".to_owned()))?;
    let claims = id_token
        .claims(verifier, nonce)
        .map_err(|error| SignInError::IdToken(printable(&error.to_string())))?;
    Ok(SignedIn {
        access_token: tokens.access_token().secret().clone(),
        refresh_token: tokens.refresh_token().map(|token| token.secret().clone()),
        subject: claims.subject().to_string(),
        scopes: tokens
            .scopes()
            .map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
        expires_in: tokens.expires_in(),
    })
}

fn unusable(error: &dyn fmt::Display) -> SignInError {
    SignInError::Metadata(printable(&error.to_string()))
}

/// What the provider says about a code that it does not redeem.
fn of_exchange<T: openidconnect::ErrorResponse>(error: &RequestTokenError<HttpError, T>) -> String {
    match error {
        RequestTokenError::ServerResponse(response) => printable(&format!("{response:?}")),
        RequestTokenError::Request(error) => error.to_string(),
        // The body itself may hold a token.
        RequestTokenError::Parse(error, _) => printable(&format!("its answer cannot be read: {error}")),
        RequestTokenError::Other(why) => printable(why),
    }
}

/// One answer of the provider.
const ANSWER: Duration = Duration::from_secs(10);

/// The HTTP client, as the crate calls it.
struct Http(reqwest::Client);

/// There is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HttpError(String);

impl Http {
    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let request = http::Request::get(url)
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        let response = self.call(request).await.map_err(|error| error.to_string())?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            status => Err(format!("{url} answered with status {status}")),
        }
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let failed = |error: reqwest::Error| HttpError(error.without_url().to_string());
            let request = reqwest::Request::try_from(request).map_err(failed)?;
            let response = self.0.execute(request).await.map_err(failed)?;
            let mut answer = http::Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.clone_from(response.headers());
            }
            let body = response.bytes().await.map_err(failed)?;
            answer.body(body.to_vec()).map_err(|error| HttpError(error.to_string()))
        })
    }
}
