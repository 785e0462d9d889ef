//! The pages of the findings in the running server, and the codes in refusals.

use axum::body::Body;
use http::StatusCode;
use pixygate::Reason;
use serde_json::json;
use server::findings::Code;

use super::{Log, token_of};
use crate::house::{self, House, header, request};

#[tokio::test(flavor = "multi_thread")]
async fn each_finding_has_a_page_without_a_script_that_everybody_may_read() {
    let house = House::start().await;
    let index = house.get("/findings").await;
    assert_eq!(index.status(), StatusCode::OK);
    let index = house::text(index).await;
    for code in Code::ALL {
        let address = format!("/findings/{code}");
        assert!(index.contains(&format!("href=\"{address}\"")), "{code}");
        let page = house.get(&address).await;
        assert_eq!(page.status(), StatusCode::OK, "{code}");
        let headers = page.headers().clone();
        assert!(header(&headers, "content-type").starts_with("text/html"));
        let page = house::text(page).await;
        assert!(!page.contains("<script"), "{page}");
        // The policy lets nothing else style the page.
        let nonce = page.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let policy = header(&headers, "content-security-policy");
        assert!(policy.contains(&format!("'nonce-{nonce}'")), "{policy}");
    }
    let page = house::text(house.get("/findings/pxg206").await).await;
    assert!(
        page.contains("<h1>PXG206: The token&#39;s issuer is not trusted</h1>")
            || page.contains("<h1>PXG206: The token's issuer is not trusted</h1>")
    );
    assert!(page.contains("<code>iss</code>"), "{page}");
    for unknown in ["/findings/PXG999", "/findings/../whoami"] {
        assert_eq!(house.get(unknown).await.status(), StatusCode::NOT_FOUND, "{unknown}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_code_in_the_log_and_where_the_gate_explains_in_the_body() {
    for explain in [true, false] {
        let (log, _guard) = Log::record();
        let house = House::with(&format!("[gate]\nexplain = {explain}\n")).await;
        let token = token_of(&house, "alice", "openid").await;
        let denied = house::json(house.call("/api/profile", &format!("Bearer {token}")).await).await;
        assert_eq!(denied["reason"], "insufficient_scope");
        assert_eq!(
            denied["detail"]["code"].as_str(),
            explain.then_some("PXG217"),
            "{denied}"
        );
        let missing = house.send(request("/api/whoami").body(Body::empty()).unwrap()).await;
        let missing = house::json(missing).await;
        assert_eq!(
            missing["detail"]["code"].as_str(),
            explain.then_some("PXG200"),
            "{missing}"
        );
        let log = log.text();
        for code in ["PXG217", "PXG200"] {
            assert!(log.contains(code), "{code} in {log}");
        }
    }
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert!(codes.iter().all(Option::is_some));
    assert_eq!(json!(Reason::Revoked.code()), "PXG213");
}
