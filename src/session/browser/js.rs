//! Helpers for JavaScript values.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Window;

/// Returns a plain object with these members.
pub(super) fn object(members: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        // Setting a member of a new plain object cannot fail.
        drop(Reflect::set(&object, &JsValue::from_str(name), value));
    }
    object
}

/// Returns a member of an object, if it is a string.
pub(super) fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name)?.as_string()
}

/// Returns a member of an object, unless it is `undefined` or `null`.
pub(super) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name))
        .ok()
        .filter(|value| !value.is_null_or_undefined())
}

/// Returns the result of a promise, cast to its known type.
pub(super) async fn resolved<T: wasm_bindgen::JsCast>(promise: Result<Promise, JsValue>) -> Result<T, JsValue> {
    Ok(JsFuture::from(promise?).await?.unchecked_into())
}

/// Waits for a number of milliseconds.
pub(super) async fn sleep(window: &Window, milliseconds: i32) {
    let sleep = Promise::new(&mut |resolve, _| {
        // Fails only for an invalid handler.
        drop(window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds));
    });
    drop(JsFuture::from(sleep).await);
}

/// Returns the message of an error. It never contains the data of the failed operation.
pub(super) fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => format!("{}: {}", error.name(), error.message()),
        None => text(error, "name").unwrap_or_else(|| "an unknown error".to_owned()),
    }
}
