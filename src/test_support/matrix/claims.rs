//! What the claims say. Every block begins with what is accepted, so that a refusal has one cause only.

use serde_json::{Value, json};

use super::{Case, Setting, accepted, refused, table::good};
use crate::{
    Reason::{
        AudienceMismatch, Expired, InvalidClaim, IssuerNotTrusted, MalformedToken, MissingClaim, NotYetValid,
        WrongTokenType,
    },
    jwt::Algorithm::ES256,
    test_support::{TestKey, at},
};

pub(super) fn kinds() -> Vec<Case> {
    vec![
        accepted(18, "typ at+jwt", |s| good(s).header("typ", "at+jwt").sign()),
        accepted(18, "typ application/at+jwt", |s| {
            good(s).header("typ", "application/at+jwt").sign()
        }),
        accepted(18, "typ JWT", |s| good(s).header("typ", "JWT").sign()),
        accepted(18, "no typ", |s| good(s).without_header("typ").sign()),
        refused(18, "an ID token, by its nonce", WrongTokenType, |s| {
            good(s).header("typ", "JWT").claim("nonce", "n").sign()
        })
        .oracle_differs("it knows no kinds of token"),
        refused(18, "an ID token, by its at_hash", WrongTokenType, |s| {
            good(s).header("typ", "JWT").claim("at_hash", "h").sign()
        })
        .oracle_differs("it knows no kinds of token"),
        refused(18, "a logout token, by its events", WrongTokenType, |s| {
            good(s)
                .header("typ", "JWT")
                .claim(
                    "events",
                    json!({"http://schemas.openid.net/event/backchannel-logout": {}}),
                )
                .sign()
        })
        .oracle_differs("it knows no kinds of token"),
        refused(18, "a logout token, by its typ", WrongTokenType, |s| {
            good(s).header("typ", "logout+jwt").sign()
        })
        .oracle_differs("it knows no kinds of token"),
        refused(18, "a DPoP proof", WrongTokenType, |_| {
            TestKey::generate(ES256, "")
                .proof("GET", "https://a.example/", "token")
                .sign()
        }),
        refused(18, "an ID token, by its token_use", WrongTokenType, |s| {
            good(s).without_header("typ").claim("token_use", "id").sign()
        })
        .oracle_differs("it knows no kinds of token"),
    ]
}

pub(super) fn issuers() -> Vec<Case> {
    vec![
        accepted(22, "iss as configured", |s| good(s).sign()),
        refused(22, "no iss", MissingClaim, |s| good(s).without("iss").sign()),
        refused(22, "iss as an array", InvalidClaim, |s| {
            good(s).claim("iss", json!([super::ISSUER])).sign()
        }),
        refused(22, "iss as a number", InvalidClaim, |s| good(s).claim("iss", 1).sign()),
        refused(23, "a trailing slash", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| format!("{iss}/"))
        }),
        refused(23, "other case", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss.replace("api.idp", "API.idp"))
        }),
        refused(23, "a prefix", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss[..iss.len() - 1].to_owned())
        }),
        refused(23, "a longer host", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss.replace(".example", ".example.evil"))
        }),
        refused(23, "user information", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss.replace("://", "://x@"))
        }),
        refused(23, "a port", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss.replace(".example/", ".example:443/"))
        }),
        refused(23, "http", IssuerNotTrusted, |s| {
            with_issuer(s, |iss| iss.replace("https:", "http:"))
        }),
        refused(
            24,
            "the base URL in place of the token endpoint",
            IssuerNotTrusted,
            |s| with_issuer(s, |iss| iss.replace("/oauth2/token", "")),
        ),
    ]
}

pub(super) fn audiences() -> Vec<Case> {
    vec![
        accepted(26, "aud as a string", |s| good(s).claim("aud", "orders").sign()),
        accepted(26, "aud as an array with ours", |s| {
            good(s).claim("aud", json!(["a", "orders"])).sign()
        }),
        refused(25, "no aud", AudienceMismatch, |s| good(s).without("aud").sign()),
        refused(25, "aud, empty", AudienceMismatch, |s| good(s).claim("aud", "").sign()),
        refused(25, "aud as an empty array", AudienceMismatch, |s| {
            good(s).claim("aud", json!([])).sign()
        }),
        refused(25, "another aud", AudienceMismatch, |s| {
            good(s).claim("aud", "payments").sign()
        }),
        refused(25, "ours as a part of it", AudienceMismatch, |s| {
            good(s).claim("aud", "orders-admin").sign()
        }),
        refused(26, "a nested array", InvalidClaim, |s| {
            good(s).claim("aud", json!([["orders"]])).sign()
        }),
        refused(26, "aud as an object", InvalidClaim, |s| {
            good(s).claim("aud", json!({"orders": true})).sign()
        }),
    ]
}

