//! 44 and 47: what comes back over real connections is bounded, and leads nowhere else.

use pixygate::jwt::{FetchError, HttpFetch, KeysError, Trust, Validator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Answers every request with these bytes, and keeps the connection open.
async fn serve(answer: impl Into<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // Who is refused in the middle closes the connection.
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
async fn a_redirect_to_elsewhere_is_refused() {
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
    // Within the host it is followed, not for ever.
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
async fn a_body_that_does_not_end_is_given_up_in_time() {
    let issuer = serve("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    let started = std::time::Instant::now();
    assert!(matches!(
        load(&issuer).await,
        KeysError::Fetch(FetchError::Timeout { .. })
    ));
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_set_over_http_is_read_and_other_answers_are_told() {
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
