//! The redirect back to this machine.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderName, StatusCode, header};
use pixygate::jwt::printable;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::SignInError;

/// A successful authorization response.
pub(super) struct Answer {
    pub(super) code: String,
    pub(super) issuer: Option<String>,
}

/// Waits for the answer to the request with this state. Anything else that calls is turned away, and ends nothing.
pub(super) async fn wait(listener: TcpListener, state: &str) -> Result<Answer, SignInError> {
    let (sender, mut receiver) = mpsc::channel(1);
    let expected: Arc<str> = state.into();
    let answer = move |Query(query): Query<HashMap<String, String>>| {
        let (sender, expected) = (sender.clone(), expected.clone());
        async move {
            if query.get("state").map(String::as_str) != Some(&*expected) {
                return page(
                    StatusCode::BAD_REQUEST,
                    "This is not the answer to a sign-in that waits here.",
                );
            }
            let text = match query.contains_key("code") {
                true => "Signed in. You can close this page and go back to the terminal.",
                false => "The sign-in did not succeed. The terminal says why.",
            };
            // A second answer to the same request says nothing new.
            let _sent = sender.try_send(query);
            page(StatusCode::OK, text)
        }
    };
    let router = Router::new().route("/callback", get(answer));
    // It ends in the background: the page is delivered while the code is redeemed.
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serve = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ended = ended.await;
    });
    let serving = tokio::spawn(serve.into_future());
    let query = receiver.recv().await;
    let _sent = end.send(());
    drop(serving);
    let mut query = query.ok_or(SignInError::Patience)?;
    match query.remove("code") {
        Some(code) => Ok(Answer {
            code,
            issuer: query.remove("iss"),
        }),
        None => Err(SignInError::Refused {
            error: printable(query.get("error").map_or("no code and no error", String::as_str)),
            description: printable(query.get("error_description").map_or("", String::as_str)),
        }),
    }
}

fn page(status: StatusCode, text: &str) -> Response {
    let headers: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let html =
        format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pixygate</title><p>{text}</p></html>");
    (status, headers, Html(html)).into_response()
}
