//! The server's half of a Leptos application: its pages behind the gate, and the caller of a server function as the gate verified it.

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use leptos::IntoView;
use leptos::config::errors::LeptosConfigError;
use leptos::config::{LeptosOptions, get_configuration};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes as _, ResponseOptions, file_and_error_handler_with_context, generate_route_list};

use crate::discovery::SignInConfig;
use crate::gate::{Gate, GateContext, GateErrors, Policies, Policy};
use crate::jwt::{Principal, Rejection};
use crate::{Reason, Refusal};

use super::CallError;
use super::client_data::NAME_COOKIE;

/// The pages of an application cannot be served.
///
/// ```
/// use pixygate::leptos::PagesError;
///
/// let forgotten = PagesError::NoPolicy(vec!["POST /api/orders".to_owned()]);
/// assert_eq!(
///     forgotten.to_string(),
///     "server functions without a policy: POST /api/orders; add each with Policies::server_fn"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// The configuration of cargo-leptos cannot be read.
    #[error("the configuration of cargo-leptos cannot be read: {0}")]
    Configuration(#[from] LeptosConfigError),
    /// Some server functions have no policy. Each needs one, so that it is decided who may call it.
    #[error("server functions without a policy: {}; add each with Policies::server_fn", .0.join(", "))]
    NoPolicy(Vec<String>),
    /// The policies cannot be used.
    #[error(transparent)]
    Gate(#[from] GateErrors),
}

/// Returns the router of a whole Leptos application: its pages and the files of its site, which are public, and its server functions,
/// each behind its policy. The pages contain the configuration for a sign-in.
///
/// `app` is the root component and `page` the document around it, with [`ClientData`](super::ClientData) in its head.
///
/// ```no_run
/// use leptos::prelude::*;
/// use pixygate::leptos::{ClientData, pages};
/// use pixygate::prelude::*;
/// # #[component]
/// # fn App() -> impl IntoView {}
///
/// fn page(options: LeptosOptions) -> impl IntoView {
///     view! {
///         <!DOCTYPE html>
///         <head><ClientData /> <HydrationScripts options /></head>
///         <body><App /></body>
///     }
/// }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (issuer, url) = ("https://idp.example", "https://shop.example");
/// let sign_in = SignInConfig::discover(issuer, "client-id", url).await?;
/// let gate = Gate::builder().trust(Trust::new(issuer).audience("shop")).public_url(url).start().await?;
/// let app = pages(&gate, Policies::new(), sign_in, App, page)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When cargo-leptos' configuration cannot be read, when a server function has no policy, and when a policy cannot be used.
pub fn pages<View, Document>(
    gate: &Gate,
    policies: Policies,
    sign_in: SignInConfig,
    app: fn() -> View,
    page: fn(LeptosOptions) -> Document,
) -> Result<Router, PagesError>
where
    View: IntoView + 'static,
    Document: IntoView + 'static,
{
    let functions = server_fn::axum::server_fn_paths().map(|(path, method)| (method.to_string(), path));
    let missing: Vec<_> = policies.missing(functions);
    if !missing.is_empty() {
        let names = missing.into_iter().map(|(method, path)| format!("{method} {path}"));
        return Err(PagesError::NoPolicy(names.collect()));
    }
    let options = get_configuration(None)?.leptos_options;
    let context = move || {
        if let Some(client) = sign_in.client() {
            provide_context(client);
        }
    };
    let document = {
        let options = options.clone();
        move || page(options.clone())
    };
    let router = Router::new()
        .leptos_routes_with_context(&options, generate_route_list(app), context.clone(), document)
        .fallback(file_and_error_handler_with_context::<LeptosOptions, _>(context, page))
        .with_state(options);
    // Behind those of the server functions: the first that matches counts.
    let pages = Policies::new().route("GET", "/**", Policy::public());
    Ok(gate.protect(router, policies.merge(pages))?)
}

/// Returns the caller of the server function in which it is called.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{CallError, GateClient};
///
/// #[server(prefix = "/api", client = GateClient)]
/// async fn greeting() -> Result<String, CallError> {
///     let caller = pixygate::leptos::principal().await?;
///     Ok(format!("Hello, {}", caller.subject()))
/// }
/// # // Without the gate there is no caller.
/// # assert!(futures::executor::block_on(greeting()).is_err());
/// ```
///
/// # Errors
/// The refusal `missing_token` (401) if the call did not pass the gate.
pub async fn principal() -> Result<Principal, CallError> {
    let Some(mut parts) = parts() else {
        return Err(refuse(Rejection::new(Reason::MissingToken)));
    };
    <Principal as FromRequestParts<()>>::from_request_parts(&mut parts, &())
        .await
        .map_err(refuse)
}

/// Returns the caller if the token has `scope`. The policy of the function requires the scope as well; a mistake in it must not be
/// enough.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{CallError, GateClient};
///
/// #[server(prefix = "/api", client = GateClient)]
/// async fn orders() -> Result<Vec<String>, CallError> {
///     let caller = pixygate::leptos::principal_with_scope("orders:read").await?;
///     Ok(vec![format!("the first order of {}", caller.subject())])
/// }
/// # assert!(futures::executor::block_on(orders()).is_err());
/// ```
///
/// # Errors
/// As for [`principal`], and the refusal `insufficient_scope` (403) with the scope in its challenge (RFC 6750, section 3).
pub async fn principal_with_scope(scope: &str) -> Result<Principal, CallError> {
    let principal = principal().await?;
    principal.require_scope(scope).map_err(refuse)?;
    Ok(principal)
}

/// Rejects the call from within a server function. The gate answers with status, challenge and request ID, and logs and counts the call as if
/// it had denied it itself.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::Reason;
/// use pixygate::jwt::Rejection;
/// use pixygate::leptos::{CallError, GateClient};
///
/// #[server(prefix = "/api", client = GateClient)]
/// async fn rename(name: String) -> Result<(), CallError> {
///     if name.trim().is_empty() {
///         return Err(pixygate::leptos::refuse(Rejection::new(Reason::InvalidRequest)));
///     }
///     Ok(())
/// }
/// # assert!(futures::executor::block_on(rename(" ".to_owned())).is_err());
/// # assert!(futures::executor::block_on(rename("Alice".to_owned())).is_ok());
/// ```
pub fn refuse(rejection: Rejection) -> CallError {
    let reason = rejection.reason();
    let context = parts().and_then(|parts| parts.extensions.get::<GateContext>().cloned());
    if let Some(context) = context {
        context.reject(rejection);
    } else if let Some(response) = use_context::<ResponseOptions>() {
        // Without a gate, set the status here: Leptos answers every error with 500 unless the response options have a status.
        let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::FORBIDDEN);
        response.set_status(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pixygate\""));
        }
    }
    CallError::Refused(Refusal {
        error: reason.error().to_owned(),
        reason,
        request_id: String::new(),
        detail: None,
    })
}

/// Returns the user name from the cookie of a page request.
pub(super) fn name_of_request() -> Option<String> {
    let parts = parts()?;
    let cookies = parts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok());
    let name = cookies
        .flat_map(|header| header.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix(NAME_COOKIE)?.strip_prefix('='))?;
    let (name, _) = form_urlencoded::parse(name.as_bytes()).next()?;
    (!name.is_empty()).then(|| name.into_owned())
}

fn parts() -> Option<Parts> {
    use_context()
}
