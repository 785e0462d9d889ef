//! Without the feature `mock`: nothing is in the place of the session.

use crate::session::{SessionError, WaitingCall};

use super::work::{Done, Work};

pub(super) fn is_here() -> bool {
    false
}

pub(super) fn answer(_: &Work) -> Option<Result<Done, SessionError>> {
    None
}

pub(super) fn take_waiting(_: impl FnOnce(&WaitingCall) -> bool) -> Option<WaitingCall> {
    None
}

pub(super) fn take_declined(_: impl FnOnce(&WaitingCall) -> bool) -> Option<(WaitingCall, Option<String>)> {
    None
}
