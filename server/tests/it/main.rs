//! The server from outside: its configuration, its start, its HTTP.

mod config;
mod discovery;
mod example_file;
mod gate;
mod house;
mod pages;
mod site;
mod start;
