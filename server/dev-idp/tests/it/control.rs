//! The control API and its page.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{ORIGIN, REDIRECT_URI, START, access_token, changed, claims, form, header_of, kids, world};

#[tokio::test]
async fn keys_are_rotated_and_dropped() {
    let world = world();
    world.switch(json!({"signing_algorithm": "ES256"})).await;
    let before = header_of(&access_token(&world).await)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let rotated = world
        .control(Method::POST, "keys/rotate", json!({"algorithm": "ES256"}))
        .await
        .json();
    let after = header_of(&access_token(&world).await)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(after, rotated["kid"].as_str().unwrap());
    assert_ne!(before, after);
    assert!(kids(&world).await.contains(&before) && kids(&world).await.contains(&after));
    world.control(Method::POST, "keys/drop", json!({"kid": before})).await;
    assert!(!kids(&world).await.contains(&before));
    world.control(Method::POST, "keys/drop", json!({"kid": after})).await;
    let code = world.code().await;
    world.redeem(&code, &[]).await.assert_error(500, "server_error");
    world
        .control(Method::POST, "keys/rotate", json!({"algorithm": "ES256"}))
        .await;
    let tokens = world.redeem(&code, &[]).await.json();
    assert_eq!(
        world.userinfo(tokens["access_token"].as_str().unwrap()).await.status,
        StatusCode::OK,
        "the code was not used up"
    );
    world.redeem(&code, &[]).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_session_is_ended_and_a_family_revoked() {
    let world = world();
    let browser = world.browser();
    browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.tokens().await;
    let sessions = world.control(Method::GET, "sessions", json!({})).await.json();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let families = world.control(Method::GET, "families", json!({})).await.json();
    let family = families
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["ended"].is_null())
        .unwrap()
        .clone();
    world
        .control(Method::POST, "families/revoke", json!({"family": family["family"]}))
        .await;
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_ne!(
        browser.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "the session stays"
    );
    world
        .control(Method::POST, "sessions/end", json!({"username": "alice"}))
        .await;
    browser.begin(&world.authorization_request()).await;
}

#[tokio::test]
async fn the_clock_is_shifted_for_tokens_and_the_date_header() {
    let world = world();
    let clock = world
        .control(Method::POST, "clock", json!({"shift": -3600}))
        .await
        .json();
    assert_eq!(
        (&clock["now"], &clock["shift"]),
        (&(START - 3600).into(), &(-3600).into())
    );
    assert_eq!(claims(&access_token(&world).await)["iat"], START - 3600);
    let date = httpdate::parse_http_date(world.get("/oauth2/jwks").await.header("date")).unwrap();
    let date = date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(i64::try_from(date).unwrap(), START - 3600);
}

