//! The entry point in the browser.

use wasm_bindgen::prelude::wasm_bindgen;

/// Hydrates the page that the server rendered.
#[wasm_bindgen]
pub fn hydrate() {
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    pixygate::leptos::start(|| leptos::mount::hydrate_body(crate::App));
}
