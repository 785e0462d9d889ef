//! The provider tells that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use super::{
    Gate, LocalReplays, Replays, RequestId, Use, cross_site,
    judge::peer,
    refusal::{REQUEST_ID, written},
};
use crate::{
    Reason,
    jwt::{LocalRevocations, LogoutToken, Rejection, unix},
};

/// A form with one logout token, several times over.
const MOST_BYTES: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

/// Answers `POST /backchannel-logout`: takes the logout tokens of one provider for one client, and has the access tokens of
/// the ended sessions refused from then on.
///
/// It is called by the provider's server, without credentials: the signature of the logout token is all that counts. What a
/// browser sends from another site is refused, as everywhere.
///
/// | answer | when |
/// |---|---|
/// | 200 | the logout token holds; from now on [`LocalRevocations`] knows of it |
/// | 400 `{"error": "invalid_request", "reason", "request_id"}` | it does not, or came before; expected and found are in the log |
/// | 503 with `Retry-After` | the keys of the issuer are out of reach, so nothing can be said of it |
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use axum::{Router, body::Body, http::Request, routing::post};
/// use pixygate::gate::{BackchannelLogout, Gate};
/// use pixygate::jwt::{LocalRevocations, Trust, Validator};
///
/// let issuer = "https://idp.example";
/// let revocations = Arc::new(LocalRevocations::default());
/// let validator = Validator::builder([Trust::new(issuer).audience("orders")])
///     // The same as below: what one hears of, the other refuses.
///     .revocations(revocations.clone())
///     .build()?;
/// let gate = Gate::builder().validator(validator).build()?;
/// let logout = BackchannelLogout::new(&gate, issuer, "my-client-id", revocations);
/// let told = move |request: Request<Body>| async move { logout.answer(request).await };
/// let router: Router = Router::new().route("/backchannel-logout", post(told));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BackchannelLogout {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Gate,
    issuer: String,
    client_id: String,
    revocations: Arc<LocalRevocations>,
    /// Apart from the gate's proofs, which are remembered for another time.
    replays: LocalReplays,
}

impl BackchannelLogout {
    /// For the provider at which people sign in, and what it calls this application. `revocations` are those that the gate's
    /// validator asks.
    pub fn new(
        gate: &Gate,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        revocations: Arc<LocalRevocations>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                gate: gate.clone(),
                issuer: issuer.into(),
                client_id: client_id.into(),
                revocations,
                replays: LocalReplays::default(),
            }),
        }
    }

    /// The answer to a `POST`.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let extensions = request.extensions();
        let request_id = extensions.get().cloned().unwrap_or_else(RequestId::random);
        let peer = peer(extensions);
        let received = self.receive(request).await;
        self.shared
            .gate
            .state
            .settings
            .observer
            .logout_judged(received.as_ref().err());
        match received {
            Ok(logout) => {
                tracing::info!(
                    %request_id,
                    issuer = logout.issuer(),
                    subject = ?logout.subject(),
                    all_sessions = logout.session_id().is_none(),
                    "a session has ended at the provider"
                );
                let mut response = Response::new(Body::empty());
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(REQUEST_ID, request_id.as_header());
                response
            }
            Err(rejection) => {
                let detail = rejection.detail();
                let response = self.refuse(&rejection, &request_id);
                tracing::warn!(
                    %request_id,
                    status = response.status().as_u16(),
                    reason = ?rejection.reason(),
                    expected = ?detail.expected,
                    found = ?detail.found,
                    hint = ?detail.hint,
                    peer = ?peer,
                    "back-channel logout refused"
                );
                response
            }
        }
    }

    async fn receive(&self, request: Request<Body>) -> Result<LogoutToken, Rejection> {
        let Shared {
            gate,
            issuer,
            client_id,
            revocations,
            replays,
        } = &*self.shared;
        let settings = &gate.state.settings;
        let (parts, body) = request.into_parts();
        let own = settings.public_url.as_ref();
        cross_site::check(&parts.method, &parts.headers, own, &settings.allowed_origins)?;
        let token = logout_token(&parts.headers, body).await?;
        let time = settings.clock.now();
        let logout = gate
            .validator()
            .validate_logout_token(&token, issuer, client_id, time)
            .await?;
        // One issuer: its `jti` are enough.
        let mut once = [0; 32];
        once.copy_from_slice(digest(&SHA256, logout.token_id().as_bytes()).as_ref());
        let now = unix(time).max(0.0) as u64;
        match replays.record(once, now, logout.acceptable_until()).await {
            Use::First => {
                revocations.end(&logout);
                Ok(logout)
            }
            Use::Again => Err(Rejection::new(Reason::InvalidClaim)
                .expected("a logout token that did not come before")
                .found("a `jti` that did")
                .hint("let the provider make a new logout token for each call, also when it tries again")),
            Use::Unknown => Err(Rejection::new(Reason::KeysUnavailable)
                .expected("to know whether the logout token came before")
                .found("more logout tokens than are remembered")
                .retry_after(Duration::from_secs(1))),
        }
    }

    /// The request was bad, whatever is wrong with the token: nobody is asked for credentials (section 2.8).
    fn refuse(&self, rejection: &Rejection, request_id: &RequestId) -> Response {
        let mut refusal = rejection.refusal(request_id);
        let mut status = StatusCode::SERVICE_UNAVAILABLE;
        if rejection.reason() != Reason::KeysUnavailable {
            refusal.error = Reason::InvalidRequest.error().to_owned();
            status = StatusCode::BAD_REQUEST;
        }
        if self.shared.gate.state.settings.explain {
            refusal.detail = Some(rejection.detail().clone());
        }
        written(status, rejection, &refusal, request_id)
    }
}

/// The one `logout_token` of a form (section 2.5); what else is in it has no meaning.
async fn logout_token(headers: &HeaderMap, body: Body) -> Result<String, Rejection> {
    let refuse = |expected: &str, found: &str| {
        Err(Rejection::new(Reason::InvalidRequest)
            .expected(expected)
            .found(found)
            .hint("a provider posts `logout_token` as a form (OpenID Connect Back-Channel Logout 1.0, section 2.5)"))
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return refuse("Content-Type: application/x-www-form-urlencoded", "another, or none");
    }
    let form = match tokio::time::timeout(BODY_TIME, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(form)) => form,
        Ok(Err(_)) => {
            return refuse(
                &format!("a body of at most {MOST_BYTES} bytes"),
                "more, or an end too early",
            );
        }
        Err(_) => return refuse(&format!("a body within {} s", BODY_TIME.as_secs()), "none"),
    };
    let mut tokens = url::form_urlencoded::parse(&form).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        (None, _) => refuse("`logout_token`", "none"),
        (Some(_), Some(_)) => refuse("one `logout_token`", "several"),
    }
}
