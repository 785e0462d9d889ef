//! Cases for form, signature and header, then for the claims. Every block begins with an accepted token, so that a rejection has one cause
//! only.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Case, Setting, accepted, refused};
use crate::{
    Reason::{
        AudienceMismatch, BadSignature, Expired, InvalidClaim, IssuerNotTrusted, MalformedToken, MissingClaim,
        NotYetValid, TokenTooLarge, UnknownKey, UnsupportedAlgorithm, WrongTokenType,
    },
    jwt::Algorithm::{ES256, EdDSA, PS256, RS256, RS512},
    test_support::{TestKey, TokenBuilder, at},
};

/// Returns every case.
pub fn cases() -> Vec<Case> {
    [
        algorithms(),
        forms(),
        headers(),
        kinds(),
        issuers(),
        audiences(),
        times(),
        subjects(),
    ]
    .concat()
}

/// Returns a valid token with ES256, which is the fastest to sign.
fn good(s: &Setting) -> TokenBuilder<'_> {
    s.issuer.token().key(s.issuer.key(ES256))
}

fn unsigned(token: &TokenBuilder<'_>) -> String {
    let token = token.sign();
    let (signed, _) = token.rsplit_once('.').unwrap_or_default();
    format!("{signed}.")
}

fn algorithms() -> Vec<Case> {
    vec![
        accepted(5, "RS256", |s| s.issuer.token().key(s.issuer.key(RS256)).sign()),
        accepted(5, "PS256", |s| s.issuer.token().key(s.issuer.key(PS256)).sign()),
        accepted(5, "ES256", |s| s.issuer.token().key(s.issuer.key(ES256)).sign()),
        accepted(5, "EdDSA", |s| s.issuer.token().key(s.issuer.key(EdDSA)).sign()),
        refused(1, "alg none", UnsupportedAlgorithm, |s| {
            good(s).header("alg", "none").sign()
        }),
        refused(1, "alg NoNe, unsigned", UnsupportedAlgorithm, |s| {
            unsigned(&good(s).header("alg", "NoNe"))
        }),
        refused(1, "alg nOnE", UnsupportedAlgorithm, |s| {
            good(s).header("alg", "nOnE").sign()
        }),
        refused(1, "alg none, unsigned", UnsupportedAlgorithm, |s| {
            unsigned(&good(s).header("alg", "none"))
        }),
        refused(7, "alg ES256, unsigned", MalformedToken, |s| unsigned(&good(s))),
        refused(2, "HS256 keyed with the RSA key as PEM", UnsupportedAlgorithm, |s| {
            hmac_signed(s, s.issuer.key(RS256).public_pem().as_bytes())
        }),
        refused(2, "HS256 keyed with the RSA key as DER", UnsupportedAlgorithm, |s| {
            hmac_signed(s, &s.issuer.key(RS256).public_der())
        }),
        refused(2, "HS256 keyed with the RSA key as JWK", UnsupportedAlgorithm, |s| {
            hmac_signed(s, s.issuer.key(RS256).jwk().to_string().as_bytes())
        }),
        refused(3, "RS256 against an EC key", UnknownKey, |s| {
            s.issuer.token().key(s.issuer.key(RS256)).header("kid", "es256").sign()
        }),
        refused(4, "PS256 when the key says RS256", UnknownKey, |s| {
            s.issuer.token().key(s.issuer.key(PS256)).header("kid", "rs256").sign()
        }),
        refused(
            5,
            "an algorithm outside the list, validly signed",
            UnsupportedAlgorithm,
            |s| {
                // RS512 is understood, its key is published, and it is not in the default list.
                s.issuer.token().key(s.issuer.key(RS512)).sign()
            },
        ),
        refused(5, "alg as a number", MalformedToken, |s| {
            good(s).header("alg", 256).sign()
        }),
        refused(5, "no alg", MalformedToken, |s| good(s).without_header("alg").sign()),
        refused(6, "one bit flipped in the payload", BadSignature, |s| {
            let token = good(s).sign();
            let altered = good(s).subject("alicf").sign();
            let payload = altered.split('.').nth(1).unwrap_or_default().to_owned();
            let parts: Vec<_> = token.split('.').collect();
            [parts[0], &payload, parts[2]].join(".")
        }),
        refused(6, "one bit flipped in the signature", BadSignature, |s| {
            let token = good(s).sign();
            let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
            bytes[9] ^= 1;
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
        }),
        refused(6, "a stranger's key with the issuer's kid", BadSignature, |s| {
            s.issuer.token().key(&s.stranger).sign()
        }),
    ]
}

