use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::task::JoinSet;

use super::{
    Clock, Fetch, HttpFetch, KeyFetches, KeysStatus, LoadError, LoadErrors, NoRevocations, Principal, Rejection,
    Revocations, SystemClock, Trust, TrustError,
    clock::unix,
    introspection::Introspection,
    keys::{IssuerKeys, KeyQuery, KeySet, Source},
    printable,
    token::{
        CachedVerdict, Fingerprint, VerdictCache, claims,
        compact::{self, Unverified},
        kind,
        principal::Claims,
    },
    trust::KnownIssuers,
};
use crate::{
    Reason,
    discovery::{DocumentStore, Documents, NoDocuments},
    jwt::KeySource,
};

/// Validates tokens of the trusted issuers. Cloning is cheap; clones share keys and cache.
#[derive(Clone)]
pub struct Validator {
    shared: Arc<Shared>,
}

struct Shared {
    trusts: Vec<Trust>,
    issuers: Vec<Issuer>,
    /// Every exact `iss`, with the index of its trust.
    by_issuer: HashMap<String, usize>,
    /// The same issuers, to explain one that is not among them.
    known_issuers: KnownIssuers,
    introspection: Option<Arc<Introspection>>,
    common: Common,
}

/// Shared with validators for other trusts.
#[derive(Clone)]
struct Common {
    documents: Documents,
    verdicts: Arc<VerdictCache>,
    revocations: Arc<dyn Revocations>,
    clock: Arc<dyn Clock>,
    max_token_bytes: usize,
}

/// A trust with its own keys. Issuers never share keys.
#[derive(Clone)]
struct Issuer {
    trust: Arc<Trust>,
    keys: Arc<IssuerKeys>,
    introspection: Option<Arc<Introspection>>,
    /// Names the trust in cached verdicts. A changed trust gets a new one.
    epoch: u32,
}

static NEXT_EPOCH: AtomicU32 = AtomicU32::new(0);

impl Issuer {
    fn new(trust: &Trust, documents: &Documents, clock: &Arc<dyn Clock>) -> Result<Self, TrustError> {
        let key_source = trust.key_source()?;
        check_fixed_keys(trust, &key_source)?;
        let trust = Arc::new(trust.clone());
        let epoch = NEXT_EPOCH.fetch_add(1, Ordering::Relaxed);
        let introspection = trust.introspection()?;
        let introspection =
            introspection.map(|url| Introspection::new(trust.clone(), epoch, url, documents.fetch.clone()));
        let source = Source::new(trust.clone(), key_source, documents.clone());
        Ok(Self {
            keys: IssuerKeys::new(trust.clone(), source, clock.clone()),
            trust,
            introspection,
            epoch,
        })
    }
}

/// Configures a [`Validator`].
pub struct ValidatorBuilder {
    trusts: Vec<Trust>,
    fetch: Option<Arc<dyn Fetch>>,
    store: Arc<dyn DocumentStore>,
    clock: Arc<dyn Clock>,
    revocations: Arc<dyn Revocations>,
    token_cache: usize,
    max_token_bytes: usize,
}

impl ValidatorBuilder {
    /// Fetches keys with something else than [`HttpFetch`].
    #[must_use]
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Stores metadata and keys for the next start, and uses those of the last one while a provider is down. Stored keys
    /// serve for [`jwks_stale_seconds`](Trust::jwks_stale_seconds) after they were fetched, as others do.
    #[must_use]
    pub fn documents(mut self, store: Arc<dyn DocumentStore>) -> Self {
        self.store = store;
        self
    }

