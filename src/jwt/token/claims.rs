//! Validates the claims of an access token whose signature was verified.

use serde_json::Value;

use super::{
    Rejection,
    json::{Json, Members},
    principal::{Claims, ValidatedToken},
    printable,
};
use crate::{Reason, jwt::Trust};

/// The last second of the year 9999. A later date is in the wrong unit.
const LAST_DATE: f64 = 253_402_300_799.0;

/// When a token is valid, in seconds since 1970, the leeway included.
pub(crate) struct Validity {
    pub(crate) from: f64,
    pub(crate) until: f64,
}

/// Validates the claims of an access token, in this order: times, tenant, subject, audience or client, required claims,
/// binding. Every other claim is optional: one that is `null`, empty or of another type is absent. `issuer` is the exact
/// `iss` or, under an alias, the configured issuer.
pub(crate) fn check(
    trust: &Trust,
    issuer: String,
    claims: &Members<'_>,
    now: f64,
) -> Result<(ValidatedToken, Validity), Rejection> {
    let validity = check_times(trust, claims, now)?;
    check_tenant(trust, &issuer, claims)?;
    let subject = subject(trust, claims)?.to_owned();
    let client_id = client(trust, claims);
    check_audience(trust, claims, client_id)?;
    check_required(trust, claims)?;
    let [key_thumbprint, certificate_thumbprint] = binding(claims)?;
    let token = ValidatedToken {
        subject,
        sub: text(claims, "sub").filter(|_| trust.subject_claim != "sub"),
        client_id: client_id.map(str::to_owned),
        scopes: scopes(trust, claims)?,
        roles: roles(trust, claims),
        name: name(claims),
        org_id: text(claims, "org_id").or_else(|| text(claims, "tid")),
        acr: text(claims, "acr"),
        auth_time: auth_time(claims, now + trust.leeway_seconds as f64),
        issued_at: optional_date(claims, "iat").map(|time| time as u64),
        expires_at: (validity.until - trust.leeway_seconds as f64) as u64,
        token_id: text(claims, "jti"),
        session_id: text(claims, "sid"),
        key_thumbprint,
        certificate_thumbprint,
        issuer,
        claims: Claims::default(),
        derived: std::sync::OnceLock::new(),
    };
    Ok((token, validity))
}

pub(crate) fn check_times(trust: &Trust, claims: &Members<'_>, now: f64) -> Result<Validity, Rejection> {
    let leeway = trust.leeway_seconds as f64;
    let expires = claims.get("exp").ok_or_else(|| missing("exp"))?;
    let expires = seconds("exp", expires)?;
    let until = expires + leeway;
    if now >= until {
        return Err(Rejection::new(Reason::Expired)
            .expected(format!("exp after {now:.0}, with {leeway} s of leeway"))
            .found(format!("exp {expires:.0}, {:.0} s ago", now - expires))
            .hint("refresh the token before the call; if that is done, compare the clocks (trust.leeway_seconds)"));
    }
    let from = check_start(trust, claims, now)?;
    Ok(Validity { from, until })
}

/// Checks `nbf` and, if it is readable, `iat`. Returns since when the token is valid, the leeway included.
pub(crate) fn check_start(trust: &Trust, claims: &Members<'_>, now: f64) -> Result<f64, Rejection> {
    let leeway = trust.leeway_seconds as f64;
    let mut from = f64::MIN;
    for (claim, date) in [("nbf", date(claims, "nbf")?), ("iat", optional_date(claims, "iat"))] {
        let Some(date) = date else {
            continue;
        };
        if date > now + leeway {
            return Err(Rejection::new(Reason::NotYetValid)
                .expected(format!("{claim} up to {now:.0}, with {leeway} s of leeway"))
                .found(format!("{claim} {date:.0}, {:.0} s ahead", date - now))
                .hint("compare the clocks of this machine and the provider (trust.leeway_seconds)"));
        }
        from = from.max(date - leeway);
    }
    Ok(from)
}

/// With tenants, `tid` must name the tenant in `iss`.
fn check_tenant(trust: &Trust, issuer: &str, claims: &Members<'_>) -> Result<(), Rejection> {
    if trust.tenants.is_empty() {
        return Ok(());
    }
    let tenant = required_text(claims, "tid")?;
    if trust.tenants.iter().any(|known| known == tenant) && trust.issuer.replace("{tenantid}", tenant) == issuer {
        return Ok(());
    }
    Err(invalid("tid", "the tenant in `iss`", tenant))
}

