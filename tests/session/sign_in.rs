//! Sign-in: each check with a similar case that passes.

use pixygate::authorization::id_token::IdTokenError;
use pixygate::authorization::{CallbackError, ReturnTo, SignIn};
use pixygate::session::{AuthState, HistoryEntry, Remedy, SessionError, SignInOutcome};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::provider::{ABSENT, Behaviour, CLIENT, ISSUER};
use crate::world::Simulation;

/// Signs in after `change`, and returns the error, if any.
fn attempt(change: impl FnOnce(&Simulation)) -> Result<(), SessionError> {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    change(&simulation);
    let outcome = simulation
        .run(tab.session.complete(&query))
        .map(drop)
        .map_err(|failure| failure.error);
    assert_eq!(
        tab.subject().as_deref(),
        outcome.is_ok().then_some("alice"),
        "signed in exactly when it succeeded"
    );
    outcome
}

fn with_query(change: impl FnOnce(&str) -> String) -> Result<(), SessionError> {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = change(&simulation.visit_provider(&tab, "alice"));
    simulation
        .run(tab.session.complete(&query))
        .map(drop)
        .map_err(|failure| failure.error)
}

fn claims(claims: Value) -> Result<(), SessionError> {
    attempt(|simulation| drop(simulation.world.provider.claims.replace(claims)))
}

fn header(header: Value) -> Result<(), SessionError> {
    attempt(|simulation| drop(simulation.world.provider.header.replace(header)))
}

fn assert_claim(outcome: Result<(), SessionError>, name: &str) {
    match outcome {
        Err(SessionError::IdToken(IdTokenError::Claim { claim, .. })) => assert_eq!(claim, name),
        other => panic!("expected the claim {name} to be refused, got {other:?}"),
    }
}

#[test]
fn the_request_has_everything_that_keeps_the_flow_secure() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let options = SignIn {
        return_to: ReturnTo::parse("/account"),
        acr_values: vec!["mfa".to_owned()],
        extra_params: [
            ("fidp".to_owned(), "google".to_owned()),
            ("state".to_owned(), "mine".to_owned()),
        ]
        .into(),
        ..SignIn::default()
    };
    simulation.run(tab.session.sign_in(&options)).unwrap();
    let request = tab.last_request();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", "https://app.example/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
        ("acr_values", "mfa"),
        ("fidp", "google"),
    ] {
        assert_eq!(request[name], value, "{name}");
    }
    assert_eq!(request["code_challenge"].len(), 43);
    assert!(
        request["state"].len() >= 22 && request["state"] != "mine",
        "an extra parameter replaces nothing"
    );
    assert!(request["nonce"].len() >= 22);
}

/// RFC 6749, section 3.1.
#[test]
fn no_parameter_comes_twice_and_the_nearest_one_counts() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    let params = |pairs: &[(&str, &str)]| {
        let own = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        own.collect::<std::collections::BTreeMap<_, _>>()
    };
    client.resource = Some("https://orders.example".to_owned());
    client.extra_params = params(&[
        ("prompt", "login"),
        ("fidp", "of the client"),
        ("audience", "orders"),
        ("login_hint", "bob"),
        ("response_mode", "fragment"),
        ("max_age", "1"),
    ]);
    let tab = simulation.open_with(client);
    let options = SignIn {
        prompt: Some("none".to_owned()),
        login_hint: Some("alice".to_owned()),
        extra_params: params(&[
            ("fidp", "of the call"),
            ("prompt", "consent"),
            ("resource", "https://other.example"),
            ("scope", "all"),
            ("code_challenge", "plain"),
            ("acr_values", "mfa"),
        ]),
        ..SignIn::default()
    };
    simulation.run(tab.session.sign_in(&options)).unwrap();
    let request = tab.last_request();
    for (name, value) in [
        ("prompt", "none"),
        ("login_hint", "alice"),
        ("fidp", "of the call"),
        ("audience", "orders"),
        ("resource", "https://orders.example"),
        ("scope", "openid profile"),
        ("acr_values", "mfa"),
    ] {
        assert_eq!(request[name], value, "{name}");
    }
    assert_ne!(request["code_challenge"], "plain");
    assert!(!request.contains_key("response_mode") && !request.contains_key("max_age"));
    let address = tab.state.went_to.borrow().last().unwrap().clone();
    let (_, query) = address.split_once('?').unwrap();
    assert_eq!(query.split('&').count(), request.len(), "{query}");

    // A parameter that the request does not set comes from the client's settings.
    simulation.run(tab.session.sign_in(&SignIn::default())).unwrap();
    let request = tab.last_request();
    assert_eq!((&*request["prompt"], &*request["fidp"]), ("login", "of the client"));
}

