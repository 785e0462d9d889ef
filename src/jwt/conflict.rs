//! Two issuers that should be one: what was found, what was meant, where they differ, and the line that fixes it.

use super::{Rejection, Trust, printable};
use crate::Reason;

/// What differs is compared up to here; the comparison is quadratic, and anybody can ask for it with an unsigned token.
const COMPARED: usize = 64;
/// So many accepted issuers are compared, however many there are.
const CANDIDATES: usize = 8;
/// An issuer is looked up by so many of its first characters.
const LOOKED_UP: usize = 256;

/// Every accepted issuer, in an order in which those that are alike stand together.
pub(crate) struct Accepted(Vec<One>);

struct One {
    /// Host first, without the scheme, in lower case.
    order: String,
    issuer: String,
    /// As its trust writes it.
    configured: String,
}

impl Accepted {
    pub(crate) fn new(trusts: &[Trust]) -> Self {
        let mut all: Vec<One> = trusts
            .iter()
            .flat_map(|trust| trust.accepted_issuers().into_iter().map(move |issuer| (trust, issuer)))
            .map(|(trust, issuer)| One {
                order: order(&issuer),
                issuer,
                configured: trust.issuer.clone(),
            })
            .collect();
        all.sort_by(|one, other| one.order.cmp(&other.order));
        Self(all)
    }

    /// A token's `iss` that no trust accepts.
    pub(crate) fn not_trusted(&self, found: &str) -> Rejection {
        let rejection = Rejection::new(Reason::IssuerNotTrusted);
        let judged = self.candidates(found).iter().map(|one| {
            let distance = distance(&one.issuer, found);
            (one, is_related(&one.issuer, found, distance), distance)
        });
        let Some((nearest, related, _)) = judged.min_by_key(|(_, related, distance)| (!related, *distance)) else {
            return rejection.found(printable(found));
        };
        let rejection = rejection.expected(format!("iss {:?}", nearest.issuer)).found(format!(
            "iss \"{}\" ({})",
            printable(found),
            difference(&nearest.issuer, found)
        ));
        if !related {
            return rejection.hint(
                "if this is a provider of yours, add a [[trust]] with this issuer; otherwise the token is not for this gate",
            );
        }
        rejection.hint(lines(&nearest.configured, found))
    }

    /// The few that may be meant: in their order the neighbours share the longest beginning, the host before all.
    fn candidates(&self, found: &str) -> &[One] {
        let found = order(found);
        let place = self.0.partition_point(|one| one.order < found);
        let from = place.saturating_sub(CANDIDATES / 2);
        let until = (from + CANDIDATES).min(self.0.len());
        &self.0[until.saturating_sub(CANDIDATES)..until]
    }
}

fn order(issuer: &str) -> String {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.chars().take(LOOKED_UP).collect::<String>().to_ascii_lowercase()
}

/// The lines of the configuration of which one fixes it.
pub(crate) fn lines(configured: &str, found: &str) -> String {
    let found = printable(found);
    if configured.contains("{tenantid}") {
        return format!(
            "if this is a tenant of yours, add it to `tenants` in the [[trust]] of {configured:?}; an `iss` of another form \
             needs a [[trust]] of its own"
        );
    }
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

/// Whether one may be meant with the other: they share the host, or differ in little.
fn is_related(one: &str, other: &str, distance: usize) -> bool {
    let host = |issuer: &str| {
        let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    host(one) == host(other) || distance <= one.chars().count() / 4
}

/// How many characters must change to make one of the other (Levenshtein), as far as they are compared.
fn distance(one: &str, other: &str) -> usize {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    let same = same.count();
    let rest = |text: &str| text.chars().skip(same).take(COMPARED).collect::<Vec<_>>();
    let (one_rest, other_rest) = (rest(one), rest(other));
    let mut row: Vec<usize> = (0..=other_rest.len()).collect();
    for (i, left) in one_rest.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in other_rest.iter().enumerate() {
            let changed = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other_rest.len()].max(one.chars().count().abs_diff(other.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN_ENDPOINT: &str = "https://login.example.com/t/acme/oauth2/token";

    #[test]
    fn the_base_url_in_place_of_the_token_endpoint_is_named_with_the_line_to_write() {
        let trusts = [Trust::new("https://login.example/"), Trust::new(TOKEN_ENDPOINT)];
        let found = "https://login.example.com/t/acme";
        let rejection = Accepted::new(&trusts).not_trusted(found);
        assert_eq!(rejection.detail().expected, format!("iss {TOKEN_ENDPOINT:?}"));
        assert!(
            rejection.detail().found.contains("lacks \"/oauth2/token\""),
            "{}",
            rejection.detail().found
        );
        assert!(rejection.detail().hint.contains(&format!("aliases = [\"{found}\"]")));
        assert!(rejection.detail().hint.contains(&format!("issuer = \"{found}\"")));
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
        let rejection = Accepted::new(&[Trust::new(TOKEN_ENDPOINT)]).not_trusted("https://evil.example/x\n");
        assert!(!rejection.detail().hint.contains("aliases"));
        assert!(rejection.detail().found.contains(r"\n"));
    }

    #[test]
    fn a_tenant_that_is_not_listed_is_proposed_as_a_tenant() {
        let mut trust = Trust::new("https://login.example/{tenantid}/v2.0");
        trust.tenants = vec!["t1".into()];
        let rejection = Accepted::new(&[trust]).not_trusted("https://login.example/t2/v2.0");
        assert_eq!(rejection.detail().expected, "iss \"https://login.example/t1/v2.0\"");
        let hint = &rejection.detail().hint;
        assert!(
            hint.contains("add it to `tenants`") && !hint.contains("aliases"),
            "{hint}"
        );
    }

    /// Anybody can send an unsigned token, so what it costs must not grow with what is configured.
    #[test]
    fn of_thousands_of_tenants_a_few_are_compared_and_the_one_that_is_meant_is_among_them() {
        for tenants in [1, 7, 8, 9, 300, 3000] {
            let issuer = |number: usize| format!("https://login.example/{number:05}/v2.0");
            let trusts: Vec<_> = (0..tenants).map(|number| Trust::new(issuer(number))).collect();
            let accepted = Accepted::new(&trusts);
            for found in [
                "",
                "a",
                "https://zzz.example/",
                &"x".repeat(8000),
                "https://login.example/",
            ] {
                assert_eq!(accepted.candidates(found).len(), tenants.min(CANDIDATES), "{found:.30}");
            }
            for meant in [0, tenants / 2, tenants - 1] {
                let meant = issuer(meant);
                for found in [
                    meant.replace("https", "http"),
                    meant.to_uppercase(),
                    meant.replace("/v2.0", ""),
                    format!("{meant}/"),
                ] {
                    let rejection = accepted.not_trusted(&found);
                    assert_eq!(rejection.detail().expected, format!("iss {meant:?}"), "{found}");
                    assert!(rejection.detail().hint.contains("aliases"), "{found}");
                }
            }
        }
    }

    #[test]
    fn the_distance_counts_what_differs_and_what_is_longer() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "ab", 1),
            ("kitten", "sitting", 3),
            ("a", &"a".repeat(8000), 7999),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other:.10}");
            assert_eq!(distance(other, one), expected, "{one} {other:.10}");
        }
    }
}
