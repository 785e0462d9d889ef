//! The ID token and its validation (OpenID Connect Core, sections 2 and 3.1.3.7).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::json::{Json, Object, kind, serde_by_json};
use super::{Client, Crypto, CryptoError, Hash, Jwk};

/// The tolerated difference between the provider's clock and ours, in seconds.
const LEEWAY: f64 = 60.0;

/// A validated ID token.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// # let tokens = example::signed_in(&client).await;
/// use pixygate::authorization::id_token::IdToken;
///
/// #[derive(serde::Deserialize)]
/// struct Work {
///     groups: Vec<String>,
/// }
///
/// fn greeting(token: &IdToken) -> Result<String, serde_json::Error> {
///     let groups = token.extra::<Work>()?.groups;
///     let name = token.claims().name.as_deref().unwrap_or("somebody");
///     Ok(format!("{name} of {}", groups.join(", ")))
/// }
///
/// assert_eq!(greeting(tokens.id_token())?, "Alice Example of editors");
/// # assert_eq!(tokens.id_token().as_str().split('.').count(), 3);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct IdToken {
    text: String,
    payload: Vec<u8>,
    claims: Claims,
}

/// Shows neither the text of the token nor personal data, only the identity.
impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken")
            .field("iss", &self.claims.iss)
            .field("sub", &self.claims.sub)
            .finish_non_exhaustive()
    }
}

/// The claims that validation and the page need; all others are read with [`IdToken::extra`].
///
/// An optional claim that is `null`, empty or of another type than it should be counts as absent.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// # let tokens = example::signed_in(&client).await;
/// let claims = tokens.id_token().claims();
/// // Issuer and subject together identify the user: another issuer may use the same subject for another user.
/// assert_eq!((claims.iss.as_str(), claims.sub.as_str()), ("https://id.example", "alice"));
/// assert_eq!(claims.aud, ["orders"]);
/// assert_eq!(claims.email, None);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The subject: the user, unique at the issuer.
    pub sub: String,
    /// The audience.
    pub aud: Vec<String>,
    /// The authorized party (`azp`).
    pub azp: Option<String>,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: f64,
    /// When it begins to be valid.
    pub nbf: Option<f64>,
    /// When it was issued.
    pub iat: Option<f64>,
    /// The nonce of the authorization request.
    pub nonce: Option<String>,
    /// The left half of the access token's hash.
    pub at_hash: Option<String>,
    /// When the user authenticated.
    pub auth_time: Option<f64>,
    /// The authentication context.
    pub acr: Option<String>,
    /// The session at the provider.
    pub sid: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The preferred user name.
    pub preferred_username: Option<String>,
    /// The name that the user signs in with.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("iss", &self.iss)
            .field("sub", &self.sub)
            .field("aud", &self.aud)
            .finish_non_exhaustive()
    }
}

/// The expected values of an ID token.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// use pixygate::authorization::Client;
/// use pixygate::authorization::id_token::Expected;
///
/// /// After a refresh: the user is known, and the nonce is that of the sign-in.
/// fn after_refresh<'a>(client: &'a Client, subject: &'a str, access_token: &'a str) -> Expected<'a> {
///     Expected { client, nonce: None, subject: Some(subject), max_age: None, access_token, now: None }
/// }
/// # futures::executor::block_on(async {
/// # use pixygate::authorization::id_token::{IdToken, IdTokenError};
/// # let client = example::client();
/// # let validate = async |subject| {
/// #     let expected = after_refresh(&client, subject, "the-second");
/// #     IdToken::validate(&example::id_token(""), &expected, &client.keys, &example::Native).await
/// # };
/// # assert!(validate("alice").await.is_ok());
/// # assert!(matches!(validate("mallory").await, Err(IdTokenError::Claim { claim: "sub", .. })));
/// # });
/// ```
pub struct Expected<'a> {
    /// The relying party.
    pub client: &'a Client,
    /// The nonce of the authorization request. After a refresh, when `subject` is set, the claim may be absent. `None` accepts any
    /// nonce.
    pub nonce: Option<&'a str>,
    /// After a refresh, the subject of the user who is signed in.
    pub subject: Option<&'a str>,
    /// The `max_age` of the authorization request.
    pub max_age: Option<u64>,
    /// The access token of the same response, for `at_hash`.
    pub access_token: &'a str,
    /// Seconds since the Unix epoch. `None` after a refresh: the device's clock may have been set meanwhile, which must not discard new
    /// tokens of a known user.
    pub now: Option<f64>,
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected")
            .field("client_id", &self.client.client_id)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// The check that an ID token failed.