    /// Reads the age of keys from another clock than that of this machine.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Rejects the tokens that are revoked there.
    #[must_use]
    pub fn revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Arc::new(revocations);
        self
    }

    /// Caches the results of this number of tokens (10,000 by default). 0 turns the cache off.
    #[must_use]
    pub fn token_cache(mut self, tokens: usize) -> Self {
        self.token_cache = tokens;
        self
    }

    /// Rejects longer tokens, in bytes (8,192 by default), before they are parsed.
    #[must_use]
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Validates the trusts. [`Validator::load`] fetches their keys.
    ///
    /// # Errors
    /// The first trust that cannot be used, and how to fix it.
    pub fn build(self) -> Result<Validator, TrustError> {
        let common = Common {
            documents: Documents {
                fetch: self.fetch.unwrap_or_else(|| Arc::new(HttpFetch::new())),
                store: self.store,
                clock: self.clock.clone(),
            },
            verdicts: Arc::new(VerdictCache::new(self.token_cache)),
            revocations: self.revocations,
            clock: self.clock,
            max_token_bytes: self.max_token_bytes,
        };
        Validator::assemble(self.trusts, common, &[])
    }
}

/// Keys in the configuration can be checked at once.
fn check_fixed_keys(trust: &Trust, source: &KeySource) -> Result<(), TrustError> {
    let (key, set) = match source {
        KeySource::Jwks(json) => ("jwks", KeySet::from_json(json.as_bytes(), trust)),
        KeySource::PublicKey(pem) => ("public_key", KeySet::from_pem(pem, trust)),
        _ => return Ok(()),
    };
    set.map(drop).map_err(|why| TrustError::Keys {
        issuer: trust.issuer.clone(),
        key,
        why,
    })
}

impl Validator {
    /// Configures a validator that trusts these issuers.
    pub fn builder(trusts: impl IntoIterator<Item = Trust>) -> ValidatorBuilder {
        ValidatorBuilder {
            trusts: trusts.into_iter().collect(),
            fetch: None,
            store: Arc::new(NoDocuments),
            clock: Arc::new(SystemClock),
            revocations: Arc::new(NoRevocations),
            token_cache: 10_000,
            max_token_bytes: 8192,
        }
    }

