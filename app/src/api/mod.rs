//! The server functions. Each has its policy in [`policies`], without which the server does not start; the gate asks it
//! before the function runs, and the function asks once more.

mod confirm;
#[cfg(feature = "ssr")]
mod policies;
mod whoami;

pub use confirm::{Confirm, LONGEST, confirm};
#[cfg(feature = "ssr")]
pub use policies::policies;
pub use whoami::{GetProfile, Profile, Whoami, profile, whoami};
