//! What a user reads, and what a program does: golden files. Keys differ in each run, and none of them is in the output.

use pixygate::jwt::Algorithm;
use pixygate::test_support::at;
use pixygate::test_support::matrix::{AUDIENCE, ISSUER, Setting};
use server::inspect::Inspection;

use super::inspect;
use crate::golden::golden;

fn both(name: &str, inspection: &Inspection) {
    golden(&format!("inspect/golden/{name}.txt"), &inspection.text());
    let json = serde_json::to_string_pretty(inspection).unwrap();
    golden(&format!("inspect/golden/{name}.json"), &(json + "\n"));
}

#[tokio::test]
async fn each_kind_of_answer_is_its_golden_file() {
    let setting = Setting::new();
    let token = || {
        let token = setting.issuer.token().key(setting.issuer.key(Algorithm::ES256));
        token.audience(AUDIENCE).scope("orders:read profile")
    };
    let base = ISSUER.trim_end_matches("/oauth2/token");
    for (name, token) in [
        ("accepted", token().claim("auth_time", at(-120)).sign()),
        ("another-scope", token().scope("profile").sign()),
        (
            "bound",
            token().bound_to("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I").sign(),
        ),
        ("issuer", token().claim("iss", base).sign()),
        ("expired", token().claim("exp", at(-7200)).sign()),
        (
            "stranger",
            token()
                .key(&setting.stranger)
                .header("jku", "https://evil.example/jwks")
                .sign(),
        ),
        (
            "id-token",
            token()
                .header("typ", "JWT")
                .claim("nonce", "n-0S6_WzA2Mj")
                .claim("at_hash", "h")
                .sign(),
        ),
        (
            "logout-token",
            setting.issuer.logout_token("shop").claim("jti", "an identifier").sign(),
        ),
        (
            "dpop-proof",
            token()
                .header("typ", "dpop+jwt")
                .claim("htm", "GET")
                .claim("htu", "https://shop.example/api/orders")
                .claim("ath", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
                .sign(),
        ),
        (
            "encrypted",
            "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d".to_owned(),
        ),
        ("opaque", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
    ] {
        both(name, &inspect(&setting, &token).await);
    }
}
