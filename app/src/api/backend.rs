//! The interface of the server functions to the server that runs them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use leptos::prelude::use_context;
use pixygate::Reason;
use pixygate::jwt::{Ended, Principal, Rejection, printable};
use pixygate::leptos::{CallError, principal, refuse};

use super::activity::{Chart, Filter, Page, RecordId, RecordOwner};
use super::configuration::Configuration;
use super::services::Service;
use super::token::Inspection;

/// A future of [`Backend`].
pub type BackendFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// The server behind the server functions. The server provides an `Arc<dyn Backend>` in their context.
pub trait Backend: Send + Sync + 'static {
    /// Returns whether the caller is an administrator, who may see and end what belongs to other users.
    fn is_administrator(&self, caller: &Principal) -> bool;

    /// Returns one page of records; with `before`, only older ones.
    fn activity(&self, whose: RecordOwner, filter: Filter, before: Option<RecordId>) -> BackendFuture<'_, Page>;

    /// Returns sums over the time, in seconds since 1970.
    fn chart(&self, whose: RecordOwner, from: u64, until: u64) -> BackendFuture<'_, Chart>;

    /// Rejects tokens on every node. Sets its date to now.
    fn end(&self, ended: Ended) -> BackendFuture<'_, ()>;

    /// Explains the token of the request, which is taken from the context of the server function. The gate has verified its proof.
    fn own_token(&self, caller: Principal) -> BackendFuture<'_, Inspection>;

    /// Explains a token, and whether a call with this method and path would pass. Neither stores nor logs the token.
    fn inspect(&self, token: String, call: Option<(String, String)>) -> BackendFuture<'_, Inspection>;

    /// Returns every service, with the requirements that the caller meets.
    fn services(&self, caller: &Principal) -> Vec<Service>;

    /// Returns the configuration in use, and the state of issuers, upstreams and nodes.
    fn configuration(&self) -> BackendFuture<'_, Configuration>;

    /// Returns a stream of new records, one on each line, beginning after `after`.
    ///
    /// # Errors
    ///
    /// If the caller has the maximal number of streams.
    fn live(
        &self,
        caller: &Principal,
        whose: RecordOwner,
        filter: Filter,
        after: Option<RecordId>,
    ) -> Result<LiveLines, Rejection>;
}

/// The lines of [`Backend::live`].
pub type LiveLines = Pin<Box<dyn Stream<Item = Result<String, CallError>> + Send>>;

/// The store does not respond. The reason is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Returns the caller and the backend.
pub(super) async fn caller() -> Result<(Principal, Arc<dyn Backend>), CallError> {
    let caller = principal().await?;
    let backend = use_context().ok_or_else(|| unavailable(Unavailable))?;
    Ok((caller, backend))
}

/// Returns the caller, if it is an administrator.
pub(super) async fn administrator() -> Result<(Principal, Arc<dyn Backend>), CallError> {
    let (caller, backend) = caller().await?;
    if backend.is_administrator(&caller) {
        return Ok((caller, backend));
    }
    let roles = printable(&caller.roles().join(" "));
    Err(refuse(
        Rejection::new(Reason::InsufficientScope)
            .expected("an administrator: a role of console.admin_roles, or a scope of console.admin_scopes")
            .found(format!("the roles \"{roles}\""))
            .hint("give the user the role at the provider, or name a role that they have under [console] admin_roles"),
    ))
}

pub(super) fn own(caller: &Principal) -> RecordOwner {
    RecordOwner::User {
        issuer: caller.issuer().to_owned(),
        subject: caller.subject().to_owned(),
    }
}

/// Returns the error of a call that names no user or token. Without a name, a revocation would apply to all tokens of the issuer.
pub(super) fn incomplete() -> CallError {
    refuse(
        Rejection::new(Reason::InvalidRequest)
            .expected("an issuer, and a user or token of it")
            .found("an empty text"),
    )
}

/// Returns the error of a call whose arguments cannot be used: status 400, with a text for the user, in production too. The text contains
/// nothing that the caller did not send.
pub(super) fn unusable(failure: String) -> CallError {
    // The gate builds the responses of its own refusals only.
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(status) = 400_u16.try_into()
    {
        response.set_status(status);
    }
    CallError::Failed { failure }
}

/// Logs an administrator's action on other users, whether it succeeds or not.
pub(super) fn log(caller: &Principal, what: &str, issuer: &str, whom: &str) {
    tracing::warn!(
        administrator = ?caller.subject(),
        of = caller.issuer(),
        issuer = ?printable(issuer),
        whom = ?printable(whom),
        "an administrator {what}"
    );
}

pub(super) fn unavailable(_: Unavailable) -> CallError {
    refuse(
        Rejection::new(Reason::KeysUnavailable)
            .expected("an answer of the store")
            .found("none")
            .hint("see that the store can be reached from here")
            .retry_after(Duration::from_secs(1)),
    )
}
