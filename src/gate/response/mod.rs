//! From a decision to a response.

mod challenge;
mod metadata;
mod passage;
mod refusal;

pub(crate) use metadata::resource_metadata;
pub(crate) use passage::Passage;
pub(crate) use refusal::{REQUEST_ID, respond};
