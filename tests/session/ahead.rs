//! Refreshes before the token expires.

use pixygate::session::{AuthState, Event, SessionError, SignOutReason};

use crate::provider::Behaviour;
use crate::world::{OpenTab, Simulation};

fn signed_in() -> (Simulation, OpenTab) {
    with_tokens_of(3600)
}

fn with_tokens_of(seconds: u64) -> (Simulation, OpenTab) {
    let mut simulation = Simulation::new();
    simulation.world.provider.expires_in.replace(seconds);
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    (simulation, tab)
}

/// Acts like the page for this many seconds: it wakes up at the time that it requested.
fn attend(simulation: &mut Simulation, tab: &OpenTab, seconds: f64) {
    let start = simulation.world.monotonic.get();
    let end = start + seconds * 1000.0;
    for woken in 0.. {
        assert!(f64::from(woken) <= 2.0 * seconds + 2.0, "it wakes up all the time");
        let now = simulation.world.monotonic.get();
        let next = tab.state.wakes_at.get().map_or(end, |at| at.max(now));
        if next >= end {
            return simulation.pass((end - now) / 1000.0);
        }
        simulation.pass((next - now) / 1000.0);
        simulation.run(tab.session.refresh_ahead());
    }
}

#[test]
fn it_is_due_before_a_call_would_have_to_wait() {
    for (lifetime, due) in [(3600, 3540.0), (300, 240.0), (10, 5.0)] {
        let (mut simulation, tab) = with_tokens_of(lifetime);
        assert_eq!(tab.session.refresh_due_in(), Some(due * 1000.0));
        assert_eq!(tab.state.wakes_in.get(), Some(due * 1000.0), "the page knows");

        simulation.pass(due - 1.0);
        simulation.run(tab.session.refresh_ahead());
        assert_eq!(simulation.world.provider.refreshes(), 0, "woken too early");
        assert_eq!(tab.state.wakes_in.get(), Some(1000.0));
        simulation.pass(1.0);
        simulation.run(tab.session.refresh_ahead());
        assert_eq!(simulation.world.provider.refreshes(), 1);
        assert_eq!(tab.state.wakes_in.get(), Some(due * 1000.0));
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    }
}

#[test]
fn with_a_page_that_is_used_no_call_waits_for_the_provider() {
    let (mut simulation, tab) = with_tokens_of(60);
    for _ in 0..100 {
        attend(&mut simulation, &tab, 7.0);
        let before = simulation.world.provider.refreshes();
        simulation.run(tab.token()).unwrap();
        assert_eq!(simulation.world.provider.refreshes(), before);
    }
    assert_eq!(simulation.world.provider.refreshes(), 23, "every thirty seconds");
}

#[test]
fn two_tabs_refresh_once() {
    let (mut simulation, one) = signed_in();
    let two = simulation.open();
    simulation.run(two.session.restore());
    simulation.pass(3540.0);
    let both = futures::future::join(one.session.refresh_ahead(), two.session.refresh_ahead());
    simulation.run(both);
    assert_eq!(simulation.world.provider.refreshes(), 1);
    for tab in [&one, &two] {
        assert_eq!(tab.state.wakes_in.get(), Some(3_540_000.0));
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    }
}

#[test]
fn a_failure_backs_off_and_is_tried_again_while_calls_go_on() {
    let (mut simulation, tab) = signed_in();
    simulation.world.provider.behaviour.replace(Behaviour::Unreachable);
    simulation.pass(3540.0);
    for pause in [1.0, 2.0, 4.0, 8.0] {
        simulation.run(tab.session.refresh_ahead());
        assert_eq!(tab.state.wakes_in.get(), Some(pause * 1000.0));
        let failed = |event: &Event| matches!(event, Event::RefreshFailed(SessionError::Network(_)));
        assert!(tab.state.events.take().iter().any(failed));
        assert_eq!(simulation.run(tab.token()).unwrap(), "access-1", "it is still good");
        simulation.pass(pause);
    }
    simulation.world.provider.behaviour.replace(Behaviour::Normal);
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(tab.state.wakes_in.get(), Some(3_540_000.0));
    assert_eq!(simulation.run(tab.token()).unwrap(), "access-2");
    assert!(tab.state.events.borrow().contains(&Event::Refreshed));
}

