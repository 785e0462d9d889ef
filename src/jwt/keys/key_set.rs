//! The key set of one issuer.

use std::collections::HashMap;

use serde_json::Value;

use super::{Algorithm, issuer_keys::KeyStatus, key::Key, pem};
use crate::jwt::{Trust, printable};

/// More keys than any provider publishes. Further keys of a set are ignored.
const MAX_KEYS: usize = 100;

/// Which key a token needs.
pub(crate) struct KeyQuery<'a> {
    pub(crate) key_id: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
    /// The names by which a key may be restricted to the token's issuer.
    pub(crate) issuers: &'a [&'a str],
}

#[derive(Debug)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    by_id: HashMap<String, Vec<usize>>,
    /// The key was configured as PEM and has no identifier, so it is the key of every token.
    pinned: bool,
}

impl KeySet {
    /// Parses a JWK set (RFC 7517, section 5). A key that cannot be used is logged and left out; the others remain.
    ///
    /// # Errors
    /// Why the set has no usable key.
    pub(crate) fn from_json(json: &[u8], trust: &Trust) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(json).map_err(|error| format!("it is not JSON ({error})"))?;
        let members = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("it is not a JWK set: it has no list `keys`")?;
        let mut keys = Vec::new();
        let mut left_out = Vec::new();
        if members.len() > MAX_KEYS {
            left_out.push(format!("{} keys beyond the first {MAX_KEYS}", members.len() - MAX_KEYS));
        }
        for member in members.iter().take(MAX_KEYS) {
            let key = match member.as_object() {
                Some(jwk) => Key::from_jwk(jwk, &trust.algorithms),
                None => Err("it is not an object".into()),
            };
            match key {
                Ok(key) => keys.push(key),
                Err(why) => {
                    let name = member
                        .get("kid")
                        .and_then(Value::as_str)
                        .map_or_else(|| "without kid".into(), printable);
                    left_out.push(format!("{name}: {why}"));
                }
            }
        }
        if !left_out.is_empty() {
            tracing::debug!(issuer = %trust.issuer, keys = ?left_out, "keys left out of the set");
        }
        if keys.is_empty() {
            return Err(match left_out.is_empty() {
                true => "the set is empty".into(),
                false => format!("no key in it can be used ({})", left_out.join("; ")),
            });
        }
        Ok(Self::new(keys, false))
    }

    /// Makes a set of the one key of a PEM public key or certificate.
    pub(crate) fn from_pem(text: &str, trust: &Trust) -> Result<Self, String> {
        let key = Key::new(pem::public_key(text)?, None, None, None, &trust.algorithms)?;
        Ok(Self::new(vec![key], true))
    }

    fn new(keys: Vec<Key>, pinned: bool) -> Self {
        let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, key) in keys.iter().enumerate() {
            if let Some(id) = &key.key_id {
                by_id.entry(id.clone()).or_default().push(position);
            }
        }
        Self { keys, by_id, pinned }
    }

    /// Returns the keys that may have signed: same identifier, same algorithm, for this issuer. A token without identifier
    /// matches only a set of one key.
    pub(crate) fn candidates<'a>(&'a self, query: &'a KeyQuery<'_>) -> impl Iterator<Item = &'a Key> {
        let positions: &[usize] = match query.key_id {
            _ if self.pinned => &[0],
            None if self.keys.len() == 1 => &[0],
            None => &[],
            Some(id) => self.by_id.get(id).map_or(&[], Vec::as_slice),
        };
        positions.iter().map(|&position| &self.keys[position]).filter(|key| {
            key.supports(query.algorithm)
                && key
                    .issuer
                    .as_deref()
                    .is_none_or(|issuer| query.issuers.contains(&issuer))
        })
    }

    /// Returns whether the other set verifies every token that this one verifies: it has every key, and is a set of one if this
    /// one is, because of tokens without identifier.
    pub(crate) fn is_covered_by(&self, other: &Self) -> bool {
        (self.len() != 1 || other.len() == 1)
            && self
                .keys
                .iter()
                .all(|key| other.keys.iter().any(|other| key.same_as(other)))
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the identifiers of the keys, for messages.
    pub(crate) fn described(&self) -> String {
        let mut names: Vec<_> = self
            .keys
            .iter()
            .take(8)
            .map(|key| key.key_id.as_deref().map_or("(no kid)".into(), printable))
            .collect();
        if self.len() > names.len() {
            names.push(format!("and {} more", self.len() - names.len()));
        }
        names.join(", ")
    }

    pub(crate) fn statuses(&self) -> Vec<KeyStatus> {
        let status = |key: &Key| KeyStatus {
            key_id: key.key_id.clone(),
            algorithms: Algorithm::ALL.into_iter().filter(|one| key.supports(*one)).collect(),
        };
        self.keys.iter().map(status).collect()
    }

    /// Returns the algorithms of the keys with the identifier.
    pub(crate) fn algorithms_of(&self, id: &str) -> Vec<Algorithm> {
        let positions = self.by_id.get(id).map_or(&[][..], Vec::as_slice);
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| {
                positions
                    .iter()
                    .any(|&position| self.keys[position].supports(*algorithm))
            })
            .collect()
    }
}
