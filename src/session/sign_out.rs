//! Sign-out: here, in all tabs, and at the provider (OpenID Connect RP-Initiated Logout; RFC 7009).

use form_urlencoded::{Serializer, byte_serialize};
use futures_util::future::join;
use oauth2::{AccessToken, RefreshToken};

use crate::authorization::id_token::IdToken;
use crate::authorization::{Client, LONGEST_URL, TokenSet, with_query};

use super::{
    AuthState, CallOutcome, Credentials, HistoryEntry, HttpResponse, Platform, Session, SessionError, SignOutReason,
};

impl<P: Platform> Session<P> {
    /// Revokes the tokens, deletes the session in all tabs, and leaves for the provider's end-session endpoint. If the provider does not
    /// answer or has no such endpoint, the user is still signed out here, and the next page gets [`SignOutReason::SignedOutLocally`].
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// session.sign_out().await;
    /// assert!(session.state().signed_in().is_none());
    /// // The platform has left for the provider, which comes back to `post_logout_redirect_uri`.
    /// # let address = session.platform().went_to.borrow().clone();
    /// assert!(address.starts_with("https://id.example/logout?id_token_hint="));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sign_out(&self) {
        let platform = &self.0.platform;
        // If the provider is down, the browser's error page would offer no next step.
        let (id_token, outage) = join(self.leave(), self.probe()).await;
        match self.end_session_url(id_token.as_ref().map(IdToken::as_str)) {
            Some(url) if outage.is_none() => return platform.navigate(&url, HistoryEntry::Replace),
            _ => self.store_local_sign_out(id_token).await,
        }
        platform.navigate(&self.0.client.post_logout_redirect_uri, HistoryEntry::Replace);
    }

    /// Ends all sessions of the user at the provider, also those of other browsers, then signs out as [`Session::sign_out`] does. `send`
    /// makes the one request, a `DELETE` of [`Client::sessions_url`](crate::authorization::Client::sessions_url). Other browsers are signed
    /// out at their next refresh, or at their next call if the provider notifies this application's server (back-channel logout).
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use example::Answer;
    /// # use pixygate::session::{Credentials, SessionError};
    /// # async fn answer(status: u16) -> Result<Answer, SessionError> { Ok(Answer { status, challenge: None }) }
    /// let refuses = async |_: Credentials| answer(403).await;
    /// let refused = session.sign_out_everywhere(refuses).await;
    /// assert_eq!(refused, Err(SessionError::SessionsNotEnded { status: 403 }));
    /// assert!(session.state().signed_in().is_some(), "nothing has changed");
    ///
    /// let sends = async |_: Credentials| answer(204).await;
    /// session.sign_out_everywhere(sends).await?;
    /// assert!(session.state().signed_in().is_none());
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::call`]; [`SessionError::NoSessionsUrl`] without a configured address; [`SessionError::SessionsNotEnded`] when the
    /// provider rejects the request. The user is still signed in then.
    pub async fn sign_out_everywhere<R: HttpResponse>(
        &self,
        send: impl AsyncFn(Credentials) -> Result<R, SessionError>,
    ) -> Result<(), SessionError> {
        let url = self.0.client.sessions_url.as_ref().ok_or(SessionError::NoSessionsUrl)?;
        let reply = match self.call("DELETE", url, send).await? {
            CallOutcome::Response(reply) | CallOutcome::StepUp(_, reply) => reply,
        };
        let status = reply.status();
        if !(200..300).contains(&status) {
            return Err(SessionError::SessionsNotEnded { status });
        }
        self.sign_out().await;
        Ok(())
    }

    /// Revokes the tokens and deletes the session in all tabs. The session at the provider continues, so the next sign-in may not ask for
    /// credentials.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// use pixygate::session::{AuthState, SignOutReason};
    ///
    /// session.sign_out_here().await;
    /// assert_eq!(session.state(), AuthState::SignedOut(Some(SignOutReason::SignedOut)));
    /// # assert!(session.platform().kept.borrow().is_empty());
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sign_out_here(&self) {
        self.leave().await;
        self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut)));
    }

    async fn leave(&self) -> Option<IdToken> {
        self.restore().await;
        // Read the ID token first: if another tab signs out at the same moment, it is gone afterwards.
        let hint = self.id_token();
        // Another tab may have newer tokens, which must be revoked.
        drop(self.compare().await);
        self.set_state(AuthState::SigningOut);
        let record = self.record();
        let revoke = async {
            if let Some(record) = &record {
                let acting = async {
                    if let Some(tokens) = record.acting.as_ref().and_then(|acting| acting.tokens.as_ref()) {
                        self.revoke(tokens).await;
                    }
                };
                join(self.revoke(&record.tokens), acting).await;
            }
        };
        // Delete the session without waiting for the revocation: if the user closes the page meanwhile, they are still signed out. Only
        // leaving the page waits, because that would abort the requests.
        let forget = async {
            self.forget().await;
            self.0.platform.notify_other_tabs();
        };
        let newer = self.id_token();
        join(revoke, forget).await;
        newer.or(hint)
    }

    fn id_token(&self) -> Option<IdToken> {
        let kept = self.0.kept.borrow();
        kept.as_ref().map(|kept| kept.id_token().clone())
    }

    /// Revokes tokens. Best effort: they are deleted here in any case.
    pub(super) async fn revoke(&self, tokens: &TokenSet) {
        self.revoke_these(tokens.access_token(), tokens.refresh_token()).await;
    }

    pub(super) async fn revoke_these(&self, access: &AccessToken, refresh: Option<&RefreshToken>) {
        let Some(endpoint) = &self.0.client.provider.revocation_endpoint else {
            return;
        };
        let form = |token: &str, hint: &str| {
            let mut body = Serializer::new(String::new());
            body.append_pair("token", token)
                .append_pair("token_type_hint", hint)
                .append_pair("client_id", &self.0.client.client_id);
            body.finish()
        };
        let refresh = async {
            if let Some(token) = refresh {
                drop(
                    self.0
                        .platform
                        .post_form(endpoint, &form(token.secret(), "refresh_token"), None)
                        .await,
                );
            }
        };
        let body = form(access.secret(), "access_token");
        join(refresh, async {
            drop(self.0.platform.post_form(endpoint, &body, None).await)
        })
        .await;
    }

    pub(super) fn end_session_url(&self, id_token: Option<&str>) -> Option<String> {
        let client = &self.0.client;
        let endpoint = client.provider.end_session_endpoint.as_deref()?;
        if endpoint.contains('{') {
            let url = filled_in(endpoint, client, id_token.unwrap_or_default());
            return Some(match url.len() <= LONGEST_URL {
                true => url,
                false => filled_in(endpoint, client, ""),
            });
        }
        let url = |hint: Option<(&str, &str)>| {
            let mut query = Serializer::new(String::new());
            query
                .extend_pairs(hint)
                .append_pair("client_id", &client.client_id)
                .append_pair("post_logout_redirect_uri", &client.post_logout_redirect_uri);
            with_query(endpoint, &query.finish())
        };
        let with_hint = url(id_token.map(|id_token| ("id_token_hint", id_token)));
        Some(match with_hint.len() <= LONGEST_URL {
            true => with_hint,
            false => url(None),
        })
    }
}

/// Fills in the placeholders of an end-session address.
fn filled_in(endpoint: &str, client: &Client, id_token: &str) -> String {
    [
        ("{client_id}", client.client_id.as_str()),
        ("{post_logout_redirect_uri}", &client.post_logout_redirect_uri),
        ("{id_token_hint}", id_token),
    ]
    .iter()
    .fold(endpoint.to_owned(), |url, (name, value)| {
        url.replace(name, &byte_serialize(value.as_bytes()).collect::<String>())
    })
}
