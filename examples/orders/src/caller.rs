//! Who is calling. This file is all that a service of yours needs to trust the gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use tokio::sync::Mutex;

/// The header of the gateway's JWT.
const HEADER: &str = "x-jwt-assertion";

/// The gateway publishes a key ten minutes before it signs. An unknown one is worth a look, but not one for each call.
const COOLDOWN: Duration = Duration::from_secs(10);

/// The algorithms that the gateway can be configured with. Never take the algorithm from the token alone.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA];

/// A caller, as the gateway states it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Caller {
    /// The subject, unique within [`idp`](Self::idp).
    pub sub: String,
    /// The issuer of the token that the caller came to the gateway with.
    pub idp: String,
    /// The granted scopes, with spaces between them.
    #[serde(default)]
    pub scope: String,
}

impl Caller {
    /// # Errors
    ///
    /// 403 without the scope.
    pub fn require_scope(&self, scope: &str) -> Result<(), StatusCode> {
        match self.scope.split(' ').any(|granted| granted == scope) {
            true => Ok(()),
            false => Err(StatusCode::FORBIDDEN),
        }
    }

    pub(crate) fn owner(&self) -> (String, String) {
        (self.idp.clone(), self.sub.clone())
    }
}

/// Validates the gateway's JWTs. Clones share its keys.
#[derive(Clone)]
pub struct Callers(Arc<Shared>);

struct Shared {
    jwks_url: String,
    issuer: String,
    audience: String,
    client: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched: Option<Instant>,
}

/// Why a call was not accepted.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("no {HEADER}: the call did not come through the gateway")]
    Missing,
    #[error("the key {0:?} is not known")]
    UnknownKey(String),
    #[error("the gateway's keys cannot be fetched: {0}")]
    Keys(#[from] reqwest::Error),
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
}

impl Callers {
    /// Trusts one gateway, by its `public_url`, for one audience: the name of the upstream.
    pub fn of(gateway: &str, audience: &str) -> Self {
        Self(Arc::new(Shared {
            jwks_url: format!("{}/.well-known/jwks.json", gateway.trim_end_matches('/')),
            issuer: gateway.to_owned(),
            audience: audience.to_owned(),
            client: reqwest::Client::new(),
            keys: Mutex::default(),
        }))
    }

    async fn validate(&self, token: &str) -> Result<Caller, Rejected> {
        let header = jsonwebtoken::decode_header(token)?;
        let key = self.key(&header.kid.unwrap_or_default()).await?;
        let mut validation = Validation::new(header.alg);
        // The library lets only one family of algorithms pass for a key.
        validation.algorithms = ALGORITHMS
            .into_iter()
            .filter(|algorithm| *algorithm == header.alg)
            .collect();
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&[&self.0.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Clocks of two machines.
        validation.leeway = 5;
        Ok(jsonwebtoken::decode::<Caller>(token, &key, &validation)?.claims)
    }

    async fn key(&self, id: &str) -> Result<DecodingKey, Rejected> {
        let mut keys = self.0.keys.lock().await;
        let find = |keys: &Keys| {
            keys.set
                .as_ref()
                .and_then(|set| set.find(id))
                .map(DecodingKey::from_jwk)
        };
        if let Some(key) = find(&keys) {
            return Ok(key?);
        }
        if keys.fetched.is_none_or(|fetched| fetched.elapsed() > COOLDOWN) {
            keys.fetched = Some(Instant::now());
            let answer = self
                .0
                .client
                .get(&self.0.jwks_url)
                .timeout(Duration::from_secs(5))
                .send()
                .await?;
            keys.set = Some(answer.error_for_status()?.json().await?);
        }
        Ok(find(&keys).ok_or_else(|| Rejected::UnknownKey(id.to_owned()))??)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Callers: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let token = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
        let validated = match token {
            Some(token) => Callers::from_ref(state).validate(token).await,
            None => Err(Rejected::Missing),
        };
        validated.map_err(|why| {
            tracing::warn!(%why, "rejected");
            match why {
                Rejected::Keys(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::UNAUTHORIZED,
            }
        })
    }
}
