//! One run of the doctor: which checks there are, in which order, and what each of them found.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::findings::{Code, Finding, Severity};

/// A check by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, for `--only`.
    pub id: &'static str,
    /// Its section in the report.
    pub section: &'static str,
    /// What it shows when it passes.
    pub shows: &'static str,
    /// The checks without which it cannot be made.
    pub needs: &'static [&'static str],
}

macro_rules! checks {
    ($($section:literal { $($id:literal $shows:literal needs [$($need:literal)*])* })*) => {
        /// Every check, in the order in which they are made: a cause comes before its effects.
        pub const CHECKS: &[Check] = &[
            $($(Check { id: $id, section: $section, shows: $shows, needs: &[$($need),*] },)*)*
        ];
    };
}

checks! {
    "Configuration" {
        "config" "file and environment can be used" needs []
        "provider" "there is a provider" needs ["config"]
    }
    "Network" {
        "name" "the provider's name has an address" needs ["provider"]
        "connect" "the provider accepts connections" needs ["name"]
        "tls" "the provider's certificate is trusted" needs ["connect"]
    }
    "Provider" {
        "discovery" "the provider has metadata" needs ["tls"]
        "issuer" "the issuer is the configured one" needs ["discovery"]
        "endpoints" "the endpoints of a sign-in are there" needs ["issuer"]
        "pkce" "PKCE with S256 is offered" needs ["issuer"]
        "response-type" "the authorization code flow is offered" needs ["issuer"]
        "iss-parameter" "authorization responses name their issuer" needs ["issuer"]
        "scopes" "the scopes are listed" needs ["issuer"]
        "refresh" "users can stay signed in" needs ["issuer"]
        "dpop" "tokens can be bound to a key" needs ["issuer"]
        "par" "authorization requests can be pushed where they must be" needs ["issuer"]
        "logout-endpoint" "the provider's own session can be ended" needs ["issuer"]
        "public-client" "a client without a secret is served" needs ["issuer"]
    }
    "Keys" {
        "jwks" "the keys can be fetched" needs ["issuer"]
        "keys" "the keys can verify tokens" needs ["jwks"]
    }
    "Clock" {
        "clock" "the clocks agree" needs ["tls"]
    }
    "Browser" {
        "cors-token" "pages can redeem a code" needs ["endpoints"]
        "cors-dpop" "pages can send a DPoP proof" needs ["cors-token" "dpop"]
        "cors-keys" "pages can fetch the keys" needs ["cors-token" "jwks"]
        "cors-revocation" "pages can revoke a token" needs ["cors-token"]
        "cors-other" "pages can read metadata and user information" needs ["cors-token"]
    }
    "Sign-in" {
        "authorization" "the provider accepts the authorization request" needs ["endpoints" "pkce" "response-type" "par"]
        "logout" "the provider accepts the sign-out" needs ["authorization" "logout-endpoint"]
        "signed-in" "a user can sign in (--sign-in)" needs ["endpoints"]
        "access-token" "the gate accepts the user's access token (--sign-in)" needs ["signed-in"]
    }
    "Trust" {
        "trust-discovery" "the metadata of each trusted issuer can be used" needs ["provider"]
        "trust-keys" "the keys of each trusted issuer can verify tokens" needs ["trust-discovery"]
        "trust" "the tokens of users who sign in are accepted" needs ["provider" "trust-discovery"]
    }
    "Store" {
        "store" "the store can be reached" needs ["config"]
        "store-schema" "this server understands the store's tables" needs ["store"]
        "store-write" "the store can be written" needs ["store" "store-schema"]
        "store-clock" "the clocks of the store and this machine agree" needs ["store"]
    }
    "Server" {
        "public-url" "public_url leads to Pixygate" needs ["provider"]
        "upstream" "the services behind the gate accept connections" needs ["provider"]
    }
}

/// The check of that name.
pub(super) fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It passed, perhaps with notes.
    Passed,
    /// It found something.
    Found,
    /// It could not be made, because of an earlier finding.
    NotChecked {
        /// That finding.
        because: Code,
    },
}

/// A check that was made, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its name.
    pub check: &'static str,
    /// Its section.
    pub section: &'static str,
    /// The issuer or address that it is about, where there are several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it saw.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it found.
    pub findings: Vec<Finding>,
}

/// The result of one check: a value for the checks after it, or the fault that keeps them from being made.
pub(super) struct Checked<T> {
    value: Option<T>,
    detail: String,
    findings: Vec<Finding>,
}

impl<T> Checked<T> {
    /// It passed. `detail` is shown with `-v`.
    pub(super) fn passed(value: T, detail: impl Into<String>) -> Self {
        Self {
            value: Some(value),
            detail: detail.into(),
            findings: Vec::new(),
        }
    }

    /// It failed, and no check that needs it can be made.
    pub(super) fn failed(finding: Finding) -> Self {
        Self {
            value: None,
            detail: String::new(),
            findings: vec![finding],
        }
    }

