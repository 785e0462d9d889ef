//! The HTML document around the application.

use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_router::location::RequestUrl;
use pixygate::authorization::Client;
use pixygate::leptos::ClientData;

use crate::App;
use crate::pages::PAGES;
use crate::preferences::{Preferences, provider_name};
use crate::texts::frame as text;

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

/// Starts the front end.
///
/// A page that was opened under another origin redirects to the public one first. The provider redirects there after the sign-in, and
/// storage of another origin does not have the sign-in's state.
///
/// A click on **Sign in** during the download is remembered and repeated once the front end runs. Following the link would start the
/// download again.
///
/// If the files are missing (404), the server has a newer build. The page is then reloaded once, to get the new URLs. No code of the page
/// has run yet, so no input is lost.
const START: &str = "const files = FILES;
const origin = ORIGIN;
if (origin && location.origin !== origin) location.replace(origin + location.pathname + location.search + location.hash);
let clicked;
const early = (event) => {
  const link = event.target.closest?.('a[href^=\"/sign-in\"]');
  if (!link || link.target || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  clicked = link;
  link.setAttribute('aria-busy', 'true');
};
addEventListener('click', early);
const gone = async (url) => (await fetch(url, { method: 'HEAD' })).status === 404;
try {
  const page = await import(files[0]);
  await page.default({ module_or_path: files[1] });
  page.hydrate();
  // `hydrate` returns before its task has run.
  setTimeout(() => {
    removeEventListener('click', early);
    clicked?.click();
  });
} catch (error) {
  removeEventListener('click', early);
  let again = false;
  try {
    if (sessionStorage.pixygateReloaded !== files[0] && ((await gone(files[0])) || (await gone(files[1])))) {
      sessionStorage.pixygateReloaded = files[0];
      again = true;
    }
  } catch {}
  if (again) location.reload();
  else {
    document.documentElement.classList.add('broken');
    throw error;
  }
}";

/// The pages whose next request goes to the provider.
const PRECONNECT_PAGES: [&str; 2] = ["/sign-in", "/callback"];

/// Returns the title of the page with this path.
pub(crate) fn title_of(path: &str) -> String {
    let page = match path.trim_end_matches('/') {
        "" => text::start(),
        "/sign-in" | "/callback" => text::signing_in(),
        path => PAGES
            .iter()
            .find(|page| page.path == path)
            .map_or_else(text::not_found, |page| (page.title)()),
    };
    format!("{page} · Pixygate")
}

/// Returns the path of the request; `/` without a request.
fn path() -> String {
    let url = use_context::<RequestUrl>().and_then(|url| url.parse().ok());
    url.map_or_else(|| "/".to_owned(), |url| url.path().to_owned())
}

/// Returns scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Renders the document, with [`Client`] and [`SiteFiles`] from the context that the server provides.
///
/// It does not use `leptos::hydration::HydrationScripts`, which takes the file names from the environment at build time and writes the
/// nonce into `crossorigin`.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let SiteFiles { js, wasm, css, icon } = use_context().unwrap_or_default();
    let client = use_context::<Client>();
    let nonce = use_nonce();
    let public = client.as_ref().map(|client| origin_of(&client.redirect_uri));
    let start = START
        .replace("FILES", &format!("{:?}", [&js, &wasm]))
        .replace("ORIGIN", &format!("{:?}", public.unwrap_or_default()));
    let path = path();
    let Preferences { language, theme } = Preferences::current();
    let provider = client.as_ref().filter(|_| PRECONNECT_PAGES.contains(&path.as_str()));
    let provider = provider.map(|client| origin_of(&client.provider.token_endpoint).to_owned());
    view! {
        <!DOCTYPE html>
        <html lang=language.tag() data-theme=theme.name() data-provider=provider_name()>
            <head>
                <meta charset="utf-8" />
                // Not a child: Leptos puts a comment after a text, and in a title browsers show it as text.
                <title inner_html=title_of(&path)></title>
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href=icon type="image/svg+xml" />
                <link rel="stylesheet" href=css />
                <link rel="modulepreload" href=js.clone() nonce=nonce.clone() />
                <link rel="preload" href=wasm.clone() r#as="fetch" r#type="application/wasm" crossorigin="" />
                // Without `crossorigin` for the navigation, with it for `fetch`.
                {provider.map(|origin| {
                    view! {
                        <link rel="preconnect" href=origin.clone() />
                        <link rel="preconnect" href=origin crossorigin="" />
                    }
                })}
                <AutoReload options />
                {client.map(|client| view! { <ClientData client /> })}
                <script type="module" nonce=nonce inner_html=start></script>
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}
