use crate::jwt::{LogoutToken, Principal};

/// Access tokens that are rejected from now on although they have not expired: those of a session, of a subject, or one token.
///
/// It names an issuer and at least one of `token_id`, `session_id` and `subject`; an issuer alone means all of its tokens.
/// It affects only tokens that were issued no later than `before`, so a new sign-in is accepted.
///
/// ```
/// use pixygate::jwt::{Ended, LocalRevocations};
///
/// let revocations = LocalRevocations::default();
/// revocations.end(&Ended::new("https://idp.example", 1_800_000_000).subject("alice"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ended {
    /// The configured issuer, as [`Principal::issuer`] returns it.
    pub issuer: String,
    /// The subject. Without a session, all sessions of the subject.
    pub subject: Option<String>,
    /// The session (`sid`).
    pub session_id: Option<String>,
    /// One token (`jti`). Session and subject do not matter then.
    pub token_id: Option<String>,
    /// The last `iat` that is rejected, in seconds since 1970.
    pub before: u64,
}

impl Ended {
    /// Ends all tokens that the issuer issued no later than `before`, in seconds since 1970. The methods below restrict it.
    pub fn new(issuer: impl Into<String>, before: u64) -> Self {
        Self {
            issuer: issuer.into(),
            subject: None,
            session_id: None,
            token_id: None,
            before,
        }
    }

    /// Ends all sessions of the principal. `before` is no earlier than the `iat` of the principal's own token: where the clock of this
    /// machine is behind the provider's, at least that token is meant.
    pub fn sessions_of(principal: &Principal, before: u64) -> Self {
        let before = before.max(principal.issued_at().unwrap_or(0));
        Self::new(principal.issuer(), before).subject(principal.sub())
    }

    /// Names a subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Names a session.
    #[must_use]
    pub fn session_id(mut self, session_id: impl Into<String>) -> Self {
        self.session_id = Some(session_id.into());
        self
    }

    /// Names one token.
    #[must_use]
    pub fn token_id(mut self, token_id: impl Into<String>) -> Self {
        self.token_id = Some(token_id.into());
        self
    }
}

impl From<&LogoutToken> for Ended {
    fn from(logout: &LogoutToken) -> Self {
        Self {
            issuer: logout.issuer().to_owned(),
            subject: logout.subject().map(str::to_owned),
            session_id: logout.session_id().map(str::to_owned),
            token_id: None,
            before: logout.issued_at(),
        }
    }
}
