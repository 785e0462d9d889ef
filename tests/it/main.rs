//! Tests of the server half of the library through its public API. Numbers at the top of a module are lines of docs/threats.md.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::disallowed_methods, reason = "some tests go by the real clock")]

mod answers;
mod binding;
mod diagnosis;
#[cfg(feature = "browser")]
mod discovery;
mod front_door;
mod gate;
mod jwt;
mod limits;
mod log;
mod logout;
mod names;
mod outcomes;
mod paths;
mod permission;
mod reload;
mod revocations;
mod second;
mod served;
mod threats;
mod world;
