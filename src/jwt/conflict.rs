//! Two issuers that should be one: what was found, what was meant, where they differ, and the line that mends it.

use super::{Rejection, Trust, printable};
use crate::Reason;

/// Longer ones are compared up to here; the comparison is quadratic.
const COMPARED: usize = 256;

/// A token's `iss` that no trust accepts.
pub(crate) fn not_trusted(found: &str, trusts: &[Trust]) -> Rejection {
    let rejection = Rejection::new(Reason::IssuerNotTrusted);
    let Some((trust, nearest)) = nearest(found, trusts) else {
        return rejection.found(printable(found));
    };
    let rejection = rejection.expected(format!("iss {nearest:?}")).found(format!(
        "iss \"{}\" ({})",
        printable(found),
        difference(&nearest, found)
    ));
    if !related(&nearest, found) {
        return rejection.mend(
            "if this is a provider of yours, add a [[trust]] with this issuer; otherwise the token is not for this gate",
        );
    }
    rejection.mend(lines(&trust.issuer, found))
}

/// The lines of the configuration of which one mends it.
pub(crate) fn lines(configured: &str, found: &str) -> String {
    let found = printable(found);
    format!(
        "if this is your provider, write in the [[trust]] of {configured:?}: issuer = \"{found}\" when its tokens always say so, \
         or aliases = [\"{found}\"] when they say both"
    )
}

/// Where two issuers part, in words.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    if found.trim_end_matches('/') == expected.trim_end_matches('/') {
        let (with, without) = if found.len() > expected.len() {
            ("found", "expected")
        } else {
            ("expected", "found")
        };
        return format!("the {with} one ends with a slash, the {without} one does not");
    }
    if found.eq_ignore_ascii_case(expected) {
        return "upper and lower case differ".into();
    }
    let (found_scheme, found_rest) = found.split_once("://").unwrap_or(("", found));
    let (expected_scheme, expected_rest) = expected.split_once("://").unwrap_or(("", expected));
    if found_scheme != expected_scheme && found_rest == expected_rest {
        return format!(
            "the scheme differs: expected {expected_scheme:?}, found \"{}\"",
            printable(found_scheme)
        );
    }
    if let Some(missing) = expected.strip_prefix(found.trim_end_matches('/')) {
        return format!("the found one lacks {missing:?} at its end");
    }
    if let Some(extra) = found.strip_prefix(expected.trim_end_matches('/')) {
        return format!("the found one has \"{}\" at its end", printable(extra));
    }
    let (found_host, _) = found_rest.split_once('/').unwrap_or((found_rest, ""));
    let (expected_host, _) = expected_rest.split_once('/').unwrap_or((expected_rest, ""));
    if found_host != expected_host {
        return format!(
            "the host differs: expected {expected_host:?}, found \"{}\"",
            printable(found_host)
        );
    }
    let same = expected
        .chars()
        .zip(found.chars())
        .take_while(|(one, other)| one == other)
        .count();
    format!("they differ from character {} on", same + 1)
}

/// The accepted issuer that looks most like it.
fn nearest<'a>(found: &str, trusts: &'a [Trust]) -> Option<(&'a Trust, String)> {
    trusts
        .iter()
        .flat_map(|trust| trust.accepted_issuers().into_iter().map(move |issuer| (trust, issuer)))
        .min_by_key(|(_, issuer)| (!related(issuer, found), distance(issuer, found)))
}

/// Whether one may be meant with the other: they share the host, or differ in little.
fn related(one: &str, other: &str) -> bool {
    let host = |issuer: &str| {
        let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    host(one) == host(other) || distance(one, other) <= one.chars().count() / 4
}

/// How many characters must change to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(COMPARED).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, left) in one.chars().take(COMPARED).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in other.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_ENDPOINT: &str = "https://login.example.com/t/acme/oauth2/token";

    #[test]
    fn the_base_url_in_place_of_the_token_endpoint_is_named_with_the_line_to_write() {
        let trusts = [Trust::new("https://login.example/"), Trust::new(TOKEN_ENDPOINT)];
        let found = "https://login.example.com/t/acme";
        let rejection = not_trusted(found, &trusts);
        assert_eq!(rejection.detail().expected, format!("iss {TOKEN_ENDPOINT:?}"));
        assert!(
            rejection.detail().found.contains("lacks \"/oauth2/token\""),
            "{}",
            rejection.detail().found
        );
        assert!(rejection.detail().mend.contains(&format!("aliases = [\"{found}\"]")));
        assert!(rejection.detail().mend.contains(&format!("issuer = \"{found}\"")));
    }

    #[test]
    fn differences_are_named() {
        for (expected, found, words) in [
            (
                "https://a.example/",
                "https://a.example",
                "expected one ends with a slash",
            ),
            ("https://a.example", "https://a.example/", "found one ends with a slash"),
            ("https://a.example/T", "https://a.example/t", "upper and lower case"),
            ("https://a.example", "http://a.example", "scheme"),
            ("https://a.example", "https://b.example", "host"),
            ("https://a.example/t", "https://a.example:8443/t", "host"),
            ("https://a.example/t/one", "https://a.example/t/two", "character 21"),
        ] {
            assert!(
                difference(expected, found).contains(words),
                "{}",
                difference(expected, found)
            );
        }
    }

    #[test]
    fn a_stranger_is_not_proposed_as_an_alias() {
        let rejection = not_trusted("https://evil.example/x\n", &[Trust::new(TOKEN_ENDPOINT)]);
        assert!(!rejection.detail().mend.contains("aliases"));
        assert!(rejection.detail().found.contains(r"\n"));
    }
}