fn forms() -> Vec<Case> {
    vec![
        accepted(8, "as it should be", |s| good(s).sign()),
        refused(7, "nothing", MalformedToken, |_| ".".into()),
        refused(7, "one segment", MalformedToken, |_| "opaque-token".into()),
        refused(7, "two segments", MalformedToken, |s| {
            let token = good(s).sign();
            token
                .rsplit_once('.')
                .map(|(signed, _)| signed.to_owned())
                .unwrap_or_default()
        }),
        refused(7, "four segments", MalformedToken, |s| {
            format!("{}.e30", good(s).sign())
        }),
        refused(8, "padding", MalformedToken, |s| format!("{}=", good(s).sign())),
        refused(8, "base64 that is not for URLs", MalformedToken, |s| {
            good(s).sign().replacen("eyJ", "ey+", 1)
        }),
        refused(8, "white space", MalformedToken, |s| format!("{}\n", good(s).sign())),
        refused(8, "stray bits at the end", MalformedToken, |s| {
            stray_bits(&good(s).sign())
        }),
        refused(20, "a claim twice", MalformedToken, |s| {
            good(s).sign_claims(&good(s).claims_json().replacen('{', r#"{"sub":"admin","#, 1))
        }),
        refused(20, "a claim twice, once with an escape", MalformedToken, |s| {
            good(s).sign_claims(
                &good(s)
                    .claims_json()
                    .replacen('{', r#"{"org\u005fid":"1","org_id":"2","#, 1),
            )
        })
        .oracle_differs(
            "it refuses a registered claim twice and does not look at the others, which handlers read all the same",
        ),
        refused(20, "a header member twice", MalformedToken, |s| {
            good(s).sign_header(&good(s).header_json().replacen('{', r#"{"kid":"es256","#, 1))
        }),
        accepted(21, "JSON of an ordinary depth", |s| {
            good(s).claim("roles", nested(8)).sign()
        }),
        accepted(21, "JSON that is deep and small", |s| {
            good(s).claim("roles", nested(40)).sign()
        }),
        refused(21, "deep JSON", MalformedToken, |s| {
            good(s).claim("roles", nested(100)).sign()
        })
        .oracle_differs("its parser allows 128 levels"),
        accepted(21, "a long token", |s| good(s).claim("filler", "x".repeat(5000)).sign()),
        refused(21, "a token over the limit", TokenTooLarge, |s| {
            good(s).claim("filler", "x".repeat(9000)).sign()
        })
        .oracle_differs("it has no limit unless it is given one"),
        refused(7, "a payload that is no object", MalformedToken, |s| {
            good(s).sign_claims("[]")
        }),
        refused(7, "a payload that is not JSON", MalformedToken, |s| {
            good(s).sign_claims("sub=alice")
        }),
        refused(7, "a header that is not JSON", MalformedToken, |s| {
            good(s).sign_header("alg=ES256")
        }),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        accepted(9, "members without meaning", |s| good(s).header("x-trace", "1").sign()),
        refused(9, "a stranger's key embedded as jwk", BadSignature, |s| {
            s.issuer.token().key(&s.stranger).header("jwk", s.stranger.jwk()).sign()
        }),
        refused(
            9,
            "a stranger's key embedded, under a kid of its own",
            UnknownKey,
            |s| {
                s.issuer
                    .token()
                    .key(&s.stranger)
                    .header("kid", "mine")
                    .header("jwk", s.stranger.jwk())
                    .sign()
            },
        ),
        refused(10, "a jku of a stranger", UnknownKey, |s| {
            s.issuer
                .token()
                .key(&s.stranger)
                .header("kid", "mine")
                .header("jku", "https://evil.example/jwks")
                .sign()
        }),
        refused(10, "an x5u of a stranger", UnknownKey, |s| {
            s.issuer
                .token()
                .key(&s.stranger)
                .header("kid", "mine")
                .header("x5u", "https://evil.example/cert")
                .sign()
        }),
        refused(11, "crit with an unknown extension", MalformedToken, |s| {
            good(s).header("crit", json!(["exp2"])).sign()
        }),
        refused(11, "crit, empty", MalformedToken, |s| {
            good(s).header("crit", json!([])).sign()
        })
        .oracle_differs("it refuses only an extension that is named, RFC 7515 forbids the empty list"),
        refused(11, "crit, no array", MalformedToken, |s| {
            good(s).header("crit", "exp").sign()
        }),
        refused(11, "crit twice in itself", MalformedToken, |s| {
            good(s).header("crit", json!(["b64", "b64"])).sign()
        }),
        refused(12, "kid with a path", UnknownKey, |s| {
            good(s).header("kid", "../../dev/null").sign()
        }),
        refused(12, "kid with SQL", UnknownKey, |s| {
            good(s).header("kid", "' OR 1=1 --").sign()
        }),
        refused(12, "kid with control characters", UnknownKey, |s| {
            good(s).header("kid", "a\r\nb\u{0}\u{1b}[31m").sign()
        }),
        refused(12, "kid of 5 kB", UnknownKey, |s| {
            good(s).header("kid", "k".repeat(5000)).sign()
        }),
        refused(12, "kid of 10 kB", TokenTooLarge, |s| {
            good(s).header("kid", "k".repeat(10_000)).sign()
        }),
        refused(12, "kid as a number", MalformedToken, |s| {
            good(s).header("kid", 1).sign()
        }),
        refused(13, "no kid, and several keys", UnknownKey, |s| {
            good(s).without_header("kid").sign()
        }),
        accepted(14, "the other issuer's token", |s| s.other.token().sign()),
        refused(
            14,
            "the other issuer's key under this issuer's name",
            BadSignature,
            |s| s.issuer.token().key(s.other.key(ES256)).sign(),
        ),
        refused(17, "zip", MalformedToken, |s| good(s).header("zip", "DEF").sign())
            .oracle_differs("it does not look at `zip`, which has no meaning in a JWS"),
        refused(17, "a JWE", MalformedToken, |_| {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
            format!("{header}.a2V5.aXY.dGV4dA.dGFn")
        }),
    ]
}

fn hmac_signed(s: &Setting, key: &[u8]) -> String {
    let rsa = s.issuer.key(RS256);
    let token = s.issuer.token().key(rsa).header("alg", "HS256").sign();
    let (signed, _) = token.rsplit_once('.').unwrap_or_default();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!("x"), |inner, _| json!({ "a": inner }))
}

/// A 64-byte signature leaves four bits unused in its last character; setting one gives another text for the same bytes.
fn stray_bits(token: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let digit = DIGITS
        .iter()
        .position(|digit| last.as_bytes() == [*digit])
        .unwrap_or_default();
    format!("{rest}{}", char::from(DIGITS[digit | 1]))
}

fn kinds() -> Vec<Case> {
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

fn issuers() -> Vec<Case> {
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

fn audiences() -> Vec<Case> {
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

fn times() -> Vec<Case> {
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
        refused(30, "iat far ahead, as a string", NotYetValid, |s| {
            good(s).claim("iat", at(3600).to_string()).claim("exp", at(7200)).sign()
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

fn subjects() -> Vec<Case> {
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
    let text = good(s).without("exp").claims_json();
    good(s).sign_claims(&text.replacen('{', &format!("{{\"exp\":{digits},"), 1))
}
