//! Signing in: off to the provider, and back.

use crate::authorization::{Callback, CallbackError, PendingSignIn, ReturnTo, SignIn};

use super::{AuthState, Platform, Session, SessionError};

/// A sign-in that came back and did not succeed. A session that was there before is untouched.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct SignInFailure {
    /// What went wrong.
    pub error: SessionError,
    /// Where the person was going, as far as it is known: to go there when they start again.
    pub return_to: ReturnTo,
}

impl<P: Platform> Session<P> {
    /// Leaves for the provider's sign-in page, unless the provider does not answer: then the person stays on a page that can
    /// say so.
    ///
    /// # Errors
    /// When the provider cannot be reached, and when this browser cannot keep what must be remembered until the person is back.
    pub async fn sign_in(&self, options: &SignIn) -> Result<(), SessionError> {
        self.0.platform.reach(&self.0.client.provider.jwks_uri).await?;
        let thumbprint = self.dpop_thumbprint().await?;
        let (pending, url) = PendingSignIn::begin(&self.0.client, options, thumbprint.as_deref());
        let text = serde_json::to_string(&pending).map_err(|error| super::StorageError(error.to_string()))?;
        self.0
            .platform
            .save(&slot(pending.state()), &self.binding(), &text)
            .await?;
        self.0.platform.navigate(&url);
        Ok(())
    }

    /// Completes a sign-in from the query of the redirect URI and says where the person was going.
    ///
    /// A callback that was reloaded, bookmarked or reached by the back button just lands when someone is signed in.
    ///
    /// # Errors
    /// The first check that fails, from `state` to the ID token; nothing of the response is kept then.
    pub async fn complete(&self, query: &str) -> Result<ReturnTo, SignInFailure> {
        self.restore().await;
        let mut return_to = ReturnTo::default();
        match self.exchange(query, &mut return_to).await {
            Ok(()) => Ok(return_to),
            Err(SessionError::Callback(CallbackError::Absent | CallbackError::UnknownState))
                if matches!(self.state(), AuthState::SignedIn(_)) =>
            {
                Ok(return_to)
            }
            Err(error) => Err(SignInFailure { error, return_to }),
        }
    }

    async fn exchange(&self, query: &str, return_to: &mut ReturnTo) -> Result<(), SessionError> {
        let (platform, client) = (&self.0.platform, &self.0.client);
        let callback = Callback::parse(query)?;
        let pending = platform.take(&slot(callback.state()), &self.binding()).await?;
        let pending: PendingSignIn = pending
            .and_then(|text| serde_json::from_slice(text.as_bytes()).ok())
            .ok_or(CallbackError::UnknownState)?;
        return_to.clone_from(pending.return_to());
        let validated = pending.validate(callback, client)?;

        let requested = platform.now();
        let response = self.ask_token_endpoint(&validated.token_request(client)).await?;
        let keys = self.keys_for(&response).await?;
        let tokens = validated
            .accept(response, client, &keys, platform, platform.server_time(), requested)
            .await?;
        // Not while another tab refreshes: it would keep its tokens over these.
        let _lock = platform.lock(&self.lock_name()).await;
        self.keep(tokens).await
    }
}

fn slot(state: &str) -> String {
    format!("pending:{state}")
}
