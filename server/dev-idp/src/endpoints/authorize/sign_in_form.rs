//! Handles the forms of the sign-in.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use subtle::ConstantTimeEq as _;

use super::sign_in::{Waiting, consent_key, forget, proceed, sign_in_page, step};
use super::steps::Step;
use super::{client_error, finish};
use crate::backchannel;
use crate::cookie;
use crate::jose::sha256;
use crate::pages;
use crate::params::Params;
use crate::store::Session;
use crate::tenant_context::TenantContext;
use crate::totp;

/// Wrong passwords before the next attempt is delayed.
const FREE_TRIES: u32 = 5;
const LONGEST_WAIT_SECONDS: i64 = 30;

pub(super) fn post(context: &TenantContext, headers: &HeaderMap, waiting: Waiting, body: &[u8]) -> Response {
    let Some(form) = Params::of_form(headers, body) else {
        return pages::error::bad_request(context, "The request is not a form.");
    };
    // Only the current step can be submitted: a user cannot consent on a page that was not shown.
    let step = step(context, &waiting.interaction, waiting.session.as_ref());
    match form.get("answer") {
        Some("cancel") => {
            forget(context, &waiting.id);
            let error = client_error(&waiting.interaction.request, "access_denied", "the user refused");
            finish::refuse(context, &error)
        }
        Some("sign_in") => sign_in(context, headers, waiting, &form),
        Some("second_factor") if step == Step::SecondFactor => second_factor(context, waiting, &form),
        Some("use_account") if step == Step::ChooseAccount => {
            let mut waiting = waiting;
            waiting.interaction.account_chosen = true;
            keep(context, &waiting);
            proceed(context, &waiting, None)
        }
        Some("allow") if step == Step::Consent => allow(context, waiting),
        Some("second_factor" | "use_account" | "allow") => proceed(context, &waiting, None),
        _ => pages::error::bad_request(context, "The form has no answer that this page offers."),
    }
}

fn sign_in(context: &TenantContext, headers: &HeaderMap, mut waiting: Waiting, form: &Params) -> Response {
    let username = form.get("username").unwrap_or_default().trim();
    let password = form.get("password").unwrap_or_default();
    let now = context.now();
    let failures = context
        .read(|store| store.failures.get(username).copied())
        .unwrap_or_default();
    if now < failures.wait_until {
        let wait = failures.wait_until - now;
        let problem = format!("Too many wrong passwords. Wait {wait} seconds, then try again.");
        return failed_page(context, &mut waiting, username, &problem, StatusCode::TOO_MANY_REQUESTS);
    }
    let user = context.tenant.user(username);
    // Digests have one length, so the comparison takes the same time for every password.
    let expected = user.map_or_else(|| context.random().secret(), |user| sha256(&user.password));
    let is_right = bool::from(sha256(password).as_bytes().ct_eq(expected.as_bytes()));
    if !is_right || user.is_none() {
        remember_failure(context, username, now);
        let problem = "That name and password do not belong together.";
        return failed_page(
            context,
            &mut waiting,
            username,
            problem,
            StatusCode::UNPROCESSABLE_ENTITY,
        );
    }
    context.write(|store| store.failures.remove(username));
    let cookie = begin_session(context, headers, &mut waiting, username);
    waiting.interaction.signed_in = true;
    waiting.interaction.account_chosen = true;
    keep(context, &waiting);
    let mut response = proceed(context, &waiting, wrong_person(context, &waiting));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// Returns an error if the client requested a particular user and another one signed in.
fn wrong_person(context: &TenantContext, waiting: &Waiting) -> Option<&'static str> {
    let hint = waiting.interaction.request.sub_hint.as_deref()?;
    let user = context.tenant.user(&waiting.session.as_ref()?.username)?;
    (context.sub(user) != hint).then_some("The application asks for somebody else to sign in.")
}

fn failed_page(
    context: &TenantContext,
    waiting: &mut Waiting,
    username: &str,
    problem: &str,
    status: StatusCode,
) -> Response {
    waiting.interaction.request.login_hint = Some(username.to_owned());
    waiting.session = None;
    let response = sign_in_page(context, waiting, Some(problem), status);
    crate::refusal::decided(response, &waiting.interaction.request.client_id, "sign-in failed")
}

