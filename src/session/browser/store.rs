//! IndexedDB, as far as the vault needs it. The crates for it bring tokio or a query language along; this is four calls.

use js_sys::Promise;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode, Window};

use crate::session::Over;

use super::js::resolved;

/// Sealed records, by slot.
pub(super) const SEALED: &str = "sealed";
/// Keys that cannot be exported, by what they are for.
pub(super) const KEYS: &str = "keys";

const DATABASE: &str = "pixygate";
const VERSION: u32 = 1;

/// An open database. Dropping it closes it, so that another version of the page can upgrade it.
pub(super) struct Store(IdbDatabase);

impl Drop for Store {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Store {
    pub(super) async fn open(window: &Window) -> Result<Self, JsValue> {
        let factory = window
            .indexed_db()?
            .ok_or_else(|| JsValue::from(js_sys::Error::new("IndexedDB is not there")))?;
        let request = factory.open_with_u32(DATABASE, VERSION)?;
        let upgrade = {
            let request = request.clone();
            wasm_bindgen::closure::Closure::once_into_js(move || -> Result<(), JsValue> {
                let database: IdbDatabase = request.result()?.unchecked_into();
                database.create_object_store(SEALED)?;
                database.create_object_store(KEYS)?;
                Ok(())
            })
        };
        request.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
        Ok(Self(answer(&request).await?.unchecked_into()))
    }

    pub(super) async fn get(&self, store: &str, key: &str) -> Result<Option<JsValue>, JsValue> {
        let (_, objects) = self.transaction(store, IdbTransactionMode::Readonly)?;
        let value = answer(&objects.get(&key.into())?).await?;
        Ok((!value.is_undefined()).then_some(value))
    }

    /// Puts a value, over an existing one only when `over` says so. `false` when there was none. One transaction looks and
    /// puts, so that nothing that another tab deletes comes back.
    pub(super) async fn put(&self, store: &str, key: &str, value: &JsValue, over: Over) -> Result<bool, JsValue> {
        let (transaction, objects) = self.transaction(store, IdbTransactionMode::Readwrite)?;
        let key = key.into();
        if over == Over::Existing && answer(&objects.get(&key)?).await?.is_undefined() {
            return Ok(false);
        }
        objects.put_with_key(value, &key)?;
        committed(&transaction).await?;
        Ok(true)
    }

    /// Puts a value where there is none. Another tab may have been quicker; then its value stays.
    pub(super) async fn add(&self, store: &str, key: &str, value: &JsValue) -> Result<(), JsValue> {
        let (transaction, objects) = self.transaction(store, IdbTransactionMode::Readwrite)?;
        objects.add_with_key(value, &key.into())?;
        committed(&transaction).await
    }

    /// Deletes a value that is still the one that is meant. One transaction looks and deletes.
    pub(super) async fn delete_if(
        &self,
        store: &str,
        key: &str,
        is_it: impl Fn(&JsValue) -> bool,
    ) -> Result<(), JsValue> {
        let (transaction, objects) = self.transaction(store, IdbTransactionMode::Readwrite)?;
        let key = key.into();
        if !is_it(&answer(&objects.get(&key)?).await?) {
            return Ok(());
        }
        objects.delete(&key)?;
        committed(&transaction).await
    }

    /// Deletes everything.
    pub(super) async fn clear(&self) -> Result<(), JsValue> {
        for store in [SEALED, KEYS] {
            let (transaction, objects) = self.transaction(store, IdbTransactionMode::Readwrite)?;
            objects.clear()?;
            committed(&transaction).await?;
        }
        Ok(())
    }

    fn transaction(&self, store: &str, mode: IdbTransactionMode) -> Result<(IdbTransaction, IdbObjectStore), JsValue> {
        let transaction = self.0.transaction_with_str_and_mode(store, mode)?;
        let objects = transaction.object_store(store)?;
        Ok((transaction, objects))
    }
}

async fn answer(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    match JsFuture::from(promise).await {
        Ok(_) => request.result(),
        Err(_) => Err(request.error()?.map_or(JsValue::UNDEFINED, JsValue::from)),
    }
}

async fn committed(transaction: &IdbTransaction) -> Result<(), JsValue> {
    let promise = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
        transaction.set_onerror(Some(&reject));
    });
    match resolved::<JsValue>(Ok(promise)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(transaction.error().map_or(JsValue::UNDEFINED, JsValue::from)),
    }
}
