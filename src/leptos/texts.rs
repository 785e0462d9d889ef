//! The error messages for users: in English, and replaceable.

use leptos::prelude::use_context;

use crate::Reason;
use crate::authorization::id_token::IdTokenError;
use crate::authorization::{CallbackError, TokenError};
use crate::session::{Remedy, SessionError, SignOutReason, may_pass};

use super::CallError;

/// A title and an explanation.
///
/// ```
/// use pixygate::leptos::{Text, Texts};
///
/// let (title, text): Text = Texts::default().not_sent;
/// assert_eq!(title, "The call was not made");
/// assert!(text.contains("You are still signed in"));
/// ```
pub type Text = (&'static str, &'static str);

/// The texts. Another language, or other words, go into the context: `provide_context(Texts { not_sent: (…), ..Texts::default() })`.
///
/// ```
/// use pixygate::leptos::Texts;
///
/// let german = Texts {
///     cancelled: ("Anmeldung abgebrochen", "Es hat sich nichts geändert."),
///     ..Texts::default()
/// };
/// # let _ = german;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The user or the provider cancelled.
    pub cancelled: Text,
    /// The popup window of a sign-in was closed, or did not open.
    pub no_window: Text,
    /// The provider's page has not opened.
    pub still_here: Text,
    /// The provider reports an error of its own.
    pub provider_problem: Text,
    /// The callback belongs to a sign-in that is over.
    pub stale: Text,
    /// The response belongs to another sign-in or another provider.
    pub stopped: Text,
    /// The provider's response is invalid.
    pub not_accepted: Text,
    /// The provider did not ask the user to authenticate again.
    pub not_asked_again: Text,
    /// The page has another origin than the redirect URI.
    pub wrong_address: Text,
    /// The browser stores nothing, so a sign-in that leaves the page cannot be completed.
    pub nothing_kept: Text,
    /// The browser has no cryptography here.
    pub browser: Text,
    /// The provider does not answer.
    pub provider_down: Text,
    /// The provider answers, but not to this origin.
    pub withheld: Text,
    /// The provider rejected the last step.
    pub refused_sign_in: Text,
    /// A part of the page is missing.
    pub part_missing: Text,
    /// The scope is missing.
    pub not_allowed: Text,
    /// A stronger sign-in is needed.
    pub stronger: Text,
    /// Too many requests.
    pub slow_down: Text,
    /// The gate has no keys.
    pub unavailable: Text,
    /// The gate rejected the token, and may accept another.
    pub refused_call: Text,
    /// The gate rejected the token, and would reject the next.
    pub rejected: Text,
    /// Another user is signed in by now, or calls are for another organisation.
    pub another_person: Text,
    /// No user is signed in.
    pub signed_out: Text,
    /// The call was not sent: no connection, no answer of the provider, or another tab that is busy with the session.
    pub not_sent: Text,
    /// The call was sent, and no answer came.
    pub no_answer: Text,
    /// Anything else.
    pub failed: Text,
    /// The provider ended the session.
    pub ended: Text,
    /// The provider no longer renews the session, and does not say that it has ended.
    pub not_renewed: Text,
    /// The session ended because it was idle.
    pub idle: Text,
    /// The user signed out, and the provider could not be notified.
    pub signed_out_here: Text,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            cancelled: (
                "Sign-in was cancelled",
                "The sign-in page says that access was denied. Nothing has changed here.",
            ),
            no_window: (
                "The sign-in window is not there",
                "It was closed, or the browser did not open it. Nothing has changed here.",
            ),
            still_here: (
                "The sign-in page has not opened yet",
                "It may be slow. Wait a moment longer, or try again.",
            ),
            provider_problem: (
                "The sign-in page reports a problem",
                "Signing in did not succeed. Nothing has changed here.",
            ),
            stale: (
                "This sign-in is over",
                "This browser is not waiting for it: it was completed before, was started elsewhere, or took longer than an hour. Start \
                 again to get in.",
            ),
            stopped: (
                "This sign-in was stopped",
                "What came back does not belong to the sign-in that was started here, so it was not used. Starting again is \
                 safe.",
            ),
            not_accepted: (
                "This sign-in was stopped",
                "The sign-in service gave an answer that this site does not accept, so it was not used. The details say what is wrong with \
                 it.",
            ),
            not_asked_again: (
                "You were not asked to sign in again",
                "This needs a recent sign-in, and the sign-in service did not ask you for one. Nothing has changed here.",
            ),
            wrong_address: (
                "You cannot sign in under this address",
                "This site has another one, which the details name. Open it there, then sign in.",
            ),
            nothing_kept: (
                "This browser keeps nothing for this site",
                "Signing in needs to remember something until you are back. In a window of its own it works all the same, and \
                 lasts until you close or reload this page. Or allow this site to store data.",
            ),
            browser: (
                "This browser does not let you sign in",
                "Something that signing in needs is missing here. Another browser may have it.",
            ),
            provider_down: (
                "The sign-in service does not answer",
                "It may be down, or you may be offline. Try again in a moment.",
            ),
            withheld: (
                "The sign-in service does not talk to this site",
                "It answers, and your browser may not show this site the answer. Only whoever runs this site can change that.",
            ),
            refused_sign_in: (
                "Signing in did not succeed",
                "The sign-in service refused the last step. The details have its answer.",
            ),
            part_missing: (
                "A part of this page is missing",
                "You may be offline, or there is a new version. Reload the page when you are back online.",
            ),
            not_allowed: ("Not allowed", "Your sign-in does not include the permission for this."),
            stronger: ("Sign in again for this", "This asks for a stronger sign-in."),
            slow_down: ("Too many requests", "Wait a moment, then try again."),
            unavailable: (
                "Not available right now",
                "The server cannot check who you are at the moment.",
            ),
            refused_call: (
                "The server refused the call",
                "Signing in again may help. The details tell which check rejected your sign-in.",
            ),
            rejected: (
                "The server does not accept your sign-in",
                "Signing in again does not change that. The details tell which check rejected it, for whoever runs this site.",
            ),
            another_person: (
                "Someone else is signed in",
                "The call was not made: it was for another person, or another organisation, than this page is for now.",
            ),
            signed_out: ("You are signed out", "Sign in again to go on."),
            not_sent: (
                "The call was not made",
                "You may be offline, or the sign-in service does not answer. You are still signed in; try again in a moment.",
            ),
            no_answer: (
                "No answer came",
                "You may be offline. The call may have been carried out all the same: look whether it was before you try again.",
            ),
            failed: ("Something went wrong", "The call did not succeed."),
            ended: (
                "Your session has ended",
                "Sign in again to go on. This page stays as you left it.",
            ),
            not_renewed: (
                "Your session could not be renewed",
                "The sign-in service refuses to renew it. Sign in again to go on. This page stays as you left it.",
            ),
            idle: (
                "You were signed out",
                "Nobody seemed to be there for a while. Sign in again to go on.",
            ),
            signed_out_here: (
                "You are signed out here",
                "The sign-in service was not told, and its own session may go on. Whoever uses this browser next may get in there without a \
                 password.",
            ),
        }
    }
}

