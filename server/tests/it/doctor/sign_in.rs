//! `--sign-in`: a user signs in through a browser, which is played here.

use pixygate::jwt::Trust;
use serde_json::{Value, json};
use server::doctor::{Options, Report, SignIn, examine};
use server::findings::Severity;
use server::loopback::{Loopback, Registration, SignInError};
use url::Url;

use super::world::{World, codes, limits, read};

/// The provider as a browser sees it.
#[derive(Clone)]
pub(super) struct Browser {
    provider: String,
}

impl Browser {
    pub(super) fn of(world: &World) -> Self {
        Self {
            provider: world.provider.clone(),
        }
    }

    fn client() -> reqwest::Client {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        builder.build().unwrap()
    }

    /// Registers the redirect URI, as the operator is asked to.
    pub(super) async fn register(&self, redirect_uri: &str) {
        let url = format!("{}/control/clients?tenant=demo", self.provider);
        let clients: Value = Self::client().get(&url).send().await.unwrap().json().await.unwrap();
        let clients = clients.as_array().unwrap();
        let mut client = clients
            .iter()
            .find(|client| client["id"] == "pixygate")
            .unwrap()
            .clone();
        client["redirect_uris"]
            .as_array_mut()
            .unwrap()
            .push(json!(redirect_uri));
        let registered = Self::client().put(&url).json(&client).send().await.unwrap();
        registered.error_for_status().unwrap();
    }

    /// Signs Alice in. Returns where the provider leads back to.
    pub(super) async fn sign_in(&self, address: &Url) -> Url {
        let asked = Self::client().get(address.clone()).send().await.unwrap();
        let header = |name: &str| asked.headers()[name].to_str().unwrap().to_owned();
        let cookie = header("set-cookie").split(';').next().unwrap().to_owned();
        let posted = Self::client()
            .post(header("location"))
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("answer=sign_in&username=alice&password=alice")
            .send()
            .await
            .unwrap();
        Url::parse(posted.headers()["location"].to_str().unwrap()).unwrap()
    }
}

async fn report(world: &World, more: &str) -> Report {
    report_on(world, &(world.configuration() + more)).await
}

/// The report on a configuration, with a user who signs in at the provider.
pub(super) async fn report_on(world: &World, text: &str) -> Report {
    let browser = Browser::of(world);
    let sign_in = SignIn::with(Some(0), move |client_id, redirect_uri, address| {
        assert_eq!(client_id, "pixygate");
        let (browser, redirect_uri, address) = (browser.clone(), redirect_uri.to_owned(), address.clone());
        tokio::spawn(async move {
            browser.register(&redirect_uri).await;
            let back = browser.sign_in(&address).await;
            let page = reqwest::get(back).await.unwrap();
            assert_eq!(page.headers()["cache-control"], "no-store");
            assert!(page.text().await.unwrap().contains("close this page"));
        });
    });
    let options = Options {
        limits: limits(),
        sign_in: Some(sign_in),
        ..Options::default()
    };
    examine("pixygate.toml", read(text), &options, &|_| {}).await
}

fn detail<'a>(report: &'a Report, check: &str) -> &'a str {
    &report
        .checks
        .iter()
        .find(|record| record.check == check)
        .unwrap()
        .detail
}

#[tokio::test]
async fn the_tokens_of_a_user_are_judged_route_by_route() {
    let world = World::start().await;
    let right = report(&world, "").await;
    assert_eq!(codes(&right, Severity::Warning), [""; 0], "{right:#?}");
    assert!(detail(&right, "signed-in").contains("with a refresh token, valid for 3600 s"));
    assert!(
        detail(&right, "access-token").contains("/api/whoami: 200"),
        "{right:#?}"
    );
    let json = right.json();
    assert!(!json.contains("eyJ") && !json.contains("code="), "{json}");

    for (switches, expected) in [
        (json!({ "opaque_access_tokens": true }), &["PXG086"][..]),
        (json!({ "access_token": { "aud": "other" } }), &["PXG207"]),
        (
            json!({ "access_token": { "iss": format!("{}/", world.base()) } }),
            &["PXG206"],
        ),
        (json!({ "access_token": { "typ": "dpop+jwt" } }), &["PXG210"]),
        (json!({ "id_token": { "nonce": "other" } }), &["PXG085"]),
        (json!({ "callback_iss": "https://other.example" }), &["PXG085"]),
        (json!({ "callback_iss": "" }), &["PXG085"]),
        (json!({ "token_error": "invalid_grant" }), &["PXG085"]),
        (json!({ "omit_refresh_token": true }), &[]),
    ] {
        world.switches(switches.clone()).await;
        let report = report(&world, "").await;
        assert_eq!(codes(&report, Severity::Warning), expected, "{switches}\n{report:#?}");
    }
    let without = report(&world, "").await;
    assert!(codes(&without, Severity::Note).contains(&"PXG037"), "no refresh token");

    world
        .switches(json!({ "access_token": { "iss": format!("{}/", world.base()) } }))
        .await;
    let conflict = report(&world, "").await;
    let worst = conflict.worst().unwrap();
    assert!(
        worst.hint.contains("issuer = ") && worst.hint.contains("aliases"),
        "{worst:?}"
    );
}

#[tokio::test]
async fn only_the_answer_to_the_request_ends_the_waiting() {
    let world = World::start().await;
    let loopback = Loopback::listen(Some(0)).await.unwrap();
    let redirect_uri = loopback.redirect_uri().to_owned();
    let config = read(&world.configuration()).unwrap();
    let provider = config.provider.unwrap();
    let registration = Registration {
        trust: Trust::new(&provider.issuer),
        provider,
        scopes: vec!["orders:read".to_owned()],
    };
    let browser = Browser::of(&world);
    let signed_in = loopback.sign_in(&registration, |address| {
        let address = address.clone();
        tokio::spawn(async move {
            for forged in ["?code=x", "?code=x&state=other", "?error=access_denied&state=other"] {
                let page = reqwest::get(format!("{redirect_uri}{forged}")).await.unwrap();
                assert_eq!(page.status(), 400, "{forged}");
            }
            browser.register(&redirect_uri).await;
            let back = browser.sign_in(&address).await;
            reqwest::get(back).await.unwrap();
        });
    });
    let signed_in = signed_in.await.unwrap();
    assert!(
        signed_in
            .scopes
            .as_ref()
            .unwrap()
            .iter()
            .any(|scope| scope == "orders:read")
    );
    assert!(!format!("{signed_in:?}").contains("eyJ"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(error) = Loopback::listen(Some(port)).await else {
        panic!("the port is taken");
    };
    assert!(matches!(error, SignInError::Listen(_)), "{error}");
}