    /// Adds findings.
    pub(super) fn and(mut self, findings: impl IntoIterator<Item = Finding>) -> Self {
        self.findings.extend(findings);
        self
    }
}

/// Why a check that needs a value has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// An earlier check found this.
    Because(Code),
    /// `--only` left it out.
    NotWanted,
}

/// The time that checks may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One check.
    pub check: Duration,
    /// All checks together.
    pub run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            check: Duration::from_secs(5),
            run: Duration::from_secs(30),
        }
    }
}

pub(super) struct Run<'a> {
    pub(super) records: Vec<Record>,
    pub(super) limits: Limits,
    wanted: Vec<&'static str>,
    end: Instant,
    progress: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Run<'a> {
    /// Begins a run with the named checks and those that they need; without names, with all.
    pub(super) fn new(only: &[String], limits: Limits, progress: &'a (dyn Fn(&str) + Sync)) -> Self {
        let mut wanted: Vec<_> = CHECKS
            .iter()
            .filter(|check| only.is_empty() || only.iter().any(|name| name == check.id))
            .map(|check| check.id)
            .collect();
        let mut next = 0;
        while let Some(id) = wanted.get(next) {
            for need in check(id).map_or(&[][..], |check| check.needs) {
                if !wanted.contains(need) {
                    wanted.push(need);
                }
            }
            next += 1;
        }
        Self {
            records: Vec::new(),
            limits,
            wanted,
            end: Instant::now() + limits.run,
            progress,
        }
    }

    /// Leaves checks out that were not asked for.
    pub(super) fn leave_out(&mut self, ids: &[&str]) {
        self.wanted.retain(|wanted| !ids.contains(wanted));
    }

    /// Makes a check with the value of the one before it, or records why it cannot be made.
    pub(super) async fn check<A, T>(
        &mut self,
        id: &'static str,
        subject: &str,
        input: &Result<A, Missing>,
        make: impl AsyncFnOnce(&A) -> Checked<T>,
    ) -> Result<T, Missing> {
        if !self.wanted.contains(&id) {
            return Err(Missing::NotWanted);
        }
        let cause = self.cause(id, subject).or(match input {
            Err(Missing::Because(code)) => Some(*code),
            _ => None,
        });
        let input = match (input, cause) {
            (_, Some(because)) => {
                self.record(id, subject, Outcome::NotChecked { because }, String::new(), Vec::new());
                return Err(Missing::Because(because));
            }
            (Err(missing), None) => return Err(*missing),
            (Ok(input), None) => input,
        };
        (self.progress)(id);
        let left = self.end.saturating_duration_since(Instant::now());
        let limit = match id {
            // It waits for a user, and has a limit of its own.
            "signed-in" => Duration::MAX,
            _ => self.limits.check.min(left),
        };
        let checked = timeout(limit, make(input)).await.unwrap_or_else(|_| {
            Checked::failed(
                Finding::new(Code::TooSlow)
                    .expected(format!("an answer within {:?}", self.limits.check))
                    .found(format!("none after {limit:?}, in the check `{id}`")),
            )
        });
        if id == "signed-in" {
            self.end = Instant::now() + self.limits.run;
        }
        let fault = worst(&checked.findings).filter(|finding| finding.severity == Severity::Fault);
        let cause = fault.map(|finding| finding.code);
        let outcome = match checked.findings.iter().any(|finding| finding.severity > Severity::Note) {
            true => Outcome::Found,
            false => Outcome::Passed,
        };
        self.record(id, subject, outcome, checked.detail, checked.findings);
        checked.value.ok_or(Missing::Because(cause.unwrap_or(Code::TooSlow)))
    }

    fn record(&mut self, id: &'static str, subject: &str, outcome: Outcome, detail: String, findings: Vec<Finding>) {
        self.records.push(Record {
            check: id,
            section: check(id).map_or("", |check| check.section),
            subject: subject.to_owned(),
            outcome,
            detail,
            findings,
        });
    }

    /// The finding of a needed check that keeps this one from being made.
    fn cause(&self, id: &str, subject: &str) -> Option<Code> {
        let needs = check(id)?.needs;
        let is_about = |record: &&Record| subject.is_empty() || record.subject.is_empty() || record.subject == subject;
        let mut needed = self
            .records
            .iter()
            .filter(|record| needs.contains(&record.check))
            .filter(is_about);
        needed.find_map(|record| match record.outcome {
            Outcome::NotChecked { because } => Some(because),
            Outcome::Passed => None,
            Outcome::Found => {
                let fault = record
                    .findings
                    .iter()
                    .find(|finding| finding.severity == Severity::Fault);
                fault.map(|finding| finding.code)
            }
        })
    }
}

fn worst(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().rev().max_by_key(|finding| finding.severity)
}

impl<T> Checked<T> {
    /// The value, or the findings.
    pub(super) fn into_value(self) -> Result<T, Vec<Finding>> {
        self.value.ok_or(self.findings)
    }
}
