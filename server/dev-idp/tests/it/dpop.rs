//! DPoP (RFC 9449): proofs, bound tokens, and nonces.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::world::{Answer, ORIGIN, START, World, changed, claims, s256, world};

struct Key(SigningKey);

impl Key {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.0.verifying_key().to_sec1_bytes();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"crv": "P-256", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap().to_owned();
        s256(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x"),
            text("y")
        ))
    }

    /// Makes a proof for the token endpoint, with changes to its header and claims. Null removes a member.
    fn proof_with(&self, header: Value, claims: Value) -> String {
        let good_header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()});
        let good_claims = json!({
            "htm": "POST", "htu": format!("{ORIGIN}/t/demo/oauth2/token"), "iat": START, "jti": "one",
        });
        let encode = |mut good: Value, changes: Value| {
            for (name, value) in changes.as_object().unwrap() {
                good[name] = value.clone();
            }
            good.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            URL_SAFE_NO_PAD.encode(good.to_string())
        };
        let input = format!("{}.{}", encode(good_header, header), encode(good_claims, claims));
        let signature: Signature = self.0.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn proof(&self, jti: &str) -> String {
        self.proof_with(json!({}), json!({"jti": jti}))
    }
}

async fn redeem(world: &World, code: &str, proofs: &[&str]) -> Answer {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", "pixygate"),
        ("code", code),
        ("code_verifier", crate::world::VERIFIER),
        ("redirect_uri", crate::world::REDIRECT_URI),
    ];
    let headers: Vec<(&str, &str)> = proofs.iter().map(|&proof| ("dpop", proof)).collect();
    world.post_with("/oauth2/token", &pairs, &headers).await
}

async fn refresh(world: &World, token: &str, proof: Option<&str>) -> Answer {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "pixygate"),
        ("refresh_token", token),
    ];
    let headers: Vec<(&str, &str)> = proof.iter().map(|&proof| ("dpop", proof)).collect();
    world.post_with("/oauth2/token", &pairs, &headers).await
}

#[tokio::test]
async fn tokens_are_bound_to_the_proved_key() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let answer = redeem(&world, &world.code().await, &[&key.proof("a")]).await;
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(
        claims(tokens["access_token"].as_str().unwrap())["cnf"]["jkt"],
        key.thumbprint()
    );
    let token = tokens["refresh_token"].as_str().unwrap();
    refresh(&world, token, None).await.assert_error(400, "invalid_grant");
    refresh(&world, token, Some(&other.proof("b")))
        .await
        .assert_error(400, "invalid_grant");
    let second = refresh(&world, token, Some(&key.proof("c"))).await.json();
    assert_eq!(
        claims(second["access_token"].as_str().unwrap())["cnf"]["jkt"],
        key.thumbprint()
    );
}

#[tokio::test]
async fn the_first_proof_binds_the_refresh_token_of_a_public_client() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let unbound = world.tokens().await;
    let token = unbound["refresh_token"].as_str().unwrap();
    let bound = refresh(&world, token, Some(&key.proof("a"))).await.json();
    assert_eq!(bound["token_type"], "DPoP");
    let token = bound["refresh_token"].as_str().unwrap();
    refresh(&world, token, None).await.assert_error(400, "invalid_grant");
    refresh(&world, token, Some(&other.proof("b")))
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(
        refresh(&world, token, Some(&key.proof("c"))).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_secret_and_not_the_key_binds_the_refresh_token_of_a_confidential_client() {
    let world = world();
    world.change_client(json!({"secret": "s"})).await;
    let secret = [("client_secret", "s")];
    let unbound = world.redeem(&world.code().await, &secret).await.json();
    let token = unbound["refresh_token"].as_str().unwrap();
    let proof = Key::new(1).proof("a");
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "pixygate"),
        ("client_secret", "s"),
        ("refresh_token", token),
    ];
    let bound = world
        .post_with("/oauth2/token", &pairs, &[("dpop", &proof)])
        .await
        .json();
    assert_eq!(bound["token_type"], "DPoP");
    let token = bound["refresh_token"].as_str().unwrap();
    assert_eq!(world.refresh(token, &secret).await.status, StatusCode::OK);
    world.refresh(token, &[]).await.assert_error(401, "invalid_client");
}

