//! The demonstration with the embedded provider: `examples/orders` as an upstream, if nothing else is configured.

use std::net::SocketAddr;

use orders::Callers;
use pixygate::gate::Policy;
use pixygate::gate::policy::Methods;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{Config, UpstreamEntry};
use crate::upstream::{UpstreamRoute, UpstreamSettings};

/// The name of the upstream, and the audience of its backend JWT.
const NAME: &str = "orders";

const ADDRESS: &str = "127.0.0.1:9001";

/// Returns the upstream, if nothing else is configured. With port 0 for the embedded provider, as in tests, there is no demonstration.
pub(crate) fn upstream(config: &Config) -> Option<UpstreamEntry> {
    let nothing_else = config.provider.is_none() && config.upstreams.is_empty() && config.dev_idp.listen.port() != 0;
    let target = format!("http://{ADDRESS}").parse().ok().filter(|_| nothing_else)?;
    let mut settings = UpstreamSettings::new(NAME, target);
    settings.health_path = Some("/healthz".to_owned());
    let route = |methods: &[&str], path: &str, policy: Policy, description: &str| {
        Some(UpstreamRoute {
            methods: Methods::named(methods).ok()?,
            pattern: format!("{}{path}", settings.prefix).parse().ok()?,
            policy,
            max_body_bytes: None,
            description: description.to_owned(),
        })
    };
    let read = || Policy::signed_in().scope("orders:read");
    let write = || Policy::signed_in().scope("orders:write");
    let routes = vec![
        route(&["GET"], "/orders", read(), "list your orders")?,
        route(&["POST"], "/orders", write(), "place an order")?,
        route(&["GET"], "/orders/events", read(), "changes to your orders, as events")?,
        route(
            &["GET"],
            "/orders/live",
            read(),
            "changes to your orders, over a WebSocket",
        )?,
        route(&["DELETE"], "/orders/{id}", write(), "cancel an order")?,
    ];
    Some(UpstreamEntry { settings, routes })
}

/// Serves it, if it is configured. If its address is taken, logs that and does not fail.
pub(crate) async fn serve(config: &Config) -> Option<JoinHandle<()>> {
    let address: SocketAddr = ADDRESS.parse().ok()?;
    let is_demo = |entry: &UpstreamEntry| config.provider.is_none() && entry.settings.name == NAME;
    config.upstreams.first().filter(|entry| is_demo(entry))?;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "the demonstration of an upstream cannot be served");
            return None;
        }
    };
    let router = orders::router(Callers::of(config.server.public_url.as_str(), NAME));
    Some(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the demonstration of an upstream has ended");
        }
    }))
}
