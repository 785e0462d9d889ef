//! The provider notifies the gate that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use super::{
    Gate, LocalLogouts, LogoutRecord, LogoutRecorder,
    limit::log_limit::LogLimit,
    request::{RequestId, client_address::peer, cross_site},
    response::{REQUEST_ID, respond},
};
use crate::{
    Reason,
    jwt::{LocalRevocations, LogoutToken, Rejection},
};

/// Several times the size of a form with one logout token.
const MAX_BODY_BYTES: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

/// Answers `POST /backchannel-logout`: takes the logout tokens of one provider for one client, and has the access tokens of
/// the ended sessions rejected from then on.
///
/// The provider's server calls it, without credentials: only the signature of the logout token counts. A call that a browser makes
/// from another site is rejected.
///
/// | response | when |
/// |---|---|
/// | 200 | the logout token is valid, and the [`LogoutRecorder`] has recorded it |
/// | 400 `{"error": "invalid_request", "reason", "request_id"}` | it is not, or was used before; expected and found are in the log |
/// | 503 with `Retry-After` | the keys of the issuer are not available, or it could not be recorded |
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
///     // The same as below.
///     .revocations(revocations.clone())
///     .build()?;
/// let gate = Gate::builder().validator(validator).build()?;
/// let logout = BackchannelLogout::new(&gate, issuer, "my-client-id", revocations);
/// let answer = move |request: Request<Body>| async move { logout.answer(request).await };
/// let router: Router = Router::new().route("/backchannel-logout", post(answer));
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
    recorder: Arc<dyn LogoutRecorder>,
    /// Apart from the gate's, so that no flood hides denials of calls.
    log_limit: LogLimit,
}

impl BackchannelLogout {
    /// Accepts logout tokens of the provider at which users sign in, for the client that it knows this application as. `revocations`
    /// are those of the gate.
    pub fn new(
        gate: &Gate,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        revocations: Arc<LocalRevocations>,
    ) -> Self {
        Self::with_recorder(gate, issuer, client_id, LocalLogouts::new(revocations))
    }

    /// Does the same with another recorder, for nodes that share a store.
    pub fn with_recorder(
        gate: &Gate,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        recorder: impl LogoutRecorder,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                gate: gate.clone(),
                issuer: issuer.into(),
                client_id: client_id.into(),
                recorder: Arc::new(recorder),
                log_limit: LogLimit::default(),
            }),
        }
    }

    /// Returns the response to a `POST`.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let settings = &self.shared.gate.state.settings;
        let extensions = request.extensions();
        let request_id = extensions.get().cloned().unwrap_or_else(RequestId::generate);
        let peer = peer(extensions);
        let received = self.receive(request).await;
        if let Some(observer) = &settings.observer {
            observer.logout_received(received.as_ref().err());
        }
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
                let response = self.refuse(&rejection, &request_id);
                if self.shared.log_limit.admits(rejection.reason(), settings.second()) {
                    let detail = rejection.detail();
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
                }
                response
            }
        }
    }

    async fn receive(&self, request: Request<Body>) -> Result<LogoutToken, Rejection> {
        let Shared {
            gate,
            issuer,
            client_id,
            recorder,
            ..
        } = &*self.shared;
        let settings = &gate.state.settings;
        let (parts, body) = request.into_parts();
        let own = settings.public_url.as_ref();
        cross_site::check(&parts.method, &parts.headers, own, &settings.allowed_origins)?;
        let token = logout_token(&parts.headers, body).await?;
        let validator = gate.validator();
        let time = settings.clock.now();
        let logout = validator.validate_logout_token(&token, issuer, client_id, time).await?;
        match recorder.record(&logout, settings.second()).await {
            LogoutRecord::Recorded => Ok(logout),
            LogoutRecord::Replayed => Err(Rejection::new(Reason::InvalidClaim)
                .expected("a logout token that was not used before")
                .found("a `jti` that was used before")
                .hint("let the provider make a new logout token for each call, also when it tries again")),
            LogoutRecord::Unavailable => Err(Rejection::new(Reason::KeysUnavailable)
                .expected("to record the end of the session")
                .found("a store that is out of reach or full")
                .hint("see that the store can be reached from here; the provider may send the logout token again")
                .retry_after(Duration::from_secs(1))),
        }
    }

    /// Answers a bad logout token with 400 and without a challenge (section 2.8).
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
        respond(status, rejection, &refusal, request_id)
    }
}

/// Returns the one `logout_token` of a form (section 2.5); its other fields have no meaning.
async fn logout_token(headers: &HeaderMap, body: Body) -> Result<String, Rejection> {
    let reject = |expected: &str, found: &str| {
        Err(Rejection::new(Reason::InvalidRequest)
            .expected(expected)
            .found(found)
            .hint("a provider posts `logout_token` as a form (OpenID Connect Back-Channel Logout 1.0, section 2.5)"))
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return reject("Content-Type: application/x-www-form-urlencoded", "another, or none");
    }
    let form = match tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(form)) => form,
        Ok(Err(_)) => {
            return reject(
                &format!("a body of at most {MAX_BODY_BYTES} bytes"),
                "more, or an end too early",
            );
        }
        Err(_) => return reject(&format!("a body within {} s", BODY_TIME.as_secs()), "none"),
    };
    let mut tokens = url::form_urlencoded::parse(&form).filter(|(name, _)| name == "logout_token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) => Ok(token.into_owned()),
        (None, _) => reject("`logout_token`", "none"),
        (Some(_), Some(_)) => reject("one `logout_token`", "several"),
    }
}
