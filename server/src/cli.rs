//! The command line, and the output of the small commands.

use std::fmt::Write as _;
use std::process::ExitCode;

use http::Method;
use pixygate::gate::Policies;

use crate::config::Config;
use crate::doctor::{self, DoctorArgs};
use crate::{init, inspect, loopback};

/// The whole command line.
#[derive(Debug, clap::Parser)]
#[command(
    name = "pixygate",
    version,
    about = "A gateway that validates every call, with a console",
    after_help = "pixygate.toml is read from the working directory, or from where PIXYGATE_CONFIG says; every key is in \
                  pixygate.example.toml and can be set as PIXYGATE_SECTION__KEY.\n\n\
                  Examples:\n  pixygate                                  serve\n  \
                  PIXYGATE_CONFIG=/etc/p.toml pixygate routes   what that file permits"
)]
pub struct CommandLine {
    #[command(subcommand)]
    action: Option<Action>,
}

/// The command to run.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Action {
    /// Serve, or print something about the server.
    #[command(flatten)]
    Command(Command),
    /// Explain a set-up.
    #[command(flatten)]
    Tool(Tool),
}

/// The commands about the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Serve (the default)
    #[command(after_help = "Example:\n  PIXYGATE_SERVER__LISTEN=0.0.0.0:3000 pixygate serve")]
    Serve,
    /// Print every path with its policy and where it leads
    #[command(after_help = "Example:\n  pixygate routes | grep orders")]
    Routes,
    /// Print the effective configuration, secrets masked, and where each value was set
    #[command(after_help = "Example:\n  pixygate config | grep -v default     only what was set")]
    Config,
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example:\n  pixygate completions bash > /etc/bash_completion.d/pixygate")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Examples:\n  pixygate man > pixygate.1\n  pixygate man doctor | man -l -")]
    Man {
        /// The page of this command, in place of the whole
        command: Option<Page>,
    },
}

/// A command that has a manual page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Page {
    /// `pixygate serve`.
    Serve,
    /// `pixygate routes`.
    Routes,
    /// `pixygate config`.
    Config,
    /// `pixygate doctor`.
    Doctor,
    /// `pixygate inspect`.
    Inspect,
    /// `pixygate token`.
    Token,
    /// `pixygate init`.
    Init,
}

/// The commands that explain a set-up. They have arguments of their own.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Tool {
    /// Check the configuration against the provider, step by step
    Doctor(DoctorArgs),
    /// Explain a token: what it says, and what the gate makes of it
    Inspect(inspect::InspectArgs),
    /// Sign in from the command line and print an access token
    Token(loopback::TokenArgs),
    /// Write a pixygate.toml for a provider
    Init(init::InitArgs),
}

impl Tool {
    /// Runs the command.
    pub async fn run(&self) -> ExitCode {
        match self {
            Self::Doctor(args) => doctor::main(args).await,
            Self::Inspect(args) => inspect::main(args).await,
            Self::Token(args) => loopback::main(args).await,
            Self::Init(args) => init::main(args).await,
        }
    }
}

impl CommandLine {
    /// Returns the command; the default is to serve.
    pub fn action(self) -> Action {
        self.action.unwrap_or(Action::Command(Command::Serve))
    }
}

/// `pixygate completions`: a script for a shell.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    let mut command = <CommandLine as clap::CommandFactory>::command();
    clap_complete::generate(shell, &mut command, "pixygate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// `pixygate man`: the manual page of the program, or of one command, in roff.
pub fn manual(page: Option<Page>) -> String {
    use clap::ValueEnum as _;

    let whole = <CommandLine as clap::CommandFactory>::command();
    let name = page.and_then(|page| page.to_possible_value());
    let own = name.and_then(|name| whole.find_subcommand(name.get_name()).cloned());
    let command = match own {
        Some(command) => {
            let name = format!("pixygate-{}", command.get_name());
            command.version(env!("CARGO_PKG_VERSION")).display_name(name)
        }
        None => whole,
    };
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _infallible = clap_mangen::Man::new(command).render(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes to standard output. A reader that wants no more, as in `pixygate doctor --list | head`, is no error.
pub fn print(text: impl std::fmt::Display) {
    use std::io::{ErrorKind, Write as _};

    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("standard output cannot be written: {error}");
        }
        _ => {}
    }
}

/// `pixygate config`: each key with its value and the place that set it.
pub fn effective(config: &Config) -> String {
    let lines: Vec<_> = config
        .settings
        .iter()
        .map(|(key, setting)| (format!("{key} = {}", setting.value), &setting.origin))
        .collect();
    aligned(lines.iter().map(|(line, origin)| [line.clone(), format!("# {origin}")]))
}

/// `pixygate routes`: each path with its policy and its target.
pub fn routes(policies: &Policies, config: &Config) -> String {
    let row = |methods: &str, path: &str, policy: &str, target: String| {
        [methods.to_owned(), path.to_owned(), policy.to_owned(), target]
    };
    let get = Method::GET.as_str();
    let open = crate::router::PUBLIC_PATHS
        .iter()
        .map(|path| row(get, path, "public", String::new()));
    let logout = [row(
        Method::POST.as_str(),
        crate::router::BACKCHANNEL_LOGOUT,
        "public, the provider's logout tokens",
        String::new(),
    )];
    let pages = leptos_axum::generate_route_list(app::App);
    let pages = pages
        .iter()
        .map(|page| row(get, page.path(), "public, a page", String::new()));
    let authorized = policies.routes().iter().map(|route| {
        let (methods, path) = (route.methods.to_string(), route.pattern.to_string());
        let target = target(config, &methods, &path);
        row(&methods, &path, &route.policy.to_string(), target)
    });
    let rest = [
        row(get, "/**", "public, a file of the site or 404", String::new()),
        row("*", "/api/**, /gw/**", "denied", String::new()),
    ];
    aligned(authorized.chain(open).chain(logout).chain(pages).chain(rest))
}

/// Returns the upstream of a route, with its targets and the operator's description of the route.
fn target(config: &Config, methods: &str, path: &str) -> String {
    let all = config
        .upstreams
        .iter()
        .flat_map(|entry| entry.routes.iter().map(move |route| (entry, route)));
    let mut found = all.filter(|(_, route)| route.pattern.to_string() == path && route.methods.to_string() == methods);
    let Some((entry, route)) = found.next() else {
        return String::new();
    };
    let targets: Vec<_> = entry.settings.targets.iter().map(|target| target.as_str()).collect();
    let description = match route.description.as_str() {
        "" => String::new(),
        description => format!("  # {description}"),
    };
    format!("→ {} {}{description}", entry.settings.name, targets.join(" "))
}

/// Aligns columns, with two spaces between them.
fn aligned<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _infallible = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
