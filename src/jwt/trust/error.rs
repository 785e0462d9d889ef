/// Why a [`Trust`](super::Trust) cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No issuer is trusted, so every token would be rejected.
    #[error("no issuer is trusted; add a [[trust]] with issuer and audience")]
    None,
    /// The issuer cannot be used.
    #[error("trust.issuer {issuer:?}: {why}; write the exact `iss` of the provider's tokens")]
    Issuer {
        /// As configured.
        issuer: String,
        /// The reason.
        why: &'static str,
    },
    /// Two trusts accept the same `iss`.
    #[error("issuer {0:?} is trusted twice; every issuer and alias may stand in one [[trust]] only")]
    Twice(String),
    /// Neither an audience nor a client is configured.
    #[error("trust {0:?} has neither `audience` nor `client_ids`; name one, or every token of that issuer would pass")]
    NoAudience(String),
    /// A setting is empty that must not be.
    #[error("trust {issuer:?}: `{key}` is empty; {hint}")]
    Empty {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// The fix.
        hint: &'static str,
    },
    /// More than one source of keys is configured.
    #[error("trust {issuer:?} names several sources of keys ({keys}); keep one")]
    KeySources {
        /// The entry.
        issuer: String,
        /// The settings that exclude each other.
        keys: String,
    },
    /// A URL cannot be used.
    #[error("trust {issuer:?}: `{key}` {url:?}: {why}")]
    Location {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// Its value.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// A time is out of bounds, or contradicts another one.
    #[error("trust {issuer:?}: {why}")]
    Times {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// Which times, and their bounds.
        why: &'static str,
    },
    /// Two trusts have an introspection endpoint. An opaque token names no issuer, and asking a second provider would show
    /// the token to it.
    #[error("trusts {0:?} and {1:?} both have `introspection_url`; an opaque token may be shown to one provider only")]
    TwoIntrospections(String, String),
    /// Configured keys cannot be used.
    #[error("trust {issuer:?}: `{key}`: {why}")]
    Keys {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// The reason.
        why: String,
    },
}

impl TrustError {
    /// Returns the setting of the [`Trust`](super::Trust) that has to change.
    pub fn key(&self) -> &'static str {
        match self {
            Self::None | Self::Issuer { .. } | Self::Twice(_) | Self::KeySources { .. } => "issuer",
            Self::NoAudience(_) => "audience",
            Self::TwoIntrospections(..) => "introspection_url",
            Self::Empty { key, .. } | Self::Location { key, .. } | Self::Times { key, .. } | Self::Keys { key, .. } => {
                key
            }
        }
    }
}
