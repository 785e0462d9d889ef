//! The token endpoint's responses (RFC 6749, section 5), and the tokens of a session.

use std::fmt;

use oauth2::basic::{BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AccessToken, ExtraTokenFields, RefreshToken, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};

use super::id_token::{Expected, IdToken, IdTokenError};
use super::{Client, Crypto, DpopMode, Jwk, Lifetime, Moment, ServerClock, TokenExchange, ValidatedCallback};

/// An HTTP response, as far as the flow reads it.
///
/// ```
/// use pixygate::authorization::{HttpReply, TokenError, TokenResponse};
///
/// let reply = HttpReply { status: 503, retry_after: Some(5), ..HttpReply::default() };
/// let error = TokenResponse::read(&reply).map(drop);
/// assert_eq!(error, Err(TokenError::Unavailable { status: 503, retry_after: Some(5) }));
/// ```
#[derive(Clone, Default)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The `DPoP-Nonce` header (RFC 9449, section 8).
    pub dpop_nonce: Option<String>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// Without the body: it may hold tokens.
impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReply")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// What the token endpoint may answer instead of tokens.
///
/// ```
/// use pixygate::authorization::{HttpReply, TokenError, TokenResponse};
///
/// let answer = |status, body: &str| {
///     let reply = HttpReply { status, body: body.to_owned(), ..HttpReply::default() };
///     TokenResponse::read(&reply).map(drop)
/// };
/// let over = answer(400, r#"{"error":"invalid_grant","error_description":"revoked"}"#).unwrap_err();
/// assert!(over.ends_session());
/// assert_eq!(over.to_string(), "the token endpoint answered `invalid_grant`: revoked");
///
/// let again = answer(400, r#"{"error":"use_dpop_nonce"}"#).unwrap_err();
/// assert!(again.wants_dpop_nonce() && !again.refuses_dpop_proof() && !again.ends_session());
///
/// assert!(matches!(answer(200, "<html>"), Err(TokenError::Malformed { status: 200, .. })));
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// An error response (RFC 6749, section 5.2).
    #[error("the token endpoint answered `{error}`{}", description.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Provider {
        /// The error code.
        error: String,
        /// The provider's own words.
        description: Option<String>,
    },
    /// The endpoint is overloaded or broken (429 or 5xx); the grant may still be good.
    #[error("the token endpoint answered {status}")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// Seconds to wait, when the endpoint said so.
        retry_after: Option<u64>,
    },
    /// Neither a token response nor an error response.
    #[error("the token endpoint's answer ({status}) is not understood: {problem}")]
    Malformed {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        problem: String,
    },
}

impl TokenError {
    /// Reads an answer that is not a success.
    pub(crate) fn read(reply: &HttpReply) -> Self {
        let status = reply.status;
        if status == 429 || status >= 500 {
            return Self::Unavailable {
                status,
                retry_after: reply.retry_after,
            };
        }
        match serde_json::from_slice::<StandardErrorResponse<BasicErrorResponseType>>(reply.body.as_bytes()) {
            Ok(answer) => Self::Provider {
                error: answer.error().as_ref().to_owned(),
                description: answer.error_description().cloned(),
            },
            Err(error) => Self::Malformed {
                status,
                problem: shape(&error),
            },
        }
    }

    /// Whether the provider said that the grant is no longer good: the session is over.
    pub fn ends_session(&self) -> bool {
        matches!(self, Self::Provider { error, .. } if matches!(error.as_str(), "invalid_grant" | "interaction_required" | "login_required" | "consent_required"))
    }

    /// The same of a refresh: some providers say `invalid_request` of a refresh token that they do not know.
    pub(crate) fn ends_refresh(&self) -> bool {
        self.ends_session() || matches!(self, Self::Provider { error, .. } if error == "invalid_request")
    }

    /// Whether the endpoint does not take the DPoP proof, of which only the time can be wrong (RFC 9449, section 5).
    pub fn refuses_dpop_proof(&self) -> bool {
        matches!(self, Self::Provider { error, .. } if error == "invalid_dpop_proof")
    }

