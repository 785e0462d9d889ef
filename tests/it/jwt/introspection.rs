//! Opaque tokens: the hints, and introspection (RFC 7662).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use pixygate::{
    Reason,
    jwt::{
        Algorithm, Fetch, FetchError, FetchFuture, FetchRequest, Principal, Rejection, Secret, TokenType, Trust,
        UnverifiedClaims, Validator,
    },
    test_support::{Documents, TestIssuer, at},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use crate::world::{World, refused, signed_in, status, with_token};

const INTROSPECTION: &str = "https://idp.example/introspect";

fn asks(mut trust: Trust) -> Trust {
    trust.introspection_url = INTROSPECTION.into();
    trust.introspection_client_id = "gate".into();
    trust.introspection_client_secret = Secret::new("hunter2");
    trust
}

async fn asking() -> World {
    World::with(asks, |validator| validator).await
}

fn active() -> Value {
    json!({"active": true, "sub": "alice", "aud": "orders", "scope": "a", "exp": at(300), "client_id": "shop"})
}

#[tokio::test]
async fn an_opaque_token_is_rejected_with_hints() {
    let world = World::new().await;
    for token in ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "ya29.a0AfH6SMC"] {
        let rejection = world.validator.validate(token, world.clock.time()).await.unwrap_err();
        assert_eq!(rejection.reason(), Reason::MalformedToken);
        assert_eq!(rejection.detail().found, "an opaque token");
        let hint = &rejection.detail().hint;
        let place = |part: &str| hint.find(part).unwrap_or_else(|| panic!("{part}: {hint}"));
        let order = ["provider.resource", "Asgardeo", "Zitadel", "trust.introspection_url"].map(place);
        assert!(order.is_sorted() && hint.contains("Auth0"), "{hint}");
        assert!(!rejection.to_string().contains(token));
    }
    let encrypted = UnverifiedClaims::decode("eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn").unwrap_err();
    assert!(encrypted.detail().hint.contains("Auth0"));
}

#[tokio::test]
async fn an_answer_is_used_until_it_is_old() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    for _ in 0..5 {
        let principal = world.validate("opaque").await.unwrap();
        assert_eq!(
            (principal.issuer(), principal.subject()),
            ("https://idp.example", "alice")
        );
        assert!(principal.has_scope("a"));
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
    assert_eq!(world.provider.posted(), ["token=opaque&token_type_hint=access_token"]);
    world.clock.advance(19);
    world.validate("opaque").await.unwrap();
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    world.clock.advance(11);
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
    // A JWT is never introspected.
    world.validate(&world.token().sign()).await.unwrap();
    assert_eq!(world.validate("a.b.c").await, Err(Reason::MalformedToken));
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
}

#[tokio::test]
async fn an_answer_ends_with_the_token() {
    let world = asking().await;
    let mut ending = active();
    ending["exp"] = at(-40).into();
    world.provider.put(INTROSPECTION, &ending);
    world.validate("opaque").await.unwrap();
    world.clock.advance(19);
    world.validate("opaque").await.unwrap();
    // The leeway is a minute.
    world.clock.advance(1);
    assert_eq!(world.validate("opaque").await, Err(Reason::Expired));
}

#[tokio::test]
async fn a_renewal_takes_effect_at_once() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    world.validate("opaque").await.unwrap();
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    world.clock.advance(20);
    world.validate("opaque").await.unwrap();
    settled().await;
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
    assert_eq!(world.provider.asked(INTROSPECTION), 2);
}

