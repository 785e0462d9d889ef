//! A session for tests of applications: without a browser, a provider or a server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::authorization::TokenExchange;
use crate::authorization::id_token::IdToken;
use crate::session::{AuthState, Event, SignOutReason, SignedIn};

use super::Auth;

/// Takes the place of [`AuthProvider`](super::AuthProvider) in a test: the components below see whoever the test says.
/// Nobody signs in through it, and no token comes out of it.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{MockAuth, MockPerson, RequireSignedIn, use_signed_in};
///
/// #[component]
/// fn Greeting() -> impl IntoView {
///     view! { <p>"Hello, " {use_signed_in().name().to_owned()}</p> }
/// }
///
/// let owner = Owner::new();
/// owner.set();
/// MockAuth::provide().sign_in(MockPerson::new("alice").claim("name", "Alice Example"));
/// let page = view! {
///     <RequireSignedIn unknown=|| "?" signed_out=|| "Please sign in.">
///         <Greeting />
///     </RequireSignedIn>
/// };
/// assert!(page.to_html().contains("Alice Example"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MockAuth(Auth);

/// A person for [`MockAuth`].
#[derive(Clone, Debug)]
pub struct MockPerson {
    claims: Map<String, Value>,
    scopes: Vec<String>,
    acting: Option<TokenExchange>,
}

impl MockAuth {
    /// Puts a session into the context in which nobody is signed in.
    pub fn provide() -> Self {
        Self(Auth::provide(AuthState::SignedOut(None)))
    }

    /// From now on this person is signed in.
    ///
    /// # Panics
    /// When [`MockPerson::claim`] took a claim away that every ID token has, or gave it another type.
    #[expect(clippy::expect_used, reason = "a test with such a person is wrong")]
    pub fn sign_in(self, person: MockPerson) {
        // Nobody signed or validated it.
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(person.claims).to_string());
        let id_token = IdToken::try_from(format!("e30.{payload}.")).expect("the claims of an ID token");
        self.set(AuthState::SignedIn(SignedIn::new(
            id_token,
            person.scopes,
            person.acting,
        )));
    }

    /// From now on nobody is.
    pub fn sign_out(self, reason: Option<SignOutReason>) {
        self.set(AuthState::SignedOut(reason));
    }

    /// Any state, such as [`AuthState::Unknown`].
    pub fn set(self, state: AuthState) {
        self.0.hear(&Event::Changed(state));
    }
}

impl MockPerson {
    /// A person with this subject.
    pub fn new(subject: &str) -> Self {
        let claims = json!({
            "iss": "https://mock.example",
            "sub": subject,
            "aud": ["mock"],
            "exp": 4_102_444_800_u32,
            "iat": 0,
        });
        Self {
            claims: claims.as_object().cloned().unwrap_or_default(),
            scopes: vec!["openid".to_owned()],
            acting: None,
        }
    }

    /// With this claim in the ID token.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// With this scope granted.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.push(scope.to_owned());
        self
    }

    /// Acting for another organisation, or calling for another audience.
    #[must_use]
    pub fn acting(mut self, exchange: TokenExchange) -> Self {
        self.acting = Some(exchange);
        self
    }
}