#[test]
fn a_person_signs_in_and_is_where_they_were_going() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let return_to = ReturnTo::parse("/account?tab=2").unwrap();
    simulation
        .run(tab.session.sign_in(&SignIn {
            return_to: Some(return_to.clone()),
            ..SignIn::default()
        }))
        .unwrap();
    let request = tab.last_request();
    let code = simulation.world.provider.authorize("alice", &request);
    let query = format!("code={code}&state={}&iss={ISSUER}", request["state"]);
    assert_eq!(
        simulation.run(tab.session.complete(&query)),
        Ok(SignInOutcome {
            return_to,
            popup: false,
            cancelled: None,
        })
    );
    let AuthState::SignedIn(person) = tab.session.state() else {
        panic!("signed in")
    };
    assert_eq!(person.name(), "alice Example");
    let exchange = simulation.world.provider.requests.borrow()[0].clone();
    assert!(exchange["code_verifier"].len() >= 43);
    assert_eq!(exchange["redirect_uri"], "https://app.example/callback");
}

#[test]
fn the_callback_is_checked_before_anything_is_sent() {
    assert_eq!(with_query(str::to_owned), Ok(()));
    let refused = |change: fn(&str) -> String| match with_query(change) {
        Err(SessionError::Callback(error)) => error,
        other => panic!("expected a refusal of the callback, got {other:?}"),
    };
    assert_eq!(
        refused(|query| query.replace("state=", "state=x")),
        CallbackError::UnknownState
    );
    assert_eq!(
        refused(|query| query.replace("state=", "nostate=")),
        CallbackError::MissingState
    );
    assert_eq!(
        refused(|query| format!("{query}&code=other")),
        CallbackError::Duplicate("code".to_owned())
    );
    assert_eq!(refused(|_| String::new()), CallbackError::Absent);
    assert!(matches!(
        refused(|query| query.replace("iss=https", "iss=http")),
        CallbackError::IssuerMismatch { found, .. } if found.starts_with("http:")
    ));
    assert!(matches!(
        refused(|query| query.replace("&iss=", "&other=")),
        CallbackError::MissingIssuer { .. }
    ));
    assert!(matches!(
        refused(|query| query.replace("?code", "?error=access_denied&code")),
        CallbackError::Provider { error, .. } if error == "access_denied"
    ));
}

#[test]
fn a_callback_is_good_once() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(
        simulation.run(tab.session.complete(&query)),
        Ok(SignInOutcome::default()),
        "signed in: it just lands"
    );
    assert_eq!(
        simulation.world.provider.requests.borrow().len(),
        1,
        "and nothing is sent"
    );

    simulation.run(tab.session.sign_out());
    let error = simulation.run(tab.session.complete(&query)).unwrap_err().error;
    assert_eq!(
        error,
        SessionError::Callback(CallbackError::UnknownState),
        "signed out: it offers to start again"
    );
    assert_eq!(error.remedy(), Remedy::SignIn);
}

#[test]
fn two_tabs_sign_in_at_once_without_mixing_up() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    let to = |place| SignIn {
        return_to: ReturnTo::parse(place),
        ..SignIn::default()
    };
    let first = simulation.visit_provider_with(&one, "alice", &to("/first"));
    let second = simulation.visit_provider_with(&two, "alice", &to("/second"));
    let landed = simulation.run(two.session.complete(&second)).unwrap();
    assert_eq!(landed.return_to.as_str(), "/second");
    let landed = simulation.run(one.session.complete(&first)).unwrap();
    assert_eq!(landed.return_to.as_str(), "/first");
    assert_eq!(one.subject().as_deref(), Some("alice"));
}

#[test]
fn the_id_token_is_for_this_client_from_this_issuer_about_this_sign_in() {
    assert_eq!(claims(json!({})), Ok(()));
    assert_claim(claims(json!({ "iss": format!("{ISSUER}/") })), "iss");
    assert_claim(claims(json!({ "sub": "" })), "sub");
    assert_claim(claims(json!({ "aud": "other" })), "aud");
    assert_eq!(claims(json!({ "aud": [CLIENT, "other"], "azp": CLIENT })), Ok(()));
    assert_eq!(claims(json!({ "aud": [CLIENT] })), Ok(()));
    assert_claim(claims(json!({ "azp": "other" })), "azp");
    assert_eq!(claims(json!({ "nonce": "other" })), Err(IdTokenError::Nonce.into()));
    assert_eq!(
        claims(json!({ "at_hash": "AAAA" })),
        Err(IdTokenError::AccessTokenHash.into())
    );
}

