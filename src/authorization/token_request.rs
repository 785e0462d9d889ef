//! Requests to the token endpoint (RFC 6749, sections 4.1.3 and 6; RFC 8693).

use form_urlencoded::Serializer;

use super::json::{fields, serde_by_json};
use super::{Client, TokenSet, ValidatedCallback};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What to exchange the access token for (RFC 8693). It stays in force over refreshes until it is taken back.
///
/// ```
/// use pixygate::authorization::TokenExchange;
///
/// let organisation = TokenExchange::organization("10084a8d-113f");
/// let service = TokenExchange::resource("https://api.example.com/").scopes(["orders:read"]);
/// assert_ne!(organisation, service);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenExchange {
    audience: Option<String>,
    resource: Option<String>,
    organization: Option<String>,
    scopes: Vec<String>,
}

fields!(TokenExchange {
    audience,
    resource,
    organization,
    scopes,
});

serde_by_json!(TokenExchange);

impl TokenExchange {
    /// For a service, by the name that the provider knows it by (RFC 8693, section 2.1).
    pub fn audience(audience: impl Into<String>) -> Self {
        Self {
            audience: Some(audience.into()),
            ..Self::default()
        }
    }

    /// For a service, by its address (RFC 8707).
    pub fn resource(resource: impl Into<String>) -> Self {
        Self {
            resource: Some(resource.into()),
            ..Self::default()
        }
    }

    /// For another organisation of the person, by the grant `organization_switch`.
    pub fn organization(id: impl Into<String>) -> Self {
        Self {
            organization: Some(id.into()),
            ..Self::default()
        }
    }

    /// With these scopes; without, the provider decides.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn asked(&self) -> &[String] {
        &self.scopes
    }
}

/// The form to post to the token endpoint.
///
/// ```
/// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
/// # let client = example::client();
/// # futures::executor::block_on(async {
/// # let tokens = example::signed_in(&client).await;
/// use pixygate::authorization::{TokenExchange, TokenRequest};
///
/// let refresh = TokenRequest::refresh(&client, &tokens);
/// let body = refresh.as_ref().map(TokenRequest::body);
/// assert_eq!(body, Some("grant_type=refresh_token&client_id=orders&refresh_token=a-refresh-token"));
///
/// let warehouse = TokenExchange::audience("warehouse");
/// let exchange = TokenRequest::exchange(&client, &tokens, &warehouse);
/// assert!(exchange.body().ends_with("&audience=warehouse"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct TokenRequest {
    client_id: String,
    body: String,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl TokenRequest {
    fn new(client_id: &str, grant_type: &str, fields: &[(&str, &str)]) -> Self {
        let mut body = Serializer::new(String::new());
        body.append_pair("grant_type", grant_type)
            .append_pair("client_id", client_id)
            .extend_pairs(fields);
        Self {
            client_id: client_id.to_owned(),
            body: body.finish(),
        }
    }

    /// A refresh; `None` when the provider gave nothing to refresh with.
    pub fn refresh(client: &Client, tokens: &TokenSet) -> Option<Self> {
        let mut fields = vec![("refresh_token", tokens.refresh_token()?.secret().as_str())];
        fields.extend(tokens.resource.as_deref().map(|resource| ("resource", resource)));
        Some(Self::new(&client.client_id, "refresh_token", &fields))
    }

    /// A refresh without a refresh token. It can only be refused: whether the refusal can be read tells what the browser withholds.
    pub(crate) fn probe(client: &Client) -> Self {
        Self::new(&client.client_id, "refresh_token", &[])
    }

    /// An exchange of the access token for one of another organisation, audience or resource.
    pub fn exchange(client: &Client, tokens: &TokenSet, exchange: &TokenExchange) -> Self {
        let token = tokens.access_token().secret().as_str();
        let (grant_type, mut fields) = match &exchange.organization {
            Some(id) => (
                "organization_switch",
                vec![("token", token), ("switching_organization", id.as_str())],
            ),
            None => (
                "urn:ietf:params:oauth:grant-type:token-exchange",
                vec![("subject_token", token), ("subject_token_type", ACCESS_TOKEN)],
            ),
        };
        let scope = exchange.scopes.join(" ");
        fields.extend(exchange.audience.as_deref().map(|audience| ("audience", audience)));
        fields.extend(exchange.resource.as_deref().map(|resource| ("resource", resource)));
        if !scope.is_empty() {
            fields.push(("scope", &scope));
        }
        Self::new(&client.client_id, grant_type, &fields)
    }

    /// The `application/x-www-form-urlencoded` body. It holds secrets: it is sent and never logged.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl ValidatedCallback {
    /// The code exchange.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
    /// # let client = example::client();
    /// # use pixygate::authorization::{Callback, PendingSignIn, SignIn};
    /// # let (pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    /// # let validated = pending.validate(Callback::parse(&example::callback(&request.url(&client)))?, &client)?;
    /// let form = validated.token_request();
    /// assert!(form.body().starts_with("grant_type=authorization_code&client_id=orders&code=a-code&"));
    /// assert!(form.body().contains("&code_verifier="));
    /// // Neither code nor verifier shows.
    /// assert_eq!(format!("{form:?}"), r#"TokenRequest { client_id: "orders", .. }"#);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn token_request(&self) -> TokenRequest {
        let mut fields = vec![
            ("code", self.code.secret().as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", self.verifier.secret().as_str()),
        ];
        fields.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        TokenRequest::new(&self.client_id, "authorization_code", &fields)
    }
}
