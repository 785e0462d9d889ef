//! IndexedDB for the vault. The crates for it depend on tokio or bring a query language.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::FutureExt as _;
use futures_util::future::{Either, Shared, select};
use js_sys::{Array, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{IdbDatabase, IdbRequest, IdbTransaction, IdbTransactionMode, Window};

use crate::session::{LocalFuture, SaveMode};

use super::js::{resolved, sleep, text};

/// Encrypted records, by slot.
pub(super) const SEALED: &str = "sealed";
/// Keys that cannot be exported, by purpose.
pub(super) const KEYS: &str = "keys";

const DATABASE: &str = "pixygate";
const VERSION: u32 = 1;

/// The timeout of one operation, in seconds. They are waited for one by one, so that a sleep of the device counts as one second.
const DB_TIMEOUT_S: u32 = 5;

type Answer = Result<JsValue, JsValue>;
type Opening = Shared<LocalFuture<Result<IdbDatabase, JsValue>>>;
type Pending<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// The database of this origin, which the page opens once.
#[derive(Default)]
pub(super) struct Store {
    opened: RefCell<Option<Opening>>,
    /// The browser did not respond in time. This page does not use the database any more.
    hangs: Cell<bool>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("hangs", &self.hangs)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Reads values in one transaction. A missing value is `undefined`.
    pub(super) async fn read<const N: usize>(
        &self,
        window: &Window,
        wanted: [(&str, &str); N],
    ) -> Result<[JsValue; N], JsValue> {
        let values: Array = self
            .run(window, &|database| {
                Box::pin(async move {
                    let transaction = transaction(&database, IdbTransactionMode::Readonly)?;
                    let requests: Vec<_> = wanted
                        .iter()
                        .map(|(store, key)| transaction.object_store(store)?.get(&(*key).into()))
                        .collect::<Result<_, JsValue>>()?;
                    let values = Array::new();
                    for request in requests {
                        values.push(&answer(&request).await?);
                    }
                    Ok(values.into())
                })
            })
            .await?
            .unchecked_into();
        let mut values = values.iter();
        Ok(wanted.map(|_| values.next().unwrap_or_default()))
    }

    /// Puts a value. Returns `false` if `mode` requires a value to replace and there is none. It checks and writes in one transaction, so
    /// that it does not restore a value that another tab deletes.
    pub(super) async fn put(
        &self,
        window: &Window,
        store: &str,
        key: &str,
        value: &JsValue,
        mode: SaveMode,
    ) -> Result<bool, JsValue> {
        let put = self
            .run(window, &|database| {
                Box::pin(async move {
                    let transaction = transaction(&database, IdbTransactionMode::Readwrite)?;
                    let (objects, key) = (transaction.object_store(store)?, key.into());
                    if mode == SaveMode::Replace && answer(&objects.get(&key)?).await?.is_undefined() {
                        return Ok(JsValue::FALSE);
                    }
                    objects.put_with_key(value, &key)?;
                    committed(&transaction).await
                })
            })
            .await?;
        Ok(put.is_truthy())
    }

    /// Inserts a value unless there is one, for example of another tab.
    pub(super) async fn add(&self, window: &Window, store: &str, key: &str, value: &JsValue) -> Result<(), JsValue> {
        self.run(window, &|database| {
            Box::pin(async move {
                let transaction = transaction(&database, IdbTransactionMode::Readwrite)?;
                transaction.object_store(store)?.add_with_key(value, &key.into())?;
                committed(&transaction).await
            })
        })
        .await
        .map(drop)
    }

    /// Deletes a value if it passes a check, in one transaction.
    pub(super) async fn delete_if(
        &self,
        window: &Window,
        store: &str,
        key: &str,
        is_it: &dyn Fn(&JsValue) -> bool,
    ) -> Result<(), JsValue> {
        self.run(window, &|database| {
            Box::pin(async move {
                let transaction = transaction(&database, IdbTransactionMode::Readwrite)?;
                let (objects, key) = (transaction.object_store(store)?, key.into());
                if !is_it(&answer(&objects.get(&key)?).await?) {
                    return Ok(JsValue::FALSE);
                }
                objects.delete(&key)?;
                committed(&transaction).await
            })
        })
        .await
        .map(drop)
    }

    /// Deletes everything in one transaction, so that there are never records without keys, or keys without records.
    pub(super) async fn clear(&self, window: &Window) -> Result<(), JsValue> {
        self.run(window, &|database| {
            Box::pin(async move {
                let transaction = transaction(&database, IdbTransactionMode::Readwrite)?;
                for store in [SEALED, KEYS] {
                    transaction.object_store(store)?.clear()?;
                }
                committed(&transaction).await
            })
        })
        .await
        .map(drop)
    }

    async fn run<'a>(&self, window: &Window, act: &'a dyn Fn(IdbDatabase) -> Pending<'a>) -> Answer {
        let silent = || JsValue::from(js_sys::Error::new("IndexedDB does not answer"));
        if self.hangs.get() {
            return Err(silent());
        }
        let attempt = pin!(async {
            match act(self.open(window).await?).await {
                // The browser closes the connection when the site data are cleared, or another page upgrades the database.
                Err(error) if text(&error, "name").is_some_and(|name| name == "InvalidStateError") => {
                    self.opened.take();
                    act(self.open(window).await?).await
                }
                outcome => outcome,
            }
        });
        let timeout = pin!(async {
            for _ in 0..DB_TIMEOUT_S {
                sleep(window, 1_000).await;
            }
        });
        match select(attempt, timeout).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                self.hangs.set(true);
                Err(silent())
            }
        }
    }

    async fn open(&self, window: &Window) -> Result<IdbDatabase, JsValue> {
        let opened = self.opened.borrow().clone();
        let opened = opened.unwrap_or_else(|| {
            let window = window.clone();
            let open: LocalFuture<_> = Box::pin(async move { open(&window).await });
            self.opened.borrow_mut().insert(open.shared()).clone()
        });
        let database = opened.await;
        if database.is_err() {
            self.opened.take();
        }
        database
    }
}

