//! The authorization code flow with PKCE from the relying party's side, without I/O.
//!
//! Each step accepts only the type that the step before it returned:
//!
//! 1. [`PendingSignIn::begin`] makes the authorization request: S256 challenge, state, nonce.
//! 2. [`Callback::parse`] reads the response; [`PendingSignIn::validate`] checks state and `iss` and returns a
//!    [`ValidatedCallback`].
//! 3. [`ValidatedCallback::token_request`] is the code exchange; [`TokenResponse::read`] reads the token response.
//! 4. [`ValidatedCallback::accept`] validates the ID token ([`id_token`]) and only then returns a [`TokenSet`].
//!
//! ```
//! # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/provider.rs")); }
//! # let client = example::client();
//! # futures::executor::block_on(async {
//! use pixygate::authorization::{Callback, PendingSignIn, SignIn, TokenResponse};
//!
//! let (pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
//! let address = request.url(&client);
//! // Store `pending` and send the browser to this address. Then read the callback:
//! # let query = example::callback(&address);
//! let validated = pending.validate(Callback::parse(&query)?, &client)?;
//! let form = validated.token_request();
//! // Post `form.body()` to the token endpoint, and read the response:
//! # let reply = example::tokens_of(&address);
//! # let context = example::validation_context(&client);
//! let tokens = validated.validate_tokens(TokenResponse::read(&reply)?, &context).await?;
//! assert_eq!(tokens.id_token().claims().sub, "alice");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! The types for state, code, verifier and tokens are those of the `oauth2` crate. Time is passed as a value, cryptography as the [`Crypto`]
//! trait.

mod callback;
mod client;
mod crypto;
pub mod dpop;
pub mod id_token;
pub(crate) mod json;
mod request;
mod return_to;
mod time;
mod token_request;
mod token_response;
mod token_set;

pub use callback::{Callback, CallbackError, ValidatedCallback};
pub use client::{Client, DpopMode, Jwk, Provider};
pub use crypto::{Crypto, CryptoError, Hash};
pub use request::{AuthorizationRequest, PendingSignIn, SignIn};
pub(crate) use request::{LONGEST_URL, with_query};
pub use return_to::ReturnTo;
pub use time::{ClockReading, Lifetime, ServerClock};
pub use token_request::{TokenExchange, TokenRequest};
pub use token_response::{EndpointResponse, TokenError, TokenResponse};
pub use token_set::{TokenSet, TokenType, ValidationContext};
