//! Any text as a path: what passes has no dot segments, no empty ones, no separators in disguise, no control characters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pixygate::gate::{policy::Pattern, request::RequestPath};

fuzz_target!(|input: (&str, &str)| {
    let (raw, pattern) = input;
    let path = RequestPath::parse(raw);
    if let Ok(path) = &path {
        let decoded = path.as_str();
        assert!(decoded.starts_with('/') && !decoded.contains("//"));
        assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
        assert!(!decoded.contains(|character: char| character.is_control() || matches!(character, '\\' | ';' | '?' | '#' | '%')));
    }
    if let (Ok(path), Ok(pattern)) = (path, pattern.parse::<Pattern>()) {
        pattern.matches(path.as_str());
    }
});
