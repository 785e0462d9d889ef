//! Signing out: at the provider, here, and in all tabs (OpenID Connect RP-Initiated Logout; RFC 7009).

use form_urlencoded::Serializer;
use futures_util::future::join;

use crate::authorization::TokenSet;

use super::record::SESSION;
use super::{AuthState, Platform, Session, SignOutReason};

impl<P: Platform> Session<P> {
    /// Revokes the tokens, forgets the session in all tabs and leaves for the provider's sign-out. A provider that does
    /// not answer delays nothing but its own part.
    pub async fn sign_out(&self) {
        self.set_state(AuthState::SigningOut);
        let record = self.0.record.take();
        if let Some(record) = &record {
            self.revoke(&record.tokens).await;
        }
        self.0.nonces.take();
        self.0.platform.remove(SESSION).await;
        self.0.platform.tell_other_tabs();
        let url = self.end_session_url(record.as_ref().map(|record| record.tokens.id_token().as_str()));
        if url.is_none() {
            self.set_state(AuthState::SignedOut(Some(SignOutReason::SignedOut)));
        }
        self.0
            .platform
            .navigate(url.as_deref().unwrap_or(&self.0.client.post_logout_redirect_uri));
    }

    async fn revoke(&self, tokens: &TokenSet) {
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
            if let Some(token) = tokens.refresh_token() {
                // Best effort: the tokens are forgotten here whatever the provider answers.
                drop(
                    self.0
                        .platform
                        .post_form(endpoint, &form(token.secret(), "refresh_token"), None)
                        .await,
                );
            }
        };
        let body = form(tokens.access_token().secret(), "access_token");
        join(refresh, async {
            drop(self.0.platform.post_form(endpoint, &body, None).await)
        })
        .await;
    }

    fn end_session_url(&self, id_token: Option<&str>) -> Option<String> {
        let client = &self.0.client;
        let endpoint = client.provider.end_session_endpoint.as_deref()?;
        let mut query = Serializer::new(String::new());
        if let Some(id_token) = id_token {
            query.append_pair("id_token_hint", id_token);
        }
        query
            .append_pair("client_id", &client.client_id)
            .append_pair("post_logout_redirect_uri", &client.post_logout_redirect_uri);
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Some(format!("{endpoint}{separator}{}", query.finish()))
    }
}
