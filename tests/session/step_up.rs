//! Calls that require more than the user has: a sign-in for them, and the call afterwards.

use pixygate::authorization::{ReturnTo, SignIn, TokenExchange};
use pixygate::session::{CallOutcome, Event, PendingRequest, SessionError, StepUp, StepUpFailure};
use serde_json::json;

use crate::api::Answer;
use crate::provider::ABSENT;
use crate::world::{OpenTab, Simulation};

const TRANSFER: &str = "https://app.example/api/transfer";

fn signed_in() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

fn gold() -> StepUp {
    StepUp::Authentication {
        acr_values: vec!["gold".to_owned()],
        max_age: Some(300),
    }
}

fn waiting() -> PendingRequest {
    PendingRequest {
        method: "POST".to_owned(),
        url: TRANSFER.to_owned(),
        content_type: Some("text/plain".to_owned()),
        headers: vec![("accept".to_owned(), "text/plain".to_owned())],
        body: Some("100".to_owned()),
    }
}

fn demanded(called: Result<CallOutcome<Answer>, SessionError>) -> StepUp {
    match called {
        Ok(CallOutcome::StepUp(demand, _)) => demand,
        other => panic!("expected a demand, got {other:?}"),
    }
}

fn answered(called: Result<CallOutcome<Answer>, SessionError>) -> u16 {
    match called {
        Ok(CallOutcome::Response(answer)) => answer.status,
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// The call is denied, and the user leaves for the required sign-in. Only the browser's storage remains.
fn leave(simulation: &mut Simulation, tab: OpenTab) -> OpenTab {
    leave_marked(simulation, tab).0
}

/// The same, with the mark of the page that the back button leads back to.
fn leave_marked(simulation: &mut Simulation, tab: OpenTab) -> (OpenTab, Option<String>) {
    let demand = demanded(simulation.run(tab.call("POST", TRANSFER, "100")));
    let return_to = ReturnTo::parse("/account?tab=2").unwrap();
    simulation
        .run(tab.session.step_up(&demand, waiting(), return_to))
        .unwrap();
    assert!(tab.state.events.borrow().contains(&Event::StepUp(demand)));
    let mark = tab.state.mark.take();
    assert!(mark.is_some(), "the back button leads back");
    let next = simulation.open();
    next.state.went_to.replace(tab.state.went_to.take());
    simulation.close(tab);
    (next, mark)
}

#[test]
fn a_stronger_sign_in_brings_the_person_back_and_the_call_with_them() {
    let (mut simulation, tab) = signed_in();
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let request = tab.last_request();
    assert_eq!(request["acr_values"], "gold");
    assert_eq!(request["max_age"], "300");
    assert_eq!(request["scope"], "openid profile");
    assert!(
        !request.values().any(|value| value.contains("transfer")),
        "the call stays here"
    );

    let query = simulation.come_back(&tab, "alice");
    let landing = simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(landing.return_to.as_str(), "/account?tab=2");
    assert_eq!(tab.session.take_pending(|_| false), None, "another page's call stays");
    assert_eq!(tab.session.take_pending(|call| call.url == TRANSFER), Some(waiting()));
    assert_eq!(tab.session.take_pending(|_| true), None, "it is there once");
    assert_eq!(answered(simulation.run(tab.call("POST", TRANSFER, "100"))), 200);
}

#[test]
fn a_call_does_not_wait_for_ever_nor_longer_than_the_session() {
    for (seconds, ends, is_there) in [(119.0, false, true), (121.0, false, false), (1.0, true, false)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back(&tab, "alice");
        simulation.run(tab.session.complete(&query)).unwrap();
        simulation.pass(seconds);
        if ends {
            simulation.world.provider.end_all();
            assert!(simulation.run(tab.session.replace_now()).is_err());
            simulation.sign_in(&tab, "alice");
        }
        assert_eq!(tab.session.take_pending(|_| true).is_some(), is_there);
    }
}

#[test]
fn another_person_does_not_get_the_call() {
    let (mut simulation, tab) = signed_in();
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back(&tab, "bob");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(tab.subject().as_deref(), Some("bob"));
    assert_eq!(tab.session.take_pending(|_| true), None);
}

#[test]
fn nobody_else_finds_the_call_later() {
    for (leave_by, declined) in [
        ("sign-out", false),
        ("another tab", false),
        ("sign-out", true),
        ("another tab", true),
    ] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = match declined {
            false => simulation.come_back(&tab, "alice"),
            true => simulation.come_back_with(&tab, "access_denied"),
        };
        simulation.run(tab.session.complete(&query)).unwrap();
        if leave_by == "sign-out" {
            simulation.run(tab.session.sign_out_here());
            simulation.sign_in(&tab, "bob");
        } else {
            let other = simulation.open();
            simulation.sign_in(&other, "bob");
            simulation.deliver(&[&tab]);
        }
        assert_eq!(tab.subject().as_deref(), Some("bob"));
        assert_eq!(tab.session.take_pending(|_| true), None);
        assert_eq!(tab.session.take_cancelled(|_| true), None);
    }
}

#[test]
fn who_acts_for_an_organisation_still_does() {
    for refused in [false, true] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let acme = TokenExchange::organization("acme");
        simulation.run(tab.session.exchange(acme)).unwrap();
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back(&tab, "alice");
        let provider = &simulation.world.provider;
        provider.refuses_exchange.set(refused.then_some("invalid_grant"));
        simulation.run(tab.session.complete(&query)).unwrap();
        assert!(tab.session.take_pending(|_| true).is_some());
        assert_eq!(
            simulation.run(tab.token()).is_err(),
            refused,
            "the call is made for no other"
        );
        simulation.world.provider.refuses_exchange.set(None);
        simulation.pass(120.0);
        let token = simulation.run(tab.token()).unwrap();
        let access = simulation.world.provider.access.borrow();
        assert_eq!(access[&token].grant.target.as_deref(), Some("acme"));
    }
}

