//! The names that an application needs: `use pixygate::prelude::*`.

#[cfg(feature = "axum")]
pub use crate::gate::{Gate, GateConfig, GateErrors, Policies, Policy};
#[cfg(feature = "jwt")]
pub use crate::jwt::{Principal, Rejection, Trust};
pub use crate::{Reason, Refusal};
