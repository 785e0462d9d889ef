use std::{collections::HashMap, time::Duration};

use parking_lot::RwLock;
use tokio::time::Instant;

use super::{Ended, Revocations};
use crate::jwt::Principal;

/// The default bound on sessions, subjects and tokens of each issuer: about 20 MB when it is reached.
const MAX_ENTRIES: usize = 100_000;

/// The unit of `iat`.
const SECOND: Duration = Duration::from_secs(1);

/// Remembers ended sessions in the memory of this process. Other nodes do not know of them, and neither does this one after a
/// restart, unless something calls [`end`](Self::end) for each that a shared store has.
///
/// A token is rejected when it was issued no later than its session ended; a token from a new sign-in is accepted. `iat` counts
/// whole seconds, so a token of the very second of the logout is rejected too. Where it may belong to another session, the
/// rejection is held back until that second is over, so that the client's next token is of a later one.
///
/// | [`Ended`] names | access tokens with that `sid` | with another `sid` of the subject | of the subject, without `sid` |
/// |---|---|---|---|
/// | session and subject | rejected | accepted | rejected |
/// | subject | rejected | rejected | rejected |
/// | session | rejected | accepted | accepted: nothing tells whose they are |
/// | token | only the token with that `jti` is rejected | | |
/// | the issuer alone | rejected | rejected | rejected |
///
/// An access token without `iat` counts as issued before.
///
/// Nothing is forgotten by itself, because the lifetime of access tokens is not known here. When there are more entries than
/// [`new`](Self::new) allows, the earlier half is replaced by one date, and every token of that issuer from before it is rejected:
/// a client that holds one refreshes it, and no ended session comes back. [`forget`](Self::forget) does the same by date.
///
/// ```
/// use std::sync::Arc;
/// use pixygate::jwt::{LocalRevocations, Trust, Validator};
///
/// let revocations = Arc::new(LocalRevocations::default());
/// let validator = Validator::builder([Trust::new("https://idp.example").audience("orders")])
///     .revocations(revocations.clone())
///     .build()?;
/// // BackchannelLogout::new(&gate, "https://idp.example", "my-client-id", revocations)
/// # Ok::<(), pixygate::jwt::TrustError>(())
/// ```
#[derive(Debug)]
pub struct LocalRevocations {
    max_entries: usize,
    issuers: RwLock<HashMap<String, Issuer>>,
}

/// When each session, subject and token of one issuer ended, in seconds since 1970 by its clock.
#[derive(Debug, Default)]
struct Issuer {
    sessions: HashMap<String, u64>,
    subjects: HashMap<String, Subject>,
    tokens: HashMap<String, u64>,
    /// Ends every token issued before a date, in place of all dropped entries.
    everything: Option<u64>,
    /// The latest of these dates, and when this process learned of it: that second had begun by then.
    latest: Option<(u64, Instant)>,
}

#[derive(Debug, Default)]
struct Subject {
    /// When the last single session ended.
    one: u64,
    /// When all sessions ended.
    all: Option<u64>,
}

impl Subject {
    fn latest(&self) -> u64 {
        self.one.max(self.all.unwrap_or(0))
    }
}

impl Default for LocalRevocations {
    fn default() -> Self {
        Self::new(MAX_ENTRIES)
    }
}

impl LocalRevocations {
    /// Remembers at most `max_entries` sessions, subjects and tokens of each issuer. The default is 100,000.
    pub fn new(max_entries: usize) -> Self {
        Self {
            max_entries,
            issuers: RwLock::default(),
        }
    }

    /// Rejects the tokens that `ended` names from now on. A logout token converts: `end(&Ended::from(&logout))`.
    pub fn end(&self, ended: &Ended) {
        let mut issuers = self.issuers.write();
        let issuer = issuers.entry(ended.issuer.clone()).or_default();
        issuer.end(ended);
        if issuer.len() > self.max_entries {
            let until = issuer.forget_half();
            tracing::warn!(
                issuer = ended.issuer,
                until,
                "too many ended sessions: every token that was issued until then is rejected, and clients refresh theirs"
            );
        }
    }

