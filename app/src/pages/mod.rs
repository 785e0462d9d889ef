//! One file for each page.

pub(crate) mod account;
pub(crate) mod everywhere;
pub(crate) mod home;
pub(crate) mod not_found;
pub(crate) mod sign_in;
pub(crate) mod verified;
