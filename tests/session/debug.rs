//! `{:?}` shows enough to identify a value, and no secrets.

use std::fmt::Debug;

use pixygate::authorization::id_token::{Expected, IdToken};
use pixygate::authorization::{Callback, PendingSignIn, SignIn, TokenExchange, TokenRequest, TokenResponse, TokenSet};
use pixygate::session::{AuthState, Event, PendingRequest};
use serde_json::{Value, json};

use crate::provider::{CLIENT, ISSUER};
use crate::world::{Simulation, parse};

/// Formats a value on one line and on several.
fn shown(value: &impl Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

#[test]
fn what_is_shown_has_no_secrets_in_it() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let client = simulation.world.provider.client();

    // A sign-in before the redirect …
    let options = SignIn {
        prompt: Some("login".to_owned()),
        id_token_hint: Some("hint-of-a-person".to_owned()),
        ..SignIn::default()
    };
    let (pending, request) = PendingSignIn::begin(&client, &options, None);
    let remembered = serde_json::to_value(&pending).unwrap();
    let secret = |name: &str| remembered[name].as_str().unwrap().to_owned();
    let (state, nonce, verifier) = (secret("state"), secret("nonce"), secret("verifier"));
    assert_eq!(parse(request.body())["nonce"], nonce);
    let (pending_shown, request_shown) = (shown(&pending), shown(&request));

    // … and back …
    let callback = Callback::parse(&format!("code=code-of-alice&state={state}&iss={ISSUER}")).unwrap();
    let callback_shown = shown(&callback);
    let validated = pending.validate(callback, &client).unwrap();
    let exchange = validated.token_request();
    for sent in ["code-of-alice", verifier.as_str()] {
        assert!(exchange.body().contains(sent), "{sent}");
    }

    // … and the tokens.
    simulation.sign_in(&tab, "alice");
    let AuthState::SignedIn(person) = tab.session.state() else {
        panic!("signed in")
    };
    let text = person.id_token().to_owned();
    let [_, payload, signature]: [&str; 3] = text.split('.').collect::<Vec<_>>().try_into().unwrap();
    let id_token = serde_json::from_value::<IdToken>(text.as_str().into()).unwrap();
    let mut reply = pixygate::authorization::EndpointResponse {
        status: 200,
        ..Default::default()
    };
    reply.body = json!({
        "access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer", "id_token": text,
    })
    .to_string();
    let tokens: TokenSet = kept(&simulation);
    let refresh = TokenRequest::refresh(&client, &tokens).unwrap();
    assert!(refresh.body().contains("refresh-1"));
    let expected = Expected {
        client: &client,
        nonce: Some(&nonce),
        subject: Some("alice"),
        max_age: None,
        access_token: "access-1",
        now: None,
    };
    let waiting = PendingRequest {
        method: "POST".to_owned(),
        url: "https://app.example/api/pay?to=typed-by-alice".to_owned(),
        content_type: None,
        headers: Vec::new(),
        body: Some("typed-by-alice".to_owned()),
    };

    let secrets = [
        &*state,
        &*nonce,
        &*verifier,
        "hint-of-a-person",
        "code-of-alice",
        "access-1",
        "refresh-1",
        payload,
        signature,
        "typed-by-alice",
        "alice Example",
    ];
    for (what, text, harmless) in [
        ("SignIn", shown(&options), "login"),
        ("PendingSignIn", pending_shown, CLIENT),
        ("AuthorizationRequest", request_shown, CLIENT),
        ("Callback", callback_shown, ISSUER),
        ("ValidatedCallback", shown(&validated), CLIENT),
        ("the code exchange", shown(&exchange), CLIENT),
        ("the refresh", shown(&refresh), CLIENT),
        (
            "a token exchange",
            shown(&TokenRequest::exchange(
                &client,
                &tokens,
                &TokenExchange::audience("orders"),
            )),
            CLIENT,
        ),
        ("EndpointResponse", shown(&reply), "200"),
        ("TokenResponse", shown(&TokenResponse::read(&reply).unwrap()), "bearer"),
        ("TokenSet", shown(&tokens), ISSUER),
        ("IdToken", shown(&id_token), ISSUER),
        ("Claims", shown(id_token.claims()), "alice"),
        ("Expected", shown(&expected), CLIENT),
        ("SignedIn", shown(&person), "alice"),
        (
            "Event",
            shown(&Event::Changed(AuthState::SignedIn(person.clone()))),
            "alice",
        ),
        ("PendingRequest", shown(&waiting), "/api/pay"),
        ("Session", shown(&tab.session), ISSUER),
    ] {
        assert!(text.contains(harmless), "{what} does not show {harmless}: {text}");
        for secret in secrets {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    }
}

/// Returns the tokens in the browser's storage.
fn kept(simulation: &Simulation) -> TokenSet {
    let vault = simulation.world.vault.borrow();
    let (_, text) = &vault["session"];
    let record: Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(record["Live"]["tokens"].clone()).unwrap()
}
