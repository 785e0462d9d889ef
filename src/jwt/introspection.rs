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
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use url::Url;

use super::{
    FETCH_SECONDS, Fetch, FetchError, FetchRequest, Rejection, Trust,
    cache::{Fingerprint, Verdict, Verdicts},
    claims,
    clock::unix,
    json::{self, Json, Members},
    kind,
    principal::Claims,
    printable,
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
/// After so many failures in a row the endpoint is left alone for a second, then for twice as long, up to a bound below the
/// time between a renewal and the end of an answer.
const TOLERATED_FAILURES: u32 = 3;
const LONGEST_PAUSE_SECONDS: f64 = 8.0;
/// So many questions about unknown tokens may be under way or wait; each holds its token.
const MOST_UNDER_WAY: usize = 1_000;

pub(crate) struct Introspection {
    trust: Arc<Trust>,
    epoch: u32,
    url: Url,
    fetch: Arc<dyn Fetch>,
    /// The generation of these verdicts is the second in which the question was put.
    good: Verdicts,
    bad: Verdicts<Rejection>,
    questions: Lane,
    renewals: Lane,
    under_way: Mutex<HashMap<Fingerprint, watch::Receiver<Answer>>>,
}

/// Of a question: `None` while it is under way.
type Answer = Option<Result<Verdict, Rejection>>;

impl Introspection {
    pub(crate) fn new(trust: Arc<Trust>, epoch: u32, url: Url, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        let (good, bad) = (Verdicts::new(GOOD_ANSWERS), Verdicts::new(BAD_ANSWERS));
        Arc::new(Self {
            trust,
            epoch,
            url,
            fetch,
            good,
            bad,
            questions: Lane::new(QUESTIONS_AT_ONCE),
            renewals: Lane::new(RENEWALS_AT_ONCE),
            under_way: Mutex::default(),
        })
    }

    pub(crate) async fn verify(
        self: &Arc<Self>,
        token: &str,
        fingerprint: Fingerprint,
        time: SystemTime,
    ) -> Result<Verdict, Rejection> {
        let now = unix(time);
        let kept = self.good.get(&fingerprint);
        let was_good = kept.is_some();
        if let Some(verdict) = kept.filter(|verdict| verdict.is_current(now)) {
            if now >= (verdict.generation + RENEWED_SECONDS) as f64 {
                // Whatever comes of it, this answer is believed to its end.
                drop(self.question(token, fingerprint, now, true));
            }
            return Ok(verdict);
        }
        if let Some(verdict) = self.bad.get(&fingerprint).filter(|verdict| verdict.is_current(now)) {
            return Err((*verdict.proven).clone());
        }
        let mut answer = self.question(token, fingerprint, now, was_good)?;
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
        fingerprint: Fingerprint,
        now: f64,
        was_good: bool,
    ) -> Result<watch::Receiver<Answer>, Rejection> {
        let (told, answer) = watch::channel(None);
        let mut under_way = self.under_way.lock();
        if let Some(answer) = under_way.get(&fingerprint) {
            return Ok(answer.clone());
        }
        if !was_good && under_way.len() >= MOST_UNDER_WAY {
            return Err(self.unavailable("too many questions at once".into()));
        }
        under_way.insert(fingerprint, answer.clone());
        // Where nothing can be spawned any more, what would have been is dropped here and now, and takes the lock.
        drop(under_way);
        let landing = Landing {
            asks: self.clone(),
            fingerprint,
        };
        let token = token.to_owned();
        tokio::spawn(async move {
            let found = landing.asks.find_out(&token, fingerprint, now, was_good).await;
            // What is found is kept by now: whoever comes next needs no question.
            drop(landing);
            told.send_replace(Some(found));
        });
        Ok(answer)
    }

    async fn find_out(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        now: f64,
        was_good: bool,
    ) -> Result<Verdict, Rejection> {
        let answer = self.ask(token, now, was_good).await?;
        let found = self.read(&answer, now);
        match &found {
            Ok(verdict) => self.good.insert(fingerprint, verdict),
            // An answer that cannot be read says nothing of the token; and what is too early may be right before long.
            Err(rejection) if matches!(rejection.reason(), Reason::KeysUnavailable | Reason::NotYetValid) => {}
            Err(rejection) => {
                let verdict = self.verdict(Arc::new(rejection.clone()), now, now, now + BELIEVED_SECONDS);
                self.good.remove(&fingerprint);
                self.bad.insert(fingerprint, &verdict);
            }
        }
        found
    }

    fn read(&self, answer: &[u8], now: f64) -> Result<Verdict, Rejection> {
        let believed_until = now + BELIEVED_SECONDS;
        let read = json::object(answer).map_err(|why| self.unavailable(why))?;
        match read.get("active") {
            Some(Json::Bool(true)) => {}
            Some(Json::String(text)) if text.eq_ignore_ascii_case("true") => {}
            None | Some(Json::Null | Json::Bool(false)) => return Err(self.inactive()),
            Some(Json::String(text)) if text.eq_ignore_ascii_case("false") => return Err(self.inactive()),
            Some(other) => return Err(self.unavailable(format!("`active`: {}", printable(&other.to_string())))),
        }
        // Both are optional here (RFC 7662, section 2.2): the issuer is the one that was asked, and an answer without an
        // end is asked for again.
        let accepted = |said: &Json<'_>| {
            said.as_str()
                .is_some_and(|said| self.trust.accepted_issuers().iter().any(|one| one == said))
        };
        if read.present("iss").is_some_and(|said| !accepted(said)) {
            return Err(Rejection::new(Reason::IssuerNotTrusted).expected(format!("iss {:?}", self.trust.issuer)));
        }
        kind::check_answer(&self.trust, &read)?;
        let claims = self.normalized(&read, believed_until);
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

    /// Returns the answer as the claims of a token. Dates may be text, and an answer without an end ends when it is asked
    /// for again. Without `sub`, `username` (RFC 7662, section 2.2) identifies the user.
    fn normalized(&self, answer: &Members<'_>, believed_until: f64) -> Map<String, Value> {
        let mut claims = answer.to_map();
        for date in ["exp", "nbf", "iat"] {
            if let Some(seconds) = answer
                .text(date)
                .and_then(|text| text.parse::<serde_json::Number>().ok())
            {
                claims.insert(date.to_owned(), seconds.into());
            }
        }
        if answer.present("exp").is_none() {
            claims.insert("exp".to_owned(), believed_until.floor().into());
        }
        if self.trust.subject_claim == "sub"
            && answer.present("sub").is_none()
            && let Some(username) = answer.text("username")
        {
            claims.insert("sub".to_owned(), username.into());
        }
        claims
    }

    async fn ask(&self, token: &str, now: f64, was_good: bool) -> Result<Vec<u8>, Rejection> {
        let lane = if was_good { &self.renewals } else { &self.questions };
        let _turn = tokio::time::timeout(TURN, lane.turns.acquire())
            .await
            .map_err(|_| self.unavailable("too many questions at once".into()))?;
        let failures = lane.enter(now).map_err(|wait| {
            self.unavailable("the endpoint has failed several times in a row".into())
                .retry_after(wait)
        })?;
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
        let answer = self.fetch.fetch(request).await;
        lane.leave(failures, answer.as_ref().err(), now);
        answer.map_err(|error| self.unavailable(error.to_string()))
    }

    fn verdict<T>(&self, proven: Arc<T>, asked: f64, valid_from: f64, valid_until: f64) -> Verdict<T> {
        Verdict {
            proven,
            epoch: self.epoch,
            generation: asked as u64,
            valid_from,
            valid_until,
        }
    }

    fn inactive(&self) -> Rejection {
        Rejection::new(Reason::Revoked)
            .expected("an active token")
            .found("the provider says it is not active: expired, revoked or not its own")
            .hint(
                "sign in again; if the token is fresh, see that the client of trust.introspection_client_id may ask about \
                 tokens of other clients",
            )
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
fn says_dpop(answer: &Members<'_>) -> bool {
    kind::token_type(answer).is_some_and(|said| said.eq_ignore_ascii_case("DPoP"))
}

/// Questions of one kind: a bound on how many are in flight, and a pause after several failures in a row. The two kinds fail
/// apart, so that invented tokens that the endpoint cannot digest do not hold up renewals.
struct Lane {
    turns: Semaphore,
    outage: Mutex<Outage>,
}

#[derive(Default)]
struct Outage {
    /// In a row.
    failures: u32,
    /// Until when no question is put, in seconds since 1970.
    until: f64,
}

impl Lane {
    fn new(at_once: usize) -> Self {
        Self {
            turns: Semaphore::new(at_once),
            outage: Mutex::default(),
        }
    }

    /// Returns the number of failures so far, or how long to wait. After a pause one question goes ahead of the others.
    fn enter(&self, now: f64) -> Result<u32, Duration> {
        let mut outage = self.outage.lock();
        if outage.failures >= TOLERATED_FAILURES {
            let wait = outage.until - now;
            // Longer than any pause: the clock was set back.
            if wait > 0.0 && wait <= LONGEST_PAUSE_SECONDS {
                return Err(Duration::from_secs_f64(wait));
            }
            outage.until = now + FETCH_SECONDS as f64;
        }
        Ok(outage.failures)
    }

    /// Questions that were put at the same time count as one failure.
    fn leave(&self, failures_before: u32, error: Option<&FetchError>, now: f64) {
        let mut outage = self.outage.lock();
        match error {
            None => *outage = Outage::default(),
            // About this token, not about the endpoint.
            Some(FetchError::Status {
                status: 400 | 413 | 414 | 422 | 431,
                ..
            }) => {}
            Some(_) if outage.failures == failures_before => {
                outage.failures = failures_before.saturating_add(1);
                let doublings = outage.failures.saturating_sub(TOLERATED_FAILURES).min(8);
                outage.until = now + f64::from(1_u32 << doublings).min(LONGEST_PAUSE_SECONDS);
            }
            Some(_) => {}
        }
    }
}

/// Ends the question even when it panics.
struct Landing {
    asks: Arc<Introspection>,
    fingerprint: Fingerprint,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.asks.under_way.lock().remove(&self.fingerprint);
    }
}