/// Such answers say nothing about the token, or nothing that stays true.
#[tokio::test]
async fn an_unreadable_or_early_answer_is_not_cached() {
    for (answer, reason) in [
        (json!("active"), Reason::KeysUnavailable),
        (
            json!({"active": true, "sub": "alice", "aud": "orders", "nbf": at(61)}),
            Reason::NotYetValid,
        ),
    ] {
        let world = asking().await;
        world.provider.put(INTROSPECTION, &answer);
        assert_eq!(world.validate("opaque").await, Err(reason), "{answer}");
        world.provider.put(INTROSPECTION, &active());
        world.validate("opaque").await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_differs_in_form_is_understood() {
    for (change, without) in [
        (json!({"active": "true"}), ""),
        (json!({"active": "True"}), ""),
        (
            json!({"exp": at(300).to_string(), "nbf": at(0).to_string(), "iat": at(0).to_string()}),
            "",
        ),
        (
            json!({"exp": null, "nbf": null, "iat": null, "scope": null, "client_id": null, "iss": null, "cnf": null}),
            "",
        ),
        (json!({"exp": "", "nbf": "", "iss": "", "token_type": ""}), ""),
        (json!({"username": "alice"}), "sub"),
        (json!({"username": "alice", "sub": null}), ""),
        (json!({"username": "alice", "sub": ""}), ""),
        (json!({"username": 7}), ""),
    ] {
        let world = asking().await;
        let mut answer = active();
        let members = answer.as_object_mut().unwrap();
        members.extend(change.as_object().unwrap().clone());
        members.remove(without);
        world.provider.put(INTROSPECTION, &answer);
        let principal = world
            .validate("opaque")
            .await
            .unwrap_or_else(|reason| panic!("{answer}: {reason:?}"));
        assert_eq!(principal.subject(), "alice", "{answer}");
    }
    let world = asking().await;
    for active in [json!(1), json!({}), json!("yes")] {
        world.provider.put(INTROSPECTION, &json!({"active": active}));
        let rejection = world
            .validator
            .validate("opaque", world.clock.time())
            .await
            .unwrap_err();
        assert_eq!(rejection.reason(), Reason::KeysUnavailable);
        assert!(rejection.detail().found.contains("`active`"), "{rejection}");
    }
}

#[tokio::test]
async fn the_hints_name_the_settings() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    let rejection = world
        .validator
        .validate("inactive", world.clock.time())
        .await
        .unwrap_err();
    assert_eq!(rejection.reason(), Reason::Revoked);
    assert!(
        rejection.detail().hint.contains("trust.introspection_client_id"),
        "{rejection}"
    );
    let mut nameless = active();
    nameless.as_object_mut().unwrap().remove("sub");
    world.provider.put(INTROSPECTION, &nameless);
    let rejection = world
        .validator
        .validate("nameless", world.clock.time())
        .await
        .unwrap_err();
    assert_eq!(rejection.reason(), Reason::MissingClaim);
    assert!(rejection.detail().hint.contains("trust.subject_claim"), "{rejection}");
}

/// A few failures are tolerated. Then the pauses double, and one request ends each of them.
#[tokio::test]
async fn a_failing_endpoint_gets_pauses() {
    let world = asking().await;
    let fails = |status| FetchError::Status {
        url: INTROSPECTION.into(),
        status,
    };
    world.provider.fail(INTROSPECTION, fails(503));
    let mut asked = 0;
    for (seconds, expected) in [
        (0, 3),
        (0, 3),
        (1, 4),
        (1, 4),
        (1, 5),
        (3, 5),
        (1, 6),
        (7, 6),
        (1, 7),
        (7, 7),
        (1, 8),
    ] {
        world.clock.advance(seconds);
        for number in 0..20 {
            let token = format!("opaque-{asked}-{number}");
            let rejection = world.validator.validate(&token, world.clock.time()).await.unwrap_err();
            assert_eq!(rejection.reason(), Reason::KeysUnavailable);
            assert!(
                rejection
                    .retry_delay()
                    .is_some_and(|wait| wait <= Duration::from_secs(8))
            );
        }
        asked = world.provider.asked(INTROSPECTION);
        assert_eq!(asked, expected);
    }
    world.provider.put(INTROSPECTION, &active());
    world.clock.advance(8);
    for number in 0..20 {
        world.validate(&format!("good-{number}")).await.unwrap();
    }
}

/// A 400 is about the token, not about the endpoint.
#[tokio::test]
async fn a_rejected_request_does_not_stop_others() {
    let world = asking().await;
    let fails = |status| FetchError::Status {
        url: INTROSPECTION.into(),
        status,
    };
    world.provider.fail(INTROSPECTION, fails(400));
    for number in 0..20 {
        assert_eq!(
            world.validate(&format!("odd-{number}")).await,
            Err(Reason::KeysUnavailable)
        );
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 20);
    world.provider.put(INTROSPECTION, &active());
    world.validate("good").await.unwrap();
    // Invented tokens that make the endpoint fail do not delay the renewal of an active one.
    world.provider.fail(INTROSPECTION, fails(500));
    for number in 0..20 {
        assert_eq!(
            world.validate(&format!("worse-{number}")).await,
            Err(Reason::KeysUnavailable)
        );
    }
    world.provider.put(INTROSPECTION, &active());
    assert_eq!(world.validate("another").await, Err(Reason::KeysUnavailable));
    world.clock.advance(30);
    world.validate("good").await.unwrap();
}

/// Keys of a public issuer are not fetched from a private network just because its introspection endpoint is in one.
#[tokio::test]
async fn a_private_endpoint_does_not_open_private_addresses_for_keys() {
    let (provider, seen) = (Documents::default(), Arc::new(Mutex::new(Vec::new())));
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let endpoint = "https://introspection.internal/introspect";
    provider.publish(&issuer);
    provider.put(endpoint, &active());
    let fetch = Recorder(provider.clone(), seen.clone());
    let private = |trust: Trust| {
        let mut trust = asks(trust);
        trust.introspection_url = endpoint.into();
        trust
    };
    let world = World::with(private, |validator| validator.fetch(fetch)).await;
    world.validate("opaque").await.unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(
        seen,
        [
            (issuer.metadata_url(), false),
            (issuer.jwks_url(), false),
            (endpoint.to_owned(), true)
        ]
    );
    provider.put(
        issuer.metadata_url(),
        &json!({"issuer": issuer.issuer(), "jwks_uri": "https://10.0.0.1/jwks"}),
    );
    let strict = Validator::builder([private(issuer.trust("orders"))])
        .fetch(provider)
        .build()
        .unwrap();
    assert!(strict.load().await.unwrap_err().configuration().is_some());
}

/// Records the URL of each fetch, and whether it may connect to private addresses.
struct Recorder(Documents, Arc<Mutex<Vec<(String, bool)>>>);

impl Fetch for Recorder {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        self.1
            .lock()
            .unwrap()
            .push((request.url.to_string(), request.private_addresses));
        self.0.fetch(request)
    }
}