#[test]
fn the_call_of_one_organisation_is_not_made_for_another() {
    for switched in [false, true] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let (acme, other) = (
            TokenExchange::organization("acme"),
            TokenExchange::organization("other"),
        );
        simulation.run(tab.session.exchange(acme)).unwrap();
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back(&tab, "alice");
        simulation.run(tab.session.complete(&query)).unwrap();
        if switched {
            simulation.run(tab.session.exchange(other)).unwrap();
        }
        assert_eq!(tab.session.take_pending(|_| true).is_none(), switched);
    }
}

#[test]
fn who_refuses_the_stronger_sign_in_is_back_where_they_were() {
    for error in ["access_denied", "invalid_scope"] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back_with(&tab, error);
        let landed = simulation.run(tab.session.complete(&query));
        let landed = landed.unwrap();
        assert_eq!(landed.return_to.as_str(), "/account?tab=2");
        assert_eq!(landed.cancelled, Some(StepUpFailure::Provider(error.to_owned())));
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        let called = simulation.run(tab.call("POST", TRANSFER, "100"));
        assert_eq!(answered(called), 401, "it does not ask again");

        // Unless this user, or another one, signs in again.
        simulation.sign_in(&tab, "alice");
        assert_eq!(demanded(simulation.run(tab.call("POST", TRANSFER, "100"))), gold());
    }
    // The same in another tab.
    for subject in ["alice", "bob"] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back_with(&tab, "access_denied");
        simulation.run(tab.session.complete(&query)).unwrap();
        let other = simulation.open();
        simulation.sign_in(&other, subject);
        simulation.deliver(&[&tab]);
        let called = simulation.run(tab.call("POST", TRANSFER, "100"));
        assert_eq!(demanded(called), gold());
    }
    // If the user was not signed in and only wanted to sign in, it is an error.
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.run(tab.session.sign_in(&SignIn::default())).unwrap();
    let query = simulation.come_back_with(&tab, "access_denied");
    assert!(simulation.run(tab.session.complete(&query)).is_err());
}

/// Returns whether the next calls of this page and of another one lead to another sign-in.
fn asks_again(simulation: &mut Simulation, pages: &[&OpenTab]) -> Vec<bool> {
    let mut ask = |page: &&OpenTab| match simulation.run(page.call("POST", TRANSFER, "100")) {
        Ok(CallOutcome::StepUp(..)) => true,
        Ok(CallOutcome::Response(answer)) => {
            assert_ne!(answer.status, 200);
            false
        }
        Err(error) => panic!("no answer: {error}"),
    };
    pages.iter().map(&mut ask).collect()
}

