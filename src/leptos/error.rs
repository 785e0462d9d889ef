//! The error of a server function behind the gate.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use server_fn::codec::JsonEncoding;
use server_fn::error::{FromServerFnError, ServerFnErrorErr};

use crate::authorization::json::Object;
use crate::session::{Remedy, SessionError};
use crate::{Detail, Reason, Refusal};

/// Why a call to a server function failed. The gate's refusals deserialize into this type.
///
/// ```
/// use pixygate::Reason;
/// use pixygate::leptos::{CallError, Texts};
/// use pixygate::session::{Remedy, SessionError};
///
/// // An error of a server function:
/// fn at_most(amount: u32) -> Result<u32, CallError> {
///     match amount {
///         0..=100 => Ok(amount),
///         _ => Err(CallError::Failed { failure: format!("{amount} is more than 100") }),
///     }
/// }
/// assert_eq!(at_most(101).unwrap_err().to_string(), "101 is more than 100");
///
/// // A refusal of the gate:
/// let body = r#"{"error":"insufficient_scope","reason":"insufficient_scope","request_id":"4711"}"#;
/// let refused: CallError = serde_json::from_str(body)?;
/// assert!(matches!(&refused, CallError::Refused(refusal) if refusal.reason == Reason::InsufficientScope));
/// assert_eq!(Texts::default().call(&refused).0, "Not allowed");
///
/// // Without a session:
/// let error = CallError::from(SessionError::SignedOut(None));
/// assert!(matches!(error, CallError::NotSent { remedy: Remedy::SignIn, .. }));
/// assert_eq!(Texts::default().call(&error).0, "You are signed out");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(untagged)]
pub enum CallError {
    /// The gate or the server function rejected the call.
    #[error("refused: {} ({:?})", .0.error, .0.reason)]
    Refused(Refusal),
    /// The call was made and failed.
    #[error("{failure}")]
    Failed {
        /// The error message.
        failure: String,
    },
    /// The call was sent, but its response was lost or was a redirect. The server may have carried it out, so a retry may do so twice.
    #[error("{no_answer}")]
    NoAnswer {
        /// The reason.
        no_answer: String,
    },
    /// The call was not made: no token, or no connection. A read-only call whose response is lost counts as not made.
    #[error("{not_sent}")]
    NotSent {
        /// The reason.
        not_sent: String,
        /// The remedy.
        remedy: Remedy,
    },
}

impl<'de> Deserialize<'de> for CallError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::of(&Object::of(value).unwrap_or_default()))
    }
}

/// Reads the gate's answer.
pub(super) fn refusal(object: &Object) -> Option<Refusal> {
    let text = |name| object.text(name).map(str::to_owned);
    Some(Refusal {
        error: text("error")?,
        reason: reason(object.text("reason")?),
        request_id: text("request_id").unwrap_or_default(),
        detail: object.get("detail").cloned().and_then(Object::of).map(|detail| {
            let text = |name| detail.text(name).unwrap_or_default().to_owned();
            Detail {
                code: text("code"),
                expected: text("expected"),
                found: text("found"),
                hint: text("hint"),
            }
        }),
    })
}

fn reason(name: &str) -> Reason {
    let known = Reason::ALL.into_iter().find(|reason| reason.name() == name);
    known.unwrap_or(Reason::Unknown)
}

fn remedy(name: &str) -> Option<Remedy> {
    match name {
        "TryAgain" => Some(Remedy::TryAgain),
        "SignIn" => Some(Remedy::SignIn),
        "Configuration" => Some(Remedy::Configuration),
        "Protocol" => Some(Remedy::Protocol),
        "CheckUser" => Some(Remedy::CheckUser),
        _ => None,
    }
}

impl CallError {
    fn of(object: &Object) -> Self {
        if let Some(refusal) = refusal(object) {
            return Self::Refused(refusal);
        }
        let text = |name| object.text(name).map(str::to_owned);
        if let Some(no_answer) = text("no_answer") {
            return Self::NoAnswer { no_answer };
        }
        if let (Some(not_sent), Some(remedy)) = (text("not_sent"), object.text("remedy").and_then(remedy)) {
            return Self::NotSent { not_sent, remedy };
        }
        let failure = text("failure").or_else(|| text("error"));
        Self::Failed {
            failure: failure.unwrap_or_else(|| "the answer does not say why".to_owned()),
        }
    }
}

impl CallError {
    /// Returns whether the same call may succeed later.
    ///
    /// ```
    /// use pixygate::leptos::CallError;
    /// use pixygate::session::SessionError;
    ///
    /// let waits = CallError::from(SessionError::BackingOff { seconds: 4 });
    /// assert!(waits.is_transient());
    /// let may_have_been_made = CallError::NoAnswer { no_answer: "the answer is lost".to_owned() };
    /// assert!(!may_have_been_made.is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.reason.status(), 429 | 503),
            Self::NotSent { remedy, .. } => *remedy == Remedy::TryAgain,
            Self::Failed { .. } => true,
            Self::NoAnswer { .. } => false,
        }
    }
}

impl From<SessionError> for CallError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NoAnswer(_) | SessionError::Redirected(_) => Self::NoAnswer {
                no_answer: error.to_string(),
            },
            _ => Self::NotSent {
                not_sent: error.to_string(),
                remedy: error.remedy(),
            },
        }
    }
}

impl FromServerFnError for CallError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(failure) => Self::NotSent {
                not_sent: failure,
                remedy: Remedy::TryAgain,
            },
            other => Self::Failed {
                failure: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leptos::Texts;
    use crate::session::NetworkError;

    #[test]
    fn a_call_that_may_have_been_made_is_told_from_one_that_was_not() {
        let lost = NetworkError {
            url: "https://app.example/api/transfer".to_owned(),
            problem: "lost".to_owned(),
            timed_out: false,
        };
        let texts = Texts::default();
        let not_made = CallError::from(SessionError::Network(lost.clone()));
        assert!(not_made.is_transient());
        assert_eq!(texts.call(&not_made), texts.not_sent);
        for error in [
            SessionError::NoAnswer(lost),
            SessionError::Redirected("https://app.example/api/transfer".to_owned()),
        ] {
            let error = CallError::from(error);
            assert!(!error.is_transient(), "{error}");
            assert_eq!(texts.call(&error), texts.no_answer);
            let sent = serde_json::to_string(&error).unwrap_or_default();
            assert_eq!(serde_json::from_str::<CallError>(&sent).ok(), Some(error));
        }
    }
}
