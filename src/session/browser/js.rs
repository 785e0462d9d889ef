//! Small bridges to JavaScript values.

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Window;

/// A plain object with these members.
pub(super) fn object(members: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        // Setting a member of a fresh plain object cannot be refused.
        drop(Reflect::set(&object, &JsValue::from_str(name), value));
    }
    object
}

/// A member of an object, as a string.
pub(super) fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name)?.as_string()
}

/// A member of an object that is neither `undefined` nor `null`.
pub(super) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name))
        .ok()
        .filter(|value| !value.is_null_or_undefined())
}

/// What a promise resolves to, as the type that it is known to be.
pub(super) async fn resolved<T: wasm_bindgen::JsCast>(promise: Result<Promise, JsValue>) -> Result<T, JsValue> {
    Ok(JsFuture::from(promise?).await?.unchecked_into())
}

/// Waits for so many milliseconds.
pub(super) async fn sleep(window: &Window, milliseconds: i32) {
    let sleep = Promise::new(&mut |resolve, _| {
        // Refused only for a handler that is none.
        drop(window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds));
    });
    drop(JsFuture::from(sleep).await);
}

/// What an error says, for people. It never holds the data of the operation that failed.
pub(super) fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => format!("{}: {}", error.name(), error.message()),
        None => text(error, "name").unwrap_or_else(|| "an unknown error".to_owned()),
    }
}
