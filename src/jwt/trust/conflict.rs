//! Explains an `iss` that no trust accepts: the trusted issuer it resembles, where they differ, and the line that fixes it.

use super::Trust;
use crate::{
    Reason,
    jwt::{Rejection, printable},
};

/// How many characters are compared. The comparison is quadratic, and an unsigned token is enough to cause it.
const COMPARED: usize = 64;
/// How many trusted issuers are compared, however many there are.
const CANDIDATES: usize = 8;
/// How many characters of an issuer are used for the lookup.
const LOOKED_UP: usize = 256;

/// Every accepted issuer, sorted so that similar ones are neighbours.
pub(crate) struct KnownIssuers(Vec<KnownIssuer>);

struct KnownIssuer {
    /// Without the scheme, in lower case.
    sort_key: String,
    issuer: String,
    /// The `issuer` of its trust.
    configured: String,
}

impl KnownIssuers {
    pub(crate) fn new(trusts: &[Trust]) -> Self {
        let mut all: Vec<KnownIssuer> = trusts
            .iter()
            .flat_map(|trust| trust.accepted_issuers().into_iter().map(move |issuer| (trust, issuer)))
            .map(|(trust, issuer)| KnownIssuer {
                sort_key: sort_key(&issuer),
                issuer,
                configured: trust.issuer.clone(),
            })
            .collect();
        all.sort_by(|one, other| one.sort_key.cmp(&other.sort_key));
        Self(all)
    }

    /// Rejects an `iss` that no trust accepts.
    pub(crate) fn not_trusted(&self, found: &str) -> Rejection {
        let rejection = Rejection::new(Reason::IssuerNotTrusted);
        let compared = self.candidates(found).iter().map(|one| {
            let distance = distance(&one.issuer, found);
            (one, is_related(&one.issuer, found, distance), distance)
        });
        let Some((nearest, related, _)) = compared.min_by_key(|(_, related, distance)| (!related, *distance)) else {
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
        rejection.hint(hint(&nearest.configured, found))
    }

    /// Returns the neighbours in sort order: they share the longest prefix, and the host before anything else.
    fn candidates(&self, found: &str) -> &[KnownIssuer] {
        let found = sort_key(found);
        let place = self.0.partition_point(|one| one.sort_key < found);
        let from = place.saturating_sub(CANDIDATES / 2);
        let until = (from + CANDIDATES).min(self.0.len());
        &self.0[until.saturating_sub(CANDIDATES)..until]
    }
}

fn sort_key(issuer: &str) -> String {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.chars().take(LOOKED_UP).collect::<String>().to_ascii_lowercase()
}

/// Returns the lines of the configuration, one of which fixes the conflict.
fn hint(configured: &str, found: &str) -> String {
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

/// Describes where two issuers differ.
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

/// Returns whether one may be a misspelling of the other: they share the host, or differ in few characters.
fn is_related(one: &str, other: &str, distance: usize) -> bool {
    let host = |issuer: &str| {
        let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        rest.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
    };
    host(one) == host(other) || distance <= one.chars().count() / 4
}

/// Returns the Levenshtein distance, with [`COMPARED`] as the bound of the comparison.
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
    fn the_base_url_instead_of_the_token_endpoint_gets_the_line_to_write() {
        let trusts = [Trust::new("https://login.example/"), Trust::new(TOKEN_ENDPOINT)];
        let found = "https://login.example.com/t/acme";
        let rejection = KnownIssuers::new(&trusts).not_trusted(found);
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
    fn an_unrelated_issuer_is_not_proposed_as_an_alias() {
        let rejection = KnownIssuers::new(&[Trust::new(TOKEN_ENDPOINT)]).not_trusted("https://evil.example/x\n");
        assert!(!rejection.detail().hint.contains("aliases"));
        assert!(rejection.detail().found.contains(r"\n"));
    }

    #[test]
    fn an_unlisted_tenant_is_proposed_as_a_tenant() {
        let mut trust = Trust::new("https://login.example/{tenantid}/v2.0");
        trust.tenants = vec!["t1".into()];
        let rejection = KnownIssuers::new(&[trust]).not_trusted("https://login.example/t2/v2.0");
        assert_eq!(rejection.detail().expected, "iss \"https://login.example/t1/v2.0\"");
        let hint = &rejection.detail().hint;
        assert!(
            hint.contains("add it to `tenants`") && !hint.contains("aliases"),
            "{hint}"
        );
    }

    /// Anybody can send an unsigned token, so its cost must not grow with the number of trusted issuers.
    #[test]
    fn of_thousands_of_issuers_a_few_are_compared_and_the_similar_one_is_among_them() {
        for tenants in [1, 7, 8, 9, 300, 3000] {
            let issuer = |number: usize| format!("https://login.example/{number:05}/v2.0");
            let trusts: Vec<_> = (0..tenants).map(|number| Trust::new(issuer(number))).collect();
            let known = KnownIssuers::new(&trusts);
            for found in [
                "",
                "a",
                "https://zzz.example/",
                &"x".repeat(8000),
                "https://login.example/",
            ] {
                assert_eq!(known.candidates(found).len(), tenants.min(CANDIDATES), "{found:.30}");
            }
            for meant in [0, tenants / 2, tenants - 1] {
                let meant = issuer(meant);
                for found in [
                    meant.replace("https", "http"),
                    meant.to_uppercase(),
                    meant.replace("/v2.0", ""),
                    format!("{meant}/"),
                ] {
                    let rejection = known.not_trusted(&found);
                    assert_eq!(rejection.detail().expected, format!("iss {meant:?}"), "{found}");
                    assert!(rejection.detail().hint.contains("aliases"), "{found}");
                }
            }
        }
    }

    #[test]
    fn the_distance_counts_changed_and_added_characters() {
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
