//! 62–67: tokens that are bound to a key or to a client certificate.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, extract::ConnectInfo};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{Request, StatusCode};
use pixygate::{
    Reason,
    gate::{
        Policies, Policy,
        binding::{LocalReplayStore, ProofId, ReplayCheck, ReplayFuture, ReplayStore},
    },
    jwt::Algorithm,
    test_support::{ProofBuilder, TestKey, at},
};
use serde_json::json;
use tower::Layer;

use crate::world::{World, explaining, refusal, refused, request, send, signed_in, status, with_token, wrap};

const ADDRESS: &str = "https://shop.example/api/a";

fn key() -> TestKey {
    TestKey::generate(Algorithm::ES256, "")
}

fn with_proof(token: &str, proof: &str) -> Request<Body> {
    ask("GET", "/api/a?page=2", token, &[proof])
}

fn ask(method: &str, path: &str, token: &str, proofs: &[&str]) -> Request<Body> {
    let mut request = request(method, path).header("authorization", format!("DPoP {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_bound_token_needs_its_proof() {
    let world = World::new().await;
    let app = world.app(signed_in());
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let key = TestKey::generate(algorithm, "");
        let token = world.token().bound_to(&key.thumbprint()).sign();
        assert_eq!(
            status(&app, with_proof(&token, &key.proof("GET", ADDRESS, &token).sign())).await,
            StatusCode::OK
        );
        let response = send(&app, with_token("GET", "/api/a", &token)).await;
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            challenge.starts_with("DPoP ") && challenge.contains("algs=\""),
            "{challenge}"
        );
        assert_eq!(refusal(response).await.reason, Reason::DpopRequired);
        assert_eq!(
            refused(&app, ask("GET", "/api/a", &token, &[])).await,
            Reason::DpopRequired
        );
        assert_eq!(world.validate(&token).await, Err(Reason::DpopRequired));
    }
}

#[tokio::test]
async fn an_unbound_token_is_no_dpop_token() {
    let world = World::new().await;
    let app = world.app(Policies::new().route("GET", "/api/a", Policy::signed_in().dpop()));
    let (key, token) = (key(), world.token().sign());
    let proof = key.proof("GET", ADDRESS, &token).sign();
    assert_eq!(
        refused(&app, with_proof(&token, &proof)).await,
        Reason::InvalidDpopProof
    );
    assert_eq!(
        refused(&app, with_token("GET", "/api/a", &token)).await,
        Reason::DpopRequired
    );
}

#[tokio::test]
async fn a_proof_for_something_else_is_refused() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let (key, other) = (key(), key());
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let good = || key.proof("GET", ADDRESS, &token);
    let mut number = 0;
    let mut unique = |proof: ProofBuilder<'_>| {
        number += 1;
        proof.jti(&format!("proof-{number}")).sign()
    };
    for fine in [
        good(),
        key.proof("GET", "https://SHOP.example:443/api/a?x=1#y", &token),
        good().claim("iat", at(-60)),
        good().claim("iat", at(60)),
        good().claim("iat", at(-5) as f64 + 0.5),
        good().nonce("one that nobody asked for"),
    ] {
        assert_eq!(status(&app, with_proof(&token, &unique(fine))).await, StatusCode::OK);
    }
    let private = {
        let mut jwk = key.public_jwk();
        jwk["d"] = "AA".into();
        jwk
    };
    let bad = [
        ("htm", key.proof("POST", ADDRESS, &token)),
        ("htm in other case", key.proof("get", ADDRESS, &token)),
        ("htu, path", key.proof("GET", "https://shop.example/api/b", &token)),
        ("htu, host", key.proof("GET", "https://evil.example/api/a", &token)),
        ("htu, scheme", key.proof("GET", "http://shop.example/api/a", &token)),
        ("htu, no URL", key.proof("GET", "/api/a", &token)),
        (
            "ath of another token",
            key.proof("GET", ADDRESS, &world.token().claim("jti", "x").sign()),
        ),
        ("no ath", good().claim("ath", json!(null))),
        ("another key", other.proof("GET", ADDRESS, &token)),
        ("another key's signature", good().signed_with(&other)),
        ("too old", good().claim("iat", at(-61))),
        ("ahead", good().claim("iat", at(61))),
        ("no iat", good().claim("iat", json!(null))),
        ("typ", good().header("typ", "JWT")),
        ("a private key", good().header("jwk", private)),
        ("a symmetric algorithm", good().header("alg", "HS256")),
        ("none", good().header("alg", "none")),
        (
            "a symmetric key",
            good().header("jwk", json!({"kty": "oct", "k": "AA"})),
        ),
        ("no key", good().header("jwk", json!(null))),
    ];
    for (name, proof) in bad {
        assert_eq!(
            refused(&app, with_proof(&token, &unique(proof))).await,
            Reason::InvalidDpopProof,
            "{name}"
        );
    }
    for id in ["", &"x".repeat(300)] {
        assert_eq!(
            refused(&app, with_proof(&token, &good().jti(id).sign())).await,
            Reason::InvalidDpopProof
        );
    }
    let two = [good().jti("two-1").sign(), good().jti("two-2").sign()];
    let request = ask("GET", "/api/a", &token, &[&two[0], &two[1]]);
    assert_eq!(refused(&app, request).await, Reason::InvalidDpopProof);
    assert_eq!(
        refused(&app, with_proof(&token, "not a proof")).await,
        Reason::InvalidDpopProof
    );
    assert_eq!(
        refused(&app, with_proof(&token, &token)).await,
        Reason::InvalidDpopProof
    );
}

