//! Fetching from the provider, within bounds: 5 seconds, 512 KiB, no redirect to another origin.

use std::time::Duration;

use reqwest::redirect::Policy;

use crate::config::secure_url;

const TIME_LIMIT: Duration = Duration::from_secs(5);
const SIZE_LIMIT: usize = 512 * 1024;
const REDIRECT_LIMIT: usize = 3;

/// A client that fetches JSON documents.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// Through the proxy that the environment names, if any.
    public: reqwest::Client,
    /// A proxy could not reach this machine's own addresses.
    loopback: reqwest::Client,
}

/// A document could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Not https, and not on loopback either.
    #[error("{url} may not be fetched: {why}")]
    Insecure {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer.
    #[error("{url} did not answer: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// What the network said.
        why: String,
    },
    /// Another answer than 200.
    #[error("{url} answered {status}")]
    Status {
        /// The address.
        url: String,
        /// The status code.
        status: u16,
    },
    /// More than can be right.
    #[error("{url} sent more than {SIZE_LIMIT} bytes")]
    TooLarge {
        /// The address.
        url: String,
    },
}

impl FetchError {
    /// Whether trying again may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Insecure { .. } | Self::TooLarge { .. } => false,
        }
    }
}

impl Fetcher {
    /// A client with the limits above.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up on this machine.
    pub fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .timeout(TIME_LIMIT)
                .user_agent(concat!("pixygate/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::custom(|attempt| {
                    let same_origin = attempt
                        .previous()
                        .first()
                        .is_some_and(|first| first.origin() == attempt.url().origin());
                    if same_origin && attempt.previous().len() <= REDIRECT_LIMIT {
                        attempt.follow()
                    } else {
                        attempt.stop()
                    }
                }))
        };
        Ok(Self {
            public: builder().build()?,
            loopback: builder().no_proxy().build()?,
        })
    }

    /// Fetches a document.
    ///
    /// # Errors
    ///
    /// Whatever kept it from arriving whole and in time.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let parsed = secure_url(url).map_err(|why| FetchError::Insecure {
            url: url.to_owned(),
            why,
        })?;
        let client = if parsed.scheme() == "http" {
            &self.loopback
        } else {
            &self.public
        };
        // The address is in the message already; the innermost cause is what a reader can act on.
        let unreachable = |error: reqwest::Error| FetchError::Unreachable {
            url: url.to_owned(),
            why: innermost(&error),
        };
        let mut response = client
            .get(parsed)
            .header("accept", "application/json")
            .send()
            .await
            .map_err(unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status: response.status().as_u16(),
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > SIZE_LIMIT {
                return Err(FetchError::TooLarge { url: url.to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", TIME_LIMIT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
