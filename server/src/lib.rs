//! The house.
pub mod config;