async fn open(window: &Window) -> Result<IdbDatabase, JsValue> {
    let factory = window
        .indexed_db()?
        .ok_or_else(|| JsValue::from(js_sys::Error::new("IndexedDB is not there")))?;
    let request = factory.open_with_u32(DATABASE, VERSION)?;
    let upgrade = {
        let request = request.clone();
        Closure::once_into_js(move || -> Result<(), JsValue> {
            let database: IdbDatabase = request.result()?.unchecked_into();
            database.create_object_store(SEALED)?;
            database.create_object_store(KEYS)?;
            Ok(())
        })
    };
    request.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
    let database: IdbDatabase = answer(&request).await?.unchecked_into();
    let close = {
        let database = database.clone();
        Closure::once_into_js(move || database.close())
    };
    database.set_onversionchange(Some(close.unchecked_ref()));
    Ok(database)
}

fn transaction(database: &IdbDatabase, mode: IdbTransactionMode) -> Result<IdbTransaction, JsValue> {
    let stores = Array::of2(&SEALED.into(), &KEYS.into());
    database.transaction_with_str_sequence_and_mode(&stores, mode)
}

async fn answer(request: &IdbRequest) -> Answer {
    let promise = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    match JsFuture::from(promise).await {
        Ok(_) => request.result(),
        Err(_) => Err(request.error()?.map_or(JsValue::UNDEFINED, JsValue::from)),
    }
}

async fn committed(transaction: &IdbTransaction) -> Answer {
    let promise = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
        transaction.set_onerror(Some(&reject));
    });
    match resolved::<JsValue>(Ok(promise)).await {
        Ok(_) => Ok(JsValue::TRUE),
        Err(_) => Err(transaction.error().map_or(JsValue::UNDEFINED, JsValue::from)),
    }
}