#[test]
fn what_a_sign_in_did_not_bring_is_known_to_the_next_page_and_to_the_other_tabs() {
    for declines in [true, false] {
        let (mut simulation, tab) = signed_in();
        let scopes = &simulation.world.api.wants_scope;
        scopes.borrow_mut().insert("/api/transfer", "transfer");
        let other = simulation.open();
        simulation.run(other.session.restore());
        let tab = leave(&mut simulation, tab);
        let query = if declines {
            simulation.come_back_with(&tab, "invalid_scope")
        } else {
            let mut request = tab.last_request();
            request.insert("scope".to_owned(), "openid profile".to_owned());
            let code = simulation.world.provider.authorize("alice", &request);
            format!("code={code}&state={}&iss={}", request["state"], crate::provider::ISSUER)
        };
        simulation.run(tab.session.complete(&query)).unwrap();
        simulation.deliver(&[&other]);
        let reloaded = simulation.open();
        assert_eq!(asks_again(&mut simulation, &[&tab, &other, &reloaded]), [false; 3]);
        // A refresh and a switch of organisation keep it, in the tab that makes them and in the others.
        simulation.pass(3600.0);
        simulation.run(reloaded.token()).unwrap();
        let branch = TokenExchange::organization("branch");
        simulation.run(other.session.exchange(branch)).unwrap();
        let reloaded = simulation.open();
        simulation.deliver(&[&tab, &other]);
        assert_eq!(asks_again(&mut simulation, &[&tab, &other, &reloaded]), [false; 3]);

        // A silent sign-in, which the user did not request, does not reset it.
        let silent = SignIn {
            prompt: Some("none".to_owned()),
            ..SignIn::default()
        };
        let query = simulation.visit_provider_with(&tab, "alice", &silent);
        simulation.run(tab.session.complete(&query)).unwrap();
        simulation.deliver(&[&other]);
        assert_eq!(asks_again(&mut simulation, &[&tab, &other]), [false; 2]);

        simulation.sign_in(&tab, "alice");
        simulation.deliver(&[&other]);
        let reloaded = simulation.open();
        assert_eq!(asks_again(&mut simulation, &[&tab, &other, &reloaded]), [true; 3]);
    }
}

#[test]
fn after_a_sign_out_nothing_was_asked() {
    let (mut simulation, tab) = signed_in();
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back_with(&tab, "access_denied");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(asks_again(&mut simulation, &[&tab]), [false]);
    simulation.run(tab.session.sign_out_here());
    let next = simulation.open();
    simulation.sign_in(&next, "alice");
    assert_eq!(asks_again(&mut simulation, &[&next]), [true]);
}

#[test]
fn a_call_that_has_succeeded_asks_again_in_every_tab() {
    let (mut simulation, tab) = signed_in();
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back_with(&tab, "access_denied");
    simulation.run(tab.session.complete(&query)).unwrap();
    let other = simulation.open();
    assert_eq!(asks_again(&mut simulation, &[&tab, &other]), [false; 2]);
    simulation.world.api.wants_acr.take();
    assert_eq!(answered(simulation.run(tab.call("POST", TRANSFER, "100"))), 200);
    simulation.deliver(&[&other]);
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let reloaded = simulation.open();
    assert_eq!(asks_again(&mut simulation, &[&tab, &other, &reloaded]), [true; 3]);
}

#[test]
fn who_declines_gets_back_what_was_typed_and_may_try_again() {
    let (mut simulation, tab) = signed_in();
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back_with(&tab, "access_denied");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(tab.session.take_pending(|_| true), None, "it is not to be made");
    assert_eq!(tab.session.take_cancelled(|_| false), None, "another page's call stays");
    let asks = |_: &PendingRequest| tab.session.take_pending(|_| true).is_some();
    assert_eq!(tab.session.take_cancelled(asks), None, "who looks may ask the session");
    let called = simulation.run(tab.call("POST", TRANSFER, "100"));
    assert_eq!(answered(called), 401, "nobody has been told yet");
    let cancelled = tab.session.take_cancelled(|call| call.url == TRANSFER);
    assert_eq!(
        cancelled,
        Some((waiting(), StepUpFailure::Provider("access_denied".to_owned())))
    );
    assert_eq!(tab.session.take_cancelled(|_| true), None, "it is there once");
    assert_eq!(demanded(simulation.run(tab.call("POST", TRANSFER, "100"))), gold());

    // A sign-in that was not cancelled leads to the call, and not back to the form.
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back(&tab, "alice");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(tab.session.take_cancelled(|_| true), None);
    assert!(tab.session.take_pending(|_| true).is_some());
}

