//! The arguments of `pixygate init`.

use std::path::PathBuf;

/// Writes a pixygate.toml for a provider
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "What is not given as an option is asked for. An existing file is not overwritten.\n\n\
                        Examples:\n  pixygate init\n  \
                        pixygate init --issuer https://idp.example --client-id shop --public-url https://shop.example"
)]
pub struct InitArgs {
    /// The provider's issuer, or its base URL, or the address of its metadata
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// The identifier that the provider gave this application
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The origin under which browsers reach this server
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// The audience of access tokens, when it is not the client ID
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "pixygate.toml")]
    pub output: PathBuf,
    /// Overwrite the file
    #[arg(long)]
    pub force: bool,
}
