//! A build without the embedded provider, which is what goes into production: `cargo test -p server --no-default-features
//! --test without_embedded`. With the embedded provider there is nothing to test here.

#![cfg(not(feature = "dev-idp"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use server::config::Config;
use server::site::Candidates;
use server::start::{StartError, start};

/// Returns the error at the start with this configuration.
async fn refusal(text: &str) -> StartError {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("pkg")).unwrap();
    for name in ["pixygate.js", "pixygate.wasm", "pixygate.css"] {
        std::fs::write(folder.path().join("pkg").join(name), name).unwrap();
    }
    let candidates = Candidates {
        named: Some(folder.path().into()),
        ..Candidates::default()
    };
    let config = Config::read(Some(("pixygate.toml", text)), []).unwrap();
    match start(&config, &candidates, None).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn without_any_provider_the_start_says_what_to_write() {
    let error = refusal("").await;
    assert!(matches!(error, StartError::Embedded(_)), "{error}");
    let message = error.to_string();
    for part in [
        "There is no [provider]",
        "issuer",
        "client_id",
        "pixygate.example.toml",
        "dev-idp",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}
