//! The remaining lifetime of the access token, updated every second and after each refresh.

use leptos::prelude::*;
use leptos::task::spawn_local;
use pixygate::leptos::{CallError, use_auth};
use pixygate::session::Event;

use crate::answer::{failed, placeholder};
use crate::api::{Inspection, my_token};
use crate::texts::session as text;
use crate::time::{clock, now, ticking};

/// The server's inspection of the token; `None` while it is loading.
pub(super) type Inspected = RwSignal<Option<Result<Inspection, CallError>>>;

/// Fetches the inspection of the caller's own token, now and after each refresh.
pub(super) fn inspected() -> (Inspected, impl Fn() + Copy + Send + Sync + 'static) {
    let inspected: Inspected = RwSignal::new(None);
    let ask = move || {
        spawn_local(async move {
            let inspection = my_token().await;
            // The user may have left the page.
            inspected.try_set(Some(inspection));
        });
    };
    ask();
    use_auth().on(move |event| {
        if *event == Event::Refreshed {
            ask();
        }
    });
    (inspected, ask)
}

/// Shows the inspection by `view`, a placeholder while it is loading, or the error.
pub(super) fn answered(
    inspected: Inspected,
    ask: impl Fn() + Copy + Send + 'static,
    view: impl Fn(Inspection) -> AnyView + Send + 'static,
) -> impl IntoView {
    move || match inspected.get() {
        None => placeholder("skeleton tall"),
        Some(Ok(inspection)) => view(inspection),
        Some(Err(error)) => failed(&error, Box::new(ask)),
    }
}

/// Returns the date in a claim, in seconds since 1970.
pub(super) fn date(inspection: &Inspection, claim: &str) -> Option<u64> {
    inspection.payload.iter().find(|member| member.name == claim)?.at
}

/// The remaining time, as in `4:05`.
#[component]
pub(super) fn Countdown(inspected: Inspected) -> impl IntoView {
    let time = ticking();
    // The clock of the browser may differ from the server's, which decides.
    let expires = Memo::new(move |_| {
        let inspection = inspected.get()?.ok()?;
        Some((date(&inspection, "exp")? * 1000).saturating_sub(inspection.at) + now())
    });
    let words = move || match expires.get().map(|at| at.saturating_sub(time.get()) / 1000) {
        None => "–".to_owned(),
        Some(0) => text::over().to_owned(),
        Some(seconds) => clock(seconds),
    };
    // Not announced by screen readers every second.
    view! { <span class="countdown" role="timer" aria-live="off">{move || words()}</span> }
}
