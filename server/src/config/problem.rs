//! Problems of a configuration: the place, the expected and the found value, and a hint.

use std::fmt;

/// The place where a value was set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nowhere: it is the default.
    #[default]
    Default,
    /// A line of the file.
    File {
        /// The path of the file, as given.
        path: String,
        /// The number of the line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
}

impl fmt::Display for Source {
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
    /// The place where it was set.
    pub origin: Source,
    /// The key, as in `provider.issuer`.
    pub key: String,
    /// The accepted values.
    pub expected: String,
    /// The value that was found.
    pub found: String,
    /// The fix.
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

/// All problems of a configuration, in the order of the file.
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
