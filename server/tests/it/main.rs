//! Tests of the server through its configuration, its start and its HTTP interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activity;
mod bounds;
mod cli;
mod clock;
mod config;
mod console;
#[cfg(feature = "dev-idp")]
mod doctor;
mod example_file;
mod findings;
mod full_disk;
mod gate;
mod golden;
mod house;
mod inspect;
mod killed;
mod logout;
mod metrics;
mod nodes;
mod outage;
mod pages;
mod pgbouncer;
mod postgres;
mod process;
mod proxy;
mod recipes;
mod routes;
mod site;
mod start;
mod store;
mod tls;
mod traces;
mod upstream;
#[cfg(feature = "valkey")]
mod valkey;
