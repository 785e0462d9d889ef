//! The provider's keys: that they are there, and what the gate makes of each.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::jwt::{Fetch as _, FetchRequest, Trust, printable};
use serde_json::Value;
use url::Url;

use super::examined_key::ExaminedKey;
use super::run::Checked;
use super::target::{Target, not_fetched};
use crate::findings::{Code, Finding};

pub(super) async fn jwks(target: &Target<'_>, trust: &Trust, url: &Url) -> Checked<Vec<u8>> {
    match target.fetch.fetch(FetchRequest::get(url, trust)).await {
        Ok(set) => Checked::passed(set, url.to_string()),
        Err(error) => {
            Checked::failed(not_fetched(&error, Code::NoKeySet).expected(format!("the keys of {}", trust.issuer)))
        }
    }
}

pub(super) fn keys(trust: &Trust, location: &str, set: &[u8]) -> Checked<()> {
    let keys = match ExaminedKey::read(set, trust) {
        Ok(keys) => keys,
        Err(why) => {
            return Checked::failed(
                Finding::new(Code::NotKeySet)
                    .expected("JSON with an array `keys`")
                    .found(format!("{location}: {why}")),
            );
        }
    };
    let mut findings: Vec<_> = keys.iter().filter_map(left_out).collect();
    findings.extend(duplicates(&keys));
    if keys.iter().all(|key| key.verdict.is_err()) {
        let names: Vec<_> = trust.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let found = match keys.as_slice() {
            [] => "an empty set".to_owned(),
            keys => keys
                .iter()
                .filter_map(|key| key.verdict.as_ref().err().cloned())
                .collect::<Vec<_>>()
                .join("; "),
        };
        let none = Finding::new(Code::NoUsableKey)
            .expected(format!("a key for {}", names.join(", ")))
            .found(found);
        // Why each was left out is in the one finding already.
        findings.retain(|finding| finding.code == Code::PrivateKey);
        return Checked::failed(none).and(findings);
    }
    let described = keys.iter().filter_map(|key| {
        let algorithms = key.verdict.as_ref().ok()?;
        let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
        Some(format!("{} ({})", name(key), algorithms.join(" ")))
    });
    Checked::passed((), described.collect::<Vec<_>>().join(", ")).and(findings)
}

fn name(key: &ExaminedKey) -> String {
    key.key_id
        .as_deref()
        .map_or_else(|| "a key without kid".to_owned(), printable)
}

/// The finding for a key that the gate does not use. A key for encryption is no finding.
fn left_out(key: &ExaminedKey) -> Option<Finding> {
    let why = key.verdict.as_ref().err()?;
    let text = |member: &str| key.jwk.get(member).and_then(Value::as_str);
    let code = match text("use") {
        _ if key.jwk.get("d").is_some() => Code::PrivateKey,
        Some("enc") => return None,
        _ if key.is_low_order || is_short(&key.jwk) => Code::WeakKey,
        _ => Code::KeyLeftOut,
    };
    Some(Finding::new(code).found(why))
}

/// An RSA key below 2048 bits.
fn is_short(jwk: &Value) -> bool {
    let text = |member: &str| jwk.get(member).and_then(Value::as_str).unwrap_or_default();
    let n = URL_SAFE_NO_PAD.decode(text("n")).unwrap_or_default();
    let leading = n.iter().take_while(|byte| **byte == 0).count();
    text("kty") == "RSA" && (1..256).contains(&(n.len() - leading))
}

/// Different keys with one `kid` for one algorithm.
fn duplicates(keys: &[ExaminedKey]) -> Vec<Finding> {
    let mut named: BTreeMap<(&str, String), Vec<&Value>> = BTreeMap::new();
    for key in keys {
        for algorithm in key.verdict.iter().flatten() {
            if let Some(id) = &key.key_id {
                let place = named.entry((id, algorithm.to_string())).or_default();
                let material = |jwk: &Value| ["n", "x", "y"].map(|member| jwk.get(member).cloned());
                if !place.iter().any(|other| material(other) == material(&key.jwk)) {
                    place.push(&key.jwk);
                }
            }
        }
    }
    let mut twice: Vec<_> = named
        .into_iter()
        .filter(|(_, keys)| keys.len() > 1)
        .map(|((id, _), _)| id)
        .collect();
    twice.dedup();
    let finding = |id: &str| {
        Finding::new(Code::DuplicateKey)
            .expected("a kid for each key")
            .found(format!("several keys with the kid {}", printable(id)))
    };
    twice.into_iter().map(finding).collect()
}
