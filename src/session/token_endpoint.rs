//! Requests to the token endpoint, and the diagnosis of missing responses.

use futures_util::FutureExt as _;
use futures_util::future::{Shared, join};

use crate::authorization::{
    ClockReading, EndpointResponse, Jwk, TokenError, TokenRequest, TokenResponse, ValidationContext,
};

use super::call::origin;
use super::{LocalFuture, NetworkError, Platform, Session, SessionError};

/// Why the provider is down, if it is.
pub(super) type Probe = Shared<LocalFuture<Option<NetworkError>>>;

impl<P: Platform> Session<P> {
    pub(super) fn validation_context<'a>(
        &'a self,
        keys: Option<&'a [Jwk]>,
        requested: ClockReading,
    ) -> ValidationContext<'a, P> {
        let platform = &self.0.platform;
        ValidationContext {
            client: &self.0.client,
            keys,
            crypto: platform,
            now: platform.now(),
            requested,
            server: platform.server_clock(),
        }
    }

    /// Returns the known keys. If they lack the key of the ID token, fetches them again.
    pub(super) async fn keys_for(&self, response: &TokenResponse) -> Result<Vec<Jwk>, NetworkError> {
        let known = self.0.keys.borrow().clone();
        if response.has_key_in(&self.0.client, &known) {
            return Ok(known);
        }
        let fetched = self.0.platform.fetch_keys(&self.0.client.provider.jwks_uri).await?;
        self.0.keys.replace(fetched.clone());
        Ok(fetched)
    }

    /// Requests tokens.
    pub(super) async fn ask_token_endpoint(&self, request: &TokenRequest) -> Result<TokenResponse, SessionError> {
        let reply = self.post_token_request(request).await?;
        Ok(TokenResponse::read(&reply)?)
    }

    /// Sends a request to the token endpoint and returns a successful response. It retries once if the endpoint requires a DPoP nonce, and
    /// once with a new server time if it rejects the proof: the device's clock may have been set meanwhile.
    pub(super) async fn post_token_request(&self, request: &TokenRequest) -> Result<EndpointResponse, SessionError> {
        let endpoint = &self.0.client.provider.token_endpoint;
        let platform = &self.0.platform;
        let (mut with_nonce, mut timed) = (false, false);
        loop {
            let proof = match self.uses_dpop() {
                true => Some(self.proof("POST", endpoint, None).await?),
                false => None,
            };
            let reply = platform.post_form(endpoint, request.body(), proof.as_deref()).await?;
            self.remember_nonce(endpoint, reply.dpop_nonce.as_deref());
            if reply.status < 300 {
                self.0.granted.set(self.0.granted.get() + 1);
                return Ok(reply);
            }
            match TokenError::read(&reply) {
                error if !with_nonce && error.requires_dpop_nonce() && reply.dpop_nonce.is_some() => with_nonce = true,
                error if !timed && error.rejects_dpop_proof() => {
                    platform.fetch_server_time().await;
                    timed = true;
                }
                error => return Err(error.into()),
            }
        }
    }

    /// Finds the reason for a missing response of an endpoint that a sign-in needs. The browser does not report it.
    pub(super) async fn diagnose_network_error<T>(
        &self,
        endpoint: &str,
        with_proof: bool,
        answer: Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let platform = &self.0.platform;
        match answer {
            Err(SessionError::Network(error)) if !error.timed_out && self.answers(endpoint).await => {
                let (url, origin) = (endpoint.to_owned(), platform.origin());
                Err(match self.answers_probe(endpoint).await {
                    Ok(true) if with_proof => SessionError::DpopHeaderBlocked { url, origin },
                    Ok(true) => error.into(),
                    Ok(false) => SessionError::CorsBlocked { url, origin },
                    Err(error) => error.into(),
                })
            }
            answer => answer,
        }
    }

    /// Returns whether the provider's error responses lack CORS headers, so that the browser withholds a rejected refresh: the provider's
    /// keys can be read, but the response to a request without a token cannot.
    pub(super) async fn withholds_refusals(&self) -> bool {
        let provider = &self.0.client.provider;
        self.check_available(&provider.jwks_uri).await.is_ok()
            && self.answers_probe(&provider.token_endpoint).await == Ok(false)
    }

    /// Starts a check whether the provider is down. It fetches the metadata, because some providers do not allow other origins to read the
    /// keys.
    pub(super) fn probe(&self) -> Probe {
        let session = self.clone();
        let outage: LocalFuture<_> = Box::pin(async move { session.outage().await });
        let outage = outage.shared();
        self.0.platform.spawn(Box::pin(outage.clone().map(drop)));
        self.0.probe.borrow_mut().insert(outage).clone()
    }

    /// Returns why the provider is down. `None` if it is up, or if this page may not be allowed to read the metadata.
    async fn outage(&self) -> Option<NetworkError> {
        let (platform, provider) = (&self.0.platform, &self.0.client.provider);
        let issuer = provider.issuer.trim_end_matches('/');
        if origin(issuer) != origin(&provider.token_endpoint) {
            return None;
        }
        let metadata = format!("{issuer}/.well-known/openid-configuration");
        let outage = self.check_available(&metadata).await.err()?;
        // The browser may have withheld the response.
        let (responds, answers) = join(
            platform.responds(&metadata),
            self.answers_probe(&provider.token_endpoint),
        )
        .await;
        (responds.is_err() && answers != Ok(true)).then_some(outage)
    }

    /// Checks that a response of `url` can be read, and is not a 5xx.
    async fn check_available(&self, url: &str) -> Result<(), NetworkError> {
        match self.0.platform.status(url).await? {
            ..500 => Ok(()),
            status => Err(NetworkError {
                url: url.to_owned(),
                problem: format!("it answers with the status {status}"),
                timed_out: false,
            }),
        }
    }

    /// Returns whether there is a response, even if it cannot be read.
    async fn answers(&self, url: &str) -> bool {
        match self.0.platform.status(url).await {
            Ok(status) => status < 500,
            Err(_) => self.0.platform.responds(url).await.is_ok(),
        }
    }

    /// Returns whether the response to a request without token and proof can be read.
    async fn answers_probe(&self, endpoint: &str) -> Result<bool, NetworkError> {
        let body = TokenRequest::probe(&self.0.client);
        match self.0.platform.post_form(endpoint, body.body(), None).await {
            Ok(_) => Ok(true),
            Err(error) if error.timed_out => Err(error),
            Err(_) => Ok(false),
        }
    }
}
