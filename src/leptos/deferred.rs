//! What the first page does without. With the feature `split` each of these is loaded when it is first called, together
//! with all that only it needs: the requests to the provider, the validation of ID tokens, the calls.

use gloo_net::http::{Request, Response};

use crate::authorization::{SignIn, TokenExchange};
use crate::session::browser::Popup;
use crate::session::{Landing, SessionError, SignInFailure};

use super::{gated, here};

/// A function whose code the browser loads when it is first called, in builds with the feature `split` (`cargo leptos build
/// --split`); otherwise a function like any other. Where the code cannot be loaded the caller gets an error: the error type is
/// [`CallError`](crate::leptos::CallError), [`SessionError`](crate::session::SessionError), or another one that can be made
/// of `leptos::wasm_split::SplitLoaderError`. A function that is never called is loaded with the first page.
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

/// What the session does. It is one part, and every application that has a session calls it: a split function that nobody
/// calls would stay in the first load.
pub(super) enum Work {
    Start,
    SignIn(SignIn),
    SignInPopup(Popup, SignIn),
    Complete(String),
    SignOut,
    SignOutHere,
    AccessToken,
    Exchange(Option<TokenExchange>),
    Call(Request),
}

/// What came of it.
pub(super) enum Done {
    Nothing,
    Landing(Result<Landing, SignInFailure>),
    AccessToken(oauth2::AccessToken),
    Response(Response),
}

deferred! {
    pub(super) async fn work(work: Work) -> Result<Done, SessionError> {
        let session = here::session()?;
        session.restore().await;
        here::watch_idle(&session);
        match work {
            Work::Start => {}
            Work::SignIn(options) => session.sign_in(&options).await?,
            Work::SignInPopup(popup, options) => session.sign_in_popup(popup, &options).await?,
            Work::Complete(query) => {
                let landing = session.complete(&query).await;
                if landing.as_ref().is_ok_and(|landing| landing.popup) {
                    session.platform().close_window();
                }
                return Ok(Done::Landing(landing));
            }
            Work::SignOut => session.sign_out().await,
            Work::SignOutHere => session.sign_out_here().await,
            Work::AccessToken => return session.access_token().await.map(Done::AccessToken),
            Work::Exchange(Some(exchange)) => session.exchange(exchange).await?,
            Work::Exchange(None) => session.exchange_back().await?,
            Work::Call(request) => return gated::call(&session, request).await.map(Done::Response),
        }
        Ok(Done::Nothing)
    }
}

#[cfg(feature = "split")]
mod split {
    use leptos::wasm_split::SplitLoaderError;

    use crate::leptos::CallError;
    use crate::session::SessionError;

    impl From<SplitLoaderError> for SessionError {
        fn from(_: SplitLoaderError) -> Self {
            Self::PartMissing
        }
    }

    impl From<SplitLoaderError> for CallError {
        fn from(_: SplitLoaderError) -> Self {
            SessionError::PartMissing.into()
        }
    }
}
