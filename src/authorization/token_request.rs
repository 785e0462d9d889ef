//! Requests to the token endpoint (RFC 6749, sections 4.1.3 and 6; RFC 8693).

use form_urlencoded::Serializer;

use super::json::{fields, serde_by_json};
use super::{Client, TokenSet, ValidatedCallback};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The target of a token exchange (RFC 8693). The exchange is repeated after each refresh until it is ended.
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
    /// Returns an exchange for a service, by its name at the provider (`audience`; RFC 8693, section 2.1).
    pub fn audience(audience: impl Into<String>) -> Self {
        Self {
            audience: Some(audience.into()),
            ..Self::default()
        }
    }

    /// Returns an exchange for a service, by its address (`resource`; RFC 8707).
    pub fn resource(resource: impl Into<String>) -> Self {
        Self {
            resource: Some(resource.into()),
            ..Self::default()
        }
    }

    /// Returns an exchange for another organisation of the user, by the grant `organization_switch`.
    pub fn organization(id: impl Into<String>) -> Self {
        Self {
            organization: Some(id.into()),
            ..Self::default()
        }
    }

    /// Requests these scopes. Without them the provider decides.
    #[must_use]
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn requested_scopes(&self) -> &[String] {
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

    /// Returns a refresh request, or `None` without a refresh token.
    pub fn refresh(client: &Client, tokens: &TokenSet) -> Option<Self> {
        let mut fields = vec![("refresh_token", tokens.refresh_token()?.secret().as_str())];
        fields.extend(tokens.resource.as_deref().map(|resource| ("resource", resource)));
        Some(Self::new(&client.client_id, "refresh_token", &fields))
    }

    /// Returns a refresh request without a refresh token. The provider rejects it; whether the page can read the rejection shows whether the
    /// browser withholds responses (CORS).
    pub(crate) fn probe(client: &Client) -> Self {
        Self::new(&client.client_id, "refresh_token", &[])
    }

    /// Returns an exchange of the access token for one of another organisation, audience or resource.
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

    /// Returns the `application/x-www-form-urlencoded` body. It contains secrets: never log it.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl ValidatedCallback {
    /// Returns the code exchange.
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
    /// // The debug output has neither code nor verifier.
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