#[tokio::test]
async fn nothing_but_a_token_is_sent_to_the_provider() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    let app = world.app(signed_in());
    for token in ["opaque, Bearer other", "opaque,other", "opaque other", "op\u{e9}que"] {
        assert_eq!(
            refused(&app, with_token("GET", "/api/a", token)).await,
            Reason::MalformedToken
        );
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 0);
    assert_eq!(
        status(&app, with_token("GET", "/api/a", "opaque")).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_extend_an_answer() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    world.validate("opaque").await.unwrap();
    world.provider.put(INTROSPECTION, &json!({"active": false}));
    // The clocks of two processors may differ slightly.
    world.clock.set_back(1);
    world.validate("opaque").await.unwrap();
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
    world.clock.set_back(3600);
    assert_eq!(world.validate("opaque").await, Err(Reason::Revoked));
}

#[tokio::test]
async fn an_answer_is_checked_like_a_token() {
    for (change, reason) in [
        (json!({"aud": "other"}), Reason::AudienceMismatch),
        (json!({"iss": "https://other.example"}), Reason::IssuerNotTrusted),
        (json!({"exp": at(-61)}), Reason::Expired),
        (json!({"sub": null}), Reason::MissingClaim),
        (json!({"sub": 7}), Reason::InvalidClaim),
        (json!({"active": "false"}), Reason::Revoked),
        (json!({"active": null}), Reason::Revoked),
        (json!({"exp": "soon"}), Reason::InvalidClaim),
        (json!({"exp": at(-61).to_string()}), Reason::Expired),
        (json!({"cnf": {"jkt": "abc"}}), Reason::DpopRequired),
        (
            json!({"token_type": "DPoP", "cnf": {"jkt": "abc"}}),
            Reason::DpopRequired,
        ),
        // Bound to a key, but the answer does not name it.
        (json!({"token_type": "dpop"}), Reason::InvalidClaim),
        (
            json!({"token_type": "DPoP", "cnf": {"x5t#S256": "abc"}}),
            Reason::InvalidClaim,
        ),
    ] {
        let world = asking().await;
        let mut answer = active();
        for (name, value) in change.as_object().unwrap() {
            answer[name] = value.clone();
        }
        world.provider.put(INTROSPECTION, &answer);
        // One request, however many calls, until the answer is old.
        for asked in [1, 1, 2] {
            assert_eq!(world.validate("opaque").await, Err(reason), "{change}");
            if reason != Reason::DpopRequired {
                assert_eq!(world.provider.asked(INTROSPECTION), asked, "{change}");
            }
            world.clock.advance(20);
        }
    }
    let world = asking().await;
    let mut endless = active();
    endless.as_object_mut().unwrap().remove("exp");
    world.provider.put(INTROSPECTION, &endless);
    world.validate("opaque").await.unwrap();
    world.provider.set_down(true);
    assert_eq!(world.validate("another").await, Err(Reason::KeysUnavailable));
}

