//! `pixygate token`, and what it has in common with `pixygate doctor --sign-in`.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::SystemTime;

use pixygate::jwt::printable;
use url::Url;

use super::stored::folder;
use super::{Loopback, Registration, SignInError, SignedIn, Stored, TokenFile, UserCode};
use crate::{doctor, embedded, provider};

/// Signs in from the command line and prints an access token
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "The token goes to standard output and everything else to standard error. The tokens are stored for the next \
                        call, sealed, in a file that only you can read, and refreshed when they expire; --no-store leaves them \
                        unstored, --forget removes them.\n\n\
                        Examples:\n  pixygate token --scope orders:read | pixygate inspect\n  \
                        curl -H \"$(pixygate token --header)\" http://localhost:3000/api/whoami\n  \
                        pixygate token --device                on a machine without a browser"
)]
pub struct TokenArgs {
    /// Print the header of a request: Authorization: Bearer …
    #[arg(long)]
    pub header: bool,
    /// Ask for these scopes as well
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub scope: Vec<String>,
    /// Sign in on another device, with a code (RFC 8628), where the provider has that
    #[arg(long)]
    pub device: bool,
    /// Neither use nor store tokens
    #[arg(long, conflicts_with = "forget")]
    pub no_store: bool,
    /// Remove the stored tokens, and print none
    #[arg(long)]
    pub forget: bool,
    /// The port of the redirect URI, in place of 8765 or 8766
    #[arg(long, conflicts_with = "device")]
    pub port: Option<u16>,
    /// The configuration file, in place of pixygate.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs `pixygate token`.
pub async fn main(args: &TokenArgs) -> ExitCode {
    match token(args).await {
        Ok(None) => {}
        Ok(Some(token)) if args.header => crate::cli::print(format_args!("Authorization: Bearer {token}\n")),
        Ok(Some(token)) => crate::cli::print(format_args!("{token}\n")),
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn token(args: &TokenArgs) -> Result<Option<String>, String> {
    let directory = std::env::current_dir().unwrap_or_default();
    let (_, config) = doctor::load(&directory, args.config.as_deref());
    let config = config.map_err(|problems| problems.to_string())?;
    let Some(provider) = config.provider.clone().or_else(|| embedded::assumed(&config)) else {
        return Err("there is no provider to sign in at; pixygate init writes one into the configuration".to_owned());
    };
    let registration = Registration {
        trust: provider::reached(&config, &provider),
        scopes: args.scope.clone(),
        provider,
    };
    if args.no_store {
        return sign_in(args, &registration)
            .await
            .map(|signed_in| Some(signed_in.access_token));
    }
    let file = lock(&registration).await?;
    if args.forget {
        let there = file.remove().map_err(|error| error.to_string())?;
        eprintln!(
            "{}",
            if there {
                "The tokens are removed."
            } else {
                "There are no tokens."
            }
        );
        return Ok(None);
    }
    let tokens = match stored(&file, &registration).await? {
        Some(tokens) => tokens,
        None => Stored::of(&sign_in(args, &registration).await?, SystemTime::now()),
    };
    file.write(&tokens).map_err(|error| error.to_string())?;
    Ok(Some(tokens.access_token))
}

/// Locks the file of these tokens. Another process may be signing in at this moment, and then this one uses its tokens.
async fn lock(registration: &Registration) -> Result<TokenFile, String> {
    let registration = registration.clone();
    let locked = tokio::task::spawn_blocking(move || TokenFile::lock(&folder()?, &registration)).await;
    let locked = locked.map_err(|error| error.to_string())?;
    locked.map_err(|error| format!("The tokens cannot be stored: {error}"))
}

/// The stored tokens, refreshed where they have to be; `None` where the user has to sign in.
async fn stored(file: &TokenFile, registration: &Registration) -> Result<Option<Stored>, String> {
    let Some(tokens) = file.read() else { return Ok(None) };
    if tokens.is_fresh(SystemTime::now()) {
        return Ok(Some(tokens));
    }
    let Some(refresh_token) = &tokens.refresh_token else {
        return Ok(None);
    };
    match registration.refresh(refresh_token).await {
        Ok(refreshed) => Ok(Some(tokens.refreshed(refreshed, SystemTime::now()))),
        Err(SignInError::Ended) => {
            eprintln!("The session of {} has ended at the provider.", tokens.subject);
            Ok(None)
        }
        // The tokens stay: the provider may only be down.
        Err(error) => Err(format!("The token cannot be refreshed: {error}")),
    }
}

async fn sign_in(args: &TokenArgs, registration: &Registration) -> Result<SignedIn, String> {
    let signed_in = match args.device {
        true => registration.sign_in_elsewhere(show).await,
        false => {
            let loopback = Loopback::listen(args.port).await.map_err(|error| error.to_string())?;
            let client_id = registration.provider.client_id.clone();
            let redirect_uri = loopback.redirect_uri().to_owned();
            loopback
                .sign_in(registration, |url| invite(&client_id, &redirect_uri, url))
                .await
        }
    };
    let signed_in = signed_in.map_err(|error| format!("The sign-in failed: {error}"))?;
    eprintln!("Signed in as {}.", printable(&signed_in.subject));
    Ok(signed_in)
}

/// Says where to type the code.
fn show(code: &UserCode) {
    eprintln!("Open {} on any device, and type the code\n\n{}\n", code.page, code.code);
    if let Some(complete) = &code.complete {
        eprintln!("Or open this address, where the code is filled in: {complete}\n");
    }
}

/// Says what to register and opens the browser, or says how to reach it from another machine.
pub(crate) fn invite(client_id: &str, redirect_uri: &str, url: &Url) {
    eprintln!("The redirect URI {redirect_uri} must be registered at the provider for the client {client_id}.");
    if !open(url) {
        let port = Url::parse(redirect_uri)
            .ok()
            .and_then(|uri| uri.port())
            .unwrap_or_default();
        eprintln!(
            "This machine has no display. From one that has, run ssh -L {port}:127.0.0.1:{port} to this machine, and open the \
             address there; or use pixygate token --device, where the provider has that."
        );
    }
    eprintln!("Sign in at\n\n{url}\n");
}

/// Opens the user's browser. Returns whether there is a display to open it on.
fn open(url: &Url) -> bool {
    let has_display = cfg!(any(target_os = "macos", windows))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let command = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    if has_display {
        let opened = Command::new(command)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        // Its address is printed in any case.
        drop(opened);
    }
    has_display
}
