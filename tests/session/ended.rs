//! Sessions that end: by the provider, by the user, in another tab, during other operations.

use pixygate::authorization::SignIn;
use pixygate::session::{AuthState, Event, Platform as _, Remedy, SessionError, SignOutReason};
use serde_json::json;

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation, token};

const ENDED: AuthState = AuthState::SignedOut(Some(SignOutReason::EndedByProvider));
const LEFT: AuthState = AuthState::SignedOut(Some(SignOutReason::SignedOut));
const HERE: AuthState = AuthState::SignedOut(Some(SignOutReason::SignedOutLocally));

/// Alice, in two tabs.
fn signed_in() -> (Simulation, OpenTab, OpenTab) {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    (simulation, one, two)
}

/// Alice, whose session the provider has ended; one tab knows.
fn ended() -> (Simulation, OpenTab, OpenTab) {
    let (mut simulation, one, two) = signed_in();
    simulation.world.provider.end_all();
    simulation.pass(3600.0);
    let error = simulation.run(one.token()).unwrap_err();
    assert_eq!(error, SessionError::SignedOut(Some(SignOutReason::EndedByProvider)));
    (simulation, one, two)
}

#[test]
fn the_reason_reaches_the_other_tabs_and_the_next_page() {
    let (mut simulation, one, two) = ended();
    assert_eq!(one.session.state(), ENDED);
    simulation.deliver(&[&two]);
    assert_eq!(two.session.state(), ENDED);
    simulation.close(one);
    simulation.close(two);
    let tab = simulation.open();
    simulation.run(tab.session.restore());
    assert_eq!(tab.session.state(), ENDED);
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn a_tab_that_heard_nothing_finds_it_at_its_next_call() {
    let (mut simulation, _one, two) = ended();
    assert_eq!(two.subject().as_deref(), Some("alice"));
    let error = simulation.run(two.token()).unwrap_err();
    assert_eq!(error, SessionError::SignedOut(Some(SignOutReason::EndedByProvider)));
    assert_eq!(
        simulation.world.provider.refreshes(),
        1,
        "the provider is not asked again"
    );
}

#[test]
fn a_reused_refresh_token_ends_the_session_in_all_tabs_with_the_reason() {
    let (mut simulation, one, two) = signed_in();
    // Another client has a copy of the refresh token, and uses it.
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "pixygate"),
        ("refresh_token", "refresh-1"),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let url = "https://idp.example/t/demo/oauth2/token";
    let stolen = simulation.world.provider.answer(url, form, None, 1_800_000_000.0);
    assert_eq!(stolen.status, 200);
    simulation.pass(3600.0);
    assert!(simulation.run(one.token()).is_err());
    simulation.deliver(&[&two]);
    assert_eq!(one.session.state(), ENDED);
    assert_eq!(two.session.state(), ENDED);
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        0,
        "the thief has nothing either"
    );
}

#[test]
fn the_provider_still_learns_who_signs_out() {
    let (mut simulation, one, two) = ended();
    simulation.close(one);
    simulation.close(two);
    let tab = simulation.open();
    simulation.run(tab.session.sign_out());
    assert!(tab.last_request()["id_token_hint"].starts_with("ey"));
    assert!(simulation.world.vault.borrow().is_empty());
    let revoked = |form: &std::collections::BTreeMap<String, String>| form.contains_key("token_type_hint");
    assert!(
        !simulation.world.provider.requests.borrow().iter().any(revoked),
        "there is nothing to revoke"
    );
}

#[test]
fn a_new_sign_in_replaces_what_is_left() {
    let (mut simulation, one, two) = ended();
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    for tab in [&one, &two] {
        assert_eq!(tab.subject().as_deref(), Some("alice"));
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    }
}

#[test]
fn a_sign_out_after_the_end_is_a_sign_out_everywhere() {
    let (mut simulation, one, two) = ended();
    simulation.deliver(&[&two]);
    simulation.run(one.session.sign_out_here());
    simulation.deliver(&[&two]);
    assert_eq!(one.session.state(), LEFT);
    assert!(matches!(two.session.state(), AuthState::SignedOut(_)));
    let next = simulation.open();
    simulation.run(next.session.restore());
    assert_eq!(
        next.session.state(),
        AuthState::SignedOut(None),
        "nothing is left of it"
    );
}

