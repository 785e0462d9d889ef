//! Numbers in the page's language.

use crate::time::locale;

/// Returns a number with grouped digits, as in `12,345`.
pub(crate) fn words(number: u64) -> String {
    if !cfg!(target_family = "wasm") {
        return number.to_string();
    }
    js_sys::Number::from(number as f64).to_locale_string(&locale()).into()
}
