// What the examples in the documentation share: a client, and what its provider would answer. Signatures are real.

include!("crypto.rs");

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use pixygate::authorization::{
    Callback, ValidationContext, Client, DpopMode, EndpointResponse, ClockReading, PendingSignIn, Provider, ServerClock, SignIn, TokenResponse,
    TokenSet,
};

/// When everything happens, in seconds since the Unix epoch.
pub const TIME: f64 = 1_800_000_000.0;

static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"));

pub fn client() -> Client {
    let point = KEY.public_key().as_ref();
    Client {
        client_id: "orders".to_owned(),
        redirect_uri: "https://app.example/callback".to_owned(),
        post_logout_redirect_uri: "https://app.example/".to_owned(),
        scopes: vec!["openid".to_owned(), "orders:read".to_owned()],
        resource: None,
        extra_params: BTreeMap::new(),
        call_origins: vec!["https://api.example.com".to_owned()],
        step_up_scopes: [("https://api.example.com".to_owned(), vec!["orders:write".to_owned()])].into(),
        sessions_url: Some("https://id.example/me/sessions".to_owned()),
        idle_sign_out_seconds: None,
        dpop: DpopMode::Off,
        provider: Provider {
            issuer: "https://id.example".to_owned(),
            authorization_endpoint: "https://id.example/authorize".to_owned(),
            token_endpoint: "https://id.example/token".to_owned(),
            jwks_uri: "https://id.example/jwks".to_owned(),
            end_session_endpoint: Some("https://id.example/logout".to_owned()),
            revocation_endpoint: Some("https://id.example/revoke".to_owned()),
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            authorization_response_iss_parameter_supported: true,
            id_token_signing_alg_values_supported: vec!["ES256".to_owned()],
            dpop_signing_alg_values_supported: Vec::new(),
        },
        keys: vec![Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(URL_SAFE_NO_PAD.encode(&point[1..33])),
            y: Some(URL_SAFE_NO_PAD.encode(&point[33..])),
            ..Jwk::default()
        }],
    }
}

pub fn clock_reading() -> ClockReading {
    ClockReading {
        wall: TIME * 1000.0,
        monotonic: 0.0,
    }
}

/// A device whose clock is right.
pub fn server_clock() -> ServerClock {
    ServerClock {
        server_time: TIME * 1000.0,
        received_at: clock_reading(),
    }
}

fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(known, _)| known == name)
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The query that the browser comes back with from this address.
pub fn callback(url: &str) -> String {
    format!(
        "?code=a-code&state={}&iss=https%3A%2F%2Fid.example",
        parameter(url, "state")
    )
}

/// An ID token for a sign-in that began at this address.
pub fn id_token(url: &str) -> String {
    let mut claims = serde_json::json!({
        "iss": "https://id.example", "sub": "alice", "aud": "orders", "exp": TIME + 3600.0, "iat": TIME,
        "name": "Alice Example", "groups": ["editors"],
    });
    let nonce = parameter(url, "nonce");
    if !nonce.is_empty() {
        claims["nonce"] = nonce.into();
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = KEY.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The answer of the token endpoint to a code that came of this address, or to a refresh when it is empty.
pub fn tokens_of(url: &str) -> EndpointResponse {
    let access_token = if url.is_empty() { "the-second" } else { "the-first" };
    let body = serde_json::json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 300, "refresh_token": "a-refresh-token",
        "id_token": id_token(url),
    });
    EndpointResponse {
        status: 200,
        body: body.to_string(),
        ..EndpointResponse::default()
    }
}

pub fn validation_context(client: &Client) -> ValidationContext<'_, Native> {
    ValidationContext {
        client,
        keys: Some(&client.keys),
        crypto: &Native,
        now: clock_reading(),
        requested: clock_reading(),
        server: server_clock(),
    }
}

/// The tokens of a person who has just signed in.
pub async fn signed_in(client: &Client) -> TokenSet {
    let (pending, request) = PendingSignIn::begin(client, &SignIn::default(), None);
    let url = request.url(client);
    let callback = Callback::parse(&callback(&url)).expect("a callback");
    let validated = pending.validate(callback, client).expect("its own callback");
    let response = TokenResponse::read(&tokens_of(&url)).expect("tokens");
    validated
        .validate_tokens(response, &validation_context(client))
        .await
        .expect("an ID token that holds")
}
