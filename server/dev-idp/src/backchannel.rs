//! Notifies clients that a session has ended (OpenID Connect Back-Channel Logout).

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::issue;
use crate::journal::Entry;
use crate::tenant_context::TenantContext;

const PATIENCE: Duration = Duration::from_secs(3);

/// Ends a session and revokes its tokens, and notifies the clients that took part.
pub(crate) fn end_session(context: &TenantContext, sid: &str, why: &str) {
    let to_tell = context.write(|store| {
        let grants = store.end_session(sid, why);
        let tell = |grant: crate::store::Grant| {
            let uri = context.client(&grant.client_id)?.backchannel_logout_uri.clone();
            // A user who was removed from the configuration has no subject.
            let token = issue::logout_token(context, store, &grant).ok()?;
            (!uri.is_empty()).then_some((grant.client_id, uri, token))
        };
        grants.into_iter().filter_map(tell).collect::<Vec<_>>()
    });
    for (client_id, uri, token) in to_tell {
        let provider = context.provider.clone();
        tokio::spawn(async move {
            let (status, decision) = match deliver(&uri, &token).await {
                Ok(status) => (status, "the client was told that the session ended".to_owned()),
                Err(problem) => (
                    0,
                    format!("the client could not be told that the session ended: {problem}"),
                ),
            };
            let at = provider.clock().now();
            let entry = Entry {
                at,
                method: "POST".to_owned(),
                path: uri,
                status,
                client_id: Some(client_id),
                decision,
            };
            provider.journal().add(entry);
        });
    }
}

async fn deliver(uri: &str, logout_token: &str) -> Result<u16, String> {
    let form: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("logout_token", logout_token)
        .finish();
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::<Bytes>::from(form))
        .map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    match tokio::time::timeout(PATIENCE, client.request(request)).await {
        Ok(Ok(response)) => Ok(response.status().as_u16()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer within 3 seconds".to_owned()),
    }
}
