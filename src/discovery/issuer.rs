//! The metadata of one issuer over time.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use url::Url;

use super::{DiscoveryError, Metadata, documents::Documents};
use crate::jwt::{FetchError, Trust};

/// Fetches the metadata of one issuer, and uses the last ones while the provider is down.
pub(crate) struct Discovery {
    trust: Arc<Trust>,
    location: Url,
    documents: Documents,
    last: ArcSwapOption<Metadata>,
}

impl Discovery {
    /// `location` is where the metadata are. The issuer is the trust's, which also says how it is reached.
    pub(crate) fn new(trust: Arc<Trust>, location: Url, documents: Documents) -> Self {
        Self {
            trust,
            location,
            documents,
            last: ArcSwapOption::empty(),
        }
    }

    /// Returns the URL of the metadata.
    #[cfg(feature = "browser")]
    pub(super) fn location(&self) -> &Url {
        &self.location
    }

    /// Returns the metadata that were fetched last, or else those of an earlier process.
    pub(crate) fn last(&self) -> Option<Arc<Metadata>> {
        self.last.load_full().or_else(|| {
            let stored = self.documents.stored(&self.location)?;
            let metadata = Metadata::read(&stored.body, &self.trust.issuer, &self.location).ok()?;
            Some(Arc::new(metadata))
        })
    }

    /// Fetches the metadata.
    ///
    /// # Errors
    ///
    /// When they cannot be fetched, or are those of another issuer. [`last`](Self::last) then returns what it did before.
    pub(crate) async fn fetch(&self) -> Result<Arc<Metadata>, DiscoveryError> {
        let document = match self.documents.get(&self.location, &self.trust).await {
            Ok(document) => document,
            Err(error) => return Err(self.explain(error).await),
        };
        let metadata = Arc::new(Metadata::read(&document, &self.trust.issuer, &self.location)?);
        self.documents.store(&self.location, document);
        self.last.store(Some(metadata.clone()));
        Ok(metadata)
    }

    /// Returns where the keys are.
    ///
    /// # Errors
    ///
    /// When the metadata do not say, or plain http is not allowed there.
    pub(crate) fn keys_url(&self, metadata: &Metadata) -> Result<Url, DiscoveryError> {
        let url = metadata.text("jwks_uri").and_then(|url| Url::parse(url).ok());
        match url.filter(|url| self.trust.allows_plain_http(url)) {
            Some(url) => Ok(url),
            None => metadata.required_url("jwks_uri"),
        }
    }

    /// Returns the issuer's RFC 8414 metadata, where it has them too. Some providers list endpoints only there.
    #[cfg(feature = "browser")]
    pub(super) async fn oauth_metadata(&self) -> Option<Metadata> {
        // RFC 8414, section 3.1: the well-known path comes before the issuer's own.
        let mut location = Url::parse(&self.trust.issuer).ok()?;
        let path = format!(
            "/.well-known/oauth-authorization-server{}",
            location.path().trim_end_matches('/')
        );
        location.set_path(&path);
        let document = self.documents.get(&location, &self.trust).await.ok()?;
        Metadata::read(&document, &self.trust.issuer, &location).ok()
    }

    /// Some providers' issuer is their token endpoint. Where the base URL was configured in its place, the metadata are
    /// further down; they are fetched for the message, and never used.
    async fn explain(&self, error: FetchError) -> DiscoveryError {
        let missing = matches!(error, FetchError::Status { status: 404, .. });
        if missing
            && self.trust.discovery_url.is_empty()
            && let Ok(location) =
                Trust::new(format!("{}/oauth2/token", self.trust.issuer.trim_end_matches('/'))).discovery_location()
            && let Ok(document) = self.documents.get(&location, &self.trust).await
            && let Err(conflict @ DiscoveryError::Issuer { .. }) =
                Metadata::read(&document, &self.trust.issuer, &location)
        {
            return conflict;
        }
        error.into()
    }
}
