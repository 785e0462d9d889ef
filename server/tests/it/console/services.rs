//! The services that a user may call, and what they lack for the others.

use http::StatusCode;
use serde_json::{Value, json};

use super::{get, token_of};
use crate::house::House;

async fn services(house: &House, token: &str) -> Value {
    let (status, services) = get(house, "/api/services", token).await;
    assert_eq!(status, StatusCode::OK, "{services}");
    services
}

fn service<'a>(services: &'a Value, name: &str) -> &'a Value {
    let all = services["services"].as_array().unwrap();
    all.iter().find(|service| service["name"] == name).unwrap()
}

fn route<'a>(service: &'a Value, methods: &str, path: &str) -> &'a Value {
    let routes = service["routes"].as_array().unwrap();
    let found = routes
        .iter()
        .find(|route| route["path"] == path && route["methods"] == methods);
    found.unwrap_or_else(|| panic!("{methods} {path} in {routes:#?}"))
}

fn requirement<'a>(route: &'a Value, kind: &str) -> &'a Value {
    let all = route["requirements"].as_array().unwrap();
    all.iter().find(|requirement| requirement["kind"] == kind).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_says_what_it_requires_and_what_would_give_it() {
    let house = House::with(
        "[[upstream]]\nname = \"orders\"\ntarget = \"http://127.0.0.1:9\"\n\
         [[upstream.route]]\nmethods = [\"GET\"]\npath = \"/list/**\"\nscopes = [\"orders:read\"]\ndescription = \"Lists orders\"\n\
         [[upstream.route]]\nmethods = [\"POST\"]\npath = \"/list\"\nany_scope = [\"a\", \"b\"]\nroles = [\"admins\"]\n\
         any_role = [\"staff\", \"boss\"]\nacr = [\"gold\"]\nmax_age_seconds = 300\nclaims = { tier = \"gold\" }\ndpop = true\n\
         rate_limit = \"5/m\"\n\
         [[upstream.route]]\npath = \"/open\"\npublic = true\n\
         [[upstream]]\nname = \"other\"\ntarget = \"http://127.0.0.1:9\"\n\
         [[upstream.route]]\npath = \"/a\"\n",
    )
    .await;
    let alice = token_of(&house, "alice", "openid orders:read").await;
    let all = services(&house, &alice).await;
    assert_eq!(all["administrator"], false);
    let names: Vec<_> = all["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| &service["name"])
        .collect();
    assert_eq!(names, ["orders", "other", "pixygate"]);
    let orders = service(&all, "orders");
    assert_eq!(
        (&orders["prefix"], &orders["upstream"]),
        (&json!("/gw/orders"), &json!(true))
    );
    let other = service(&all, "other")["routes"].as_array().unwrap();
    assert_eq!((other.len(), &other[0]["path"]), (1, &json!("/gw/other/a")));

    let list = route(orders, "GET", "/gw/orders/list/**");
    assert_eq!(
        (&list["description"], &list["public"]),
        (&json!("Lists orders"), &json!(false))
    );
    assert_eq!(
        list["requirements"],
        json!([
            { "kind": "signed_in", "text": "signed in", "met": true },
            { "kind": "scope", "values": ["orders:read"], "text": "scope orders:read", "met": true },
        ])
    );
    let place = route(orders, "POST", "/gw/orders/list");
    assert_eq!(place["rate"], "5/m");
    for (kind, values, met) in [
        ("signed_in", json!(null), true),
        ("any_scope", json!(["a", "b"]), false),
        ("role", json!(["admins"]), false),
        ("any_role", json!(["staff", "boss"]), true),
        ("acr", json!(["gold"]), false),
        ("max_age", json!(["300"]), true),
        ("claim", json!(["tier", "\"gold\""]), false),
        ("dpop", json!(null), false),
    ] {
        let found = requirement(place, kind);
        assert_eq!((&found["values"], &found["met"]), (&values, &json!(met)), "{found}");
        assert_eq!(found.get("how").is_some(), !met, "{found}");
    }
    let open = route(orders, "*", "/gw/orders/open");
    assert_eq!((&open["public"], &open["requirements"]), (&json!(true), &json!([])));

    // Without the scope, the same route is not met, and says what would give it.
    let less = token_of(&house, "alice", "openid").await;
    let all = services(&house, &less).await;
    let scope = requirement(route(service(&all, "orders"), "GET", "/gw/orders/list/**"), "scope").clone();
    assert_eq!(scope["met"], false);
    assert!(scope["how"].as_str().unwrap().contains("provider.scopes"), "{scope}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_own_functions_are_described_and_restrictions_of_the_configuration_are_in() {
    let house =
        House::with("[[gate.route]]\nmethods = [\"GET\"]\npath = \"/api/whoami\"\nroles = [\"admins\"]\n").await;
    let (alice, admin) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "admin", "openid").await,
    );
    for (token, is_admin) in [(&alice, false), (&admin, true)] {
        let all = services(&house, token).await;
        assert_eq!(all["administrator"], is_admin);
        let own = service(&all, "pixygate");
        assert_eq!(own["upstream"], false);
        let routes = own["routes"].as_array().unwrap();
        assert!(routes.iter().all(|route| route["description"] != ""), "{routes:#?}");
        let whoami = route(own, "GET", "/api/whoami");
        assert_eq!(requirement(whoami, "role")["met"], is_admin);
        let confirm = route(own, "POST", "/api/confirm");
        assert_eq!(requirement(confirm, "max_age")["values"], json!(["300"]));
        let settings = route(own, "GET", "/api/admin/configuration");
        assert_eq!(requirement(settings, "administrator")["met"], is_admin);
        let expected = if is_admin {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(get(&house, "/api/admin/configuration", token).await.0, expected);
    }
}