#[test]
fn another_issuer_is_a_matter_of_configuration_and_another_claim_one_of_the_protocol() {
    let remedy = |changed| claims(changed).map_err(|error| error.remedy());
    assert_eq!(remedy(json!({ "iss": ISSUER })), Ok(()));
    for iss in [format!("{ISSUER}/"), "https://idp.example".to_owned(), String::new()] {
        assert_eq!(remedy(json!({ "iss": iss })), Err(Remedy::Configuration), "{iss}");
    }
    for other in [
        json!({ "aud": "other" }),
        json!({ "azp": "other" }),
        json!({ "nonce": "other" }),
        json!({ "sub": "" }),
        json!({ "at_hash": "AAAA" }),
    ] {
        assert_eq!(remedy(other.clone()), Err(Remedy::Protocol), "{other}");
    }
}

#[test]
fn the_id_token_is_of_now() {
    let now = 1_800_000_000.0;
    assert_claim(claims(json!({ "exp": now - 61.0 })), "exp");
    assert_eq!(claims(json!({ "exp": now - 59.0 })), Ok(()));
    assert_claim(claims(json!({ "iat": now + 61.0 })), "iat");
    assert_eq!(claims(json!({ "iat": now + 59.5 })), Ok(()), "dates may be fractions");
}

#[test]
fn the_id_token_is_signed_by_the_provider() {
    let forged = attempt(|simulation| simulation.world.provider.forged.set(true));
    assert_eq!(forged, Err(IdTokenError::Signature.into()));
    for alg in ["none", "HS256", "RS256", "nOnE"] {
        assert_eq!(
            header(json!({ "alg": alg })),
            Err(IdTokenError::Algorithm(alg.to_owned()).into())
        );
    }
    assert!(matches!(
        header(json!({ "crit": ["b64"] })),
        Err(SessionError::IdToken(IdTokenError::Malformed(_)))
    ));
    assert!(matches!(
        header(json!({ "kid": "x" })),
        Err(SessionError::IdToken(IdTokenError::UnknownKey { .. }))
    ));
    assert_eq!(
        header(json!({ "kid": ABSENT })),
        Ok(()),
        "there is only one key that fits"
    );
}

#[test]
fn a_key_that_the_page_did_not_know_is_fetched() {
    let rotated = attempt(|simulation| drop(simulation.world.provider.kid.replace("second".to_owned())));
    assert_eq!(rotated, Ok(()));
}

#[test]
fn a_failed_sign_in_leaves_the_running_session_alone() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    let query = simulation.visit_provider(&tab, "mallory");
    simulation.world.provider.claims.replace(json!({ "nonce": "other" }));
    assert!(simulation.run(tab.session.complete(&query)).is_err());
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
}

#[test]
fn a_device_ten_minutes_off_signs_in() {
    for error in [-600_000.0, 600_000.0] {
        let mut simulation = Simulation::new();
        simulation.world.clock_error.set(error);
        let tab = simulation.open();
        simulation.sign_in(&tab, "alice");
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
        assert_eq!(simulation.world.provider.refreshes(), 0);
        simulation.pass(3580.0);
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    }
}

#[test]
fn nobody_is_sent_to_another_origin() {
    assert!(ReturnTo::parse("/account?next=https://evil.example").is_some());
    for bad in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
    ] {
        assert_eq!(ReturnTo::parse(bad), None, "{bad}");
    }
    // Nor by the stored state.
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    for (_, text) in simulation.world.vault.borrow_mut().values_mut() {
        assert!(text.contains("\"return_to\":\"/\""));
        *text = text.replace("\"return_to\":\"/\"", "\"return_to\":\"//evil.example\"");
    }
    assert!(simulation.run(tab.session.complete(&query)).is_err());
}

#[test]
fn nobody_is_sent_to_a_provider_that_does_not_answer() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
    assert_eq!(error.remedy(), Remedy::TryAgain);
    assert!(tab.state.went_to.borrow().is_empty());
    simulation.world.provider.behaviour.replace(Behaviour::Normal);
    simulation.sign_in(&tab, "alice");
}

