//! The authorization request (RFC 6749, section 4.1.1; RFC 7636; OpenID Connect Core, section 3.1.2.1).

use std::collections::BTreeMap;
use std::fmt;

use form_urlencoded::Serializer;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier};

use super::crypto::random_text;
use super::json::{fields, serde_by_json};
use super::{Client, ReturnTo};

/// The options of one sign-in, in addition to the client's configuration.
///
/// ```
/// use pixygate::authorization::{ReturnTo, SignIn};
///
/// let options = SignIn {
///     return_to: ReturnTo::parse("/account?tab=2"),
///     prompt: Some("login".to_owned()),
///     max_age: Some(300),
///     extra_params: [("fidp".to_owned(), "corporate".to_owned())].into(),
///     ..SignIn::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SignIn {
    /// The page to return to; `None` for the current page.
    pub return_to: Option<ReturnTo>,
    /// `none`, `login`, `consent` or `select_account`.
    pub prompt: Option<String>,
    /// The user who probably signs in (`login_hint`).
    pub login_hint: Option<String>,
    /// Acceptable authentication contexts, in order of preference.
    pub acr_values: Vec<String>,
    /// The maximum time since the user last authenticated, in seconds.
    pub max_age: Option<u64>,
    /// Languages for the provider's pages, in order of preference.
    pub ui_locales: Vec<String>,
    /// Scopes beyond those of the client.
    pub scopes: Vec<String>,
    /// The resource that the access token is for (RFC 8707), when not that of the client.
    pub resource: Option<String>,
    /// An ID token of the user who should sign in; see [`SignedIn::id_token`](crate::session::SignedIn::id_token). It becomes part of an
    /// address at the provider.
    pub id_token_hint: Option<String>,
    /// Further parameters, such as `fidp`. They override those of the [`Client`], but no parameter that another option sets, and no
    /// [reserved](Self::is_reserved) one.
    pub extra_params: BTreeMap<String, String>,
    /// Whether the provider's page replaces this page in the history, for a page that only redirects to the provider.
    pub replace_page: bool,
}

impl SignIn {
    /// Returns whether [`Self::extra_params`] and those of the [`Client`] must not have this parameter, because the callback could not be
    /// validated with it.
    ///
    /// ```
    /// use pixygate::authorization::SignIn;
    ///
    /// assert!(SignIn::is_reserved("code_challenge"));
    /// assert!(!SignIn::is_reserved("prompt"));
    /// ```
    pub fn is_reserved(parameter: &str) -> bool {
        matches!(
            parameter,
            "response_type"
                | "response_mode"
                | "client_id"
                | "redirect_uri"
                | "scope"
                | "state"
                | "nonce"
                | "code_challenge"
                | "code_challenge_method"
                | "max_age"
                | "resource"
                | "request"
                | "request_uri"
                | "dpop_jkt"
        )
    }
}

/// Leaves out the ID token and the `login_hint`.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("return_to", &self.return_to)
            .field("prompt", &self.prompt)
            .field("acr_values", &self.acr_values)
            .field("max_age", &self.max_age)
            .field("scopes", &self.scopes)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// A pending sign-in: its secrets, which are needed for the callback.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// use pixygate::authorization::{PendingSignIn, ReturnTo, SignIn};
///
/// let options = SignIn { return_to: ReturnTo::parse("/orders"), ..SignIn::default() };
/// let (pending, _request) = PendingSignIn::begin(&client, &options, None);
/// // Encrypt it before storing: it contains the verifier.
/// let kept = serde_json::to_string(&pending)?;
///
/// let pending: PendingSignIn = serde_json::from_str(&kept)?;
/// assert_eq!(pending.return_to().as_str(), "/orders");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct PendingSignIn {
    pub(super) state: CsrfToken,
    pub(super) nonce: String,
    pub(super) verifier: PkceCodeVerifier,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) return_to: ReturnTo,
    pub(super) max_age: Option<u64>,
    pub(super) resource: Option<String>,
    pub(super) scopes: Vec<String>,
}

fields!(PendingSignIn {
    state,
    nonce,
    verifier,
    issuer,
    client_id,
    redirect_uri,
    return_to,
    max_age,
    resource,
    scopes,
});

serde_by_json!(PendingSignIn);

impl fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSignIn")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("return_to", &self.return_to)
            .finish_non_exhaustive()
    }
}

