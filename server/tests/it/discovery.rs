//! Discovery: the issuer is exact, and what is wrong is told with the line to write.

use std::collections::BTreeMap;

use pixygate::jwt::{Fetch, FetchError, FetchFuture, FetchRequest, Trust};
use serde_json::{Value, json};
use server::config::Config;
use server::provider::{CurrentProvider, DiscoveryError, Reach, discover};

const BASE: &str = "https://api.asgardeo.io/t/acme";
const ISSUER: &str = "https://api.asgardeo.io/t/acme/oauth2/token";

/// A network with documents at addresses.
#[derive(Default)]
struct Network(BTreeMap<String, Value>);

impl Network {
    fn with(mut self, url: impl Into<String>, document: Value) -> Self {
        self.0.insert(url.into(), document);
        self
    }
}

impl Fetch for Network {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            let url = request.url.to_string();
            let document = self.0.get(&url).map(|document| document.to_string().into_bytes());
            document.ok_or(FetchError::Status { url, status: 404 })
        })
    }
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{BASE}/oauth2/authorize"),
        "token_endpoint": ISSUER,
        "jwks_uri": format!("{BASE}/oauth2/jwks"),
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

fn asgardeo(metadata: Value) -> Network {
    let keys = json!({ "keys": [{ "kty": "RSA", "kid": "1", "n": "x", "e": "AQAB" }, { "kty": 5 }, { "kty": "RSA", "use": "enc" }] });
    Network::default()
        .with(well_known(ISSUER), metadata)
        .with(format!("{BASE}/oauth2/jwks"), keys)
}

async fn run(network: &Network, section: &str) -> Result<pixygate::authorization::Client, DiscoveryError> {
    let text = format!("[server]\npublic_url = \"https://app.example\"\n[provider]\nclient_id = \"abc\"\n{section}\n");
    let config = Config::read(Some(("pixygate.toml", &text)), []).unwrap();
    let provider = config.provider.clone().unwrap();
    let trust = Trust::new(&provider.issuer);
    discover(
        Reach {
            fetch: network,
            trust: &trust,
        },
        &provider,
        &config.server.public_url,
    )
    .await
}

#[tokio::test]
async fn what_the_browser_must_know_comes_out() {
    let client = run(&asgardeo(metadata()), &format!("issuer = \"{ISSUER}\""))
        .await
        .unwrap();
    assert_eq!(client.redirect_uri, "https://app.example/callback");
    assert_eq!(client.post_logout_redirect_uri, "https://app.example/");
    assert_eq!(client.provider.issuer, ISSUER);
    assert_eq!(client.provider.token_endpoint, ISSUER);
    assert_eq!(
        client.provider.end_session_endpoint.as_deref(),
        Some("https://api.asgardeo.io/t/acme/oidc/logout")
    );
    assert_eq!(
        client.keys.len(),
        1,
        "one broken key does not spoil the set, one for encryption never verifies"
    );
    assert_eq!(client.keys[0].kid.as_deref(), Some("1"));
    let snapshot = CurrentProvider::new(client).snapshot();
    assert_eq!(
        snapshot.connect_origins.iter().collect::<Vec<_>>(),
        ["https://api.asgardeo.io"]
    );
}

#[tokio::test]
async fn other_origins_may_be_called_where_the_configuration_lists_them() {
    let line = format!("issuer = \"{ISSUER}\"\n[session]\ncall_origins = [\"https://orders.example/\"]");
    let client = run(&asgardeo(metadata()), &line).await.unwrap();
    assert_eq!(client.call_origins, ["https://orders.example"]);
    let snapshot = CurrentProvider::new(client).snapshot();
    assert!(snapshot.connect_origins.contains("https://orders.example"));
}

#[tokio::test]
async fn the_base_url_for_the_issuer_stops_the_start_with_both_names_and_the_line() {
    // Nothing at the base URL; and, as the other discovery path of WSO2's products has it, metadata of the other name.
    let silent = asgardeo(metadata());
    let telling = asgardeo(metadata()).with(well_known(BASE), metadata());
    for network in [silent, telling] {
        let error = run(&network, &format!("issuer = \"{BASE}\"")).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::OtherIssuer { .. }), "{error:?}");
        assert!(!error.is_passing());
        let message = error.to_string();
        assert!(message.contains(&format!("the issuer {BASE} ")), "{message}");
        assert!(message.contains("pixygate.toml, line 5"), "{message}");
        assert!(message.contains(&format!("\nissuer = \"{ISSUER}\"")), "{message}");
    }
}

#[tokio::test]
async fn an_issuer_from_the_environment_is_mended_there() {
    let variables = [
        ("PIXYGATE_PROVIDER__ISSUER", BASE),
        ("PIXYGATE_PROVIDER__CLIENT_ID", "abc"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::read(None, variables).unwrap();
    let provider = config.provider.unwrap();
    let trust = Trust::new(&provider.issuer);
    let network = asgardeo(metadata());
    let reach = Reach {
        fetch: &network,
        trust: &trust,
    };
    let message = discover(reach, &provider, &config.server.public_url)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        message.contains(&format!("PIXYGATE_PROVIDER__ISSUER={ISSUER}")),
        "{message}"
    );
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
        let network = asgardeo(Value::Null).with(well_known("https://idp.example"), metadata);
        let error = run(&network, &format!("issuer = \"{configured}\"")).await.unwrap_err();
        assert!(
            matches!(&error, DiscoveryError::OtherIssuer { found, .. } if found == told),
            "{configured}: {error}"
        );
    }
}

#[tokio::test]
async fn a_location_is_no_identity() {
    let elsewhere = "https://api.asgardeo.io/t/acme/oauth2/oidcdiscovery/.well-known/openid-configuration";
    let network = asgardeo(metadata()).with(elsewhere, metadata());
    let section = |issuer: &str| format!("issuer = \"{issuer}\"\ndiscovery_url = \"{elsewhere}\"");
    assert!(run(&network, &section(ISSUER)).await.is_ok());
    assert!(matches!(
        run(&network, &section(BASE)).await,
        Err(DiscoveryError::OtherIssuer { .. })
    ));
}

#[tokio::test]
async fn a_provider_without_metadata_is_told_so() {
    let error = run(&Network::default(), "issuer = \"https://idp.example\"")
        .await
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("https://idp.example") && message.contains("404") && message.contains("discovery_url"),
        "{message}"
    );
}

#[tokio::test]
async fn metadata_that_would_weaken_the_sign_in_are_refused() {
    for (member, value, word) in [
        ("code_challenge_methods_supported", json!(["plain"]), "S256"),
        (
            "token_endpoint",
            json!("http://api.asgardeo.io/token"),
            "token_endpoint",
        ),
        (
            "authorization_endpoint",
            json!("http://api.asgardeo.io/authorize"),
            "authorization_endpoint",
        ),
        (
            "end_session_endpoint",
            json!("javascript:alert(1)"),
            "end_session_endpoint",
        ),
        ("jwks_uri", json!("http://api.asgardeo.io/jwks"), "jwks_uri"),
        ("token_endpoint", Value::Null, "token_endpoint"),
        ("issuer", json!([ISSUER]), "issuer"),
    ] {
        let mut metadata = metadata();
        metadata[member] = value;
        let error = run(&asgardeo(metadata), &format!("issuer = \"{ISSUER}\""))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(word), "{member}: {error}");
    }
}