#[test]
fn a_sign_in_that_was_prepared_does_not_ask_again_for_a_while() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let leaves = |simulation: &mut Simulation| simulation.run(tab.session.sign_in(&SignIn::default())).is_ok();
    let behaviour = |simulation: &Simulation, behaviour| {
        simulation.world.provider.behaviour.replace(behaviour);
    };

    behaviour(&simulation, Behaviour::Unreachable);
    simulation.run(tab.session.prepare_sign_in());
    assert!(!leaves(&mut simulation), "no answer does not count");
    behaviour(&simulation, Behaviour::Normal);
    simulation.run(tab.session.prepare_sign_in());
    behaviour(&simulation, Behaviour::Unreachable);
    simulation.pass(29.0);
    assert!(leaves(&mut simulation));
    simulation.pass(2.0);
    assert!(!leaves(&mut simulation), "it was too long ago");
}

#[test]
fn a_callback_that_nobody_understands_just_lands_who_is_signed_in() {
    for query in ["", "code=x", "code=x&state=a&state=b", "code=x&state=unknown"] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        assert!(
            simulation.run(tab.session.complete(query)).is_err(),
            "{query:?} signs nobody in"
        );
        simulation.sign_in(&tab, "alice");
        assert!(simulation.run(tab.session.complete(query)).is_ok(), "{query:?}");
        assert_eq!(tab.subject().as_deref(), Some("alice"));
    }
}

#[test]
fn a_page_of_another_origin_begins_no_sign_in() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    for other in [
        "https://www.app.example",
        "http://app.example",
        "https://app.example:8443",
    ] {
        tab.state.origin.replace(other.to_owned());
        let error = simulation.run(tab.session.sign_in(&SignIn::default())).unwrap_err();
        let expected = "https://app.example".to_owned();
        let here = other.to_owned();
        assert_eq!(error, SessionError::WrongOrigin { here, expected });
        assert!(error.to_string().contains("server.public_url"), "{error}");
    }
    assert!(tab.state.went_to.borrow().is_empty());
    assert!(simulation.world.vault.borrow().is_empty());
    tab.state.origin.replace("https://app.example".to_owned());
    assert_eq!(simulation.run(tab.session.sign_in(&SignIn::default())), Ok(()));
}

#[test]
fn a_sign_in_leads_back_to_the_page_where_it_began() {
    for (page, wanted, lands) in [
        ("/orders?p=100%25#se%20ct", None, "/orders?p=100%25#se%20ct"),
        ("/orders", Some("/account"), "/account"),
        // Without an authorization response, the page redirects to the start page.
        ("/callback?error=x", None, "/"),
        ("/orders", Some("/callback?code=x"), "/"),
        ("/callbacks", None, "/callbacks"),
        ("//evil.example", None, "/"),
    ] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        tab.state.page.replace(page.to_owned());
        let options = SignIn {
            return_to: wanted.and_then(ReturnTo::parse),
            ..SignIn::default()
        };
        let query = simulation.visit_provider_with(&tab, "alice", &options);
        let landed = simulation.run(tab.session.complete(&query)).unwrap();
        assert_eq!(landed.return_to.as_str(), lands, "{page}");
    }
}

#[test]
fn a_page_that_only_leads_to_the_provider_leaves_no_entry_in_the_history() {
    let silent = Some("none".to_owned());
    for (replace, prompt, entry) in [
        (false, None, HistoryEntry::Keep),
        (true, None, HistoryEntry::Replace),
        (false, silent, HistoryEntry::Replace),
    ] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let options = SignIn {
            replace_page: replace,
            prompt,
            ..SignIn::default()
        };
        simulation.run(tab.session.sign_in(&options)).unwrap();
        assert_eq!(tab.state.entry.get(), Some(entry));
    }
}

#[test]
fn a_sign_in_that_another_tab_has_made_unnecessary_leaves_nowhere() {
    for (prompt, leaves) in [(None, false), (Some("login"), true)] {
        let mut simulation = Simulation::new();
        let (tab, other) = (simulation.open(), simulation.open());
        simulation.run(tab.session.restore());
        simulation.world.held_back.set(true);
        let (session, options) = (
            tab.session.clone(),
            SignIn {
                prompt: prompt.map(str::to_owned),
                ..SignIn::default()
            },
        );
        // It waits for the provider, and does not block the other tab.
        let pushing = simulation.open_with(simulation.world.provider.pushing_client());
        simulation.run(pushing.session.restore());
        let session = if leaves { session } else { pushing.session.clone() };
        let begun = simulation.start(async move { session.sign_in(&options).await });
        simulation.world.held_back.set(false);
        simulation.sign_in(&other, "alice");
        simulation.deliver(&[&tab, &pushing]);
        simulation.release();
        assert_eq!(begun.take(), Some(Ok(())));
        let gone = [&tab, &pushing]
            .iter()
            .any(|tab| !tab.state.went_to.borrow().is_empty());
        assert_eq!(gone, leaves);
        assert_eq!(pushing.subject().as_deref(), Some("alice"));
    }
}