/// The parameters of an authorization request. They are sent in the address, or pushed (RFC 9126).
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// use pixygate::authorization::{AuthorizationRequest, PendingSignIn, SignIn};
///
/// let (_pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
/// let address = request.url(&client);
/// assert!(address.starts_with("https://id.example/authorize?response_type=code&client_id=orders&"));
///
/// // If the provider requires pushed requests, post `request.body()` first; the response has a `request_uri`:
/// assert!(request.body().contains("&code_challenge_method=S256"));
/// let address = AuthorizationRequest::pushed_url(&client, "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c");
/// assert!(address.starts_with("https://id.example/authorize?client_id=orders&request_uri=urn%3A"));
/// ```
pub struct AuthorizationRequest {
    client_id: String,
    query: String,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl AuthorizationRequest {
    /// Returns the address to send the browser to, with all parameters. If it would be longer than servers accept, `id_token_hint` is left
    /// out.
    pub fn url(&self, client: &Client) -> String {
        let endpoint = &client.provider.authorization_endpoint;
        let url = with_query(endpoint, &self.query);
        if url.len() <= LONGEST_URL {
            return url;
        }
        let pairs = self.query.split('&');
        let without_hint: Vec<_> = pairs.filter(|pair| !pair.starts_with("id_token_hint=")).collect();
        with_query(endpoint, &without_hint.join("&"))
    }

    /// Returns the form to post to the pushed authorization request endpoint.
    pub fn body(&self) -> &str {
        &self.query
    }

    /// Returns the address to send the browser to after the request was pushed.
    pub fn pushed_url(client: &Client, request_uri: &str) -> String {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("client_id", &client.client_id)
            .append_pair("request_uri", request_uri);
        with_query(&client.provider.authorization_endpoint, &query.finish())
    }
}

/// The maximum length of a URL to navigate to, in bytes. Servers of common providers answer longer ones with 414 or 431; the smallest known
/// limit is 4096 bytes for the request line.
pub(crate) const LONGEST_URL: usize = 4000;

/// Returns the endpoint with `query` added to the query that it may have.
pub(crate) fn with_query(endpoint: &str, query: &str) -> String {
    let separator = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{separator}{query}")
}

impl PendingSignIn {
    /// Starts a sign-in. Returns the secrets to store and the authorization request.
    ///
    /// `dpop_jkt` is the thumbprint of the browser's key when tokens are to be bound to it (RFC 9449, section 10).
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// use pixygate::authorization::{PendingSignIn, SignIn};
    ///
    /// let options = SignIn {
    ///     prompt: Some("login".to_owned()),
    ///     scopes: vec!["orders:write".to_owned()],
    ///     ..SignIn::default()
    /// };
    /// let (pending, request) = PendingSignIn::begin(&client, &options, None);
    /// let address = request.url(&client);
    /// assert!(address.contains("&scope=openid+orders%3Aread+orders%3Awrite&"));
    /// assert!(address.contains("&prompt=login"));
    /// assert!(address.contains(&format!("&state={}&", pending.state())));
    /// ```
    pub fn begin(client: &Client, options: &SignIn, dpop_jkt: Option<&str>) -> (Self, AuthorizationRequest) {
        let verifier = PkceCodeVerifier::new(random_text());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let pending = Self {
            state: CsrfToken::new(random_text()),
            nonce: random_text(),
            verifier,
            issuer: client.provider.issuer.clone(),
            client_id: client.client_id.clone(),
            redirect_uri: client.redirect_uri.clone(),
            return_to: options.return_to.clone().unwrap_or_default(),
            max_age: options.max_age,
            resource: options.resource.clone().or_else(|| client.resource.clone()),
            scopes: client
                .scopes
                .iter()
                .chain(options.scopes.iter().filter(|scope| !client.scopes.contains(scope)))
                .cloned()
                .collect(),
        };
        let (scope, max_age) = (joined(&pending.scopes), options.max_age.map(|age| age.to_string()));
        let (acr_values, ui_locales) = (joined(&options.acr_values), joined(&options.ui_locales));
        let mut own = vec![
            ("response_type", "code"),
            ("client_id", &client.client_id),
            ("redirect_uri", &client.redirect_uri),
            ("scope", &scope),
            ("state", pending.state.secret()),
            ("nonce", &pending.nonce),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in [
            ("dpop_jkt", dpop_jkt),
            ("resource", pending.resource.as_deref()),
            ("prompt", options.prompt.as_deref()),
            ("login_hint", options.login_hint.as_deref()),
            ("id_token_hint", options.id_token_hint.as_deref()),
            ("max_age", max_age.as_deref()),
            (
                "acr_values",
                Some(acr_values.as_str()).filter(|values| !values.is_empty()),
            ),
            (
                "ui_locales",
                Some(ui_locales.as_str()).filter(|values| !values.is_empty()),
            ),
        ] {
            own.extend(value.map(|value| (name, value)));
        }
        // Each parameter once (RFC 6749, section 3.1): the request's own, else that of the options, else the client's.
        for (name, value) in options.extra_params.iter().chain(&client.extra_params) {
            if !SignIn::is_reserved(name) && own.iter().all(|(set, _)| set != name) {
                own.push((name, value));
            }
        }
        let query = Serializer::new(String::new()).extend_pairs(own).finish();
        let request = AuthorizationRequest {
            client_id: client.client_id.clone(),
            query,
        };
        (pending, request)
    }

    /// Returns the `state`, which identifies this sign-in in the callback.
    pub fn state(&self) -> &str {
        self.state.secret()
    }

    /// Returns the page to return to.
    pub fn return_to(&self) -> &ReturnTo {
        &self.return_to
    }
}

fn joined<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(value);
    }
    text
}
