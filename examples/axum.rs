//! An axum application behind the gate, with the provider of `make run`: `cargo run --features axum --example axum`

use pixygate::prelude::*;

/// Each path is written once; a path that is not listed is denied.
pub async fn app(trust: Trust) -> Result<axum::Router, GateErrors> {
    let gate = Gate::builder().trust(trust).start().await?;
    gate.router()
        .get("/me", Policy::signed_in(), me)
        .get("/profile", Policy::signed_in().scope("profile"), me)
        .get("/health", Policy::public(), async || "ok")
        .build()
}

async fn me(caller: Principal) -> String {
    format!("{} of {}", caller.subject(), caller.issuer())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let trust = Trust::new("http://127.0.0.1:3001/t/demo/oauth2/token").audience("pixygate");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app(trust).await?).await?)
}
