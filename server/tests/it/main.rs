//! The server from outside: its configuration, its start, its HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activity;
mod bounds;
mod cli;
mod config;
mod example_file;
mod gate;
mod house;
mod logout;
mod metrics;
mod nodes;
mod outage;
mod pages;
mod postgres;
mod proxy;
mod routes;
mod site;
mod start;
mod store;
mod tls;
mod upstream;
