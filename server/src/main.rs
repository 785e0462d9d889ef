//! The program `pixygate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser as _;
use server::cli::{self, Action, Command, CommandLine};
use server::config::{Config, Problems};
use server::findings::Finding;
use server::metrics::Sources;
use server::reload::ConfigFile;
use server::site::Candidates;
use server::start::{StartError, start};
use server::tls::Tls;
use tokio::net::TcpListener;

/// The time that streams continue after a signal to stop.
const STREAMS_GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let command = match CommandLine::parse().action() {
        Action::Tool(tool) => return tool.run().await,
        Action::Command(command) => command,
    };
    match run(command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}\n");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), StartError> {
    match command {
        Command::Serve => {
            let file = ConfigFile::new(Config::path(&directory(), &variables()?));
            let config = configuration()?;
            server::log::init(config.telemetry.log_format);
            serve(&config, file).await?;
        }
        Command::Config => cli::print(cli::effective(&configuration()?)),
        Command::Routes => {
            let config = configuration()?;
            cli::print(cli::routes(&server::start::policies(&config)?, &config));
        }
        Command::Completions { shell } => cli::print(cli::completions(shell)),
        Command::Man { command } => cli::print(cli::manual(command)),
    }
    Ok(())
}

fn configuration() -> Result<Config, Problems> {
    Config::load(&directory(), variables()?)
}

fn directory() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

fn variables() -> Result<Vec<(String, String)>, Problems> {
    server::config::variables(std::env::vars_os())
}

async fn serve(config: &Config, file: ConfigFile) -> Result<(), StartError> {
    // The address is bound before anything else is started, so that a failure leaves nothing to stop.
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })?;
    let started = start(config, &Candidates::of_this_process(), reload_port()).await?;
    println!("{}", started.announcement);
    tokio::spawn(warn_of_issuer_conflicts(config.clone()));
    if let Some(address) = config.telemetry.metrics_listen {
        tokio::spawn(server::metrics::serve(address, Sources::of(&started)));
    }
    let tls = match (&config.server.tls_certificate_file, &config.server.tls_key_file) {
        (Some(certificate), Some(key)) => Some(Tls::load(certificate, key)?),
        _ => None,
    };
    if let Some(tls) = tls.clone() {
        tokio::spawn(tls.follow());
    }
    tokio::spawn(started.reload.clone().follow(file, configuration));
    let router = started.router.clone();
    let stopping = started.streams.clone();
    let (state, drain) = (started.state.clone(), Duration::from_secs(config.server.drain_seconds));
    let shutdown = async move {
        ended().await;
        state.stopping.store(true, Ordering::Relaxed);
        tokio::select! {
            () = tokio::time::sleep(drain) => {}
            () = ended() => {}
        }
        tokio::spawn(async move {
            // Short requests have ended by then. Streams that continue get a proper end, not a broken connection.
            tokio::time::sleep(STREAMS_GRACE).await;
            stopping.stop();
        });
    };
    server::serve_with(listener, router, config.limits(), tls, shutdown).await;
    started.streams.stopped().await;
    started.stop().await;
    Ok(())
}

async fn warn_of_issuer_conflicts(config: Config) {
    for finding in server::doctor::issuer_conflicts(&config).await {
        let Finding {
            code,
            title,
            place,
            expected,
            found,
            hint,
            ..
        } = finding;
        tracing::warn!(%code, place, expected, found, hint, "{title}");
    }
}

/// Returns the port on which `cargo leptos watch` notifies pages of changes, if it started this process.
fn reload_port() -> Option<u16> {
    std::env::var_os("LEPTOS_WATCH")?;
    let port = std::env::var("LEPTOS_RELOAD_PORT")
        .ok()
        .and_then(|port| port.parse().ok());
    Some(port.unwrap_or(3002))
}

/// Resolves when the process is signalled to stop.
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
