//! A build without the feature `valkey`.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

/// A Valkey server; this build knows none.
#[derive(Clone, Debug)]
pub enum Valkey {}

impl FromStr for Valkey {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err("an address, and this build has no client for it; build with the feature `valkey`".to_owned())
    }
}

impl Valkey {
    pub(super) async fn use_proof(&self, _: [u8; 32], _: Duration) -> Result<bool, Infallible> {
        match *self {}
    }
}
