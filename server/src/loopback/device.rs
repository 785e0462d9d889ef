//! A sign-in on another device (RFC 8628): the user types a code into a browser anywhere.

use openidconnect::core::CoreDeviceAuthorizationResponse;
use openidconnect::{DeviceAuthorizationUrl, Nonce, RequestTokenError};
use pixygate::jwt::printable;

use super::{PATIENCE, Registration, SignInError, SignedIn, of_exchange, signed_in, unusable};

/// What the user needs to sign in elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode {
    /// The page to open.
    pub page: String,
    /// The code to type there.
    pub code: String,
    /// The page with the code in it, where the provider has one.
    pub complete: Option<String>,
}

impl Registration {
    /// Whether the provider says that it has the device grant.
    ///
    /// # Errors
    ///
    /// When its metadata cannot be read.
    pub async fn has_device_grant(&self) -> Result<bool, SignInError> {
        Ok(self.discover().await?.device_endpoint().is_some())
    }

    /// Signs a user in on another device. `show` gets what to show them.
    ///
    /// # Errors
    ///
    /// When any step fails, with what the provider said.
    pub async fn sign_in_elsewhere(&self, show: impl FnOnce(&UserCode)) -> Result<SignedIn, SignInError> {
        let provider = &self.provider;
        let found = self.discover().await?;
        let endpoint = found.device_endpoint().ok_or(SignInError::NoDeviceGrant)?;
        let endpoint = DeviceAuthorizationUrl::new(endpoint.to_owned()).map_err(|error| unusable(&error))?;
        let client = found.client(provider).set_device_authorization_url(endpoint);
        let mut request = client.exchange_device_code();
        for scope in self.further_scopes() {
            request = request.add_scope(scope);
        }
        for (name, value) in &provider.extra_params {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        if let Some(resource) = &provider.resource {
            request = request.add_extra_param("resource", resource.clone());
        }
        let code: CoreDeviceAuthorizationResponse = request
            .request_async(&found.http)
            .await
            .map_err(|error| SignInError::Token(of_exchange(&error)))?;
        show(&UserCode {
            page: printable(code.verification_uri().as_str()),
            code: printable(code.user_code().secret()),
            complete: code.verification_uri_complete().map(|uri| printable(uri.secret())),
        });
        let tokens = client
            .exchange_device_access_token(&code)
            .map_err(|error| unusable(&error))?
            .request_async(&found.http, tokio::time::sleep, Some(PATIENCE))
            .await
            .map_err(|error| match &error {
                RequestTokenError::ServerResponse(response) if response.error().to_string() == "expired_token" => {
                    SignInError::Patience
                }
                _ => SignInError::Token(of_exchange(&error)),
            })?;
        // There is no request that a nonce could bind the ID token to: it comes straight from the token endpoint.
        signed_in(&tokens, &client.id_token_verifier(), |_: Option<&Nonce>| Ok(()))
    }
}

impl super::Discovered {
    fn device_endpoint(&self) -> Option<&str> {
        self.members["device_authorization_endpoint"].as_str()
    }
}