#[test]
fn without_a_refresh_token_the_reason_is_another() {
    let mut simulation = Simulation::new();
    simulation.world.provider.gives_refresh_tokens.set(false);
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    simulation.pass(3600.0);
    let expired = AuthState::SignedOut(Some(SignOutReason::Expired));
    assert!(simulation.run(one.token()).is_err());
    simulation.deliver(&[&two]);
    assert_eq!(one.session.state(), expired);
    assert_eq!(two.session.state(), expired);
}

/// One tab signs out while another waits for a response. The other one is not notified.
fn signed_out_meanwhile(behaviour: Behaviour, before_the_provider: bool) {
    let (mut simulation, one, two) = signed_in();
    simulation.pass(3600.0);
    let held = match before_the_provider {
        true => &simulation.world.held_back,
        false => &simulation.world.answers_held_back,
    };
    held.set(true);
    simulation.world.provider.behaviour.replace(behaviour);
    let session = two.session.clone();
    let outcome = simulation.start(async move { token(&session).await });
    assert!(outcome.borrow().is_none(), "it waits");
    simulation.world.held_back.set(false);
    simulation.world.answers_held_back.set(false);
    simulation.run(one.session.sign_out());
    two.state.has_message.set(false);
    simulation.release();
    assert!(outcome.take().unwrap().is_err());
    assert!(
        simulation.world.vault.borrow().is_empty(),
        "nothing brings the session back"
    );
    assert_eq!(two.session.state(), LEFT);
    simulation.deliver(&[&one]);
    assert!(one.subject().is_none());
}

#[test]
fn a_sign_out_wins_over_a_refresh_of_a_tab_that_hears_nothing() {
    for before_the_provider in [true, false] {
        signed_out_meanwhile(Behaviour::Normal, before_the_provider);
    }
}

#[test]
fn a_sign_out_wins_over_an_end_that_another_tab_hears_of_at_the_same_time() {
    let (mut simulation, one, two) = signed_in();
    simulation.pass(3600.0);
    simulation.world.provider.end_all();
    simulation.world.answers_held_back.set(true);
    let session = two.session.clone();
    let outcome = simulation.start(async move { token(&session).await });
    simulation.world.answers_held_back.set(false);
    simulation.run(one.session.sign_out());
    simulation.release();
    assert!(outcome.take().unwrap().is_err());
    assert!(simulation.world.vault.borrow().is_empty());
}

#[test]
fn a_sign_out_during_a_refresh_of_the_same_tab_leaves_no_token_behind() {
    for before_the_provider in [true, false] {
        let (mut simulation, one, _two) = signed_in();
        simulation.pass(3600.0);
        let held = match before_the_provider {
            true => &simulation.world.held_back,
            false => &simulation.world.answers_held_back,
        };
        held.set(true);
        let session = one.session.clone();
        let refreshed = simulation.start(async move { token(&session).await });
        let session = one.session.clone();
        let left = simulation.start(async move { session.sign_out().await });
        assert_eq!(one.session.state(), AuthState::SigningOut);
        simulation.release();
        assert!(left.take().is_some() && refreshed.take().is_some());
        let back = |event: &Event| matches!(event, Event::Changed(AuthState::SignedIn(_)));
        let events = one.state.events.take();
        assert_eq!(
            events.iter().filter(|event| back(event)).count(),
            1,
            "the sign-in, and nothing after it"
        );
        assert_eq!(
            simulation.world.provider.valid_refresh_tokens(),
            0,
            "nobody could use them any more"
        );
        assert!(simulation.world.vault.borrow().is_empty());
    }
}

