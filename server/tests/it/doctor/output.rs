//! What a user reads, and what a program does.

use serde_json::Value;
use server::doctor::{CHECKS, Options, Style, examine};

use super::world::{World, limits, read, report};
use crate::golden::golden;

/// The text with the addresses of this run taken out.
fn stable(world: &World, text: &str) -> String {
    let text = text
        .replace(&world.provider, "http://IDP")
        .replace(&world.public_url, "http://APP");
    text.replace(&world.provider.replace("http://", ""), "IDP")
}

#[tokio::test]
async fn the_report_is_its_golden_file() {
    let world = World::start().await;
    let right = world.configuration();
    let wrong = right.replace("/oauth2/token", "");
    let (right, wrong) = (report(&right).await, report(&wrong).await);
    golden(
        "doctor/golden/right.txt",
        &stable(&world, &right.text(Style::default())),
    );
    golden(
        "doctor/golden/wrong.txt",
        &stable(&world, &wrong.text(Style::default())),
    );
    let verbose = Style {
        verbose: true,
        ..Style::default()
    };
    let wrong_text = wrong.text(verbose);
    golden("doctor/golden/wrong-verbose.txt", &stable(&world, &wrong_text));
    golden("doctor/golden/wrong.json", &stable(&world, &wrong.json()));
    let json: Value = serde_json::from_str(&wrong.json()).unwrap();
    assert_eq!(
        (&json["faults"], &json["checks"].as_array().unwrap().len()),
        (&1.into(), &(CHECKS.len() - 5))
    );
    let colour = Style {
        colour: true,
        ..Style::default()
    };
    assert!(wrong.text(colour).contains("\u{1b}[31m✗\u{1b}[0m") && !wrong_text.contains('\u{1b}'));
}

#[tokio::test]
async fn one_check_is_made_with_those_that_it_needs() {
    let world = World::start().await;
    let made = async |text: &str, only: &str| {
        let options = Options {
            only: vec![only.to_owned()],
            limits: limits(),
            ..Options::default()
        };
        let report = examine("pixygate.toml", read(text), &options, &|_| {}).await;
        report.checks.iter().map(|record| record.check).collect::<Vec<_>>()
    };
    let right = world.configuration();
    assert_eq!(made(&right, "pkce").await, ["pkce"]);
    for check in CHECKS
        .iter()
        .filter(|check| !["upstream", "signed-in", "access-token"].contains(&check.id))
    {
        let found = made(&right, check.id).await;
        let expected = if check.id.starts_with("trust-") {
            &[][..]
        } else {
            &[check.id]
        };
        assert_eq!(found, expected, "{}", check.id);
    }
    // The cause is shown beside the check that could not be made.
    let wrong = right.replace("/oauth2/token", "");
    assert_eq!(made(&wrong, "pkce").await, ["discovery", "pkce"]);
}

#[test]
fn a_check_needs_checks_that_are_made_before_it() {
    for (position, check) in CHECKS.iter().enumerate() {
        for need in check.needs {
            assert!(
                CHECKS[..position].iter().any(|earlier| earlier.id == *need),
                "{} needs {need}",
                check.id
            );
        }
    }
}
