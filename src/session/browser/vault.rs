//! What is kept, sealed with AES-GCM under a key that the browser does not hand out. It keeps stored data from being
//! read by who copies it; it does not keep a script that runs in this page from using it.

use std::cell::RefCell;

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{CryptoKey, Window};

use crate::authorization::{CryptoError, Jwk};
use crate::session::{Over, StorageError};

use super::crypto::{failed, subtle};
use super::js::{get, message, object, resolved, text};
use super::store::{KEYS, SEALED, Store};

const SEAL: &str = "seal";
const DPOP: &str = "dpop";

/// Sealed records and the keys that never leave the browser.
#[derive(Debug, Default)]
pub(super) struct Vault {
    dpop: RefCell<Option<DpopKey>>,
}

/// Both halves of the key, as this page has them.
#[derive(Clone, Debug)]
struct DpopKey {
    pair: JsValue,
    public: Jwk,
    private: CryptoKey,
    /// Whether it is known to be kept. One that lives in memory is not.
    kept: bool,
    /// Whether the kept one may be another by now.
    rereads: bool,
}

impl Vault {
    /// A record that does not open (of another issuer, client or schema, or under a key that is gone) is as good as none, and is
    /// deleted.
    pub(super) async fn load(
        &self,
        window: &Window,
        slot: &str,
        binding: &str,
    ) -> Result<Option<String>, StorageError> {
        let store = open(window).await?;
        let Some(record) = store.get(SEALED, slot).await.map_err(denied)? else {
            return Ok(None);
        };
        let opened = self.open(window, &store, slot, binding, &record).await?;
        if opened.is_none() {
            // Another tab may have put its own there meanwhile.
            let is_it = |other: &JsValue| nonce(other) == nonce(&record);
            store.delete_if(SEALED, slot, is_it).await.map_err(denied)?;
        }
        Ok(opened)
    }

    async fn open(
        &self,
        window: &Window,
        store: &Store,
        slot: &str,
        binding: &str,
        record: &JsValue,
    ) -> Result<Option<String>, StorageError> {
        if text(record, "binding").as_deref() != Some(binding) {
            return Ok(None);
        }
        let (Some(iv), Some(sealed)) = (get(record, "iv"), get(record, "sealed")) else {
            return Ok(None);
        };
        let key = self.key(window, store).await?;
        let subtle = subtle(window).map_err(|error| StorageError(error.0))?;
        let promise = subtle.decrypt_with_object_and_buffer_source(
            &algorithm(&iv.unchecked_into(), slot, binding),
            &key,
            sealed.unchecked_ref::<Object>(),
        );
        let Ok(opened) = resolved::<JsValue>(promise).await else {
            return Ok(None);
        };
        Ok(String::from_utf8(Uint8Array::new(&opened).to_vec()).ok())
    }

    pub(super) async fn clear(&self, window: &Window) -> Result<(), StorageError> {
        self.forget_keys();
        open(window).await?.clear().await.map_err(denied)
    }

    pub(super) fn forget_keys(&self) {
        self.dpop.take();
    }

    pub(super) fn reread_keys(&self) {
        if let Some(key) = &mut *self.dpop.borrow_mut() {
            key.rereads = key.kept;
        }
    }

    pub(super) async fn make_key_in_memory(&self, window: &Window) -> Result<(), CryptoError> {
        let pair = made(window, &p256(), &["sign"]).await.map_err(failed)?;
        let key = DpopKey::of(window, &pair, false).await?;
        self.dpop.replace(Some(key));
        Ok(())
    }

    pub(super) async fn save(
        &self,
        window: &Window,
        slot: &str,
        binding: &str,
        text: &str,
        over: Over,
    ) -> Result<bool, StorageError> {
        let store = open(window).await?;
        self.keep_dpop(window, &store, over).await?;
        let key = self.key(window, &store).await?;
        let crypto = window.crypto().map_err(denied)?;
        let iv = Uint8Array::new_with_length(12);
        crypto.get_random_values_with_array_buffer_view(&iv).map_err(denied)?;
        let promise =
            crypto
                .subtle()
                .encrypt_with_object_and_u8_array(&algorithm(&iv, slot, binding), &key, text.as_bytes());
        let sealed: JsValue = resolved(promise).await.map_err(denied)?;
        let record = object(&[("binding", binding.into()), ("iv", iv.into()), ("sealed", sealed)]);
        store.put(SEALED, slot, &record, over).await.map_err(denied)
    }

    /// Tokens that are bound to a key are kept with it: a page with another key could not use them.
    async fn keep_dpop(&self, window: &Window, store: &Store, over: Over) -> Result<(), StorageError> {
        let own = self.dpop.borrow().clone().filter(|own| !own.kept);
        let Some(own) = own else { return Ok(()) };
        let kept = match store.get(KEYS, DPOP).await.map_err(denied)? {
            Some(kept) => kept,
            // Nothing is kept any more that would be replaced.
            None if over == Over::Existing => return Ok(()),
            None => {
                store.add(KEYS, DPOP, &own.pair).await.map_err(denied)?;
                own.pair.clone()
            }
        };
        let kept = DpopKey::of(window, &kept, true).await;
        let kept = kept.map_err(|error| StorageError(error.0))?;
        if kept.public != own.public {
            return Err(StorageError("another key is kept than that of this session".to_owned()));
        }
        self.dpop.replace(Some(kept));
        Ok(())
    }

