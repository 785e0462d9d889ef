//! Any query as an authorization response, `STATE` in it being the one that is waited for: what passes says, once each, this
//! `state`, the right `iss` and a code and no error; and whatever says just that does pass.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pixygate::authorization::{Callback, Client, PendingSignIn};
use serde_json::json;

const STATE: &str = "Xn3vQ1rVq6s0uF4mYb7ZkA";
const ISSUER: &str = "https://idp.example";

fn client(announced: bool) -> Client {
    let provider = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "jwks_uri": "https://idp.example/jwks",
        "authorization_response_iss_parameter_supported": announced,
    });
    let client = json!({
        "client_id": "shop",
        "redirect_uri": "https://shop.example/callback",
        "post_logout_redirect_uri": "https://shop.example/",
        "scopes": ["openid"],
        "extra_params": {},
        "dpop": "auto",
        "provider": provider,
        "keys": [],
    });
    serde_json::from_value(client).expect("this is a client")
}

fn pending() -> PendingSignIn {
    let pending = json!({
        "state": STATE,
        "nonce": "n",
        "verifier": "v",
        "issuer": ISSUER,
        "client_id": "shop",
        "redirect_uri": "https://shop.example/callback",
        "return_to": "/",
        "scopes": ["openid"],
    });
    serde_json::from_value(pending).expect("this is a sign-in")
}

/// Read in another way than the library does: everything first, then counted.
fn is_good(query: &str, announced: bool) -> bool {
    let query = query.trim_start_matches('?');
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        found.entry(name.into()).or_default().push(value.into());
    }
    let once = |name: &str| match found.get(name).map_or(&[][..], Vec::as_slice) {
        [] => Ok(None),
        [one] => Ok(Some(one.as_str())),
        _ => Err(()),
    };
    let iss_fits = match once("iss") {
        Ok(None) => !announced,
        Ok(Some(iss)) => iss == ISSUER,
        Err(()) => false,
    };
    iss_fits
        && once("state") == Ok(Some(STATE))
        && matches!(once("code"), Ok(Some(_)))
        && once("error") == Ok(None)
        && once("error_description").is_ok()
}

fuzz_target!(|input: (bool, &str)| {
    let (announced, query) = input;
    let query = query.replace("STATE", STATE);
    let validated =
        Callback::parse(&query).and_then(|callback| pending().validate(callback, &client(announced)));
    assert_eq!(validated.is_ok(), is_good(&query, announced), "{query:?}");
    if let Err(error) = validated {
        assert!(!error.to_string().is_empty());
    }
});
