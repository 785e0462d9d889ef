//! What the browser must know to sign in. The server puts it into the page, so that a sign-in costs the browser one
//! request to the token endpoint and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{Json, Object, fields, serde_by_json};

/// This relying party: its registration at the provider, and the provider's metadata.
///
/// ```
/// use pixygate::authorization::{Client, DpopMode, Provider};
///
/// fn client(provider: Provider) -> Client {
///     Client {
///         client_id: "orders".to_owned(),
///         redirect_uri: "https://app.example/callback".to_owned(),
///         post_logout_redirect_uri: "https://app.example/".to_owned(),
///         scopes: ["openid", "profile", "orders:read"].map(str::to_owned).to_vec(),
///         resource: None,
///         extra_params: [("audience".to_owned(), "https://api.example.com".to_owned())].into(),
///         call_origins: vec!["https://api.example.com".to_owned()],
///         step_up_scopes: [("https://api.example.com".to_owned(), vec!["orders:write".to_owned()])].into(),
///         sessions_url: None,
///         idle_sign_out_seconds: Some(900),
///         dpop: DpopMode::Auto,
///         provider,
///         keys: Vec::new(),
///     }
/// }
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = client(example::client().provider);
/// # // It goes into the page as JSON, and comes out of it the same.
/// # assert_eq!(serde_json::from_str::<Client>(&serde_json::to_string(&client)?)?, client);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The identifier that the provider gave this application.
    pub client_id: String,
    /// Where the provider sends the browser back to, exactly as registered.
    pub redirect_uri: String,
    /// Where the provider sends the browser after sign-out, exactly as registered.
    pub post_logout_redirect_uri: String,
    /// The scopes to ask for; `openid` is among them.
    pub scopes: Vec<String>,
    /// The resource that the access token is for (RFC 8707).
    pub resource: Option<String>,
    /// Further parameters of the authorization request, such as `audience`.
    pub extra_params: BTreeMap<String, String>,
    /// Origins beside that of this application that calls may carry the access token to, such as
    /// `https://api.example.com`. They are compared whole.
    pub call_origins: Vec<String>,
    /// The scopes that challenges of the `call_origins` may ask for, by origin. Those of this application's own origin may ask for any.
    pub step_up_scopes: BTreeMap<String, Vec<String>>,
    /// Where a `DELETE` with the person's access token ends all their sessions at the provider. No standard has it, some
    /// providers do.
    pub sessions_url: Option<String>,
    /// After how many seconds without a sign of the person, in any tab, the session ends; `None`: it does not.
    pub idle_sign_out_seconds: Option<u32>,
    /// Whether tokens are bound to a key of this browser (RFC 9449).
    pub dpop: DpopMode,
    /// The provider.
    pub provider: Provider,
    /// The provider's keys when the page was made. A key that is not here is fetched from `jwks_uri`.
    pub keys: Vec<Jwk>,
}

/// The part of the provider's metadata that the browser needs (OpenID Connect Discovery, section 3; RFC 8414).
///
/// ```
/// use pixygate::authorization::Provider;
///
/// let metadata = r#"{
///     "issuer": "https://id.example",
///     "authorization_endpoint": "https://id.example/authorize",
///     "token_endpoint": "https://id.example/token",
///     "jwks_uri": "https://id.example/jwks",
///     "end_session_endpoint": "https://id.example/logout",
///     "authorization_response_iss_parameter_supported": true,
///     "grant_types_supported": ["authorization_code", "refresh_token"]
/// }"#;
/// let provider: Provider = serde_json::from_str(metadata)?;
/// assert_eq!(provider.issuer, "https://id.example");
/// assert!(provider.authorization_response_iss_parameter_supported);
/// assert_eq!(provider.revocation_endpoint, None);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The exact issuer.
    pub issuer: String,
    /// Where the person signs in.
    pub authorization_endpoint: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: String,
    /// Where the signing keys are.
    pub jwks_uri: String,
    /// Where sign-out goes: the operator's `provider.logout_url`, else the provider's `end_session_endpoint`. One that contains
    /// `{client_id}`, `{post_logout_redirect_uri}` or `{id_token_hint}` gets these parameters and no others.
    pub end_session_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Where authorization requests can be pushed (RFC 9126).
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Whether authorization requests must be pushed.
    pub require_pushed_authorization_requests: bool,
    /// Whether the callback always carries `iss` (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// The algorithms that ID tokens may be signed with.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// The algorithms that DPoP proofs may be signed with; empty when the provider does not say.
    pub dpop_signing_alg_values_supported: Vec<String>,
}

