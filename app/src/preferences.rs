//! The user's preferences: language and colour scheme.
//!
//! Both are cookies, so that the server renders the page in its final form. In the browser they are read from the document, which the server
//! rendered, so that the first render is the same.

use std::cell::Cell;

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use pixygate::authorization::Client;
use web_sys::HtmlDocument;

/// The cookie with the language, `en` or `de`.
const LANGUAGE: &str = "pixygate-language";

/// The cookie with the colour scheme, `light` or `dark`.
const THEME: &str = "pixygate-theme";

/// The attribute of the document with the provider's name.
pub(crate) const PROVIDER: &str = "data-provider";

/// A year, in seconds.
const LIFETIME: u32 = 31_536_000;

/// A language of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// The languages, as they call themselves.
    pub(crate) const ALL: [(Self, &str); 2] = [(Self::English, "English"), (Self::German, "Deutsch")];

    /// Returns the BCP 47 tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .map(|(language, _)| language)
            .find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// Returns the language of the page.
    pub(crate) fn current() -> Self {
        Preferences::current().language
    }

    /// Returns the preferred supported language of an `Accept-Language` header; ranges of equal weight count in their order (RFC 9110,
    /// 12.5.4).
    fn accepted(header: &str) -> Option<Self> {
        let mut ranges: Vec<(f32, Self)> = header
            .split(',')
            .filter_map(|range| {
                let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
                let weight = weight.trim().strip_prefix("q=")?.parse::<f32>().ok()?;
                Some((weight, Self::of_tag(tag.trim())?)).filter(|(weight, _)| *weight > 0.0)
            })
            .collect();
        ranges.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        ranges.first().map(|(_, language)| *language)
    }
}

/// The colour scheme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// The setting of the system.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All colour schemes, in the order of the button.
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Returns the value of the cookie, and of `data-theme` of the document; `None` for the setting of the system.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    pub(crate) fn of_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|theme| theme.name() == Some(name))
            .unwrap_or_default()
    }
}

/// The user's preferences. The server provides them in the context of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// The language.
    pub language: Language,
    /// The colour scheme.
    pub theme: Theme,
}

thread_local! {
    /// The preferences in the document. A change of the language loads a new document.
    static DOCUMENT: Cell<Option<Preferences>> = const { Cell::new(None) };
}

impl Preferences {
    /// Reads them from the headers `Cookie` and `Accept-Language` of a request.
    ///
    /// ```
    /// use app::{Language, Preferences, Theme};
    ///
    /// let chosen = Preferences::of_request("pixygate-theme=dark; pixygate-language=de", "en");
    /// assert_eq!((chosen.language, chosen.theme), (Language::German, Theme::Dark));
    /// let not_chosen = Preferences::of_request("", "fr, de-AT;q=0.9, en;q=0.8");
    /// assert_eq!((not_chosen.language, not_chosen.theme), (Language::German, Theme::System));
    /// ```
    pub fn of_request(cookies: &str, accept_language: &str) -> Self {
        let cookie = |name: &str| {
            let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        Self {
            language: cookie(LANGUAGE)
                .and_then(Language::of_tag)
                .or_else(|| Language::accepted(accept_language))
                .unwrap_or_default(),
            theme: cookie(THEME).map(Theme::of_name).unwrap_or_default(),
        }
    }

    /// Returns the preferences of the page.
    pub(crate) fn current() -> Self {
        if cfg!(feature = "hydrate") {
            return DOCUMENT.get().unwrap_or_else(|| {
                let root = document().document_element();
                let read = root.map(|root| Self {
                    language: Language::of_tag(&root.get_attribute("lang").unwrap_or_default()).unwrap_or_default(),
                    theme: Theme::of_name(&root.get_attribute("data-theme").unwrap_or_default()),
                });
                let read = read.unwrap_or_default();
                DOCUMENT.set(Some(read));
                read
            });
        }
        use_context().unwrap_or_default()
    }
}

/// Returns the identity provider's name: the host of its issuer. `None` while the server has not reached it.
pub(crate) fn provider_name() -> Option<String> {
    if cfg!(feature = "hydrate") {
        return document().document_element()?.get_attribute(PROVIDER);
    }
    let issuer = use_context::<Client>()?.provider.issuer;
    Some(
        issuer
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .to_owned(),
    )
}

/// Stores the language and reloads the page in it.
pub(crate) fn choose_language(tag: &str) {
    set_cookie(LANGUAGE, Some(tag));
    let _ = window().location().reload();
}

/// Stores the colour scheme and applies it.
pub(crate) fn choose_theme(theme: Theme) {
    set_cookie(THEME, theme.name());
    let root = document().document_element();
    let _ = root.map(|root| match theme.name() {
        Some(name) => root.set_attribute("data-theme", name),
        None => root.remove_attribute("data-theme"),
    });
}

fn set_cookie(name: &str, value: Option<&str>) {
    let lifetime = if value.is_some() { LIFETIME } else { 0 };
    let secure = if window().location().protocol().is_ok_and(|scheme| scheme == "https:") {
        "; Secure"
    } else {
        ""
    };
    let cookie = format!(
        "{name}={}; Path=/; Max-Age={lifetime}; SameSite=Strict{secure}",
        value.unwrap_or_default()
    );
    if let Ok(document) = document().dyn_into::<HtmlDocument>() {
        // Without cookies, the choice is lost when the page is left.
        let _ = document.set_cookie(&cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, Preferences, Theme};

    #[test]
    fn the_cookie_wins_over_the_header() {
        let read = |cookies, header| Preferences::of_request(cookies, header).language;
        assert_eq!(read("pixygate-language=en", "de"), Language::English);
        assert_eq!(read("pixygate-language=fr", "de"), Language::German);
        assert_eq!(read("a=b;pixygate-language=de", ""), Language::German);
        assert_eq!(read("", "de;q=0.5, en-GB;q=0.7"), Language::English);
        assert_eq!(read("", "de;q=0, en;q=0.1"), Language::English);
        assert_eq!(read("", "DE-ch"), Language::German);
        assert_eq!(read("", "fr, *;q=0.1"), Language::English);
        assert_eq!(read("", "de;q=no"), Language::English);
    }

    #[test]
    fn an_unknown_theme_is_that_of_the_system() {
        let read = |cookies| Preferences::of_request(cookies, "").theme;
        assert_eq!(read("pixygate-theme=dark"), Theme::Dark);
        assert_eq!(read("pixygate-theme=\"><script>"), Theme::System);
        assert_eq!(read("xpixygate-theme=dark"), Theme::System);
    }
}
