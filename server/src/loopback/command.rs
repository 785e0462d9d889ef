//! `pixygate token`, and what it has in common with `pixygate doctor --sign-in`.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use url::Url;

use super::{Loopback, Registration};
use crate::{doctor, embedded, provider};

/// Signs in from the command line and prints an access token
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "The token goes to standard output and everything else to standard error. It is not stored.\n\n\
                        Examples:\n  pixygate token --scope orders:read | pixygate inspect\n  \
                        curl -H \"$(pixygate token --header)\" http://localhost:3000/api/whoami"
)]
pub struct TokenArgs {
    /// Print the header of a request: Authorization: Bearer …
    #[arg(long)]
    pub header: bool,
    /// Ask for these scopes as well
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub scope: Vec<String>,
    /// The port of the redirect URI, in place of 8765 or 8766
    #[arg(long)]
    pub port: Option<u16>,
    /// The configuration file, in place of pixygate.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs `pixygate token`.
pub async fn main(args: &TokenArgs) -> ExitCode {
    match token(args).await {
        Ok(token) if args.header => println!("Authorization: Bearer {token}"),
        Ok(token) => println!("{token}"),
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn token(args: &TokenArgs) -> Result<String, String> {
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
    let loopback = Loopback::listen(args.port).await.map_err(|error| error.to_string())?;
    let client_id = registration.provider.client_id.clone();
    let redirect_uri = loopback.redirect_uri().to_owned();
    let signed_in = loopback
        .sign_in(&registration, |url| invite(&client_id, &redirect_uri, url))
        .await;
    let signed_in = signed_in.map_err(|error| format!("The sign-in failed: {error}"))?;
    eprintln!("Signed in as {}.", signed_in.subject);
    Ok(signed_in.access_token)
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
             address there."
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
