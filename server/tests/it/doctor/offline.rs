//! The configuration alone.

use server::doctor::{Options, Outcome, examine};
use server::findings::Severity;

use super::world::{assert_found, codes, limits, read};

async fn offline(text: &str) -> server::doctor::Report {
    let options = Options {
        offline: true,
        limits: limits(),
        ..Options::default()
    };
    examine("pixygate.toml", read(text), &options, &|_| {}).await
}

#[tokio::test]
async fn each_problem_of_the_file_is_a_finding_and_nothing_else_is_checked() {
    let report = offline("[server]\nlisten = \"nowhere\"\n[gate]\ntoken_cach = 1\n").await;
    assert_found("two problems", &report, &["PXG001"]);
    let places: Vec<_> = report.findings().map(|finding| finding.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "server.listen (pixygate.toml, line 2)",
            "gate.token_cach (pixygate.toml, line 4)"
        ]
    );
    let others = report.checks.iter().filter(|record| record.check != "config");
    assert!(
        others
            .map(|record| &record.outcome)
            .all(|outcome| matches!(outcome, Outcome::NotChecked { .. }))
    );

    let route = "[[gate.route]]\npath = \"/api/nothing\"\nscopes = [\"a\"]\n";
    assert_found("a route about nothing", &offline(route).await, &["PXG001"]);
}

#[tokio::test]
async fn a_provider_whose_tokens_nobody_accepts_is_found_without_the_network() {
    let provider = "[server]\npublic_url = \"https://shop.example\"\n[provider]\nissuer = \"https://idp.example\"\nclient_id = \"shop\"\n";
    let trust = |issuer: &str| format!("{provider}[[trust]]\nissuer = \"{issuer}\"\naudience = [\"shop\"]\n");
    for (text, expected) in [
        (provider.to_owned(), &[][..]),
        (trust("https://idp.example"), &[]),
        (trust("https://idp.example/"), &["PXG004"]),
    ] {
        let report = offline(&text).await;
        assert_found(&text, &report, expected);
        assert!(report.checks.iter().all(|record| record.section != "Network"));
    }
    assert_eq!(codes(&offline("").await, Severity::Note), ["PXG002"]);
}
