//! The service as a program.
//!
//! | variable | default |
//! |---|---|
//! | `ORDERS_LISTEN` | `127.0.0.1:9001` |
//! | `ORDERS_GATEWAY` | `http://localhost:3000`, the gateway's `public_url` |
//! | `ORDERS_AUDIENCE` | `orders`, the name of the upstream |

use orders::{Callers, router};

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    let callers = Callers::of(
        &variable("ORDERS_GATEWAY", "http://localhost:3000"),
        &variable("ORDERS_AUDIENCE", "orders"),
    );
    let listener = tokio::net::TcpListener::bind(variable("ORDERS_LISTEN", "127.0.0.1:9001")).await?;
    tracing::info!(address = %listener.local_addr()?, "serving orders");
    // Live updates never end by themselves, so the service does not wait for them.
    tokio::select! {
        served = axum::serve(listener, router(callers)) => served,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
