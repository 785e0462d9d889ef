use std::{fmt, time::Duration};

use serde_json::Value;

use super::Rate;

/// Two policies of which no call could meet both, or that do not say which limit counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// No authentication context class is accepted by both.
    #[error("no acr is accepted by both: {0} and {1}")]
    Acr(String, String),
    /// No value of a claim is accepted by both.
    #[error("no value of the claim {0} is accepted by both")]
    Claim(String),
    /// A route is meant in part: what is asked for more would not count for the rest.
    #[error("only a part of {0} is meant; name its methods and its path, or a pattern that takes in all of it")]
    Overlap(String),
    /// Each has a limit of its own.
    #[error("there is a rate limit already: {0}")]
    Rate(Rate),
}

/// What a call must bring. Every requirement is added to the ones before it: all of them must hold.
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
    pub(crate) acr: Vec<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) claims: Vec<(String, Vec<Value>)>,
    pub(crate) dpop: bool,
    pub(crate) rate: Option<Rate>,
}

impl Policy {
    /// Open to everybody. A token that comes along is not looked at, and there is no principal.
    pub fn public() -> Self {
        Self {
            public: true,
            ..Self::signed_in()
        }
    }

    /// Open to everybody with a valid token.
    pub fn signed_in() -> Self {
        Self {
            public: false,
            scopes: Vec::new(),
            any_scopes: Vec::new(),
            roles: Vec::new(),
            any_roles: Vec::new(),
            acr: Vec::new(),
            max_age: None,
            claims: Vec::new(),
            dpop: false,
            rate: None,
        }
    }

    /// Asks for this scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self.closed()
    }

    /// Asks for all of these scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self.closed()
    }

    /// Asks for one of these scopes.
    #[must_use]
    pub fn any_scope<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.any_scopes.push(scopes.into_iter().map(Into::into).collect());
        self.closed()
    }

    /// Asks for this role.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self.closed()
    }

    /// Asks for one of these roles.
    #[must_use]
    pub fn any_role<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.any_roles.push(roles.into_iter().map(Into::into).collect());
        self.closed()
    }

    /// Accepts this authentication context class; called again, it accepts one more.
    #[must_use]
    pub fn acr(mut self, acr: impl Into<String>) -> Self {
        self.acr.push(acr.into());
        self.closed()
    }

    /// Asks for a sign-in that is no older.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self.closed()
    }

    /// Asks for a claim with this value; called again for the same claim, it accepts one more value.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.claims.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.claims.push((name, vec![value])),
        }
        self.closed()
    }

    /// Asks for a token that is bound to a key, with a DPoP proof.
    #[must_use]
    pub fn dpop(mut self) -> Self {
        self.dpop = true;
        self.closed()
    }

    /// Limits the calls of one subject to this route, beside the gate's own limit.
    #[must_use]
    pub fn rate_limit(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self.closed()
    }

    /// Both: a call must meet this policy and the other one.
    ///
    /// ```
    /// use pixygate::gate::Policy;
    ///
    /// let both = Policy::signed_in().scope("orders").and(Policy::signed_in().role("staff"))?;
    /// assert_eq!(both.to_string(), "signed in, scope orders, role staff");
    /// # Ok::<(), pixygate::gate::Contradiction>(())
    /// ```
    ///
    /// # Errors
    /// When no call could meet both, and when each limits the rate.
    pub fn and(mut self, other: Self) -> Result<Self, Contradiction> {
        if self.acr.is_empty() {
            self.acr = other.acr;
        } else if !other.acr.is_empty() {
            let both = common(&self.acr, &other.acr)
                .ok_or_else(|| Contradiction::Acr(self.acr.join(" or "), other.acr.join(" or ")))?;
            self.acr = both;
        }
        for (name, values) in other.claims {
            match self.claims.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = common(known, &values).ok_or(Contradiction::Claim(name))?,
                None => self.claims.push((name, values)),
            }
        }
        self.rate = match (self.rate, other.rate) {
            (Some(rate), Some(_)) => return Err(Contradiction::Rate(rate)),
            (one, another) => one.or(another),
        };
        self.max_age = match (self.max_age, other.max_age) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        self.scopes.extend(other.scopes);
        self.any_scopes.extend(other.any_scopes);
        self.roles.extend(other.roles);
        self.any_roles.extend(other.any_roles);
        self.dpop |= other.dpop;
        self.public &= other.public;
        Ok(self)
    }

    /// Whether it is open to everybody.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Every scope that is named, for the metadata.
    pub fn scopes_named(&self) -> impl Iterator<Item = &str> {
        self.scopes
            .iter()
            .chain(self.any_scopes.iter().flatten())
            .map(String::as_str)
    }

    /// A requirement on a public policy asks who it is, so it is public no longer.
    fn closed(mut self) -> Self {
        self.public = false;
        self
    }
}

