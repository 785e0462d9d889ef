//! What the session does beyond knowing who is signed in. The first page does without: in builds with the feature `split` it is
//! loaded when it is first called, together with all that only it needs (the requests to the provider, the validation of ID
//! tokens, the calls).

use gloo_net::http::{Request, Response};

use crate::authorization::{Client, SignIn, TokenExchange};
use crate::session::browser::Popup;
use crate::session::{Landing, Platform as _, SessionError, SignInFailure};

use super::{gated, here, mock};

/// It is one part, and every application that has a session calls it: a split function that nobody calls would stay in the
/// first load.
pub(super) enum Work {
    Start,
    SignIn(SignIn),
    SignInPopup(Option<Popup>, SignIn),
    Complete(String),
    SignOut,
    SignOutHere,
    SignOutEverywhere,
    AccessToken,
    Refresh,
    Client,
    Exchange(Option<TokenExchange>),
    Call(Request),
}

/// What came of it.
pub(super) enum Done {
    Nothing,
    Landing(Result<Landing, SignInFailure>),
    AccessToken(oauth2::AccessToken),
    Client(Box<Client>),
    Response(Response),
}

crate::deferred! {
    pub(super) async fn work(work: Work) -> Result<Done, SessionError> {
        if let Some(answer) = mock::answer(&work) {
            return answer;
        }
        let session = here::session()?;
        session.restore().await;
        here::watch_idle(&session);
        match work {
            Work::Start => here::tell(&session),
            Work::SignIn(options) => session.sign_in(&options).await?,
            Work::SignInPopup(popup, options) => {
                let popup = popup.ok_or(SessionError::Cancelled)?;
                session.sign_in_popup(popup, &options).await?;
            }
            Work::Complete(query) => {
                let mut landing = session.complete(&query).await;
                if let Err(failure) = &landing
                    && session.hand_over(&query, failure).await
                {
                    landing = Ok(Landing {
                        popup: true,
                        ..Landing::default()
                    });
                }
                if landing.as_ref().is_ok_and(|landing| landing.popup) {
                    session.platform().close_window();
                }
                return Ok(Done::Landing(landing));
            }
            Work::SignOut => {
                session.sign_out().await;
                // Who is still here, because the browser was stopped or they came back, is on the way no more.
                let left = session.clone();
                session.platform().spawn(Box::pin(async move {
                    gated::still_here().await;
                    left.look().await;
                }));
            }
            Work::SignOutHere => session.sign_out_here().await,
            Work::SignOutEverywhere => gated::sign_out_everywhere(&session).await?,
            Work::AccessToken => return session.access_token().await.map(Done::AccessToken),
            Work::Refresh => session.replace_now().await.map(drop)?,
            Work::Client => return Ok(Done::Client(Box::new(session.client().clone()))),
            Work::Exchange(Some(exchange)) => session.exchange(exchange).await?,
            Work::Exchange(None) => session.exchange_back().await?,
            Work::Call(request) => return gated::call(&session, request).await.map(Done::Response),
        }
        Ok(Done::Nothing)
    }
}