///
/// ```
/// use pixygate::authorization::id_token::IdTokenError;
/// use pixygate::session::{Remedy, SessionError};
///
/// let error = IdTokenError::Claim {
///     claim: "iss",
///     expected: "https://id.example".to_owned(),
///     found: "https://id.example/".to_owned(),
/// };
/// assert_eq!(error.to_string(), "the ID token's `iss` is `https://id.example/`, expected `https://id.example`");
/// assert_eq!(SessionError::from(error).remedy(), Remedy::Configuration);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The token response has no ID token: the scopes lack `openid`, or the provider does not support OpenID Connect.
    #[error("the token response has no ID token; is `openid` among the scopes?")]
    Missing,
    /// Not a signed JWT.
    #[error("the ID token is malformed: {0}")]
    Malformed(&'static str),
    /// Unsigned, symmetric, or not among the provider's algorithms.
    #[error("the ID token is signed with `{0}`, which is not accepted")]
    Algorithm(String),
    /// The provider has no key for the token.
    #[error("no key of the provider fits the ID token (kid {kid:?}, alg `{alg}`)")]
    UnknownKey {
        /// The key that the token names.
        kid: Option<String>,
        /// The algorithm that the token names.
        alg: String,
    },
    /// The signature does not verify.
    #[error("the ID token's signature does not verify")]
    Signature,
    /// A required claim is absent or of another type.
    #[error("the ID token's `{claim}` is {found}, and it is required")]
    MissingClaim {
        /// The claim's name.
        claim: &'static str,
        /// The found value.
        found: &'static str,
    },
    /// A claim has another value than the expected one.
    #[error("the ID token's `{claim}` is `{found}`, expected `{expected}`")]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// The expected value.
        expected: String,
        /// The found value.
        found: String,
    },
    /// The nonce is missing or belongs to another sign-in.
    #[error("the ID token's `nonce` is not the one of this sign-in")]
    Nonce,
    /// The ID token belongs to another access token.
    #[error("the ID token's `at_hash` is not that of the access token")]
    AccessTokenHash,
    /// `token_type` is neither `Bearer` nor `DPoP`.
    #[error("the token response has the unknown token type `{0}`")]
    TokenType(String),
    /// `provider.dpop` is `required` and the provider issued an unbound token.
    #[error("the provider gave a Bearer token although `provider.dpop` is `required`")]
    NotBound,
    /// Cryptography is not available.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl IdTokenError {
    /// Returns whether the token could not be read, so that it neither confirms nor contradicts a user.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(
            self,
            Self::Malformed(_)
                | Self::MissingClaim { .. }
                | Self::Algorithm(_)
                | Self::UnknownKey { .. }
                | Self::Crypto(_)
        )
    }
}

struct Header {
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn read(json: &[u8]) -> Result<Self, IdTokenError> {
        let malformed = IdTokenError::Malformed("its header is not JSON with `alg`");
        let header = Object::read(json).map_err(|_| malformed.clone())?;
        if header.get("crit").is_some() {
            return Err(IdTokenError::Malformed("it has a `crit` header that is not understood"));
        }
        Ok(Self {
            alg: header.text("alg").ok_or(malformed)?.to_owned(),
            kid: header.text("kid").map(str::to_owned),
        })
    }

    fn key<'a>(&self, client: &Client, keys: &'a [Jwk]) -> Result<(&'static Algorithm, &'a Jwk), IdTokenError> {
        let algorithm = Algorithm::named(&self.alg, &client.provider.id_token_signing_alg_values_supported)
            .ok_or_else(|| IdTokenError::Algorithm(self.alg.clone()))?;
        let key = algorithm
            .key(keys, self.kid.as_deref())
            .ok_or_else(|| IdTokenError::UnknownKey {
                kid: self.kid.clone(),
                alg: self.alg.clone(),
            })?;
        Ok((algorithm, key))
    }
}