/// What is in both; `None` when that is nothing.
fn common<T: Clone + PartialEq>(one: &[T], another: &[T]) -> Option<Vec<T>> {
    let both: Vec<_> = one.iter().filter(|item| another.contains(item)).cloned().collect();
    (!both.is_empty()).then_some(both)
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public {
            return f.write_str("public");
        }
        f.write_str("signed in")?;
        for scope in &self.scopes {
            write!(f, ", scope {scope}")?;
        }
        for scopes in &self.any_scopes {
            write!(f, ", scope {}", scopes.join(" or "))?;
        }
        for role in &self.roles {
            write!(f, ", role {role}")?;
        }
        for roles in &self.any_roles {
            write!(f, ", role {}", roles.join(" or "))?;
        }
        if !self.acr.is_empty() {
            write!(f, ", acr {}", self.acr.join(" or "))?;
        }
        if let Some(age) = self.max_age {
            write!(f, ", signed in within {} s", age.as_secs())?;
        }
        for (name, values) in &self.claims {
            let values = values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
            write!(f, ", {name} = {values}")?;
        }
        if self.dpop {
            f.write_str(", DPoP")?;
        }
        if let Some(rate) = self.rate {
            write!(f, ", {rate}")?;
        }
        Ok(())
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
            .acr("mfa")
            .acr("hardware")
            .max_age(Duration::from_secs(300))
            .claim("tier", "gold")
            .claim("tier", "silver");
        let more = Policy::signed_in()
            .any_scope(["read", "write"])
            .role("staff")
            .any_role(["a", "b"])
            .acr("hardware")
            .acr("other")
            .max_age(Duration::from_secs(600))
            .claim("tier", "silver")
            .claim("org_id", 7)
            .dpop()
            .rate_limit(rate("1/s"));
        let both = code.clone().and(more.clone()).unwrap();
        assert_eq!(
            both.to_string(),
            "signed in, scope orders, scope read or write, role staff, role a or b, acr hardware, signed in within 300 s, \
             tier = \"silver\", org_id = 7, DPoP, 1/s"
        );
        assert_eq!(code.clone().and(Policy::signed_in()), Ok(code.clone()));
        assert_eq!(Policy::signed_in().and(code.clone()), Ok(code));
        assert_eq!(
            more.clone().and(Policy::signed_in().rate_limit(rate("50/s"))),
            Err(Contradiction::Rate(rate("1/s")))
        );
    }

    #[test]
    fn what_nobody_could_meet_is_a_contradiction() {
        let acr = |name: &str| Policy::signed_in().acr(name);
        assert!(acr("mfa").and(acr("mfa")).is_ok());
        assert_eq!(
            acr("mfa").and(acr("pwd")),
            Err(Contradiction::Acr("mfa".into(), "pwd".into()))
        );
        let claim = |value: &str| Policy::signed_in().claim("tier", value);
        assert!(claim("gold").and(claim("gold")).is_ok());
        assert_eq!(
            claim("gold").and(claim("tin")),
            Err(Contradiction::Claim("tier".into()))
        );
    }

    #[test]
    fn only_two_public_policies_are_public() {
        assert!(Policy::public().and(Policy::public()).unwrap().is_public());
        assert!(!Policy::public().and(Policy::signed_in()).unwrap().is_public());
        assert!(!Policy::signed_in().and(Policy::public()).unwrap().is_public());
    }
}
