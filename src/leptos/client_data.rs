//! How the relying party's configuration gets from the server into the browser: as data in the page.

use std::time::{SystemTime, UNIX_EPOCH};

use leptos::prelude::*;

use crate::authorization::Client;
use crate::session::browser::window;

const ELEMENT: &str = "pixygate-client";

/// Seconds since the Unix epoch by the server's clock.
const SERVED_AT: &str = "data-served-at";

/// Puts the relying party's configuration into the page, for [`AuthProvider`](super::AuthProvider) to find. It belongs
/// into the server's shell, and renders nothing in the browser. Nothing in it is secret.
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
    /// The relying party.
    client: Client,
) -> impl IntoView {
    let served_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    // Inside a script element only `<` has a meaning to the HTML parser.
    let json = serde_json::to_string(&client)
        .unwrap_or_default()
        .replace('<', "\\u003c");
    view! { <script type="application/json" id=ELEMENT data-served-at=served_at.to_string() inner_html=json></script> }
}

/// What the server put into this page; `None` where there is no page.
pub(super) fn read() -> Option<(Client, f64)> {
    let element = window()?.document()?.get_element_by_id(ELEMENT)?;
    let client = serde_json::from_slice(element.text_content()?.as_bytes()).ok()?;
    let served_at: u32 = element.get_attribute(SERVED_AT)?.parse().ok()?;
    Some((client, f64::from(served_at)))
}
