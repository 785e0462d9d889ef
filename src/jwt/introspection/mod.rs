//! Introspects opaque tokens at their issuer (RFC 7662).
//!
//! Answers are cached apart from the verdicts on JWTs, those about active and inactive tokens with bounds of their own, so that a
//! flood of invented tokens neither evicts a good answer nor floods the provider. One token causes one request, however many
//! calls carry it. Tokens that were active before are renewed with permits that invented tokens cannot take.

mod lane;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde_json::{Map, Number, Value};
use tokio::sync::watch;
use url::Url;

use self::lane::{Closed, Lane};
use super::{
    Fetch, FetchRequest, Rejection, Trust,
    clock::unix,
    printable,
    token::{
        CachedVerdict, Fingerprint, VerdictCache, claims,
        json::{self, Json, Members},
        kind,
        principal::Claims,
    },
};
use crate::Reason;

/// How long an answer is used, in seconds. A revoked token is accepted no longer than this.
const ANSWER_SECONDS: f64 = 30.0;
/// At this age an answer is renewed in the background, so that no call waits for it.
const RENEWAL_SECONDS: u64 = 20;
const ACTIVE_ANSWERS: usize = 10_000;
const INACTIVE_ANSWERS: usize = 1_000;
/// Requests about unknown tokens that are in flight at once.
const REQUESTS_AT_ONCE: usize = 16;
/// Renewals that are in flight at once. With a full cache they are 500 a second, which works up to an answer time of 60 ms.
const RENEWALS_AT_ONCE: usize = 32;
/// Requests about unknown tokens that are in flight or wait. Each holds its token.
const MAX_IN_FLIGHT: usize = 1_000;

pub(crate) struct Introspection {
    trust: Arc<Trust>,
    epoch: u32,
    url: Url,
    fetch: Arc<dyn Fetch>,
    /// The generation of these verdicts is the second of the request.
    active: VerdictCache,
    inactive: VerdictCache<Rejection>,
    requests: Lane,
    renewals: Lane,
    in_flight: Mutex<HashMap<Fingerprint, watch::Receiver<Answer>>>,
}

/// `None` while the request is in flight.
type Answer = Option<Result<CachedVerdict, Rejection>>;

