//! A resource server: it accepts the provider's tokens, and sends standard challenges.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use pixygate::session::{Credentials, HttpResponse};
use pixygate::{Reason, Refusal};

use crate::dpop::{Proofs, Wanted};
use crate::provider::{Issued, Provider};

/// A request and its response.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) body: String,
    pub(crate) access_token: String,
    pub(crate) status: u16,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<&'static str, String>,
    /// The body of a refusal of the gate.
    pub(crate) refusal: Option<Refusal>,
}

impl HttpResponse for Answer {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }

    async fn refusal(&self) -> Option<Refusal> {
        self.refusal.clone()
    }
}

impl Answer {
    pub(crate) fn new(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            status,
            headers: headers.collect(),
            refusal: None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Api {
    /// Tokens that it rejects although the provider would accept them.
    pub(crate) distrusts: RefCell<BTreeSet<String>>,
    /// Rejects all tokens.
    pub(crate) distrusts_all: Cell<bool>,
    /// The reason in the body of a refusal, if the server is a gate.
    pub(crate) reason: Cell<Option<Reason>>,
    /// The nonce that DPoP proofs must have.
    pub(crate) nonce: RefCell<Option<String>>,
    /// The `acr` that a path requires.
    pub(crate) wants_acr: RefCell<BTreeMap<&'static str, &'static str>>,
    /// The scopes that a path requires.
    pub(crate) wants_scope: RefCell<BTreeMap<&'static str, &'static str>>,
    pub(crate) seen: RefCell<Vec<Seen>>,
    /// Expired tokens that were received, by the real time.
    pub(crate) expired: RefCell<Vec<Issued>>,
    proofs: Proofs,
}

impl Api {
    pub(crate) fn answer(
        &self,
        provider: &Provider,
        method: &str,
        url: &str,
        body: &str,
        credentials: &Credentials,
        now: f64,
    ) -> Answer {
        let (status, challenge) = match self.judge(provider, method, url, credentials, now) {
            Ok(()) => (200, None),
            Err((status, challenge)) => (status, Some(challenge)),
        };
        self.seen.borrow_mut().push(Seen {
            body: body.to_owned(),
            access_token: credentials.access_token.secret().clone(),
            status,
        });
        let headers = [
            ("WWW-Authenticate", challenge),
            ("DPoP-Nonce", self.nonce.borrow().clone()),
            // Any text that the platform understands.
            ("Date", Some(now.to_string())),
        ];
        Answer {
            status,
            headers: headers
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            refusal: self.reason.get().filter(|_| status == 401).map(|reason| Refusal {
                error: reason.error().to_owned(),
                reason,
                request_id: "1".to_owned(),
                detail: None,
            }),
        }
    }

    fn judge(
        &self,
        provider: &Provider,
        method: &str,
        url: &str,
        credentials: &Credentials,
        now: f64,
    ) -> Result<(), (u16, String)> {
        let refused = |error: &str| (401, format!("Bearer realm=\"api\", error=\"{error}\""));
        let token = credentials.access_token.secret();
        let issued = provider.access.borrow().get(token).cloned();
        let issued = issued.ok_or_else(|| refused("invalid_token"))?;
        if issued.expires <= now {
            self.expired.borrow_mut().push(issued);
            return Err(refused("invalid_token"));
        }
        let scheme = if issued.grant.jkt.is_some() { "DPoP" } else { "Bearer" };
        let distrusted = self.distrusts_all.get() || self.distrusts.borrow().contains(token);
        if distrusted || credentials.authorization != format!("{scheme} {token}") {
            return Err(refused("invalid_token"));
        }
        if issued.grant.jkt.is_some() {
            let nonce = self.nonce.borrow();
            let wanted = Wanted {
                method,
                url,
                access_token: Some(token),
                nonce: nonce.as_deref(),
                now,
            };
            let proof = credentials
                .dpop
                .as_deref()
                .ok_or_else(|| refused("invalid_dpop_proof"))?;
            let jkt = self.proofs.check(proof, &wanted).map_err(refused)?;
            if Some(jkt) != issued.grant.jkt {
                return Err(refused("invalid_token"));
            }
        }
        let path = url.split_once("example").map_or("", |(_, path)| path);
        let path = path.split('?').next().unwrap();
        if let Some(acr) = self.wants_acr.borrow().get(path)
            && issued.grant.acr.as_deref() != Some(acr)
        {
            let challenge =
                format!("{scheme} error=\"insufficient_user_authentication\", acr_values=\"{acr}\", max_age=\"300\"");
            return Err((401, challenge));
        }
        if let Some(scope) = self.wants_scope.borrow().get(path)
            && !issued.grant.scopes.iter().any(|granted| granted == scope)
        {
            return Err((403, format!("{scheme} error=\"insufficient_scope\", scope=\"{scope}\"")));
        }
        Ok(())
    }
}
