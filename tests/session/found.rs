//! Failures that random events found, each with its shortest list of events. See `random`.

use crate::happen::Step::{self, *};
use crate::happen::{Browser, Given};
use crate::provider::Behaviour::Broken;

const GIVEN: Given = Given {
    lifetime: 10,
    rotates: true,
    refresh_tokens: true,
    bound: false,
};

fn replay(given: Given, steps: &[Step]) {
    Browser::new(given).run(steps);
}

#[test]
fn a_clock_set_forward_throws_no_new_tokens_away() {
    replay(GIVEN, &[SignIn(0), SetClock(857), Call(0), Pass(2713)]);
}

#[test]
fn an_answer_that_is_read_after_a_sleep_is_not_used_as_it_is() {
    let answers = true;
    replay(GIVEN, &[SignIn(0), Hold { answers }, Pass(270), Call(0), Pass(300)]);
}

#[test]
fn what_could_not_be_kept_once_is_still_ended_by_the_other_tabs() {
    replay(GIVEN, &[SignIn(0), StorageFull(true), Exchange(0), Open, ClearStorage]);
}

#[test]
fn what_could_not_be_kept_is_kept_later() {
    let answers = true;
    let steps = [
        Open,
        Hold { answers },
        SignIn(0),
        StorageFull(true),
        Release,
        SignOutHere(0),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn what_could_not_be_kept_does_not_go_before_what_another_tab_kept_since() {
    let answers = false;
    let steps = [
        Open,
        Open,
        Open,
        SignIn(0),
        StorageFull(true),
        Hold { answers },
        ExchangeBack(1),
        Reload(2),
        Online(true),
        Pass(240),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn a_tab_on_the_way_out_uses_no_old_refresh_token() {
    let answers = false;
    let steps = [
        SignIn(0),
        Hold { answers },
        Pass(270),
        Close(0),
        Open,
        Call(2),
        Open,
        Call(3),
        Pass(1),
        SignOut(1),
        StorageDenied(true),
        Call(0),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn who_closes_the_page_while_it_signs_out_is_signed_out() {
    let answers = true;
    let given = Given {
        refresh_tokens: false,
        ..GIVEN
    };
    replay(
        given,
        &[SignIn(0), Hold { answers }, SignOut(0), Close(0), Online(false)],
    );
}

#[test]
fn a_page_opened_after_the_clock_was_set_back_knows_the_age_of_the_token() {
    let given = Given {
        refresh_tokens: false,
        ..GIVEN
    };
    let steps = [
        SignIn(0),
        Open,
        SetClock(1746),
        SetClock(-2421),
        Online(false),
        Open,
        Pass(675),
    ];
    replay(given, &steps);
}

#[test]
fn a_tab_that_read_the_session_counts_by_its_own_clock() {
    let given = Given {
        lifetime: 3600,
        refresh_tokens: false,
        ..GIVEN
    };
    let steps = [
        Open,
        Open,
        Open,
        SignIn(0),
        Freeze(3),
        SetClock(-143),
        Online(true),
        Pass(3600),
    ];
    replay(given, &steps);
}

#[test]
fn a_tab_that_could_not_read_who_is_signed_in_ends_nobody_elses_session() {
    let answers = false;
    let steps = [
        Open,
        Open,
        SignIn(0),
        SignIn(0),
        EndAll,
        Hold { answers },
        StorageDenied(true),
        Pass(5),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn tokens_gone_back_to_are_as_old_as_they_are() {
    let given = Given {
        lifetime: 3600,
        rotates: false,
        ..GIVEN
    };
    let steps = [
        SignIn(0),
        SetClock(3540),
        RefreshAhead(0),
        SetClock(-1008),
        Pass(1627),
        Exchange(0),
        Pass(1973),
        ExchangeBack(0),
        Open,
        ExchangeBack(0),
    ];
    replay(given, &steps);
}

#[test]
fn a_tab_that_could_not_read_what_another_did_goes_on_from_it() {
    let answers = false;
    let steps = [
        Open,
        SignIn(0),
        Open,
        Exchange(2),
        Hold { answers },
        StorageDenied(true),
        Pass(3540),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn a_token_of_another_tab_that_is_refused_as_well_is_replaced() {
    let answers = true;
    let given = Given {
        lifetime: 300,
        rotates: false,
        ..GIVEN
    };
    let steps = [
        Open,
        SignIn(0),
        Sleep(216),
        Call(0),
        Hold { answers },
        SignIn(0),
        Pass(54),
        Sleep(300),
        SignIn(2),
        SetClock(-85),
        Call(0),
        RefreshAhead(1),
    ];
    replay(given, &steps);
}

#[test]
fn who_arrives_last_is_the_one_whose_session_it_is() {
    let answers = true;
    let given = Given {
        rotates: false,
        ..GIVEN
    };
    let steps = [
        Open,
        Open,
        Open,
        SignIn(0),
        Thaw(1),
        Hold { answers },
        SignIn(2),
        Reload(0),
        Pass(8),
        EndAll,
        SignIn(0),
        RefuseExchange(false),
    ];
    replay(given, &steps);
}

#[test]
fn a_sign_in_whose_key_is_gone_is_over() {
    let answers = true;
    let given = Given {
        refresh_tokens: false,
        bound: true,
        ..GIVEN
    };
    let steps = [
        Hold { answers },
        SignIn(0),
        Sleep(1),
        Behaviour(Broken(500)),
        SignOut(0),
        SetClock(0),
    ];
    replay(given, &steps);
    replay(
        given,
        &[Hold { answers }, SignIn(0), StorageFull(true), SignOut(0), Release],
    );
}

#[test]
fn the_time_of_a_proof_is_asked_for_when_no_clock_of_the_device_tells_it() {
    let given = Given {
        rotates: false,
        bound: true,
        ..GIVEN
    };
    let steps = [SignIn(0), Online(false), Open, Pass(270), Sleep(60), SetClock(60)];
    replay(given, &steps);
}

#[test]
fn the_end_of_a_session_of_before_does_not_end_one_that_lives_in_memory() {
    let steps = [SignIn(0), Idle(0), StorageDenied(true), SignInWindow(0)];
    for bound in [false, true] {
        replay(Given { bound, ..GIVEN }, &steps);
    }
}

#[test]
fn a_session_in_memory_is_kept_with_the_key_that_another_tab_deleted() {
    let given = Given {
        bound: true,
        rotates: false,
        refresh_tokens: false,
        ..GIVEN
    };
    let steps = [
        Open,
        SignIn(0),
        Open,
        StorageFull(true),
        Exchange(3),
        SignOut(1),
        SignInWindow(0),
        Call(0),
    ];
    replay(given, &steps);
}

#[test]
fn a_session_that_was_kept_before_two_in_memory_does_not_come_back() {
    let steps = [
        SignIn(0),
        StorageDenied(true),
        SignInWindow(0),
        SignInWindow(0),
        StorageDenied(false),
        Show(0),
    ];
    replay(GIVEN, &steps);
}

#[test]
fn who_signs_out_of_a_session_in_memory_leaves_the_one_before_it_as_well() {
    let steps = [
        SignIn(0),
        StorageDenied(true),
        SignInWindow(0),
        SignOutHere(0),
        StorageDenied(false),
        Show(0),
    ];
    replay(GIVEN, &steps);
}
