//! Provider metadata: the issuer must match exactly, used members are checked, and all others are ignored.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pixygate::authorization::Client;
use pixygate::discovery::{
    BrowserEndpoints, DiscoveryError, DocumentStore, Metadata, SignInConfig, SignInConfigBuilder, SignInConfigError,
    StoredDocument,
};
use pixygate::jwt::{Fetch, FetchError, FetchFuture, FetchRequest, Trust, Validator};
use pixygate::test_support::mutations::{METADATA, lines, mutations};
use pixygate::test_support::profiles::{Values, profiles};
use pixygate::test_support::{Documents, TestIssuer};
use serde_json::{Value, json};

use crate::log::Log;

const BASE: &str = "https://api.asgardeo.io/t/acme";
const ISSUER: &str = "https://api.asgardeo.io/t/acme/oauth2/token";
const JWKS: &str = "https://api.asgardeo.io/t/acme/oauth2/jwks";

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{BASE}/oauth2/authorize"),
        "token_endpoint": ISSUER,
        "jwks_uri": JWKS,
        "end_session_endpoint": format!("{BASE}/oidc/logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "something-new"],
        "code_challenge_methods_supported": ["S256", "plain"],
    })
}

fn well_known(issuer: &str) -> String {
    format!("{issuer}/.well-known/openid-configuration")
}

fn keys() -> Value {
    json!({ "keys": [{ "kty": "RSA", "kid": "1", "n": "x", "e": "AQAB" }, { "kty": 5 }, { "kty": "RSA", "use": "enc" }] })
}

fn asgardeo(metadata: &Value) -> Documents {
    let network = Documents::default();
    network.put(well_known(ISSUER), metadata);
    network.put(JWKS, &keys());
    network
}

fn at(issuer: &str, network: &Documents) -> SignInConfigBuilder {
    SignInConfig::builder(issuer, "abc", "https://app.example").fetch(network.clone())
}

async fn client(builder: SignInConfigBuilder) -> Result<Client, SignInConfigError> {
    Ok(builder.discover().await?.client().expect("the provider answers"))
}

/// Returns the client of a provider with this metadata.
async fn client_of(metadata: &Value) -> Result<Client, SignInConfigError> {
    client(at(ISSUER, &asgardeo(metadata))).await
}

#[tokio::test]
async fn a_page_gets_what_the_browser_needs() {
    let network = asgardeo(&metadata());
    let builder = at(ISSUER, &network).call_origin("https://orders.example");
    let sign_in = builder.discover().await.unwrap();
    let page = sign_in.page();
    let client = page.client.as_ref().unwrap();
    assert_eq!(client.redirect_uri, "https://app.example/callback");
    assert_eq!(client.post_logout_redirect_uri, "https://app.example/");
    assert_eq!(client.scopes, ["openid", "profile", "email"]);
    assert_eq!(client.provider.issuer, ISSUER);
    assert_eq!(client.provider.token_endpoint, ISSUER);
    assert_eq!(
        client.provider.end_session_endpoint.as_deref(),
        Some("https://api.asgardeo.io/t/acme/oidc/logout")
    );
    assert_eq!(
        client.provider.id_token_signing_alg_values_supported,
        ["RS256", "something-new"]
    );
    // One key cannot be parsed, one is for encryption.
    assert_eq!(client.keys.len(), 1);
    assert_eq!(client.keys[0].kid.as_deref(), Some("1"));
    let connect: Vec<_> = page.connect_origins.iter().collect();
    assert_eq!(connect, ["https://api.asgardeo.io", "https://orders.example"]);
    let form: Vec<_> = page.form_origins.iter().collect();
    assert_eq!(form, ["https://api.asgardeo.io"]);
    assert_eq!(page.outage, None);
}