fn subject<'a>(trust: &Trust, claims: &'a Members<'_>) -> Result<&'a str, Rejection> {
    required_text(claims, &trust.subject_claim).map_err(|why| match trust.subject_claim.as_str() {
        "sub" if why.reason() == Reason::MissingClaim => why.hint(
            "let the provider put `sub` into access tokens (Keycloak: give the client the scope `basic`), \
             or name the claim that identifies the user in trust.subject_claim",
        ),
        _ => why,
    })
}

fn check_audience(trust: &Trust, claims: &Members<'_>, client: Option<&str>) -> Result<(), Rejection> {
    let audience: Vec<&str> = match claims.present("aud") {
        None => Vec::new(),
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several
            .iter()
            .map(|one| one.as_str().ok_or_else(|| invalid("aud", "strings", &one.to_string())))
            .collect::<Result<_, _>>()?,
        Some(other) => return Err(invalid("aud", "a string or an array of strings", &other.to_string())),
    };
    let for_us = audience.iter().any(|one| trust.audience.iter().any(|own| own == one));
    let from_our_client = client.is_some_and(|client| trust.client_ids.iter().any(|own| own == client));
    if for_us || from_our_client {
        return Ok(());
    }
    let found_client = client.map_or("no client".into(), |client| format!("client \"{}\"", printable(client)));
    let found = match audience.as_slice() {
        [] => format!("no aud, {found_client}"),
        several => format!("aud \"{}\", {found_client}", printable(&several.join("\", \""))),
    };
    Err(Rejection::new(Reason::AudienceMismatch)
        .expected(format!(
            "aud with one of {:?}, or a client of {:?}",
            trust.audience, trust.client_ids
        ))
        .found(found)
        .hint(audience_hint(trust, &audience, client)))
}

/// Never proposes an audience that tokens of every client have: it would open the gate to all of them.
fn audience_hint(trust: &Trust, audience: &[&str], client: Option<&str>) -> String {
    // `account` is in most tokens of a Keycloak realm; addresses of the issuer stand for its own user information.
    let shared = |one: &str| one == "account" || one.starts_with(trust.issuer.trim_end_matches('/'));
    let service = audience.iter().find(|one| !shared(one) && !one.is_empty());
    let client_ids = |client: &str| format!("client_ids = [\"{}\"]", printable(client));
    match (service, client) {
        (_, Some(client)) if trust.audience.iter().any(|own| own == client) => format!(
            "the token was issued to your own client, which its `aud` does not name: write {} in the [[trust]]",
            client_ids(client)
        ),
        (Some(service), _) => format!(
            "if the token is meant for this gate, add audience = [\"{}\"] to the [[trust]]",
            printable(service)
        ),
        (None, Some(client)) => format!(
            "let the provider put an audience of this service into access tokens; or, if that client is yours, \
             write {} in the [[trust]]",
            client_ids(client)
        ),
        (None, None) => {
            "let the provider put an audience into access tokens, or name the client in trust.client_ids".into()
        }
    }
}

fn check_required(trust: &Trust, claims: &Members<'_>) -> Result<(), Rejection> {
    for (claim, expected) in &trust.required_claims {
        let found = claims.present(claim).ok_or_else(|| missing(claim))?;
        if !has_value(found, expected) {
            return Err(invalid(claim, &expected.to_string(), &found.to_string())
                .hint(format!("trust.required_claims.{claim} says what is accepted")));
        }
    }
    Ok(())
}

/// Returns whether a claim has the value, or one of the values. A list has every value in it.
fn has_value(found: &Json<'_>, expected: &Value) -> bool {
    match (found, expected) {
        (found, Value::Array(several)) => several.iter().any(|one| has_value(found, one)),
        (Json::Array(all), one) => all.iter().any(|found| found.to_value() == *one),
        (found, one) => found.to_value() == *one,
    }
}

/// Returns the client of the first claim that is present. If that one is not text, the client is unknown: a claim after it
/// may name another.
fn client<'a>(trust: &Trust, claims: &'a Members<'_>) -> Option<&'a str> {
    let mut present = trust.client_claims.iter().filter_map(|claim| claims.present(claim));
    present.next()?.as_str()
}

