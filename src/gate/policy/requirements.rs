use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::permission;
use crate::{
    gate::Rate,
    jwt::{Principal, unix},
};

/// Two policies that cannot be combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyConflict {
    /// No authentication context class is accepted by both.
    #[error("no acr is accepted by both: {0} and {1}")]
    Acr(String, String),
    /// A restriction covers a part of a route; its other requests would go without it.
    #[error("only a part of {0} is restricted; name its methods and its path, or a pattern that covers all of it")]
    Overlap(String),
}

/// The requirements for a request. The request must meet all of them.
///
/// ```
/// use std::time::Duration;
/// use pixygate::gate::Policy;
///
/// let pay = Policy::signed_in().scope("pay").acr("mfa").max_age(Duration::from_secs(300));
/// assert_eq!(pay.to_string(), "signed in, scope pay, acr mfa, signed in within 300 s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub(crate) public: bool,
    pub(crate) scopes: Vec<String>,
    pub(crate) any_scopes: Vec<Vec<String>>,
    pub(crate) roles: Vec<String>,
    pub(crate) any_roles: Vec<Vec<String>>,
    /// The accepted values; none is accepted when the list is empty.
    pub(crate) acr: Option<Vec<String>>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) claims: Vec<(String, Vec<Value>)>,
    pub(crate) dpop: bool,
    pub(crate) rate: Option<Rate>,
}

impl Policy {
    /// Requires nothing. A token is not checked, and there is no principal. Any requirement that is added requires a valid token too.
    pub fn public() -> Self {
        Self {
            public: true,
            ..Self::signed_in()
        }
    }

    /// Requires a valid token.
    pub fn signed_in() -> Self {
        Self {
            public: false,
            scopes: Vec::new(),
            any_scopes: Vec::new(),
            roles: Vec::new(),
            any_roles: Vec::new(),
            acr: None,
            max_age: None,
            claims: Vec::new(),
            dpop: false,
            rate: None,
        }
    }

