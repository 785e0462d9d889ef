//! 18: the declared type of a token takes precedence over the marks of other kinds.

use pixygate::{
    Reason,
    jwt::{TokenType, Trust},
};
use serde_json::{Value, json};

use crate::world::World;

async fn verdict(trust: impl FnOnce(Trust) -> Trust, typ: Option<&str>, claims: &Value) -> Result<(), Reason> {
    let world = World::with(trust, |validator| validator).await;
    let mut token = match typ {
        Some(typ) => world.token().header("typ", typ),
        None => world.token().without_header("typ"),
    };
    for (name, value) in claims.as_object().unwrap() {
        token = token.claim(name, value.clone());
    }
    world.validate(&token.sign()).await.map(drop)
}

#[tokio::test]
async fn a_token_that_calls_itself_an_access_token_may_carry_a_nonce() {
    let nonce = json!({"nonce": "n", "azp": "shop", "scope": "openid"});
    let with = |claim: &str, value: Value| {
        let mut claims = nonce.clone();
        claims[claim] = value;
        claims
    };
    let wrong = Err(Reason::WrongTokenType);
    for (typ, claims, expected) in [
        (Some("JWT"), nonce.clone(), wrong),
        (None, nonce.clone(), wrong),
        (Some("at+jwt"), nonce.clone(), Ok(())),
        (Some("application/at+jwt"), nonce.clone(), Ok(())),
        (Some("JWT"), with("typ", json!("Bearer")), Ok(())),
        (None, with("typ", json!("DPoP")), Ok(())),
        (Some("JWT"), with("token_use", json!("access")), Ok(())),
        // An unknown name, or one of another type, does not make it an access token.
        (Some("JWT"), with("typ", json!("JWT")), wrong),
        (Some("JWT"), with("typ", json!(["Bearer"])), wrong),
        (Some("JWT"), with("token_use", json!(true)), wrong),
        // A name of another kind wins.
        (Some("JWT"), with("typ", json!("ID")), wrong),
        (Some("at+jwt"), with("typ", json!("ID")), wrong),
        (Some("at+jwt"), with("token_use", json!("id")), wrong),
        (Some("at+jwt"), with("typ", json!("Refresh")), wrong),
        (Some("at+jwt"), with("events", json!({})), wrong),
        (Some("JWT"), json!({"typ": "Bearer", "events": {}}), wrong),
        (Some("JWT"), json!({"typ": "Bearer", "at_hash": "h"}), Ok(())),
    ] {
        assert_eq!(verdict(|trust| trust, typ, &claims).await, expected, "{typ:?} {claims}");
    }
}

#[tokio::test]
async fn a_trust_that_allows_a_nonce_still_recognises_an_id_token_by_its_hashes() {
    for (claims, without, with) in [
        (json!({"nonce": "n"}), Err(Reason::WrongTokenType), Ok(())),
        (
            json!({"nonce": "n", "at_hash": "h"}),
            Err(Reason::WrongTokenType),
            Err(Reason::WrongTokenType),
        ),
        (
            json!({"nonce": "n", "c_hash": "h"}),
            Err(Reason::WrongTokenType),
            Err(Reason::WrongTokenType),
        ),
        (
            json!({"nonce": "n", "typ": "ID"}),
            Err(Reason::WrongTokenType),
            Err(Reason::WrongTokenType),
        ),
    ] {
        assert_eq!(verdict(|trust| trust, None, &claims).await, without, "{claims}");
        assert_eq!(verdict(Trust::allow_nonce, None, &claims).await, with, "{claims}");
    }
    let hashed = |mut trust: Trust| {
        trust.allow_at_hash = true;
        trust.allow_nonce()
    };
    for (claims, expected) in [
        (json!({"nonce": "n", "at_hash": "h"}), Ok(())),
        (json!({"at_hash": "h", "c_hash": "h"}), Err(Reason::WrongTokenType)),
        (json!({"at_hash": "h", "typ": "ID"}), Err(Reason::WrongTokenType)),
    ] {
        assert_eq!(verdict(hashed, None, &claims).await, expected, "{claims}");
    }
    let strict = |mut trust: Trust| {
        trust.token_type = TokenType::AccessToken;
        trust.allow_nonce()
    };
    let nonce = json!({"nonce": "n"});
    assert_eq!(verdict(strict, Some("JWT"), &nonce).await, Err(Reason::WrongTokenType));
    assert_eq!(verdict(strict, Some("at+jwt"), &nonce).await, Ok(()));
}

#[tokio::test]
async fn the_hint_for_a_nonce_names_the_setting() {
    let world = World::new().await;
    for (mark, named) in [("nonce", true), ("at_hash", false)] {
        let token = world.token().without_header("typ").claim(mark, "x").sign();
        let rejection = world.validator.validate(&token, world.clock.time()).await.unwrap_err();
        assert_eq!(rejection.reason(), Reason::WrongTokenType);
        let hint = &rejection.detail().hint;
        assert_eq!(hint.contains("trust.allow_nonce = true"), named, "{hint}");
    }
}