#[test]
fn who_goes_back_gets_back_what_was_typed_and_may_go_forward_again() {
    let (mut simulation, tab) = signed_in();
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let (away, mark) = leave_marked(&mut simulation, tab);
    let query = simulation.come_back(&away, "alice");
    let state = away.last_request()["state"].clone();
    assert!(!format!("{mark:?}").contains(&state), "the state is a secret");

    // Without the back button, or after another sign-in, no input is restored.
    for other in [None, Some("another".to_owned())] {
        let page = simulation.open();
        page.state.mark.replace(other);
        simulation.run(page.session.restore());
        assert_eq!(page.subject().as_deref(), Some("alice"));
        assert_eq!(page.session.take_cancelled(|_| true), None);
    }
    let back = simulation.open();
    back.state.mark.replace(mark.clone());
    simulation.run(back.session.restore());
    assert_eq!(back.session.take_pending(|_| true), None, "it is not to be made");
    assert_eq!(
        back.session.take_cancelled(|_| true),
        Some((waiting(), StepUpFailure::Returned))
    );
    assert_eq!(back.session.take_cancelled(|_| true), None, "it is there once");
    assert_eq!(*back.state.mark.borrow(), None, "a reload gives it back no more");
    assert_eq!(demanded(simulation.run(back.call("POST", TRANSFER, "100"))), gold());

    // The user changes their mind, and goes forward to the sign-in.
    let forward = simulation.open();
    simulation.run(forward.session.complete(&query)).unwrap();
    assert_eq!(forward.session.take_pending(|_| true), Some(waiting()));

    // Back once more: the call is completed.
    let back = simulation.open();
    back.state.mark.replace(mark);
    simulation.run(back.session.restore());
    assert_eq!(back.session.take_cancelled(|_| true), None);
}

#[test]
fn what_one_person_typed_is_not_given_to_another_who_goes_back() {
    let (mut simulation, tab) = signed_in();
    let wants = &simulation.world.api.wants_acr;
    wants.borrow_mut().insert("/api/transfer", "gold");
    let (_, mark) = leave_marked(&mut simulation, tab);
    let other = simulation.open();
    simulation.sign_in(&other, "bob");
    let back = simulation.open();
    back.state.mark.replace(mark);
    simulation.run(back.session.restore());
    assert_eq!(back.subject().as_deref(), Some("bob"));
    assert_eq!(back.session.take_cancelled(|_| true), None);
}

#[test]
fn who_comes_back_without_it_is_not_sent_away_again() {
    let (mut simulation, tab) = signed_in();
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    // The provider signs the user in, and not more strongly than before.
    let mut request = tab.last_request();
    request.remove("acr_values");
    let code = simulation.world.provider.authorize("alice", &request);
    let query = format!("code={code}&state={}&iss={}", request["state"], crate::provider::ISSUER);
    simulation.run(tab.session.complete(&query)).unwrap();
    assert!(tab.session.take_pending(|_| true).is_some());
    for _ in 0..3 {
        let called = simulation.run(tab.call("POST", TRANSFER, "100"));
        assert_eq!(answered(called), 401, "what was demanded before is an answer now");
    }
    // Another requirement of the same call, and the same requirement of another call, are new.
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/transfer", "platinum");
    simulation.world.api.wants_acr.borrow_mut().insert("/api/other", "gold");
    assert_ne!(demanded(simulation.run(tab.call("POST", TRANSFER, "100"))), gold());
    let other = tab.call("POST", "https://app.example/api/other", "");
    assert_eq!(demanded(simulation.run(other)), gold());
}

#[test]
fn once_it_has_succeeded_a_call_may_demand_again() {
    let (mut simulation, tab) = signed_in();
    simulation
        .world
        .api
        .wants_acr
        .borrow_mut()
        .insert("/api/transfer", "gold");
    let tab = leave(&mut simulation, tab);
    let query = simulation.come_back(&tab, "alice");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(answered(simulation.run(tab.call("POST", TRANSFER, "100"))), 200);
    // A user signs in again, with a password only.
    simulation.sign_in(&tab, "alice");
    assert_eq!(demanded(simulation.run(tab.call("POST", TRANSFER, "100"))), gold());
}

#[test]
fn missing_scopes_are_asked_for_beside_those_that_were_granted() {
    let (mut simulation, tab) = signed_in();
    let scopes = &simulation.world.api.wants_scope;
    scopes.borrow_mut().insert("/api/transfer", "transfer");
    let tab = leave(&mut simulation, tab);
    assert_eq!(tab.last_request()["scope"], "openid profile transfer");
    let query = simulation.come_back(&tab, "alice");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(answered(simulation.run(tab.call("POST", TRANSFER, "100"))), 200);

    // The next sign-in also requests the scopes of this one.
    simulation
        .world
        .api
        .wants_scope
        .borrow_mut()
        .insert("/api/transfer", "sign");
    let tab = leave(&mut simulation, tab);
    assert_eq!(tab.last_request()["scope"], "openid profile transfer sign");
}

