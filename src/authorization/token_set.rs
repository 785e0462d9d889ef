//! The tokens of a session.

use oauth2::{AccessToken, RefreshToken};
use serde_json::Value;

use super::id_token::{Expected, IdToken, IdTokenError};
use super::json::{Json, fields, serde_by_json};
use super::{
    Client, ClockReading, Crypto, DpopMode, Jwk, Lifetime, ServerClock, TokenExchange, TokenResponse, ValidatedCallback,
};

/// The type of the access token.
///
/// ```
/// use pixygate::authorization::TokenType;
///
/// let authorization = |kind: TokenType, token: &str| format!("{} {token}", kind.scheme());
/// assert_eq!(authorization(TokenType::Bearer, "SlAV32hkKG"), "Bearer SlAV32hkKG");
/// assert_eq!(authorization(TokenType::Dpop, "SlAV32hkKG"), "DPoP SlAV32hkKG");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 6750
    Bearer,
    /// RFC 9449: sent with a proof that the browser has the key.
    Dpop,
}

impl TokenType {
    /// Returns the authentication scheme of the `Authorization` header.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// The tokens of a session. Only a validated sign-in makes a `TokenSet`; a refresh replaces it.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// use pixygate::authorization::{ClockReading, TokenSet, TokenType};
///
/// fn header(tokens: &TokenSet, now: ClockReading) -> Option<String> {
///     let is_fresh = tokens.lifetime().remaining(now) > 30_000.0;
///     is_fresh.then(|| format!("{} {}", tokens.token_type().scheme(), tokens.access_token().secret()))
/// }
///
/// # let (tokens, now) = (example::signed_in(&client).await, example::clock_reading());
/// assert_eq!(header(&tokens, now).as_deref(), Some("Bearer the-first"));
/// let in_five_minutes = ClockReading { wall: now.wall + 300_000.0, monotonic: now.monotonic + 300_000.0 };
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
#[derive(Clone, Debug)]
pub struct TokenSet {
    access_token: AccessToken,
    token_type: TokenType,
    lifetime: Lifetime,
    refresh_token: Option<RefreshToken>,
    scopes: Vec<String>,
    pub(super) resource: Option<String>,
    id_token: IdToken,
}

impl Json for TokenType {
    fn read(value: Value) -> Option<Self> {
        [Self::Bearer, Self::Dpop]
            .into_iter()
            .find(|it| value.as_str() == Some(it.scheme()))
    }

    fn write(&self) -> Value {
        self.scheme().into()
    }
}

fields!(TokenSet {
    access_token,
    token_type,
    lifetime,
    refresh_token,
    scopes,
    resource,
    id_token,
});

serde_by_json!(TokenType, TokenSet);

/// The inputs for the validation of new tokens. All of them may have changed since the user signed in.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # let (crypto, now, server) = (example::Native, example::clock_reading(), example::server_clock());
/// use pixygate::authorization::ValidationContext;
///
/// let context = ValidationContext {
///     client: &client,
///     keys: Some(&client.keys),
///     crypto: &crypto,
///     now,
///     // The lifetime counts from the request, not from the response.
///     requested: now,
///     server,
/// };
/// # let _ = context;
/// ```
#[derive(Debug)]
pub struct ValidationContext<'a, C> {
    /// The relying party.
    pub client: &'a Client,
    /// The provider's keys, if they are known.
    pub keys: Option<&'a [Jwk]>,
    /// The platform's cryptography.
    pub crypto: &'a C,
    /// The current time.
    pub now: ClockReading,
    /// When the request was sent.
    pub requested: ClockReading,
    /// The estimate of the server's time.
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
    /// # let context = example::validation_context(&client);
    /// let tokens = validated.validate_tokens(TokenResponse::read(&reply)?, &context).await?;
    /// assert_eq!(tokens.id_token().claims().sub, "alice");
    ///
    /// # let (validated, _) = begin()?;
    /// let mixed_up = validated.validate_tokens(TokenResponse::read(&reply_of_another_sign_in)?, &context).await;
    /// assert_eq!(mixed_up.map(drop), Err(IdTokenError::Nonce));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn validate_tokens(
        self,
        response: TokenResponse,
        context: &ValidationContext<'_, impl Crypto>,
    ) -> Result<TokenSet, IdTokenError> {
        let text = response.id_token.as_deref().ok_or(IdTokenError::Missing)?;
        let expected = Expected {
            client: context.client,
            nonce: Some(&self.nonce),
            subject: None,
            max_age: self.max_age,
            access_token: response.access_token.secret(),
            now: Some(context.server.time(context.now) / 1000.0),
        };
        let keys = context.keys.unwrap_or_default();
        let id_token = IdToken::validate(text, &expected, keys, context.crypto).await?;
        TokenSet::new(&response, context, id_token, self.resource, &self.scopes)
    }
}

