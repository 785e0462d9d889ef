//! Opaque tokens, asked about at their issuer (RFC 7662). Answers are kept apart from the verdicts on JWTs, good ones and
//! bad ones in bounds of their own, so that a flood of invented tokens neither evicts a good answer nor becomes a flood of
//! questions to the provider. One token is one question, however many calls bring it; and tokens that were good before are
//! asked about in turns of their own, which no invented token can take.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use url::Url;

use super::{
    Fetch, FetchRequest, Rejection, Trust,
    cache::{TokenDigest, Verdict, Verdicts},
    claims,
    clock::unix,
    json::{self, Json},
    kind,
    principal::Claims,
};
use crate::Reason;

/// How long an answer is believed, in seconds; a revoked token is accepted no longer.
const BELIEVED_SECONDS: f64 = 30.0;
/// At this age it is asked for anew beside the call, so that no caller waits for it.
const RENEWED_SECONDS: u64 = 20;
const GOOD_ANSWERS: usize = 10_000;
const BAD_ANSWERS: usize = 1_000;
/// About tokens that nothing is known of.
const QUESTIONS_AT_ONCE: usize = 16;
/// About tokens that were good when they were asked about last: with as many as are kept it is 500 in a second, which a provider
/// answers that takes no longer than 60 ms for each.
const RENEWALS_AT_ONCE: usize = 32;
/// How long a question waits for its turn; then 503.
const TURN: Duration = Duration::from_secs(2);
/// So many questions about unknown tokens may be under way or wait; each holds its token.
const MOST_UNDER_WAY: usize = 1_000;

pub(crate) struct Introspection {
    trust: Arc<Trust>,
    position: usize,
    url: Url,
    fetch: Arc<dyn Fetch>,
    /// The generation of these verdicts is the second in which the question was put.
    good: Verdicts,
    bad: Verdicts<Rejection>,
    questions: Semaphore,
    renewals: Semaphore,
    under_way: Mutex<HashMap<[u8; 32], watch::Receiver<Answer>>>,
}

/// Of a question: `None` while it is under way.
type Answer = Option<Result<Verdict, Rejection>>;

impl Introspection {
    pub(crate) fn new(trust: Arc<Trust>, position: usize, url: Url, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        let (good, bad) = (Verdicts::new(GOOD_ANSWERS), Verdicts::new(BAD_ANSWERS));
        Arc::new(Self {
            trust,
            position,
            url,
            fetch,
            good,
            bad,
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
            renewals: Semaphore::new(RENEWALS_AT_ONCE),
            under_way: Mutex::default(),
        })
    }

