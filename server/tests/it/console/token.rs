//! A token, explained: the caller's own, and one that is pasted.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http::StatusCode;
use http::header::AUTHORIZATION;
use pixygate::jwt::Algorithm;
use pixygate::test_support::{TestIssuer, TestKey};
use serde_json::{Value, json};

use super::{Log, get, post, token_of, without_token};
use crate::house::{self, House, request};

const ACME: &str = "https://api.asgardeo.io/t/acme";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn check<'a>(inspection: &'a Value, name: &str) -> &'a str {
    verdict_of(&inspection["checks"], name)
}

fn verdict_of<'a>(checks: &'a Value, name: &str) -> &'a str {
    let checks = checks.as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {checks:?}"))["verdict"]
        .as_str()
        .unwrap()
}

fn member<'a>(members: &'a Value, name: &str) -> &'a Value {
    let members = members.as_array().unwrap();
    members.iter().find(|member| member["name"] == name).unwrap()
}

fn route<'a>(inspection: &'a Value, methods: &str, path: &str) -> &'a Value {
    let routes = inspection["routes"].as_array().unwrap();
    let found = routes
        .iter()
        .find(|route| route["path"] == path && route["methods"] == methods);
    found.unwrap_or_else(|| panic!("{methods} {path} in {routes:?}"))
}

/// Pastes a token.
async fn diagnose(house: &House, caller: &str, token: &str) -> Value {
    let (status, inspection) = post(house, "/api/diagnose", caller, &[("token", token)]).await;
    assert_eq!(status, StatusCode::OK, "{inspection}");
    inspection
}

async fn ask(house: &House, caller: &str, token: &str, method: &str, path: &str) -> Value {
    let form = [("token", token), ("method", method), ("path", path)];
    let (status, inspection) = post(house, "/api/diagnose", caller, &form).await;
    assert_eq!(status, StatusCode::OK, "{inspection}");
    inspection["call"].clone()
}

