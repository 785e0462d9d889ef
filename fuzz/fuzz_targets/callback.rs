//! Any query as an authorization response: no panic, and what is read has the `state` that it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pixygate::authorization::Callback;

fuzz_target!(|query: &str| {
    if let Ok(callback) = Callback::parse(query) {
        assert!(query.contains("state") || query.contains('%'), "{}", callback.state());
    }
});
