//! Presenting the token: the `Authorization` header, and the DPoP proof beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::AccessToken;
use serde::{Deserialize, Serialize};

use crate::authorization::dpop::{self, Proof};
use crate::authorization::{CryptoError, DpopMode, Hash, TokenSet, TokenType};

use super::challenge::{self, Demand, Mend};
use super::record::Whose;
use super::{Event, Platform, Session, SessionError};

/// The answer to a call, as far as the session reads it.
pub trait Reply {
    /// The status code.
    fn status(&self) -> u16;

    /// A header's value.
    fn header(&self, name: &str) -> Option<String>;
}

/// How a call ended.
#[derive(Debug)]
pub enum Called<R> {
    /// With an answer, good or bad.
    Answered(R),
    /// With an answer that asks for a sign-in, which [`Session::step_up`] starts. The second time that a call asks for the
    /// same it is an answer like any other.
    Demands(Demand, R),
}

/// A call that has to wait for a sign-in, to be made again afterwards. It is kept sealed meanwhile.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingCall {
    /// The method.
    pub method: String,
    /// The absolute address.
    pub url: String,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The other headers, without those that the token and its proof were in.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body, when it is text.
    pub body: Option<String>,
}

/// Without what the person typed: it is in the body, or in the query.
impl std::fmt::Debug for WaitingCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitingCall")
            .field("method", &self.method)
            .field("url", &self.url.split('?').next())
            .finish_non_exhaustive()
    }
}

