//! What a token says, before anything of it is proved.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::jwt::printable;
use serde::Serialize;
use serde_json::{Map, Value};

/// The kind of a token, as the token itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It says that it is an access token.
    AccessToken,
    /// It has the marks of an ID token.
    IdToken,
    /// A logout token or another security event.
    LogoutToken,
    /// A DPoP proof.
    DpopProof,
    /// A JWT that does not say what it is.
    Jwt,
    /// An encrypted JWT (JWE).
    Encrypted,
    /// A reference that only its issuer understands.
    Opaque,
}

impl Kind {
    /// What that is, in a sentence.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::AccessToken => "An access token (JWT): it opens services for its audience.",
            Self::IdToken => {
                "An ID token: it tells the application who signed in. No service accepts it in place of an access token."
            }
            Self::LogoutToken => {
                "A logout token: the provider sends it to /backchannel-logout when a session has ended."
            }
            Self::DpopProof => {
                "A DPoP proof: it goes with one request, beside an access token, and shows that the caller has the key (RFC 9449)."
            }
            Self::Jwt => "A JWT that does not say what it is. The gate takes it for an access token.",
            Self::Encrypted => "An encrypted token (JWE): only its audience can read it. The gate needs signed tokens.",
            Self::Opaque => {
                "An opaque token: a reference that only its issuer understands. It says nothing that could be checked here."
            }
        }
    }
}

/// The parts of a token that can be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its header, where it is JSON.
    pub(crate) header: Map<String, Value>,
    /// Its claims, where they are JSON.
    pub(crate) claims: Map<String, Value>,
}

impl Parts {
    /// Reads what can be read. Duplicate members and other faults are for the gate to reject.
    pub(crate) fn of(token: &str) -> Self {
        let segments: Vec<_> = token.split('.').collect();
        let object = |segment: &str| -> Map<String, Value> {
            let bytes = URL_SAFE_NO_PAD
                .decode(segment.trim_end_matches('='))
                .unwrap_or_default();
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(members)) => members,
                _ => Map::new(),
            }
        };
        let header = object(segments[0]);
        let claims = match segments.as_slice() {
            [_, claims, _] => object(claims),
            _ => Map::new(),
        };
        let kind = match segments.len() {
            5 => Kind::Encrypted,
            3 if !header.is_empty() => kind(&header, &claims),
            _ => Kind::Opaque,
        };
        Self { kind, header, claims }
    }

    /// The member of the header that names a key or where one is (RFC 7515, sections 4.1.2 to 4.1.6).
    pub(crate) fn own_key(&self) -> Option<&'static str> {
        let members = ["jwk", "jku", "x5c", "x5u"];
        members.into_iter().find(|member| self.header.contains_key(*member))
    }
}

fn kind(header: &Map<String, Value>, claims: &Map<String, Value>) -> Kind {
    let text = |members: &Map<String, Value>, name: &str| {
        let text = members.get(name).and_then(Value::as_str).unwrap_or_default();
        text.to_ascii_lowercase()
    };
    let has = |name: &str| claims.get(name).is_some_and(|value| !value.is_null());
    match text(header, "typ").trim_start_matches("application/") {
        "dpop+jwt" => return Kind::DpopProof,
        "logout+jwt" | "secevent+jwt" => return Kind::LogoutToken,
        "at+jwt" => return Kind::AccessToken,
        _ => {}
    }
    match (text(claims, "typ").as_str(), text(claims, "token_use").as_str()) {
        _ if has("events") => Kind::LogoutToken,
        ("bearer" | "dpop", _) | (_, "access" | "access_token") => Kind::AccessToken,
        ("id", _) | (_, "id") => Kind::IdToken,
        _ if has("at_hash") || has("c_hash") || has("nonce") => Kind::IdToken,
        _ if has("scope") || has("scp") => Kind::AccessToken,
        _ => Kind::Jwt,
    }
}

/// What a member of the header means (RFC 7515, section 4.1).
const HEADER: [(&str, &str); 13] = [
    ("alg", "the signature algorithm"),
    ("kid", "the key that signed it"),
    ("typ", "the kind of token"),
    ("cty", "the type of the content"),
    ("jwk", "a key, which the gate ignores: keys come from the issuer"),
    ("jku", "the address of a key, which the gate never opens"),
    ("x5u", "the address of a certificate, which the gate never opens"),
    ("x5c", "a certificate, which the gate ignores"),
    ("x5t", "the thumbprint of a certificate"),
    ("x5t#S256", "the thumbprint of a certificate"),
    ("crit", "extensions that must be understood; the gate understands none"),
    ("enc", "the encryption"),
    ("zip", "compression, which the gate rejects"),
];

