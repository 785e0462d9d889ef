//! The data that the server puts into the page: the relying party's configuration, and the user name of the last visit.

use std::time::{SystemTime, UNIX_EPOCH};

use js_sys::{Reflect, encode_uri_component};
use leptos::prelude::*;

use crate::authorization::Client;
use crate::session::AuthState;
use crate::session::browser::window;

use super::server;

const ELEMENT: &str = "pixygate-client";

/// Seconds since the Unix epoch by the server's clock.
const SERVED_AT: &str = "data-served-at";

/// The name in the cookie [`NAME_COOKIE`]. Without the attribute the page does not set the cookie.
const NAME: &str = "data-user-name";

/// The cookie with the name of the user who was signed in last. It is a placeholder for the first render and proves nothing.
pub(super) const NAME_COOKIE: &str = "pixygate-name";

/// The maximum length of the name in the cookie, in characters.
const LONGEST_NAME: usize = 64;

/// The lifetime of the cookie, in seconds.
const NAME_LIFETIME: u32 = 30 * 86_400;

/// Puts the relying party's configuration into the page, where [`AuthProvider`](super::AuthProvider) reads it. Use it in the server's
/// shell. It contains no secrets.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::authorization::Client;
/// use pixygate::leptos::ClientData;
///
/// // The client comes from the server, which discovered the provider.
/// fn shell(client: Client) -> impl IntoView {
///     view! {
///         <!DOCTYPE html>
///         <html lang="en">
///             <head>
///                 <ClientData client />
///             </head>
///             <body></body>
///         </html>
///     }
/// }
/// ```
#[component]
pub fn ClientData(
    /// The relying party. The default is the one in the context; without either the page renders nothing, and users cannot sign in.
    #[prop(optional, into)]
    client: Option<Client>,
    /// Whether a cookie keeps the user's name, so that the server can render it before the WASM is loaded.
    #[prop(default = true)]
    remember_name: bool,
) -> impl IntoView {
    #[expect(
        clippy::disallowed_methods,
        reason = "the browser compares its clock with the server's"
    )]
    let served_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    // Inside a script element only `<` has a meaning to the HTML parser.
    let client = client.or_else(use_context::<Client>)?;
    let json = serde_json::to_string(&client)
        .unwrap_or_default()
        .replace('<', "\\u003c");
    let name = remember_name.then(|| server::name_of_request().unwrap_or_default());
    Some(view! {
        <script
            type="application/json"
            id=ELEMENT
            data-served-at=served_at.to_string()
            data-user-name=name
            inner_html=json
        ></script>
    })
}

/// Returns the name with which this page was rendered.
pub(super) fn expected_name() -> Option<String> {
    match window() {
        None => server::name_of_request(),
        Some(_) => name_of_page().filter(|name| !name.is_empty()),
    }
}

fn name_of_page() -> Option<String> {
    window()?.document()?.get_element_by_id(ELEMENT)?.get_attribute(NAME)
}

/// Updates the cookie after a change of state. A session that the browser does not store gets no cookie, because the next page will not have
/// the session.
pub(super) fn remember_name(state: &AuthState, is_stored: bool) {
    // Without the attribute the page may not set the cookie.
    if name_of_page().is_none() {
        return;
    }
    let (name, lifetime) = match state {
        AuthState::SignedIn(user) if is_stored => (user.name().chars().take(LONGEST_NAME).collect(), NAME_LIFETIME),
        AuthState::Unknown => return,
        _ => (String::new(), 0),
    };
    let name = String::from(encode_uri_component(&name));
    let secure = if is_secure() { "; Secure" } else { "" };
    let cookie = format!("{NAME_COOKIE}={name}; Path=/; SameSite=Strict; Max-Age={lifetime}{secure}");
    // Refused where the browser takes no cookies.
    drop(Reflect::set(&document(), &"cookie".into(), &cookie.into()));
}

fn is_secure() -> bool {
    window().is_some_and(|window| window.location().protocol().is_ok_and(|protocol| protocol == "https:"))
}

/// Returns the data that the server put into this page, or `None` without a page.
pub(super) fn read() -> Option<(Client, f64)> {
    let element = window()?.document()?.get_element_by_id(ELEMENT)?;
    let client = serde_json::from_slice(element.text_content()?.as_bytes()).ok()?;
    let served_at: u32 = element.get_attribute(SERVED_AT)?.parse().ok()?;
    Some((client, f64::from(served_at)))
}