/// Providers introspect refresh tokens as well, and call them active.
#[tokio::test]
async fn an_active_token_of_another_kind_is_rejected_with_any_token_type() {
    for token_type in [TokenType::Auto, TokenType::AccessToken] {
        let change = |mut trust: Trust| {
            trust.token_type = token_type;
            asks(trust)
        };
        for (member, value, accepted) in [
            ("token_type", json!("Bearer"), true),
            ("token_type", json!("bearer"), true),
            ("token_type", json!("access_token"), true),
            ("token_type", json!("refresh_token"), false),
            ("token_type", json!("Refresh"), false),
            ("token_type", json!(["Bearer"]), true),
            ("token_type", json!(["refresh_token"]), false),
            ("token_type", json!(null), true),
            ("token_type", json!(7), true),
            ("typ", json!("Bearer"), true),
            ("typ", json!("Refresh"), false),
            ("typ", json!("Offline"), false),
            ("token_use", json!("access_token"), true),
            ("token_use", json!("refresh_token"), false),
            ("token_use", json!("id"), false),
            ("nonce", json!("n"), false),
            ("events", json!({}), false),
        ] {
            let world = World::with(change, |validator| validator).await;
            let mut answer = active();
            answer[member] = value.clone();
            world.provider.put(INTROSPECTION, &answer);
            let verdict = world
                .validate("opaque")
                .await
                .map(|principal| principal.subject().to_owned());
            let expected = if accepted {
                Ok("alice".to_owned())
            } else {
                Err(Reason::WrongTokenType)
            };
            assert_eq!(verdict, expected, "{member} {value}");
        }
    }
}

/// `token_type` corresponds to the header `typ` of a JWT.
#[tokio::test]
async fn an_answer_that_names_an_access_token_may_carry_a_nonce() {
    for (change, verdict) in [
        (json!({}), Err(Reason::WrongTokenType)),
        (json!({"token_type": 7}), Err(Reason::WrongTokenType)),
        (json!({"token_type": "Bearer"}), Ok(())),
        (json!({"typ": "Bearer"}), Ok(())),
        (
            json!({"token_type": "Bearer", "token_use": "refresh_token"}),
            Err(Reason::WrongTokenType),
        ),
        (
            json!({"token_type": "Bearer", "typ": "Refresh"}),
            Err(Reason::WrongTokenType),
        ),
    ] {
        let world = asking().await;
        let mut answer = active();
        answer["nonce"] = "n".into();
        answer
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        world.provider.put(INTROSPECTION, &answer);
        assert_eq!(world.validate("opaque").await.map(drop), verdict, "{answer}");
    }
    let world = World::with(|trust| asks(trust).allow_nonce(), |validator| validator).await;
    let mut answer = active();
    answer["nonce"] = "n".into();
    world.provider.put(INTROSPECTION, &answer);
    world.validate("opaque").await.unwrap();
}

