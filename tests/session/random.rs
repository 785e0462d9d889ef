//! A thousand random lists of events, the same ones on every run, so that a failure is caused by the change under test.
//! Earlier failures are in `found`.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::happen::{Browser, Given, Step};
use crate::provider::Behaviour;

fn any_step() -> impl Strategy<Value = Step> {
    let tab = || 0..4_usize;
    let behaviour = prop_oneof![
        3 => Just(Behaviour::Normal),
        1 => Just(Behaviour::Unreachable),
        1 => Just(Behaviour::Withheld),
        1 => Just(Behaviour::Broken(500)),
        1 => Just(Behaviour::Busy(30)),
        1 => Just(Behaviour::Refuses("invalid_grant")),
        1 => Just(Behaviour::Refuses("server_error")),
    ];
    let sometimes = |step: fn(bool) -> Step| prop_oneof![1 => Just(step(true)), 2 => Just(step(false))];
    prop_oneof![
        4 => Just(Step::Open),
        2 => tab().prop_map(Step::Close),
        2 => tab().prop_map(Step::Reload),
        2 => tab().prop_map(Step::Freeze),
        2 => tab().prop_map(Step::Thaw),
        8 => prop_oneof![1..60_u32, 60..4000_u32].prop_map(Step::Pass),
        2 => (1..10_000_u32).prop_map(Step::Sleep),
        1 => prop_oneof![-4000..4000_i32, -90_000..90_000_i32].prop_map(Step::SetClock),
        2 => any::<bool>().prop_map(Step::Online),
        3 => behaviour.prop_map(Step::Behaviour),
        2 => any::<bool>().prop_map(|answers| Step::Hold { answers }),
        4 => Just(Step::Release),
        1 => sometimes(Step::StorageDenied),
        1 => sometimes(Step::StorageFull),
        1 => Just(Step::ClearStorage),
        6 => tab().prop_map(Step::SignIn),
        2 => tab().prop_map(Step::SignInAgain),
        2 => tab().prop_map(Step::SignInWindow),
        2 => (tab(), any::<bool>()).prop_map(|(tab, declines)| Step::SignInStronger(tab, declines)),
        1 => tab().prop_map(Step::Idle),
        1 => sometimes(Step::BadIdTokens),
        1 => tab().prop_map(Step::SignOut),
        1 => tab().prop_map(Step::SignOutHere),
        1 => Just(Step::EndAll),
        12 => tab().prop_map(Step::Call),
        4 => tab().prop_map(Step::GiveUp),
        4 => tab().prop_map(Step::RefreshAhead),
        2 => tab().prop_map(Step::Exchange),
        1 => tab().prop_map(Step::ExchangeBack),
        1 => any::<bool>().prop_map(Step::RefuseExchange),
        5 => tab().prop_map(Step::Deliver),
        2 => tab().prop_map(Step::Lose),
        2 => tab().prop_map(Step::Show),
        2 => Just(Step::Agree),
    ]
}

/// Events that change the session in one tab.
fn any_change() -> impl Strategy<Value = Step> {
    let tab = || 0..4_usize;
    prop_oneof![
        tab().prop_map(Step::SignIn),
        tab().prop_map(Step::SignInAgain),
        (tab(), any::<bool>()).prop_map(|(tab, declines)| Step::SignInStronger(tab, declines)),
        tab().prop_map(Step::Idle),
        tab().prop_map(Step::SignOut),
        tab().prop_map(Step::Exchange),
        tab().prop_map(Step::ExchangeBack),
        tab().prop_map(Step::RefreshAhead),
    ]
}

/// The response of a refresh arrives while another tab changes the session.
fn meanwhile() -> impl Strategy<Value = Vec<Step>> {
    (any_change(), any_change(), 0..24_u32).prop_map(|(before, change, turns)| {
        let answers = true;
        vec![
            before,
            Step::Open,
            Step::Agree,
            Step::Hold { answers },
            // The timers fire.
            Step::Pass(3590),
            Step::HoldNoMore,
            Step::Hurry(turns),
            change,
            Step::Release,
        ]
    })
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let some = prop_oneof![
        60 => any_step().prop_map(|step| vec![step]),
        1 => meanwhile(),
    ];
    prop::collection::vec(some, 1..80).prop_map(|steps| steps.concat())
}

/// A thousand cases, or as many random others as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .map(|cases| cases.parse().expect("PROPTEST_CASES is a number"));
    ProptestConfig {
        cases: asked.unwrap_or(1000),
        rng_seed: match asked {
            Some(_) => RngSeed::Random,
            None => RngSeed::Fixed(9449),
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens(
        steps in any_steps(),
        lifetime in prop_oneof![Just(10_u64), Just(300), Just(3600)],
        rotates in prop::bool::weighted(0.8),
        refresh_tokens in prop::bool::weighted(0.9),
        bound in prop::bool::weighted(0.3),
    ) {
        Browser::new(Given { lifetime, rotates, refresh_tokens, bound }).run(&steps);
    }
}