    /// Whether the endpoint wants the same request again, with the nonce that it just gave (RFC 9449, section 8).
    pub fn wants_dpop_nonce(&self) -> bool {
        matches!(self, Self::Provider { error, .. } if error == "use_dpop_nonce")
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct OpenIdFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ExtraTokenFields for OpenIdFields {}

impl fmt::Debug for OpenIdFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdFields").finish_non_exhaustive()
    }
}

/// A token response whose ID token is not validated yet.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// # let reply = example::tokens_of("");
/// use pixygate::authorization::TokenResponse;
///
/// let response = TokenResponse::read(&reply)?;
/// // The provider may have other keys since the page was made.
/// if !response.finds_key(&client, &client.keys) {
///     // They are fetched from `client.provider.jwks_uri`.
/// }
/// # assert!(response.finds_key(&client, &client.keys) && !response.finds_key(&client, &[]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct TokenResponse(StandardTokenResponse<OpenIdFields, BasicTokenType>);

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", self.0.token_type())
            .finish_non_exhaustive()
    }
}

impl TokenResponse {
    /// Reads the answer of the token endpoint.
    ///
    /// # Errors
    /// The three kinds of [`TokenError`].
    pub fn read(reply: &HttpReply) -> Result<Self, TokenError> {
        let status = reply.status;
        if status == 200 {
            return serde_json::from_slice(reply.body.as_bytes())
                .map(Self)
                .map_err(|error| TokenError::Malformed {
                    status,
                    problem: shape(&error),
                });
        }
        Err(TokenError::read(reply))
    }
}

impl TokenResponse {
    /// Whether the key of the ID token is among `keys`, or the token is such that no key would help.
    pub fn finds_key(&self, client: &Client, keys: &[Jwk]) -> bool {
        self.id_token()
            .is_none_or(|text| IdToken::finds_key(text, client, keys))
    }

    /// Those of a response that is not validated, to revoke them.
    pub(crate) fn tokens(&self) -> (AccessToken, Option<RefreshToken>) {
        (self.0.access_token().clone(), self.0.refresh_token().cloned())
    }

    fn id_token(&self) -> Option<&str> {
        self.0.extra_fields().id_token.as_deref()
    }
}

/// A JSON error without the text that it was found in: that could be a token.
fn shape(error: &serde_json::Error) -> String {
    format!(
        "{:?} error at line {}, column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

/// How the access token is presented.
///
/// ```
/// use pixygate::authorization::TokenType;
///
/// let authorization = |kind: TokenType, token: &str| format!("{} {token}", kind.scheme());
/// assert_eq!(authorization(TokenType::Bearer, "SlAV32hkKG"), "Bearer SlAV32hkKG");
/// assert_eq!(authorization(TokenType::Dpop, "SlAV32hkKG"), "DPoP SlAV32hkKG");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// RFC 6750
    Bearer,
    /// RFC 9449: with a proof of the browser's key.
    #[serde(rename = "DPoP")]
    Dpop,
}

impl TokenType {
    /// The authentication scheme of the `Authorization` header.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// The tokens of a session. Only a validated sign-in makes one, and a refresh renews it.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// use pixygate::authorization::{Moment, TokenSet, TokenType};
///
/// fn header(tokens: &TokenSet, now: Moment) -> Option<String> {
///     let is_fresh = tokens.lifetime().remaining(now) > 30_000.0;
///     is_fresh.then(|| format!("{} {}", tokens.token_type().scheme(), tokens.access_token().secret()))
/// }
///
/// # let (tokens, now) = (example::signed_in(&client).await, example::moment());
/// assert_eq!(header(&tokens, now).as_deref(), Some("Bearer the-first"));
/// let in_five_minutes = Moment { wall: now.wall + 300_000.0, monotonic: now.monotonic + 300_000.0 };
/// assert_eq!(header(&tokens, in_five_minutes), None);
///
/// assert_eq!(tokens.scopes(), ["openid", "orders:read"]);
/// assert!(tokens.refresh_token().is_some());
/// assert_eq!(tokens.resource(), None);
/// assert_eq!(tokens.id_token().claims().sub, "alice");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenSet {
    access_token: AccessToken,
    token_type: TokenType,
    lifetime: Lifetime,
    refresh_token: Option<RefreshToken>,
    scopes: Vec<String>,
    pub(super) resource: Option<String>,
    id_token: IdToken,
}

/// What new tokens are checked with. All but the time may have changed since the person signed in.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # let (crypto, now, server) = (example::Native, example::moment(), example::server_clock());
/// use pixygate::authorization::Checks;
///
/// let checks = Checks {
///     client: &client,
///     keys: Some(&client.keys),
///     crypto: &crypto,
///     now,
///     // A lifetime counts from the request, not from the answer.
///     requested: now,
///     server,
/// };
/// # let _ = checks;
/// ```
#[derive(Debug)]
pub struct Checks<'a, C> {
    /// The relying party.
    pub client: &'a Client,
    /// The provider's keys, as far as they are known.
    pub keys: Option<&'a [Jwk]>,
    /// The platform's cryptography.
    pub crypto: &'a C,
    /// The time now.
    pub now: Moment,
    /// When the request was sent.
    pub requested: Moment,
    /// What is known of the server's time.
    pub server: ServerClock,
}

