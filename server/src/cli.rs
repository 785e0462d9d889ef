//! The command line: what to do, and what to print.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use http::Method;
use pixygate::gate::Policies;

use crate::config::Config;
use crate::doctor::{self, DoctorArgs};
use crate::{init, inspect, loopback};

/// What the program says about itself.
pub const USAGE: &str = "\
pixygate [COMMAND]

  serve     serve (the default)
  routes    every path with its policy
  config    the effective configuration, secrets masked, and where each value came from
  doctor    check the configuration against the provider (doctor --help)
  inspect   explain a token: what it says, and what the gate makes of it (inspect --help)
  token     sign in from the command line and print an access token (token --help)
  init      write a pixygate.toml for a provider (init --help)
  help      print this and end
  version   print the version and end

pixygate.toml is read from the working directory, or from where PIXYGATE_CONFIG says; see pixygate.example.toml.";

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

#[derive(clap::Parser)]
#[command(name = "pixygate", disable_help_subcommand = true)]
struct Tools {
    #[command(subcommand)]
    tool: Tool,
}

impl Tool {
    /// Reads the command line when it has one of these commands. Ends the process when its arguments are wrong.
    pub fn from_arguments(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let words: Vec<_> = words.into_iter().collect();
        let name = words.get(1)?.to_str()?;
        let command = <Tools as clap::CommandFactory>::command();
        command.find_subcommand(name)?;
        Some(Tools::parse_from(words).tool)
    }

    /// Does it.
    pub async fn run(&self) -> ExitCode {
        match self {
            Self::Doctor(args) => doctor::main(args).await,
            Self::Inspect(args) => inspect::main(args).await,
            Self::Token(args) => loopback::main(args).await,
            Self::Init(args) => init::main(args).await,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Serve,
    /// Print the paths.
    Routes,
    /// Print the configuration.
    Config,
    /// Print the usage.
    Help,
    /// Print the version.
    Version,
}

impl Command {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    ///
    /// What is wrong with them, for people.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let words: Vec<_> = words.into_iter().collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["serve"] => Ok(Self::Serve),
            ["routes"] => Ok(Self::Routes),
            ["config"] => Ok(Self::Config),
            ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["version" | "--version" | "-V"] => Ok(Self::Version),
            ["serve" | "routes" | "config" | "help" | "version", extra, ..] => Err(format!(
                "`{}` takes no argument; found `{extra}`. Settings are in pixygate.toml.",
                words[0]
            )),
            [other, ..] => Err(format!("`{other}` is no command of Pixygate.")),
        }
    }
}

/// `pixygate config`: each key with its value and where that came from.
pub fn effective(config: &Config) -> String {
    let lines: Vec<_> = config
        .settings
        .iter()
        .map(|(key, setting)| (format!("{key} = {}", setting.value), &setting.origin))
        .collect();
    aligned(lines.iter().map(|(line, origin)| [line.clone(), format!("# {origin}")]))
}

/// `pixygate routes`: who may ask for what.
pub fn routes(policies: &Policies) -> String {
    let pages = leptos_axum::generate_route_list(app::App);
    let open = crate::router::OPEN
        .iter()
        .map(|path| [Method::GET.to_string(), (*path).to_owned(), "public".to_owned()]);
    let told = [[
        Method::POST.to_string(),
        crate::router::BACKCHANNEL_LOGOUT.to_owned(),
        "public, the provider's logout tokens".to_owned(),
    ]];
    let pages = pages.iter().map(|page| {
        [
            Method::GET.to_string(),
            page.path().to_owned(),
            "public, a page".to_owned(),
        ]
    });
    let judged = policies.routes().iter().map(|route| {
        [
            route.methods.to_string(),
            route.pattern.to_string(),
            route.policy.to_string(),
        ]
    });
    let rest = [
        [
            "GET".to_owned(),
            "/**".to_owned(),
            "public, a file of the site or 404".to_owned(),
        ],
        ["*".to_owned(), "/api/**, /gw/**".to_owned(), "refused".to_owned()],
    ];
    aligned(judged.chain(open).chain(told).chain(pages).chain(rest))
}

/// Columns with two spaces between them.
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
