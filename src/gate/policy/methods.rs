use std::fmt;

use http::Method;

use super::PatternError;

/// The methods that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// Every method.
    pub const ANY: Self = Self(Vec::new());

    /// Parses the names of methods. `GET` includes `HEAD`. An empty list or `*` means every method.
    ///
    /// # Errors
    /// When a name is not a method.
    pub fn named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut methods = Vec::new();
        for name in names {
            match name.as_ref() {
                "*" => return Ok(Self::ANY),
                name => {
                    let invalid = || PatternError::Method(name.to_owned());
                    // Method tokens are case-sensitive; `get` would never match.
                    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                        return Err(invalid());
                    }
                    methods.push(Method::from_bytes(name.as_bytes()).map_err(|_| invalid())?);
                }
            }
        }
        Ok(Self(methods))
    }

    /// Returns whether it includes a method.
    pub fn contains(&self, method: &Method) -> bool {
        self.0.is_empty() || self.0.contains(method) || (*method == Method::HEAD && self.0.contains(&Method::GET))
    }

    /// Returns whether it includes all of the others.
    pub(crate) fn include(&self, others: &Self) -> bool {
        self.0.is_empty() || (!others.0.is_empty() && others.0.iter().all(|method| self.contains(method)))
    }

    /// Returns whether no method is included by both.
    pub(crate) fn are_disjoint(&self, others: &Self) -> bool {
        let shares =
            |one: &Self, another: &Self| another.0.is_empty() || another.0.iter().any(|method| one.contains(method));
        !shares(self, others) && !shares(others, self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Method> {
        self.0.iter()
    }

    /// Returns each method that is named, alone.
    pub(crate) fn each(&self) -> Vec<Self> {
        self.iter().cloned().map(Self::from).collect()
    }
}

impl TryFrom<&str> for Methods {
    type Error = PatternError;

    fn try_from(name: &str) -> Result<Self, PatternError> {
        Self::named([name])
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Self {
        Self(vec![method])
    }
}

impl From<std::convert::Infallible> for PatternError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("*");
        }
        let names: Vec<_> = self.0.iter().map(Method::as_str).collect();
        f.write_str(&names.join(","))
    }
}
