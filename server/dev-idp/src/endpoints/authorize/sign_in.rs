//! The page of a pending authorization request: the next step of the sign-in.

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::steps::{self, Step};
use super::{client_error, finish};
use crate::cookie;
use crate::pages;
use crate::store::{Interaction, Session};
use crate::tenant_context::TenantContext;
use crate::totp;

pub(super) use super::sign_in_form::post as answer;

const OVER: &str = "This sign-in was already answered, took too long, or began in another browser. \
                    Go back to the application and sign in again.";

/// A pending request, with the current session.
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) interaction: Interaction,
    pub(super) session: Option<Session>,
}

pub(crate) async fn get(
    context: TenantContext,
    Path((_, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match find(&context, &id, &headers) {
        // The link "use another account" on the page that lists accounts.
        Some(waiting) if query.as_deref() == Some("other") => sign_in_page(&context, &waiting, None, StatusCode::OK),
        Some(waiting) => proceed(&context, &waiting, None),
        None => pages::error::bad_request(&context, OVER),
    }
}

pub(crate) async fn post(
    context: TenantContext,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    match find(&context, &id, &headers) {
        Some(waiting) if is_own_form(&headers) => answer(&context, &headers, waiting, &body),
        Some(_) => pages::error::bad_request(&context, "The form was not sent from this page."),
        None => pages::error::bad_request(&context, OVER),
    }
}

/// Finds the pending request of this address, if this browser began it: a link to another browser's request is invalid.
fn find(context: &TenantContext, id: &str, headers: &HeaderMap) -> Option<Waiting> {
    let browser = cookie::browser(context, headers)?;
    let interaction = context.read(|store| store.interactions.get(id).cloned())?;
    (interaction.browser == browser && context.now() < interaction.expires).then(|| Waiting {
        id: id.to_owned(),
        interaction,
        session: cookie::session(context, headers),
    })
}

/// Browsers send the origin of a page with its form; it must be this provider's.
pub(crate) fn is_own_form(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        (origin, _) => origin.is_none(),
    }
}

pub(super) fn step(context: &TenantContext, interaction: &Interaction, session: Option<&Session>) -> Step {
    let user = session.and_then(|session| context.tenant.user(&session.username));
    let sub = user.map(|user| context.sub(user));
    let Some(client) = context.client(&interaction.request.client_id) else {
        return Step::SignIn;
    };
    let consented = user
        .and_then(|user| context.read(|store| store.consents.get(&consent_key(&user.username, &client.id)).cloned()));
    let consented = consented.unwrap_or_default();
    steps::next(
        &context.tenant,
        client,
        &consented,
        interaction,
        session,
        sub.as_deref(),
        context.now(),
    )
}

pub(super) fn consent_key(username: &str, client_id: &str) -> String {
    format!("{username} {client_id}")
}

/// Shows the next step, or redirects to the client if there is none. `problem` is the error of the last form.
pub(super) fn proceed(context: &TenantContext, waiting: &Waiting, problem: Option<&str>) -> Response {
    let Waiting {
        id,
        interaction,
        session,
    } = waiting;
    let status = if problem.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let next = step(context, interaction, session.as_ref());
    let user = session
        .as_ref()
        .and_then(|session| context.tenant.user(&session.username));
    let (Some(session), Some(user)) = (session, user) else {
        return sign_in_page(context, waiting, problem, status);
    };
    match next {
        Step::SignIn => sign_in_page(context, waiting, problem, status),
        Step::ChooseAccount => pages::sign_in::choose_account(context, id, &interaction.request, user),
        Step::SecondFactor => {
            let secret = totp::decode_base32(&user.totp_secret).unwrap_or_default();
            let code = totp::code(&secret, context.now());
            pages::sign_in::second_factor(context, id, &interaction.request, user, &code, problem, status)
        }
        Step::Consent => {
            let scope = context.tenant.grantable_scopes(user, &interaction.request.scope);
            pages::sign_in::consent(context, id, &interaction.request, user, &scope)
        }
        Step::NoSecondFactor => {
            forget(context, id);
            let (error, description) = finish::NO_SECOND_FACTOR;
            finish::refuse(context, &client_error(&interaction.request, error, description))
        }
        Step::Done => {
            forget(context, id);
            finish::grant(context, &interaction.request, session)
        }
    }
}

pub(super) fn forget(context: &TenantContext, id: &str) {
    context.write(|store| store.interactions.remove(id));
}

pub(super) fn sign_in_page(
    context: &TenantContext,
    waiting: &Waiting,
    problem: Option<&str>,
    status: StatusCode,
) -> Response {
    let request = &waiting.interaction.request;
    let name = waiting
        .session
        .as_ref()
        .map(|session| session.username.as_str())
        .or(request.login_hint.as_deref());
    pages::sign_in::sign_in(context, &waiting.id, request, name.unwrap_or_default(), problem, status)
}
