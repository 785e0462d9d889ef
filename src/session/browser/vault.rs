//! Records that are encrypted with AES-GCM under a key that cannot be exported. A copy of the stored data cannot be read, but a script in
//! this page can use the key.

use std::cell::RefCell;

use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{CryptoKey, Window};

use crate::authorization::{CryptoError, Jwk};
use crate::session::{SaveMode, StorageError};

use super::crypto::{failed, subtle};
use super::js::{get, message, object, resolved, text};
use super::store::{KEYS, SEALED, Store};

const SEAL: &str = "seal";
const DPOP: &str = "dpop";

/// Encrypted records, and keys that never leave the browser.
#[derive(Debug, Default)]
pub(super) struct Vault {
    store: Store,
    dpop: RefCell<Option<DpopKey>>,
}

/// Both halves of the DPoP key in this page.
#[derive(Clone, Debug)]
struct DpopKey {
    pair: JsValue,
    public: Jwk,
    private: CryptoKey,
    /// Whether the key is known to be stored. A key in memory is not.
    stored: bool,
    /// Whether the stored key may be another one, and must be read again.
    reloads: bool,
}

impl Vault {
    /// Returns the text of a record. A record that cannot be decrypted (another issuer, client or schema, or a deleted key) is deleted, and
    /// counts as absent.
    pub(super) async fn load(
        &self,
        window: &Window,
        slot: &str,
        binding: &str,
    ) -> Result<Option<String>, StorageError> {
        let [record, key] = self.read(window, [(SEALED, slot), (KEYS, SEAL)]).await?;
        if record.is_undefined() {
            return Ok(None);
        }
        let opened = open(window, &key, slot, binding, &record).await?;
        if opened.is_none() {
            // Another tab may have stored its own record meanwhile.
            let is_it = |other: &JsValue| nonce(other) == nonce(&record);
            let deleted = self.store.delete_if(window, SEALED, slot, &is_it).await;
            deleted.map_err(denied)?;
        }
        Ok(opened)
    }

    pub(super) async fn clear(&self, window: &Window) -> Result<(), StorageError> {
        self.drop_keys();
        self.store.clear(window).await.map_err(denied)
    }

    pub(super) fn drop_keys(&self) {
        self.dpop.take();
    }

    pub(super) fn reload_keys(&self) {
        if let Some(key) = &mut *self.dpop.borrow_mut() {
            key.reloads = key.stored;
        }
    }

    pub(super) async fn create_memory_key(&self, window: &Window) -> Result<(), CryptoError> {
        let pair = generate(window, &p256(), &["sign"]).await.map_err(failed)?;
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
        mode: SaveMode,
    ) -> Result<bool, StorageError> {
        let [seal, dpop] = self.read(window, [(KEYS, SEAL), (KEYS, DPOP)]).await?;
        self.store_dpop(window, dpop, mode).await?;
        let key = match seal.is_undefined() {
            true => self.create(window, SEAL).await.map_err(denied)?,
            false => seal,
        };
        let crypto = window.crypto().map_err(denied)?;
        let iv = Uint8Array::new_with_length(12);
        crypto.get_random_values_with_array_buffer_view(&iv).map_err(denied)?;
        let promise = crypto.subtle().encrypt_with_object_and_u8_array(
            &algorithm(&iv, slot, binding),
            key.unchecked_ref(),
            text.as_bytes(),
        );
        let sealed: JsValue = resolved(promise).await.map_err(denied)?;
        let record = object(&[("binding", binding.into()), ("iv", iv.into()), ("sealed", sealed)]);
        let put = self.store.put(window, SEALED, slot, &record, mode).await;
        put.map_err(denied)
    }

    /// Stores the DPoP key in memory together with the tokens that are bound to it. A page with another key could not use them.
    async fn store_dpop(&self, window: &Window, stored: JsValue, mode: SaveMode) -> Result<(), StorageError> {
        let own = self.dpop.borrow().clone().filter(|own| !own.stored);
        let Some(own) = own else { return Ok(()) };
        let stored = match stored.is_undefined() {
            false => stored,
            // There is no record to replace any more.
            true if mode == SaveMode::Replace => return Ok(()),
            true => {
                let added = self.store.add(window, KEYS, DPOP, &own.pair).await;
                added.map_err(denied)?;
                own.pair.clone()
            }
        };
        let stored = DpopKey::of(window, &stored, true).await;
        let stored = stored.map_err(|error| StorageError(error.0))?;
        if stored.public != own.public {
            return Err(StorageError(
                "another key is stored than that of this session".to_owned(),
            ));
        }
        self.dpop.replace(Some(stored));
        Ok(())
    }

