use leptos::prelude::*;
use pixygate::prelude::*;
use shop::{App, ListOrders};

fn page(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <head><ClientData /> <HydrationScripts options /></head>
        <body><App /></body>
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (issuer, url) = ("http://127.0.0.1:3001/t/demo/oauth2/token", "http://localhost:3000");
    let sign_in = SignInConfig::discover(issuer, "pixygate", url).await?;
    let trust = Trust::new(issuer).audience("pixygate");
    let gate = Gate::builder().trust(trust).public_url(url).start().await?;
    let policies = Policies::new().server_fn::<ListOrders>(Policy::signed_in().scope("profile"));
    let app = pixygate::leptos::pages(&gate, policies, sign_in, App, page)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