/// The token is valid, so the error must be about the proof.
#[tokio::test]
async fn a_proof_that_is_no_strict_json_is_a_bad_proof_and_no_bad_token() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let good = key.proof("GET", ADDRESS, &token);
    let (header, claims) = (good.header_json(), good.claims_json());
    let twice = claims.replacen('{', "{\"htm\":\"GET\",", 1);
    for claims in ["no JSON", "[]", &twice] {
        let response = send(&app, with_proof(&token, &key.sign_text(&header, claims))).await;
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
        assert_eq!(refusal(response).await.reason, Reason::InvalidDpopProof, "{claims}");
    }
    let same = key.sign_text(&header, &claims);
    assert_eq!(status(&app, with_proof(&token, &same)).await, StatusCode::OK);
}

/// Counts the proofs that it is asked to store.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>, Arc<LocalReplayStore>);

impl ReplayStore for Counting {
    fn record(&self, id: ProofId, now: u64, until: u64) -> ReplayFuture<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.record(id, now, until)
    }
}

#[tokio::test]
async fn calls_that_are_too_many_fill_no_memory_of_proofs_and_replays_use_up_no_rate() {
    let world = World::new().await;
    let memory = Counting::default();
    let gate = world.gate(signed_in()).replay_store(memory.clone());
    let app = wrap(gate.rate_limit(Some("2/s".parse().unwrap())));
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let call = |id: &str| with_proof(&token, &key.proof("GET", ADDRESS, &token).jti(id).sign());
    assert_eq!(status(&app, call("1")).await, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(refused(&app, call("1")).await, Reason::InvalidDpopProof);
    }
    assert_eq!(status(&app, call("2")).await, StatusCode::OK);
    let remembered = memory.0.load(Ordering::Relaxed);
    for number in 3..20 {
        assert_eq!(refused(&app, call(&number.to_string())).await, Reason::RateLimited);
    }
    assert_eq!(memory.0.load(Ordering::Relaxed), remembered);
    // The same proof is accepted once there is room again.
    world.clock.advance(1);
    assert_eq!(status(&app, call("3")).await, StatusCode::OK);
}

/// Otherwise one subject without permissions could fill the replay store, and all other callers would get 503.
#[tokio::test]
async fn calls_that_the_policy_refuses_use_up_the_rate_and_so_fill_no_memory_of_proofs() {
    let world = World::new().await;
    let memory = Counting::default();
    let policies = Policies::new().route("*", "/api/**", Policy::signed_in().scope("admin"));
    let gate = world.gate(policies).replay_store(memory.clone());
    let app = wrap(gate.rate_limit(Some("2/s".parse().unwrap())));
    let key = key();
    let token = |scope: &str| {
        let token = world.token().subject(scope).scope(scope);
        token.bound_to(&key.thumbprint()).sign()
    };
    let (stranger, admin) = (token("look"), token("admin"));
    let call = |token: &str, id: usize| {
        let proof = key.proof("GET", ADDRESS, token).jti(&id.to_string()).sign();
        with_proof(token, &proof)
    };
    for id in 0..2 {
        assert_eq!(refused(&app, call(&stranger, id)).await, Reason::InsufficientScope);
    }
    for id in 2..20 {
        assert_eq!(refused(&app, call(&stranger, id)).await, Reason::RateLimited);
    }
    assert_eq!(memory.0.load(Ordering::Relaxed), 2);
    for id in 20..22 {
        assert_eq!(status(&app, call(&admin, id)).await, StatusCode::OK);
    }
}

