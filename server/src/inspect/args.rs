//! The arguments of `pixygate inspect`.

use std::path::PathBuf;

/// Explains a token: what it says, and what the gate makes of it
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "The token itself is never printed, logged or stored. An argument is visible to other users of this machine in \
                        the list of processes: prefer standard input or a file.\n\n\
                        Exit status: 0 the gate accepts the token, 1 it rejects it, 2 it could not be checked.\n\n\
                        Examples:\n  pixygate inspect < token.txt\n  pixygate inspect token.txt --json\n  \
                        pixygate inspect - --jwks keys.json    with stored keys, without the network"
)]
pub struct InspectArgs {
    /// A file with the token, the token itself, or - for standard input
    #[arg(value_name = "TOKEN", default_value = "-")]
    pub token: String,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
    /// Take every issuer's keys from this file (a JWK set), without the network
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// The configuration file, in place of pixygate.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
