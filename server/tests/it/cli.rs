//! The command line.

use clap::Parser as _;
use server::cli::{Action, Command, CommandLine, Page, completions, effective, manual, routes};
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
fn every_command_has_a_manual_page_and_help_with_an_example() {
    use clap::{CommandFactory as _, ValueEnum as _};

    let whole = manual(None);
    assert!(whole.starts_with(".ie") || whole.contains(".TH pixygate 1"), "{whole}");
    let commands = CommandLine::command();
    let pages = Page::value_variants().iter();
    let pages: Vec<_> = pages
        .map(|page| (page.to_possible_value().unwrap(), manual(Some(*page))))
        .collect();
    for command in commands.get_subcommands() {
        let name = command.get_name();
        assert!(whole.contains(&format!("pixygate\\-{name}")), "{name}");
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains("Example"), "{name}: {help}");
        assert!(help.contains("pixygate"), "{name}: {help}");
        // These two print something for a program, and the whole page has all there is to say about them.
        if ["completions", "man"].contains(&name) {
            continue;
        }
        let (_, page) = pages.iter().find(|(page, _)| page.matches(name, false)).unwrap();
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            let option = option.replace('-', "\\-");
            assert!(page.contains(&option), "--{option} in the page of {name}:\n{page}");
        }
        assert!(page.contains(&format!("pixygate\\-{name}")), "{page}");
    }
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

#[test]
fn a_reader_that_wants_no_more_is_no_error() {
    let run = |stdout: std::process::Stdio| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_pixygate"));
        let folder = tempfile::tempdir().unwrap();
        program
            .args(["doctor", "--list"])
            .current_dir(folder.path())
            .stdout(stdout);
        program.output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = run(writer.into());
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    let output = run(std::process::Stdio::piped());
    assert!(output.status.success() && output.stdout.starts_with(b"config"));
}