impl ValidatedCallback {
    /// Validates the ID token of the response (OpenID Connect Core, section 3.1.3.7) and returns the session's tokens.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # use pixygate::authorization::{Callback, PendingSignIn, SignIn};
    /// use pixygate::authorization::TokenResponse;
    /// use pixygate::authorization::id_token::IdTokenError;
    ///
    /// # let begin = || {
    /// #     let (pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    /// #     let address = request.url(&client);
    /// #     let callback = Callback::parse(&example::callback(&address))?;
    /// #     Ok::<_, Box<dyn std::error::Error>>((pending.validate(callback, &client)?, example::tokens_of(&address)))
    /// # };
    /// # let ((validated, reply), (_, reply_of_another_sign_in)) = (begin()?, begin()?);
    /// # let checks = example::checks(&client);
    /// let tokens = validated.accept(TokenResponse::read(&reply)?, &checks).await?;
    /// assert_eq!(tokens.id_token().claims().sub, "alice");
    ///
    /// # let (validated, _) = begin()?;
    /// let mixed_up = validated.accept(TokenResponse::read(&reply_of_another_sign_in)?, &checks).await;
    /// assert_eq!(mixed_up.map(drop), Err(IdTokenError::Nonce));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn accept(
        self,
        response: TokenResponse,
        checks: &Checks<'_, impl Crypto>,
    ) -> Result<TokenSet, IdTokenError> {
        let text = response.id_token().ok_or(IdTokenError::Missing)?;
        let expected = Expected {
            client: checks.client,
            nonce: Some(&self.nonce),
            subject: None,
            max_age: self.max_age,
            access_token: response.0.access_token().secret(),
            now: Some(checks.server.time(checks.now) / 1000.0),
        };
        let keys = checks.keys.unwrap_or_default();
        let id_token = IdToken::validate(text, &expected, keys, checks.crypto).await?;
        TokenSet::new(&response, checks, id_token, self.resource, &self.scopes)
    }
}

impl TokenSet {
    fn new<C>(
        response: &TokenResponse,
        checks: &Checks<'_, C>,
        id_token: IdToken,
        resource: Option<String>,
        asked: &[String],
    ) -> Result<Self, IdTokenError> {
        let response = &response.0;
        let token_type = match response.token_type() {
            BasicTokenType::Bearer if checks.client.dpop == DpopMode::Required => return Err(IdTokenError::NotBound),
            BasicTokenType::Bearer => TokenType::Bearer,
            BasicTokenType::Extension(name) if name == "dpop" => TokenType::Dpop,
            other => return Err(IdTokenError::TokenType(other.as_ref().to_owned())),
        };
        Ok(Self {
            access_token: response.access_token().clone(),
            token_type,
            lifetime: Lifetime::new(
                checks.requested,
                &checks.server,
                response.expires_in().map(|duration| duration.as_secs()),
            ),
            refresh_token: response.refresh_token().cloned(),
            // RFC 6749, section 5.1: left out when it is what was asked for.
            scopes: match response.scopes() {
                Some(scopes) => scopes.iter().map(|scope| scope.to_string()).collect(),
                None => asked.to_vec(),
            },
            resource,
            id_token,
        })
    }

