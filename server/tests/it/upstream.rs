//! Calls through the whole server to services behind the gate. Server, provider and services are real and talk over loopback.

mod calls;
mod independent;
mod orders;
mod reload;
mod service;
mod streams;
mod targets;
mod wire;

pub(crate) use service::{echo, received, serve, upstream};
