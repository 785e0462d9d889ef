//! Checks the requirements of a policy, one after the other.

use std::time::Duration;

use super::Policy;
use crate::{
    Reason, StepUp,
    gate::CallCheck,
    jwt::{Principal, Rejection, printable},
};

/// Checks everything but the rate.
pub(crate) fn check(policy: &Policy, principal: &Principal, now: f64) -> Result<(), Rejection> {
    check_scopes(policy, principal)?;
    check_roles(policy, principal)?;
    check_authentication(policy, principal, now)?;
    check_claims(policy, principal)
}

/// Does the same as [`check`], and returns the check that fails.
pub(crate) fn explain(policy: &Policy, principal: &Principal, now: f64) -> Result<(), (CallCheck, Rejection)> {
    let named = |check| move |rejection| (check, rejection);
    check_scopes(policy, principal).map_err(named(CallCheck::Scopes))?;
    check_roles(policy, principal).map_err(named(CallCheck::Roles))?;
    check_authentication(policy, principal, now).map_err(named(CallCheck::Authentication))?;
    check_claims(policy, principal).map_err(named(CallCheck::Claims))
}

fn check_scopes(policy: &Policy, principal: &Principal) -> Result<(), Rejection> {
    let missing: Vec<&String> = policy
        .scopes
        .iter()
        .filter(|scope| !principal.has_scope(scope))
        .collect();
    let unmet = policy
        .any_scopes
        .iter()
        .find(|any| !any.iter().any(|scope| principal.has_scope(scope)));
    if missing.is_empty() && unmet.is_none() {
        return Ok(());
    }
    let mut needed = policy.scopes.clone();
    // One of them is enough, so the challenge names the first alone.
    needed.extend(unmet.and_then(|any| any.first()).cloned());
    let expected = match unmet {
        Some(any) if missing.is_empty() => format!("one of the scopes {}", any.join(" ")),
        _ => format!("the scopes {}", policy.scopes.join(" ")),
    };
    Err(Rejection::new(Reason::InsufficientScope)
        .expected(expected)
        .found(match principal.scopes() {
            [] => "no `scope`".to_owned(),
            granted => format!("the scopes \"{}\"", printable(&granted.join(" "))),
        })
        .hint("ask for the scope when signing in (provider.scopes), and grant it at the provider")
        .stepping_up(StepUp::Scopes(needed)))
}

fn check_roles(policy: &Policy, principal: &Principal) -> Result<(), Rejection> {
    let has_all = policy.roles.iter().all(|role| principal.has_role(role));
    let has_any = policy
        .any_roles
        .iter()
        .all(|any| any.iter().any(|role| principal.has_role(role)));
    if has_all && has_any {
        return Ok(());
    }
    let mut expected: Vec<String> = policy.roles.iter().map(|role| format!("{role:?}")).collect();
    expected.extend(policy.any_roles.iter().map(|any| format!("one of {any:?}")));
    Err(Rejection::new(Reason::InsufficientScope)
        .expected(format!("the roles {}", expected.join(", ")))
        .found(match principal.roles() {
            [] => "no roles".to_owned(),
            given => format!("the roles \"{}\"", printable(&given.join("\", \""))),
        })
        .hint("give the user the role at the provider; trust.roles_claim names the claim that holds roles"))
}

/// Checks how and when the user signed in (RFC 9470).
fn check_authentication(policy: &Policy, principal: &Principal, now: f64) -> Result<(), Rejection> {
    let accepted = policy.acr.as_deref().unwrap_or_default();
    let strong = policy.acr.is_none() || principal.acr().is_some_and(|acr| accepted.iter().any(|one| one == acr));
    let age = principal.auth_time().map(|time| now - time as f64);
    let recent = policy
        .max_age
        .is_none_or(|most| age.is_some_and(|age| age <= most.as_secs_f64()));
    if strong && recent {
        return Ok(());
    }
    let max_age = policy.max_age.as_ref().map(Duration::as_secs);
    let mut expected = Vec::new();
    let mut found = Vec::new();
    if !strong {
        expected.push(format!("acr of {accepted:?}"));
        found.push(format!(
            "acr {}",
            principal
                .acr()
                .map_or("none".into(), |acr| format!("\"{}\"", printable(acr)))
        ));
    }
    if let Some(most) = max_age.filter(|_| !recent) {
        expected.push(format!("auth_time within {most} s"));
        found.push(age.map_or("no auth_time that has passed".into(), |age| {
            format!("auth_time {age:.0} s ago")
        }));
    }
    Err(Rejection::new(Reason::InsufficientUserAuthentication)
        .expected(expected.join(", "))
        .found(found.join(", "))
        .hint("sign in again with what the challenge names; the provider must put acr and auth_time into access tokens")
        .stepping_up(StepUp::Authentication {
            acr_values: accepted.to_vec(),
            max_age,
        }))
}

fn check_claims(policy: &Policy, principal: &Principal) -> Result<(), Rejection> {
    for (name, values) in &policy.claims {
        let found = principal.claim(name).filter(|value| !value.is_null());
        let fits = |found: &serde_json::Value| {
            values
                .iter()
                .any(|value| found == value || found.as_array().is_some_and(|all| all.contains(value)))
        };
        if !found.is_some_and(fits) {
            return Err(Rejection::new(Reason::InsufficientScope)
                .expected(format!("`{name}` with one of {values:?}"))
                .found(found.map_or(format!("no `{name}`"), |value| printable(&value.to_string())))
                .hint("the route's policy requires the claim; let the provider put it into access tokens"));
        }
    }
    Ok(())
}
