//! The session without a browser: tabs, time, storage, the network and the provider are simulated, so every race is a
//! list of events.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod provider;
mod refresh;
mod sign_in;
mod tabs;
mod world;
