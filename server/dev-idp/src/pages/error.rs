//! The page for requests that cannot be answered to a client.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::Page;
use crate::journal::Decision;
use crate::realm::Realm;

/// A request whose redirect URI is not to be trusted, or a form that nobody waits for.
pub(crate) fn bad_request(realm: &Realm, why: &str) -> Response {
    let page = Page {
        title: "This request cannot be answered",
        house: house(realm),
        leads_to: None,
        status: StatusCode::BAD_REQUEST,
        wide: false,
    };
    let mut response = page.render(&html! {
        h1 { "This request cannot be answered" }
        p { (why) }
        p.soft { "Go back to the application that sent you here. If you are developing it, the " a href="/" { "control page" } " says what is registered." }
    });
    response.extensions_mut().insert(Decision {
        client_id: None,
        what: format!("refused on a page: {why}"),
    });
    response
}

pub(super) fn house(realm: &Realm) -> &str {
    realm
        .tenant
        .organizations
        .first()
        .map_or(realm.tenant.name.as_str(), |it| it.name.as_str())
}
