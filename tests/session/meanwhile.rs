//! One tab changes the session while another one refreshes, at each possible turn of both. The code names the lock that separates them;
//! without it, one of them would lose the state that the other has stored.

use pixygate::session::LocalFuture;

use crate::happen::Step::{self, *};
use crate::happen::{Browser, Given};
use crate::world::{OpenTab, Simulation};

/// More turns than any of them takes.
const TURNS: u32 = 24;

fn at_every_turn(change: &Step) {
    let answers = true;
    // The timers fire, and the first response is held.
    let refresh = [SignIn(0), Open, Open, Agree, Hold { answers }, Pass(3590), HoldNoMore];
    let release = Release;
    for turns in 0..TURNS {
        for (first, second) in [(change, &release), (&release, change)] {
            let given = Given {
                lifetime: 3600,
                rotates: true,
                refresh_tokens: true,
                bound: false,
            };
            let race = [Hurry(turns), first.clone(), second.clone()];
            Browser::new(given).run(&[&refresh[..], &race[..]].concat());
        }
    }
}

#[test]
fn a_person_signs_in() {
    at_every_turn(&SignIn(1));
    at_every_turn(&SignInAgain(1));
}

#[test]
fn a_call_asks_for_a_stronger_sign_in() {
    for declines in [false, true] {
        at_every_turn(&SignInStronger(1, declines));
    }
}

#[test]
fn nobody_seems_to_be_there() {
    at_every_turn(&Idle(1));
}

#[test]
fn the_person_signs_out() {
    at_every_turn(&SignOut(1));
    at_every_turn(&SignOutHere(1));
}

#[test]
fn the_person_acts_for_another_organisation_and_back() {
    at_every_turn(&Exchange(1));
    at_every_turn(&ExchangeBack(1));
}

#[test]
fn who_looks_while_somebody_signs_in_in_the_same_tab_does_not_go_back() {
    for turns in 0..TURNS {
        let mut simulation = Simulation::new();
        let tab = simulation.open();
        simulation.sign_in(&tab, "alice");
        let query = simulation.visit_provider(&tab, "bob");
        simulation.hurry = Some(turns);
        let session = tab.session.clone();
        simulation.start(async move { session.complete(&query).await.is_ok() });
        let session = tab.session.clone();
        simulation.start(async move { session.sync().await });
        simulation.settle();
        assert_eq!(tab.subject().as_deref(), Some("bob"));
        let states = tab.state.states.borrow();
        let people = states.iter().filter_map(|state| state.signed_in());
        let people: Vec<_> = people.map(|person| person.claims().sub.as_str()).collect();
        assert_eq!(people, ["alice", "bob"], "after {turns} turns");
    }
}

/// Starts two operations in two tabs that Alice is signed in to, the second one this many turns after the first.
fn at_once(
    begin: impl Fn(&mut Simulation, &OpenTab, &OpenTab) -> [LocalFuture<()>; 2],
    then: impl Fn(&mut Simulation, &OpenTab, &OpenTab),
) {
    for turns in 0..TURNS {
        for reverse in [false, true] {
            let mut simulation = Simulation::new();
            let (one, two) = (simulation.open(), simulation.open());
            simulation.sign_in(&one, "alice");
            simulation.deliver(&[&two]);
            let mut both = begin(&mut simulation, &one, &two);
            if reverse {
                both.reverse();
            }
            simulation.hurry = Some(turns);
            for future in both {
                simulation.start(future);
            }
            simulation.settle();
            then(&mut simulation, &one, &two);
        }
    }
}

/// The tab has tokens that could not be stored, and storage works again.
fn fall_behind(simulation: &mut Simulation, tab: &OpenTab) {
    simulation.world.storage_full.set(true);
    simulation.pass(3590.0);
    simulation.run(tab.token()).unwrap();
    assert!(!tab.session.is_stored());
    simulation.world.storage_full.set(false);
}

fn nothing_is_left(simulation: &mut Simulation, one: &OpenTab, two: &OpenTab) {
    assert!(!simulation.world.vault.borrow().contains_key("session"));
    simulation.deliver(&[one, two]);
    assert!(one.signed_out() && two.signed_out());
}

#[test]
fn a_sign_out_is_not_undone_by_a_tab_that_keeps_what_it_could_not() {
    at_once(
        |simulation, one, two| {
            fall_behind(simulation, one);
            let (one, two) = (one.session.clone(), two.session.clone());
            [
                Box::pin(async move { one.sync().await }),
                Box::pin(async move { two.sign_out_here().await }),
            ]
        },
        nothing_is_left,
    );
}

#[test]
fn a_sign_out_is_not_undone_by_a_tab_that_the_provider_tells_of_the_end() {
    at_once(
        |simulation, one, two| {
            simulation.world.provider.end_all();
            simulation.pass(3600.0);
            let (one, two) = (one.session.clone(), two.session.clone());
            [
                Box::pin(async move { drop(one.access_token().await) }),
                Box::pin(async move { two.sign_out_here().await }),
            ]
        },
        nothing_is_left,
    );
}

/// The session ended in this tab, which could not store that, and storage works again.
fn end_unkept(simulation: &mut Simulation, tab: &OpenTab) {
    simulation.world.storage_full.set(true);
    simulation.run(tab.session.sign_out_idle());
    assert!(tab.signed_out());
    simulation.world.storage_full.set(false);
}

#[test]
fn a_sign_in_is_not_undone_by_a_tab_that_keeps_what_it_could_not() {
    for could_not_keep in [fall_behind, end_unkept] {
        at_once(
            |simulation, one, two| {
                could_not_keep(simulation, one);
                let query = simulation.visit_provider(two, "bob");
                let (one, two) = (one.session.clone(), two.session.clone());
                [
                    Box::pin(async move { one.sync().await }),
                    Box::pin(async move { drop(two.complete(&query).await) }),
                ]
            },
            |simulation, one, two| {
                for _ in 0..2 {
                    simulation.deliver(&[one, two]);
                }
                for tab in [one, two] {
                    assert_eq!(tab.subject().as_deref(), Some("bob"));
                }
            },
        );
    }
}
