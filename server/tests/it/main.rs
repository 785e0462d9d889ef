//! The server from outside: its configuration, its start, its HTTP.

mod config;
mod example_file;
