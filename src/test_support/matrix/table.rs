//! Signature, form and header. Every block begins with what is accepted, so that a refusal has one cause only.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Case, Setting, accepted, refused};
use crate::{
    Reason::{BadSignature, MalformedToken, TokenTooLarge, UnknownKey, UnsupportedAlgorithm},
    jwt::Algorithm::{ES256, EdDSA, PS256, RS256, RS512},
    test_support::TokenBuilder,
};

/// Every case.
pub fn cases() -> Vec<Case> {
    use super::claims::{audiences, issuers, kinds, subjects, times};
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

/// A good token with ES256, the quickest to sign.
pub(super) fn good(s: &Setting) -> TokenBuilder<'_> {
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
            good(s).sign_claims(&good(s).claims_text().replacen('{', r#"{"sub":"admin","#, 1))
        }),
        refused(20, "a claim twice, once with an escape", MalformedToken, |s| {
            good(s).sign_claims(
                &good(s)
                    .claims_text()
                    .replacen('{', r#"{"org\u005fid":"1","org_id":"2","#, 1),
            )
        })
        .oracle_differs(
            "it refuses a registered claim twice and does not look at the others, which handlers read all the same",
        ),
        refused(20, "a header member twice", MalformedToken, |s| {
            good(s).sign_header(&good(s).header_text().replacen('{', r#"{"kid":"es256","#, 1))
        }),
        accepted(21, "JSON of an ordinary depth", |s| {
            good(s).claim("roles", nested(8)).sign()
        }),
        refused(21, "deep JSON", MalformedToken, |s| {
            good(s).claim("roles", nested(20)).sign()
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