    /// The tokens after a refresh. An ID token in the response must be about the same person (OpenID Connect Core,
    /// section 12.2); without keys to check it with, the one of before is kept.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # let (tokens, checks) = (example::signed_in(&client).await, example::checks(&client));
    /// use pixygate::authorization::{TokenRequest, TokenResponse};
    ///
    /// if let Some(form) = TokenRequest::refresh(&client, &tokens) {
    ///     // Post `form.body()` to the token endpoint. What that answers:
    /// #   let reply = example::tokens_of("");
    ///     let tokens = tokens.refreshed(TokenResponse::read(&reply)?, &checks).await?;
    ///     assert_eq!(tokens.access_token().secret(), "the-second");
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn refreshed(
        &self,
        response: TokenResponse,
        checks: &Checks<'_, impl Crypto>,
    ) -> Result<Self, IdTokenError> {
        let nonce = self.id_token.claims().nonce.as_deref();
        let mut tokens = self.renewed(response, checks, &self.scopes, nonce).await?;
        // Left out: the old one stays good (RFC 6749, section 6).
        if tokens.refresh_token.is_none() {
            tokens.refresh_token.clone_from(&self.refresh_token);
        }
        Ok(tokens)
    }

    /// The tokens that an exchange gave: those of the same person. A refresh token is only there if it came along.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # let (tokens, checks) = (example::signed_in(&client).await, example::checks(&client));
    /// use pixygate::authorization::{TokenExchange, TokenRequest, TokenResponse};
    ///
    /// let subsidiary = TokenExchange::organization("10084a8d-113f").scopes(["orders:read"]);
    /// let form = TokenRequest::exchange(&client, &tokens, &subsidiary);
    /// // Post `form.body()` to the token endpoint. What that answers:
    /// # let reply = example::tokens_of("");
    /// let acting = tokens.exchanged(TokenResponse::read(&reply)?, &checks, &subsidiary).await?;
    /// assert_eq!(acting.scopes(), ["orders:read"]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn exchanged(
        &self,
        response: TokenResponse,
        checks: &Checks<'_, impl Crypto>,
        exchange: &TokenExchange,
    ) -> Result<Self, IdTokenError> {
        // RFC 8693, section 2.2.1: left out when they are those that were asked for.
        let asked = Some(exchange.asked()).filter(|scopes| !scopes.is_empty());
        let asked = asked.unwrap_or(&self.scopes);
        self.renewed(response, checks, asked, None).await
    }

    async fn renewed(
        &self,
        response: TokenResponse,
        checks: &Checks<'_, impl Crypto>,
        asked: &[String],
        nonce: Option<&str>,
    ) -> Result<Self, IdTokenError> {
        let id_token = match (response.id_token(), checks.keys) {
            (None, _) | (_, None) => self.id_token.clone(),
            (Some(text), Some(keys)) => {
                let expected = Expected {
                    client: checks.client,
                    nonce,
                    subject: Some(&self.id_token.claims().sub),
                    max_age: None,
                    access_token: response.0.access_token().secret(),
                    now: None,
                };
                IdToken::validate(text, &expected, keys, checks.crypto).await?
            }
        };
        Self::new(&response, checks, id_token, self.resource.clone(), asked)
    }

    /// The access token.
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// How the access token is presented.
    pub fn token_type(&self) -> TokenType {
        self.token_type
    }

    /// How long the access token is good for.
    pub fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    /// Counts the lifetime by the clock of the page that read these tokens.
    pub(crate) fn anchor(&mut self, now: Moment, server: &ServerClock) {
        self.lifetime.anchor(now, server);
    }

    /// The refresh token, when the provider gave one.
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The scopes that were granted.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The resource that was asked for (RFC 8707).
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// Who signed in.
    pub fn id_token(&self) -> &IdToken {
        &self.id_token
    }
}
