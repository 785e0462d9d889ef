//! How the relying party's configuration gets from the server into the browser: as data in the page.

use std::time::{SystemTime, UNIX_EPOCH};

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::authorization::Client;

const ELEMENT: &str = "pixygate-client";

#[derive(Serialize, Deserialize)]
pub(super) struct Page {
    /// Seconds since the Unix epoch by the server's clock.
    pub(super) served_at: f64,
    pub(super) client: Client,
}

/// Puts the relying party's configuration into the page, for [`AuthProvider`](super::AuthProvider) to find. It belongs
/// into the server's shell, and renders nothing in the browser. Nothing in it is secret.
#[component]
pub fn ClientData(
    /// The relying party.
    client: Client,
) -> impl IntoView {
    let served_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    // Inside a script element only `<` has a meaning to the HTML parser.
    let json = serde_json::to_string(&Page { served_at, client })
        .unwrap_or_default()
        .replace('<', "\\u003c");
    view! { <script type="application/json" id=ELEMENT inner_html=json></script> }
}

/// What the server put into this page.
pub(super) fn read() -> Option<Page> {
    let text = document().get_element_by_id(ELEMENT)?.text_content()?;
    serde_json::from_slice(text.as_bytes()).ok()
}
