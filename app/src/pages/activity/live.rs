//! Whether new calls come by themselves, and the pause.

use leptos::prelude::*;

use crate::number;
use crate::texts::activity as text;

use super::list::MOST_WAITING;
use super::state::{Following, State};

#[component]
pub(super) fn Live(state: State) -> impl IntoView {
    let words = Memo::new(move |_| match (state.paused.get(), state.following.get()) {
        (_, Following::Over) => text::over(),
        (_, Following::Offline) => text::offline(),
        (_, Following::Interrupted) => text::interrupted(),
        (true, _) => text::paused(),
        (false, Following::Connecting) => text::connecting(),
        (false, Following::Live) => text::live(),
        (false, Following::Polling) => text::live_polling(),
    });
    let label = move || {
        let waiting = state.waiting.with(|waiting| waiting.count);
        match (state.paused.get(), waiting) {
            (false, _) => text::pause().to_owned(),
            (true, 0) => text::resume().to_owned(),
            (true, number) if number > MOST_WAITING => text::resume_with_many(number::words(MOST_WAITING as u64)),
            (true, number) => text::resume_with(number::words(number as u64)),
        }
    };
    let toggle = move |_| match state.paused.get_untracked() {
        true => state.resume(),
        false => state.paused.set(true),
    };
    let over = Memo::new(move |_| state.following.get() == Following::Over);
    let lives = move || (state.following.get() == Following::Live && !state.paused.get()).to_string();
    let announced = move || match state.announced.get() {
        0 => String::new(),
        1 => text::one_new().to_owned(),
        number => text::new(number::words(number as u64)),
    };
    view! {
        <div class="live">
            <p role="status" class="live-state" data-lives=lives>{move || words.get()}</p>
            <p role="status" class="visually-hidden">{announced}</p>
            {move || {
                (!over.get()).then(|| view! {
                    <button type="button" class="button quiet small" on:click=toggle>{label}</button>
                }.into_any())
            }}
        </div>
    }
}