#[tokio::test]
async fn a_user_sees_their_own_token_as_the_gate_sees_it() {
    let (log, _guard) = Log::record();
    let house = House::start().await;
    let token = token_of(&house, "alice", "openid profile").await;
    let (status, inspection) = get(&house, "/api/token", &token).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&inspection["kind"], &inspection["verdict"]),
        (&json!("access_token"), &json!({ "outcome": "accepted" }))
    );
    assert_eq!(inspection["bytes"], token.len());
    let checks = inspection["checks"].as_array().unwrap();
    assert!(
        checks.len() == 14 && checks.iter().all(|check| check["verdict"] == "passed"),
        "{checks:?}"
    );
    let issuer = &house.started.announcement.provider;
    assert_eq!(member(&inspection["payload"], "iss")["value"], format!("\"{issuer}\""));
    let expires = member(&inspection["payload"], "exp");
    assert!(expires["at"].as_u64().unwrap() > now(), "{expires}");
    assert_eq!(expires["meaning"], "the end of its validity");
    assert!(member(&inspection["payload"], "aud").get("at").is_none());
    assert_eq!(member(&inspection["header"], "alg")["value"], "\"RS256\"");
    assert_eq!(route(&inspection, "GET", "/api/whoami")["status"], 200);
    assert_eq!(route(&inspection, "GET", "/api/profile")["status"], 200);
    for absent in ["finding", "sender_constraint", "call"] {
        assert!(inspection.get(absent).is_none(), "{absent} in {inspection}");
    }

    let less = token_of(&house, "alice", "openid").await;
    let (_, inspection) = get(&house, "/api/token", &less).await;
    let profile = route(&inspection, "GET", "/api/profile");
    assert_eq!(
        (&profile["status"], &profile["reason"]),
        (&json!(403), &json!("insufficient_scope"))
    );
    assert!(profile["missing"].as_str().unwrap().contains("profile"), "{profile}");
    for token in [&token, &less] {
        without_token(&inspection.to_string(), token);
        without_token(&log.text(), token);
    }
    assert_eq!(house.get("/api/token").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_shown_with_its_proof() {
    let house = House::start().await;
    let key = TestKey::generate(Algorithm::ES256, "dpop");
    let wanted = json!({ "username": "alice", "client_id": "pixygate", "dpop_jkt": key.thumbprint() });
    let tokens = house.control("tokens?tenant=demo", wanted).await;
    let token = tokens["access_token"].as_str().unwrap();
    let proof = key
        .proof("GET", "http://localhost:3000/api/token", token)
        .claim("iat", now())
        .sign();
    let call = request("/api/token")
        .header(AUTHORIZATION, format!("DPoP {token}"))
        .header("dpop", proof);
    let response = house.send(call.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let own = house::json(response).await;
    assert_eq!(own["verdict"]["outcome"], "accepted_with_proof");
    let bound = json!({ "kind": "dpop", "thumbprint": key.thumbprint(), "proven": true });
    assert_eq!(own["sender_constraint"], bound);
    assert_eq!(route(&own, "GET", "/api/whoami")["status"], 200);

    // Pasted, it is the same token without the proof.
    let caller = token_of(&house, "bob", "openid").await;
    let pasted = diagnose(&house, &caller, token).await;
    assert_eq!(pasted["verdict"]["outcome"], "accepted_with_proof");
    assert_eq!(pasted["sender_constraint"]["proven"], false);
    assert_eq!(ask(&house, &caller, token, "GET", "/api/whoami").await["passes"], true);
}

/// A node that trusts the provider and, as a team would write it by mistake, the base URL of an Asgardeo organisation.
async fn node_with_the_conflict(house: &House, issuer: &TestIssuer) -> House {
    let provider = &house.started.announcement.provider;
    let jwks = issuer.jwks();
    house
        .node(&format!(
            "[[trust]]\nissuer = \"{provider}\"\naudience = [\"pixygate\"]\n\
             [[trust]]\nissuer = \"{ACME}\"\naudience = [\"orders\"]\njwks = '{jwks}'\n"
        ))
        .await
}

#[tokio::test]
async fn each_fault_of_a_pasted_token_has_its_finding() {
    let (log, _guard) = Log::record();
    let provider = House::start().await;
    let acme = TestIssuer::new(format!("{ACME}/oauth2/token"), [Algorithm::ES256]);
    let house = node_with_the_conflict(&provider, &acme).await;
    let caller = token_of(&provider, "alice", "openid").await;
    let issued = || {
        let token = acme.token().audience("orders");
        token.claim("iat", now()).claim("exp", now() + 300).without("nbf")
    };
    let conflict = issued().sign();
    let good = issued().claim("iss", ACME).sign();
    let expired = issued().claim("iss", ACME).claim("exp", now() - 300).sign();
    let id_token = provider.tokens("demo").await["id_token"].as_str().unwrap().to_owned();
    let opaque = "2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zCsicMWpAA".to_owned();
    let expected = [
        (&conflict, "access_token", "issuer", "issuer_not_trusted", "PXG206"),
        (&expired, "access_token", "time", "expired", "PXG208"),
        (&id_token, "id_token", "kind", "wrong_token_type", "PXG210"),
        (&opaque, "opaque", "form", "malformed_token", "PXG201"),
    ];
    for (token, kind, failed, reason, code) in expected {
        let inspection = diagnose(&house, &caller, token).await;
        assert_eq!(inspection["kind"], kind, "{inspection}");
        assert_eq!(
            inspection["verdict"],
            json!({ "outcome": "rejected", "reason": reason }),
            "{inspection}"
        );
        assert_eq!(check(&inspection, failed), "failed", "{inspection}");
        let finding = &inspection["finding"];
        assert_eq!(
            (&finding["code"], &finding["page"]),
            (&json!(code), &json!(format!("/findings/{code}")))
        );
        assert!(
            finding["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{finding}"
        );
        assert_eq!(inspection["routes"], json!([]));
        without_token(&inspection.to_string(), token);
        without_token(&log.text(), token);
    }
    let conflict = diagnose(&house, &caller, &conflict).await;
    let finding = &conflict["finding"];
    let text = |name: &str| finding[name].as_str().unwrap();
    assert!(text("expected").contains(ACME), "{finding}");
    assert!(text("found").contains("/oauth2/token"), "{finding}");
    assert!(text("hint").contains("aliases"), "{finding}");
    assert_eq!(
        (check(&conflict, "header"), check(&conflict, "signature")),
        ("passed", "not_made")
    );

    // The same with the issuer as the trust has it.
    let accepted = diagnose(&house, &caller, &format!("Authorization: Bearer {good}\n")).await;
    assert_eq!(accepted["verdict"]["outcome"], "accepted", "{accepted}");
    assert!(
        accepted["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["verdict"] == "passed")
    );
    without_token(&accepted.to_string(), &good);
    without_token(&log.text(), &good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_told_from_one_that_is_not() {
    let house = House::start().await;
    let (alice, other) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "bob", "openid").await,
    );
    assert_eq!(diagnose(&house, &other, &alice).await["verdict"]["outcome"], "accepted");
    let (status, _) = post(&house, "/api/sessions/end", &alice, &[]).await;
    assert_eq!(status, StatusCode::OK);
    let inspection = diagnose(&house, &other, &alice).await;
    assert_eq!(inspection["verdict"]["reason"], "revoked", "{inspection}");
    assert_eq!(
        (check(&inspection, "binding"), check(&inspection, "revocation")),
        ("passed", "failed")
    );
    assert_eq!(inspection["finding"]["code"], "PXG213");
    assert_eq!(get(&house, "/api/token", &other).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn would_this_call_pass() {
    let house = House::with(
        "[[upstream]]\nname = \"orders\"\ntarget = \"http://127.0.0.1:9\"\n\
         [[upstream.route]]\nmethods = [\"GET\"]\npath = \"/list/**\"\nscopes = [\"orders:read\"]\n\
         [[upstream.route]]\nmethods = [\"POST\"]\npath = \"/list\"\nscopes = [\"orders:write\"]\nroles = [\"admins\"]\n\
         [[upstream.route]]\npath = \"/open\"\npublic = true\n\
         [[upstream.route]]\npath = \"/bound\"\ndpop = true\n",
    )
    .await;
    let alice = token_of(&house, "alice", "openid orders:read").await;
    let verdicts = |call: &Value| -> String {
        let checks = call["checks"].as_array().unwrap();
        let letter = |check: &Value| check["verdict"].as_str().unwrap().chars().next().unwrap();
        checks.iter().map(letter).collect()
    };
    // request route token proof scopes roles authentication claims: passed, failed, not made.
    for (method, path, expected, reason) in [
        ("GET", "/gw/orders/list/7", "pppppppp", None),
        ("POST", "/gw/orders/list", "ppppfnnn", Some("insufficient_scope")),
        ("GET", "/gw/orders/open", "ppnnnnnn", None),
        ("GET", "/gw/orders/bound", "pppfnnnn", Some("dpop_required")),
        ("GET", "/api/nothing", "pfnnnnnn", Some("route_not_found")),
        ("DELETE", "/gw/orders/list/7", "pfnnnnnn", Some("method_not_allowed")),
        ("GET", "/gw/orders/%2e%2e/list", "fnnnnnnn", Some("invalid_request")),
        ("get", "/gw/orders/list/7", "fnnnnnnn", Some("invalid_request")),
        ("GET", "gw/orders", "fnnnnnnn", Some("invalid_request")),
        ("GET", "/gw/orders/list?all=1", "fnnnnnnn", Some("invalid_request")),
        ("GET", "/account", "ppnnnnnn", None),
    ] {
        let call = ask(&house, &alice, &alice, method, path).await;
        assert_eq!(verdicts(&call), expected, "{method} {path}: {call}");
        assert_eq!(call["passes"], reason.is_none(), "{method} {path}: {call}");
        assert_eq!(call["reason"].as_str(), reason, "{method} {path}: {call}");
        let has_finding = call.get("finding").is_some_and(|finding| finding["found"] != "");
        assert_eq!(has_finding, reason.is_some(), "{method} {path}: {call}");
    }
    let denied = ask(&house, &alice, &alice, "POST", "/gw/orders/list").await;
    assert_eq!(
        (&denied["service"], &denied["route"]),
        (&json!("orders"), &json!("/gw/orders/list"))
    );
    let required = denied["requirements"].as_array().unwrap();
    let shown: Vec<_> = required
        .iter()
        .map(|one| (one["text"].as_str().unwrap(), one["met"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            ("signed in", true),
            ("scope orders:write", false),
            ("role admins", false)
        ]
    );

    // A token that is rejected passes where none is needed, and nowhere else.
    let broken = "a.b.c";
    assert_eq!(
        ask(&house, &alice, broken, "GET", "/gw/orders/open").await["passes"],
        true
    );
    let rejected = ask(&house, &alice, broken, "GET", "/gw/orders/list/7").await;
    assert_eq!(
        (verdict_of(&rejected["checks"], "token"), &rejected["status"]),
        ("failed", &json!(401))
    );
    assert_eq!(rejected["requirements"][0]["met"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_an_error() {
    // As in production: the gate does not explain.
    let house = House::with("[gate]\nexplain = false\n").await;
    let alice = token_of(&house, "alice", "openid").await;
    let long = "a".repeat(app::api::MAX_TOKEN_BYTES);
    let longer = format!("{long}a");
    for (form, expected) in [
        (vec![("token", long.as_str())], None),
        (
            vec![("token", longer.as_str())],
            Some("Expected a token of at most 65536 bytes, found a text of 65537 bytes"),
        ),
        (vec![("token", " ")], Some("Expected a token, found an empty text")),
        (
            vec![("token", "a.b.c"), ("method", "GET")],
            Some("Expected a path beside the method, found a method alone"),
        ),
        (vec![("token", "a.b.c"), ("method", ""), ("path", "")], None),
        (vec![("token", "a.b.c"), ("path", "/api/whoami")], None),
    ] {
        let (status, answer) = post(&house, "/api/diagnose", &alice, &form).await;
        match expected {
            None => assert_eq!(status, StatusCode::OK, "{answer}"),
            Some(failure) => assert_eq!(
                (status, &answer),
                (StatusCode::BAD_REQUEST, &json!({ "failure": failure }))
            ),
        }
    }
    let inspection = diagnose(&house, &alice, &long).await;
    assert_eq!(
        (check(&inspection, "size"), &inspection["finding"]["code"]),
        ("failed", &json!("PXG202"))
    );
    let anonymous = request("/api/diagnose")
        .method("POST")
        .body(Body::from("token=a"))
        .unwrap();
    assert_eq!(house.send(anonymous).await.status(), StatusCode::UNAUTHORIZED);
}
