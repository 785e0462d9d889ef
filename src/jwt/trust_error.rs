/// A [`Trust`](super::Trust) that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is none, so every token would be refused.
    #[error("no issuer is trusted; add a [[trust]] with issuer and audience")]
    None,
    /// The issuer is no usable URL.
    #[error("trust.issuer {issuer:?}: {why}; write the exact `iss` of the provider's tokens")]
    Issuer {
        /// As configured.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two entries accept the same `iss`.
    #[error("issuer {0:?} is trusted twice; every issuer and alias may stand in one [[trust]] only")]
    Twice(String),
    /// Neither audience nor client is named.
    #[error("trust {0:?} has neither `audience` nor `client_ids`; name one, or every token of that issuer would pass")]
    NoAudience(String),
    /// A list that must not be empty is.
    #[error("trust {issuer:?}: `{key}` is empty; {hint}")]
    Empty {
        /// The entry.
        issuer: String,
        /// The list.
        key: &'static str,
        /// What to write.
        hint: &'static str,
    },
    /// More than one place for keys.
    #[error("trust {issuer:?} names several sources of keys ({keys}); keep one")]
    KeySources {
        /// The entry.
        issuer: String,
        /// The settings that contradict each other.
        keys: String,
    },
    /// A location is no usable URL.
    #[error("trust {issuer:?}: `{key}` {url:?}: {why}")]
    Location {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// Its value.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Times that contradict each other.
    #[error("trust {issuer:?}: {why}")]
    Times {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// What contradicts what.
        why: &'static str,
    },
    /// Only one trust can introspect: an opaque token names no issuer, and asking a second provider would give it away.
    #[error("trusts {0:?} and {1:?} both have `introspection_url`; an opaque token may be shown to one provider only")]
    TwoIntrospections(String, String),
    /// Static keys or TLS settings that cannot be read.
    #[error("trust {issuer:?}: `{key}`: {why}")]
    Keys {
        /// The entry.
        issuer: String,
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
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
