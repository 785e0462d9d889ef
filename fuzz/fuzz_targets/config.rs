//! Any text as a configuration: no panic, and a problem is told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use server::config::Config;

fuzz_target!(|text: &str| {
    if let Err(problems) = Config::read(Some(("pixygate.toml", text)), Vec::new()) {
        assert!(!problems.to_string().is_empty());
    }
});
