//! The start: its output on success, and its errors.

use http::Method;
use pixygate::gate::{Policies, Policy};
use server::config::Config;
use server::start::{StartError, every_function_has_a_policy, start};

use crate::house::{self, House, only_in};

#[tokio::test(flavor = "multi_thread")]
async fn the_announcement_says_where_who_and_which() {
    let house = House::start().await;
    let text = house.started.announcement.to_string();
    for part in [
        "http://localhost:3000",
        "alice / alice",
        "bob / bob",
        "admin / admin",
        "/t/demo/oauth2/token",
        "embedded",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(house.site.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_provider_the_embedded_one_stays_off_and_a_wrong_issuer_stops_the_start() {
    let other = House::start().await;
    let issuer = &other.started.announcement.provider;
    let section = |issuer: &str| format!("[provider]\nclient_id = \"pixygate\"\nissuer = \"{issuer}\"\n");
    // The other house uses its address: an attempt to start the embedded provider there would fail.
    let taken = url::Url::parse(issuer).unwrap().port().unwrap();
    let config = |issuer: &str| {
        let text = format!("[dev_idp]\nlisten = \"127.0.0.1:{taken}\"\n{}", section(issuer));
        Config::read(Some(("pixygate.toml", &text)), [house::memory()]).unwrap()
    };
    let site = house::site();
    let started = start(&config(issuer), &only_in(&site), None).await.unwrap();
    assert!(!started.announcement.embedded);
    assert!(started.announcement.accounts.is_empty());

    let base = issuer.trim_end_matches("/oauth2/token");
    let Err(error) = start(&config(base), &only_in(&site), None).await else {
        panic!("it started")
    };
    let message = error.to_string();
    assert!(message.contains(&format!("expected  the issuer {base} ")), "{message}");
    assert!(message.contains(&format!("found     the issuer {issuer}")), "{message}");
    assert!(message.contains("pixygate.toml, line 5"), "{message}");
    assert!(message.contains(&format!("\nissuer = \"{issuer}\"")), "{message}");

    // If the issuer comes from the environment, the hint names the variable.
    let variables = [
        ("PIXYGATE_PROVIDER__ISSUER", base),
        ("PIXYGATE_PROVIDER__CLIENT_ID", "pixygate"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let Err(error) = start(&Config::read(None, variables).unwrap(), &only_in(&site), None).await else {
        panic!("it started")
    };
    let message = error.to_string();
    assert!(
        message.contains(&format!("PIXYGATE_PROVIDER__ISSUER={issuer}")),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_site_files_it_says_how_to_build_them() {
    let empty = tempfile::tempdir().unwrap();
    let Err(error) = start(&house::config(""), &only_in(&empty), None).await else {
        panic!("it started")
    };
    assert!(matches!(error, StartError::Site(_)));
    assert!(error.to_string().contains("cargo leptos build"), "{error}");
}

#[test]
fn a_server_function_without_a_policy_is_named() {
    let policies = Policies::new().route("GET", "/api/whoami", Policy::signed_in());
    let whoami = ("/api/whoami", Method::GET);
    every_function_has_a_policy(&policies, [whoami.clone()]).unwrap();
    let error = every_function_has_a_policy(&policies, [whoami, ("/api/pay", Method::POST)]).unwrap_err();
    assert!(error.to_string().contains("POST /api/pay"), "{error}");
    // The policy must be for the function's method.
    assert!(every_function_has_a_policy(&policies, [("/api/whoami", Method::POST)]).is_err());
}

#[test]
fn the_apps_own_functions_have_policies() {
    let policies = app::api::policies();
    assert!(!policies.routes().is_empty());
    every_function_has_a_policy(&policies, leptos::server_fn::axum::server_fn_paths()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_setting_keeps_away_stop_the_start_and_an_outage_does_not() {
    let trust = |keys: &str| {
        let issuer = "issuer = \"https://idp.example\"\naudience = [\"orders\"]";
        house::config(&format!("[[trust]]\n{issuer}\n{keys}\n"))
    };
    let site = house::site();
    let Err(error) = start(&trust("jwks_file = \"not-there.json\""), &only_in(&site), None).await else {
        panic!("it started")
    };
    assert!(matches!(error, StartError::Gate(_)), "{error}");
    assert!(
        error.to_string().contains("trust.jwks_file \"not-there.json\""),
        "{error}"
    );

    // A service at the address that closes every connection.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    let away = trust(&format!("jwks_url = \"http://{address}/jwks\""));
    let started = start(&away, &only_in(&site), None).await.unwrap();
    assert!(!started.state.gate.validator().is_ready());
}
