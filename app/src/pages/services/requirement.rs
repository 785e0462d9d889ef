//! The requirements of a route, in the page's language, and the way to meet each.

use leptos::prelude::*;

use crate::api::{Requirement, RequirementKind};
use crate::texts::services as text;

/// A requirement and whether it is met, in words.
pub(super) fn item(requirement: &Requirement) -> AnyView {
    let how = (!requirement.met).then(|| how(requirement.kind)).flatten();
    let state = if requirement.met { text::has() } else { text::lacks() };
    view! {
        <li data-met=requirement.met.to_string()>
            <span class="what">{words(requirement)}</span>
            " "
            <span class="has">{state}</span>
            {how.map(|how| view! { " " <span class="how">{how}</span> }.into_any())}
        </li>
    }
    .into_any()
}

/// The requirement as an object: "Requires: the scope orders:read".
fn words(requirement: &Requirement) -> String {
    let values = &requirement.values;
    let first = || values.first().map(String::as_str).unwrap_or_default();
    let all = || values.join(", ");
    match requirement.kind {
        RequirementKind::SignedIn => text::signed_in().to_owned(),
        RequirementKind::Scope => text::scope(first()),
        RequirementKind::AnyScope => text::any_scope(all()),
        RequirementKind::Role => text::role(first()),
        RequirementKind::AnyRole => text::any_role(all()),
        RequirementKind::Acr => text::acr(all()),
        RequirementKind::MaxAge => max_age(first()),
        RequirementKind::Claim => match values.split_first() {
            Some((name, others)) if !others.is_empty() => text::claim_of(name, others.join(", ")),
            _ => text::claim(first()),
        },
        RequirementKind::Dpop => text::dpop().to_owned(),
        RequirementKind::Administrator => text::administrator().to_owned(),
    }
}

fn max_age(seconds: &str) -> String {
    match seconds.parse::<u64>() {
        Ok(number) if number >= 120 && number.is_multiple_of(60) => text::max_age_minutes(number / 60),
        _ => text::max_age_seconds(seconds),
    }
}

fn how(kind: RequirementKind) -> Option<&'static str> {
    match kind {
        RequirementKind::SignedIn => None,
        RequirementKind::Scope | RequirementKind::AnyScope => Some(text::how_scope()),
        RequirementKind::Role | RequirementKind::AnyRole => Some(text::how_role()),
        RequirementKind::Acr | RequirementKind::MaxAge => Some(text::how_sign_in()),
        RequirementKind::Claim => Some(text::how_claim()),
        RequirementKind::Dpop => Some(text::how_dpop()),
        RequirementKind::Administrator => Some(text::how_administrator()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: RequirementKind, values: &[&str]) -> String {
        words(&Requirement {
            kind,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            text: String::new(),
            met: false,
            how: String::new(),
        })
    }

    #[test]
    fn a_requirement_names_its_values() {
        assert_eq!(of(RequirementKind::Scope, &["orders:read"]), "the scope orders:read");
        assert_eq!(
            of(RequirementKind::AnyRole, &["staff", "admins"]),
            "one of the roles staff, admins"
        );
        assert_eq!(
            of(RequirementKind::Claim, &["tier", "\"gold\""]),
            "the claim tier with the value \"gold\""
        );
        assert_eq!(of(RequirementKind::Claim, &["tier"]), "the claim tier");
    }

    #[test]
    fn a_long_time_is_in_minutes() {
        assert_eq!(of(RequirementKind::MaxAge, &["300"]), "a sign-in of the last 5 minutes");
        assert_eq!(of(RequirementKind::MaxAge, &["90"]), "a sign-in of the last 90 seconds");
        assert_eq!(
            of(RequirementKind::MaxAge, &["130"]),
            "a sign-in of the last 130 seconds"
        );
    }
}
