use std::{collections::HashMap, time::Duration};

use parking_lot::RwLock;
use tokio::time::Instant;

use super::{LogoutToken, Principal, Revocations};

/// Sessions and subjects that are remembered for each issuer, unless told otherwise: some 20 MB when all are there.
const MOST: usize = 100_000;

/// What `iat` and the time of a logout are counted in.
const SECOND: Duration = Duration::from_secs(1);

/// Remembers ended sessions in the memory of this process: other nodes do not know of them, and neither does this one
/// after a restart.
///
/// A token is refused when it was issued no later than its session had ended: one that a new sign-in gives is accepted.
/// `iat` counts whole seconds, so a token of the very second of the logout is refused too; where it may be of another
/// session, the refusal is held back until that second is over, so that the client's next token is of a later one.
///
/// | the logout token names | access tokens with that `sid` | with another `sid` of the subject | of the subject, without `sid` |
/// |---|---|---|---|
/// | `sid` and `sub` | refused | accepted | refused |
/// | `sub` | refused | refused | refused |
/// | `sid` | refused | accepted | accepted: nothing tells whose they are |
///
/// An access token without `iat` counts as issued before.
///
/// Nothing is forgotten by time, so nobody has to know how long access tokens live. When there are more than
/// [`new`](Self::new) allows, the earlier half is forgotten and replaced by one date, and every token of that issuer from
/// before it is refused: a client that holds one refreshes it, and no ended session comes back.
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
    most: usize,
    issuers: RwLock<HashMap<String, Ended>>,
}

/// When what has ended at one issuer, in seconds since 1970 by its clock.
#[derive(Debug, Default)]
struct Ended {
    sessions: HashMap<String, u64>,
    subjects: HashMap<String, Subject>,
    /// Stands for everything that was forgotten.
    everything: Option<u64>,
    /// The latest of all these dates, and when it was heard of: by then, that second had begun.
    latest: Option<(u64, Instant)>,
}

#[derive(Debug, Default)]
struct Subject {
    /// When the last session that was named ended, or all of them.
    one: u64,
    all: Option<u64>,
}

impl Default for LocalRevocations {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl LocalRevocations {
    /// Remembers at most so many sessions and subjects of each issuer (100,000 unless told).
    pub fn new(most: usize) -> Self {
        Self {
            most,
            issuers: RwLock::default(),
        }
    }

    /// From now on the tokens of the session are refused.
    pub fn end(&self, logout: &LogoutToken) {
        let at = logout.issued_at();
        let mut issuers = self.issuers.write();
        let ended = issuers.entry(logout.issuer().to_owned()).or_default();
        if ended.latest.is_none_or(|(latest, _)| latest < at) {
            ended.latest = Some((at, Instant::now()));
        }
        if let Some(session) = logout.session_id() {
            let last = ended.sessions.entry(session.to_owned()).or_default();
            *last = at.max(*last);
        }
        if let Some(subject) = logout.subject() {
            let last = ended.subjects.entry(subject.to_owned()).or_default();
            last.one = at.max(last.one);
            if logout.session_id().is_none() {
                last.all = last.all.max(Some(at));
            }
        }
        if ended.sessions.len() + ended.subjects.len() > self.most {
            let until = ended.forget_half();
            tracing::warn!(
                issuer = logout.issuer(),
                until,
                "too many ended sessions: every token issued until then is refused, and clients refresh theirs"
            );
        }
    }
}

impl Ended {
    /// Returns the date that stands for what was forgotten.
    fn forget_half(&mut self) -> u64 {
        let subjects = self.subjects.values().map(|subject| subject.one);
        let mut dates: Vec<u64> = self.sessions.values().copied().chain(subjects).collect();
        let middle = dates.len() / 2;
        let (_, until, _) = dates.select_nth_unstable(middle);
        let until = *until;
        self.sessions.retain(|_, at| *at > until);
        self.subjects.retain(|_, subject| subject.one > until);
        self.everything = self.everything.max(Some(until));
        until
    }
}

impl Revocations for LocalRevocations {
    fn is_revoked(&self, principal: &Principal) -> bool {
        let issuers = self.issuers.read();
        let Some(ended) = issuers.get(principal.issuer()) else {
            return false;
        };
        let subject = ended.subjects.get(principal.sub());
        let own = match principal.session_id() {
            Some(session) => {
                let all = subject.and_then(|subject| subject.all);
                all.max(ended.sessions.get(session).copied())
            }
            None => subject.map(|subject| subject.one),
        };
        let issued = principal.issued_at().unwrap_or(0);
        own.max(ended.everything).is_some_and(|ended| issued <= ended)
    }

    /// A client that is refused fetches another token at once, whatever the age of the one before. In the second of the logout
    /// that one would be refused again, and the client would take it that no other helps.
    fn hold(&self, principal: &Principal) -> Duration {
        let issuers = self.issuers.read();
        let Some((ended, (latest, heard))) = issuers.get(principal.issuer()).and_then(|it| Some((it, it.latest?)))
        else {
            return Duration::ZERO;
        };
        let own_ended = principal.session_id().and_then(|session| ended.sessions.get(session)) == Some(&latest);
        if own_ended || principal.issued_at().is_none() {
            return Duration::ZERO;
        }
        (heard + SECOND).saturating_duration_since(Instant::now())
    }
}
