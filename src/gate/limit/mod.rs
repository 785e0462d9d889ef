//! How often a caller may call, and how much of it reaches the log.

mod limiter;
pub(crate) mod log_limit;
mod rate;

pub(crate) use limiter::{Limiter, Nodes};
pub use rate::{Rate, RateError};