    /// Requires this scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self.for_callers()
    }

    /// Requires all of these scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self.for_callers()
    }

    /// Requires one of these scopes.
    #[must_use]
    pub fn any_scope<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.any_scopes.push(scopes.into_iter().map(Into::into).collect());
        self.for_callers()
    }

    /// Requires this role.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self.for_callers()
    }

    /// Requires one of these roles.
    #[must_use]
    pub fn any_role<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.any_roles.push(roles.into_iter().map(Into::into).collect());
        self.for_callers()
    }

    /// Requires this authentication context class (RFC 9470). Called again, it narrows; for several that are acceptable there is
    /// [`any_acr`](Self::any_acr).
    #[must_use]
    pub fn acr(self, acr: impl Into<String>) -> Self {
        self.any_acr([acr])
    }

    /// Requires one of these authentication context classes. Called again, it narrows to those that are in both lists.
    #[must_use]
    pub fn any_acr<S: Into<String>>(mut self, acr: impl IntoIterator<Item = S>) -> Self {
        let more: Vec<String> = acr.into_iter().map(Into::into).collect();
        self.acr = Some(match self.acr {
            None => more,
            Some(known) => known.into_iter().filter(|acr| more.contains(acr)).collect(),
        });
        self.for_callers()
    }

    /// Requires that the user signed in at most this long ago (RFC 9470). Called again, it narrows.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(self.max_age.map_or(age, |known| known.min(age)));
        self.for_callers()
    }

    /// Requires a claim with this value, or with an array that contains it. Called again, both must hold.
    #[must_use]
    pub fn claim(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.any_claim(name, [value])
    }

    /// Requires a claim with one of these values, or with an array that contains one.
    #[must_use]
    pub fn any_claim<V: Into<Value>>(mut self, name: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        self.claims
            .push((name.into(), values.into_iter().map(Into::into).collect()));
        self.for_callers()
    }

    /// Requires a token that is bound to a key, with a DPoP proof (RFC 9449).
    #[must_use]
    pub fn dpop(mut self) -> Self {
        self.dpop = true;
        self.for_callers()
    }

    /// Limits the calls of one subject to this route, in addition to the gate's own limit. Called again, both limits hold.
    #[must_use]
    pub fn rate_limit(mut self, rate: Rate) -> Self {
        self.rate = Some(self.rate.map_or(rate, |known| known.narrow(rate)));
        self.for_callers()
    }

    /// Combines two policies: a request must meet both.
    ///
    /// ```
    /// use pixygate::gate::Policy;
    ///
    /// let both = Policy::signed_in().scope("orders").and(Policy::signed_in().role("staff"))?;
    /// assert_eq!(both.to_string(), "signed in, scope orders, role staff");
    /// # Ok::<(), pixygate::gate::policy::PolicyConflict>(())
    /// ```
    ///
    /// # Errors
    /// When no request could meet both.
    pub fn and(mut self, other: Self) -> Result<Self, PolicyConflict> {
        if let Some(acr) = other.acr {
            let before = self.acr.clone();
            self = self.any_acr(acr.clone());
            if let (Some(before), Some([])) = (before, self.acr.as_deref()) {
                return Err(PolicyConflict::Acr(before.join(" or "), acr.join(" or ")));
            }
        }
        self.claims.extend(other.claims);
        self = other.rate.into_iter().fold(self, Self::rate_limit);
        self = other.max_age.into_iter().fold(self, Self::max_age);
        self.scopes.extend(other.scopes);
        self.any_scopes.extend(other.any_scopes);
        self.roles.extend(other.roles);
        self.any_roles.extend(other.any_roles);
        self.dpop |= other.dpop;
        // The result is public only when both are: folding in a requirement has made it closed already.
        self.public &= other.public;
        Ok(self)
    }

    /// Returns whether it requires nothing.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Returns every scope that is named, for the metadata.
    pub fn scopes_named(&self) -> impl Iterator<Item = &str> {
        self.scopes
            .iter()
            .chain(self.any_scopes.iter().flatten())
            .map(String::as_str)
    }

    /// Returns what it requires, one by one, in the order of its text. A public policy requires nothing.
    ///
    /// ```
    /// use pixygate::gate::{Policy, policy::Requirement};
    ///
    /// let policy = Policy::signed_in().scope("orders:read");
    /// let required = policy.requirements();
    /// assert_eq!(required, [Requirement::SignedIn, Requirement::Scope("orders:read".into())]);
    /// assert_eq!(required[1].to_string(), "scope orders:read");
    /// ```
    pub fn requirements(&self) -> Vec<Requirement> {
        if self.public {
            return Vec::new();
        }
        let mut all = vec![Requirement::SignedIn];
        all.extend(self.scopes.iter().cloned().map(Requirement::Scope));
        all.extend(self.any_scopes.iter().cloned().map(Requirement::AnyScope));
        all.extend(self.roles.iter().cloned().map(Requirement::Role));
        all.extend(self.any_roles.iter().cloned().map(Requirement::AnyRole));
        all.extend(self.acr.iter().cloned().map(Requirement::Acr));
        all.extend(self.max_age.map(Requirement::MaxAge));
        let claims = self.claims.iter().cloned();
        all.extend(claims.map(|(name, values)| Requirement::Claim(name, values)));
        all.extend(self.dpop.then_some(Requirement::Dpop));
        all
    }

    /// Returns how often one subject may call, in addition to the gate's own limit.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Returns whether a token could meet it: no token has one of no values.
    pub(crate) fn is_satisfiable(&self) -> bool {
        let mut any_of = self.any_scopes.iter().chain(&self.any_roles).chain(&self.acr);
        any_of.all(|values| !values.is_empty()) && self.claims.iter().all(|(_, values)| !values.is_empty())
    }

    /// A policy with a requirement needs a caller, so it is not public.
    fn for_callers(mut self) -> Self {
        self.public = false;
        self
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public {
            return f.write_str("public");
        }
        for (position, requirement) in self.requirements().iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{requirement}")?;
        }
        if let Some(rate) = self.rate {
            write!(f, ", {rate}")?;
        }
        Ok(())
    }
}

/// One thing that a [`Policy`] requires.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Requirement {
    /// A valid token.
    SignedIn,
    /// This scope.
    Scope(String),
    /// One of these scopes.
    AnyScope(Vec<String>),
    /// This role.
    Role(String),
    /// One of these roles.
    AnyRole(Vec<String>),
    /// One of these authentication context classes (RFC 9470).
    Acr(Vec<String>),
    /// A sign-in at most this long ago (RFC 9470).
    MaxAge(Duration),
    /// The claim with this name, with one of these values.
    Claim(String, Vec<Value>),
    /// A token that is bound to a key, with a DPoP proof (RFC 9449).
    Dpop,
}

