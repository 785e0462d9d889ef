//! The server half of the library as its users meet it. Numbers in comments are
//! lines of docs/threats.md.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod answers;
mod binding;
mod claims;
mod configured_keys;
#[cfg(feature = "browser")]
mod discovery;
mod ended;
mod front_door;
mod gate;
mod http_fetch;
mod introspection;
mod keys;
mod kind;
mod limits;
mod log;
mod logout;
mod matrix;
mod mutations;
mod names;
mod outcomes;
mod paths;
mod permission;
mod profiles;
mod reload;
mod revocations;
mod second;
mod served;
mod threats;
mod tls_fetch;
mod verdicts;
mod world;