/// Of a list only the strings count. A value of another type is rejected rather than read as "no scopes": the attack
/// matrix fixes that.
fn scopes(trust: &Trust, claims: &Members<'_>) -> Result<Vec<String>, Rejection> {
    let Some((name, value)) = [trust.scope_claim.as_str(), "scp"]
        .into_iter()
        .find_map(|name| Some((name, claims.present(name)?)))
    else {
        return Ok(Vec::new());
    };
    let texts: Vec<&str> = match value {
        Json::String(text) => vec![text],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        other => return Err(invalid(name, "a string or an array of strings", &other.to_string())),
    };
    let mut scopes: Vec<String> = Vec::new();
    for scope in texts
        .iter()
        .flat_map(|text| text.split(' '))
        .filter(|scope| !scope.is_empty())
    {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

/// A claim with exactly this name comes first: names like `https://acme.example/roles` contain dots.
fn roles(trust: &Trust, claims: &Members<'_>) -> Vec<String> {
    let found = claims.get(&trust.roles_claim).or_else(|| {
        let mut path = trust.roles_claim.split('.');
        let first = claims.get(path.next()?)?;
        path.try_fold(first, |value, name| match value {
            Json::Object(members) => members.get(name),
            _ => None,
        })
    });
    match found {
        Some(Json::String(one)) => vec![one.to_string()],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        // The member names are the roles.
        Some(Json::Object(members)) => members.names().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn name(claims: &Members<'_>) -> Option<String> {
    let parts = || {
        let names: Vec<_> = ["given_name", "family_name"]
            .into_iter()
            .filter_map(|claim| text(claims, claim))
            .collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    text(claims, "name").or_else(parts)
}

/// Returns the thumbprints of the key (RFC 9449, section 6) and the certificate (RFC 8705, section 3) that the token is bound to.
/// A binding that is not understood is rejected, because ignoring it would turn the token into a bearer token.
fn binding(claims: &Members<'_>) -> Result<[Option<Box<str>>; 2], Rejection> {
    let confirmation = match claims.get("cnf") {
        None | Some(Json::Null) => return Ok([None, None]),
        Some(Json::Object(confirmation)) => confirmation,
        Some(other) => return Err(invalid("cnf", "an object", &other.to_string())),
    };
    let thumbprint = |member: &str| match confirmation.get(member) {
        None => Ok(None),
        Some(Json::String(thumbprint)) if !thumbprint.is_empty() => Ok(Some((&**thumbprint).into())),
        Some(_) => Err(invalid("cnf", &format!("`{member}` as a thumbprint"), "another value")),
    };
    let both = [thumbprint("jkt")?, thumbprint("x5t#S256")?];
    if both == [None, None] {
        return Err(invalid("cnf", "`jkt` or `x5t#S256`", "another kind of binding"));
    }
    Ok(both)
}

/// Reads an optional `NumericDate`.
pub(crate) fn date(claims: &Members<'_>, claim: &str) -> Result<Option<f64>, Rejection> {
    claims.present(claim).map(|value| seconds(claim, value)).transpose()
}

/// Reads a `NumericDate`: a number, with or without a fraction, from 1970 to 9999.
fn seconds(claim: &str, value: &Json<'_>) -> Result<f64, Rejection> {
    match value {
        Json::Number(number) => match number.as_f64() {
            Some(date) if (0.0..=LAST_DATE).contains(&date) => Ok(date),
            _ => Err(invalid(claim, "seconds since 1970", &number.to_string())),
        },
        other => Err(invalid(claim, "a number: seconds since 1970", &other.to_string())),
    }
}

/// Reads a date that no check requires: a number, or one as text. Any other value is as absent.
fn optional_date(claims: &Members<'_>, claim: &str) -> Option<f64> {
    let date = match claims.present(claim)? {
        Json::String(digits) => digits.parse().ok()?,
        Json::Number(number) => number.as_f64()?,
        _ => return None,
    };
    (0.0..=LAST_DATE).contains(&date).then_some(date)
}

/// Returns when the user signed in. A date ahead is as absent: it would count as recent until it has passed.
fn auth_time(claims: &Members<'_>, latest: f64) -> Option<u64> {
    let date = optional_date(claims, "auth_time")?;
    (date <= latest).then_some(date as u64)
}

fn text(claims: &Members<'_>, claim: &str) -> Option<String> {
    claims.text(claim).map(str::to_owned)
}

/// Returns a claim that must be text and not empty.
pub(crate) fn required_text<'a>(claims: &'a Members<'_>, claim: &str) -> Result<&'a str, Rejection> {
    match claims.get(claim) {
        None | Some(Json::Null) => Err(missing(claim)),
        Some(Json::String(text)) if !text.is_empty() => Ok(text),
        Some(other) => Err(invalid(claim, "a string that is not empty", &other.to_string())),
    }
}

pub(crate) fn missing(claim: &str) -> Rejection {
    Rejection::new(Reason::MissingClaim)
        .expected(format!("`{}`", printable(claim)))
        .found("none")
        .hint("let the provider put the claim into access tokens")
}

pub(crate) fn invalid(claim: &str, expected: &str, found: &str) -> Rejection {
    Rejection::new(Reason::InvalidClaim)
        .expected(format!("`{}`: {expected}", printable(claim)))
        .found(printable(found))
}