impl TokenSet {
    fn new<C>(
        response: &TokenResponse,
        context: &ValidationContext<'_, C>,
        id_token: IdToken,
        resource: Option<String>,
        requested_scopes: &[String],
    ) -> Result<Self, IdTokenError> {
        let token_type = match response.token_type.as_deref() {
            Some("dpop") => TokenType::Dpop,
            Some("bearer") | None if context.client.dpop != DpopMode::Required => TokenType::Bearer,
            Some("bearer") | None => return Err(IdTokenError::NotBound),
            Some(other) => return Err(IdTokenError::TokenType(other.to_owned())),
        };
        Ok(Self {
            access_token: response.access_token.clone(),
            token_type,
            lifetime: Lifetime::new(context.requested, &context.server, response.expires_in),
            refresh_token: response.refresh_token.clone(),
            // RFC 6749, section 5.1: `scope` may be absent if it is identical to that of the request.
            scopes: response.scopes.clone().unwrap_or_else(|| requested_scopes.to_vec()),
            resource,
            id_token,
        })
    }

    /// Returns the tokens after a refresh. An ID token in the response must have the same subject (OpenID Connect Core, section 12.2).
    /// Without keys to validate it, the previous ID token stays.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # let (tokens, context) = (example::signed_in(&client).await, example::validation_context(&client));
    /// use pixygate::authorization::{TokenRequest, TokenResponse};
    ///
    /// if let Some(form) = TokenRequest::refresh(&client, &tokens) {
    ///     // Post `form.body()` to the token endpoint, and read the response:
    /// #   let reply = example::tokens_of("");
    ///     let tokens = tokens.refreshed(TokenResponse::read(&reply)?, &context).await?;
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
        context: &ValidationContext<'_, impl Crypto>,
    ) -> Result<Self, IdTokenError> {
        let nonce = self.id_token.claims().nonce.as_deref();
        let mut tokens = self.validate_response(response, context, &self.scopes, nonce).await?;
        // Without a new refresh token the old one stays valid (RFC 6749, section 6).
        if tokens.refresh_token.is_none() {
            tokens.refresh_token.clone_from(&self.refresh_token);
        }
        Ok(tokens)
    }

    /// Returns the tokens of a token exchange. They must have the same subject. They have a refresh token only if the response has one.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # let (tokens, context) = (example::signed_in(&client).await, example::validation_context(&client));
    /// use pixygate::authorization::{TokenExchange, TokenRequest, TokenResponse};
    ///
    /// let subsidiary = TokenExchange::organization("10084a8d-113f").scopes(["orders:read"]);
    /// let form = TokenRequest::exchange(&client, &tokens, &subsidiary);
    /// // Post `form.body()` to the token endpoint, and read the response:
    /// # let reply = example::tokens_of("");
    /// let acting = tokens.exchanged(TokenResponse::read(&reply)?, &context, &subsidiary).await?;
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
        context: &ValidationContext<'_, impl Crypto>,
        exchange: &TokenExchange,
    ) -> Result<Self, IdTokenError> {
        // RFC 8693, section 2.2.1: `scope` may be absent if it is identical to the requested one.
        let requested_scopes = Some(exchange.requested_scopes()).filter(|scopes| !scopes.is_empty());
        let requested_scopes = requested_scopes.unwrap_or(&self.scopes);
        self.validate_response(response, context, requested_scopes, None).await
    }

    async fn validate_response(
        &self,
        response: TokenResponse,
        context: &ValidationContext<'_, impl Crypto>,
        requested_scopes: &[String],
        nonce: Option<&str>,
    ) -> Result<Self, IdTokenError> {
        let id_token = match (&response.id_token, context.keys) {
            (None, _) | (_, None) => self.id_token.clone(),
            (Some(text), Some(keys)) => {
                let expected = Expected {
                    client: context.client,
                    nonce,
                    subject: Some(&self.id_token.claims().sub),
                    max_age: None,
                    access_token: response.access_token.secret(),
                    now: None,
                };
                match IdToken::validate(text, &expected, keys, context.crypto).await {
                    // An ID token that cannot be read counts as absent: it does not contradict the known user.
                    Err(error) if error.is_unreadable() => self.id_token.clone(),
                    validated => validated?,
                }
            }
        };
        Self::new(&response, context, id_token, self.resource.clone(), requested_scopes)
    }

    /// Returns the access token.
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// Returns the type of the access token.
    pub fn token_type(&self) -> TokenType {
        self.token_type
    }

    /// Returns the lifetime of the access token.
    pub fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    /// Measures the lifetime by this page's clock from now on; see [`Lifetime::rebase`].
    pub(crate) fn rebase(&mut self, now: ClockReading, server: &ServerClock) {
        self.lifetime.rebase(now, server);
    }

    /// Replaces the refresh token only, after a response of which nothing else can be used.
    pub(crate) fn rotate(&mut self, refresh_token: RefreshToken) {
        self.refresh_token = Some(refresh_token);
    }

    /// Returns the refresh token, if the provider issued one.
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// Returns the granted scopes.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns the requested resource (RFC 8707).
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// Returns the ID token of the user who signed in.
    pub fn id_token(&self) -> &IdToken {
        &self.id_token
    }
}
