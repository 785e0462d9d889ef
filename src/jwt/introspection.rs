//! Opaque tokens, asked about at their issuer (RFC 7662). Answers are kept apart from the verdicts on JWTs, good ones and
//! bad ones in bounds of their own, so that a flood of invented tokens neither evicts a good answer nor becomes a flood of
//! questions to the provider.

use std::{sync::Arc, time::SystemTime};

use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    Fetch, FetchRequest, Rejection, Trust,
    cache::{TokenDigest, Verdict, Verdicts},
    claims,
    clock::unix,
    json::{self, Json},
    principal::{Claims, Proven},
};
use crate::Reason;

/// How long an answer is believed, in seconds; a revoked token is accepted no longer.
const BELIEVED_SECONDS: f64 = 30.0;
const GOOD_ANSWERS: usize = 10_000;
const BAD_ANSWERS: usize = 1_000;
const QUESTIONS_AT_ONCE: usize = 16;

pub(crate) struct Introspection {
    trust: Arc<Trust>,
    position: usize,
    url: Url,
    fetch: Arc<dyn Fetch>,
    good: Verdicts,
    bad: Verdicts,
    questions: Semaphore,
}

impl Introspection {
    pub(crate) fn new(trust: Arc<Trust>, position: usize, url: Url, fetch: Arc<dyn Fetch>) -> Self {
        let (good, bad) = (Verdicts::new(GOOD_ANSWERS), Verdicts::new(BAD_ANSWERS));
        Self {
            trust,
            position,
            url,
            fetch,
            good,
            bad,
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
        }
    }

    pub(crate) async fn verify(
        &self,
        token: &str,
        digest: TokenDigest,
        time: SystemTime,
    ) -> Result<Verdict, Rejection> {
        let now = unix(time);
        let current = |verdict: &Verdict| (verdict.valid_from..verdict.valid_until).contains(&now);
        if let Some(verdict) = self.good.get(&digest).filter(current) {
            return Ok(verdict);
        }
        if self.bad.get(&digest).filter(current).is_some() {
            return Err(self.inactive());
        }
        let answer = self.ask(token).await?;
        let believed_until = now + BELIEVED_SECONDS;
        let read = json::object(&answer).map_err(|why| self.unavailable(why))?;
        if !matches!(read.get("active"), Some(Json::Bool(true))) {
            let verdict = self.verdict(Arc::default(), now, believed_until);
            self.bad.insert(digest, verdict, token.len());
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
        let mut claims = read.to_map();
        claims.entry("exp").or_insert_with(|| believed_until.floor().into());
        let claims = Value::Object(claims).to_string().into_bytes();
        let read = json::object(&claims).map_err(|why| self.unavailable(why))?;
        let issuer = self.trust.issuer.clone();
        let (mut proven, validity) = claims::check(&self.trust, issuer, Some("at+jwt"), &read, now)?;
        proven.claims = Claims::new(claims);
        let verdict = self.verdict(Arc::new(proven), validity.from, validity.until.min(believed_until));
        self.good.insert(digest, verdict.clone(), answer.len());
        Ok(verdict)
    }

    async fn ask(&self, token: &str) -> Result<Vec<u8>, Rejection> {
        let _turn = self
            .questions
            .try_acquire()
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

    fn verdict(&self, proven: Arc<Proven>, valid_from: f64, valid_until: f64) -> Verdict {
        Verdict {
            proven,
            trust: self.position,
            generation: 0,
            valid_from,
            valid_until,
        }
    }

    fn inactive(&self) -> Rejection {
        Rejection::new(Reason::Revoked)
            .expected("an active token")
            .found("the provider says it is not active: expired, revoked or not its own")
            .mend("sign in again")
    }

    fn unavailable(&self, found: String) -> Rejection {
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("an answer of {} about the token", self.trust.issuer))
            .found(found)
            .mend("see that the provider can be reached and that trust.introspection_* are right")
            .retry_after(std::time::Duration::from_secs(1))
    }
}