/// The same without a rate limit. One key may use half of the replay store, and the next one half of the rest.
#[tokio::test]
async fn a_key_that_floods_is_503_and_other_keys_are_not() {
    let world = World::new().await;
    let app = wrap(
        world
            .gate(signed_in())
            .replay_store(LocalReplayStore::with_capacity(32)),
    );
    let (flooding, other) = (key(), key());
    let call = |key: &TestKey, id: usize| {
        let token = world.token().bound_to(&key.thumbprint()).sign();
        let proof = key.proof("GET", ADDRESS, &token).jti(&id.to_string()).sign();
        with_proof(&token, &proof)
    };
    for id in 0..16 {
        assert_eq!(status(&app, call(&flooding, id)).await, StatusCode::OK, "{id}");
    }
    for id in 16..40 {
        let response = send(&app, call(&flooding, id)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{id}");
        assert!(response.headers().contains_key("retry-after"));
        if id % 8 == 0 {
            assert_eq!(status(&app, call(&other, id)).await, StatusCode::OK, "{id}");
        }
    }
    // Expired proofs make room.
    world.clock.advance(70);
    let token = world.token().bound_to(&flooding.thumbprint()).sign();
    let proof = flooding.proof("GET", ADDRESS, &token).claim("iat", at(70)).sign();
    assert_eq!(status(&app, with_proof(&token, &proof)).await, StatusCode::OK);
}

/// Verification takes longer with a longer key, and the caller chooses the key.
#[tokio::test]
async fn an_rsa_key_of_a_proof_has_4096_bits_at_most() {
    let world = World::new().await;
    let app = wrap(explaining(world.gate(signed_in())));
    let key = key();
    for (bytes, expected) in [(512, "a signature by the key"), (513, "a usable `jwk`")] {
        let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let token = world.token().bound_to(&thumbprint).sign();
        let proof = key.proof("GET", "http://localhost:3000/api/a", &token);
        let proof = proof
            .header("alg", "RS256")
            .header("jwk", json!({"kty": "RSA", "e": "AQAB", "n": n}));
        let detail = refusal(send(&app, with_proof(&token, &proof.sign())).await)
            .await
            .detail
            .unwrap();
        assert!(detail.expected.starts_with(expected), "{bytes}: {detail:?}");
    }
}

#[tokio::test]
async fn a_replayed_proof_is_refused_and_another_key_may_have_the_same_identifier() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let (key, other) = (key(), key());
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key.proof("GET", ADDRESS, &token).sign();
    assert_eq!(status(&app, with_proof(&token, &proof)).await, StatusCode::OK);
    for wait in [0, 30, 30] {
        world.clock.advance(wait);
        assert_eq!(
            refused(&app, with_proof(&token, &proof)).await,
            Reason::InvalidDpopProof
        );
    }
    let others = world.token().bound_to(&other.thumbprint()).sign();
    let same_identifier = other.proof("GET", ADDRESS, &others).sign();
    assert_eq!(
        status(&app, with_proof(&others, &same_identifier)).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_nonce_is_given_and_asked_for() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).dpop_nonce(true));
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = |id: &str| key.proof("GET", ADDRESS, &token).jti(id);

    let response = send(&app, with_proof(&token, &proof("1").sign())).await;
    let nonce = response.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(
        challenge.starts_with("DPoP ") && challenge.contains("error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    assert_eq!(refusal(response).await.reason, Reason::UseDpopNonce);

    // With the gate's nonce, the client's clock does not matter.
    let response = send(
        &app,
        with_proof(&token, &proof("2").nonce(&nonce).claim("iat", at(-600)).sign()),
    )
    .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("dpop-nonce"));
    assert_eq!(
        refused(&app, with_proof(&token, &proof("3").nonce("bm9uY2U").sign())).await,
        Reason::UseDpopNonce
    );
    world.clock.advance(200);
    let stale = send(&app, with_proof(&token, &proof("4").nonce(&nonce).sign())).await;
    assert_ne!(stale.headers()["dpop-nonce"], *nonce);
    assert_eq!(refusal(stale).await.reason, Reason::UseDpopNonce);
}

