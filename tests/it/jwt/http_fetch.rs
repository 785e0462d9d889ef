//! 44 and 47: fetches over real connections are bounded, and follow no redirect to another host.

use pixygate::jwt::{FetchError, HttpFetch, KeysError, Trust, Validator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Answers every request with these bytes, and leaves the connection open.
async fn serve(answer: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A client that gives up closes the connection.
                while connection.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    if connection.write_all(&answer).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

async fn load(issuer: &str) -> KeysError {
    let trust = Trust::new(issuer).audience("orders").jwks_url(format!("{issuer}/jwks"));
    let validator = Validator::builder([trust]).fetch(HttpFetch::new()).build().unwrap();
    validator.load().await.unwrap_err().0.remove(0).error
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_redirect_to_another_host_is_rejected() {
    let elsewhere = serve("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}").await;
    for to in [
        elsewhere.as_str(),
        "http://169.254.169.254/latest/meta-data",
        "https://idp.example/jwks",
        "file:///etc/passwd",
    ] {
        let error = load(&serve(redirect(to)).await).await;
        let refused = matches!(
            error,
            KeysError::Fetch(FetchError::Redirected { .. } | FetchError::Status { .. })
        );
        assert!(refused, "{to}: {error:?}");
    }
    // A redirect within the host is followed a bounded number of times.
    let error = load(&serve(redirect("/jwks")).await).await;
    assert!(
        matches!(error, KeysError::Fetch(FetchError::Redirected { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_large_or_endless_body_is_cut_off() {
    let large = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 600000\r\n\r\n{}",
        " ".repeat(600_000)
    );
    assert!(matches!(
        load(&serve(large).await).await,
        KeysError::Fetch(FetchError::TooLarge { .. })
    ));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(600_000));
    assert!(matches!(
        load(&serve(endless).await).await,
        KeysError::Fetch(FetchError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn an_endless_body_hits_the_time_limit() {
    let issuer = serve("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    let started = std::time::Instant::now();
    assert!(matches!(
        load(&issuer).await,
        KeysError::Fetch(FetchError::Timeout { .. })
    ));
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_set_is_read_and_other_answers_are_errors() {
    let key = pixygate::test_support::TestKey::generate(pixygate::jwt::Algorithm::ES256, "k");
    let set = serde_json::json!({"keys": [key.jwk()]}).to_string();
    let issuer = serve(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{set}", set.len())).await;
    let trust = Trust::new(&issuer)
        .audience("orders")
        .jwks_url(format!("{issuer}/jwks"));
    Validator::builder([trust]).build().unwrap().load().await.unwrap();
    let missing = load(&serve("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await).await;
    assert!(matches!(missing, KeysError::Fetch(FetchError::Status { status: 404, .. })) && missing.is_configuration());
    let closed = load("http://127.0.0.1:1").await;
    assert!(matches!(closed, KeysError::Fetch(FetchError::Unreachable { .. })) && !closed.is_configuration());
}
