//! The authorization code flow with PKCE, from the client's side.

mod client;

pub use client::{Client, DpopMode, Jwk, Provider};