impl Requirement {
    /// Returns whether a caller meets it. The gate has verified the proof of a token that is bound to a key.
    pub fn is_met(&self, caller: &Principal, now: SystemTime) -> bool {
        let policy = Policy::signed_in();
        let policy = match self.clone() {
            Self::SignedIn => policy,
            Self::Scope(scope) => policy.scope(scope),
            Self::AnyScope(scopes) => policy.any_scope(scopes),
            Self::Role(role) => policy.role(role),
            Self::AnyRole(roles) => policy.any_role(roles),
            Self::Acr(acr) => policy.any_acr(acr),
            Self::MaxAge(age) => policy.max_age(age),
            Self::Claim(name, values) => policy.any_claim(name, values),
            Self::Dpop => return caller.key_thumbprint().is_some(),
        };
        permission::check(&policy, caller, unix(now)).is_ok()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignedIn => f.write_str("signed in"),
            Self::Scope(scope) => write!(f, "scope {scope}"),
            Self::AnyScope(scopes) => write!(f, "scope {}", scopes.join(" or ")),
            Self::Role(role) => write!(f, "role {role}"),
            Self::AnyRole(roles) => write!(f, "role {}", roles.join(" or ")),
            Self::Acr(acr) => write!(f, "acr {}", acr.join(" or ")),
            Self::MaxAge(age) => write!(f, "signed in within {} s", age.as_secs()),
            Self::Claim(name, values) => {
                let values: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "{name} = {}", values.join(" or "))
            }
            Self::Dpop => f.write_str("DPoP"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_of_two_policies_hold() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let code = Policy::signed_in()
            .scope("orders")
            .any_acr(["mfa", "hardware"])
            .max_age(Duration::from_secs(300))
            .any_claim("tier", ["gold", "silver"]);
        let more = Policy::signed_in()
            .any_scope(["read", "write"])
            .role("staff")
            .any_role(["a", "b"])
            .any_acr(["hardware", "other"])
            .max_age(Duration::from_secs(600))
            .claim("tier", "silver")
            .claim("org_id", 7)
            .dpop()
            .rate_limit(rate("1/s"));
        let both = code.clone().and(more.clone()).unwrap();
        assert_eq!(
            both.to_string(),
            "signed in, scope orders, scope read or write, role staff, role a or b, acr hardware, signed in within 300 s, \
             tier = \"gold\" or \"silver\", tier = \"silver\", org_id = 7, DPoP, 1/s"
        );
        assert_eq!(code.clone().and(Policy::signed_in()), Ok(code.clone()));
        assert_eq!(Policy::signed_in().and(code.clone()), Ok(code));
        let limited = more.clone().and(Policy::signed_in().rate_limit(rate("50/s")));
        assert_eq!(limited, Ok(more));
    }

    #[test]
    fn what_no_request_could_meet_is_a_conflict() {
        let acr = |name: &str| Policy::signed_in().acr(name);
        assert!(acr("mfa").and(acr("mfa")).is_ok());
        assert_eq!(
            acr("mfa").and(acr("pwd")),
            Err(PolicyConflict::Acr("mfa".into(), "pwd".into()))
        );
    }

    #[test]
    fn a_second_requirement_narrows() {
        let acr = Policy::signed_in().any_acr(["mfa", "hardware"]).acr("mfa");
        assert_eq!(acr.to_string(), "signed in, acr mfa");
        assert!(acr.is_satisfiable());
        assert!(!acr.acr("hardware").is_satisfiable());
        let age = |seconds| Policy::signed_in().max_age(Duration::from_secs(seconds));
        assert_eq!(age(300).max_age(Duration::from_secs(600)), age(300));
        assert_eq!(age(600).max_age(Duration::from_secs(300)), age(300));
        let rate = |rate: &str| rate.parse::<Rate>().unwrap();
        let limited = Policy::signed_in().rate_limit(rate("50/s"));
        assert_eq!(limited.clone().rate_limit(rate("1/s")).to_string(), "signed in, 1/s");
        assert_eq!(limited.rate_limit(rate("100/s")).to_string(), "signed in, 50/s");
    }

    #[test]
    fn only_two_public_policies_are_public() {
        assert!(Policy::public().and(Policy::public()).unwrap().is_public());
        assert!(!Policy::public().and(Policy::signed_in()).unwrap().is_public());
        assert!(!Policy::signed_in().and(Policy::public()).unwrap().is_public());
    }
}
