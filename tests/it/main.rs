//! The server half of the library as its users meet it. Numbers in comments are lines of the list of threats.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod binding;
mod claims;
mod gate;
mod http_fetch;
mod introspection;
mod keys;
mod limits;
mod log;
mod matrix;
mod paths;
mod permission;
mod world;
