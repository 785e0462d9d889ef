//! The authorization endpoint (RFC 6749, section 3.1) and the pages that it leads to.

pub(crate) mod finish;
pub(crate) mod request;
pub(crate) mod sign_in;
mod sign_in_form;
mod steps;

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::cookie;
use crate::jose::sha256;
use crate::pages;
use crate::params::Params;
use crate::store::{AuthorizationRequest, Interaction, Prompt};
use crate::tenant_context::TenantContext;
use request::{ClientError, Refused};
use steps::Step;

pub(crate) async fn get(context: TenantContext, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    match resolve(&context, &Params::of_query(query.as_deref())) {
        Ok(request) => begin(&context, &headers, request),
        Err(Refused::OnOwnPage(why)) => pages::error::bad_request(&context, why),
        Err(Refused::ToClient(error)) => finish::refuse(&context, &error),
    }
}

/// POST must work as well, from any page (OpenID Connect Core, section 3.1.2.1).
pub(crate) async fn post(context: TenantContext, headers: HeaderMap, body: Bytes) -> Response {
    match Params::of_form(&headers, &body) {
        Some(params) => super::as_get(&context, "/oauth2/authorize", &params),
        None => pages::error::bad_request(&context, "The request is not a form."),
    }
}

/// Reads the request, or loads the pushed one that it names (RFC 9126, section 4).
fn resolve(context: &TenantContext, params: &Params) -> Result<AuthorizationRequest, Refused> {
    match params.get("request_uri") {
        Some(uri) if uri.starts_with(super::par::REQUEST_URI_PREFIX) => {
            let pushed = context.write(|store| store.pushed.remove(&sha256(uri)));
            pushed
                .filter(|it| context.now() < it.expires && params.get("client_id") == Some(&it.request.client_id))
                .map(|it| it.request)
                .ok_or(Refused::OnOwnPage(
                    "The pushed request is not known, was used, has expired, or is another client's.",
                ))
        }
        _ => {
            let request = request::read(context, params)?;
            if context
                .client(&request.client_id)
                .is_some_and(|client| client.par_required)
            {
                let error = "invalid_request";
                let description = "this client has to push its authorization requests (RFC 9126)";
                return Err(Refused::ToClient(client_error(&request, error, description)));
            }
            Ok(request)
        }
    }
}

fn begin(context: &TenantContext, headers: &HeaderMap, request: AuthorizationRequest) -> Response {
    let now = context.now();
    let (browser, new_cookie) = match cookie::browser(context, headers) {
        Some(browser) => (browser, None),
        None => {
            let (browser, cookie) = cookie::new_browser(context);
            (browser, Some(cookie))
        }
    };
    let interaction = Interaction {
        request,
        browser,
        created: now,
        expires: now + i64::from(context.lifetimes().interaction),
        signed_in: false,
        account_chosen: false,
        consented: false,
    };
    let session = cookie::session(context, headers);
    let step = sign_in::step(context, &interaction, session.as_ref());
    let mut response = match (step, &session) {
        (Step::Done, Some(session)) => finish::grant(context, &interaction.request, session),
        _ if interaction.request.prompt.contains(&Prompt::None) => {
            finish::refuse(context, &silent_error(&interaction.request, step))
        }
        _ => {
            let id = context.random().secret();
            let client_id = interaction.request.client_id.clone();
            context.write(|store| store.interactions.insert(id.clone(), interaction));
            let response = pages::see_other(&context.url(&format!("/signin/{id}")));
            crate::refusal::decided(response, &client_id, "the user is asked")
        }
    };
    if let Some(cookie) = new_cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Returns the error if `prompt=none` would need interaction (OpenID Connect Core, section 3.1.2.6).
fn silent_error(request: &AuthorizationRequest, step: Step) -> ClientError {
    let (error, description) = match step {
        Step::SignIn => ("login_required", "no user is signed in, or not recently enough"),
        Step::ChooseAccount => ("account_selection_required", "an account has to be chosen"),
        Step::Consent => ("consent_required", "the user has to agree"),
        Step::NoSecondFactor => finish::NO_SECOND_FACTOR,
        Step::SecondFactor | Step::Done => ("interaction_required", "a second factor is needed"),
    };
    client_error(request, error, description)
}

pub(crate) fn client_error(
    request: &AuthorizationRequest,
    error: &'static str,
    description: &'static str,
) -> ClientError {
    ClientError {
        client_id: request.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        state: request.state.clone(),
        error,
        description,
    }
}