#[test]
fn a_sign_out_during_a_refresh_holds_where_nothing_can_be_deleted() {
    for leaves in [true, false] {
        let (mut simulation, one, _two) = signed_in();
        simulation.pass(3600.0);
        simulation.world.answers_held_back.set(true);
        let session = one.session.clone();
        let refreshed = simulation.start(async move { token(&session).await });
        simulation.world.answers_held_back.set(false);
        simulation.world.storage_denied.set(true);
        if leaves {
            simulation.run(one.session.sign_out_here());
        }
        simulation.release();
        assert_eq!(refreshed.take().unwrap().is_err(), leaves);
        assert_eq!(one.session.state() == LEFT, leaves);
        assert_eq!(simulation.world.provider.valid_refresh_tokens() == 0, leaves);
    }
}

#[test]
fn a_page_that_comes_back_after_the_sign_out_shows_who_is_there_now() {
    let (mut simulation, one, two) = signed_in();
    simulation.run(one.session.sign_out());
    assert_eq!(one.session.state(), AuthState::SigningOut, "until it is left");
    simulation.run(one.session.sync());
    assert!(one.signed_out());
    simulation.run(one.session.sign_out());
    simulation.deliver(&[&two]);
    simulation.sign_in(&two, "bob");
    simulation.run(one.session.sync());
    assert_eq!(one.subject().as_deref(), Some("bob"));
}

#[test]
fn a_look_that_began_before_the_sign_out_does_not_bring_the_person_back() {
    let (mut simulation, one, two) = signed_in();
    simulation.run(two.session.end_exchange()).unwrap();
    // The page is notified, and at the same time the user signs out in it.
    let look = one.session.clone();
    simulation.run(futures::future::join(one.session.sign_out_here(), async move {
        for _ in 0..20 {
            look.sync().await;
        }
    }));
    assert_eq!(one.session.state(), LEFT);
    assert!(simulation.run(one.token()).is_err(), "no token is left in the page");
}

#[test]
fn a_look_that_began_before_the_sign_in_does_not_lose_it() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.run(tab.session.restore());
    let query = simulation.visit_provider(&tab, "alice");
    let look = tab.session.clone();
    let (landed, ()) = simulation.run(futures::future::join(tab.session.complete(&query), async move {
        for _ in 0..40 {
            look.sync().await;
        }
    }));
    landed.unwrap();
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    let signed_out = |event: &Event| matches!(event, Event::Changed(AuthState::SignedOut(Some(_))));
    assert!(!tab.state.events.borrow().iter().any(signed_out));
}

#[test]
fn signing_out_here_leaves_the_provider_alone() {
    let (mut simulation, one, two) = signed_in();
    let went_to = one.state.went_to.borrow().len();
    simulation.run(one.session.sign_out_here());
    simulation.deliver(&[&two]);
    assert_eq!(one.state.went_to.borrow().len(), went_to, "the page stays");
    assert_eq!((one.session.state(), two.session.state()), (LEFT, LEFT));
    assert_eq!(
        simulation.world.provider.valid_refresh_tokens(),
        0,
        "the tokens are revoked"
    );
    assert!(simulation.world.vault.borrow().is_empty());
}

#[test]
fn signing_out_works_without_a_provider_and_the_next_page_says_so() {
    let hang_up = |simulation: &Simulation| {
        simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    };
    for down in [hang_up, |simulation: &Simulation| simulation.world.offline.set(true)] {
        let (mut simulation, one, two) = signed_in();
        down(&simulation);
        simulation.run(one.session.sign_out());
        simulation.deliver(&[&two]);
        assert_eq!(one.state.went_to.borrow().last().unwrap(), "https://app.example/");
        assert_eq!((one.session.state(), two.session.state()), (HERE, HERE));
        simulation.close(one);
        simulation.close(two);
        let next = simulation.open();
        simulation.run(next.session.restore());
        assert_eq!(next.session.state(), HERE);
        assert!(simulation.run(next.token()).is_err());

        // It can be completed later.
        simulation.world.provider.behaviour.take();
        simulation.world.offline.set(false);
        simulation.run(next.session.sign_out());
        assert!(next.last_request()["id_token_hint"].starts_with("ey"));
        assert!(simulation.world.vault.borrow().is_empty());
    }
}

