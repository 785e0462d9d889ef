//! What the first page does without. With the feature `split` each of these is loaded when it is first called, together
//! with all that only it needs: the requests to the provider, the validation of ID tokens, the calls.

use gloo_net::http::{Request, Response};

use crate::authorization::{SignIn, TokenExchange};
use crate::session::browser::{Browser, Popup};
use crate::session::{Landing, Session, SessionError, SignInFailure};

use super::CallError;
use super::gated;

type Here = Session<Browser>;

/// A function whose code the browser loads when it is first called, in builds with the feature `split` (`cargo leptos build
/// --split`); otherwise a function like any other. Where the code cannot be loaded the caller gets an error: the error type is
/// [`CallError`](crate::leptos::CallError), [`SessionError`](crate::session::SessionError), or another one that can be made
/// of `leptos::wasm_split::SplitLoaderError`.
///
/// ```
/// # use pixygate::leptos::CallError;
/// pixygate::deferred! {
///     /// The report.
///     pub async fn report(number: u32) -> Result<String, CallError> {
///         Ok(format!("report {number}"))
///     }
/// }
/// ```
#[macro_export]
macro_rules! deferred {
    ($($(#[$meta:meta])* $visibility:vis async fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> Result<$ok:ty, $error:ty> $body:block)*) => {
        $(
            $crate::__deferred! { ($(#[$meta])*) ($visibility) $name ($($argument: $type),*) ($ok) ($error) $body }
        )*
    };
}

#[cfg(feature = "split")]
#[doc(hidden)]
#[macro_export]
macro_rules! __deferred {
    (($($meta:tt)*) ($visibility:vis) $name:ident ($($argument:ident: $type:ty),*) ($ok:ty) ($error:ty) $body:block) => {
        $($meta)*
        #[::leptos::wasm_split::wasm_split(
            $name,
            wasm_split_path = ::leptos::wasm_split,
            fallible,
            return_wrapper(let future = _; { future.await } -> Result<$ok, $error>)
        )]
        $visibility fn $name($($argument: $type),*) -> ::std::pin::Pin<Box<dyn Future<Output = Result<$ok, $error>>>> {
            Box::pin(async move $body)
        }
    };
}

#[cfg(not(feature = "split"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __deferred {
    (($($meta:tt)*) ($visibility:vis) $name:ident ($($argument:ident: $type:ty),*) ($ok:ty) ($error:ty) $body:block) => {
        $($meta)*
        $visibility async fn $name($($argument: $type),*) -> Result<$ok, $error> $body
    };
}

deferred! {
    pub(super) async fn sign_in(session: Here, options: SignIn) -> Result<(), SessionError> {
        session.restore().await;
        session.sign_in(&options).await
    }

    pub(super) async fn sign_in_popup(session: Here, popup: Popup, options: SignIn) -> Result<(), SessionError> {
        session.sign_in_popup(popup, &options).await
    }

    pub(super) async fn complete(session: Here, query: String) -> Result<Landing, SignInFailure> {
        session.complete(&query).await
    }

    pub(super) async fn sign_out(session: Here) -> Result<(), SessionError> {
        session.sign_out().await;
        Ok(())
    }

    pub(super) async fn sign_out_here(session: Here) -> Result<(), SessionError> {
        session.sign_out_here().await;
        Ok(())
    }

    pub(super) async fn refresh_ahead(session: Here) -> Result<(), SessionError> {
        session.refresh_ahead().await;
        Ok(())
    }

    pub(super) async fn access_token(session: Here) -> Result<oauth2::AccessToken, SessionError> {
        session.access_token().await
    }

    pub(super) async fn exchange(session: Here, exchange: Option<TokenExchange>) -> Result<(), SessionError> {
        match exchange {
            Some(exchange) => session.exchange(exchange).await,
            None => session.exchange_back().await,
        }
    }

    pub(super) async fn watch_idle(session: Here) -> Result<(), SessionError> {
        session.restore().await;
        session.watch_idle(|session| {
            leptos::task::spawn_local(async move { session.sign_out().await });
        });
        Ok(())
    }

    pub(super) async fn call(session: Here, request: Request) -> Result<Response, CallError> {
        gated::call(&session, request).await
    }
}

/// Loads what signing out needs, so that it works without a network, too.
#[cfg(feature = "split")]
pub(super) async fn prepare() {
    // What is missing is loaded when it is called for.
    drop(__wasm_split_preload_sign_out().await);
}

#[cfg(not(feature = "split"))]
pub(super) async fn prepare() {}

#[cfg(feature = "split")]
mod split {
    use leptos::wasm_split::SplitLoaderError;

    use crate::leptos::CallError;
    use crate::session::{SessionError, SignInFailure};

    impl From<SplitLoaderError> for SessionError {
        fn from(_: SplitLoaderError) -> Self {
            Self::PartMissing
        }
    }

    impl From<SplitLoaderError> for CallError {
        fn from(_: SplitLoaderError) -> Self {
            SessionError::Self::PartMissing
        }
    }

    impl From<SplitLoaderError> for SignInFailure {
        fn from(_: SplitLoaderError) -> Self {
            Self {
                error: SessionError::PartMissing,
                return_to: Default::default(),
            }
        }
    }
}