#[test]
fn scopes_that_are_granted_already_are_not_asked_for_again() {
    let (mut simulation, tab) = signed_in();
    let challenge = [(
        "WWW-Authenticate",
        "Bearer error=\"insufficient_scope\", scope=\"openid profile\"",
    )];
    let refuse = async |_| Ok(Answer::new(403, &challenge));
    let called = simulation.run(tab.session.call("POST", TRANSFER, refuse));
    assert_eq!(answered(called), 403);
    let challenge = [(
        "WWW-Authenticate",
        "Bearer error=\"insufficient_scope\", scope=\"profile more\"",
    )];
    let refuse = async |_| Ok(Answer::new(403, &challenge));
    let called = simulation.run(tab.session.call("POST", TRANSFER, refuse));
    let scopes = ["profile", "more"].map(str::to_owned).to_vec();
    assert_eq!(demanded(called), StepUp::Scopes(scopes));
}

#[test]
fn nobody_signed_in_means_nothing_to_step_up_from() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.run(tab.session.restore());
    let stepped = simulation.run(tab.session.step_up(&gold(), waiting(), ReturnTo::default()));
    assert_eq!(stepped, Err(SessionError::SignedOut(None)));
    assert!(tab.state.went_to.borrow().is_empty());
}

#[test]
fn another_person_does_not_act_for_the_organisation_of_the_call() {
    for (subject, expected) in [("alice", Some("acme")), ("bob", None)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let acme = TokenExchange::organization("acme");
        simulation.run(tab.session.exchange(acme)).unwrap();
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back(&tab, subject);
        simulation.run(tab.session.complete(&query)).unwrap();
        let token = simulation.run(tab.token()).unwrap();
        let access = simulation.world.provider.access.borrow();
        assert_eq!(access[&token].grant.target.as_deref(), expected);
    }
}

#[test]
fn what_one_person_declined_is_asked_of_another() {
    for (subject, asks) in [("alice", false), ("bob", true)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back_with(&tab, "access_denied");
        simulation.run(tab.session.complete(&query)).unwrap();
        // A sign-in without user interaction finds the current user of the provider.
        let silent = SignIn {
            prompt: Some("none".to_owned()),
            ..SignIn::default()
        };
        let query = simulation.visit_provider_with(&tab, subject, &silent);
        simulation.run(tab.session.complete(&query)).unwrap();
        assert_eq!(asks_again(&mut simulation, &[&tab]), [asks]);
    }
}

#[test]
fn what_is_declined_when_another_person_is_there_is_not_theirs() {
    for (subject, theirs) in [("alice", true), ("bob", false)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back_with(&tab, "access_denied");
        let other = simulation.open();
        simulation.sign_in(&other, subject);
        assert_eq!(simulation.run(tab.session.complete(&query)).is_ok(), theirs);
        assert_eq!(tab.subject().as_deref(), Some(subject));
        assert_eq!(asks_again(&mut simulation, &[&tab]), [!theirs]);
        assert_eq!(tab.session.take_cancelled(|_| true).is_some(), theirs);
    }
}

#[test]
fn a_call_does_not_wait_while_another_person_comes_and_goes() {
    for (between, is_there) in [("alice", true), ("bob", false)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        let query = simulation.come_back(&tab, "alice");
        simulation.run(tab.session.complete(&query)).unwrap();
        let other = simulation.open();
        for subject in [between, "alice"] {
            simulation.sign_in(&other, subject);
            simulation.deliver(&[&tab]);
        }
        assert_eq!(tab.session.take_pending(|_| true).is_some(), is_there);
    }
}

#[test]
fn what_one_person_declines_while_another_signs_in_is_asked_of_that_one() {
    for turns in 0..24 {
        for reverse in [false, true] {
            let (mut simulation, tab) = signed_in();
            let wants = &simulation.world.api.wants_acr;
            wants.borrow_mut().insert("/api/transfer", "gold");
            let tab = leave(&mut simulation, tab);
            let cancelled = simulation.come_back_with(&tab, "access_denied");
            let other = simulation.open();
            let query = simulation.visit_provider(&other, "bob");
            let mut both = [(&tab, cancelled), (&other, query)];
            if reverse {
                both.reverse();
            }
            simulation.hurry = Some(turns);
            for (tab, query) in both {
                let session = tab.session.clone();
                simulation.start(async move { drop(session.complete(&query).await) });
            }
            simulation.settle();
            simulation.deliver(&[&tab]);
            assert_eq!(tab.subject().as_deref(), Some("bob"));
            assert_eq!(asks_again(&mut simulation, &[&tab]), [true], "after {turns} turns");
        }
    }
}

