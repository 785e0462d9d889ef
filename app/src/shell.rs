//! The document around the application.

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
/// A page under another origin than the public one goes there first: the provider would lead back to that one, which knows nothing of
/// the sign-in.
///
/// A click on **Sign in** before that counts: the sign-in begins as soon as the front end is there, and the download goes on. Following the
/// link would begin it anew.
///
/// Where the files are gone the server has another build by now, and the page is loaded again, once: the new page has the URLs of that
/// build. Nothing of the page has run by then, so nothing is lost.
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
  // It hydrates in a task of its own.
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

/// The pages from which the provider is reached next.
const NEAR_PROVIDER: [&str; 2] = ["/sign-in", "/callback"];

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

/// The path of the request. Without a request it is that of the start page.
fn path() -> String {
    let url = use_context::<RequestUrl>().and_then(|url| url.parse().ok());
    url.map_or_else(|| "/".to_owned(), |url| url.path().to_owned())
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// The document. It takes [`Client`] and [`SiteFiles`] from the context that the server provides.
///
/// `leptos::hydration::HydrationScripts` is not used: it knows the files' names only from the environment at build time, and
/// writes the nonce into `crossorigin`.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let SiteFiles { js, wasm, css, icon } = use_context().unwrap_or_default();
    let client = use_context::<Client>();
    let nonce = use_nonce();
    let public = client.as_ref().map(|client| origin_of(&client.redirect_uri));
    let start = START
        .replace("FILES", &format!("{:?}", [&js, &wasm]))
        .replace("ORIGIN", &format!("{:?}", public.unwrap_or_default()));
    let path = path();
    let Preferences { language, theme } = Preferences::here();
    // The origin of the token endpoint, on the pages that reach it next.
    let provider = client.as_ref().filter(|_| NEAR_PROVIDER.contains(&path.as_str()));
    let provider = provider.map(|client| origin_of(&client.provider.token_endpoint).to_owned());
    view! {
        <!DOCTYPE html>
        <html lang=language.tag() data-theme=theme.name() data-provider=provider_name()>
            <head>
                <meta charset="utf-8" />
                // Not as a child: Leptos marks the end of a text with a comment, which is text in a title.
                <title inner_html=title_of(&path)></title>
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <link rel="icon" href=icon type="image/svg+xml" />
                <link rel="stylesheet" href=css />
                <link rel="modulepreload" href=js.clone() nonce=nonce.clone() />
                <link rel="preload" href=wasm.clone() r#as="fetch" r#type="application/wasm" crossorigin="" />
                // Without and with `crossorigin`: for the navigation, and for the request from a script.
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