/// An introspection endpoint at which tokens that begin with `good` are active. It answers while it is open, and counts waiting requests.
#[derive(Clone)]
struct Desk {
    documents: Documents,
    open: watch::Sender<bool>,
    waiting: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Desk {
    async fn world() -> (Self, World) {
        let desk = Self {
            documents: Documents::of([&TestIssuer::new("https://idp.example", [Algorithm::ES256])]),
            open: watch::Sender::new(true),
            waiting: Arc::default(),
            most: Arc::default(),
        };
        let fetch = desk.clone();
        let world = World::with(asks, |validator| validator.fetch(fetch)).await;
        (desk, world)
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Fetch for Desk {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            let Some(post) = request.post else {
                return self.documents.fetch(request).await;
            };
            let good = post.form.starts_with("token=good");
            let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(waiting, Ordering::SeqCst);
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let mut answer = active();
            answer["active"] = good.into();
            answer["exp"] = at(9000).into();
            Ok(answer.to_string().into_bytes())
        })
    }
}

/// Runs all tasks that can run without advancing the time.
async fn settled() {
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
}

fn started(world: &World, tokens: impl IntoIterator<Item = String>) -> Vec<JoinHandle<Result<Principal, Rejection>>> {
    let start = |token: String| {
        let (validator, now) = (world.validator.clone(), world.clock.time());
        tokio::spawn(async move { validator.validate(&token, now).await })
    };
    tokens.into_iter().map(start).collect()
}

#[tokio::test]
async fn many_calls_with_one_token_cause_one_request() {
    let world = asking().await;
    world.provider.put(INTROSPECTION, &active());
    let app = world.app(signed_in());
    world.provider.hold();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { status(&app, with_token("GET", "/api/a", "opaque")).await })
        })
        .collect();
    settled().await;
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
    // The first caller is cancelled; the others still get the answer.
    calls[0].abort();
    world.provider.release();
    for call in calls.into_iter().skip(1) {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
    assert_eq!(world.provider.asked(INTROSPECTION), 1);
}

#[tokio::test(start_paused = true)]
async fn invented_tokens_do_not_delay_active_ones() {
    let (desk, world) = Desk::world().await;
    world.validate("good-1").await.unwrap();
    world.validate("good-2").await.unwrap();
    desk.open.send_replace(false);
    let flood = started(&world, (0..2000).map(|number| format!("invented-{number}")));
    settled().await;
    assert_eq!(desk.waiting(), 16);
    // A thousand requests wait, which holds their tokens; the others are rejected at once.
    assert_eq!(flood.iter().filter(|call| call.is_finished()).count(), 1000);
    // A cached answer needs no request …
    world.validate("good-1").await.unwrap();
    assert_eq!(desk.waiting(), 16);
    // … one that is getting old is renewed in the background, and an expired one needs a permit.
    world.clock.advance(20);
    world.validate("good-1").await.unwrap();
    settled().await;
    assert_eq!(desk.waiting(), 17);
    world.clock.advance(10);
    let renewal = started(&world, ["good-2".to_owned()]);
    settled().await;
    assert_eq!(desk.waiting(), 18);
    // Time advances only here, where every task waits: requests without a permit are rejected with Retry-After.
    let mut told_to_wait = 0;
    for call in flood.into_iter().rev().take(1900) {
        let rejection = call.await.unwrap().unwrap_err();
        assert_eq!(rejection.reason(), Reason::KeysUnavailable);
        assert!(rejection.retry_delay().is_some());
        told_to_wait += 1;
    }
    assert_eq!((told_to_wait, desk.waiting()), (1900, 18));
    desk.open.send_replace(true);
    for call in renewal {
        assert_eq!(call.await.unwrap().unwrap().subject(), "alice");
    }
    assert_eq!(world.validate("invented-7").await, Err(Reason::Revoked));
    assert_eq!(desk.most.load(Ordering::SeqCst), 18);
}

#[tokio::test]
async fn invented_tokens_evict_no_active_answer() {
    let (desk, world) = Desk::world().await;
    world.validate("good").await.unwrap();
    for number in 0..2000 {
        let invented = format!("invented-{number}");
        assert_eq!(world.validate(&invented).await, Err(Reason::Revoked));
    }
    desk.open.send_replace(false);
    world.validate("good").await.unwrap();
    assert_eq!((desk.waiting(), desk.most.load(Ordering::SeqCst)), (0, 1));
}
