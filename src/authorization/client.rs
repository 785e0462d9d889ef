//! The configuration of the relying party in the browser. The server puts it into the page, so that a sign-in needs only one request from the
//! page, to the token endpoint.

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
    /// The redirect URI, exactly as registered.
    pub redirect_uri: String,
    /// The address that the provider redirects to after sign-out, exactly as registered.
    pub post_logout_redirect_uri: String,
    /// The requested scopes, including `openid`.
    pub scopes: Vec<String>,
    /// The resource that the access token is for (RFC 8707).
    pub resource: Option<String>,
    /// Further parameters of the authorization request, such as `audience`.
    pub extra_params: BTreeMap<String, String>,
    /// Other origins to which calls may send the access token, such as `https://api.example.com`. They are compared as a whole.
    pub call_origins: Vec<String>,
    /// By origin, the scopes that a challenge of one of the `call_origins` may require. Challenges of this application's own origin may
    /// require any scope.
    pub step_up_scopes: BTreeMap<String, Vec<String>>,
    /// The address at which a `DELETE` with the user's access token ends all their sessions at the provider. It is not standardized; some
    /// providers have it.
    pub sessions_url: Option<String>,
    /// The seconds without user activity in any tab after which the session ends; `None` turns idle sign-out off.
    pub idle_sign_out_seconds: Option<u32>,
    /// Whether tokens are bound to a key of this browser (RFC 9449).
    pub dpop: DpopMode,
    /// The provider.
    pub provider: Provider,
    /// The provider's keys when the page was rendered. An unknown key is fetched from `jwks_uri`.
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
    /// The authorization endpoint, at which the user signs in.
    pub authorization_endpoint: String,
    /// The token endpoint, at which codes and refresh tokens are exchanged.
    pub token_endpoint: String,
    /// The address of the signing keys.
    pub jwks_uri: String,
    /// The address for sign-out: the operator's `provider.logout_url`, else the provider's `end_session_endpoint`. If it contains
    /// `{client_id}`, `{post_logout_redirect_uri}` or `{id_token_hint}`, only these are filled in, and no parameters are added.
    pub end_session_endpoint: Option<String>,
    /// The revocation endpoint (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// The endpoint for pushed authorization requests (RFC 9126).
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Whether authorization requests must be pushed.
    pub require_pushed_authorization_requests: bool,
    /// Whether the callback always has `iss` (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// The algorithms that ID tokens may be signed with.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// The algorithms that DPoP proofs may be signed with; empty if the metadata do not have them.
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
    /// Always; a token that is not bound is rejected.
    Required,
    /// Never.
    Off,
}

/// A public signing key (RFC 7517), with the members that the browser needs. A member that is `null`, empty or of another type counts as
/// absent.
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
    /// The algorithm of the key.
    pub alg: Option<String>,
    /// The use of the key: `sig`, or `enc`, which never verifies.
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

/// Keys come from the provider, so invalid optional members are ignored.
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