#[tokio::test]
async fn each_flaw_of_a_proof_is_refused() {
    let world = world();
    let key = Key::new(1);
    let code = world.code().await;
    let foreign = Key::new(2).jwk();
    let mut private = key.jwk();
    private["d"] = "AAAA".into();
    for (flaw, proof) in [
        ("typ", key.proof_with(json!({"typ": "JWT"}), json!({}))),
        ("no typ", key.proof_with(json!({"typ": null}), json!({}))),
        ("alg none", key.proof_with(json!({"alg": "none"}), json!({}))),
        ("alg HS256", key.proof_with(json!({"alg": "HS256"}), json!({}))),
        (
            "alg of another kind",
            key.proof_with(json!({"alg": "RS256"}), json!({})),
        ),
        ("no jwk", key.proof_with(json!({"jwk": null}), json!({}))),
        ("another's jwk", key.proof_with(json!({"jwk": foreign}), json!({}))),
        ("private jwk", key.proof_with(json!({"jwk": private}), json!({}))),
        (
            "symmetric jwk",
            key.proof_with(json!({"jwk": {"kty": "oct", "k": "AAAA"}}), json!({})),
        ),
        ("htm", key.proof_with(json!({}), json!({"htm": "GET"}))),
        ("no htm", key.proof_with(json!({}), json!({"htm": null}))),
        (
            "htu",
            key.proof_with(json!({}), json!({"htu": format!("{ORIGIN}/t/plain/oauth2/token")})),
        ),
        (
            "htu host",
            key.proof_with(json!({}), json!({"htu": "http://localhost:3001/t/demo/oauth2/token"})),
        ),
        ("no iat", key.proof_with(json!({}), json!({"iat": null}))),
        ("no jti", key.proof_with(json!({}), json!({"jti": null}))),
        ("empty jti", key.proof_with(json!({}), json!({"jti": ""}))),
        ("no JWT", "rubbish".to_owned()),
    ] {
        let answer = redeem(&world, &code, &[&proof]).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &"invalid_dpop_proof".into()),
            "{flaw}"
        );
    }
    let (one, two) = (key.proof("x"), key.proof("y"));
    redeem(&world, &code, &[&one, &two])
        .await
        .assert_error(400, "invalid_dpop_proof");
    let with_query = key.proof_with(
        json!({}),
        json!({"htu": format!("{ORIGIN}/t/demo/oauth2/token?q#f"), "jti": "q"}),
    );
    assert_eq!(
        redeem(&world, &code, &[&with_query]).await.status,
        StatusCode::OK,
        "query and fragment do not count"
    );
}