/// Whether access tokens are bound to a key that never leaves the browser (RFC 9449).
///
/// ```
/// use pixygate::authorization::DpopMode;
///
/// assert_eq!(DpopMode::default(), DpopMode::Auto);
/// assert_eq!(serde_json::from_str::<DpopMode>(r#""required""#)?, DpopMode::Required);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpopMode {
    /// When the provider advertises ES256 proofs.
    #[default]
    Auto,
    /// Always; a token that is not bound is refused.
    Required,
    /// Never.
    Off,
}

/// A public signing key (RFC 7517), as far as the browser needs it. Members that it does not know are dropped, and one that is
/// `null`, empty or of another type counts as absent.
///
/// ```
/// use pixygate::authorization::Jwk;
///
/// // RFC 8037, appendix A.2
/// let key: Jwk = serde_json::from_str(
///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","key_ops":["verify"],"use":""}"#,
/// )?;
/// assert_eq!((key.kty.as_str(), key.crv.as_deref()), ("OKP", Some("Ed25519")));
/// assert_eq!((key.kid, key.usage), (None, None));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwk {
    /// The key type: `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The key's identifier.
    pub kid: Option<String>,
    /// The algorithm that it is for.
    pub alg: Option<String>,
    /// What it is for: `sig`, or `enc`, which never verifies.
    pub usage: Option<String>,
    /// The curve of an `EC` or `OKP` key.
    pub crv: Option<String>,
    /// The modulus of an `RSA` key.
    pub n: Option<String>,
    /// The exponent of an `RSA` key.
    pub e: Option<String>,
    /// The first coordinate of an `EC` key, or the `OKP` key.
    pub x: Option<String>,
    /// The second coordinate of an `EC` key.
    pub y: Option<String>,
}

fields!(Client {
    client_id,
    redirect_uri,
    post_logout_redirect_uri,
    scopes,
    resource,
    extra_params,
    call_origins,
    step_up_scopes,
    sessions_url,
    idle_sign_out_seconds,
    dpop,
    provider,
    keys,
});

fields!(Provider {
    issuer,
    authorization_endpoint,
    token_endpoint,
    jwks_uri,
    end_session_endpoint,
    revocation_endpoint,
    pushed_authorization_request_endpoint,
    require_pushed_authorization_requests,
    authorization_response_iss_parameter_supported,
    id_token_signing_alg_values_supported,
    dpop_signing_alg_values_supported,
});

impl Json for DpopMode {
    fn read(value: Value) -> Option<Self> {
        match value.as_str()? {
            "auto" => Some(Self::Auto),
            "required" => Some(Self::Required),
            "off" => Some(Self::Off),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Auto => "auto",
            Self::Required => "required",
            Self::Off => "off",
        }
        .into()
    }
}

/// A provider writes its keys, so they are read tolerantly.
impl Json for Jwk {
    fn read(value: Value) -> Option<Self> {
        let key = Object::of(value)?;
        let text = |name| key.text(name).map(str::to_owned);
        Some(Self {
            kty: text("kty")?,
            kid: text("kid"),
            alg: text("alg"),
            usage: text("use"),
            crv: text("crv"),
            n: text("n"),
            e: text("e"),
            x: text("x"),
            y: text("y"),
        })
    }

    fn write(&self) -> Value {
        let mut key = Object::default();
        key.put("kty", self.kty.write());
        for (name, value) in [
            ("kid", &self.kid),
            ("alg", &self.alg),
            ("use", &self.usage),
            ("crv", &self.crv),
            ("n", &self.n),
            ("e", &self.e),
            ("x", &self.x),
            ("y", &self.y),
        ] {
            key.put(name, value.write());
        }
        key.into_value()
    }
}

serde_by_json!(Client, Provider, DpopMode, Jwk);