#[test]
fn what_the_next_page_is_told_is_not_lost_to_a_refresh_of_another_tab() {
    let (mut simulation, one, two) = signed_in();
    simulation.pass(3600.0);
    simulation.world.answers_held_back.set(true);
    let session = two.session.clone();
    let refreshed = simulation.start(async move { token(&session).await });
    simulation.world.answers_held_back.set(false);
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    let session = one.session.clone();
    simulation.start(async move { session.sign_out().await });
    simulation.release();
    assert!(refreshed.take().unwrap().is_err());
    let next = simulation.open();
    simulation.run(next.session.restore());
    simulation.deliver(&[&one, &two]);
    for tab in [&one, &two, &next] {
        let here = AuthState::SignedOut(Some(SignOutReason::SignedOutLocally));
        assert_eq!(tab.session.state(), here);
    }
}

#[test]
fn what_the_next_page_is_told_does_not_take_the_place_of_a_new_session() {
    let (mut simulation, one, two) = signed_in();
    simulation.world.held_back.set(true);
    let session = one.session.clone();
    let left = simulation.start(async move { session.sign_out().await });
    simulation.world.held_back.set(false);
    simulation.sign_in(&two, "bob");
    simulation.world.offline.set(true);
    simulation.release();
    assert!(left.take().is_some());
    simulation.deliver(&[&two]);
    assert_eq!(two.subject().as_deref(), Some("bob"));
}

#[test]
fn without_an_end_session_endpoint_the_next_page_knows_that_the_providers_session_goes_on() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.provider.end_session_endpoint = None;
    let tab = simulation.open_with(client.clone());
    simulation.sign_in(&tab, "alice");
    simulation.run(tab.session.sign_out());
    assert_eq!(tab.state.went_to.borrow().last().unwrap(), "https://app.example/");
    let next = simulation.open_with(client);
    simulation.run(next.session.restore());
    assert_eq!(next.session.state(), HERE);
}

#[test]
fn an_address_that_names_its_parameters_gets_those_and_no_others() {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    let template = "https://idp.example/logout?client_id={client_id}&logout_uri={post_logout_redirect_uri}";
    client.provider.end_session_endpoint = Some(template.to_owned());
    let client_id = client.client_id.clone();
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    simulation.run(tab.session.sign_out());
    let expected = format!("https://idp.example/logout?client_id={client_id}&logout_uri=https%3A%2F%2Fapp.example%2F");
    assert_eq!(tab.state.went_to.borrow().last().unwrap(), &expected);
}

const SESSIONS: &str = "https://idp.example/t/demo/sessions";

/// Requests the end of all sessions, which the provider grants to every valid token.
async fn sign_out_everywhere(tab: &OpenTab) -> Result<(), SessionError> {
    let world = &tab.session.platform().world;
    let ask = async |credentials| {
        tab.session.platform().responds(SESSIONS).await?;
        let now = world.wall.get() / 1000.0;
        let answer = world
            .api
            .answer(&world.provider, "DELETE", SESSIONS, "", &credentials, now);
        if answer.status == 200 {
            world.provider.end_all();
        }
        Ok(answer)
    };
    tab.session.sign_out_everywhere(ask).await
}

/// Alice, at a provider that ends all sessions of a user when asked to.
fn signed_in_where_all_can_end() -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    let mut client = simulation.world.provider.client();
    client.sessions_url = Some(SESSIONS.to_owned());
    let tab = simulation.open_with(client);
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

#[test]
fn a_sign_out_everywhere_ends_all_sessions_and_then_this_one() {
    let (mut simulation, tab) = signed_in_where_all_can_end();
    // With a fresh token, whatever the age of the current one.
    simulation.pass(3600.0);
    simulation.run(sign_out_everywhere(&tab)).unwrap();
    assert_eq!(simulation.world.api.seen.borrow().len(), 1);
    assert_eq!(simulation.world.provider.valid_refresh_tokens(), 0);
    let left_for = tab.state.went_to.borrow().last().unwrap().clone();
    assert!(left_for.starts_with("https://idp.example/t/demo/oidc/logout?id_token_hint="));
    assert!(simulation.world.vault.borrow().is_empty());
}

