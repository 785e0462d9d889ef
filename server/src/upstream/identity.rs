//! What a target learns about the caller.

use http::{HeaderMap, HeaderName, HeaderValue};
use pixygate::jwt::Principal;
use serde_json::Value;

/// Makes the gateway's own statement about a caller. `None` where it cannot be signed at the moment.
pub trait Assertions: Send + Sync + 'static {
    /// The header that carries it.
    fn header(&self) -> &HeaderName;

    /// Returns a JWT about `principal` for the audience `upstream`.
    fn assertion(&self, principal: &Principal, upstream: &str) -> Option<HeaderValue>;
}

/// Plain headers with claims of the caller's token.
#[derive(Clone, Debug)]
pub(crate) struct IdentityHeaders(Vec<(HeaderName, String)>);

impl IdentityHeaders {
    pub(crate) fn new(headers: impl IntoIterator<Item = (HeaderName, String)>) -> Self {
        Self(headers.into_iter().collect())
    }

    /// A claim that the token lacks leaves its header out.
    pub(crate) fn write(&self, principal: &Principal, headers: &mut HeaderMap) {
        for (name, claim) in &self.0 {
            if let Some(value) = value_of(principal, claim) {
                headers.insert(name.clone(), value);
            }
        }
    }
}

fn value_of(principal: &Principal, claim: &str) -> Option<HeaderValue> {
    let text = match claim {
        "iss" => principal.issuer().to_owned(),
        "sub" => principal.subject().to_owned(),
        "scope" => principal.scopes().join(" "),
        "client_id" => principal.client_id()?.to_owned(),
        _ => match find(principal, claim)? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            // Arrays and objects as JSON, so that an element with a comma stays one element.
            other => other.to_string(),
        },
    };
    // Control characters cannot stand in a header. A target that expects the header gets none rather than a part.
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

/// Finds a claim by its name, else by a path of names with dots between them.
fn find<'a>(principal: &'a Principal, claim: &str) -> Option<&'a Value> {
    // Namespaced claims are addresses, which have dots in them.
    principal.claim(claim).or_else(|| {
        let mut names = claim.split('.');
        let first = principal.claim(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    })
}
