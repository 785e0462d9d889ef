//! The document around the application.

use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::MetaTags;
use pixygate::authorization::Client;
use pixygate::leptos::ClientData;

use crate::App;

/// The URLs of the site's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteFiles {
    /// The JavaScript that loads the WASM.
    pub js: String,
    /// The WASM.
    pub wasm: String,
    /// The style sheet.
    pub css: String,
    /// The icon.
    pub icon: String,
}

/// Starts the front end. Where its files are gone the server has another build by now, and the page is loaded again, once: the new
/// page brings the URLs of that build. Nothing of the page has run by then, so nothing is lost.
const START: &str = "const [js, wasm] = [JS, WASM];
import(js).then((page) => page.default({ module_or_path: wasm }).then(page.hydrate)).catch(async (error) => {
  const gone = async (url) => (await fetch(url, { method: 'HEAD' })).status === 404;
  try {
    if (sessionStorage.pixygateReloaded !== js && ((await gone(js)) || (await gone(wasm)))) {
      sessionStorage.pixygateReloaded = js;
      location.reload();
      return;
    }
  } catch {}
  document.documentElement.classList.add('broken');
  throw error;
});";

/// The document. It takes [`Client`] and [`SiteFiles`] from the context that the server provides.
///
/// `leptos::hydration::HydrationScripts` is not used: it knows the files' names only from the environment at build time, and
/// writes the nonce into `crossorigin`.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let SiteFiles { js, wasm, css, icon } = use_context().unwrap_or_default();
    let client = use_context::<Client>();
    let nonce = use_nonce();
    let start = START
        .replace("JS", &format!("{js:?}"))
        .replace("WASM", &format!("{wasm:?}"));
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href=icon type="image/svg+xml" />
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
