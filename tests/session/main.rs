//! The session without a browser: tabs, time, storage, the network and the provider are simulated, so every race is a
//! list of events.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod ahead;
mod api;
mod calls;
mod debug;
mod denied;
mod documented;
#[cfg(feature = "profiles")]
mod documents;
mod dpop;
mod ended;
mod exchange;
mod found;
mod happen;
mod id_token;
mod idle;
mod kept;
mod meanwhile;
#[cfg(feature = "profiles")]
mod mutations;
mod pending;
mod platform;
mod popup;
#[cfg(feature = "profiles")]
mod profiles;
mod provider;
mod pushed;
mod random;
mod refresh;
mod replaced;
mod sign_in;
mod silent;
mod step_up;
mod tabs;
mod token_endpoint;
mod token_response;
mod world;