fn remember_failure(context: &TenantContext, username: &str, now: i64) {
    context.write(|store| {
        // Unknown names are counted too, or the delay would reveal which names exist. The number of entries is bounded.
        if store.failures.len() >= 1000 {
            store.failures.clear();
        }
        let failures = store.failures.entry(username.to_owned()).or_default();
        failures.count += 1;
        if failures.count >= FREE_TRIES {
            let wait = 1_i64 << (failures.count - FREE_TRIES).min(5);
            failures.wait_until = now + wait.min(LONGEST_WAIT_SECONDS);
        }
    });
}

/// Begins a session with a new cookie, so that a cookie planted before the sign-in is worthless. The same user stays in their session;
/// another user ends it.
fn begin_session(context: &TenantContext, headers: &HeaderMap, waiting: &mut Waiting, username: &str) -> HeaderValue {
    let seconds = context.lifetimes().session;
    let now = context.now();
    let (digest, cookie) = cookie::new_session(context, seconds);
    let before = cookie::session(context, headers);
    let sid = match &before {
        Some(session) if session.username == username => session.sid.clone(),
        Some(session) => {
            backchannel::end_session(context, &session.sid, "another user signed in");
            context.random().id()
        }
        None => context.random().id(),
    };
    let session = Session {
        sid,
        username: username.to_owned(),
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        expires: now + i64::from(seconds),
    };
    context.write(|store| {
        if let Some(old) = cookie::session_digest(context, headers) {
            store.sessions.remove(&old);
        }
        store.sessions.insert(digest, session.clone());
    });
    waiting.session = Some(session);
    cookie
}

fn second_factor(context: &TenantContext, mut waiting: Waiting, form: &Params) -> Response {
    let typed = form.get("code").unwrap_or_default();
    let user = waiting
        .session
        .as_ref()
        .and_then(|session| context.tenant.user(&session.username));
    let secret = user.and_then(|user| totp::decode_base32(&user.totp_secret));
    let (Some(user), Some(secret)) = (user, secret.filter(|it| !it.is_empty())) else {
        return proceed(context, &waiting, None);
    };
    // Wrong codes delay the next attempt as wrong passwords do, because six digits are easy to guess. No username contains a space.
    let tries = format!("{} otp", user.username);
    let failures = context
        .read(|store| store.failures.get(&tries).copied())
        .unwrap_or_default();
    if context.now() < failures.wait_until {
        let problem = "Too many wrong codes. Wait half a minute, then try again.";
        let mut response = proceed(context, &waiting, Some(problem));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return response;
    }
    let Some(step) = totp::matching_step(&secret, context.now(), typed) else {
        remember_failure(context, &tries, context.now());
        return proceed(context, &waiting, Some("That code is not right."));
    };
    let sid = waiting
        .session
        .as_ref()
        .map(|session| session.sid.clone())
        .unwrap_or_default();
    let session = context.write(|store| {
        if store.totp_steps.get(&user.username).is_some_and(|&used| step <= used) {
            return None;
        }
        store.totp_steps.insert(user.username.clone(), step);
        store.failures.remove(&tries);
        let session = store.sessions.values_mut().find(|it| it.sid == sid)?;
        session.amr = vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()];
        session.auth_time = context.now();
        Some(session.clone())
    });
    let Some(session) = session else {
        return proceed(
            context,
            &waiting,
            Some("That code was used before. Wait for the next one."),
        );
    };
    waiting.session = Some(session);
    proceed(context, &waiting, None)
}

fn allow(context: &TenantContext, mut waiting: Waiting) -> Response {
    let user = waiting
        .session
        .as_ref()
        .and_then(|session| context.tenant.user(&session.username));
    if let Some(user) = user {
        let request = &waiting.interaction.request;
        let scope = context.tenant.grantable_scopes(user, &request.scope);
        context.write(|store| {
            let known = store
                .consents
                .entry(consent_key(&user.username, &request.client_id))
                .or_default();
            known.extend(scope.into_iter().filter(|it| !known.contains(it)).collect::<Vec<_>>());
        });
        waiting.interaction.consented = true;
        keep(context, &waiting);
    }
    proceed(context, &waiting, None)
}

fn keep(context: &TenantContext, waiting: &Waiting) {
    context.write(|store| {
        store
            .interactions
            .insert(waiting.id.clone(), waiting.interaction.clone())
    });
}