#[test]
fn a_sign_out_everywhere_that_is_refused_or_lost_changes_nothing() {
    let (mut simulation, tab) = signed_in_where_all_can_end();
    let api = &simulation.world.api;
    api.wants_scope.borrow_mut().insert("/t/demo/sessions", "sessions");
    let refused = Err(SessionError::SessionsNotEnded { status: 403 });
    assert_eq!(simulation.run(sign_out_everywhere(&tab)), refused);
    simulation.world.api.wants_scope.take();
    simulation.world.offline.set(true);
    let lost = simulation.run(sign_out_everywhere(&tab)).unwrap_err();
    assert_eq!(lost.remedy(), Remedy::TryAgain);
    simulation.world.offline.set(false);
    assert_eq!(tab.subject().as_deref(), Some("alice"));
    simulation.run(sign_out_everywhere(&tab)).unwrap();
}

#[test]
fn no_other_address_of_the_provider_gets_a_token_and_none_at_all_without_that_one() {
    let (mut simulation, tab) = signed_in_where_all_can_end();
    for url in [
        "https://idp.example/t/demo/other",
        "https://idp.example/t/demo/sessions?x=1",
    ] {
        let refused = simulation.run(tab.call("DELETE", url, "")).unwrap_err();
        assert_eq!(
            refused,
            SessionError::ForeignOrigin("https://idp.example".to_owned()),
            "{url}"
        );
    }
    simulation.run(tab.call("DELETE", SESSIONS, "")).unwrap();
    let (mut simulation, one, _) = signed_in();
    assert_eq!(
        simulation.run(sign_out_everywhere(&one)),
        Err(SessionError::NoSessionsUrl)
    );
    assert_eq!(one.subject().as_deref(), Some("alice"));
    assert!(simulation.world.api.seen.borrow().is_empty());
}

#[test]
fn who_is_stopped_on_the_way_out_is_signed_out_when_the_page_looks() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    simulation.run(tab.session.sign_out());
    assert_eq!(tab.session.state(), AuthState::SigningOut);
    simulation.run(tab.session.sync());
    assert_eq!(
        tab.session.state(),
        AuthState::SignedOut(Some(SignOutReason::SignedOut))
    );
}

#[test]
fn who_signs_out_in_a_tab_that_heard_nothing_leaves_no_token_behind() {
    let (mut simulation, one, two) = signed_in();
    simulation.pass(3600.0);
    // The other tab has refreshed, and the message is lost.
    simulation.run(two.token()).unwrap();
    simulation.run(one.session.sign_out_here());
    assert_eq!(simulation.world.provider.valid_refresh_tokens(), 0);
    assert!(!simulation.world.provider.access.borrow().contains_key("access-2"));
}

/// Servers limit the length of a request's first line.
#[test]
fn an_id_token_that_is_too_long_for_an_address_is_left_out_of_it() {
    for (length, hint) in [(100, true), (10_000, false)] {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        let long = json!({ "picture": "p".repeat(length) });
        simulation.world.provider.claims.replace(long);
        simulation.sign_in(&tab, "alice");

        let AuthState::SignedIn(user) = tab.session.state() else {
            panic!("signed in")
        };
        let options = SignIn {
            id_token_hint: Some(user.id_token().to_owned()),
            login_hint: Some("alice".to_owned()),
            ..SignIn::default()
        };
        simulation.run(tab.session.sign_in(&options)).unwrap();
        let request = tab.last_request();
        assert_eq!(request.contains_key("id_token_hint"), hint);
        assert_eq!(request["login_hint"], "alice");

        simulation.run(tab.session.sign_out());
        let request = tab.last_request();
        assert_eq!(request.contains_key("id_token_hint"), hint);
        assert_eq!(request["client_id"], "pixygate");
        assert_eq!(request["post_logout_redirect_uri"], "https://app.example/");
        assert!(tab.state.went_to.borrow().iter().all(|url| url.len() < 4096));
    }
}