#[tokio::test]
async fn two_gates_check_one_proof_once() {
    let world = World::new().await;
    // The request passes the same gate twice, with one replay store: a second check would find every proof replayed.
    let memory = Counting::default();
    let gate = world.gate(signed_in()).replay_store(memory.clone()).build().unwrap();
    let app = gate.layer().layer(gate.wrap(crate::world::application()));
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key.proof("GET", ADDRESS, &token).sign();
    assert_eq!(status(&app, with_proof(&token, &proof)).await, StatusCode::OK);
    assert_eq!(memory.0.load(Ordering::Relaxed), 1);
    assert_eq!(
        refused(&app, with_proof(&token, &proof)).await,
        Reason::InvalidDpopProof
    );
}

/// The proof that an earlier gate verified counts only for the token that it verified.
#[tokio::test]
async fn a_token_that_was_exchanged_between_two_gates_needs_a_proof_of_its_own() {
    let world = World::new().await;
    let gate = world.gate(signed_in()).build().unwrap();
    let (key, another) = (key(), key());
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let exchanged = world.token().bound_to(&another.thumbprint()).sign();
    let between = |proof: Option<String>| {
        let exchanged = exchanged.clone();
        let exchange = move |mut request: Request<Body>| {
            let headers = request.headers_mut();
            headers.insert("authorization", format!("DPoP {exchanged}").parse().unwrap());
            if let Some(proof) = &proof {
                headers.insert("dpop", proof.parse().unwrap());
            }
            request
        };
        let inner = tower::util::MapRequest::new(gate.wrap(crate::world::application()), exchange);
        gate.layer().layer(inner)
    };
    let call = |id: &str| with_proof(&token, &key.proof("GET", ADDRESS, &token).jti(id).sign());
    let own = another.proof("GET", ADDRESS, &exchanged).sign();
    assert_eq!(status(&between(Some(own)), call("1")).await, StatusCode::OK);
    assert_eq!(refused(&between(None), call("2")).await, Reason::InvalidDpopProof);
}

/// The replay store is shared and cannot be reached.
struct OutOfReach;

impl ReplayStore for OutOfReach {
    fn record(&self, _: ProofId, _: u64, _: u64) -> ReplayFuture<'_> {
        Box::pin(std::future::ready(ReplayCheck::Unavailable))
    }
}

#[tokio::test]
async fn a_proof_of_which_nothing_can_be_known_is_503() {
    let world = World::new().await;
    let app = wrap(world.gate(signed_in()).replay_store(OutOfReach));
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key.proof("GET", ADDRESS, &token).sign();
    assert_eq!(refused(&app, with_proof(&token, &proof)).await, Reason::KeysUnavailable);
    let unbound = with_token("GET", "/api/a", &world.token().sign());
    assert_eq!(status(&app, unbound).await, StatusCode::OK);
}

#[tokio::test]
async fn failed_proofs_use_up_the_rate_and_asking_for_a_nonce_does_not() {
    let world = World::new().await;
    let (key, other) = (key(), key());
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let rate = || "2/s".parse::<pixygate::gate::Rate>().unwrap();
    let forged = |id: &str| key.proof("GET", ADDRESS, &token).jti(id).signed_with(&other).sign();
    let limited = wrap(world.gate(signed_in()).rate_limit(rate()));
    let elsewhere = key.proof("GET", "https://shop.example/api/b", &token).sign();
    for proof in [forged("1"), elsewhere] {
        assert_eq!(
            refused(&limited, with_proof(&token, &proof)).await,
            Reason::InvalidDpopProof
        );
    }
    let good = key.proof("GET", ADDRESS, &token).jti("2").sign();
    for proof in [&forged("3"), &good] {
        assert_eq!(refused(&limited, with_proof(&token, proof)).await, Reason::RateLimited);
    }
    let with_nonces = wrap(world.gate(signed_in()).rate_limit(rate()).dpop_nonce(true));
    for _ in 0..5 {
        assert_eq!(
            refused(&with_nonces, with_proof(&token, &good)).await,
            Reason::UseDpopNonce
        );
    }
}

