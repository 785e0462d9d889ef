//! Pages: their policy, their content, and the responses to unknown paths.

use axum::body::Body;
use http::header::HOST;
use http::{Request, StatusCode};

use crate::house::{self, House, header};

/// Returns all values of an attribute.
fn values<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let open = format!("{attribute}=\"");
    html.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nonce_of_the_header_is_the_one_in_the_page_and_never_comes_twice() {
    let house = House::start().await;
    let mut seen = Vec::new();
    for path in ["/", "/account", "/nothing-here"] {
        let response = house.get(path).await;
        let policy = header(response.headers(), "content-security-policy").to_owned();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .unwrap()
            .to_owned();
        assert!(nonce.len() >= 22, "128 bits: {nonce}");
        let html = house::text(response).await;
        let nonces = values(&html, "nonce");
        assert!(!nonces.is_empty(), "{path}");
        assert!(
            nonces.iter().all(|found| *found == nonce),
            "{path}: {nonces:?}, {nonce}"
        );
        // Every script that runs has a nonce; a data block does not run.
        for script in html.split("<script").skip(1).filter_map(|rest| rest.split('>').next()) {
            assert!(
                script.contains("nonce=") || script.contains("application/json"),
                "{path}: <script{script}>"
            );
        }
        assert!(!seen.contains(&nonce));
        seen.push(nonce);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_under_another_name_of_the_server_is_redirected_to_the_public_one() {
    let house = House::start().await;
    let send = async |method: &str, path: &str, host: &str| {
        let request = Request::builder().method(method).uri(path).header(HOST, host);
        house.send(request.body(Body::empty()).unwrap()).await
    };
    for path in [
        "/",
        "/account?note=a%20b&x=1",
        "/callback?code=c&state=s",
        "/no-such-page",
        "/favicon.svg",
    ] {
        for method in ["GET", "HEAD"] {
            let response = send(method, path, "127.0.0.1:3000").await;
            assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT, "{method} {path}");
            assert_eq!(
                header(response.headers(), "location"),
                format!("http://localhost:3000{path}")
            );
            assert_eq!(header(response.headers(), "cache-control"), "no-store");
        }
    }
    assert_eq!(send("GET", "/", "localhost:3000").await.status(), StatusCode::OK);
    assert_eq!(send("GET", "/", "proxy.internal").await.status(), StatusCode::OK);
    // Calls and probes are answered under every name.
    assert_eq!(
        send("GET", "/api/whoami", "127.0.0.1:3000").await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(send("GET", "/healthz", "127.0.0.1:3000").await.status(), StatusCode::OK);
    assert_eq!(
        send("POST", "/account", "127.0.0.1:3000").await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_loads_from_here_and_calls_only_the_provider() {
    let house = House::start().await;
    let response = house.get("/").await;
    let policy = header(response.headers(), "content-security-policy").to_owned();
    let provider = url::Url::parse(&house.started.announcement.provider)
        .unwrap()
        .origin()
        .ascii_serialization();
    let directive = |name: &str| {
        let found = policy
            .split("; ")
            .find(|directive| directive.split(' ').next() == Some(name));
        found
            .unwrap_or_else(|| panic!("{name} in {policy}"))
            .split(' ')
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(directive("default-src"), ["'none'"]);
    assert_eq!(directive("connect-src"), ["'self'", provider.as_str()]);
    assert_eq!(directive("frame-ancestors"), ["'none'"]);
    assert_eq!(directive("base-uri"), ["'none'"]);
    assert_eq!(directive("object-src"), ["'none'"]);
    let scripts = directive("script-src");
    assert_eq!(scripts[0], "'self'");
    assert!(scripts[1].starts_with("'nonce-"), "{scripts:?}");
    assert_eq!(scripts[2..], ["'wasm-unsafe-eval'"]);
    assert!(!policy.contains("unsafe-inline") && !policy.contains('*'), "{policy}");

    let headers = response.headers();
    assert_eq!(header(headers, "x-content-type-options"), "nosniff");
    assert_eq!(header(headers, "referrer-policy"), "no-referrer");
    assert_eq!(
        header(headers, "cross-origin-opener-policy"),
        "same-origin-allow-popups"
    );
    assert_eq!(header(headers, "cache-control"), "no-store");
    assert_eq!(
        header(headers, "strict-transport-security"),
        "",
        "plain http on loopback"
    );

    let html = house::text(response).await;
    for attribute in ["src", "href"] {
        for address in values(&html, attribute) {
            assert!(
                address.starts_with('/') || address.starts_with('#'),
                "{address} is elsewhere"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_use_tls_for_this_name_alone_unless_set() {
    for (more, expected) in [
        ("", "max-age=31536000"),
        (
            "hsts_seconds = 60\nhsts_include_subdomains = true\n",
            "max-age=60; includeSubDomains",
        ),
        ("hsts_seconds = 0\n", ""),
    ] {
        let house = House::with(&format!("[server]\npublic_url = \"https://localhost:3000\"\n{more}")).await;
        let response = house.get("/healthz").await;
        assert_eq!(header(response.headers(), "strict-transport-security"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_knows_nobody() {
    let house = House::start().await;
    let token = house.access_token().await;
    let plain = house::text(house.get("/account").await).await;
    let with_token = house::text(house.call("/account", &format!("Bearer {token}")).await).await;
    for html in [&plain, &with_token] {
        assert!(!html.contains("eyJ"), "a token in the page");
        assert!(!html.contains("Alice"), "a person in the page");
        assert!(!html.contains(&token[..20]));
    }
    assert!(plain.contains("pixygate-client"), "what the browser needs to sign in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_404_with_the_apps_own_page() {
    let house = House::start().await;
    let response = house.get("/no/such/page").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let html = house::text(response).await;
    assert!(html.contains("<header") && html.contains("</html>"), "{html}");
    assert_eq!(house.get("/pkg/missing.js").await.status(), StatusCode::NOT_FOUND);
    let post = house::request("/no/such/page")
        .method("POST")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(house.send(post).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_the_query_stay_out_of_page_and_headers() {
    let house = House::start().await;
    let response = house.get("/callback?code=s3cret-code&state=s3cret-state").await;
    let headers = format!("{:?}", response.headers());
    let html = house::text(response).await;
    assert!(!headers.contains("s3cret") && !html.contains("s3cret"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_compressed_for_those_who_ask() {
    let house = House::start().await;
    assert_eq!(
        header(house.get_encoded("/", "br").await.headers(), "content-encoding"),
        "br"
    );
    assert_eq!(
        header(house.get_encoded("/", "gzip").await.headers(), "content-encoding"),
        "gzip"
    );
    assert_eq!(header(house.get("/").await.headers(), "content-encoding"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused() {
    let house = House::start().await;
    let post = |size: usize| {
        house::request("/x")
            .method("POST")
            .body(axum::body::Body::from(vec![0; size]))
            .unwrap()
    };
    let refused = house.send(post(1024 * 1024 + 1)).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let id = header(refused.headers(), server::REQUEST_ID).to_owned();
    let refusal: pixygate::Refusal = serde_json::from_str(&house::text(refused).await).unwrap();
    assert_eq!(
        (refusal.reason, refusal.request_id),
        (pixygate::Reason::BodyTooLarge, id)
    );
    assert_eq!(house.send(post(1024 * 1024)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_a_trusted_proxy_is_taken_over_and_no_other() {
    use axum::extract::ConnectInfo;
    use std::net::SocketAddr;

    let house = House::with("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]").await;
    let number = async |peer: Option<&str>, id: &str| {
        let mut request = house::request("/healthz")
            .header(server::REQUEST_ID, id)
            .body(axum::body::Body::empty())
            .unwrap();
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        header(house.send(request).await.headers(), server::REQUEST_ID).to_owned()
    };
    assert_eq!(number(Some("10.1.2.3:4"), "mine-1").await, "mine-1");
    for (peer, id) in [
        (Some("192.0.2.1:4"), "mine"),
        (None, "mine"),
        (Some("10.1.2.3:4"), "not one word"),
    ] {
        let number = number(peer, id).await;
        assert!(number != id && !number.is_empty(), "{peer:?} {id}");
    }
}
