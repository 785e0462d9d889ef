//! What is wrong with a configuration: where, what was expected, what was found, and how to fix it.

use std::fmt;

/// Where a value was set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nowhere.
    #[default]
    Default,
    /// A line of the file.
    File {
        /// The file, as it was named.
        path: String,
        /// Counted from one.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}, line {line}"),
            Self::Environment { variable } => f.write_str(variable),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value stands.
    pub origin: Origin,
    /// The key, as in `provider.issuer`.
    pub key: String,
    /// What would have been accepted.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            key,
            expected,
            found,
            hint,
        } = self;
        write!(
            f,
            "{origin}: {key}\n    expected  {expected}\n    found     {found}\n    hint      {hint}"
        )
    }
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The configuration cannot be used.")?;
        for problem in &self.0 {
            write!(f, "\n\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