    /// Forgets the single entries from before the date, in seconds since 1970. From then on every token that was issued before the
    /// latest of them is rejected, so no ended session comes back. Give it a date that lies further back than tokens live, and no
    /// other token is concerned.
    pub fn forget(&self, before: u64) {
        for issuer in self.issuers.write().values_mut() {
            issuer.forget(before);
        }
    }

    /// Returns the number of entries that are remembered, of all issuers.
    pub fn len(&self) -> usize {
        self.issuers.read().values().map(Issuer::len).sum()
    }

    /// Returns whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Issuer {
    fn end(&mut self, ended: &Ended) {
        let at = ended.before;
        if self.latest.is_none_or(|(latest, _)| latest < at) {
            self.latest = Some((at, Instant::now()));
        }
        if let Some(token) = &ended.token_id {
            raise(self.tokens.entry(token.clone()).or_default(), at);
            return;
        }
        if let Some(session) = &ended.session_id {
            raise(self.sessions.entry(session.clone()).or_default(), at);
        }
        if let Some(subject) = &ended.subject {
            let subject = self.subjects.entry(subject.clone()).or_default();
            match ended.session_id {
                Some(_) => raise(&mut subject.one, at),
                None => subject.all = subject.all.max(Some(at)),
            }
        }
        if ended.session_id.is_none() && ended.subject.is_none() {
            self.everything = self.everything.max(Some(at));
        }
    }

    fn len(&self) -> usize {
        self.sessions.len() + self.subjects.len() + self.tokens.len()
    }

    fn dates(&self) -> impl Iterator<Item = u64> {
        let subjects = self.subjects.values().map(Subject::latest);
        self.sessions
            .values()
            .copied()
            .chain(subjects)
            .chain(self.tokens.values().copied())
    }

    /// Returns the date that replaces the dropped entries.
    fn forget_half(&mut self) -> u64 {
        let mut dates: Vec<u64> = self.dates().collect();
        let middle = dates.len() / 2;
        let (_, until, _) = dates.select_nth_unstable(middle);
        let until = *until;
        self.forget(until + 1);
        until
    }

    fn forget(&mut self, before: u64) {
        let latest = self.dates().filter(|at| *at < before).max();
        self.sessions.retain(|_, at| *at >= before);
        self.subjects.retain(|_, subject| subject.latest() >= before);
        self.tokens.retain(|_, at| *at >= before);
        self.everything = self.everything.max(latest);
    }

    /// Returns when the token ended, if something that names it did.
    fn ended(&self, principal: &Principal) -> Option<u64> {
        let session = principal.session_id();
        let of_subject = |subject: &str| {
            let subject = self.subjects.get(subject)?;
            match session {
                Some(_) => subject.all,
                None => Some(subject.latest()),
            }
        };
        let (sub, subject) = (principal.sub(), principal.subject());
        let mut ended = of_subject(sub);
        // A provider names the `sub`; an operator names the subject that `trust.subject_claim` yields.
        if sub != subject {
            ended = ended.max(of_subject(subject));
        }
        let ended_session = session.and_then(|session| self.sessions.get(session));
        let ended_token = principal.token_id().and_then(|token| self.tokens.get(token));
        ended
            .max(ended_session.copied())
            .max(ended_token.copied())
            .max(self.everything)
    }
}

fn raise(date: &mut u64, at: u64) {
    *date = at.max(*date);
}

impl Revocations for LocalRevocations {
    fn is_revoked(&self, principal: &Principal) -> bool {
        let issuers = self.issuers.read();
        let ended = issuers
            .get(principal.issuer())
            .and_then(|issuer| issuer.ended(principal));
        let issued = principal.issued_at().unwrap_or(0);
        ended.is_some_and(|ended| issued <= ended)
    }

    /// A client whose token is rejected fetches another one at once. In the second of the logout that one would be rejected again,
    /// and the client would conclude that no token helps.
    fn hold(&self, principal: &Principal) -> Duration {
        let issuers = self.issuers.read();
        let Some((issuer, (latest, learned))) = issuers.get(principal.issuer()).and_then(|it| Some((it, it.latest?)))
        else {
            return Duration::ZERO;
        };
        let own_ended = principal.session_id().and_then(|session| issuer.sessions.get(session)) == Some(&latest);
        if own_ended || principal.issued_at().is_none() {
            return Duration::ZERO;
        }
        (learned + SECOND).saturating_duration_since(Instant::now())
    }
}