impl IdToken {
    /// Reads the claims without checking them.
    pub(crate) fn unchecked(text: String) -> Result<Self, IdTokenError> {
        let payload = text.split('.').nth(1).ok_or(SEGMENTS)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| SEGMENTS)?;
        let claims = Claims::read(&payload)?;
        Ok(Self { text, payload, claims })
    }

    /// Validates an ID token: signature, `iss`, `sub`, `aud`, `azp`, `exp`, `nbf`, `iat`, `nonce`, `at_hash`, and `auth_time` where
    /// the request had `max_age`.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # futures::executor::block_on(async {
    /// # let (key, crypto) = (&client.keys, &example::Native);
    /// # let text = &example::id_token("");
    /// use pixygate::authorization::id_token::{Expected, IdToken, IdTokenError};
    ///
    /// let expected = Expected {
    ///     client: &client,
    ///     nonce: None,
    ///     subject: Some("alice"),
    ///     max_age: None,
    ///     access_token: "the-access-token",
    ///     now: Some(1_800_000_000.0),
    /// };
    /// let token = IdToken::validate(text, &expected, key, crypto).await?;
    /// assert_eq!(token.claims().sub, "alice");
    ///
    /// let an_hour_and_two_minutes_later = Expected { now: Some(1_800_003_720.0), ..expected };
    /// let late = IdToken::validate(text, &an_hour_and_two_minutes_later, key, crypto).await;
    /// assert!(matches!(late, Err(IdTokenError::Claim { claim: "exp", .. })));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first check that fails. After [`IdTokenError::UnknownKey`], fetch the keys again.
    pub async fn validate(
        text: &str,
        expected: &Expected<'_>,
        keys: &[Jwk],
        crypto: &impl Crypto,
    ) -> Result<Self, IdTokenError> {
        let (header, signed, signature) = split(text)?;
        let (algorithm, key) = header.key(expected.client, keys)?;
        if !crypto.verify(&header.alg, key, signed.as_bytes(), &signature).await? {
            return Err(IdTokenError::Signature);
        }

        let token = Self::unchecked(text.to_owned())?;
        token.claims.check(expected)?;
        if let Some(at_hash) = &token.claims.at_hash {
            let digest = crypto.digest(algorithm.hash, expected.access_token.as_bytes()).await?;
            if URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2]) != *at_hash {
                return Err(IdTokenError::AccessTokenHash);
            }
        }
        Ok(token)
    }

    /// Returns whether `keys` has the token's key, or no other key would help.
    pub(super) fn has_key_in(text: &str, client: &Client, keys: &[Jwk]) -> bool {
        let found = split(text).and_then(|(header, ..)| header.key(client, keys).map(drop));
        !matches!(found, Err(IdTokenError::UnknownKey { .. }))
    }

    /// Returns the encoded token, for `id_token_hint`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the validated claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Deserializes the application's own claims.
    ///
    /// # Errors
    /// When the claims do not fit the type.
    pub fn extra<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }
}

impl Claims {
    fn read(payload: &[u8]) -> Result<Self, IdTokenError> {
        let claims = Object::strict(payload)
            .map_err(|_| IdTokenError::Malformed("its payload is not a JSON object whose members each occur once"))?;
        let wrong = |claim| IdTokenError::MissingClaim {
            claim,
            found: kind(claims.get(claim)),
        };
        let text = |name| claims.text(name).map(str::to_owned);
        // No validated claim may have a wrong type.
        let exact = |name| match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong(name)),
        };
        let time = |name| match claims.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| wrong(name)),
        };
        let aud = match claims.get("aud") {
            Some(Value::String(one)) => Some(vec![one.clone()]),
            Some(Value::Array(many)) => many.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        Ok(Self {
            iss: exact("iss")?.ok_or_else(|| wrong("iss"))?,
            sub: exact("sub")?.ok_or_else(|| wrong("sub"))?,
            aud: aud.ok_or_else(|| wrong("aud"))?,
            azp: exact("azp")?.filter(|azp| !azp.is_empty()),
            exp: time("exp")?.ok_or_else(|| wrong("exp"))?,
            nbf: time("nbf")?,
            iat: claims.number("iat"),
            nonce: text("nonce"),
            at_hash: exact("at_hash")?,
            auth_time: claims.number("auth_time"),
            acr: text("acr"),
            sid: text("sid"),
            name: text("name"),
            preferred_username: text("preferred_username"),
            username: text("username"),
            email: text("email"),
        })
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), IdTokenError> {
        let client = expected.client;
        let claim = |claim, expected: &str, found: &str| {
            Err(IdTokenError::Claim {
                claim,
                expected: expected.to_owned(),
                found: found.to_owned(),
            })
        };
        if self.iss != client.provider.issuer {
            return claim("iss", &client.provider.issuer, &self.iss);
        }
        if self.sub.is_empty() {
            return claim("sub", "a subject", "");
        }
        if let Some(subject) = expected.subject
            && subject != self.sub
        {
            return claim("sub", subject, &self.sub);
        }
        if !self.aud.contains(&client.client_id) {
            return claim("aud", &client.client_id, &self.aud.join(" "));
        }
        match &self.azp {
            // Without `azp` the token may have several audiences (section 3.1.3.7, errata set 2).
            Some(azp) if *azp != client.client_id => return claim("azp", &client.client_id, azp),
            _ => {}
        }
        match (&self.nonce, expected.nonce) {
            (Some(found), Some(nonce)) if found == nonce => {}
            // After a refresh the nonce should be absent, or is that of the sign-in (section 12.2), if that is still known.
            (None, _) if expected.subject.is_some() => {}
            (_, None) => {}
            _ => return Err(IdTokenError::Nonce),
        }
        match expected.now {
            Some(now) => self.check_times(now, expected.max_age),
            None => Ok(()),
        }
    }

    fn check_times(&self, now: f64, max_age: Option<u64>) -> Result<(), IdTokenError> {
        let claim = |claim, expected: String, found: String| Err(IdTokenError::Claim { claim, expected, found });
        if self.exp + LEEWAY <= now {
            return claim("exp", format!("after {}", whole(now)), whole(self.exp).to_string());
        }
        for (name, time) in [("nbf", self.nbf), ("iat", self.iat)] {
            if let Some(time) = time
                && time - LEEWAY > now
            {
                return claim(name, format!("before {}", whole(now)), whole(time).to_string());
            }
        }
        if let Some(max_age) = max_age {
            match self.auth_time {
                Some(auth_time) if auth_time + max_age as f64 + LEEWAY >= now => {}
                found => {
                    let found = found.map_or("absent".to_owned(), |time| whole(time).to_string());
                    return claim("auth_time", format!("within {max_age} s of {}", whole(now)), found);
                }
            }
        }
        Ok(())
    }
}

