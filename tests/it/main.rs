//! The server half of the library as its users meet it. Numbers in comments are lines of the list of threats.

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
mod world;
