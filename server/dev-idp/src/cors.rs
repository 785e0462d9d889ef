//! CORS: scripts of registered origins may call the endpoints; no wildcard.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::provider::Provider;
use crate::refusal::Refusal;

const EXPOSED: &str = "DPoP-Nonce, WWW-Authenticate, Date, Retry-After";

/// Marks a response that no script may read, from any origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withheld;

/// The layer around the endpoints that scripts call.
pub(crate) async fn layer(State(provider): State<Provider>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        let mut response = next.run(request).await;
        vary(response.headers_mut());
        return response;
    };
    let registered = is_registered(&provider, request.uri().path(), &origin);
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else if registered || request.method() == Method::GET {
        next.run(request).await
    } else {
        // Rejected before the handler: the script could not read the response, but its code would be used up.
        let description = "the Origin is not registered for any client; add it to the client's `origins`";
        Refusal::invalid_request(description)
            .status(StatusCode::FORBIDDEN)
            .into_response()
    };
    let withheld = response.extensions_mut().remove::<Withheld>().is_some();
    let headers = response.headers_mut();
    vary(headers);
    if registered && !withheld {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if let Some(asked) = asked {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, DELETE"),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("60"));
        }
    }
    response
}

fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

fn is_registered(provider: &Provider, path: &str, origin: &HeaderValue) -> bool {
    let tenant = path.strip_prefix("/t/").and_then(|rest| rest.split('/').next());
    tenant.and_then(|name| provider.tenant(name)).is_some_and(|tenant| {
        tenant
            .clients
            .iter()
            .any(|client| client.origins.iter().any(|it| it == origin))
    })
}