/// The supported JWS algorithms, asymmetric only (RFC 7518, section 3.1; RFC 8037).
struct Algorithm {
    name: &'static str,
    key_type: &'static str,
    curve: Option<&'static str>,
    hash: Hash,
}

const ALGORITHMS: [Algorithm; 11] = {
    const fn of(name: &'static str, key_type: &'static str, curve: Option<&'static str>, hash: Hash) -> Algorithm {
        Algorithm {
            name,
            key_type,
            curve,
            hash,
        }
    }
    [
        of("RS256", "RSA", None, Hash::Sha256),
        of("RS384", "RSA", None, Hash::Sha384),
        of("RS512", "RSA", None, Hash::Sha512),
        of("PS256", "RSA", None, Hash::Sha256),
        of("PS384", "RSA", None, Hash::Sha384),
        of("PS512", "RSA", None, Hash::Sha512),
        of("ES256", "EC", Some("P-256"), Hash::Sha256),
        of("ES384", "EC", Some("P-384"), Hash::Sha384),
        of("ES512", "EC", Some("P-521"), Hash::Sha512),
        of("EdDSA", "OKP", Some("Ed25519"), Hash::Sha512),
        of("Ed25519", "OKP", Some("Ed25519"), Hash::Sha512),
    ]
};

impl Algorithm {
    /// Returns the algorithm if it is known and the provider announces it, or announces none.
    fn named(name: &str, announced: &[String]) -> Option<&'static Self> {
        let announced = announced.is_empty() || announced.iter().any(|alg| alg == name);
        ALGORITHMS.iter().find(|algorithm| announced && algorithm.name == name)
    }

    /// Returns the key of a token: by `kid` and algorithm, or the only key that fits if the token has no `kid`.
    fn key<'a>(&self, keys: &'a [Jwk], kid: Option<&str>) -> Option<&'a Jwk> {
        let mut fitting = keys.iter().filter(|key| {
            key.kty == self.key_type
                && self.curve.is_none_or(|curve| key.crv.as_deref() == Some(curve))
                && key.alg.as_deref().is_none_or(|alg| {
                    alg == self.name || (self.key_type == "OKP" && matches!(alg, "EdDSA" | "Ed25519"))
                })
                && key.usage.as_deref().is_none_or(|usage| usage == "sig")
                && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        });
        let first = fitting.next()?;
        (kid.is_some() || fitting.next().is_none()).then_some(first)
    }
}

/// Returns whole seconds for a message. Formatting fractions would add kilobytes to the front end.
fn whole(seconds: f64) -> i64 {
    seconds as i64
}

const SEGMENTS: IdTokenError = IdTokenError::Malformed("it is not three base64url segments");

fn split(text: &str) -> Result<(Header, &str, Vec<u8>), IdTokenError> {
    let (signed, signature) = text.rsplit_once('.').ok_or(SEGMENTS)?;
    let (header, payload) = signed.split_once('.').ok_or(SEGMENTS)?;
    if payload.contains('.') {
        return Err(SEGMENTS);
    }
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| SEGMENTS)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SEGMENTS)?;
    Ok((Header::read(&header)?, signed, signature))
}

/// A stored token was validated before it was stored.
impl Json for IdToken {
    fn read(value: Value) -> Option<Self> {
        Self::unchecked(String::read(value)?).ok()
    }

    fn write(&self) -> Value {
        self.text.write()
    }
}

serde_by_json!(IdToken);