#[tokio::test]
async fn the_clock_goes_fifty_years_and_no_further() {
    let world = world();
    let fifty = 50 * 365 * 86_400_i64;
    let turn = async |change: &Value| {
        let request = world.request(Method::POST, &format!("{ORIGIN}/control/clock"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        world.send(request.body(Body::from(change.to_string())).unwrap()).await
    };
    let shift = async || world.control(Method::GET, "clock", json!({})).await.json()["shift"].clone();
    for good in [-fifty, fifty] {
        assert_eq!(turn(&json!({"shift": good})).await.status, StatusCode::OK);
        world.tokens().await;
    }
    for bad in [
        json!({"advance": 1}),
        json!({"advance": i64::MAX}),
        json!({"shift": -fifty - 1}),
        json!({"shift": i64::MAX}),
        json!({"shift": i64::MIN}),
    ] {
        let answer = turn(&bad).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert!(answer.body.contains("fifty years"), "{answer:?}");
        assert_eq!(shift().await, fifty, "{bad}");
    }
    let form = form(&[("do", "switches"), ("clock_shift", "9223372036854775807")]);
    let request = world
        .request(Method::POST, &format!("{ORIGIN}/control/form"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(form)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(shift().await, fifty);
}

#[tokio::test]
async fn tokens_without_a_browser() {
    let world = world();
    let wanted = json!({"username": "admin", "scope": "openid orders:write", "acr": "LOA2", "nonce": "n"});
    let tokens = world.control(Method::POST, "tokens", wanted).await.json();
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(
        (&access["scope"], &access["acr"]),
        (&"openid orders:write".into(), &"LOA2".into())
    );
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["nonce"], "n");
    assert_eq!(
        world
            .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn clients_people_and_settings_are_added_while_it_runs() {
    let world = world();
    let client = json!({"id": "spa", "name": "Another", "redirect_uris": ["http://localhost:5173/"]});
    world.control(Method::PUT, "clients", client).await;
    world
        .control(Method::PUT, "people", json!({"username": "carol", "password": "c"}))
        .await;
    world
        .control(Method::PUT, "tenants/demo", json!({"lifetimes": {"access_token": 10}}))
        .await;
    let request = changed(
        &world.authorization_request(),
        &[("client_id", "spa"), ("redirect_uri", "http://localhost:5173/")],
    );
    let browser = world.browser();
    let page = browser.begin(&request).await;
    let back = browser
        .post(
            &page,
            &[("answer", "sign_in"), ("username", "carol"), ("password", "c")],
        )
        .await;
    let redeem = [("client_id", "spa"), ("redirect_uri", "http://localhost:5173/")];
    assert_eq!(
        world.redeem(&back.callback("code"), &redeem).await.json()["expires_in"],
        10
    );

    for (path, body, setting) in [
        (
            "clients",
            json!({"id": "x", "redirect_uris": ["/relative"]}),
            "redirect_uris",
        ),
        ("people", json!({"username": "x"}), "password"),
    ] {
        let bad = world.request(Method::PUT, &format!("{ORIGIN}/control/{path}"));
        let bad = bad.header(header::CONTENT_TYPE, "application/json");
        let answer = world.send(bad.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(setting), "{answer:?}");
    }

    world.control(Method::POST, "reset", json!({})).await;
    world
        .browser()
        .authorize(&request)
        .await
        .assert_error_page("not registered");
}

#[tokio::test]
async fn what_is_replaced_keeps_its_place_and_what_is_new_comes_last() {
    let world = world();
    let names = async |path: &str, name: &str| {
        let list = world.control(Method::GET, path, json!({})).await.json();
        let names = list.as_array().unwrap().iter().map(|it| it[name].clone());
        names.collect::<Vec<_>>()
    };
    for (path, name, new) in [
        ("clients", "id", json!({"id": "new"})),
        ("people", "username", json!({"username": "new", "password": "p"})),
    ] {
        let before = names(path, name).await;
        let list = world.control(Method::GET, path, json!({})).await.json();
        world.control(Method::PUT, path, list[0].clone()).await;
        assert_eq!(names(path, name).await, before);
        world.control(Method::PUT, path, new).await;
        assert_eq!(names(path, name).await, [before, vec!["new".into()]].concat());
    }
}

#[tokio::test]
async fn the_last_requests_say_what_was_decided_and_hold_no_secret() {
    let world = world();
    let tokens = world.tokens().await;
    let code = world.code().await;
    world
        .redeem(
            &code,
            &[("code_verifier", "another-verifier-of-forty-three-characters-or-more")],
        )
        .await;
    let requests = world.control(Method::GET, "requests", json!({})).await;
    assert_eq!(
        requests.json()[0]["decision"],
        "refused: invalid_grant: code_verifier does not fit the code_challenge"
    );
    assert_eq!(requests.json()[0]["client_id"], "pixygate");
    for secret in [
        &code,
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    ] {
        assert!(!requests.body.contains(secret));
    }
}

#[tokio::test]
async fn an_unknown_switch_is_refused() {
    let world = world();
    for body in [
        json!({"dwon": true}),
        json!({"jwks": "bad"}),
        json!({"down_endpoints": ["tokens"]}),
        json!({"delay_endpoints": ["Token"]}),
    ] {
        let request = world.request(Method::PATCH, &format!("{ORIGIN}/control/switches"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let answer = world.send(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
}

#[tokio::test]
async fn the_control_page_shows_everything_and_turns_the_switches() {
    let world = world();
    world.tokens().await;
    let page = world.get(&format!("{ORIGIN}/")).await;
    for words in [
        "Tenant demo",
        "Tenant plain",
        "alice",
        REDIRECT_URI,
        "Last requests",
        "Switches",
    ] {
        page.assert_page(words);
    }
    let turn = [
        ("do", "switches"),
        ("opaque_access_tokens", "on"),
        ("lifetimes.access_token", "7"),
        ("clock_shift", "60"),
    ];
    let post = async |pairs: &[(&str, &str)]| {
        let request = world.request(Method::POST, &format!("{ORIGIN}/control/form"));
        let request = request
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        world.send(request.body(Body::from(form(pairs))).unwrap()).await
    };
    assert_eq!(post(&turn).await.location(), "/");
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    assert_eq!(
        (
            &switches["opaque_access_tokens"],
            &switches["lifetimes"]["access_token"]
        ),
        (&true.into(), &7.into())
    );
    assert_eq!(world.control(Method::GET, "clock", json!({})).await.json()["shift"], 60);
    let wrong = post(&[("do", "switches"), ("lifetimes.access_token", "soon")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    let families = world.control(Method::GET, "families", json!({})).await.json();
    assert_eq!(families[0]["ended"], Value::Null);
    let family = families[0]["family"].as_str().unwrap();
    post(&[("do", "revoke_family"), ("tenant", "demo"), ("value", family)]).await;
    let families = world.control(Method::GET, "families", json!({})).await.json();
    assert_eq!(families[0]["ended"], "it was revoked on the control page");
    let sessions = world.control(Method::GET, "sessions", json!({})).await.json();
    post(&[
        ("do", "end_session"),
        ("tenant", "demo"),
        ("value", sessions[0]["sid"].as_str().unwrap()),
    ])
    .await;
    assert_eq!(
        world.control(Method::GET, "sessions", json!({})).await.json(),
        json!([])
    );
    let before = kids(&world).await;
    post(&[("do", "rotate_key"), ("tenant", "demo"), ("value", "ES256")]).await;
    assert_eq!(kids(&world).await.len(), before.len() + 1);
    post(&[("do", "drop_key"), ("tenant", "demo"), ("value", &before[0])]).await;
    assert!(!kids(&world).await.contains(&before[0]));
    assert_eq!(post(&[("do", "reset")]).await.location(), "/");
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    assert_eq!(switches["opaque_access_tokens"], false);
}

/// Collects the path of every switch in the JSON of all switches.
fn paths(switches: &Value, before: &str, found: &mut Vec<String>) {
    match switches {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| paths(value, &format!("{before}.{name}"), found)),
        _ => found.push(before.trim_start_matches('.').to_owned()),
    }
}

#[tokio::test]
async fn the_control_page_has_every_switch() {
    let world = world();
    let mut all = Vec::new();
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    paths(&switches, "", &mut all);
    assert!(all.contains(&"lifetimes.code".to_owned()), "{all:?}");
    let page = world.get(&format!("{ORIGIN}/")).await;
    for path in all {
        page.assert_page(&format!("name=\"{path}\""));
    }
}

#[tokio::test]
async fn a_reset_signs_everyone_out_and_keeps_the_keys() {
    let world = world();
    let browser = world.browser();
    let back = browser.sign_in("alice", &world.authorization_request()).await;
    let tokens = world.redeem(&back.callback("code"), &[]).await.json();
    let pending = browser.authorize(&world.authorization_request()).await.callback("code");
    let keys = world.get("/oauth2/jwks").await.json();
    world.switch(json!({"omit_refresh_token": true})).await;
    world.advance(100).await;

    world.control(Method::POST, "reset", json!({})).await;

    browser.begin(&world.authorization_request()).await;
    world.redeem(&pending, &[]).await.assert_error(400, "invalid_grant");
    world
        .refresh(tokens["refresh_token"].as_str().unwrap(), &[])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(
        world.introspect(tokens["access_token"].as_str().unwrap()).await["active"],
        false
    );
    assert_eq!(world.get("/oauth2/jwks").await.json(), keys);
    assert_eq!(world.control(Method::GET, "clock", json!({})).await.json()["shift"], 0);
    let switches = world.control(Method::GET, "switches", json!({})).await.json();
    assert_eq!(switches["omit_refresh_token"], false);
    assert!(world.tokens().await["refresh_token"].is_string());
}

#[tokio::test]
async fn sessions_and_families_are_ended_by_their_names_and_no_others() {
    let world = world();
    let (alice, bob) = (world.browser(), world.browser());
    let mut given = Vec::new();
    for (browser, person) in [(&alice, "alice"), (&bob, "bob")] {
        let back = browser.sign_in(person, &world.authorization_request()).await;
        given.push(world.redeem(&back.callback("code"), &[]).await.json());
    }
    let active =
        async |tokens: &Value| world.introspect(tokens["refresh_token"].as_str().unwrap()).await["active"].clone();
    let sid = claims(given[0]["id_token"].as_str().unwrap())["sid"].clone();

    world
        .control(Method::POST, "families/revoke", json!({"username": "bob"}))
        .await;
    assert_eq!(
        (active(&given[0]).await, active(&given[1]).await),
        (true.into(), false.into())
    );
    assert_ne!(
        bob.authorize(&world.authorization_request()).await.callback("code"),
        "",
        "his session stays"
    );
    world.control(Method::POST, "sessions/end", json!({"sid": sid})).await;
    assert_eq!(active(&given[0]).await, false);
    alice.begin(&world.authorization_request()).await;
    assert_ne!(bob.authorize(&world.authorization_request()).await.callback("code"), "");

    let again = world.tokens().await;
    let sid = claims(again["id_token"].as_str().unwrap())["sid"].clone();
    world
        .control(Method::POST, "families/revoke", json!({"sid": sid}))
        .await;
    assert_eq!(active(&again).await, false);
}

#[tokio::test]
async fn a_session_whose_cookie_has_gone_is_ended_as_long_as_its_tokens_live() {
    let world = world();
    let wanted = |username: &str| json!({"username": username});
    let end = async |whose: Value| world.control(Method::POST, "sessions/end", whose).await.json()["ended"].clone();
    let made = async |username: &str| world.control(Method::POST, "tokens", wanted(username)).await.json();
    let (alices, bobs) = (made("alice").await, made("bob").await);
    assert_eq!(end(wanted("alice")).await, json!([alices["sid"]]));
    let refresh = async |tokens: &Value| {
        let answer = world.refresh(tokens["refresh_token"].as_str().unwrap(), &[]).await;
        answer.status
    };
    assert_eq!(
        (refresh(&alices).await, refresh(&bobs).await),
        (StatusCode::BAD_REQUEST, StatusCode::OK)
    );
    assert_eq!(end(wanted("alice")).await, json!([]), "it has ended");
    assert_eq!(end(json!({"sid": bobs["sid"]})).await, json!([bobs["sid"]]));

    let tokens = world.tokens().await;
    world.switch(json!({"lifetimes": {"session": 1}})).await;
    world.browser().sign_in("alice", &world.authorization_request()).await;
    world.advance(2).await;
    let sid = claims(tokens["id_token"].as_str().unwrap())["sid"].clone();
    assert_eq!(
        end(wanted("alice")).await,
        json!([sid]),
        "what has expired is not there"
    );
}

#[tokio::test]
async fn a_control_request_is_about_the_tenant_that_it_names() {
    let world = world();
    let demo = world.control(Method::GET, "keys", json!({})).await.json();
    assert_eq!(demo, world.get("/oauth2/jwks").await.json());
    let rotated = world
        .control(Method::POST, "keys/rotate?tenant=plain", json!({}))
        .await
        .json();
    assert_eq!(world.control(Method::GET, "keys", json!({})).await.json(), demo);
    let plain = world.control(Method::GET, "keys?tenant=plain", json!({})).await;
    assert!(plain.body.contains(rotated["kid"].as_str().unwrap()));
    let nowhere = world.get(&format!("{ORIGIN}/control/keys?tenant=nowhere")).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn people_are_listed_and_the_last_requests_forgotten() {
    let world = world();
    let people = world.control(Method::GET, "people", json!({})).await.json();
    let names: Vec<&str> = people
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["username"].as_str())
        .collect();
    assert_eq!(names, ["alice", "bob", "admin"]);
    world.get("/oauth2/jwks").await;
    let requests = async || world.control(Method::GET, "requests", json!({})).await.json();
    assert_ne!(requests().await, json!([]));
    world.control(Method::DELETE, "requests", json!({})).await;
    assert_eq!(requests().await, json!([]));
}
