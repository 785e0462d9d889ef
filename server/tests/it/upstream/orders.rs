//! `examples/orders` behind the gate: a service that validates the backend JWT by itself, with another library.

use http::StatusCode;
use orders::{Callers, Order, Placed, Status};
use serde_json::json;
use tokio::net::TcpListener;

use super::service::{Served, serve};

/// The service behind the server, both over real connections.
async fn behind_the_gate() -> Served {
    // The service fetches the gateway's keys, so the gateway's address is known first.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}", listener.local_addr().unwrap());
    let target = serve(orders::router(Callers::of(&gateway, "orders"))).await;
    let text = format!(
        "[server]\npublic_url = \"{gateway}\"\n[[upstream]]\nname = \"orders\"\ntarget = \"http://{target}\"\n\
         [[upstream.route]]\nmethods = [\"GET\"]\npath = \"/**\"\nscopes = [\"orders:read\"]\n\
         [[upstream.route]]\npath = \"/**\"\nscopes = [\"orders:write\"]\n"
    );
    Served::on(listener, &text).await
}

async fn token(served: &Served, user: &str) -> String {
    let scope = "openid orders:read orders:write";
    let wanted = json!({ "username": user, "client_id": "pixygate", "scope": scope });
    let tokens = served.house.control("tokens", wanted).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_listed_and_cancelled_by_its_owner_alone() {
    let served = behind_the_gate().await;
    let client = reqwest::Client::new();
    let (admin, alice) = (token(&served, "admin").await, token(&served, "alice").await);
    let url = served.url("/gw/orders/orders");
    let list = async |token: &str| -> Vec<Order> {
        let response = client.get(&url).bearer_auth(token).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    };
    let tea = Placed {
        item: "Tea".to_owned(),
        quantity: 2,
    };
    let placed = client.post(&url).bearer_auth(&admin).json(&tea).send().await.unwrap();
    assert_eq!(placed.status(), StatusCode::CREATED);
    let order: Order = placed.json().await.unwrap();
    assert_eq!(list(&admin).await, std::slice::from_ref(&order));
    assert_eq!(list(&alice).await, []);

    // Alice may read orders and not write them: the provider does not grant it, and the gate says what is missing.
    let denied = client.post(&url).bearer_auth(&alice).json(&tea).send().await.unwrap();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let cancel = format!("{url}/{}", order.id);
    let cancelled = client.delete(&cancel).bearer_auth(&admin).send().await.unwrap();
    assert_eq!(cancelled.json::<Order>().await.unwrap().status, Status::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_as_events_while_they_happen() {
    let served = behind_the_gate().await;
    let client = reqwest::Client::new();
    let admin = token(&served, "admin").await;
    let mut events = client
        .get(served.url("/gw/orders/orders/events"))
        .bearer_auth(&admin)
        .send()
        .await
        .unwrap();
    let tea = json!({ "item": "Tea", "quantity": 2 });
    let url = served.url("/gw/orders/orders");
    client
        .post(url)
        .bearer_auth(&admin)
        .json(&tea)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let event = events.chunk().await.unwrap().unwrap();
    let event = String::from_utf8(event.to_vec()).unwrap();
    assert!(
        event.contains("event: order") && event.contains("\"item\":\"Tea\""),
        "{event}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_rejects_what_did_not_come_through_its_gateway() {
    let served = behind_the_gate().await;
    let target = served.house.started.state.upstreams.all()[0]
        .upstream
        .settings()
        .targets[0]
        .clone();
    let direct = target.join("/orders").unwrap();
    let client = reqwest::Client::new();
    let admin = token(&served, "admin").await;
    for (name, value) in [
        ("x-other", String::new()),
        ("x-jwt-assertion", "nonsense".to_owned()),
        // The caller's own token is not the gateway's word.
        ("x-jwt-assertion", admin.clone()),
        ("authorization", format!("Bearer {admin}")),
    ] {
        let response = client.get(direct.clone()).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
}