impl Texts {
    /// Those of the context, or the English ones.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use pixygate::leptos::Texts;
    ///
    /// let owner = Owner::new();
    /// owner.set();
    /// assert_eq!(Texts::current().idle.0, "You were signed out");
    ///
    /// provide_context(Texts { idle: ("Abgemeldet", "Eine Weile war niemand da."), ..Texts::default() });
    /// assert_eq!(Texts::current().idle.0, "Abgemeldet");
    /// ```
    pub fn current() -> Self {
        use_context().unwrap_or_default()
    }

    /// Returns the text for a failed sign-in.
    ///
    /// ```
    /// use pixygate::authorization::CallbackError;
    /// use pixygate::leptos::Texts;
    /// use pixygate::session::SessionError;
    ///
    /// let texts = Texts::default();
    /// let said_no = CallbackError::Provider { error: "access_denied".to_owned(), description: None };
    /// assert_eq!(texts.sign_in(&said_no.into()), texts.cancelled);
    /// assert_eq!(texts.sign_in(&SessionError::Cancelled), texts.no_window);
    /// ```
    pub fn sign_in(&self, error: &SessionError) -> Text {
        match error {
            SessionError::Callback(CallbackError::Provider { error, .. }) if error == "access_denied" => self.cancelled,
            SessionError::Callback(CallbackError::Provider { .. }) => self.provider_problem,
            SessionError::Callback(
                CallbackError::Absent | CallbackError::UnknownState | CallbackError::Reconfigured,
            ) => self.stale,
            SessionError::Callback(CallbackError::IssuerMismatch { .. })
            | SessionError::IdToken(IdTokenError::Nonce | IdTokenError::AccessTokenHash) => self.stopped,
            SessionError::IdToken(IdTokenError::Claim { claim: "auth_time", .. }) => self.not_asked_again,
            SessionError::Crypto(_) | SessionError::IdToken(IdTokenError::Crypto(_)) => self.browser,
            SessionError::Callback(_)
            | SessionError::IdToken(_)
            | SessionError::Token(TokenError::Malformed { .. }) => self.not_accepted,
            SessionError::WrongOrigin { .. } => self.wrong_address,
            SessionError::Storage(_) => self.nothing_kept,
            SessionError::PartMissing => self.part_missing,
            SessionError::CorsBlocked { .. } | SessionError::DpopHeaderBlocked { .. } => self.withheld,
            SessionError::Cancelled => self.no_window,
            SessionError::NavigationPending => self.still_here,
            _ if error.remedy() == Remedy::TryAgain => self.provider_down,
            _ => self.refused_sign_in,
        }
    }