#[tokio::test]
async fn a_proof_works_once_and_the_same_jti_of_another_key_does() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let proof = key.proof("same");
    assert_eq!(
        redeem(&world, &world.code().await, &[&proof]).await.status,
        StatusCode::OK
    );
    redeem(&world, &world.code().await, &[&proof])
        .await
        .assert_error(400, "invalid_dpop_proof");
    assert_eq!(
        redeem(&world, &world.code().await, &[&other.proof("same")])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn dpop_jkt_binds_the_code() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let thumbprint = key.thumbprint();
    let request = changed(&world.authorization_request(), &[("dpop_jkt", &thumbprint)]);
    let code = world.browser().sign_in("alice", &request).await.callback("code");
    redeem(&world, &code, &[]).await.assert_error(400, "invalid_grant");
    redeem(&world, &code, &[&other.proof("a")])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(redeem(&world, &code, &[&key.proof("b")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_proof_with_the_pushed_request_binds_the_code_too() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let proof = key.proof_with(json!({}), json!({"htu": format!("{ORIGIN}/t/demo/oauth2/par")}));
    let thumbprint = other.thumbprint();
    let wrong = changed(&world.authorization_request(), &[("dpop_jkt", &thumbprint)]);
    world
        .post_with("/oauth2/par", &wrong, &[("dpop", &proof)])
        .await
        .assert_error(400, "invalid_request");
    let proof = key.proof_with(
        json!({}),
        json!({"htu": format!("{ORIGIN}/t/demo/oauth2/par"), "jti": "2"}),
    );
    let pushed = world
        .post_with("/oauth2/par", &world.authorization_request(), &[("dpop", &proof)])
        .await
        .json();
    let request = [
        ("client_id", "pixygate"),
        ("request_uri", pushed["request_uri"].as_str().unwrap()),
    ];
    let code = world.browser().sign_in("alice", &request).await.callback("code");
    redeem(&world, &code, &[&other.proof("a")])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(redeem(&world, &code, &[&key.proof("b")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_nonce_is_asked_for_and_then_counts_for_the_freshness() {
    let world = world();
    world.switch(json!({"require_dpop_nonce": true})).await;
    let key = Key::new(1);
    let code = world.code().await;
    let asked = redeem(&world, &code, &[&key.proof("a")]).await;
    asked.assert_error(400, "use_dpop_nonce");
    let nonce = asked.header("dpop-nonce");
    let with = |nonce: &str, jti: &str| key.proof_with(json!({}), json!({"nonce": nonce, "jti": jti}));
    redeem(&world, &code, &[&with("made-up", "b")])
        .await
        .assert_error(400, "use_dpop_nonce");
    let answer = redeem(&world, &code, &[&with(nonce, "c")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_ne!(answer.header("dpop-nonce"), "");
    world.advance(300).await;
    let token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    refresh(&world, &token, Some(&with(nonce, "d")))
        .await
        .assert_error(400, "use_dpop_nonce");
}

#[tokio::test]
async fn a_device_whose_clock_is_wrong_gets_in_with_a_nonce() {
    let world = world();
    let key = Key::new(1);
    let code = world.code().await;
    let late =
        |nonce: Value, jti: &str| key.proof_with(json!({}), json!({"iat": START - 600, "nonce": nonce, "jti": jti}));
    let asked = redeem(&world, &code, &[&late(Value::Null, "a")]).await;
    asked.assert_error(400, "use_dpop_nonce");
    let answer = redeem(&world, &code, &[&late(asked.header("dpop-nonce").into(), "b")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_nonce_stands_for_a_wrong_iat_and_not_for_none() {
    let world = world();
    world.switch(json!({"require_dpop_nonce": true})).await;
    let key = Key::new(1);
    let code = world.code().await;
    let asked = redeem(&world, &code, &[&key.proof("a")]).await;
    let nonce = asked.header("dpop-nonce");
    for iat in [Value::Null, "1".into()] {
        let without = key.proof_with(json!({}), json!({"nonce": nonce, "iat": iat, "jti": "b"}));
        let answer = redeem(&world, &code, &[&without]).await;
        answer.assert_error(400, "invalid_dpop_proof");
        assert!(answer.body.contains("no iat"), "{answer:?}");
    }
    let with = key.proof_with(json!({}), json!({"nonce": nonce, "iat": 1, "jti": "b"}));
    assert_eq!(redeem(&world, &code, &[&with]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn userinfo_wants_the_proof_of_a_bound_token() {
    let world = world();
    let (key, other) = (Key::new(1), Key::new(2));
    let tokens = redeem(&world, &world.code().await, &[&key.proof("a")]).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let proof = |key: &Key, jti: &str, ath: &str| {
        let htu = format!("{ORIGIN}/t/demo/oauth2/userinfo");
        key.proof_with(
            json!({}),
            json!({"htm": "GET", "htu": htu, "jti": jti, "ath": s256(ath)}),
        )
    };
    let call = async |scheme: &str, proof: Option<String>| {
        let mut request = world.request(Method::GET, "/oauth2/userinfo");
        request = request.header(header::AUTHORIZATION, format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    call("Bearer", None).await.assert_error(401, "invalid_token");
    call("Bearer", Some(proof(&key, "b", token)))
        .await
        .assert_error(401, "invalid_token");
    call("DPoP", None).await.assert_error(401, "invalid_dpop_proof");
    call("DPoP", Some(proof(&key, "c", "another")))
        .await
        .assert_error(401, "invalid_dpop_proof");
    let wrong = call("DPoP", Some(proof(&other, "d", token))).await;
    wrong.assert_error(401, "invalid_token");
    assert!(wrong.header("www-authenticate").starts_with("DPoP "));
    assert_eq!(call("DPoP", Some(proof(&key, "e", token))).await.status, StatusCode::OK);

    let plain = world.tokens().await;
    let request = world.request(Method::GET, "/oauth2/userinfo");
    let request = request.header(
        header::AUTHORIZATION,
        format!("DPoP {}", plain["access_token"].as_str().unwrap()),
    );
    world
        .send(request.body(Body::empty()).unwrap())
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn a_client_that_has_to_bind_may_not_do_without() {
    let world = world();
    world.change_client(json!({"dpop_required": true})).await;
    let code = world.code().await;
    redeem(&world, &code, &[]).await.assert_error(400, "invalid_dpop_proof");
    assert_eq!(
        redeem(&world, &code, &[&Key::new(1).proof("a")]).await.status,
        StatusCode::OK
    );
}