#[test]
fn a_code_whose_exchange_got_no_answer_is_exchanged_by_another_attempt() {
    for behaviour in [Behaviour::Unreachable, Behaviour::Broken(503)] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let options = SignIn {
            return_to: ReturnTo::parse("/orders"),
            ..SignIn::default()
        };
        let query = simulation.visit_provider_with(&tab, "alice", &options);
        simulation.world.provider.behaviour.replace(behaviour.clone());
        // At the second attempt the code is no longer in the address.
        for query in [query.as_str(), ""] {
            let failure = simulation.run(tab.session.complete(query)).unwrap_err();
            assert_eq!(failure.error.remedy(), Remedy::TryAgain);
            assert_eq!(failure.return_to.as_str(), "/orders");
        }
        simulation.world.provider.behaviour.take();
        let landed = simulation.run(tab.session.complete("")).unwrap();
        assert_eq!(landed.return_to.as_str(), "/orders", "{behaviour:?}");
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        // The code is valid once.
        simulation.run(tab.session.sign_out_here());
        for query in ["", query.as_str()] {
            assert!(simulation.run(tab.session.complete(query)).is_err());
        }
    }
    // A code that the provider rejects is discarded.
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    simulation
        .world
        .provider
        .behaviour
        .replace(Behaviour::Refuses("invalid_grant"));
    simulation.run(tab.session.complete(&query)).unwrap_err();
    simulation.world.provider.behaviour.take();
    let error = simulation.run(tab.session.complete("")).unwrap_err().error;
    assert_eq!(error, SessionError::Callback(CallbackError::Absent));
}

#[test]
fn no_sign_in_asks_for_keys_that_the_page_came_with() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.world.no_keys.set(true);
    simulation.sign_in(&tab, "alice");
    simulation.pass(3600.0);
    assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-2"));
    simulation.run(tab.session.sign_out());
    assert!(tab.state.went_to.borrow().last().unwrap().contains("/oidc/logout?"));

    // If the key is not among them, the sign-in fails, and its tokens are discarded.
    let tab = simulation.open();
    let query = simulation.visit_provider(&tab, "alice");
    simulation.world.provider.kid.replace("second".to_owned());
    let error = simulation.run(tab.session.complete(&query)).unwrap_err().error;
    assert!(error.to_string().contains("/jwks"), "{error}");
    assert_eq!(simulation.world.provider.valid_refresh_tokens(), 0);
}

/// Carries a page through the sign-in link, the address of the sign-in page, the stored record and the callback.
fn travels(page: &str) -> String {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let link = format!("/sign-in?return_to={}", ReturnTo::parse(page).unwrap().to_query_value());
    let (_, query) = link.split_once('?').unwrap();
    let options = SignIn {
        return_to: ReturnTo::from_query(query),
        ..SignIn::default()
    };
    let query = simulation.visit_provider_with(&tab, "alice", &options);
    let landed = simulation.run(tab.session.complete(&query)).unwrap();
    landed.return_to.as_str().to_owned()
}

#[test]
fn the_page_to_return_to_survives_byte_for_byte() {
    let long = format!("/?q={}", "%F0%9F%A6%8A".repeat(300));
    for page in [
        "/account?note=a%20b",
        "/account?next=%2Fa%3Fb%3D1%26c%3D2",
        "/?p=100%25",
        "/?id=a+b",
        "/?id=a%2Bb",
        "/?a=b&a=c&return_to=%2F",
        "/a;b=c/@:!$'()*,#se%20ct",
        "/caf%C3%A9/é?ü=ß#日本",
        "/a//b/?/#/",
        &long,
    ] {
        assert_eq!(travels(page), page);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_page_to_return_to_survives_byte_for_byte(path in "(/[!-\\[\\]-~é日]{0,20}){1,3}(\\?[!-\\[\\]-~é]{0,40})?(#[!-\\[\\]-~é]{0,20})?") {
        // Only pages of this origin can be returned to.
        if let Some(page) = ReturnTo::parse(&path) && page.as_str().split(['?', '#']).next() != Some("/callback") {
            prop_assert_eq!(travels(&path), path);
        }
    }
}
