//! Lines 1 to 36 of docs/threats.md: what `inspect` says about a token of each, and why one token cannot show the rest of a line.

use std::collections::BTreeSet;
use std::time::Duration;

use pixygate::Reason;
use pixygate::gate::{Policies, Policy};
use pixygate::jwt::{Algorithm, TokenType};
use pixygate::test_support::at;
use pixygate::test_support::matrix::{AUDIENCE, Expected, Setting, cases};
use serde_json::json;
use server::inspect::{Decision, Inspection, examine};

use super::{MAX_TOKEN_BYTES, failed, inspect, now, policies};

/// What is to be seen of a line.
enum Seen {
    /// A token of the matrix, by its name: the check that fails, the code, and words of what was expected or found.
    Rejected(&'static str, &'static str, &'static str, &'static str),
    /// A token of the matrix that is accepted.
    Accepted(&'static str),
    /// Another test of this file.
    Below,
}
use Seen::{Accepted, Below, Rejected};

/// The lines, and where a token does not show all of one, why.
const LINES: [(u8, &[Seen], &str); 36] = [
    (1, &[Rejected("alg none, unsigned", "header", "PXG203", "none")], ""),
    (
        2,
        &[Rejected(
            "HS256 keyed with the RSA key as PEM",
            "header",
            "PXG203",
            "HS256",
        )],
        "",
    ),
    (
        3,
        &[Rejected(
            "RS256 against an EC key",
            "key",
            "PXG204",
            "with RS256; that key is for ES256",
        )],
        "",
    ),
    (
        4,
        &[Rejected(
            "PS256 when the key says RS256",
            "key",
            "PXG204",
            "with PS256; that key is for RS256",
        )],
        "",
    ),
    (
        5,
        &[
            Rejected(
                "an algorithm outside the list, validly signed",
                "algorithm",
                "PXG203",
                "RS512",
            ),
            Accepted("EdDSA"),
        ],
        "",
    ),
    (
        6,
        &[Rejected(
            "one bit flipped in the payload",
            "signature",
            "PXG205",
            "a signature by a key of",
        )],
        "",
    ),
    (
        7,
        &[
            Rejected("alg ES256, unsigned", "form", "PXG201", "an empty one"),
            Rejected("four segments", "form", "PXG201", "4 segments"),
            Rejected("one segment", "form", "PXG201", "an opaque token"),
        ],
        "",
    ),
    (
        8,
        &[
            Rejected("padding", "form", "PXG201", "Invalid padding"),
            Rejected("base64 that is not for URLs", "form", "PXG201", "Invalid symbol 43"),
        ],
        "inspect takes white space around a token away: it comes with every copy",
    ),
    (
        9,
        &[
            Rejected(
                "a stranger's key embedded as jwk",
                "signature",
                "PXG205",
                "(`jwk`), which the gate ignores",
            ),
            Accepted("members without meaning"),
        ],
        "",
    ),
    (
        10,
        &[
            Rejected(
                "a jku of a stranger",
                "key",
                "PXG204",
                "(`jku`), which the gate ignores",
            ),
            Rejected(
                "an x5u of a stranger",
                "key",
                "PXG204",
                "(`x5u`), which the gate ignores",
            ),
        ],
        "no call goes out: that is about the network, and the test of the validator counts the calls",
    ),
    (
        11,
        &[Rejected(
            "crit with an unknown extension",
            "form",
            "PXG201",
            "`crit`: an extension",
        )],
        "",
    ),
    (
        12,
        &[
            Rejected("kid with a path", "key", "PXG204", "../../dev/null"),
            Rejected(
                "kid with control characters",
                "key",
                "PXG204",
                "a\\r\\nb\\u{0}\\u{1b}[31m",
            ),
            Rejected("kid of 10 kB", "size", "PXG202", "at most 8192 bytes"),
        ],
        "a flood of them is about the log of a server",
    ),
    (
        13,
        &[Rejected(
            "no kid, and several keys",
            "key",
            "PXG204",
            "no kid, though the issuer has several keys",
        )],
        "",
    ),
    (
        14,
        &[
            Rejected(
                "the other issuer's key under this issuer's name",
                "signature",
                "PXG205",
                "a signature by a key of",
            ),
            Accepted("the other issuer's token"),
        ],
        "a signature does not say whose it is: the hint names another key under the same kid beside a changed token",
    ),
    (
        15,
        &[Below],
        "the key is in the issuer's set, not in the token: the doctor's check `keys` says why it is left out",
    ),
    (16, &[Below], "as 15: PXG053 of the doctor"),
    (
        17,
        &[
            Rejected("zip", "form", "PXG201", "`zip`: compression"),
            Rejected("a JWE", "form", "PXG201", "an encrypted token (JWE)"),
        ],
        "",
    ),
    (
        18,
        &[
            Rejected(
                "an ID token, by its nonce",
                "kind",
                "PXG210",
                "an ID token (it has `nonce`)",
            ),
            Rejected(
                "a logout token, by its events",
                "kind",
                "PXG210",
                "a logout token or security event",
            ),
            Rejected("a DPoP proof", "header", "PXG210", "dpop+jwt"),
            Accepted("typ at+jwt"),
        ],
        "",
    ),
    (19, &[Below], ""),
    (
        20,
        &[Rejected(
            "a claim twice",
            "form",
            "PXG201",
            "member \"sub\" occurs twice",
        )],
        "",
    ),
    (
        21,
        &[
            Rejected("deep JSON", "form", "PXG201", "nested deeper than 64 levels"),
            Rejected("a token over the limit", "size", "PXG202", "at most 8192 bytes"),
            Accepted("JSON that is deep and small"),
        ],
        "before any fetch: that is about the network, and the test of the validator counts the calls",
    ),
    (
        22,
        &[
            Rejected("no iss", "issuer", "PXG211", "`iss`"),
            Rejected(
                "iss as an array",
                "issuer",
                "PXG212",
                "`iss`: a string that is not empty",
            ),
            Accepted("iss as configured"),
        ],
        "",
    ),
    (
        23,
        &[
            Rejected(
                "a trailing slash",
                "issuer",
                "PXG206",
                "the found one ends with a slash",
            ),
            Rejected("other case", "issuer", "PXG206", "upper and lower case differ"),
            Rejected("a port", "issuer", "PXG206", "the host differs"),
        ],
        "",
    ),
    (
        24,
        &[Rejected(
            "the base URL in place of the token endpoint",
            "issuer",
            "PXG206",
            "lacks \"/oauth2/token\" at its end",
        )],
        "",
    ),
    (
        25,
        &[
            Rejected("no aud", "audience", "PXG207", "no aud"),
            Rejected("another aud", "audience", "PXG207", "aud \"payments\""),
        ],
        "",
    ),
    (
        26,
        &[
            Rejected("a nested array", "audience", "PXG212", "`aud`: strings"),
            Accepted("aud as an array with ours"),
        ],
        "",
    ),
    (
        27,
        &[
            Rejected("no exp", "time", "PXG211", "`exp`"),
            Rejected("exp as a string", "time", "PXG212", "`exp`: a number"),
            Rejected("exp 1e400", "form", "PXG201", "number out of range"),
        ],
        "",
    ),
    (
        28,
        &[
            Rejected("exp just past the leeway", "time", "PXG208", "60 s ago"),
            Accepted("exp past, within the leeway"),
        ],
        "",
    ),
    (
        29,
        &[
            Rejected("nbf ahead", "time", "PXG209", "nbf 1800000061, 61 s ahead"),
            Rejected("nbf as a string", "time", "PXG212", "`nbf`: a number"),
            Accepted("nbf ahead, within the leeway"),
        ],
        "",
    ),
    (
        30,
        &[Rejected(
            "iat far ahead",
            "time",
            "PXG209",
            "iat 1800003600, 3600 s ahead",
        )],
        "",
    ),
    (
        31,
        &[
            Rejected("no sub", "subject", "PXG211", "`sub`"),
            Rejected("sub, empty", "subject", "PXG212", "`sub`: a string that is not empty"),
        ],
        "",
    ),
    (32, &[Below], ""),
    (33, &[Below, Accepted("scope as an array")], ""),
    (
        34,
        &[Below],
        "that they are two users is about two tokens: each is shown with its issuer beside its subject",
    ),
    (35, &[Below], ""),
    (36, &[Accepted("dates with a fraction")], ""),
];

#[tokio::test]
async fn each_line_of_the_threats_has_its_own_explanation() {
    let setting = Setting::new();
    let cases = cases();
    let lines: Vec<u8> = LINES.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, (1..=36).collect::<Vec<u8>>());
    let mut explanations = BTreeSet::new();
    for (line, seen, _) in &LINES {
        for seen in *seen {
            let named = |name: &str| {
                let case = cases.iter().find(|case| case.name == name && case.threat == *line);
                *case.unwrap_or_else(|| panic!("{line}: {name}"))
            };
            match seen {
                Below => {}
                Accepted(name) => {
                    let case = named(name);
                    assert_eq!(case.expected, Expected::Accepted);
                    let inspection = inspect(&setting, &(case.token)(&setting)).await;
                    assert_eq!(inspection.decision, Decision::Accepted, "{line}: {name}");
                }
                Rejected(name, check, code, words) => {
                    let inspection = inspect(&setting, &(named(name).token)(&setting)).await;
                    let found = (failed(&inspection), inspection.code().map(|code| code.id()));
                    assert_eq!(found, (Some(*check), Some(*code)), "{line}: {name}");
                    let finding = inspection.finding.as_ref().unwrap();
                    let said = format!("{}\n{}", finding.expected, finding.found);
                    assert!(said.contains(words), "{line}: {name}: {words} in\n{said}");
                    assert!(!finding.hint.is_empty(), "{line}: {name}");
                    for text in [inspection.text(), serde_json::to_string(&inspection).unwrap()] {
                        assert!(text.contains(code), "{line}: {name}");
                    }
                    // 14 is the one that says the same as another line, for the reason that stands there.
                    let is_its_own = explanations.insert((finding.code, said.clone()));
                    assert!(
                        is_its_own || *line == 14,
                        "{line}: {name} is explained as another line is: {said}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_is_left_out_is_missing_among_those_of_the_issuer() {
    let setting = Setting::new();
    let token = setting
        .issuer
        .token()
        .key(setting.issuer.key(Algorithm::ES256))
        .audience(AUDIENCE)
        .sign();
    let good = setting.issuer.jwks();
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut set = good.clone();
        let keys = set["keys"].as_array_mut().unwrap();
        change(keys.iter_mut().find(|key| key["kid"] == "es256").unwrap());
        set
    };
    for (line, set, accepted) in [
        (15, changed(&|key| key["use"] = json!("enc")), false),
        (16, changed(&|key| key["crv"] = json!("secp256k1")), false),
        (16, changed(&|key| key["x"] = json!("A".repeat(42) + "E")), false),
        (16, good.clone(), true),
    ] {
        let (documents, policies) = (setting.documents(), policies());
        documents.put(setting.issuer.jwks_url(), &set);
        let inspection = examine(&token, setting.trusts(), &policies, MAX_TOKEN_BYTES, documents, now());
        let inspection = inspection.await.unwrap();
        if accepted {
            assert_eq!(inspection.decision, Decision::Accepted);
            continue;
        }
        assert_eq!(failed(&inspection), Some("key"), "{line}");
        let finding = inspection.finding.unwrap();
        assert_eq!(finding.code.id(), "PXG204", "{line}");
        assert!(
            finding.expected.contains("rs256") && !finding.expected.contains("es256,"),
            "{line}: {finding:?}"
        );
        assert!(finding.found.contains("es256"), "{line}: {finding:?}");
    }
}

#[tokio::test]
async fn a_typ_that_the_trust_does_not_take_is_named() {
    let setting = Setting::new();
    for (typ, expected) in [("JWT", Some(("header", "PXG210"))), ("at+jwt", None)] {
        let token = setting.issuer.token().audience(AUDIENCE).header("typ", typ).sign();
        let (mut trusts, policies) = (setting.trusts(), policies());
        trusts[0].token_type = TokenType::AccessToken;
        let inspection = examine(&token, trusts, &policies, MAX_TOKEN_BYTES, setting.documents(), now());
        let inspection = inspection.await.unwrap();
        let found = failed(&inspection).zip(inspection.code().map(|code| code.id()));
        assert_eq!(
            found.map(|(_, code)| code),
            expected.map(|(_, code)| code),
            "19: {}",
            inspection.text()
        );
        if let Some(finding) = &inspection.finding {
            assert!(
                finding.expected.contains("at+jwt") && finding.found.contains("jwt"),
                "{finding:?}"
            );
        }
    }
}

/// The status, the reason and what is missing, of the only route.
async fn on_route(policy: Policy, change: impl Fn(&Setting) -> String) -> (u16, Option<Reason>, Inspection) {
    let setting = Setting::new();
    let policies = Policies::new().route("GET", "/api/orders", policy);
    let token = change(&setting);
    let inspection = examine(
        &token,
        setting.trusts(),
        &policies,
        MAX_TOKEN_BYTES,
        setting.documents(),
        now(),
    );
    let inspection = inspection.await.unwrap();
    let route = &inspection.routes[0];
    (route.status, route.reason, inspection)
}

#[tokio::test]
async fn what_a_route_denies_is_named_with_what_is_missing() {
    let with = |scope: serde_json::Value| {
        move |setting: &Setting| {
            setting
                .issuer
                .token()
                .audience(AUDIENCE)
                .claim("scope", scope.clone())
                .sign()
        }
    };
    // 32: a scope is compared whole.
    let (status, reason, inspection) = on_route(Policy::signed_in().scope("readonly"), with(json!("read"))).await;
    assert_eq!((status, reason), (403, Some(Reason::InsufficientScope)), "32");
    assert!(inspection.text().contains("insufficient_scope: ") && inspection.routes[0].missing.contains("readonly"));
    // 33: a text and a list are the same.
    for scope in [json!("a readonly"), json!(["a", "readonly"])] {
        let (status, ..) = on_route(Policy::signed_in().scope("readonly"), with(scope)).await;
        assert_eq!(status, 200, "33");
    }
    // 35: an authentication that is too weak, or too old.
    let signed_in = |acr: &'static str, seconds: i64| {
        move |setting: &Setting| {
            let token = setting.issuer.token().audience(AUDIENCE);
            token.claim("acr", acr).claim("auth_time", at(-seconds)).sign()
        }
    };
    for (acr, seconds, policy, missing) in [
        ("bronze", 10, Policy::signed_in().acr("gold"), Some("gold")),
        ("gold", 10, Policy::signed_in().acr("gold"), None),
        (
            "gold",
            4000,
            Policy::signed_in().max_age(Duration::from_secs(300)),
            Some("300"),
        ),
        ("gold", 10, Policy::signed_in().max_age(Duration::from_secs(300)), None),
    ] {
        let (status, reason, inspection) = on_route(policy, signed_in(acr, seconds)).await;
        let Some(missing) = missing else {
            assert_eq!(status, 200, "35: {}", inspection.text());
            continue;
        };
        assert_eq!(
            (status, reason),
            (401, Some(Reason::InsufficientUserAuthentication)),
            "35"
        );
        assert!(
            inspection.routes[0].missing.contains(missing),
            "35: {:?}",
            inspection.routes
        );
    }
}

#[tokio::test]
async fn the_same_subject_of_two_issuers_is_shown_with_its_issuer() {
    let setting = Setting::new();
    let shown = async |token: String| {
        let inspection = inspect(&setting, &token).await;
        assert_eq!(inspection.decision, Decision::Accepted);
        let claim = |name: &str| {
            inspection
                .claims
                .iter()
                .find(|line| line.name == name)
                .unwrap()
                .value
                .clone()
        };
        (claim("iss"), claim("sub"))
    };
    let one = shown(setting.issuer.token().audience(AUDIENCE).subject("alice").sign()).await;
    let other = shown(setting.other.token().audience(AUDIENCE).subject("alice").sign()).await;
    assert_eq!(one.1, other.1);
    assert_ne!(one.0, other.0, "34");
}