    pub(crate) async fn verify(
        self: &Arc<Self>,
        token: &str,
        digest: TokenDigest,
        time: SystemTime,
    ) -> Result<Verdict, Rejection> {
        let now = unix(time);
        let kept = self.good.get(&digest);
        let was_good = kept.is_some();
        if let Some(verdict) = kept.filter(|verdict| verdict.is_current(now)) {
            if now >= (verdict.generation + RENEWED_SECONDS) as f64 {
                // Whatever comes of it, this answer is believed to its end.
                drop(self.question(token, digest, now, true));
            }
            return Ok(verdict);
        }
        if let Some(verdict) = self.bad.get(&digest).filter(|verdict| verdict.is_current(now)) {
            return Err((*verdict.proven).clone());
        }
        let mut answer = self.question(token, digest, now, was_good)?;
        match answer.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(answer)) => answer.clone(),
            _ => Err(self.unavailable("the question was given up".into())),
        }
    }

    /// The question about a token: the one under way, or a new one. It runs on its own, so that a caller who goes away
    /// takes it from nobody.
    fn question(
        self: &Arc<Self>,
        token: &str,
        digest: TokenDigest,
        now: f64,
        was_good: bool,
    ) -> Result<watch::Receiver<Answer>, Rejection> {
        let (told, answer) = watch::channel(None);
        let mut under_way = self.under_way.lock();
        if let Some(answer) = under_way.get(&digest.0) {
            return Ok(answer.clone());
        }
        if !was_good && under_way.len() >= MOST_UNDER_WAY {
            return Err(self.unavailable("too many questions at once".into()));
        }
        under_way.insert(digest.0, answer.clone());
        // Where nothing can be spawned any more, what would have been is dropped here and now, and takes the lock.
        drop(under_way);
        let landing = Landing {
            asks: self.clone(),
            digest,
        };
        let token = token.to_owned();
        tokio::spawn(async move {
            let found = landing.asks.find_out(&token, digest, now, was_good).await;
            // What is found is kept by now: whoever comes next needs no question.
            drop(landing);
            told.send_replace(Some(found));
        });
        Ok(answer)
    }

    async fn find_out(&self, token: &str, digest: TokenDigest, now: f64, was_good: bool) -> Result<Verdict, Rejection> {
        let answer = self.ask(token, was_good).await?;
        let found = self.read(&answer, now);
        match &found {
            Ok(verdict) => self.good.insert(digest, verdict),
            // An answer that cannot be read says nothing of the token; and what is too early may be right before long.
            Err(rejection) if matches!(rejection.reason(), Reason::KeysUnavailable | Reason::NotYetValid) => {}
            Err(rejection) => {
                let verdict = self.verdict(Arc::new(rejection.clone()), now, now, now + BELIEVED_SECONDS);
                self.good.remove(&digest);
                self.bad.insert(digest, &verdict);
            }
        }
        found
    }

    fn read(&self, answer: &[u8], now: f64) -> Result<Verdict, Rejection> {
        let believed_until = now + BELIEVED_SECONDS;
        let read = json::object(answer).map_err(|why| self.unavailable(why))?;
        if !matches!(read.get("active"), Some(Json::Bool(true))) {
            return Err(self.inactive());
        }
        // Both are optional here (RFC 7662, section 2.2): the issuer is the one that was asked, and an answer without an
        // end is asked for again.
        let accepted = |said: &Json<'_>| {
            said.as_str()
                .is_some_and(|said| self.trust.accepted_issuers().iter().any(|one| one == said))
        };
        if read.get("iss").is_some_and(|said| !accepted(said)) {
            return Err(Rejection::new(Reason::IssuerNotTrusted).expected(format!("iss {:?}", self.trust.issuer)));
        }
        kind::check_answer(&self.trust, &read)?;
        let mut claims = read.to_map();
        claims.entry("exp").or_insert_with(|| believed_until.floor().into());
        let claims = Value::Object(claims).to_string().into_bytes();
        let read = json::object(&claims).map_err(|why| self.unavailable(why))?;
        let issuer = self.trust.issuer.clone();
        let (mut proven, validity) = claims::check(&self.trust, issuer, &read, now)?;
        if says_dpop(&read) && proven.key_thumbprint.is_none() {
            let expected = "`jkt`, the key that a token of the type DPoP is bound to";
            return Err(claims::invalid("cnf", expected, "none"));
        }
        proven.claims = Claims::new(claims);
        // In both directions: a clock that is set back must not make the answer last.
        let from = validity.from.max(now - BELIEVED_SECONDS);
        let until = validity.until.min(believed_until);
        Ok(self.verdict(Arc::new(proven), now, from, until))
    }

    async fn ask(&self, token: &str, was_good: bool) -> Result<Vec<u8>, Rejection> {
        let turns = if was_good { &self.renewals } else { &self.questions };
        let _turn = tokio::time::timeout(TURN, turns.acquire())
            .await
            .map_err(|_| self.unavailable("too many questions at once".into()))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let secret = self.trust.introspection_client_secret.reveal();
        let request = FetchRequest::post(
            &self.url,
            &self.trust,
            &form,
            &self.trust.introspection_client_id,
            secret,
        );
        self.fetch
            .fetch(request)
            .await
            .map_err(|error| self.unavailable(error.to_string()))
    }

    fn verdict<T>(&self, proven: Arc<T>, asked: f64, valid_from: f64, valid_until: f64) -> Verdict<T> {
        Verdict {
            proven,
            trust: self.position,
            generation: asked as u64,
            valid_from,
            valid_until,
        }
    }

    fn inactive(&self) -> Rejection {
        Rejection::new(Reason::Revoked)
            .expected("an active token")
            .found("the provider says it is not active: expired, revoked or not its own")
            .hint("sign in again")
    }

    fn unavailable(&self, found: String) -> Rejection {
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("an answer of {} about the token", self.trust.issuer))
            .found(found)
            .hint("see that the provider can be reached and that trust.introspection_* are right")
            .retry_after(std::time::Duration::from_secs(1))
    }
}

/// Bound to a key (RFC 9449, section 6.2).
fn says_dpop(answer: &json::Members<'_>) -> bool {
    let said = answer.get("token_type").and_then(Json::as_str);
    said.is_some_and(|said| said.eq_ignore_ascii_case("DPoP"))
}

/// Ends the question even when it panics.
struct Landing {
    asks: Arc<Introspection>,
    digest: TokenDigest,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.asks.under_way.lock().remove(&self.digest.0);
    }
}
