//! The configuration changes while calls come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::StatusCode;
use server::config::{Config, Problems};

use super::service::{Served, echo, upstream};
use crate::house::{config, header, json as body_of, text};

async fn status(served: &Served, path: &str) -> StatusCode {
    let token = served.house.access_token().await;
    let request = reqwest::Client::new().get(served.url(path)).bearer_auth(token);
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_are_added_changed_and_removed_and_what_is_the_same_is_taken_over() {
    let target = echo().await;
    let one = upstream("one", target, "");
    let served = Served::with(&one).await;
    let started = &served.house.started;
    assert_eq!(status(&served, "/gw/one/x").await, StatusCode::OK);
    assert_eq!(status(&served, "/gw/two/x").await, StatusCode::NOT_FOUND);
    let before = started.state.upstreams.all()[0].upstream.clone();

    let two = one + &upstream("two", target, "");
    let restart = started.reload.apply(config(&two)).await.unwrap();
    assert!(restart.is_empty(), "{restart:?}");
    assert_eq!(status(&served, "/gw/two/x").await, StatusCode::OK);
    let path = "/.well-known/oauth-protected-resource/gw/two";
    let metadata = body_of(served.house.get(path).await).await;
    assert_eq!(metadata["resource_name"], "two");
    let challenge = served.house.get("/gw/two/x").await;
    let challenge = header(challenge.headers(), "www-authenticate").to_owned();
    assert!(challenge.contains(path), "{challenge}");
    assert!(Arc::ptr_eq(&before, &started.state.upstreams.all()[0].upstream));

    let slower = upstream("one", target, "response_timeout_ms = 9000");
    started.reload.apply(config(&slower)).await.unwrap();
    assert_eq!(status(&served, "/gw/one/x").await, StatusCode::OK);
    assert_eq!(status(&served, "/gw/two/x").await, StatusCode::NOT_FOUND);
    assert!(!Arc::ptr_eq(&before, &started.state.upstreams.all()[0].upstream));
    let narrower = slower.replace("path = \"/**\"\n", "path = \"/**\"\nscopes = [\"other\"]\n");
    started.reload.apply(config(&narrower)).await.unwrap();
    assert_eq!(status(&served, "/gw/one/x").await, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_changes_nothing_and_is_counted() {
    let target = echo().await;
    let served = Served::with(&upstream("one", target, "")).await;
    let started = &served.house.started;
    let read = |text: &str| -> Result<Config, Problems> { Config::read(Some(("pixygate.toml", text)), []) };
    let wrong = "[[upstream]]\nname = \"one\"\ntarget = \"ftp://one\"\n";
    started.reload.load(|| read(wrong)).await;
    // It is read without a mistake, and only the gate finds that no route is left for a part of it.
    let unmet = "[dev_idp]\nlisten = \"127.0.0.1:0\"\n[[gate.route]]\nmethods = [\"GET\"]\npath = \"/api/nothing\"\n";
    started.reload.load(|| read(unmet)).await;
    assert_eq!(started.reload.counts(), (0, 2));
    assert!(!started.reload.is_current());
    assert_eq!(status(&served, "/gw/one/x").await, StatusCode::OK);

    started.reload.load(|| Ok(config(&upstream("two", target, "")))).await;
    assert_eq!(started.reload.counts(), (1, 2));
    assert_eq!(status(&served, "/gw/two/x").await, StatusCode::OK);
    let metrics = server::metrics::router(server::metrics::Sources::of(started));
    let ask = crate::house::request("/metrics")
        .body(super::service::nothing())
        .unwrap();
    let metrics = text(tower::ServiceExt::oneshot(metrics, ask).await.unwrap()).await;
    for line in [
        "pixygate_config_reloads_total{result=\"failed\"} 2\n",
        "pixygate_config_current 1\n",
        "pixygate_upstream_targets_available{upstream=\"two\"} 1\n",
        "pixygate_upstream_in_flight{upstream=\"two\"} 0\n",
        "pixygate_upstream_responses_total{upstream=\"two\",status=\"2xx\"} 1\n",
        "pixygate_upstream_seconds_count{upstream=\"two\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_need_a_restart_are_named() {
    let target = echo().await;
    let served = Served::with(&upstream("one", target, "")).await;
    let cors = "cors = { allow_origins = [\"https://app.example\"] }";
    let text = format!("[gate]\nrate_limit = \"7/s\"\n{}", upstream("one", target, cors));
    let restart = served.house.started.reload.apply(config(&text)).await.unwrap();
    assert_eq!(restart, ["gate.rate_limit", "upstream.cors.allow_origins"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_load_costs_no_call() {
    let target = echo().await;
    // All calls are of one subject, and a fast machine makes more than a rate would allow.
    let settings = |more: &str| upstream("one", target, more) + "[gate]\nrate_limit = \"\"\n";
    let served = Arc::new(Served::with(&settings("")).await);
    let token = served.house.access_token().await;
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (served, token) = (served.clone(), token.clone());
            let (done, calls) = (done.clone(), calls.clone());
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while !done.load(Ordering::Relaxed) {
                    let call = client.post(served.url("/gw/one/x")).bearer_auth(&token).body("some");
                    let response = call.send().await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK);
                    assert_eq!(response.json::<serde_json::Value>().await.unwrap()["body"], "some");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..20 {
        // Every other one has other settings, so the upstream is a new one.
        let timeout = format!("response_timeout_ms = {}", 20_000 + round / 2);
        let new = config(&settings(&timeout));
        let before = calls.load(Ordering::Relaxed);
        served.house.started.reload.apply(new).await.unwrap();
        while calls.load(Ordering::Relaxed) < before + 20 {
            assert!(
                !callers.iter().any(tokio::task::JoinHandle::is_finished),
                "a caller failed"
            );
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}