/// With one defect, the reason names it. With two, the cheaper check comes first.
#[tokio::test]
async fn everything_is_checked_before_the_signature() {
    let world = World::new().await;
    let app = wrap(explaining(world.gate(signed_in())));
    let address = "http://localhost:3000/api/a";
    let (key, other) = (key(), key());
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let good = || key.proof("GET", address, &token);
    for (proof, expected) in [
        (good(), "a signature"),
        (key.proof("POST", address, &token), "htm"),
        (key.proof("GET", ADDRESS, &token), "htu"),
        (good().claim("ath", "x"), "`ath`"),
        (good().claim("iat", at(-61)), "iat"),
        (good().jti(""), "`jti`"),
    ] {
        let call = with_proof(&token, &proof.signed_with(&other).sign());
        let detail = refusal(send(&app, call).await).await.detail.unwrap();
        assert!(detail.expected.starts_with(expected), "{detail:?}");
    }
    assert_eq!(status(&app, with_proof(&token, &good().sign())).await, StatusCode::OK);
}

#[tokio::test]
async fn a_failed_proof_spends_nothing() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let key = key();
    let token = world.token().bound_to(&key.thumbprint()).sign();
    let proof = key.proof("GET", ADDRESS, &token).sign();
    assert_eq!(
        refused(&app, ask("GET", "/api/b", &token, &[&proof])).await,
        Reason::InvalidDpopProof
    );
    assert_eq!(status(&app, with_proof(&token, &proof)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_certificate_counts_from_a_trusted_proxy_only() {
    let world = World::new().await;
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    let app = wrap(
        world
            .gate(signed_in())
            .trusted_proxies(proxies)
            .certificate_header(Some("Client-Cert".into())),
    );
    let certificate = b"a certificate in DER".as_slice();
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate));
    let token = world.token().claim("cnf", json!({"x5t#S256": thumbprint})).sign();
    let ask = |peer: &str, header: Option<String>| {
        let mut request = request("GET", "/api/a").header("authorization", format!("Bearer {token}"));
        if let Some(header) = header {
            request = request.header("client-cert", header);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request
            .extensions_mut()
            .insert(ConnectInfo(format!("{peer}:4711").parse::<SocketAddr>().unwrap()));
        request
    };
    let base64 = STANDARD.encode(certificate);
    let pem = format!(
        "-----BEGIN%20CERTIFICATE-----%0A{}%0A-----END%20CERTIFICATE-----%0A",
        base64.replace('=', "%3D")
    );
    for header in [format!(":{base64}:"), base64.clone(), pem.clone()] {
        assert_eq!(status(&app, ask("10.1.2.3", Some(header))).await, StatusCode::OK);
    }
    // The address of a proxy, if the server listens on IPv6 and IPv4.
    let mapped = ask("[::ffff:10.1.2.3]", Some(base64.clone()));
    assert_eq!(status(&app, mapped).await, StatusCode::OK);
    // Two certificates; and one from an untrusted address.
    let mut two = ask("10.1.2.3", Some(base64.clone()));
    two.headers_mut().append("client-cert", base64.parse().unwrap());
    let mut unknown = ask("10.1.2.3", Some(base64.clone()));
    unknown.extensions_mut().clear();
    for request in [two, unknown] {
        assert_eq!(refused(&app, request).await, Reason::CertificateMismatch);
    }
    let other = format!(":{}:", STANDARD.encode("another"));
    for (peer, header) in [
        ("192.0.2.1", Some(format!(":{base64}:"))),
        ("10.1.2.3", None),
        ("10.1.2.3", Some(other)),
        ("10.1.2.3", Some("x y".into())),
        ("10.1.2.3", Some(pem.replace("CERTIFICATE", "PUBLIC%20KEY"))),
    ] {
        assert_eq!(refused(&app, ask(peer, header)).await, Reason::CertificateMismatch);
    }
    assert_eq!(world.validate(&token).await, Err(Reason::CertificateMismatch));
}