/// A call that its page may ask for, after the sign-in that it was refused for.
pub(super) struct Waiting {
    /// On the monotonic clock, in milliseconds.
    pub(super) until: f64,
    pub(super) whose: Whose,
    pub(super) call: WaitingCall,
    /// The provider's error, when the sign-in was declined and the call is not to be made.
    pub(super) declined: Option<String>,
}

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
    /// Makes a call: with a fresh token, once more with another one when this one is refused, and once more when the server
    /// wants a nonce in the DPoP proof or another time. `send` is asked for each attempt and has to bring the same body each time.
    ///
    /// # Errors
    /// As for [`Session::access_token`]; [`SessionError::ForeignOrigin`] for an address that no token is sent to; what
    /// `send` says when no answer came.
    pub async fn call<R: Reply>(
        &self,
        method: &str,
        url: &str,
        send: impl AsyncFn(Credentials) -> Result<R, SessionError>,
    ) -> Result<Called<R>, SessionError> {
        let without_query = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        self.tell(&Event::CallStarted {
            method: method.to_owned(),
            url: without_query.clone(),
        });
        let called = self.attempt(method, url, &send).await;
        self.tell(&match &called {
            Ok(Called::Answered(reply) | Called::Demands(_, reply)) => Event::CallFinished {
                url: without_query,
                status: reply.status(),
            },
            Err(error) => Event::CallFailed {
                url: without_query,
                error: error.clone(),
            },
        });
        called
    }

    async fn attempt<R: Reply>(
        &self,
        method: &str,
        url: &str,
        send: &impl AsyncFn(Credentials) -> Result<R, SessionError>,
    ) -> Result<Called<R>, SessionError> {
        let (mut replaced, mut with_nonce, mut timed) = (0, false, false);
        let to = origin(url);
        let is_vain = || self.0.replacing_is_vain.borrow().contains(to);
        let set_vain = |yes: bool| {
            let mut vain = self.0.replacing_is_vain.borrow_mut();
            if yes {
                vain.insert(to.to_owned())
            } else {
                vain.remove(to)
            };
        };
        let mut whose = self.record().map(|record| record.whose());
        loop {
            self.check_origin(url)?;
            let record = self.fresh_record().await?;
            // Meanwhile another one may have signed in, or may act for another organisation, in another tab.
            let now = record.whose();
            if *whose.get_or_insert_with(|| now.clone()) != now {
                return Err(SessionError::AnotherPerson);
            }
            let credentials = self.present(record.current(), method, url).await?;
            let access_token = credentials.access_token.clone();
            let reply = send(credentials).await?;
            let nonce = reply.header("DPoP-Nonce");
            self.remember_nonce(url, nonce.as_deref());
            if let Some(date) = reply.header("Date").filter(|_| origin(url) == self.0.platform.origin()) {
                self.0.platform.learn_time(&date);
            }
            let challenge = reply.header("WWW-Authenticate").unwrap_or_default();
            match challenge::read(reply.status(), &challenge) {
                Some(Mend::Token) if replaced < 2 && self.can_refresh() && !is_vain() => {
                    let before = self.0.granted.get();
                    self.replace(&access_token).await?;
                    // One that another tab had may be as bad; one that was asked for just now is the best there is.
                    replaced += if self.0.granted.get() == before { 1 } else { 2 };
                }
                Some(Mend::Nonce) if !with_nonce && nonce.is_some() => with_nonce = true,
                // The device's clock may have been set since the page knew the time.
                Some(Mend::Proof) if !timed => timed = true,
                Some(Mend::SignIn(demand)) if self.may_bring(&demand) && !self.was_demanded(method, url, &demand) => {
                    return Ok(Called::Demands(demand, reply));
                }
                Some(mend) => {
                    set_vain(mend == Mend::Token);
                    return Ok(Called::Answered(reply));
                }
                None => {
                    set_vain(false);
                    self.may_demand(method, url);
                    return Ok(Called::Answered(reply));
                }
            }
        }
    }

    /// Notes what a sign-in was asked for by a call.
    pub(super) fn note_demand(&self, method: &str, url: &str, demand: Demand) {
        self.0.demanded.borrow_mut().push((call_name(method, url), demand));
    }

    /// Forgets it: the call may ask again.
    fn may_demand(&self, method: &str, url: &str) {
        let call = call_name(method, url);
        self.0.demanded.borrow_mut().retain(|(known, _)| *known != call);
    }

    /// Whether a sign-in can help: scopes that are granted already come with no other.
    fn may_bring(&self, demand: &Demand) -> bool {
        let granted = |scope: &String| {
            self.record()
                .is_some_and(|record| record.current().scopes().contains(scope))
        };
        match demand {
            Demand::Authentication { .. } => true,
            Demand::Scopes(scopes) => !scopes.iter().all(granted),
        }
    }

    fn was_demanded(&self, method: &str, url: &str, demand: &Demand) -> bool {
        let call = call_name(method, url);
        self.0
            .demanded
            .borrow()
            .iter()
            .any(|(known, asked)| *known == call && asked == demand)
    }

    /// The call that the last sign-in was for, once: the page that made it makes it again. `fits` tells whether it is
    /// the one that the page knows how to make. Two minutes after the sign-in it is gone, and when the session ends.
    pub fn take_waiting(&self, fits: impl FnOnce(&WaitingCall) -> bool) -> Option<WaitingCall> {
        let waiting = self.take(|waiting| waiting.declined.is_none() && fits(&waiting.call))?;
        Some(waiting.call)
    }

    /// The call whose sign-in the person declined, and the provider's error, once: it was not made, and the page that made it
    /// gives back what was typed. From then on the call may ask for the same sign-in again: make it only when the person
    /// wants that. It is there as long as one for [`Session::take_waiting`] is.
    pub fn take_declined(&self, fits: impl FnOnce(&WaitingCall) -> bool) -> Option<(WaitingCall, String)> {
        let waiting = self.take(|waiting| waiting.declined.is_some() && fits(&waiting.call))?;
        self.may_demand(&waiting.call.method, &waiting.call.url);
        Some((waiting.call, waiting.declined?))
    }

    fn take(&self, fits: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
        let (time, now) = (self.0.platform.now().monotonic, self.record()?.whose());
        let mut waiting = self.0.waiting.borrow_mut();
        waiting.take_if(|waiting| waiting.until < time);
        waiting.take_if(|waiting| waiting.whose == now && fits(waiting))
    }

    /// The headers for one request, with a fresh token.
    ///
    /// # Errors
    /// As for [`Session::access_token`]; [`SessionError::ForeignOrigin`] for an address that no token is sent to.
    pub async fn credentials(&self, method: &str, url: &str) -> Result<Credentials, SessionError> {
        self.check_origin(url)?;
        self.present(self.fresh_record().await?.current(), method, url).await
    }

    async fn present(&self, tokens: &TokenSet, method: &str, url: &str) -> Result<Credentials, SessionError> {
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

    /// Tokens go to the origin of this application, and to those that are listed. Origins are compared whole.
    fn check_origin(&self, url: &str) -> Result<(), SessionError> {
        let client = &self.0.client;
        let to = origin(url);
        if to == self.0.platform.origin() || client.call_origins.iter().any(|it| it == to) {
            Ok(())
        } else {
            Err(SessionError::ForeignOrigin(to.to_owned()))
        }
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
            issued_at: platform.server_clock().time(platform.now()) / 1000.0,
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

/// Method and address without the query: what a call that is made again has in common with the first.
fn call_name(method: &str, url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    format!("{method} {url}")
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
