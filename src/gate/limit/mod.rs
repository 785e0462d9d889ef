//! How often a caller may call, and how much of it reaches the log.

pub(crate) mod advertise;
mod limiter;
pub(crate) mod log_limit;
mod rate;

pub(crate) use advertise::LimitState;
pub(crate) use limiter::{Left, Limiter, Nodes};
pub use rate::{Rate, RateError};