/// What a claim means (RFC 7519, section 4.1; RFC 9068; OpenID Connect Core 1.0; RFC 9449).
const CLAIMS: [(&str, &str); 42] = [
    ("iss", "the issuer; compared as an exact string"),
    ("sub", "the subject: the user, as the issuer names them"),
    ("aud", "the audience: for whom the token is"),
    ("exp", "the end of its validity"),
    ("nbf", "the beginning of its validity"),
    ("iat", "when it was issued"),
    ("jti", "its identifier"),
    ("client_id", "the client that it was issued to"),
    ("azp", "the client that it was issued to"),
    ("cid", "the client that it was issued to"),
    ("scope", "what the client may do"),
    ("scp", "what the client may do"),
    ("groups", "the user's groups"),
    ("roles", "the user's roles"),
    ("realm_access", "the user's roles"),
    ("resource_access", "the user's roles at each client"),
    ("acr", "how strongly the user authenticated"),
    ("amr", "the methods with which the user authenticated"),
    ("auth_time", "when the user authenticated"),
    ("nonce", "binds an ID token to one sign-in"),
    ("at_hash", "binds an ID token to its access token"),
    ("c_hash", "binds an ID token to its code"),
    ("sid", "the session at the provider"),
    ("events", "what happened: the mark of a logout token"),
    ("cnf", "the key or certificate that the token is bound to"),
    ("typ", "the kind of token, as the issuer calls it"),
    ("token_use", "the kind of token, as the issuer calls it"),
    ("name", "the user's name"),
    ("given_name", "the user's first name"),
    ("family_name", "the user's family name"),
    ("preferred_username", "the name with which the user signs in"),
    ("username", "the name with which the user signs in"),
    ("email", "the user's e-mail address"),
    ("email_verified", "whether the provider verified that address"),
    ("org_id", "the user's organisation"),
    ("org_name", "the name of the user's organisation"),
    ("org_handle", "the handle of the user's organisation"),
    ("tid", "the user's tenant"),
    ("act", "who acts for the user"),
    ("htm", "the method of the request that the proof is for"),
    ("htu", "the address that the proof is for"),
    ("ath", "the hash of the access token that the proof is for"),
];

/// The meaning of a header parameter; empty where no standard defines it.
pub(crate) fn header_meaning(name: &str) -> &'static str {
    meaning(&HEADER, name)
}

/// The meaning of a claim; empty where no standard defines it.
pub(crate) fn claim_meaning(name: &str) -> &'static str {
    meaning(&CLAIMS, name)
}

fn meaning(meanings: &[(&str, &'static str)], name: &str) -> &'static str {
    let mut known = meanings.iter().filter(|(known, _)| *known == name);
    known.next().map_or("", |(_, meaning)| meaning)
}

/// Whether the claim is a date, in seconds since 1970.
pub(crate) fn is_date(name: &str) -> bool {
    DATES.contains(&name)
}

const DATES: [&str; 5] = ["exp", "nbf", "iat", "auth_time", "updated_at"];

/// A member of a token with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its value, shortened, without control characters.
    pub value: String,
    /// What it means; empty where no standard says.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub meaning: &'static str,
    /// A date for a reader.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
}

/// The lines of a header.
pub(super) fn header_lines(header: &Map<String, Value>) -> Vec<Line> {
    header
        .iter()
        .map(|(name, value)| line(name, value, &HEADER, None))
        .collect()
}

/// The lines of the claims.
pub(super) fn claim_lines(claims: &Map<String, Value>, now: SystemTime) -> Vec<Line> {
    claims
        .iter()
        .map(|(name, value)| line(name, value, &CLAIMS, Some(now)))
        .collect()
}

fn line(name: &str, value: &Value, meanings: &[(&str, &'static str)], now: Option<SystemTime>) -> Line {
    let date = match (now, value.as_f64()) {
        (Some(now), Some(seconds)) if is_date(name) => date(seconds, now),
        _ => None,
    };
    Line {
        name: printable(name),
        value: match value {
            Value::String(text) => printable(text),
            // The escapes of JSON are enough: it has no quotes of a text around it.
            other => printable(&other.to_string()).replace("\\\"", "\""),
        },
        meaning: meaning(meanings, name),
        date: date.unwrap_or_default(),
    }
}

/// `Tue, 14 Nov 2023 22:13:20 GMT, 5 minutes ago`
fn date(seconds: f64, now: SystemTime) -> Option<String> {
    // The year 9999, beyond which HTTP has no dates.
    if !(0.0..253_402_300_799.0).contains(&seconds) {
        return None;
    }
    let time = UNIX_EPOCH + Duration::from_secs_f64(seconds);
    let relative = match now.duration_since(time) {
        Ok(ago) => format!("{} ago", span(ago)),
        Err(ahead) => format!("in {}", span(ahead.duration())),
    };
    Some(format!("{}, {relative}", httpdate::fmt_http_date(time)))
}

fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (number, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
