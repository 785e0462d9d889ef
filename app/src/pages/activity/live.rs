//! The indicator of live updates, and the pause button.

use leptos::prelude::*;

use crate::number;
use crate::texts::activity as text;

use super::button;
use super::list::MOST_WAITING;
use super::state::{Following, Model, State};

pub(super) fn live(model: &Model, state: State) -> AnyView {
    let words = match (model.paused, model.following) {
        (_, Following::Over) => text::over(),
        (_, Following::Offline) => text::offline(),
        (_, Following::Interrupted) => text::interrupted(),
        (true, _) => text::paused(),
        (false, Following::Connecting) => text::connecting(),
        (false, Following::Live) => text::live(),
        (false, Following::Polling) => text::live_polling(),
    };
    let label = match (model.paused, model.waiting.count) {
        (false, _) => text::pause().to_owned(),
        (true, 0) => text::resume().to_owned(),
        (true, number) if number > MOST_WAITING => text::resume_with_many(number::words(MOST_WAITING as u64)),
        (true, number) => text::resume_with(number::words(number as u64)),
    };
    let lives = model.following == Following::Live && !model.paused;
    let announced = match model.announced {
        0 => String::new(),
        1 => text::one_new().to_owned(),
        number => text::new(number::words(number as u64)),
    };
    let over = model.following == Following::Over;
    view! {
        <div class="live">
            <p role="status" class="live-state" data-lives=lives.to_string()>{words}</p>
            <p role="status" class="visually-hidden">{announced}</p>
            {(!over).then(|| button("button quiet small", label, move || state.toggle()))}
        </div>
    }
    .into_any()
}