#[test]
fn the_provider_says_how_long_to_wait() {
    let (mut simulation, tab) = signed_in();
    simulation.world.provider.behaviour.replace(Behaviour::Busy(45));
    simulation.pass(3540.0);
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(tab.state.wakes_in.get(), Some(45_000.0));
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(simulation.world.provider.refreshes(), 1, "not at once again");
}

#[test]
fn after_a_sleep_it_is_due_at_once() {
    for (asleep, fresh) in [(1800.0, "access-1"), (3550.0, "access-2"), (100_000.0, "access-2")] {
        let (mut simulation, tab) = signed_in();
        simulation.sleep(asleep);
        // The timer was suspended as well, and fires when the page becomes visible.
        simulation.run(tab.session.sync());
        simulation.run(tab.session.refresh_ahead());
        assert_eq!(simulation.run(tab.token()).unwrap(), fresh);
        let left = if fresh == "access-1" { 3540.0 - asleep } else { 3540.0 };
        assert_eq!(tab.state.wakes_in.get(), Some(left * 1000.0));
    }
}

#[test]
fn nobody_signed_in_nothing_is_due() {
    let mut simulation = Simulation::new();
    let tab = simulation.open();
    simulation.run(tab.session.restore());
    assert_eq!(tab.session.refresh_due_in(), None);
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(tab.state.wakes_in.get(), None);

    simulation.sign_in(&tab, "alice");
    let two = simulation.open();
    simulation.run(two.session.restore());
    assert!(two.state.wakes_in.get().is_some());
    simulation.run(tab.session.sign_out());
    assert_eq!(tab.state.wakes_in.get(), None);
    simulation.deliver(&[&two]);
    simulation.pass(3600.0);
    simulation.run(two.session.refresh_ahead());
    assert_eq!(two.state.wakes_in.get(), None);
    assert_eq!(simulation.world.provider.refreshes(), 0);
}

#[test]
fn once_the_provider_has_ended_the_session_it_is_left_alone() {
    let (mut simulation, tab) = signed_in();
    simulation.world.provider.end_all();
    simulation.pass(3540.0);
    simulation.run(tab.session.refresh_ahead());
    assert!(tab.signed_out());
    assert_eq!(tab.state.wakes_in.get(), None);
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(simulation.world.provider.refreshes(), 1);
}

#[test]
fn tokens_that_hardly_live_make_no_loop() {
    for (lifetime, ahead) in [(1, 119), (0, 0)] {
        let (mut simulation, tab) = with_tokens_of(lifetime);
        attend(&mut simulation, &tab, 60.0);
        assert_eq!(
            simulation.world.provider.refreshes(),
            ahead,
            "with tokens of {lifetime} s"
        );
        // Each is valid for one call.
        simulation.pass(1.0);
        simulation.run(tab.token()).unwrap();
        assert_eq!(simulation.world.provider.refreshes(), ahead + 1);
    }
}

#[test]
fn a_tab_that_reads_the_session_knows_when_it_is_due() {
    let (mut simulation, _tab) = signed_in();
    simulation.pass(1000.0);
    let two = simulation.open();
    simulation.run(two.session.restore());
    assert_eq!(two.state.wakes_in.get(), Some(2_540_000.0));
}

#[test]
fn a_session_that_cannot_be_refreshed_ends_when_its_token_expires() {
    let mut simulation = Simulation::new();
    simulation.world.provider.gives_refresh_tokens.set(false);
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    assert_eq!(tab.state.wakes_in.get(), Some(3_600_000.0));
    simulation.pass(3599.0);
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(simulation.run(tab.token()).as_deref(), Ok("access-1"), "it is used up");
    simulation.pass(1.0);
    // There is no call, and no request.
    simulation.run(tab.session.refresh_ahead());
    assert_eq!(tab.session.state(), AuthState::SignedOut(Some(SignOutReason::Expired)));
    assert_eq!(simulation.world.provider.refreshes(), 0);

    // A page that is opened later has it from the start.
    let mut simulation = Simulation::new();
    simulation.world.provider.gives_refresh_tokens.set(false);
    let tab = simulation.open();
    simulation.sign_in(&tab, "alice");
    simulation.close(tab);
    simulation.pass(3700.0);
    let tab = simulation.open();
    simulation.run(tab.session.restore());
    assert_eq!(tab.state.wakes_in.get(), Some(0.0));
}
