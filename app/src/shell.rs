//! The document around the application.

use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::MetaTags;
use pixygate::authorization::Client;
use pixygate::leptos::ClientData;

use crate::App;

/// Where the browser finds the files of the front end, each with its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteFiles {
    /// The JavaScript that loads the WASM.
    pub js: String,
    /// The WASM.
    pub wasm: String,
    /// The style sheet.
    pub css: String,
}

/// The document. It takes [`Client`] and [`SiteFiles`] from the context that the server provides.
///
/// `leptos::hydration::HydrationScripts` is not used: it knows the files' names only from the environment at build time, and
/// writes the nonce into `crossorigin`.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let SiteFiles { js, wasm, css } = use_context().unwrap_or_default();
    let client = use_context::<Client>();
    let nonce = use_nonce();
    let start = format!(
        "import({js:?}).then((page) => page.default({{ module_or_path: {wasm:?} }}).then(page.hydrate))\
         .catch((error) => {{ document.documentElement.classList.add('broken'); throw error; }});"
    );
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href=css />
                <link rel="modulepreload" href=js.clone() nonce=nonce.clone() />
                <link rel="preload" href=wasm.clone() r#as="fetch" r#type="application/wasm" crossorigin="" />
                <AutoReload options />
                {client.map(|client| view! { <ClientData client /> })}
                <script type="module" nonce=nonce inner_html=start></script>
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}
