//! The settings in use and the state of the server, for administrators.

use http::StatusCode;
use serde_json::{Value, json};
use server::config::{Config, Problems};

use super::{get, token_of};
use crate::house::{House, config, text};

async fn configuration(house: &House, token: &str) -> Value {
    let (status, configuration) = get(house, "/api/admin/configuration", token).await;
    assert_eq!(status, StatusCode::OK, "{configuration}");
    configuration
}

fn setting<'a>(configuration: &'a Value, key: &str) -> &'a Value {
    let all = configuration["settings"].as_array().unwrap();
    all.iter().find(|setting| setting["key"] == key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_settings_issuers_upstreams_and_nodes() {
    let house = House::with(
        "[gate]\nrate_limit = \"500/s\"\n\
         [[upstream]]\nname = \"orders\"\ntarget = \"http://127.0.0.1:9/base\"\nretries = 0\n\
         [[upstream.route]]\npath = \"/**\"\n",
    )
    .await;
    let (alice, admin) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "admin", "openid").await,
    );
    let (status, denied) = get(&house, "/api/admin/configuration", &alice).await;
    assert_eq!(
        (status, &denied["reason"]),
        (StatusCode::FORBIDDEN, &json!("insufficient_scope"))
    );

    let before = configuration(&house, &admin).await;
    assert_eq!(
        setting(&before, "gate.rate_limit"),
        &json!({ "key": "gate.rate_limit", "value": "\"500/s\"", "source": "pixygate.toml, line 4", "is_default": false })
    );
    let keep_alive = setting(&before, "server.keep_alive_seconds");
    assert_eq!(
        (&keep_alive["source"], &keep_alive["is_default"]),
        (&json!("default"), &json!(true))
    );
    assert_eq!(setting(&before, "store.url")["source"], "PIXYGATE_STORE__URL");
    assert!(before.get("reload").is_none());

    let [trust] = before["trusts"].as_array().unwrap().as_slice() else {
        panic!("{before}")
    };
    assert_eq!(trust["issuer"], house.started.announcement.provider);
    assert_eq!(
        (&trust["audience"], &trust["ready"]),
        (&json!(["pixygate"]), &json!(true))
    );
    assert!(trust["keys"][0]["kid"].is_string() && trust["keys"][0]["algorithm"].as_str().unwrap().contains("RS256"));
    let (loaded, next) = (
        trust["loaded_at"].as_u64().unwrap(),
        trust["next_refresh"].as_u64().unwrap(),
    );
    assert!(loaded <= before["at"].as_u64().unwrap() && next > loaded, "{trust}");
    assert!(trust.get("last_error").is_none());

    let target = &before["upstreams"][0]["targets"][0];
    assert_eq!(target["url"], "http://127.0.0.1:9/base");
    assert_eq!(
        (&target["healthy"], &target["detail"]),
        (&json!(true), &json!({ "state": "fine" }))
    );
    let [node] = before["nodes"].as_array().unwrap().as_slice() else {
        panic!("{before}")
    };
    assert_eq!((&node["this"], &node["version"]), (&json!(true), &before["version"]));
    assert!(node["revocation_age_seconds"].as_u64().unwrap() < 60, "{node}");

    // Nothing listens there: after five failures the target gets no calls for a while.
    for _ in 0..5 {
        assert_eq!(
            house.call("/gw/orders/x", &format!("Bearer {admin}")).await.status(),
            StatusCode::BAD_GATEWAY
        );
    }
    let after = configuration(&house, &admin).await;
    let target = &after["upstreams"][0]["targets"][0];
    assert_eq!(
        (&target["healthy"], &target["detail"]["state"]),
        (&json!(false), &json!("out"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_says_how_fresh_its_revocations_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!(
        "[store]\nurl = \"sqlite://{}\"\n",
        folder.path().join("pixygate.db").display()
    );
    let house = House::with(&store).await;
    let other = house.node(&store).await;
    let admin = token_of(&house, "admin", "openid").await;
    // The other node's first sign with it comes shortly after its start.
    let known = async {
        loop {
            let nodes = configuration(&house, &admin).await["nodes"].take();
            let ages: Vec<_> = nodes
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["revocation_age_seconds"].as_u64())
                .collect();
            if let [Some(own), Some(others)] = ages[..] {
                assert!(own < 60 && others < 60, "{nodes}");
                assert_eq!((&nodes[0]["this"], &nodes[1]["this"]), (&json!(true), &json!(false)));
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), known)
        .await
        .unwrap();
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_not_in_the_answer() {
    let secret = "swordfish-4711";
    let provider = House::start().await;
    let issuer = &provider.started.announcement.provider;
    let house = provider
        .node(&format!(
            "[console]\nadmin_roles = [\"admins\"]\n\
             [[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"]\nintrospection_url = \"{issuer}/../introspect\"\n\
             introspection_client_id = \"orders\"\nintrospection_client_secret = \"{secret}\"\n"
        ))
        .await;
    let admin = token_of(&provider, "admin", "openid").await;
    let answer = house.call("/api/admin/configuration", &format!("Bearer {admin}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = text(answer).await;
    assert!(answer.contains("introspection_client_secret"), "{answer}");
    assert!(!answer.contains(secret), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faults_of_the_last_reload_are_there_until_one_succeeds() {
    let house = House::start().await;
    let admin = token_of(&house, "admin", "openid").await;
    let read = |text: &str| -> Result<Config, Problems> { Config::read(Some(("pixygate.toml", text)), []) };
    let wrong = "[[upstream]]\nname = \"one\"\ntarget = \"ftp://one\"\n[[upstream.route]]\npath = \"/**\"\n";
    house.started.reload.load(|| read(wrong)).await;
    let failed = configuration(&house, &admin).await;
    let fault = &failed["reload"]["faults"][0];
    assert_eq!(
        (&fault["key"], &fault["source"]),
        (&json!("upstream[0].target"), &json!("pixygate.toml, line 3")),
        "{failed}"
    );
    assert!(fault["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{fault}");
    assert_eq!(failed["upstreams"], json!([]), "the configuration before it stays");

    let changed = "[activity]\nretention_days = 3\n[[upstream]]\nname = \"one\"\ntarget = \"http://127.0.0.1:9\"\n\
                   [[upstream.route]]\npath = \"/**\"\n";
    house.started.reload.load(|| Ok(config(changed))).await;
    let applied = configuration(&house, &admin).await;
    assert!(applied["reload"].get("faults").is_none(), "{}", applied["reload"]);
    assert_eq!(applied["reload"]["need_restart"], json!(["activity.retention_days"]));
    assert_eq!(applied["upstreams"][0]["name"], "one");
    assert!(applied["reload"]["at"].as_u64() >= failed["reload"]["at"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_keys_cannot_be_fetched_says_why() {
    let provider = House::start().await;
    let issuer = &provider.started.announcement.provider;
    let house = provider
        .node(&format!(
            "[console]\nadmin_roles = [\"admins\"]\n\
             [[trust]]\nissuer = \"{issuer}\"\naudience = [\"pixygate\"]\n\
             [[trust]]\nissuer = \"http://127.0.0.1:9\"\naudience = [\"a\"]\njwks_url = \"http://127.0.0.1:9/jwks\"\n"
        ))
        .await;
    let admin = token_of(&provider, "admin", "openid").await;
    let answer = configuration(&house, &admin).await;
    let (good, down) = (&answer["trusts"][0], &answer["trusts"][1]);
    assert_eq!((&good["ready"], &down["ready"]), (&json!(true), &json!(false)));
    assert!(good.get("last_error").is_none());
    assert!(down["last_error"].as_str().unwrap().contains("127.0.0.1:9"), "{down}");
    assert_eq!((&down["keys"], down.get("loaded_at")), (&json!([]), None));
    assert_eq!(down["key_source"], "http://127.0.0.1:9/jwks");
}