    async fn read<const N: usize>(
        &self,
        window: &Window,
        wanted: [(&str, &str); N],
    ) -> Result<[JsValue; N], StorageError> {
        self.store.read(window, wanted).await.map_err(denied)
    }

    /// Makes the key with this name and stores it. If two tabs do so at once, the first one wins.
    async fn create(&self, window: &Window, name: &str) -> Result<JsValue, JsValue> {
        let (algorithm, usages) = match name {
            SEAL => (
                object(&[("name", "AES-GCM".into()), ("length", 256.into())]),
                ["encrypt", "decrypt"].as_slice(),
            ),
            _ => (p256(), ["sign"].as_slice()),
        };
        let made = generate(window, &algorithm, usages).await?;
        let added = self.store.add(window, KEYS, name, &made).await;
        let [stored] = self.store.read(window, [(KEYS, name)]).await?;
        match stored.is_undefined() {
            true => added.and(Err(JsValue::UNDEFINED)),
            false => Ok(stored),
        }
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
        if let Some(known) = known.as_ref().filter(|key| !key.reloads) {
            return Ok(known.clone());
        }
        let stored = async {
            let [stored] = self.store.read(window, [(KEYS, DPOP)]).await?;
            match stored.is_undefined() {
                true => self.create(window, DPOP).await,
                false => Ok(stored),
            }
        };
        match (stored.await, known) {
            (Err(_), Some(known)) => {
                let in_memory = DpopKey {
                    stored: false,
                    reloads: false,
                    ..known
                };
                Ok(self.dpop.borrow_mut().insert(in_memory).clone())
            }
            (stored, _) => {
                let key = DpopKey::of(window, &stored.map_err(failed)?, true).await?;
                Ok(self.dpop.borrow_mut().insert(key).clone())
            }
        }
    }
}

impl DpopKey {
    async fn of(window: &Window, pair: &JsValue, stored: bool) -> Result<Self, CryptoError> {
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
            stored,
            reloads: false,
        })
    }
}

fn p256() -> Object {
    object(&[("name", "ECDSA".into()), ("namedCurve", "P-256".into())])
}

/// Makes a key or a key pair that cannot be exported.
async fn generate(window: &Window, algorithm: &Object, usages: &[&str]) -> Result<JsValue, JsValue> {
    let usages: Array = usages.iter().copied().map(JsValue::from_str).collect();
    let crypto = window.crypto()?.subtle();
    resolved(crypto.generate_key_with_object(algorithm, false, &usages)).await
}

async fn open(
    window: &Window,
    key: &JsValue,
    slot: &str,
    binding: &str,
    record: &JsValue,
) -> Result<Option<String>, StorageError> {
    if text(record, "binding").as_deref() != Some(binding) || key.is_undefined() {
        return Ok(None);
    }
    let (Some(iv), Some(sealed)) = (get(record, "iv"), get(record, "sealed")) else {
        return Ok(None);
    };
    let subtle = subtle(window).map_err(|error| StorageError(error.0))?;
    let promise = subtle.decrypt_with_object_and_buffer_source(
        &algorithm(&iv.unchecked_into(), slot, binding),
        key.unchecked_ref(),
        sealed.unchecked_ref::<Object>(),
    );
    let Ok(opened) = resolved::<JsValue>(promise).await else {
        return Ok(None);
    };
    Ok(String::from_utf8(Uint8Array::new(&opened).to_vec()).ok())
}

fn denied(error: JsValue) -> StorageError {
    StorageError(message(&error))
}

/// Returns the nonce of a record, which is unique.
fn nonce(record: &JsValue) -> Option<Vec<u8>> {
    get(record, "iv").map(|iv| Uint8Array::new(&iv).to_vec())
}

/// Returns the parameters of AES-GCM. The slot is authenticated too, so that a record of one slot cannot be decrypted as another.
fn algorithm(iv: &Uint8Array, slot: &str, binding: &str) -> Object {
    let binding = Uint8Array::from(format!("{slot}\n{binding}").as_bytes());
    object(&[
        ("name", "AES-GCM".into()),
        ("iv", iv.into()),
        ("additionalData", binding.into()),
    ])
}
