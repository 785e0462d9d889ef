//! Presenting the token: the `Authorization` header, and the DPoP proof beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::AccessToken;

use crate::authorization::dpop::{self, Proof};
use crate::authorization::{CryptoError, DpopMode, Hash, TokenType};

use super::{Platform, Session, SessionError};

/// The headers that a call to the gate carries. They hold the token: attach them to one request and keep them nowhere.
#[derive(Clone)]
pub struct Credentials {
    /// The value of `Authorization`.
    pub authorization: String,
    /// The value of `DPoP`, when the token is bound to this browser's key.
    pub dpop: Option<String>,
    /// The token in them, to say which one was refused.
    pub access_token: AccessToken,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl<P: Platform> Session<P> {
    /// The headers for one request, with a fresh token.
    ///
    /// # Errors
    /// As for [`Session::access_token`].
    pub async fn credentials(&self, method: &str, url: &str) -> Result<Credentials, SessionError> {
        let tokens = self.fresh_tokens().await?;
        let access_token = tokens.access_token().clone();
        let dpop = match tokens.token_type() {
            TokenType::Bearer => None,
            TokenType::Dpop => Some(self.proof(method, url, Some(&access_token)).await?),
        };
        let authorization = format!("{} {}", tokens.token_type().scheme(), access_token.secret());
        Ok(Credentials {
            authorization,
            dpop,
            access_token,
        })
    }

    /// Whether tokens are bound to this browser's key: as configured, or as the provider announces.
    pub(super) fn uses_dpop(&self) -> bool {
        let client = &self.0.client;
        match client.dpop {
            DpopMode::Off => false,
            DpopMode::Required => true,
            DpopMode::Auto => client
                .provider
                .dpop_signing_alg_values_supported
                .iter()
                .any(|alg| alg == "ES256"),
        }
    }

    /// A DPoP proof for one request (RFC 9449, section 4.2).
    pub(super) async fn proof(
        &self,
        method: &str,
        url: &str,
        access_token: Option<&AccessToken>,
    ) -> Result<String, CryptoError> {
        let platform = &self.0.platform;
        let key = platform.dpop_key().await?;
        let access_token_hash = match access_token {
            Some(token) => Some(self.hash(token.secret()).await?),
            None => None,
        };
        let nonce = self.0.nonces.borrow().get(origin(url)).cloned();
        let proof = Proof {
            method,
            url,
            issued_at: platform.server_time(),
            access_token_hash: access_token_hash.as_deref(),
            nonce: nonce.as_deref(),
        };
        let input = proof.signing_input(&key);
        let signature = platform.dpop_sign(input.as_bytes()).await?;
        Ok(dpop::signed(&input, &signature))
    }

    /// The thumbprint of this browser's key (RFC 7638), to bind the authorization code to it.
    pub(super) async fn dpop_thumbprint(&self) -> Result<Option<String>, CryptoError> {
        if !self.uses_dpop() {
            return Ok(None);
        }
        let key = self.0.platform.dpop_key().await?;
        self.hash(&dpop::thumbprint_input(&key)).await.map(Some)
    }

    /// Keeps the nonce that a server gave for the next proof (RFC 9449, section 8.2).
    pub fn remember_nonce(&self, url: &str, nonce: Option<&str>) {
        if let Some(nonce) = nonce {
            self.0
                .nonces
                .borrow_mut()
                .insert(origin(url).to_owned(), nonce.to_owned());
        }
    }

    async fn hash(&self, text: &str) -> Result<String, CryptoError> {
        let digest = self.0.platform.digest(Hash::Sha256, text.as_bytes()).await?;
        Ok(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// Scheme and authority of an absolute URL.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| authority + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn the_origin_is_all_before_the_path() {
        for url in [
            "https://a.example:8443/x/y",
            "https://a.example:8443?x=/y",
            "https://a.example:8443",
        ] {
            assert_eq!(origin(url), "https://a.example:8443");
        }
    }
}
