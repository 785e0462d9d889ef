//! The server functions. Each has its policy in [`policies`], without which the server does not start; the gate asks it
//! before the function runs, and the function asks once more.

#[cfg(feature = "ssr")]
mod policies;
#[cfg(feature = "ssr")]
mod proof;
mod whoami;

#[cfg(feature = "ssr")]
pub use policies::policies;
pub use whoami::{Confirm, Profile, Whoami, confirm, profile, whoami};