    fn assemble(trusts: Vec<Trust>, common: Common, previous: &[Issuer]) -> Result<Self, TrustError> {
        if trusts.is_empty() {
            return Err(TrustError::None);
        }
        let mut issuers: Vec<Issuer> = Vec::new();
        let mut by_issuer = HashMap::new();
        for (position, trust) in trusts.iter().enumerate() {
            trust.check()?;
            for issuer in trust.accepted_issuers() {
                if by_issuer.insert(issuer.clone(), position).is_some() {
                    return Err(TrustError::Twice(issuer));
                }
            }
            let unchanged = previous.iter().find(|issuer| *issuer.trust == *trust).cloned();
            let issuer = unchanged.map_or_else(|| Issuer::new(trust, &common.documents, &common.clock), Ok)?;
            let other = issuers.iter().find(|other| other.introspection.is_some());
            if let Some(other) = other.filter(|_| issuer.introspection.is_some()) {
                return Err(TrustError::TwoIntrospections(
                    other.trust.issuer.clone(),
                    trust.issuer.clone(),
                ));
            }
            issuers.push(issuer);
        }
        let shared = Shared {
            known_issuers: KnownIssuers::new(&trusts),
            introspection: issuers.iter().find_map(|issuer| issuer.introspection.clone()),
            trusts,
            issuers,
            by_issuer,
            common,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Returns a validator for other trusts. A trust that is unchanged keeps its keys and its cached verdicts.
    ///
    /// # Errors
    /// The first trust that cannot be used.
    #[cfg(feature = "axum")]
    pub(crate) fn with_trusts(&self, trusts: Vec<Trust>) -> Result<Self, TrustError> {
        Self::assemble(trusts, self.shared.common.clone(), &self.shared.issuers)
    }

    /// Makes a validator that fetches keys with `fetch`, with every default.
    ///
    /// # Errors
    /// As [`ValidatorBuilder::build`].
    pub fn new(trusts: impl IntoIterator<Item = Trust>, fetch: impl Fetch) -> Result<Self, TrustError> {
        Self::builder(trusts).fetch(fetch).build()
    }

    /// Loads the keys of every issuer. Needs a tokio runtime.
    ///
    /// # Errors
    /// Every issuer whose keys could not be loaded. [`LoadErrors::configuration`] returns a wrong setting, which should stop the start.
    /// After an outage, the tokens of that issuer are answered with 503 until [`spawn_refresh`](Self::spawn_refresh) has its keys.
    pub async fn load(&self) -> Result<(), LoadErrors> {
        self.load_where(|_| true).await
    }

    /// Loads the keys of the issuers that have none.
    #[cfg(feature = "axum")]
    pub(crate) async fn load_missing(&self) -> Result<(), LoadErrors> {
        let now = self.shared.common.clock.now();
        self.load_where(|issuer| !issuer.keys.is_ready(now)).await
    }

    async fn load_where(&self, is_wanted: impl Fn(&Issuer) -> bool) -> Result<(), LoadErrors> {
        let mut loads = JoinSet::new();
        for issuer in self.shared.issuers.iter().filter(|issuer| is_wanted(issuer)) {
            let (trust, keys) = (issuer.trust.clone(), issuer.keys.clone());
            loads.spawn(async move {
                let result = keys.load().await;
                result.map_err(|error| LoadError {
                    issuer: trust.issuer.clone(),
                    error,
                })
            });
        }
        let failures: Vec<_> = loads.join_all().await.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(LoadErrors(failures))
        }
    }

    /// Refreshes keys ahead of their age until the returned task is dropped. Needs a tokio runtime.
    #[must_use = "dropping the task ends the refresh"]
    pub fn spawn_refresh(&self) -> RefreshTask {
        let mut tasks = JoinSet::new();
        for issuer in &self.shared.issuers {
            let (keys, clock) = (issuer.keys.clone(), self.shared.common.clock.clone());
            tasks.spawn(async move {
                while let Some(wait) = keys.next_fetch(clock.now()) {
                    tokio::time::sleep(wait).await;
                    // A failure is logged, and retried after the cooldown.
                    drop(keys.load().await);
                }
            });
        }
        RefreshTask { _tasks: tasks }
    }

    /// Returns whether every issuer has keys that may still serve.
    pub fn is_ready(&self) -> bool {
        let now = self.shared.common.clock.now();
        self.shared.issuers.iter().all(|issuer| issuer.keys.is_ready(now))
    }

    /// Returns each issuer, and whether it has keys that may still serve.
    pub fn readiness(&self) -> impl Iterator<Item = (&str, bool)> {
        let now = self.shared.common.clock.now();
        let issuers = self.shared.issuers.iter();
        issuers.map(move |issuer| (issuer.trust.issuer.as_str(), issuer.keys.is_ready(now)))
    }

    /// Returns how often the keys of each issuer were fetched.
    pub fn key_fetches(&self) -> impl Iterator<Item = (&str, KeyFetches)> {
        let issuers = self.shared.issuers.iter();
        issuers.map(|issuer| (issuer.trust.issuer.as_str(), issuer.keys.fetches()))
    }

    /// Returns each trust with its keys as they are now, for an operator to see.
    pub fn key_status(&self) -> impl Iterator<Item = (&Trust, KeysStatus)> {
        let now = self.shared.common.clock.now();
        let issuers = self.shared.issuers.iter();
        issuers.map(move |issuer| (&*issuer.trust, issuer.keys.status(now)))
    }

    /// Returns how many tokens are cached, at most [`token_cache`](ValidatorBuilder::token_cache).
    pub fn cached_tokens(&self) -> usize {
        self.shared.common.verdicts.len()
    }

    /// Validates a token. One that is bound to a key or a certificate is rejected: its proof is part of a request, which only a gate
    /// sees.
    ///
    /// # Errors
    /// The first check that fails.
    pub async fn validate(&self, token: &str, now: SystemTime) -> Result<Principal, Rejection> {
        let principal = self.verify(token, now).await?;
        if principal.key_thumbprint().is_some() {
            return Err(Rejection::new(Reason::DpopRequired)
                .expected("a DPoP proof beside the token")
                .found("a token that is bound to a key, alone"));
        }
        if principal.certificate_thumbprint().is_some() {
            return Err(Rejection::new(Reason::CertificateMismatch)
                .expected("the client certificate that the token is bound to")
                .found("the token alone"));
        }
        Ok(principal)
    }

    /// Returns the trusted issuers.
    pub fn trusts(&self) -> &[Trust] {
        &self.shared.trusts
    }

    /// Validates everything but the binding, which needs the request.
    pub(crate) async fn verify(&self, token: &str, time: SystemTime) -> Result<Principal, Rejection> {
        self.check_size(token)?;
        let fingerprint = Fingerprint::of(token);
        let verdict = match self.cached_verdict(&fingerprint, time) {
            Some(verdict) => verdict,
            // Boxed, so that the future of a call with a cached token stays small.
            None => Box::pin(self.verify_uncached(token, fingerprint, time)).await?,
        };
        let principal = Principal::new(verdict.value);
        if !self.shared.common.revocations.is_current() {
            return Err(revocations_unknown());
        }
        if self.shared.common.revocations.is_revoked(&principal) {
            return Err(Box::pin(self.revoked(&principal)).await);
        }
        Ok(principal)
    }

    /// Returns the principal of a token that was verified before. With `None`, call [`verify`](Self::verify).
    #[cfg(feature = "axum")]
    pub(crate) fn cached(&self, token: &str, time: SystemTime) -> Option<Principal> {
        if token.len() > self.shared.common.max_token_bytes {
            return None;
        }
        let principal = Principal::new(self.cached_verdict(&Fingerprint::of(token), time)?.value);
        let revocations = &self.shared.common.revocations;
        (revocations.is_current() && !revocations.is_revoked(&principal)).then_some(principal)
    }

    async fn revoked(&self, principal: &Principal) -> Rejection {
        let hold = self.shared.common.revocations.hold(principal);
        // Even a sleep of no time waits for the next tick of the timer.
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        Rejection::new(Reason::Revoked)
            .expected("a token that is not revoked")
            .found(format!(
                "subject \"{}\" of {}",
                printable(principal.subject()),
                principal.issuer()
            ))
            .hint(match principal.issued_at() {
                Some(_) => "sign in again",
                None => {
                    "let the provider put `iat` into access tokens: without it nothing tells a new one from an old one"
                }
            })
    }

    /// Checked before the token is parsed.
    pub(crate) fn check_size(&self, token: &str) -> Result<(), Rejection> {
        let most = self.shared.common.max_token_bytes;
        if token.len() <= most {
            return Ok(());
        }
        Err(Rejection::new(Reason::TokenTooLarge)
            .expected(format!("at most {most} bytes"))
            .found(format!("{} bytes", token.len()))
            .hint("let the provider put fewer claims into tokens, or raise gate.max_token_bytes"))
    }

    /// Returns the issuer whose trust a verdict names, unless the trust was changed or removed since.
    fn issuer_of(&self, verdict: &CachedVerdict) -> Option<&Issuer> {
        self.shared.issuers.iter().find(|issuer| issuer.epoch == verdict.epoch)
    }

    /// Returns the cached verdict, if it is current and its keys are still published.
    fn cached_verdict(&self, fingerprint: &Fingerprint, time: SystemTime) -> Option<CachedVerdict> {
        let verdict = self.shared.common.verdicts.get(fingerprint)?;
        let generation = self.issuer_of(&verdict)?.keys.generation(time)?;
        (verdict.generation == generation && verdict.is_current(unix(time))).then_some(verdict)
    }

    async fn verify_uncached(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        time: SystemTime,
    ) -> Result<CachedVerdict, Rejection> {
        let shared = &*self.shared;
        // If only its keys are due, the verdict is good once they are refreshed.
        if let Some(verdict) = shared.common.verdicts.get(&fingerprint)
            && let Some(issuer) = self.issuer_of(&verdict)
        {
            let generation = issuer.keys.ensure(time).await?;
            if verdict.generation == generation && verdict.is_current(unix(time)) {
                return Ok(verdict);
            }
            // The full validation finds the reason.
            shared.common.verdicts.remove(&fingerprint);
        }
        if let Some(introspection) = shared.introspection.as_ref().filter(|_| compact::is_opaque(token)) {
            return introspection.verify(token, fingerprint, time).await;
        }
        let unverified = compact::parse(token)?;
        let claims = unverified.claims()?;
        let typ = unverified.header.typ.as_deref();
        check_typ(typ)?;
        let iss = claims::required_text(&claims, "iss")?;
        let signer = self
            .signer(&unverified, iss, time)
            .await
            .map_err(|why| unverified.explain(why))?;
        kind::check(signer.trust, typ, &claims)?;
        let (mut token, validity) = claims::check(signer.trust, signer.issuer, &claims, unix(time))?;
        token.claims = Claims::new(unverified.payload);
        let verdict = CachedVerdict {
            value: Arc::new(token),
            epoch: signer.epoch,
            generation: signer.generation,
            valid_from: validity.from,
            valid_until: validity.until,
        };
        shared.common.verdicts.insert(fingerprint, &verdict);
        Ok(verdict)
    }

    /// Verifies that a token was signed with a key of the trusted issuer that it names.
    pub(crate) async fn signer(
        &self,
        unverified: &Unverified<'_>,
        iss: &str,
        time: SystemTime,
    ) -> Result<Signer<'_>, Rejection> {
        let shared = &*self.shared;
        let position = *shared
            .by_issuer
            .get(iss)
            .ok_or_else(|| shared.known_issuers.not_trusted(iss))?;
        let Issuer { trust, keys, epoch, .. } = &shared.issuers[position];
        let algorithm = unverified.header.algorithm;
        if !trust.algorithms.contains(&algorithm) {
            let names: Vec<_> = trust.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            return Err(Rejection::new(Reason::UnsupportedAlgorithm)
                .expected(names.join(", "))
                .found(algorithm.name())
                .hint(format!(
                    "add \"{algorithm}\" to trust.algorithms if the provider should use it"
                )));
        }
        let names = [iss, trust.issuer.as_str()];
        let query = KeyQuery {
            key_id: unverified.header.key_id.as_deref(),
            algorithm,
            issuers: &names,
        };
        let generation = keys
            .verify(&query, unverified.signed, &unverified.signature, time)
            .await?;
        // With tenants there are no aliases, and the template itself is no issuer.
        let issuer = if trust.tenants.is_empty() {
            trust.issuer.clone()
        } else {
            iss.to_owned()
        };
        Ok(Signer {
            trust,
            issuer,
            epoch: *epoch,
            generation,
        })
    }
}