pub(super) fn times() -> Vec<Case> {
    vec![
        accepted(27, "exp ahead", |s| good(s).claim("exp", at(1)).sign()),
        refused(27, "no exp", MissingClaim, |s| good(s).without("exp").sign())
            .oracle_differs("RFC 7519 makes it optional; a token without end is none for a gate"),
        refused(27, "exp as a string", InvalidClaim, |s| {
            good(s).claim("exp", at(300).to_string()).sign()
        }),
        refused(27, "exp negative", InvalidClaim, |s| good(s).claim("exp", -1).sign()),
        refused(27, "exp 1e400", MalformedToken, |s| exp_text(s, "1e400")),
        refused(27, "exp 1e300", InvalidClaim, |s| exp_text(s, "1e300"))
            .oracle_differs("it takes a date beyond all time for the end of time"),
        refused(27, "exp null", InvalidClaim, |s| {
            good(s).claim("exp", Value::Null).sign()
        }),
        accepted(28, "exp past, within the leeway", |s| {
            good(s).claim("exp", at(-59)).sign()
        }),
        refused(28, "exp just past the leeway", Expired, |s| {
            good(s).claim("exp", at(-60)).sign()
        })
        .oracle_differs("it accepts the very second of the end, RFC 7519 says before"),
        refused(28, "exp long past", Expired, |s| good(s).claim("exp", at(-300)).sign()),
        accepted(29, "nbf ahead, within the leeway", |s| {
            good(s).claim("nbf", at(60)).sign()
        }),
        refused(29, "nbf ahead", NotYetValid, |s| good(s).claim("nbf", at(61)).sign()),
        refused(29, "nbf as a string", InvalidClaim, |s| {
            good(s).claim("nbf", "0").sign()
        }),
        accepted(30, "iat ahead, within the leeway", |s| {
            good(s).claim("iat", at(60)).sign()
        }),
        refused(30, "iat far ahead", NotYetValid, |s| {
            good(s).claim("iat", at(3600)).claim("exp", at(7200)).sign()
        }),
        refused(30, "iat as a string", InvalidClaim, |s| {
            good(s).claim("iat", "0").sign()
        }),
        accepted(36, "dates with a fraction", |s| {
            let fraction = |seconds: i64| at(seconds) as f64 + 0.5;
            good(s)
                .claim("exp", fraction(300))
                .claim("iat", fraction(-5))
                .claim("auth_time", fraction(-9))
                .sign()
        }),
    ]
}

pub(super) fn subjects() -> Vec<Case> {
    vec![
        accepted(31, "a subject", |s| good(s).subject("bob").sign()),
        refused(31, "no sub", MissingClaim, |s| good(s).without("sub").sign())
            .oracle_differs("RFC 7519 makes it optional; whom the call is from must be known here"),
        refused(31, "sub, empty", InvalidClaim, |s| good(s).subject("").sign()).oracle_differs("as above"),
        refused(31, "sub as a number", InvalidClaim, |s| good(s).claim("sub", 7).sign()),
        accepted(33, "scope as a string", |s| good(s).claim("scope", "a b").sign()),
        accepted(33, "scope as an array", |s| {
            good(s).claim("scope", json!(["a", "b"])).sign()
        }),
        refused(33, "scope as a number", InvalidClaim, |s| {
            good(s).claim("scope", 1).sign()
        })
        .oracle_differs("it does not know the claim"),
        refused(63, "a binding that is not understood", InvalidClaim, |s| {
            good(s).claim("cnf", json!({"kid": "1"})).sign()
        })
        .oracle_differs("it does not know the claim"),
    ]
}

fn with_issuer(s: &Setting, change: fn(&str) -> String) -> String {
    good(s).claim("iss", change(super::ISSUER)).sign()
}

/// `exp` with digits that a JSON library would not write.
fn exp_text(s: &Setting, digits: &str) -> String {
    let text = good(s).without("exp").claims_text();
    good(s).sign_claims(&text.replacen('{', &format!("{{\"exp\":{digits},"), 1))
}
