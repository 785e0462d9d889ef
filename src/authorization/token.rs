//! The token endpoint: requests (RFC 6749, sections 4.1.3 and 6), responses (section 5), and the tokens of a session.

use form_urlencoded::Serializer;
use oauth2::basic::{BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AccessToken, ExtraTokenFields, RefreshToken, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};

use super::id_token::{Expected, IdToken, IdTokenError};
use super::{Client, Crypto, DpopMode, Jwk, Lifetime, Moment, ValidatedCallback};

/// The form to post to the token endpoint.
#[derive(Debug)]
pub struct TokenRequest {
    body: String,
}

impl TokenRequest {
    fn new(client_id: &str, grant_type: &str, fields: &[(&str, &str)]) -> Self {
        let mut body = Serializer::new(String::new());
        body.append_pair("grant_type", grant_type)
            .append_pair("client_id", client_id)
            .extend_pairs(fields);
        Self { body: body.finish() }
    }

    /// A refresh.
    pub fn refresh(client: &Client, refresh_token: &RefreshToken) -> Self {
        let mut fields = vec![("refresh_token", refresh_token.secret().as_str())];
        fields.extend(client.resource.as_deref().map(|resource| ("resource", resource)));
        Self::new(&client.client_id, "refresh_token", &fields)
    }

    /// The `application/x-www-form-urlencoded` body. It holds secrets: it is sent and never logged.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl ValidatedCallback {
    /// The code exchange.
    pub fn token_request(&self, client: &Client) -> TokenRequest {
        let mut fields = vec![
            ("code", self.code.secret().as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", self.verifier.secret().as_str()),
        ];
        fields.extend(client.resource.as_deref().map(|resource| ("resource", resource)));
        TokenRequest::new(&self.client_id, "authorization_code", &fields)
    }
}

/// An HTTP response, as far as the flow reads it.
#[derive(Clone, Debug, Default)]
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

/// What the token endpoint may answer instead of tokens.
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
    /// Whether the provider said that the grant is no longer good: the session is over.
    pub fn ends_session(&self) -> bool {
        matches!(self, Self::Provider { error, .. } if matches!(error.as_str(), "invalid_grant" | "interaction_required" | "login_required" | "consent_required"))
    }

    /// Whether the endpoint wants the same request again, with the nonce that it just gave (RFC 9449, section 8).
    pub fn wants_dpop_nonce(&self) -> bool {
        matches!(self, Self::Provider { error, .. } if error == "use_dpop_nonce")
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenIdFields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ExtraTokenFields for OpenIdFields {}

/// A token response whose ID token is not validated yet.
#[derive(Debug)]
pub struct TokenResponse(StandardTokenResponse<OpenIdFields, BasicTokenType>);

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
        if status == 429 || status >= 500 {
            return Err(TokenError::Unavailable {
                status,
                retry_after: reply.retry_after,
            });
        }
        match serde_json::from_slice::<StandardErrorResponse<BasicErrorResponseType>>(reply.body.as_bytes()) {
            Ok(answer) => Err(TokenError::Provider {
                error: answer.error().as_ref().to_owned(),
                description: answer.error_description().cloned(),
            }),
            Err(error) => Err(TokenError::Malformed {
                status,
                problem: shape(&error),
            }),
        }
    }
}

impl TokenResponse {
    /// Whether the key of the ID token is among `keys`, or the token is such that no key would help.
    pub fn finds_key(&self, client: &Client, keys: &[Jwk]) -> bool {
        self.0
            .extra_fields()
            .id_token
            .as_deref()
            .is_none_or(|text| IdToken::finds_key(text, client, keys))
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenSet {
    access_token: AccessToken,
    token_type: TokenType,
    lifetime: Lifetime,
    refresh_token: Option<RefreshToken>,
    scopes: Vec<String>,
    id_token: IdToken,
}

impl ValidatedCallback {
    /// Validates the ID token of the response (OpenID Connect Core, section 3.1.3.7) and returns the session's tokens.
    ///
    /// `keys` are those of the provider, `now` is the time in seconds since the Unix epoch, `requested` when the request
    /// was sent.
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn accept(
        self,
        response: TokenResponse,
        client: &Client,
        keys: &[Jwk],
        crypto: &impl Crypto,
        now: f64,
        requested: Moment,
    ) -> Result<TokenSet, IdTokenError> {
        let text = response
            .0
            .extra_fields()
            .id_token
            .as_deref()
            .ok_or(IdTokenError::Missing)?;
        let access_token = response.0.access_token().secret();
        let expected = Expected {
            client,
            nonce: Some(&self.nonce),
            subject: None,
            max_age: self.max_age,
            access_token,
            now,
        };
        let id_token = IdToken::validate(text, &expected, keys, crypto).await?;
        TokenSet::new(response, client, id_token, requested, None)
    }
}

impl TokenSet {
    fn new(
        response: TokenResponse,
        client: &Client,
        id_token: IdToken,
        requested: Moment,
        before: Option<&Self>,
    ) -> Result<Self, IdTokenError> {
        let response = response.0;
        let token_type = match response.token_type() {
            BasicTokenType::Bearer if client.dpop == DpopMode::Required => return Err(IdTokenError::NotBound),
            BasicTokenType::Bearer => TokenType::Bearer,
            BasicTokenType::Extension(name) if name == "dpop" => TokenType::Dpop,
            other => return Err(IdTokenError::TokenType(other.as_ref().to_owned())),
        };
        let scopes = match (response.scopes(), before) {
            (Some(scopes), _) => scopes.iter().map(|scope| scope.to_string()).collect(),
            (None, Some(before)) => before.scopes.clone(),
            // RFC 6749, section 5.1: left out when it is what was asked for.
            (None, None) => client.scopes.clone(),
        };
        Ok(Self {
            access_token: response.access_token().clone(),
            token_type,
            lifetime: Lifetime::new(requested, response.expires_in().map(|duration| duration.as_secs())),
            // Left out: the old one stays good (RFC 6749, section 6).
            refresh_token: response
                .refresh_token()
                .cloned()
                .or_else(|| before.and_then(|set| set.refresh_token.clone())),
            scopes,
            id_token,
        })
    }

    /// The tokens after a refresh. An ID token in the response must be about the same person (OpenID Connect Core,
    /// section 12.2); without `keys` to check it with, the one of before is kept.
    ///
    /// # Errors
    /// The first check of the ID token that fails.
    pub async fn refreshed(
        &self,
        response: TokenResponse,
        client: &Client,
        keys: Option<&[Jwk]>,
        crypto: &impl Crypto,
        now: f64,
        requested: Moment,
    ) -> Result<Self, IdTokenError> {
        let id_token = match (response.0.extra_fields().id_token.as_deref(), keys) {
            (None, _) | (_, None) => self.id_token.clone(),
            (Some(text), Some(keys)) => {
                let expected = Expected {
                    client,
                    nonce: None,
                    subject: Some(&self.id_token.claims().sub),
                    max_age: None,
                    access_token: response.0.access_token().secret(),
                    now,
                };
                IdToken::validate(text, &expected, keys, crypto).await?
            }
        };
        Self::new(response, client, id_token, requested, Some(self))
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

    /// The refresh token, when the provider gave one.
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The scopes that were granted.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Who signed in.
    pub fn id_token(&self) -> &IdToken {
        &self.id_token
    }
}
