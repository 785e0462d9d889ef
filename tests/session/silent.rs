//! `prompt=none`: asks the provider whether the user is signed in there, without showing a page.

use pixygate::authorization::{CallbackError, ReturnTo, SignIn};
use pixygate::session::{AuthState, SessionError};

use crate::world::{OpenTab, Simulation};

fn silently(simulation: &mut Simulation, tab: &OpenTab, prompt: &str) {
    let options = SignIn {
        prompt: Some(prompt.to_owned()),
        return_to: ReturnTo::parse("/account"),
        ..SignIn::default()
    };
    simulation.run(tab.session.sign_in(&options)).unwrap();
    assert_eq!(tab.last_request()["prompt"], prompt);
}

#[test]
fn who_is_signed_in_there_is_signed_in_here() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    silently(&mut simulation, &tab, "none");
    let query = simulation.come_back(&tab, "alice");
    let landing = simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(landing.return_to.as_str(), "/account");
    assert_eq!(tab.subject().as_deref(), Some("alice"));
}

#[test]
fn who_is_not_lands_where_they_were_and_nothing_failed() {
    for error in [
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
    ] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        silently(&mut simulation, &tab, "none");
        let query = simulation.come_back_with(&tab, error);
        let landing = simulation.run(tab.session.complete(&query)).unwrap();
        assert_eq!(landing.return_to.as_str(), "/account");
        assert_eq!(tab.session.state(), AuthState::SignedOut(None));
    }
}

#[test]
fn other_errors_and_other_prompts_are_failures() {
    for (prompt, error) in [("none", "server_error"), ("login", "login_required")] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        silently(&mut simulation, &tab, prompt);
        let query = simulation.come_back_with(&tab, error);
        let failure = simulation.run(tab.session.complete(&query)).unwrap_err();
        assert!(matches!(
            failure.error,
            SessionError::Callback(CallbackError::Provider { error: found, .. }) if found == error
        ));
        assert_eq!(
            failure.return_to.as_str(),
            "/account",
            "to go there when they start again"
        );
    }
}

#[test]
fn an_answer_of_another_issuer_is_no_answer() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    silently(&mut simulation, &tab, "none");
    let query = simulation
        .come_back_with(&tab, "login_required")
        .replace("idp.example", "evil.example");
    let failure = simulation.run(tab.session.complete(&query)).unwrap_err();
    assert!(matches!(
        failure.error,
        SessionError::Callback(CallbackError::IssuerMismatch { .. })
    ));
}

#[test]
fn a_session_that_is_there_stays() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    silently(&mut simulation, &tab, "none");
    let query = simulation.come_back_with(&tab, "login_required");
    simulation.run(tab.session.complete(&query)).unwrap();
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-1");
}

#[test]
fn who_was_refused_is_not_sent_again_until_a_sign_in_succeeds() {
    let mut simulation = Simulation::new();
    let mut tab = simulation.open();
    let options = SignIn {
        prompt: Some("none".to_owned()),
        ..SignIn::default()
    };
    for round in 0..3 {
        silently(&mut simulation, &tab, "none");
        let query = simulation.come_back_with(&tab, "login_required");
        simulation.run(tab.session.complete(&query)).unwrap();
        let went_to = tab.state.went_to.borrow().len();
        for _ in 0..3 {
            let again = simulation.run(tab.session.sign_in(&options));
            assert_eq!(again, Err(SessionError::InteractionRequired));
        }
        assert_eq!(tab.state.went_to.borrow().len(), went_to);
        // A reload does not reset it.
        simulation.close(tab);
        tab = simulation.open();
        let again = simulation.run(tab.session.sign_in(&options));
        assert_eq!(again, Err(SessionError::InteractionRequired), "round {round}");

        simulation.sign_in(&tab, "alice");
    }
    // An ID token in the address may be longer than the provider's server accepts.
    silently(&mut simulation, &tab, "none");
    assert!(!tab.last_request().contains_key("id_token_hint"));
}

#[test]
fn a_refusal_is_forgotten_after_ten_minutes() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    let options = SignIn {
        prompt: Some("none".to_owned()),
        ..SignIn::default()
    };
    silently(&mut simulation, &tab, "none");
    let query = simulation.come_back_with(&tab, "login_required");
    simulation.run(tab.session.complete(&query)).unwrap();
    simulation.pass(599.0);
    let again = simulation.run(tab.session.sign_in(&options));
    assert_eq!(again, Err(SessionError::InteractionRequired));
    simulation.pass(2.0);
    assert_eq!(simulation.run(tab.session.sign_in(&options)), Ok(()));
}
