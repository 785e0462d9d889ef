//! The names that an application needs: `use pixygate::prelude::*`.

#[cfg(all(feature = "jwt", feature = "browser"))]
pub use crate::discovery::SignInConfig;
#[cfg(feature = "axum")]
pub use crate::gate::{Gate, GateConfig, GateErrors, Policies, Policy};
#[cfg(feature = "jwt")]
pub use crate::jwt::{Principal, Rejection, Trust};
#[cfg(feature = "leptos")]
pub use crate::leptos::{
    AuthProvider, CallError, ClientData, GateClient, ProtectedRoute, SignInButton, SignInRoutes, SignOutButton,
    use_auth, use_signed_in,
};
pub use crate::{Reason, Refusal};
