//! Any text as a configuration, and below the first line `---` any environment: no panic, a problem is told, what is secret is
//! not, and what is accepted is accepted again as it was shown.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use server::config::Config;

/// Stands for whatever nobody may read in a message.
const SECRET: &str = "sEcReT";

fn read(text: &str, environment: &[(String, String)]) -> Result<Config, String> {
    let environment = environment.to_vec();
    Config::read(Some(("pixygate.toml", text)), environment).map_err(|problems| problems.to_string())
}

fuzz_target!(|input: &str| {
    let (text, environment) = input.split_once("\n---\n").unwrap_or((input, ""));
    // A variable has one value.
    let mut environment: Vec<(String, String)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect();
    match read(text, &environment) {
        Err(problems) => assert!(!problems.is_empty()),
        Ok(config) => {
            assert!(!config.settings.is_empty());
            // The order of the environment is nobody's choice.
            environment.reverse();
            let again = read(text, &environment).expect("the same, in another order, is accepted");
            assert_eq!(again.settings, config.settings);
        }
    }
    // A secret that is set in a way that is refused, too.
    for name in ["PIXYGATE_STORE__URL", "PIXYGATE_TRUST__0__INTROSPECTION_CLIENT_SECRET"] {
        environment.push((name.to_owned(), SECRET.to_owned()));
    }
    let shown = match read(text, &environment) {
        Err(problems) => problems,
        Ok(config) => format!("{config:?}"),
    };
    assert!(input.contains(SECRET) || !shown.contains(SECRET), "{shown}");
});
