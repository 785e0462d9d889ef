//! `[[gate.route]]`: requirements in addition to those of the code.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;

use crate::config::{problem, read};
use crate::house::{self, House, header};

#[test]
fn a_route_asks_for_what_is_written() {
    let config = read(
        "[[gate.route]]\nmethods = [\"POST\"]\npath = \"/api/**\"\nscopes = [\"a\", \"b\"]\nany_scope = [\"c\", \"d\"]\n\
         roles = [\"r\"]\nany_role = [\"s\", \"t\"]\nacr = [\"mfa\"]\nmax_age_seconds = 60\nclaims = { tier = [\"gold\", \"tin\"], org = 7 }\n\
         dpop = true\nrate_limit = \"1/s\"\n",
    )
    .unwrap();
    let route = &config.gate.routes[0];
    assert_eq!(
        (route.methods.to_string(), route.pattern.to_string()),
        ("POST".into(), "/api/**".into())
    );
    assert_eq!(
        route.policy.to_string(),
        "signed in, scope a, scope b, scope c or d, role r, role s or t, acr mfa, signed in within 60 s, org = 7, \
         tier = \"gold\" or \"tin\", DPoP, 1/s"
    );
    for (text, key) in [
        ("path = \"api\"\n", "gate.route[0].path"),
        ("scopes = [\"a\"]\n", "gate.route[0].path"),
        ("path = \"/api/pay\"\nmethods = [\"get\"]\n", "gate.route[0].methods"),
        ("path = \"/api/pay\"\nclaims = { tier = [] }\n", "gate.route[0].claims"),
        // Two scopes in one string are no valid scope.
        (
            "path = \"/api/pay\"\nscopes = [\"read write\"]\n",
            "gate.route[0].scopes",
        ),
        (
            "path = \"/api/pay\"\nany_scope = [\"read\", \"\"]\n",
            "gate.route[0].any_scope",
        ),
        ("path = \"/api/pay\"\nroles = [\"\"]\n", "gate.route[0].roles"),
        ("path = \"/api/pay\"\nacr = [\"mfa\", \"\"]\n", "gate.route[0].acr"),
        (
            "path = \"/api/pay\"\nrate_limit = \"fast\"\n",
            "gate.route[0].rate_limit",
        ),
    ] {
        assert_eq!(problem(&format!("[[gate.route]]\n{text}")).key, key, "{text}");
    }
    // It never relaxes a policy.
    assert_eq!(
        problem("[[gate.route]]\npath = \"/api/pay\"\npublic = true\n").key,
        "gate.route[0].public"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_the_configuration_asks_for_more() {
    let house = House::with("[[gate.route]]\npath = \"/api/whoami\"\nscopes = [\"orders\"]\n").await;
    let bearer = format!("Bearer {}", house.access_token().await);
    let response = house.call("/api/whoami", &bearer).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = header(response.headers(), WWW_AUTHENTICATE.as_str()).to_owned();
    assert!(challenge.contains("scope=\"orders\""), "{challenge}");
    assert_eq!(house::json(response).await["reason"], "insufficient_scope");
    // A similar route that the entry does not name.
    assert_eq!(house.call("/api/profile", &bearer).await.status(), StatusCode::OK);
}

#[test]
fn a_route_of_the_configuration_is_about_something_and_can_be_met() {
    let policies = |more: &str| server::start::policies(&house::config(more));
    let narrowed = policies("[[gate.route]]\npath = \"/api/**\"\nroles = [\"staff\"]\n").unwrap();
    for route in narrowed.routes() {
        assert!(route.policy.to_string().contains("role staff"), "{}", route.policy);
    }

    let nowhere = policies("[[gate.route]]\nmethods = [\"DELETE\"]\npath = \"/api/whoami\"\n")
        .unwrap_err()
        .to_string();
    for part in [
        "line 3",
        "DELETE /api/whoami",
        "GET /api/whoami",
        "correct path and methods",
    ] {
        assert!(nowhere.contains(part), "{part} in {nowhere}");
    }
    let twice = "[[gate.route]]\npath = \"/api/whoami\"\nacr = [\"mfa\"]\n[[gate.route]]\npath = \"/api/**\"\nacr = [\"pwd\"]\n";
    let impossible = policies(twice).unwrap_err().to_string();
    assert!(
        impossible.contains("no acr is accepted by both: mfa and pwd"),
        "{impossible}"
    );
}