impl Introspection {
    pub(crate) fn new(trust: Arc<Trust>, epoch: u32, url: Url, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self {
            trust,
            epoch,
            url,
            fetch,
            active: VerdictCache::new(ACTIVE_ANSWERS),
            inactive: VerdictCache::new(INACTIVE_ANSWERS),
            requests: Lane::new(REQUESTS_AT_ONCE),
            renewals: Lane::new(RENEWALS_AT_ONCE),
            in_flight: Mutex::default(),
        })
    }

    pub(crate) async fn verify(
        self: &Arc<Self>,
        token: &str,
        fingerprint: Fingerprint,
        time: SystemTime,
    ) -> Result<CachedVerdict, Rejection> {
        let now = unix(time);
        let cached = self.active.get(&fingerprint);
        let was_active = cached.is_some();
        if let Some(verdict) = cached.filter(|verdict| verdict.is_current(now)) {
            if now >= (verdict.generation + RENEWAL_SECONDS) as f64 {
                // The cached answer is used until its end, whatever the renewal says.
                drop(self.request(token, fingerprint, now, true));
            }
            return Ok(verdict);
        }
        if let Some(verdict) = self
            .inactive
            .get(&fingerprint)
            .filter(|verdict| verdict.is_current(now))
        {
            return Err((*verdict.value).clone());
        }
        let mut answer = self.request(token, fingerprint, now, was_active)?;
        match answer.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(answer)) => answer.clone(),
            _ => Err(self.unavailable("the request was cancelled".into())),
        }
    }

    /// Returns the request about a token: the one in flight, or a new one. It runs in a task of its own, so that a call that is
    /// cancelled does not cancel it for the others.
    fn request(
        self: &Arc<Self>,
        token: &str,
        fingerprint: Fingerprint,
        now: f64,
        was_active: bool,
    ) -> Result<watch::Receiver<Answer>, Rejection> {
        let (sender, answer) = watch::channel(None);
        let mut in_flight = self.in_flight.lock();
        if let Some(answer) = in_flight.get(&fingerprint) {
            return Ok(answer.clone());
        }
        if !was_active && in_flight.len() >= MAX_IN_FLIGHT {
            return Err(self.unavailable("too many requests at once".into()));
        }
        in_flight.insert(fingerprint, answer.clone());
        // If the runtime is shutting down, `spawn` drops the guard at once, which takes the lock.
        drop(in_flight);
        let guard = RequestGuard {
            introspection: self.clone(),
            fingerprint,
        };
        let token = token.to_owned();
        tokio::spawn(async move {
            let answer = guard
                .introspection
                .introspect(&token, fingerprint, now, was_active)
                .await;
            // The answer is cached by now, so the next call needs no request.
            drop(guard);
            sender.send_replace(Some(answer));
        });
        Ok(answer)
    }

    async fn introspect(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        now: f64,
        was_active: bool,
    ) -> Result<CachedVerdict, Rejection> {
        let answer = self.send(token, now, was_active).await?;
        let verdict = self.read(&answer, now);
        match &verdict {
            Ok(verdict) => self.active.insert(fingerprint, verdict),
            // An unreadable answer says nothing about the token, and a token that is not valid yet may be in a moment.
            Err(rejection) if matches!(rejection.reason(), Reason::KeysUnavailable | Reason::NotYetValid) => {}
            Err(rejection) => {
                let verdict = self.verdict(Arc::new(rejection.clone()), now, now, now + ANSWER_SECONDS);
                self.active.remove(&fingerprint);
                self.inactive.insert(fingerprint, &verdict);
            }
        }
        verdict
    }

    async fn send(&self, token: &str, now: f64, was_active: bool) -> Result<Vec<u8>, Rejection> {
        let lane = if was_active { &self.renewals } else { &self.requests };
        let turn = lane.enter(now).await.map_err(|closed| match closed {
            Closed::TooMany => self.unavailable("too many requests at once".into()),
            Closed::Failing(wait) => self
                .unavailable("the endpoint has failed several times in a row".into())
                .retry_after(wait),
        })?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let Trust {
            introspection_client_id: client,
            introspection_client_secret: secret,
            ..
        } = &*self.trust;
        let request = FetchRequest::post(&self.url, &self.trust, &form, client, secret.reveal());
        let answer = self.fetch.fetch(request).await;
        turn.end(answer.as_ref().err(), now);
        answer.map_err(|error| self.unavailable(error.to_string()))
    }

    fn read(&self, answer: &[u8], now: f64) -> Result<CachedVerdict, Rejection> {
        let answer_until = now + ANSWER_SECONDS;
        let answer = json::object(answer).map_err(|why| self.unavailable(why))?;
        if !self.is_active(&answer)? {
            return Err(inactive());
        }
        // `iss` is optional (RFC 7662, section 2.2): the issuer is the one that was asked.
        let accepted = |issuer: &Json<'_>| {
            let accepted = self.trust.accepted_issuers();
            accepted.iter().any(|one| issuer.as_str() == Some(one))
        };
        if answer.present("iss").is_some_and(|issuer| !accepted(issuer)) {
            return Err(Rejection::new(Reason::IssuerNotTrusted).expected(format!("iss {:?}", self.trust.issuer)));
        }
        kind::check_answer(&self.trust, &answer)?;
        let json = Value::Object(self.as_claims(&answer, answer_until))
            .to_string()
            .into_bytes();
        let claims = json::object(&json).map_err(|why| self.unavailable(why))?;
        let (mut token, validity) = claims::check(&self.trust, self.trust.issuer.clone(), &claims, now)?;
        // A token of the type DPoP is bound to a key (RFC 9449, section 6.2).
        let is_dpop = kind::token_type(&claims).is_some_and(|token_type| token_type.eq_ignore_ascii_case("DPoP"));
        if is_dpop && token.key_thumbprint.is_none() {
            let expected = "`jkt`, the key that a token of the type DPoP is bound to";
            return Err(claims::invalid("cnf", expected, "none"));
        }
        token.claims = Claims::new(json);
        // Bounded in both directions: a clock that is set back must not extend the answer.
        let from = validity.from.max(now - ANSWER_SECONDS);
        let until = validity.until.min(answer_until);
        Ok(self.verdict(Arc::new(token), now, from, until))
    }

    fn is_active(&self, answer: &Members<'_>) -> Result<bool, Rejection> {
        match answer.get("active") {
            None | Some(Json::Null) => Ok(false),
            Some(Json::Bool(active)) => Ok(*active),
            Some(Json::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Json::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => Err(self.unavailable(format!("`active`: {}", printable(&other.to_string())))),
        }
    }

    /// Converts the answer to the claims of a token. Dates may be text, and an answer without `exp` ends when it has to be
    /// renewed. Without `sub`, `username` (RFC 7662, section 2.2) identifies the user.
    fn as_claims(&self, answer: &Members<'_>, answer_until: f64) -> Map<String, Value> {
        let mut claims = answer.to_map();
        for date in ["exp", "nbf", "iat"] {
            if let Some(seconds) = answer.text(date).and_then(|text| text.parse::<Number>().ok()) {
                claims.insert(date.to_owned(), seconds.into());
            }
        }
        if answer.present("exp").is_none() {
            claims.insert("exp".to_owned(), answer_until.floor().into());
        }
        if self.trust.subject_claim == "sub"
            && answer.present("sub").is_none()
            && let Some(username) = answer.text("username")
        {
            claims.insert("sub".to_owned(), username.into());
        }
        claims
    }

    fn verdict<T>(&self, value: Arc<T>, requested: f64, valid_from: f64, valid_until: f64) -> CachedVerdict<T> {
        CachedVerdict {
            value,
            epoch: self.epoch,
            generation: requested as u64,
            valid_from,
            valid_until,
        }
    }

    fn unavailable(&self, found: String) -> Rejection {
        Rejection::new(Reason::KeysUnavailable)
            .expected(format!("an introspection answer of {}", self.trust.issuer))
            .found(found)
            .hint("check that the provider can be reached and that trust.introspection_* are right")
            .retry_after(Duration::from_secs(1))
    }
}

fn inactive() -> Rejection {
    Rejection::new(Reason::Revoked)
        .expected("an active token")
        .found("the provider answers that it is not active: expired, revoked or of another provider")
        .hint(
            "sign in again; if the token is fresh, check that the client of trust.introspection_client_id may introspect \
             tokens of other clients",
        )
}

/// Removes the request when it is dropped, also when the task panics.
struct RequestGuard {
    introspection: Arc<Introspection>,
    fingerprint: Fingerprint,
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.introspection.in_flight.lock().remove(&self.fingerprint);
    }
}
