//! The command line.

use server::cli::{Command, effective, routes};
use server::config::Config;

fn parse(words: &[&str]) -> Result<Command, String> {
    Command::parse(words.iter().map(|word| (*word).to_owned()))
}

#[test]
fn a_word_is_a_command_or_an_error() {
    assert_eq!(parse(&[]), Ok(Command::Serve));
    assert_eq!(parse(&["serve"]), Ok(Command::Serve));
    assert_eq!(parse(&["config"]), Ok(Command::Config));
    assert_eq!(parse(&["--help"]), Ok(Command::Help));
    for wrong in [&["server"][..], &["serve", "--port=1"], &["--port"]] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn routes_has_functions_pages_and_the_rule_for_the_rest() {
    let text = routes(&app::api::policies());
    for (path, policy) in [
        ("/api/whoami", "signed in"),
        ("/api/profile", "scope profile"),
        ("/healthz", "public"),
        ("/backchannel-logout", "public"),
        ("/callback", "page"),
        ("/api/**", "refused"),
    ] {
        assert!(
            text.lines().any(|line| line.contains(path) && line.contains(policy)),
            "{path} {policy} in\n{text}"
        );
    }
}

#[test]
fn config_says_where_each_value_came_from() {
    let file = "[server]\nlisten = \"127.0.0.1:4000\"\n";
    let variables = [("PIXYGATE_GATE__EXPLAIN".to_owned(), "true".to_owned())];
    let text = effective(&Config::read(Some(("pixygate.toml", file)), variables).unwrap());
    for (value, origin) in [
        ("server.listen = \"127.0.0.1:4000\"", "# pixygate.toml, line 2"),
        ("gate.explain = true", "# PIXYGATE_GATE__EXPLAIN"),
        ("store.url = ", "# default"),
    ] {
        assert!(
            text.lines().any(|line| line.contains(value) && line.contains(origin)),
            "{value} {origin} in\n{text}"
        );
    }
}
