use std::fmt;

use super::nonce::random;

/// Finds a request again in the log. The gate makes one where no layer before it has, and leaves it in the extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// A random one.
    pub fn random() -> Self {
        Self(format!("{:016x}", u64::from_ne_bytes(random())))
    }

    /// One of another layer's: letters, digits and `-`, up to 64.
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(id.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
