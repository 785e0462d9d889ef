//! The error of a server function behind the gate.

use serde::{Deserialize, Serialize};
use server_fn::codec::JsonEncoding;
use server_fn::error::{FromServerFnError, ServerFnErrorErr};

use crate::Refusal;
use crate::session::{Remedy, SessionError};

/// Why a call to a server function did not succeed. The gate's refusals decode into it as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(untagged)]
pub enum CallError {
    /// The gate, or the server function itself, turned the call away.
    #[error("refused: {} ({:?})", .0.error, .0.reason)]
    Refused(Refusal),
    /// The call was made and failed.
    #[error("{failure}")]
    Failed {
        /// What went wrong.
        failure: String,
    },
    /// The call was not made: there was no token for it.
    #[error("{not_sent}")]
    NotSent {
        /// Why not.
        not_sent: String,
        /// What helps.
        remedy: Remedy,
    },
}

impl CallError {
    /// Whether trying again may help without anything else being done.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.reason.status(), 429 | 503),
            Self::NotSent { remedy, .. } => *remedy == Remedy::TryAgain,
            Self::Failed { .. } => true,
        }
    }
}

impl From<SessionError> for CallError {
    fn from(error: SessionError) -> Self {
        Self::NotSent {
            not_sent: error.to_string(),
            remedy: error.remedy(),
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
