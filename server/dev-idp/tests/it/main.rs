//! Black-box tests of the provider over HTTP.
#![allow(missing_docs, reason = "tests are read, not documented")]
#![allow(clippy::unwrap_used, reason = "the parts that several tests share are tests too")]

mod authorize;
mod configuration;
mod control;
mod cors;
mod dpop;
mod killed;
mod logout;
mod openidconnect_client;
mod pages;
mod persistence;
mod process;
mod profile;
mod questions;
mod refresh;
mod switches;
mod token;
mod tokens_at_work;
mod world;
