//! Times and durations, in the page's language and the user's time zone. In the browser only: the server does not know that zone.

use std::time::Duration;

use js_sys::futures::JsFuture;
use js_sys::{Date, Function, JsString, Object, Promise, Reflect};
use leptos::prelude::*;

use crate::preferences::Language;

/// Returns milliseconds since 1970, by the clock of the browser.
#[expect(clippy::disallowed_methods, reason = "times are shown by the reader's clock")]
pub(crate) fn now() -> u64 {
    if cfg!(target_family = "wasm") {
        Date::now() as u64
    } else {
        0
    }
}

/// A time, in words for the user and in RFC 3339 for machines.
#[component]
pub(crate) fn Moment(
    /// Milliseconds since 1970.
    at: u64,
    /// Whether to show only the time of day.
    #[prop(optional)]
    time_only: bool,
) -> impl IntoView {
    let (exact, words) = in_words(at, time_only);
    view! { <time datetime=exact.clone() title=exact>{words}</time> }
}

/// Returns a time in RFC 3339, and in words.
pub(crate) fn in_words(at: u64, time_only: bool) -> (String, String) {
    if !cfg!(target_family = "wasm") {
        return (at.to_string(), at.to_string());
    }
    let date = Date::new(&(at as f64).into());
    if date.get_time().is_nan() {
        return (at.to_string(), at.to_string());
    }
    let options = Object::new();
    let set = |name: &str| drop(Reflect::set(&options, &name.into(), &"medium".into()));
    set("timeStyle");
    let words: JsString = if time_only {
        date.to_locale_time_string_with_options(&locale(), &options)
    } else {
        set("dateStyle");
        date.to_locale_string(&locale(), &options)
    };
    (String::from(date.to_iso_string()), String::from(words))
}

/// Returns a time, in seconds since 1970, as the value of a `datetime-local` field, in the user's time zone.
pub(crate) fn to_local(seconds: u64) -> String {
    let date = Date::new(&(seconds as f64 * 1000.0).into());
    let (year, month, day) = (date.get_full_year(), date.get_month() + 1, date.get_date());
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}",
        date.get_hours(),
        date.get_minutes()
    )
}

/// Returns the time in a `datetime-local` field.
pub(crate) fn from_local(value: &str) -> Option<u64> {
    let time = Date::new(&value.into()).get_time();
    (time >= 0.0).then_some((time / 1000.0) as u64)
}

/// Returns the browser's regional variant of the page's language, as in `en-GB`.
pub(crate) fn locale() -> String {
    let tag = Language::current().tag();
    let own = window().navigator().language().unwrap_or_default();
    if own.starts_with(tag) { own } else { tag.to_owned() }
}

/// Returns hours, minutes and seconds, as in `1:04:05` or `4:05`.
pub(crate) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Waits for a duration.
pub(crate) async fn pause(time: Duration) {
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let mut wait = |resolve: Function, _: Function| {
        // It fails only if the argument is no function.
        let _ = window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    };
    let _ = JsFuture::from(Promise::new(&mut wait)).await;
}

/// Returns the current time, in milliseconds since 1970, updated as long as the component is mounted.
pub(crate) fn ticking() -> ReadSignal<u64> {
    let (time, set) = signal(now());
    Effect::new(move || {
        if let Ok(handle) = set_interval_with_handle(move || set.set(now()), Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
    time
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn a_duration_has_hours_only_where_there_are_any() {
        assert_eq!(clock(5), "0:05");
        assert_eq!(clock(245), "4:05");
        assert_eq!(clock(3845), "1:04:05");
    }
}
