//! An idle session ends in all tabs, and each shows the reason.

use pixygate::session::{AuthState, SessionError, SignOutReason};

use crate::world::Simulation;

const IDLE: AuthState = AuthState::SignedOut(Some(SignOutReason::Idle));

#[test]
fn the_reason_reaches_all_tabs_and_the_next_page() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    assert_eq!(two.subject().as_deref(), Some("alice"));
    simulation.run(one.session.sign_out_idle());
    assert_eq!(one.session.state(), IDLE);
    let left_for = one.state.went_to.borrow().last().unwrap().clone();
    assert!(
        left_for.starts_with("https://idp.example/t/demo/oidc/logout?id_token_hint="),
        "{left_for}"
    );

    // The other tab is notified, or its own timer fires. It does not navigate, so its input stays.
    let before = two.state.went_to.borrow().len();
    simulation.run(two.session.sign_out_idle());
    assert_eq!(two.session.state(), IDLE);
    assert_eq!(two.state.went_to.borrow().len(), before);
    let error = simulation.run(two.token()).unwrap_err();
    assert_eq!(error, SessionError::SignedOut(Some(SignOutReason::Idle)));

    let next = simulation.open();
    simulation.run(next.session.restore());
    assert_eq!(next.session.state(), IDLE);
    // No token is stored, and the old ones are revoked.
    let kept = format!("{:?}", simulation.world.vault.borrow());
    assert!(
        !kept.contains("access-") && !kept.contains("refresh-") && kept.contains("Idle"),
        "{kept}"
    );
    let sent = simulation.world.provider.requests.borrow();
    assert!(
        sent.iter()
            .any(|form| form.get("token").is_some_and(|token| token.starts_with("refresh-"))),
        "{sent:?}"
    );
    drop(sent);

    simulation.sign_in(&next, "alice");
    simulation.deliver(&[&one, &two]);
    for tab in [&one, &two, &next] {
        assert_eq!(tab.subject().as_deref(), Some("alice"));
    }
}

#[test]
fn a_refresh_that_was_under_way_brings_nobody_back() {
    let mut simulation = Simulation::new();
    let (one, two) = (simulation.open(), simulation.open());
    simulation.sign_in(&one, "alice");
    simulation.deliver(&[&two]);
    simulation.pass(3600.0);
    simulation.world.answers_held_back.set(true);
    let session = two.session.clone();
    let refresh = simulation.start(async move { session.access_token().await.is_ok() });
    let session = one.session.clone();
    let end = simulation.start(async move { session.sign_out_idle().await });
    assert!(
        refresh.borrow().is_none() && end.borrow().is_none(),
        "both wait for the answer"
    );
    simulation.release();
    assert_eq!((*refresh.borrow(), *end.borrow()), (Some(true), Some(())));
    simulation.deliver(&[&one, &two]);
    assert_eq!((one.session.state(), two.session.state()), (IDLE, IDLE));
    // The tokens of the refresh are the ones that were revoked.
    let sent = simulation.world.provider.requests.borrow();
    assert!(
        sent.iter()
            .any(|form| form.get("token").is_some_and(|token| token == "refresh-2")),
        "{sent:?}"
    );
}
