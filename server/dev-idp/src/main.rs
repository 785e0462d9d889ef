//! The provider as a program: `dev-idp [--config FILE] [--listen ADDRESS] [--redirect-uri URI]…`.

mod arguments;

use std::process::ExitCode;

use dev_idp::Config;

const USAGE: &str = "\
An OpenID provider for development. It listens on loopback only.

dev-idp [OPTIONS]

  --config FILE        the configuration (TOML); without it, a demonstration
  --listen ADDRESS     instead of 127.0.0.1:3001
  --client-id ID       the client that the options below register; default: pixygate
  --redirect-uri URI   register this redirect URI, its origin for CORS and after sign-out (repeatable)
  --print-config       print the effective configuration and end
  --help               print this and end";

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "dev_idp=info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let arguments = match arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match arguments.what {
        arguments::What::Help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        arguments::What::PrintConfig => return print_config(&arguments.config),
        arguments::What::Serve => serve(arguments.config).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print_config(config: &Config) -> ExitCode {
    match toml::to_string_pretty(config) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), dev_idp::StartError> {
    let bound = dev_idp::bind(config).await?;
    let config = bound.provider().config();
    println!("Development provider: {}/", config.origin());
    for tenant in &config.tenants {
        let users: Vec<&str> = tenant.users.iter().map(|user| user.username.as_str()).collect();
        println!("  issuer {}  users {}", config.issuer_of(tenant), users.join(", "));
    }
    bound
        .serve(async {
            // Without a signal handler the process runs until it is killed.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
}
