//! The session of this page.

use std::cell::{Cell, RefCell};

use leptos::task::spawn_local;

use crate::session::browser::Browser;
use crate::session::{Session, SessionError};

use super::{lookout, page, provider};

thread_local! {
    /// Server functions are called from where no context reaches.
    static SESSION: RefCell<Option<Session<Browser>>> = const { RefCell::new(None) };
    static WATCHES_IDLE: Cell<bool> = const { Cell::new(false) };
}

/// The session, which is opened when it is first asked for.
pub(super) fn session() -> Result<Session<Browser>, SessionError> {
    if let Some(session) = opened() {
        return Ok(session);
    }
    let (client, served_at) = page::read().ok_or(SessionError::NoClient)?;
    let browser = Browser::new(served_at).ok_or(SessionError::NoClient)?;
    provider::auth().ok_or(SessionError::NoClient)?;
    // There may be another one by then: components come and go.
    let session = Session::new(browser, client, |event| {
        if let Some(auth) = provider::auth() {
            auth.hear(event);
        }
    });
    session.listen(|session| spawn_local(async move { session.refresh_ahead().await }));
    lookout::relieve();
    SESSION.set(Some(session.clone()));
    Ok(session)
}

/// Tells the components of this page how things stand.
pub(super) fn tell(session: &Session<Browser>) {
    if let Some(auth) = provider::auth() {
        auth.known(session.state());
        auth.keeps(session.is_kept());
    }
}

/// The session, when it was asked for before.
pub(super) fn opened() -> Option<Session<Browser>> {
    SESSION.with_borrow(Clone::clone)
}

pub(super) fn watch_idle(session: &Session<Browser>) {
    if !WATCHES_IDLE.replace(true) {
        session.watch_idle(|session| spawn_local(async move { session.sign_out_idle().await }));
    }
}