#[test]
fn a_provider_that_does_not_ask_again_is_made_to_the_next_time() {
    for auth_time in [json!(1_700_000_000), json!(0), json!(ABSENT), json!(null)] {
        let (mut simulation, tab) = signed_in();
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert("/api/transfer", "gold");
        let tab = leave(&mut simulation, tab);
        assert!(!tab.last_request().contains_key("prompt"));
        let query = simulation.come_back(&tab, "alice");
        let ignored = json!({ "auth_time": auth_time });
        simulation.world.provider.claims.replace(ignored);
        let landed = simulation.run(tab.session.complete(&query)).unwrap();
        assert_eq!(landed.return_to.as_str(), "/account?tab=2");
        assert_eq!(landed.cancelled, Some(StepUpFailure::NotAskedAgain), "{auth_time}");
        let cancelled = tab.session.take_cancelled(|call| call.url == TRANSFER);
        assert_eq!(cancelled, Some((waiting(), StepUpFailure::NotAskedAgain)));
        // The session is unchanged, and the new tokens are discarded.
        assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-1"));
        assert!(!simulation.world.provider.access.borrow().contains_key("access-2"));
        assert_eq!(simulation.world.provider.valid_refresh_tokens(), 1);

        // The next request has a parameter that the provider cannot ignore.
        simulation.world.provider.claims.replace(json!({}));
        simulation.settle();
        let reloaded = simulation.open();
        simulation.run(reloaded.session.restore());
        let tab = leave(&mut simulation, reloaded);
        assert_eq!(tab.last_request()["prompt"], "login");
        let query = simulation.come_back(&tab, "alice");
        let landed = simulation.run(tab.session.complete(&query)).unwrap();
        assert_eq!(landed.cancelled, None);
        assert_eq!(tab.session.take_pending(|_| true), Some(waiting()));
        assert_eq!(answered(simulation.run(tab.call("POST", TRANSFER, "100"))), 200);
    }
}

#[test]
fn a_user_who_wants_to_be_asked_again_is_told_that_the_provider_did_not() {
    let (mut simulation, tab) = signed_in();
    let options = SignIn {
        max_age: Some(60),
        ..SignIn::default()
    };
    let query = simulation.visit_provider_with(&tab, "alice", &options);
    let ignored = json!({ "auth_time": 1_700_000_000 });
    simulation.world.provider.claims.replace(ignored);
    let failure = simulation.run(tab.session.complete(&query)).unwrap_err();
    let says = failure.error.to_string();
    assert!(says.contains("`auth_time`"), "{says}");
    assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-1"));
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        1,
        "what came of it is revoked"
    );
}

#[test]
fn another_origin_has_the_user_asked_for_the_scopes_that_are_listed_for_it() {
    const API: &str = "https://api.example.com/transfer";
    for (listed, asks) in [
        (vec![], false),
        (vec!["orders"], false),
        (vec!["orders", "transfer"], true),
    ] {
        let mut simulation = Simulation::new();
        let mut client = simulation.world.provider.client();
        client.call_origins = vec![
            "https://api.example.com".to_owned(),
            "https://other.example.com".to_owned(),
        ];
        let scopes = listed.iter().map(|scope| (*scope).to_owned()).collect();
        client.step_up_scopes = [("https://api.example.com".to_owned(), scopes)].into();
        let tab = simulation.open_with(client);
        simulation.sign_in(&tab, "alice");
        let wants = &simulation.world.api.wants_scope;
        wants.borrow_mut().insert(".com/transfer", "transfer");
        let called = simulation.run(tab.call("POST", API, "100")).unwrap();
        assert_eq!(matches!(called, CallOutcome::StepUp(..)), asks, "{listed:?}");
        let other = "https://other.example.com/transfer";
        let called = simulation.run(tab.call("POST", other, "100")).unwrap();
        assert!(
            matches!(called, CallOutcome::Response(Answer { status: 403, .. })),
            "{called:?}"
        );
        // An authentication does not grant scopes.
        let wants = &simulation.world.api.wants_acr;
        wants.borrow_mut().insert(".com/transfer", "gold");
        demanded(simulation.run(tab.call("POST", other, "100")));
    }
}
