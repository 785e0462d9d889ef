//! The house.
pub mod config;
pub mod provider;