/// The metadata of real providers, with the settings that each needs.
#[tokio::test]
async fn the_metadata_and_keys_of_every_profile_are_understood() {
    let values = Values::new("https://idp.example", 0.0).with("kid", "key-1");
    for profile in profiles() {
        let name = profile.name();
        let issuer = profile.text("issuer", &values);
        let values = values.clone().with("issuer", issuer.as_str());
        let metadata = profile.part("metadata", &values).unwrap();
        let key = match profile.text("algorithm", &values).as_str() {
            "EdDSA" => json!({ "kty": "OKP", "crv": "Ed25519", "x": "x" }),
            _ => json!({ "kty": "RSA", "n": "x", "e": "AQAB" }),
        };
        let mut keys = profile.part("keys", &values).unwrap();
        for shape in keys.as_array_mut().unwrap() {
            let mut complete = key.as_object().unwrap().clone();
            complete.append(shape.as_object_mut().unwrap());
            *shape = complete.into();
        }
        let place = match profile.text("metadata_url", &values) {
            given if !given.is_empty() => given,
            _ => well_known(issuer.trim_end_matches('/')),
        };
        let network = Documents::default();
        network.put(place, &metadata);
        network.put(metadata["jwks_uri"].as_str().unwrap(), &json!({ "keys": keys }));
        let mut trust = profile.part("trust", &values).unwrap();
        trust["issuer"] = issuer.as_str().into();
        let trust: Trust = serde_json::from_value(trust).unwrap();
        let client = client(at(&issuer, &network).trust(trust)).await;
        let client = client.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(client.provider.issuer, issuer, "{name}");
        let endpoint = metadata["authorization_endpoint"].as_str();
        assert_eq!(
            endpoint,
            Some(client.provider.authorization_endpoint.as_str()),
            "{name}"
        );
        let endpoint = metadata["token_endpoint"].as_str();
        assert_eq!(endpoint, Some(client.provider.token_endpoint.as_str()), "{name}");
        assert!(
            client.keys.iter().any(|key| key.kid.as_deref() == Some("key-1")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_base_url_in_place_of_the_issuer_is_an_error_with_both() {
    // Nothing at the base URL; and, as at the other discovery path of WSO2's products, metadata with the other issuer.
    let silent = asgardeo(&metadata());
    let telling = asgardeo(&metadata());
    telling.put(well_known(BASE), &metadata());
    for network in [silent, telling] {
        let error = client(at(BASE, &network)).await.unwrap_err();
        let SignInConfigError::Discovery(DiscoveryError::Issuer { expected, found, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!((expected.as_str(), found.as_str()), (BASE, ISSUER));
        // The gate's keys are found in the same way.
        let trust = Trust::new(BASE).audience("orders");
        let validator = Validator::builder([trust]).fetch(network).build().unwrap();
        let errors = validator.load().await.unwrap_err();
        let message = errors.configuration().expect("a setting is wrong").to_string();
        assert!(message.contains(&format!("issuer = \"{ISSUER}\"")), "{message}");
    }
}

#[tokio::test]
async fn almost_the_same_issuer_is_another_one() {
    for (configured, told) in [
        ("https://idp.example", "https://idp.example/"),
        ("https://idp.example/", "https://idp.example"),
        ("https://idp.example", "https://IDP.example"),
        ("https://idp.example", "https://idp.example:443"),
    ] {
        let mut metadata = metadata();
        metadata["issuer"] = told.into();
        let network = asgardeo(&metadata);
        network.put(well_known("https://idp.example"), &metadata);
        let error = client(at(configured, &network)).await.unwrap_err();
        let SignInConfigError::Discovery(DiscoveryError::Issuer { found, .. }) = &error else {
            panic!("{configured}: {error:?}")
        };
        assert_eq!(found, told);
        // Unchanged, it is accepted.
        client(at(told, &network))
            .await
            .unwrap_or_else(|error| panic!("{told}: {error}"));
    }
}

#[tokio::test]
async fn a_location_is_not_an_identity() {
    let elsewhere = "https://api.asgardeo.io/t/acme/oauth2/oidcdiscovery/.well-known/openid-configuration";
    let network = asgardeo(&Value::Null);
    network.put(elsewhere, &metadata());
    let located = |issuer: &str| {
        let mut trust = Trust::new(issuer);
        trust.discovery_url = elsewhere.to_owned();
        client(at(issuer, &network).trust(trust))
    };
    assert!(located(ISSUER).await.is_ok());
    let error = located(BASE).await.unwrap_err();
    assert!(matches!(
        error,
        SignInConfigError::Discovery(DiscoveryError::Issuer { .. })
    ));
}

/// 13 of these prevented the start when another crate's type parsed the metadata.
#[tokio::test]
async fn a_member_that_is_not_needed_never_decides() {
    let good = client_of(&metadata()).await.unwrap();
    for (member, value) in [
        ("op_policy_uri", json!("")),
        ("op_tos_uri", json!("")),
        ("service_documentation", json!("")),
        ("service_documentation", json!(["a", 5])),
        ("registration_endpoint", json!("")),
        ("userinfo_endpoint", json!("")),
        ("userinfo_endpoint", json!("/relative")),
        ("revocation_endpoint", json!("")),
        ("revocation_endpoint", json!(0)),
        ("pushed_authorization_request_endpoint", json!({})),
        ("require_pushed_authorization_requests", json!("false")),
        ("authorization_response_iss_parameter_supported", json!(null)),
        ("claims_parameter_supported", json!("true")),
        ("scopes_supported", json!("openid profile")),
        ("scopes_supported", json!(null)),
        ("claims_supported", json!("sub")),
        ("subject_types_supported", json!(null)),
        ("response_types_supported", json!(null)),
        ("response_types_supported", json!("code")),
        ("grant_types_supported", json!({})),
        ("id_token_signing_alg_values_supported", json!("RS256 something-new")),
        ("dpop_signing_alg_values_supported", json!("")),
        ("code_challenge_methods_supported", json!(null)),
        ("code_challenge_methods_supported", json!([])),
        ("code_challenge_methods_supported", json!("S256")),
        ("token_endpoint", json!([ISSUER])),
        ("ui_locales_supported", json!(17)),
    ] {
        let mut odd = metadata();
        odd[member] = value.clone();
        let client = client_of(&odd).await;
        assert_eq!(client.as_ref(), Ok(&good), "{member}: {value}");
    }
    let mut few = metadata();
    for member in ["subject_types_supported", "response_types_supported"] {
        few.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(client_of(&few).await, Ok(good.clone()));
    let network = asgardeo(&Value::Null);
    network.put_bytes(well_known(ISSUER), format!("\u{feff}{}", metadata()));
    assert_eq!(client(at(ISSUER, &network)).await, Ok(good));
}

#[tokio::test]
async fn a_member_that_is_needed_and_wrong_is_named_with_its_value() {
    for (member, value, shown) in [
        ("code_challenge_methods_supported", json!(["plain"]), "plain"),
        ("code_challenge_methods_supported", json!("plain"), "plain"),
        (
            "token_endpoint",
            json!("http://api.asgardeo.io/token"),
            "http://api.asgardeo.io/token",
        ),
        (
            "token_endpoint",
            json!("http://127.0.0.1/token"),
            "http://127.0.0.1/token",
        ),
        ("token_endpoint", Value::Null, "null"),
        ("token_endpoint", json!(""), "\"\""),
        ("token_endpoint", json!(5), "5"),
        ("token_endpoint", json!({ "a": 1 }), "a"),
        (
            "authorization_endpoint",
            json!("/oauth2/authorize"),
            "/oauth2/authorize",
        ),
        (
            "authorization_endpoint",
            json!("http://api.asgardeo.io/a"),
            "http://api.asgardeo.io/a",
        ),
        ("authorization_endpoint", json!("a\u{1b}[31m"), r"a\u{1b}[31m"),
        (
            "end_session_endpoint",
            json!("javascript:alert(1)"),
            "javascript:alert(1)",
        ),
        (
            "jwks_uri",
            json!("http://api.asgardeo.io/jwks"),
            "http://api.asgardeo.io/jwks",
        ),
        ("issuer", json!([ISSUER]), ISSUER),
    ] {
        let mut metadata = metadata();
        metadata[member] = value;
        let error = client_of(&metadata).await.unwrap_err();
        assert!(
            matches!(&error, SignInConfigError::Discovery(DiscoveryError::Member { .. })),
            "{member}: {error:?}"
        );
        let message = error.to_string();
        assert!(message.contains(member) && message.contains(shown), "{message}");
    }
    let mut pushed = metadata();
    pushed["require_pushed_authorization_requests"] = true.into();
    let message = client_of(&pushed).await.unwrap_err().to_string();
    assert!(message.contains("pushed_authorization_request_endpoint"), "{message}");
    pushed["pushed_authorization_request_endpoint"] = format!("{BASE}/oauth2/par").into();
    assert!(
        client_of(&pushed)
            .await
            .unwrap()
            .provider
            .require_pushed_authorization_requests
    );
}

/// A document with every member that is used, and others that are common.
fn complete_metadata() -> Value {
    let endpoint = |path: &str| json!(format!("{BASE}/oauth2/{path}"));
    let mut complete = metadata();
    for (member, value) in [
        ("revocation_endpoint", endpoint("revoke")),
        ("pushed_authorization_request_endpoint", endpoint("par")),
        ("require_pushed_authorization_requests", json!(false)),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("dpop_signing_alg_values_supported", json!(["ES256"])),
        ("scopes_supported", json!(["openid", "offline_access"])),
        ("userinfo_endpoint", endpoint("userinfo")),
        ("introspection_endpoint", endpoint("introspect")),
        ("registration_endpoint", endpoint("register")),
        ("op_policy_uri", json!("https://idp.example/policy")),
        ("op_tos_uri", json!("https://idp.example/terms")),
        ("service_documentation", json!("https://idp.example/docs")),
        ("claims_parameter_supported", json!(true)),
        ("claims_supported", json!(["sub", "name"])),
        ("grant_types_supported", json!(["authorization_code"])),
        ("token_endpoint_auth_methods_supported", json!(["none"])),
        ("ui_locales_supported", json!(["en"])),
        (
            "mtls_endpoint_aliases",
            json!({ "token_endpoint": "https://mtls.idp.example/token" }),
        ),
    ] {
        complete[member] = value;
    }
    complete
}

#[tokio::test(start_paused = true)]
async fn every_member_in_every_form_has_its_outcome() {
    let keys = TestIssuer::new(ISSUER, [pixygate::jwt::Algorithm::ES256]).jwks();
    let mut differences = Vec::new();
    for mutation in mutations(&complete_metadata(), METADATA) {
        let network = asgardeo(&mutation.document);
        network.put(JWKS, &keys);
        let sign_in = match at(ISSUER, &network).discover().await {
            Ok(sign_in) => match sign_in.client() {
                Some(client) => {
                    let provider = &client.provider;
                    let used = [
                        &provider.authorization_endpoint,
                        &provider.token_endpoint,
                        &provider.jwks_uri,
                    ];
                    assert_eq!(used, [&format!("{BASE}/oauth2/authorize"), ISSUER, JWKS], "{mutation}");
                    "ok"
                }
                None => "outage",
            },
            Err(SignInConfigError::Discovery(DiscoveryError::Member { member, .. })) => member,
            Err(SignInConfigError::Discovery(DiscoveryError::Issuer { .. })) => "issuer",
            Err(error) => panic!("{mutation}: {error}"),
        };
        let validator = Validator::builder([Trust::new(ISSUER).audience("orders")]).fetch(network);
        let gate = validator.build().unwrap().load().await.is_ok();
        let expected = mutation.expected == "ok" || !matches!(mutation.member.as_str(), "issuer" | "jwks_uri");
        if sign_in != mutation.expected || gate != expected {
            differences.push(format!(
                "{mutation}: expected {}, found {sign_in}, at the gate {gate}",
                mutation.expected
            ));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_member_has_its_line() {
    let members: Vec<_> = lines(METADATA).into_iter().map(|(member, _)| member).collect();
    for name in complete_metadata().as_object().unwrap().keys() {
        assert!(members.contains(name), "{name}");
    }
}

#[test]
fn the_documentation_of_http_holds_for_metadata_from_there_only() {
    let read = |location: &str| {
        let document =
            json!({ "issuer": "http://localhost:3001", "jwks_uri": "http://127.0.0.1:3001/jwks" }).to_string();
        let metadata = Metadata::read(document.as_bytes(), "http://localhost:3001", &location.parse().unwrap());
        metadata.unwrap().required_url("jwks_uri")
    };
    assert!(read("http://localhost:3001/.well-known/openid-configuration").is_ok());
    assert!(read("https://idp.example/.well-known/openid-configuration").is_err());
}

#[tokio::test]
async fn settings_are_checked_before_anything_is_fetched() {
    let network = asgardeo(&metadata());
    let with =
        |client_id: &str, public_url: &str| SignInConfig::builder(ISSUER, client_id, public_url).fetch(network.clone());
    for public_url in [
        "http://app.example",
        "https://app.example/app",
        "https://app.example/?a",
        "https://u@app.example",
        "app",
    ] {
        let error = client(with("abc", public_url)).await.unwrap_err();
        assert_eq!(error, SignInConfigError::PublicUrl(public_url.to_owned()));
    }
    assert_eq!(
        client(with("", "https://app.example")).await.unwrap_err(),
        SignInConfigError::ClientId
    );
    for scopes in [&["profile"][..], &["openid profile"], &["openid", ""]] {
        let error = client(at(ISSUER, &network).scopes(scopes.iter().copied()))
            .await
            .unwrap_err();
        assert!(matches!(error, SignInConfigError::Scopes(_)), "{scopes:?}");
    }
    assert_eq!(network.asked_in_all(), 0);
    for public_url in [
        "https://app.example",
        "https://app.example/",
        "http://localhost:3000",
        "http://[::1]:3000",
    ] {
        client(with("abc", public_url))
            .await
            .unwrap_or_else(|error| panic!("{public_url}: {error}"));
    }
}

#[tokio::test]
async fn offline_access_is_asked_for_where_the_provider_lists_it() {
    let mut listed = metadata();
    listed["scopes_supported"] = json!(["openid", "offline_access"]);
    let network = asgardeo(&listed);
    let scopes = async |builder| client(builder).await.unwrap().scopes;
    let asked = ["openid", "profile", "email", "offline_access"];
    assert_eq!(scopes(at(ISSUER, &network)).await, asked);
    assert_eq!(scopes(at(ISSUER, &network).scopes(asked)).await, asked, "once");
    assert_eq!(scopes(at(ISSUER, &network).offline_access(false)).await, asked[..3]);
}

#[tokio::test]
async fn rfc_8414_metadata_have_the_revocation_endpoint_that_the_others_lack() {
    let network = asgardeo(&metadata());
    let oauth = "https://api.asgardeo.io/.well-known/oauth-authorization-server/t/acme/oauth2/token";
    let revocation = json!({ "issuer": ISSUER, "revocation_endpoint": format!("{BASE}/oauth2/revoke") });
    network.put(oauth, &revocation);
    let found = client(at(ISSUER, &network)).await.unwrap().provider.revocation_endpoint;
    assert_eq!(found.as_deref(), revocation["revocation_endpoint"].as_str());
    // Those of another issuer are ignored, and the first document takes precedence.
    network.put(
        oauth,
        &json!({ "issuer": BASE, "revocation_endpoint": "https://evil.example/revoke" }),
    );
    assert_eq!(
        client(at(ISSUER, &network)).await.unwrap().provider.revocation_endpoint,
        None
    );
    let mut complete = metadata();
    complete["revocation_endpoint"] = "https://api.asgardeo.io/revoke".into();
    network.put(well_known(ISSUER), &complete);
    network.put(oauth, &revocation);
    let found = client(at(ISSUER, &network)).await.unwrap().provider.revocation_endpoint;
    assert_eq!(found.as_deref(), Some("https://api.asgardeo.io/revoke"));
}

#[tokio::test]
async fn the_browser_may_reach_the_provider_by_another_name() {
    let inner = "http://keycloak.localhost:8080/realms/x";
    let document = json!({
        "issuer": "http://localhost:8080/realms/x",
        "authorization_endpoint": format!("{inner}/auth"),
        "token_endpoint": format!("{inner}/token"),
        "jwks_uri": format!("{inner}/certs"),
        "end_session_endpoint": format!("{inner}/logout?a=b"),
    });
    let network = Documents::default();
    network.put(well_known("http://localhost:8080/realms/x"), &document);
    network.put(format!("{inner}/certs"), &keys());
    let outer = BrowserEndpoints {
        token: Some("https://login.example/token".to_owned()),
        from: Some("http://keycloak.localhost:8080/".to_owned()),
        to: Some("https://id.example".to_owned()),
        ..BrowserEndpoints::default()
    };
    let builder = at("http://localhost:8080/realms/x", &network).browser_endpoints(outer);
    let client = client(builder).await.unwrap();
    let provider = &client.provider;
    assert_eq!(provider.authorization_endpoint, "https://id.example/realms/x/auth");
    assert_eq!(provider.token_endpoint, "https://login.example/token");
    assert_eq!(
        provider.end_session_endpoint.as_deref(),
        Some("https://id.example/realms/x/logout?a=b")
    );
    assert_eq!(provider.jwks_uri, "https://id.example/realms/x/certs");
    assert_eq!(client.keys.len(), 1, "the server fetches them by the inner name");
}

#[tokio::test]
async fn the_operators_logout_url_wins() {
    let network = asgardeo(&metadata());
    let builder = at(ISSUER, &network).logout_url("https://login.example/logout");
    let found = client(builder).await.unwrap().provider.end_session_endpoint;
    assert_eq!(found.as_deref(), Some("https://login.example/logout"));
    // Parameters are filled into a configured URL, and never into one of the provider's metadata.
    let template = "https://login.example/logout?client_id={client_id}&logout_uri={post_logout_redirect_uri}";
    let builder = at(ISSUER, &network).logout_url(template);
    let found = client(builder).await.unwrap().provider.end_session_endpoint;
    assert_eq!(found.as_deref(), Some(template));
    let mut named = metadata();
    named["end_session_endpoint"] = "https://login.example/logout?x={id_token_hint}".into();
    let found = client_of(&named).await.unwrap().provider.end_session_endpoint;
    assert_eq!(
        found.as_deref(),
        Some("https://login.example/logout?x=%7Bid_token_hint%7D")
    );
}

/// Waits in paused time for background tasks.
async fn until(happened: impl Fn() -> bool) {
    let limit = tokio::time::timeout(Duration::from_secs(3600), async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    limit.await.expect("it happens");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_awaited_and_what_was_known_stays() {
    let network = asgardeo(&metadata());
    network.set_down(true);
    let sign_in = at(ISSUER, &network).discover().await.unwrap();
    let page = sign_in.page();
    assert!(page.client.is_none() && page.outage.is_some());
    assert_eq!(sign_in.retry_after(), Duration::from_secs(10));
    network.set_down(false);
    let before = tokio::time::Instant::now();
    until(|| sign_in.page().outage.is_none()).await;
    assert!(before.elapsed() < Duration::from_secs(1));
    let good = sign_in.client().unwrap();
    assert_eq!(good.keys.len(), 1);

    network.set_down(true);
    until(|| sign_in.page().outage.is_some()).await;
    assert_eq!(sign_in.client().as_ref(), Some(&good));
    let asked = network.asked(&well_known(ISSUER));
    tokio::time::sleep(Duration::from_secs(100)).await;
    let asked = network.asked(&well_known(ISSUER)) - asked;
    assert!(
        (5..20).contains(&asked),
        "about every ten seconds: {asked} times in 100"
    );

    // The issuer differs afterwards.
    let mut moved = metadata();
    moved["token_endpoint"] = "https://api.asgardeo.io/token".into();
    network.put(well_known(ISSUER), &moved);
    network.set_down(false);
    until(|| sign_in.page().outage.is_none()).await;
    assert_eq!(
        sign_in.client().unwrap().provider.token_endpoint,
        "https://api.asgardeo.io/token"
    );

    drop(sign_in);
    let asked = network.asked_in_all();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(network.asked_in_all(), asked, "nobody asks for it any more");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_outage_lets_the_start_go_on() {
    let url = well_known(ISSUER);
    let status = |status| FetchError::Status {
        url: url.clone(),
        status,
    };
    for error in [
        FetchError::Unreachable {
            url: url.clone(),
            why: "refused".to_owned(),
        },
        FetchError::Timeout { url: url.clone() },
        FetchError::TooLarge { url: url.clone() },
        FetchError::Redirected {
            url: url.clone(),
            to: "https://status.example/".to_owned(),
        },
        status(500),
        status(503),
        status(429),
        status(403),
    ] {
        for place in [&url, JWKS] {
            let network = asgardeo(&metadata());
            network.fail(place, error.clone());
            let sign_in = at(ISSUER, &network)
                .discover()
                .await
                .unwrap_or_else(|wrong| panic!("{place} {error}: {wrong}"));
            assert!(sign_in.page().outage.is_some());
            // Users can sign in without the keys, because the browser fetches them.
            assert_eq!(sign_in.client().is_some(), place == JWKS, "{place}: {error}");
            network.put(JWKS, &keys());
            network.put(well_known(ISSUER), &metadata());
            until(|| sign_in.page().outage.is_none()).await;
            assert_eq!(sign_in.client().unwrap().keys.len(), 1);
        }
    }
    // Responses of something else in the provider's place.
    for body in ["<html>", "[]", "{\"error\":\"maintenance\"}", ""] {
        for place in [&url, JWKS] {
            let network = asgardeo(&metadata());
            network.put_bytes(place, body);
            let sign_in = at(ISSUER, &network)
                .discover()
                .await
                .unwrap_or_else(|wrong| panic!("{place} {body}: {wrong}"));
            assert!(sign_in.page().outage.is_some(), "{place}: {body}");
        }
    }
    // A missing document at a configured URL is an error.
    let error = client(at("https://idp.example", &Documents::default()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    // At a URL from the metadata it is not.
    let network = asgardeo(&metadata());
    network.fail(JWKS, status(404));
    assert!(at(ISSUER, &network).discover().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_holds_the_start_up_for_five_seconds() {
    let network = asgardeo(&metadata());
    network.hold();
    let before = tokio::time::Instant::now();
    let sign_in = at(ISSUER, &network).discover().await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    assert!(matches!(
        sign_in.page().outage,
        Some(DiscoveryError::Fetch(FetchError::Timeout { .. }))
    ));
    network.release();
    until(|| sign_in.client().is_some()).await;
}

/// A network in which one address never answers.
struct Hanging(Documents, &'static str);

impl Fetch for Hanging {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        match request.url.as_str() == self.1 {
            true => Box::pin(std::future::pending()),
            false => self.0.fetch(request),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_hang_alone_keep_nobody_from_signing_in() {
    let network = Hanging(asgardeo(&metadata()), JWKS);
    let builder = SignInConfig::builder(ISSUER, "abc", "https://app.example").fetch(network);
    let before = tokio::time::Instant::now();
    let sign_in = builder.discover().await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    assert!(sign_in.client().is_some() && sign_in.page().outage.is_some());
}

#[tokio::test]
async fn the_log_says_when_the_providers_session_outlives_the_sign_out() {
    for (endpoint, said) in [(Value::Null, true), (json!("https://api.asgardeo.io/logout"), false)] {
        let (log, _guard) = Log::record();
        let mut metadata = metadata();
        metadata["end_session_endpoint"] = endpoint;
        client_of(&metadata).await.unwrap();
        let text = log.text();
        assert_eq!(text.contains("its own session goes on after Sign out"), said, "{text}");
        assert_eq!(text.contains("logout_url"), said, "{text}");
    }
}

/// The documents that an earlier process stored.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<std::collections::HashMap<String, StoredDocument>>>);

impl DocumentStore for Memory {
    fn load(&self, url: &str) -> Option<StoredDocument> {
        self.0.lock().unwrap().get(url).cloned()
    }

    fn store(&self, url: &str, document: StoredDocument) {
        self.0.lock().unwrap().insert(url.to_owned(), document);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_during_an_outage_uses_what_an_earlier_process_stored() {
    let memory = Memory::default();
    let network = asgardeo(&metadata());
    let stored = || at(ISSUER, &network).documents(Arc::new(memory.clone()));
    let before = client(stored()).await.unwrap();
    network.set_down(true);
    let sign_in = stored().discover().await.unwrap();
    assert_eq!(sign_in.client(), Some(before));
    assert!(sign_in.page().outage.is_some());
    // Stored documents count only for their own issuer.
    memory.0.lock().unwrap().values_mut().for_each(|document| {
        document.body = String::from_utf8_lossy(&document.body)
            .replace("/token\"", "/other\"")
            .into_bytes();
    });
    assert_eq!(stored().discover().await.unwrap().client(), None);
}

#[tokio::test]
async fn stored_keys_serve_until_they_are_too_old() {
    let issuer = TestIssuer::new("https://idp.example", [pixygate::jwt::Algorithm::ES256]);
    let (network, memory) = (Documents::of([&issuer]), Memory::default());
    let validator = |network: &Documents| {
        let builder = Validator::builder([issuer.trust("orders")]).fetch(network.clone());
        builder.documents(Arc::new(memory.clone())).build().unwrap()
    };
    validator(&network).load().await.unwrap();
    network.set_down(true);
    let token = issuer.token().sign();
    let ask = async || {
        let validator = validator(&network);
        validator.load().await.unwrap_err();
        validator.validate(&token, SystemTime::now()).await
    };
    let verdict = ask().await;
    assert!(
        !matches!(&verdict, Err(why) if why.reason() == pixygate::Reason::KeysUnavailable),
        "{verdict:?}"
    );
    memory
        .0
        .lock()
        .unwrap()
        .values_mut()
        .for_each(|document| document.fetched_at -= Duration::from_secs(3600));
    assert_eq!(ask().await.unwrap_err().reason(), pixygate::Reason::KeysUnavailable);
}