    /// Returns the text for a failed call.
    ///
    /// ```
    /// use pixygate::leptos::{CallError, Texts};
    /// use pixygate::session::SessionError;
    ///
    /// let texts = Texts::default();
    /// let not_made = CallError::from(SessionError::SignedOut(None));
    /// assert_eq!(texts.call(&not_made), texts.signed_out);
    /// let failed = CallError::Failed { failure: "the warehouse is closed".to_owned() };
    /// assert_eq!(texts.call(&failed), texts.failed);
    /// ```
    pub fn call(&self, error: &CallError) -> Text {
        match error {
            CallError::Refused(refusal) => match refusal.reason {
                Reason::InsufficientScope => self.not_allowed,
                Reason::InsufficientUserAuthentication => self.stronger,
                Reason::RateLimited => self.slow_down,
                Reason::KeysUnavailable => self.unavailable,
                Reason::MissingToken
                | Reason::UnknownKey
                | Reason::BadSignature
                | Reason::Expired
                | Reason::NotYetValid
                | Reason::Revoked => self.refused_call,
                reason if !may_pass(reason) => self.rejected,
                _ => self.failed,
            },
            CallError::NotSent {
                remedy: Remedy::SignIn, ..
            } => self.signed_out,
            CallError::NotSent {
                remedy: Remedy::CheckUser,
                ..
            } => self.another_person,
            CallError::NotSent {
                remedy: Remedy::TryAgain,
                ..
            } => self.not_sent,
            CallError::NoAnswer { .. } => self.no_answer,
            CallError::NotSent { .. } | CallError::Failed { .. } => self.failed,
        }
    }

    /// Returns the text for a session that ended by itself, or here only; `None` if the user signed out or never signed in.
    ///
    /// ```
    /// use pixygate::leptos::Texts;
    /// use pixygate::session::SignOutReason;
    ///
    /// let texts = Texts::default();
    /// assert_eq!(texts.end(Some(&SignOutReason::Idle)), Some(texts.idle));
    /// assert_eq!(texts.end(Some(&SignOutReason::SignedOut)), None);
    /// ```
    pub fn end(&self, reason: Option<&SignOutReason>) -> Option<Text> {
        match reason? {
            SignOutReason::EndedByProvider | SignOutReason::Expired => Some(self.ended),
            SignOutReason::RefreshRejected(_) => Some(self.not_renewed),
            SignOutReason::Idle => Some(self.idle),
            SignOutReason::SignedOutLocally => Some(self.signed_out_here),
            SignOutReason::SignedOut => None,
        }
    }
}
