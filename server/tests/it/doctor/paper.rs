//! A provider made of answers, for what the embedded one never does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header;
use serde_json::{Value, json};
use server::findings::Severity;

use super::world::{application, assert_found, codes, listener, report, serve};

/// What it answers at each path.
#[derive(Clone)]
struct Paper {
    metadata: Value,
    /// Paths whose answers have no CORS headers.
    withheld: &'static [&'static str],
    /// Whether preflights allow the header `DPoP`.
    dpop: bool,
    /// Another answer at a path: status, location, body.
    instead: Option<(&'static str, u16, &'static str, &'static str)>,
}

const KEY: &str =
    r#"{"keys": [{"kty": "OKP", "kid": "1", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

async fn answer(State(paper): State<Arc<Paper>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (status, location, body) = match (&paper.instead, path.as_str()) {
        (Some((at, status, location, body)), path) if *at == path => (*status, *location, (*body).to_owned()),
        (_, "/.well-known/openid-configuration") => (200, "", paper.metadata.to_string()),
        (_, "/jwks") => (200, "", KEY.to_owned()),
        (_, "/authorize" | "/logout") => (200, "", "<h1>Sign in</h1>".to_owned()),
        (_, "/token" | "/revoke") if request.method() == "OPTIONS" => (204, "", String::new()),
        (_, "/token" | "/revoke" | "/userinfo") => (400, "", r#"{"error": "invalid_grant"}"#.to_owned()),
        _ => (404, "", String::new()),
    };
    let mut response = Response::builder().status(status);
    if !location.is_empty() {
        response = response.header(header::LOCATION, location);
    }
    if !paper.withheld.contains(&path.as_str()) {
        response = response.header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        if paper.dpop {
            response = response.header(header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type, dpop");
        }
    }
    response.body(Body::from(body)).unwrap()
}

/// Serves the changed provider. Returns its configuration.
async fn configuration(change: impl FnOnce(&mut Paper)) -> String {
    let listener = listener().await;
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
    });
    let mut paper = Paper {
        metadata,
        withheld: &[],
        dpop: true,
        instead: None,
    };
    change(&mut paper);
    let configured = paper.metadata["issuer"].as_str().unwrap_or_default().to_owned();
    let place = match configured == issuer {
        true => String::new(),
        false => format!("discovery_url = \"{issuer}/.well-known/openid-configuration\"\n"),
    };
    serve(listener, Router::new().fallback(answer).with_state(Arc::new(paper))).await;
    let public_url = application().await;
    format!(
        "[server]\npublic_url = \"{public_url}\"\n\n[provider]\nissuer = \"{configured}\"\nclient_id = \"shop\"\n{place}"
    )
}

#[tokio::test]
async fn each_answer_that_is_wrong_is_named() {
    let good = configuration(|_| {}).await;
    assert_found("good", &report(&good).await, &[]);
    assert_eq!(codes(&report(&good).await, Severity::Note), [""; 0]);

    type Change = Box<dyn FnOnce(&mut Paper)>;
    let instead = |path, status, location, body| -> Change {
        Box::new(move |paper: &mut Paper| paper.instead = Some((path, status, location, body)))
    };
    let withheld = |paths| -> Change { Box::new(move |paper: &mut Paper| paper.withheld = paths) };
    let metadata = "/.well-known/openid-configuration";
    let cases: Vec<(&str, Change, &[&str])> = vec![
        (
            "a page",
            instead(metadata, 200, "", "<html>Welcome</html>"),
            &["PXG022"],
        ),
        ("no issuer", instead(metadata, 200, "", "{}"), &["PXG022"]),
        (
            "another host",
            instead(metadata, 302, "http://localhost:1/", ""),
            &["PXG023"],
        ),
        ("no keys", instead("/jwks", 404, "", ""), &["PXG050"]),
        ("keys without a set", instead("/jwks", 200, "", "[]"), &["PXG051"]),
        ("token endpoint", withheld(&["/token"]), &["PXG070"]),
        ("keys", withheld(&["/jwks"]), &["PXG072"]),
        ("revocation", withheld(&["/revoke"]), &["PXG073"]),
        ("proofs", Box::new(|paper| paper.dpop = false), &["PXG071"]),
        (
            "plain http",
            Box::new(|paper| paper.metadata["token_endpoint"] = json!("http://idp.example/token")),
            &["PXG031"],
        ),
        (
            "a secret is wanted",
            Box::new(|paper| {
                paper.metadata["issuer"] = json!("https://accounts.google.com");
                paper.metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
            }),
            &["PXG041"],
        ),
        ("an error page", instead("/authorize", 500, "", "Oops"), &["PXG083"]),
        (
            "an error page with status 200",
            instead("/authorize", 302, "/oauth2_error.do?oauthErrorCode=invalid_client", ""),
            &["PXG081"],
        ),
        (
            "its page about the redirect URI",
            instead("/authorize", 400, "", "<h1>Invalid parameter: redirect_uri</h1>"),
            &["PXG080"],
        ),
        ("no sign-out", instead("/logout", 500, "", ""), &["PXG084"]),
        (
            "sign-out with an ID token",
            instead("/logout", 400, "", "Missing parameters: id_token_hint"),
            &[],
        ),
    ];
    for (what, change, expected) in cases {
        let text = configuration(change).await;
        assert_found(what, &report(&text).await, expected);
    }

    let text = configuration(|paper| paper.withheld = &["/userinfo"]).await;
    assert_eq!(codes(&report(&text).await, Severity::Note), ["PXG074"]);
    let off = configuration(|paper| paper.dpop = false).await + "dpop = \"off\"\n";
    assert_found("no proofs are sent", &report(&off).await, &[]);
}

#[tokio::test]
async fn an_error_that_comes_back_to_the_callback_is_what_the_provider_says() {
    for (error, expected) in [
        ("invalid_scope", &["PXG082"][..]),
        ("unauthorized_client", &["PXG081"]),
        ("server_error", &["PXG083"]),
        ("login_required", &[]),
    ] {
        let public_url = application().await;
        let location: &'static str = format!("{public_url}/callback?error={error}&error_description=because").leak();
        let text = configuration(|paper| paper.instead = Some(("/authorize", 302, location, ""))).await;
        let own = text.lines().find(|line| line.starts_with("public_url")).unwrap();
        let text = text.replace(own, &format!("public_url = \"{public_url}\""));
        let report = report(&text).await;
        assert_found(error, &report, expected);
        if let Some(worst) = report.worst().filter(|worst| worst.severity > Severity::Note) {
            assert_eq!(worst.found, format!("{error}: because"));
        }
    }
}

#[tokio::test]
async fn what_answers_at_the_public_url_is_looked_at() {
    let text = configuration(|_| {}).await;
    let own = text.lines().find(|line| line.starts_with("public_url")).unwrap();
    let other = serve(listener().await, Router::new()).await;
    let report_other = report(&text.replace(own, &format!("public_url = \"{other}\""))).await;
    assert_found("another server", &report_other, &["PXG091"]);
    let nothing = report(&text.replace(own, "public_url = \"http://127.0.0.1:1\"")).await;
    assert_found("nothing", &nothing, &[]);
    assert_eq!(codes(&nothing, Severity::Note), ["PXG090"]);
}
