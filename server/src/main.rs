//! The program: wires what `server` has.

use std::process::ExitCode;

use server::config::Config;
use server::site::Candidates;
use server::start::{StartError, start};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}\n");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), StartError> {
    let directory = std::env::current_dir().unwrap_or_default();
    let config = Config::load(
        &directory,
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )?;
    // The address is taken before anything is started that would have to be taken down again.
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })?;
    let started = start(&config, &Candidates::of_this_process(), reload_port()).await?;
    println!("{}", started.announcement);
    server::serve(listener, started.router.clone(), ended()).await;
    Ok(())
}

/// `cargo leptos watch` says so, and where pages hear of changes.
fn reload_port() -> Option<u16> {
    std::env::var_os("LEPTOS_WATCH")?;
    let port = std::env::var("LEPTOS_RELOAD_PORT")
        .ok()
        .and_then(|port| port.parse().ok());
    Some(port.unwrap_or(3002))
}

/// Resolves when the process is asked to end.
async fn ended() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C cannot be heard");
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending::<()>().await;
}