/// The issuer that signed a token.
pub(crate) struct Signer<'a> {
    pub(crate) trust: &'a Trust,
    /// The exact `iss` or, for an alias, the configured issuer.
    pub(crate) issuer: String,
    epoch: u32,
    generation: u64,
}

/// Returns the rejection for a valid token while it is unknown whether it was revoked.
fn revocations_unknown() -> Rejection {
    Rejection::new(Reason::KeysUnavailable)
        .expected("to know which tokens were revoked")
        .found("no news from the store for longer than store.revocation_max_age_seconds")
        .hint("see that the store can be reached from here; the gate continues by itself when it can")
        .retry_after(Duration::from_secs(1))
}

/// Rejects the header `typ` of other kinds of JWT.
fn check_typ(typ: Option<&str>) -> Result<(), Rejection> {
    match typ {
        None | Some("jwt" | "at+jwt" | "application/at+jwt") => Ok(()),
        Some(other) => Err(Rejection::new(Reason::WrongTokenType)
            .expected("typ \"at+jwt\", \"JWT\" or none")
            .found(format!("typ \"{}\"", printable(other)))
            .hint("send the access token")),
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.shared.trusts.iter().map(|trust| &trust.issuer).collect();
        f.debug_struct("Validator")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}

/// Refreshes keys until it is dropped.
#[derive(Debug)]
pub struct RefreshTask {
    _tasks: JoinSet<()>,
}