    async fn key(&self, window: &Window, store: &Store) -> Result<CryptoKey, StorageError> {
        let aes = object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
        let key = kept_key(window, store, SEAL, &aes, &["encrypt", "decrypt"])
            .await
            .map_err(denied)?;
        Ok(key.unchecked_into())
    }

    pub(super) async fn dpop_public_key(&self, window: &Window) -> Result<Jwk, CryptoError> {
        self.dpop(window).await.map(|key| key.public)
    }

    pub(super) async fn dpop_sign(&self, window: &Window, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = self.dpop(window).await?.private;
        let ecdsa = object(&[("name", "ECDSA".into()), ("hash", "SHA-256".into())]);
        let promise = subtle(window)?.sign_with_object_and_u8_array(&ecdsa, &key, data);
        let signature: JsValue = resolved(promise).await.map_err(failed)?;
        Ok(Uint8Array::new(&signature).to_vec())
    }

    async fn dpop(&self, window: &Window) -> Result<DpopKey, CryptoError> {
        let known = self.dpop.borrow().clone();
        if let Some(known) = known.as_ref().filter(|key| !key.rereads) {
            return Ok(known.clone());
        }
        let kept = async {
            let store = Store::open(window).await?;
            kept_key(window, &store, DPOP, &p256(), &["sign"]).await
        };
        match (kept.await, known) {
            (Err(_), Some(known)) => {
                let in_memory = DpopKey {
                    kept: false,
                    rereads: false,
                    ..known
                };
                Ok(self.dpop.borrow_mut().insert(in_memory).clone())
            }
            (kept, _) => {
                let key = DpopKey::of(window, &kept.map_err(failed)?, true).await?;
                Ok(self.dpop.borrow_mut().insert(key).clone())
            }
        }
    }
}

impl DpopKey {
    async fn of(window: &Window, pair: &JsValue, kept: bool) -> Result<Self, CryptoError> {
        let half = |name| get(pair, name).ok_or_else(|| CryptoError(format!("the DPoP key has no {name}")));
        let (public, private) = (half("publicKey")?, half("privateKey")?);
        let public: JsValue = resolved(subtle(window)?.export_key("jwk", public.unchecked_ref()))
            .await
            .map_err(failed)?;
        let public = Jwk {
            kty: "EC".to_owned(),
            crv: text(&public, "crv"),
            x: text(&public, "x"),
            y: text(&public, "y"),
            ..Jwk::default()
        };
        Ok(Self {
            pair: pair.clone(),
            public,
            private: private.unchecked_into(),
            kept,
            rereads: false,
        })
    }
}

fn p256() -> Object {
    object(&[("name", "ECDSA".into()), ("namedCurve", "P-256".into())])
}

/// The key of that name, which is made when it is first needed. The first tab wins when two make it at once.
async fn kept_key(
    window: &Window,
    store: &Store,
    name: &str,
    algorithm: &Object,
    usages: &[&str],
) -> Result<JsValue, JsValue> {
    if let Some(key) = store.get(KEYS, name).await? {
        return Ok(key);
    }
    let made = made(window, algorithm, usages).await?;
    let added = store.add(KEYS, name, &made).await;
    match store.get(KEYS, name).await? {
        Some(key) => Ok(key),
        None => added.and(Err(JsValue::UNDEFINED)),
    }
}

/// A key, or a pair, that cannot be exported.
async fn made(window: &Window, algorithm: &Object, usages: &[&str]) -> Result<JsValue, JsValue> {
    let usages: Array = usages.iter().copied().map(JsValue::from_str).collect();
    let crypto = window.crypto()?.subtle();
    resolved(crypto.generate_key_with_object(algorithm, false, &usages)).await
}

async fn open(window: &Window) -> Result<Store, StorageError> {
    Store::open(window).await.map_err(denied)
}

fn denied(error: JsValue) -> StorageError {
    StorageError(message(&error))
}

/// What no two records have in common.
fn nonce(record: &JsValue) -> Option<Vec<u8>> {
    get(record, "iv").map(|iv| Uint8Array::new(&iv).to_vec())
}

/// A record is bound to its slot, too: what was sealed as one thing does not open as another.
fn algorithm(iv: &Uint8Array, slot: &str, binding: &str) -> Object {
    let binding = Uint8Array::from(format!("{slot}\n{binding}").as_bytes());
    object(&[
        ("name", "AES-GCM".into()),
        ("iv", iv.into()),
        ("additionalData", binding.into()),
    ])
}
