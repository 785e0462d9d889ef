//! The record of what was done, through the server functions: users see their own, administrators everybody's.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{self, House, header, request};

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn token_of(house: &House, username: &str) -> String {
    let wanted = json!({ "username": username, "client_id": "pixygate" });
    let tokens = house.control("tokens?tenant=demo", wanted).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn get(house: &House, path: &str, token: &str) -> (StatusCode, Value) {
    let response = house.call(path, &format!("Bearer {token}")).await;
    (response.status(), house::json(response).await)
}

async fn post(house: &House, path: &str, token: &str, pairs: &[(&str, &str)]) -> http::Response<Body> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let request = request(path)
        .method(Method::POST)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(form)).unwrap()).await
}

/// Waits until so many calls are recorded.
async fn recorded(house: &House, calls: u64) {
    let activity = &house.started.state.shared.activity;
    let wait = async {
        while activity.written() < calls {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    assert_eq!((activity.written(), activity.dropped()), (calls, 0));
}

async fn records(house: &House, path: &str, token: &str) -> Vec<Value> {
    let (status, page) = get(house, path, token).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page["records"].as_array().unwrap().clone()
}

fn with<'a>(records: &'a [Value], key: &str, value: impl Into<Value>) -> Vec<&'a Value> {
    let value = value.into();
    records.iter().filter(|record| record[key] == value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_what_was_done_in_their_name_and_why_it_was_denied() {
    let house = House::start().await;
    let (alice, bob) = (token_of(&house, "alice").await, token_of(&house, "bob").await);
    let whoami = house.call("/api/whoami?query=secret", &format!("Bearer {alice}")).await;
    let request_id = header(whoami.headers(), server::REQUEST_ID).to_owned();
    let subject = house::json(whoami).await["sub"].clone();
    let denied = get(&house, "/api/admin/activity", &alice).await;
    assert_eq!(denied.0, StatusCode::FORBIDDEN);
    assert_eq!(get(&house, "/api/whoami", &bob).await.0, StatusCode::OK);

    recorded(&house, 3).await;
    let own = records(&house, "/api/activity", &alice).await;
    assert_eq!(own.len(), 2, "{own:#?}");
    let [call] = with(&own, "request_id", request_id)[..] else {
        panic!("{own:#?}")
    };
    assert_eq!(call["route"], "/api/whoami");
    assert_eq!(
        (&call["method"], &call["status"], &call["denial"]),
        (&json!("GET"), &json!(200), &Value::Null)
    );
    assert_eq!(
        (&call["name"], &call["client"]),
        (&json!("Alice Example"), &json!("pixygate"))
    );
    assert!(
        call["bytes"].as_u64() > Some(0) && call["took"].as_u64() > Some(0),
        "{call}"
    );
    assert!(call["node"].as_str().is_some_and(|node| !node.is_empty()), "{call}");
    let age = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64
        - call["at"].as_u64().unwrap();
    assert!(age < 60_000, "{age}");
    let [denial] = with(&own, "route", "/api/admin/activity")[..] else {
        panic!("{own:#?}")
    };
    assert_eq!(denial["status"], 403);
    assert_eq!(denial["denial"]["reason"], "insufficient_scope");
    assert!(
        denial["denial"]["expected"]
            .as_str()
            .unwrap()
            .contains("console.admin_roles"),
        "{denial}"
    );
    assert!(own.iter().all(|record| record["subject"] == subject), "{own:#?}");
    assert!(
        !format!("{own:?}").contains("secret"),
        "no path and no query is recorded"
    );

    // The chart counts the same, and a filter narrows the list.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let (_, chart) = get(
        &house,
        &format!("/api/activity/chart?from={}&until={}", now - 1800, now + 1800),
        &alice,
    )
    .await;
    let sum = |key: &str| -> u64 {
        chart["buckets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bucket| bucket[key].as_u64().unwrap())
            .sum()
    };
    assert_eq!(
        (chart["buckets"].as_array().unwrap().len(), sum("denied")),
        (60, 1),
        "{chart}"
    );
    assert!(sum("allowed") >= 1, "{chart}");
    let (_, page) = get(&house, "/api/activity?filter[decision]=denied", &alice).await;
    assert_eq!(page["records"].as_array().unwrap().len(), 1, "{page}");
    let before = call["id"].as_str().unwrap();
    let (_, page) = get(&house, &format!("/api/activity?before={before}"), &alice).await;
    assert_eq!(page["records"], json!([]), "nothing is older than the first call");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_everybody_and_nobody_else_does() {
    let house = House::start().await;
    let (alice, admin) = (token_of(&house, "alice").await, token_of(&house, "admin").await);
    assert_eq!(get(&house, "/api/whoami", &alice).await.0, StatusCode::OK);
    assert_eq!(house.get("/api/whoami").await.status(), StatusCode::UNAUTHORIZED);
    recorded(&house, 2).await;
    let all = records(&house, "/api/admin/activity", &admin).await;
    assert_eq!(
        (all.len(), with(&all, "name", "Alice Example").len()),
        (2, 1),
        "{all:#?}"
    );
    let anonymous = all.iter().find(|record| record["subject"].is_null()).unwrap();
    assert_eq!(anonymous["denial"]["reason"], "missing_token");
    for path in ["/api/admin/activity", "/api/admin/activity/chart?from=0&until=3600"] {
        assert_eq!(get(&house, path, &admin).await.0, StatusCode::OK, "{path}");
        let (status, body) = get(&house, path, &alice).await;
        assert_eq!(
            (status, &body["reason"]),
            (StatusCode::FORBIDDEN, &json!("insufficient_scope")),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_scopes_of_the_configuration_make_administrators() {
    for (console, expected) in [
        ("admin_roles = [\"staff\"]", StatusCode::OK),
        ("admin_roles = [\"boss\"]", StatusCode::FORBIDDEN),
        ("admin_scopes = [\"profile\"]", StatusCode::OK),
        ("admin_scopes = [\"audit\"]", StatusCode::FORBIDDEN),
    ] {
        let house = House::with(&format!("[console]\n{console}\n")).await;
        let admin = token_of(&house, "admin").await;
        let status = get(&house, "/api/admin/activity", &admin).await.0;
        assert_eq!(status, expected, "{console}");
    }
    // Without any, and with a provider of one's own, nobody is.
    let house = House::start().await;
    let node = house.node("").await;
    let admin = token_of(&house, "admin").await;
    assert_eq!(get(&house, "/api/admin/activity", &admin).await.0, StatusCode::OK);
    assert_eq!(get(&node, "/api/admin/activity", &admin).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_has_just_signed_in_ends_all_their_sessions() {
    let house = House::start().await;
    let (alice, other, bob) = (
        token_of(&house, "alice").await,
        token_of(&house, "alice").await,
        token_of(&house, "bob").await,
    );
    house.control("clock", json!({ "shift": -400 })).await;
    let stale = token_of(&house, "alice").await;
    house.control("clock", json!({ "shift": 0 })).await;
    let response = post(&house, "/api/sessions/end", &stale, &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = header(response.headers(), WWW_AUTHENTICATE.as_str());
    assert!(challenge.contains("max_age=\"300\""), "{challenge}");
    assert_eq!(get(&house, "/api/whoami", &other).await.0, StatusCode::OK);

    assert_eq!(
        post(&house, "/api/sessions/end", &alice, &[]).await.status(),
        StatusCode::OK
    );
    for token in [&alice, &other, &stale] {
        let (status, body) = get(&house, "/api/whoami", token).await;
        assert_eq!((status, &body["reason"]), (StatusCode::UNAUTHORIZED, &json!("revoked")));
    }
    assert_eq!(get(&house, "/api/whoami", &bob).await.0, StatusCode::OK);
    // Whoever signs in again, in a later second, goes on.
    house.control("clock", json!({ "shift": 2 })).await;
    let again = token_of(&house, "alice").await;
    assert_eq!(get(&house, "/api/whoami", &again).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_the_sessions_of_a_user_and_revokes_a_token() {
    let house = House::start().await;
    let issuer = house.started.announcement.provider.clone();
    let (alice, bob, admin) = (
        token_of(&house, "alice").await,
        token_of(&house, "bob").await,
        token_of(&house, "admin").await,
    );
    let subject = get(&house, "/api/whoami", &alice).await.1["sub"]
        .as_str()
        .unwrap()
        .to_owned();
    let claims = pixygate::jwt::UnverifiedClaims::decode(&bob).unwrap().claims;
    let id = claims["jti"].as_str().unwrap().to_owned();
    let user = [("issuer", issuer.as_str()), ("subject", subject.as_str())];
    let token = [("issuer", issuer.as_str()), ("token_id", id.as_str())];
    for (path, pairs) in [("/api/admin/sessions/end", user), ("/api/admin/tokens/revoke", token)] {
        let response = post(&house, path, &bob, &pairs).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let empty = [pairs[0], (pairs[1].0, "")];
        assert_eq!(
            post(&house, path, &admin, &empty).await.status(),
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
    for token in [&alice, &bob] {
        assert_eq!(get(&house, "/api/whoami", token).await.0, StatusCode::OK);
    }
    assert_eq!(
        post(&house, "/api/admin/sessions/end", &admin, &user).await.status(),
        StatusCode::OK
    );
    assert_eq!(get(&house, "/api/whoami", &alice).await.1["reason"], "revoked");
    let other = token_of(&house, "bob").await;
    assert_eq!(
        post(&house, "/api/admin/tokens/revoke", &admin, &token).await.status(),
        StatusCode::OK
    );
    assert_eq!(get(&house, "/api/whoami", &bob).await.1["reason"], "revoked");
    for token in [&other, &admin] {
        assert_eq!(get(&house, "/api/whoami", token).await.0, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_passed_on_is_recorded_with_the_service_and_the_route_but_not_the_path() {
    let house = House::with(
        "[[upstream]]\nname = \"orders\"\ntarget = \"http://127.0.0.1:9\"\n\
         [[upstream.route]]\npath = \"/list/**\"\n",
    )
    .await;
    let alice = token_of(&house, "alice").await;
    let passed = house.call("/gw/orders/list/secret", &format!("Bearer {alice}")).await;
    assert_eq!(passed.status(), StatusCode::BAD_GATEWAY);
    let denied = house.call("/gw/orders/other/secret", &format!("Bearer {alice}")).await;
    assert_eq!(denied.status(), StatusCode::NOT_FOUND);
    drop((passed, denied));

    recorded(&house, 2).await;
    let own = records(&house, "/api/activity?filter%5Bupstream%5D=orders", &alice).await;
    let [call] = &own[..] else { panic!("{own:#?}") };
    assert_eq!(
        (&call["route"], &call["status"]),
        (&json!("/gw/orders/list/**"), &json!(502))
    );
    assert!(!format!("{own:?}").contains("secret"));
}
