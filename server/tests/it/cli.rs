//! The command line.

use clap::Parser as _;
use server::cli::{Action, Command, CommandLine, completions, effective, routes};
use server::config::Config;

fn parse(words: &[&str]) -> Result<Action, clap::Error> {
    let words = ["pixygate"].iter().chain(words);
    CommandLine::try_parse_from(words).map(CommandLine::action)
}

#[test]
fn a_word_is_a_command_or_an_error() {
    assert_eq!(parse(&[]).unwrap(), Action::Command(Command::Serve));
    assert_eq!(parse(&["serve"]).unwrap(), Action::Command(Command::Serve));
    assert_eq!(parse(&["config"]).unwrap(), Action::Command(Command::Config));
    for (words, said) in [
        (&["--help"][..], "PIXYGATE_CONFIG"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let shown = parse(words).unwrap_err();
        assert_eq!(shown.exit_code(), 0);
        assert!(shown.to_string().contains(said), "{shown}");
    }
    assert!(matches!(parse(&["doctor"]).unwrap(), Action::Tool(_)));
    for wrong in [
        &["server"][..],
        &["serve", "--port=1"],
        &["--port"],
        &["completions", "x"],
    ] {
        assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
    assert!(completions(clap_complete::Shell::Bash).contains("completions"));
}

#[test]
fn routes_has_upstreams_with_their_targets() {
    let text = "[[upstream]]\nname = \"orders\"\ntargets = [\"http://one:1\", \"http://two:2\"]\n\
                [[upstream.route]]\nmethods = [\"GET\"]\npath = \"/**\"\nscopes = [\"orders:read\"]\ndescription = \"read them\"\n";
    let config = crate::config::read(text).unwrap();
    let text = routes(&server::start::policies(&config).unwrap(), &config);
    let line = text.lines().find(|line| line.contains("/gw/orders/**")).unwrap();
    for part in [
        "GET",
        "scope orders:read",
        "→ orders http://one:1/ http://two:2/",
        "# read them",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn routes_has_functions_pages_and_the_rule_for_the_rest() {
    let text = routes(&app::api::policies(), &crate::house::config(""));
    for (path, policy) in [
        ("/api/whoami", "signed in"),
        ("/api/profile", "scope profile"),
        ("/healthz", "public"),
        ("/backchannel-logout", "public"),
        ("/callback", "page"),
        ("/api/**", "denied"),
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
