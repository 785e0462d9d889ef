//! The keys of one tenant: current and former signing keys.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::key::Kind;
use super::{Algorithm, PublicKey, SecretKey, UnverifiedJws};
use crate::clock::Random;

/// The keys of one tenant. The last key of a type signs; earlier ones stay published until they are removed.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    kind: Kind,
    secret: SecretKey,
}

impl KeyRing {
    /// Generates one key of each type: RSA with 2048 bits, P-256, Ed25519.
    pub fn generate(random: &Random) -> Self {
        let make = |kind| Key::new(kind, SecretKey::generate(kind, random));
        Self {
            keys: Kind::ALL.into_iter().map(make).collect(),
        }
    }

    /// Returns the current signing key of an algorithm, with its `kid`. `None` if keys of that type were removed.
    pub(crate) fn signer(&self, algorithm: Algorithm) -> Option<(&SecretKey, String)> {
        let kind = Kind::of(algorithm);
        let key = self.keys.iter().rev().find(|key| key.kind == kind)?;
        Some((&key.secret, key.kid(algorithm)))
    }

    /// Adds the new signing key of an algorithm. Returns its `kid`.
    pub(crate) fn rotate(&mut self, algorithm: Algorithm, secret: SecretKey) -> String {
        let key = Key::new(Kind::of(algorithm), secret);
        let kid = key.kid(algorithm);
        self.keys.push(key);
        kid
    }

    /// Removes the key with a `kid`, under all of its `kid`s. Returns whether there was one.
    pub(crate) fn remove(&mut self, kid: &str) -> bool {
        let before = self.keys.len();
        self.keys.retain(|key| !key.kids().any(|it| it == kid));
        self.keys.len() < before
    }

    /// Returns the published keys. An RSA key appears twice, as at Asgardeo: once for each of its algorithms, with two `kid`s.
    pub(crate) fn to_jwks(&self) -> Vec<Value> {
        let publish = |key: &Key| {
            let members = key.secret.public().to_jwk();
            let publish = |&algorithm: &Algorithm| {
                let mut members: Map<String, Value> = members.clone();
                members.insert("kid".to_owned(), Value::from(key.kid(algorithm)));
                members.insert("use".to_owned(), Value::from("sig"));
                members.insert("alg".to_owned(), Value::from(algorithm.name()));
                Value::Object(members)
            };
            key.kind.algorithms().iter().map(publish).collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(publish).collect()
    }

    /// Returns whether one of the keys made the signature.
    pub(crate) fn signed(&self, jws: &UnverifiedJws<'_>) -> bool {
        jws.header_str("kid")
            .and_then(|kid| self.keys.iter().find(|key| key.kids().any(|it| it == kid)))
            .is_some_and(|key| jws.is_signed_by(&key.secret.public()))
    }
}

impl Key {
    fn new(kind: Kind, secret: SecretKey) -> Self {
        let id = PublicKey::thumbprint(&secret.public())[..16].to_owned();
        Self { id, kind, secret }
    }

    fn kid(&self, algorithm: Algorithm) -> String {
        format!("{}_{}", self.id, algorithm.name())
    }

    fn kids(&self) -> impl Iterator<Item = String> {
        self.kind.algorithms().iter().map(|&algorithm| self.kid(algorithm))
    }
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    kind: Kind,
    secret: String,
}

impl Serialize for KeyRing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let store = |key: &Key| StoredKey {
            id: key.id.clone(),
            kind: key.kind,
            secret: key.secret.to_text(),
        };
        serializer.collect_seq(self.keys.iter().map(store))
    }
}

impl<'de> Deserialize<'de> for KeyRing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let restore = |stored: StoredKey| {
            let secret = SecretKey::from_text(stored.kind, &stored.secret)
                .ok_or_else(|| serde::de::Error::custom("a key that cannot be read"))?;
            Ok(Key {
                id: stored.id,
                kind: stored.kind,
                secret,
            })
        };
        let stored = Vec::<StoredKey>::deserialize(deserializer)?;
        stored
            .into_iter()
            .map(restore)
            .collect::<Result<_, _>>()
            .map(|keys| Self { keys })
    }
}
