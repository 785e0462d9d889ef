//! The arguments of `pixygate doctor`.

use std::path::PathBuf;

use crate::findings::{Code, Severity};

/// Checks the configuration against the provider, step by step
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit status: 0 nothing is wrong, 1 there is a fault, 2 the arguments are wrong.\n\n\
                        Examples:\n  pixygate doctor                        the whole configuration\n  \
                        pixygate doctor --config new.toml      before it is applied\n  \
                        pixygate doctor --offline --json       the file alone, in CI\n  \
                        pixygate doctor --only authorization   one check, and those that it needs"
)]
pub struct DoctorArgs {
    /// Show every check, and notes
    #[arg(short, long)]
    pub verbose: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Make only these checks, and those that they need
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_parser = check_name)]
    pub only: Vec<String>,
    /// List the checks
    #[arg(long)]
    pub list: bool,
    /// Explain a finding
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub explain: Option<Code>,
    /// Exit with 1 from this severity on
    #[arg(long, value_name = "SEVERITY", default_value = "fault")]
    pub fail_on: FailOn,
    /// Write the corrected lines into the configuration file
    #[arg(long, conflicts_with = "offline")]
    pub fix: bool,
    /// Write the report with the effective configuration, without secrets, into a file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Sign in through the browser as well, and say what the gate makes of the tokens
    #[arg(long, conflicts_with = "offline")]
    pub sign_in: bool,
    /// The port of the redirect URI of --sign-in, in place of 8765 or 8766
    #[arg(long, requires = "sign_in")]
    pub port: Option<u16>,
    /// Check the configuration alone, without the network
    #[arg(long)]
    pub offline: bool,
    /// The configuration file, in place of pixygate.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The least severity that makes the exit status 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Faults.
    #[default]
    Fault,
    /// Faults and warnings.
    Warning,
}

impl FailOn {
    /// The least severity.
    pub fn severity(self) -> Severity {
        match self {
            Self::Fault => Severity::Fault,
            Self::Warning => Severity::Warning,
        }
    }
}

fn check_name(name: &str) -> Result<String, String> {
    match super::run::check(name) {
        Some(check) => Ok(check.id.to_owned()),
        None => {
            let names = super::run::CHECKS.iter().map(|check| check.id);
            let nearest = names
                .min_by_key(|known| strsim::damerau_levenshtein(known, name))
                .unwrap_or_default();
            Err(format!(
                "there is no such check; did you mean `{nearest}`? `pixygate doctor --list` shows all"
            ))
        }
    }
}

fn code(name: &str) -> Result<Code, String> {
    Code::named(name).ok_or_else(|| "there is no such code; docs/findings/README.md lists all".to_owned())
}
