//! The response: status, time, headers, body, and the reason of a refusal.

use futures_util::StreamExt as _;
use gloo_net::http::Response;
use js_sys::Uint8Array;
use leptos::prelude::*;
use pixygate::Refusal;
use pixygate::leptos::{CallError, Texts};
use wasm_streams::ReadableStream;
use web_sys::AbortController;

use crate::notice::Notice;
use crate::number;
use crate::texts::{reasons, services as text};

use super::call::{MOST, cut};
use super::json::indented;
use super::trial::clock;

/// A response, as far as it has arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    status: u16,
    status_text: String,
    headers: Vec<(String, String)>,
    content_type: String,
    /// The time until the headers arrived, in milliseconds.
    first: f64,
    /// The time until now, in milliseconds.
    took: f64,
    bytes: usize,
    body: Body,
    /// Whether more of the body is expected.
    coming: bool,
    cut: bool,
    broke_off: bool,
    stopped: bool,
}

/// The body, as far as it can be displayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Body {
    #[default]
    Nothing,
    Text(String),
    Binary,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Idle,
    Sending,
    Answered(Box<Reading>),
    Failed(CallError),
    Stopped,
}

impl State {
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Sending => true,
            Self::Answered(reading) => reading.coming,
            _ => false,
        }
    }

    /// The user stopped the call.
    pub(super) fn stop(&mut self) {
        match self {
            Self::Sending => *self = Self::Stopped,
            Self::Answered(reading) if reading.coming => (reading.coming, reading.stopped) = (false, true),
            _ => {}
        }
    }
}

impl Reading {
    pub(super) fn of(response: &Response, first: f64) -> Self {
        let headers: Vec<_> = response.headers().entries().collect();
        let content_type = headers.iter().find(|(name, _)| name == "content-type");
        Self {
            status: response.status(),
            status_text: response.status_text(),
            content_type: content_type.map(|(_, value)| value.clone()).unwrap_or_default(),
            headers,
            first,
            took: first,
            coming: true,
            ..Self::default()
        }
    }

    /// The gate's refusal, if it is one.
    fn refusal(&self) -> Option<Refusal> {
        let Body::Text(body) = &self.body else {
            return None;
        };
        match serde_json::from_slice(body.as_bytes()) {
            Ok(CallError::Refused(refusal)) if self.status >= 400 => Some(refusal),
            _ => None,
        }
    }
}

/// The place that shows the response of one call.
pub(super) struct Show {
    pub(super) state: RwSignal<State>,
    pub(super) controller: Option<AbortController>,
}

impl Show {
    /// Shows a state, unless the call was stopped, another one has begun, or the form was closed.
    pub(super) fn show(&self, state: State) -> bool {
        let aborted = self
            .controller
            .as_ref()
            .is_some_and(|controller| controller.signal().aborted());
        !aborted && self.state.try_set(state).is_none()
    }
}

/// Reads the body and shows it as it arrives, up to a maximal length.
pub(super) async fn read(mut reading: Reading, response: Response, show: &Show, began: f64) {
    let show = |reading: &Reading| show.show(State::Answered(Box::new(reading.clone())));
    let mut bytes = Vec::new();
    if let Some(body) = response.body() {
        let mut chunks = ReadableStream::from_raw(body).into_stream();
        loop {
            if !show(&reading) {
                return;
            }
            match chunks.next().await {
                None => break,
                Some(Err(_)) => {
                    reading.broke_off = true;
                    break;
                }
                Some(Ok(chunk)) => bytes.extend(Uint8Array::new(&chunk).to_vec()),
            }
            reading.bytes = bytes.len();
            reading.took = clock() - began;
            (reading.body, reading.cut) = body_of(&bytes);
            // Dropping the stream cancels the call.
            if reading.cut {
                break;
            }
        }
    }
    reading.coming = false;
    reading.took = clock() - began;
    show(&reading);
}

/// Returns the body as text, and whether it was truncated. An incomplete last character is left out.
fn body_of(bytes: &[u8]) -> (Body, bool) {
    if bytes.is_empty() {
        return (Body::Nothing, false);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return (Body::Binary, false),
    };
    if text.contains('\0') {
        return (Body::Binary, false);
    }
    let mut text = text.to_owned();
    let cut = cut(&mut text, MOST);
    (Body::Text(text), cut)
}

#[component]
pub(super) fn Answer(state: RwSignal<State>) -> impl IntoView {
    let said = Memo::new(move |_| state.with(said));
    view! {
        <div class="answer">
            // Present before its text, because screen readers announce only changes.
            <p role="status" class="answer-said" data-kind=move || state.with(kind)>{move || said.get()}</p>
            {move || match state.get() {
                State::Answered(reading) => Some(details(&reading)),
                State::Failed(error) => {
                    let (title, text) = Texts::current().call(&error);
                    Some(view! { <Notice kind="error" title text detail=error.to_string() /> }.into_any())
                }
                _ => None,
            }}
        </div>
    }
}

fn kind(state: &State) -> &'static str {
    match state {
        State::Answered(reading) if reading.status < 400 => "good",
        State::Answered(_) => "bad",
        _ => "",
    }
}

fn said(state: &State) -> String {
    match state {
        State::Idle | State::Failed(_) => String::new(),
        State::Sending => text::sending().to_owned(),
        State::Stopped => text::stopped().to_owned(),
        State::Answered(reading) => {
            let status = format!("{} {}", reading.status, reading.status_text);
            let status = status.trim_end();
            match reading.coming {
                true => text::still_coming(status),
                false => text::answered(status, number::words(reading.first.round() as u64)),
            }
        }
    }
}

fn details(reading: &Reading) -> AnyView {
    let headers = reading.headers.iter().map(|(name, value)| {
        view! {
            <tr>
                <th scope="row">{name.clone()}</th>
                <td>{value.clone()}</td>
            </tr>
        }
        .into_any()
    });
    let is_json = reading.content_type.contains("json");
    let body = match &reading.body {
        Body::Nothing if reading.coming => None,
        Body::Nothing => Some(view! { <p class="hint">{text::no_body()}</p> }.into_any()),
        Body::Binary => Some(view! { <p class="hint">{text::binary(&reading.content_type)}</p> }.into_any()),
        Body::Text(body) => {
            let lines = is_json
                .then(|| indented(body))
                .flatten()
                .unwrap_or_else(|| body.clone());
            Some(view! { <pre class="body" tabindex="0" role="region" aria-label=text::answer_body()><code>{lines}</code></pre> }.into_any())
        }
    };
    let note = match reading {
        Reading { cut: true, .. } => Some(text::cut()),
        Reading { broke_off: true, .. } => Some(text::broke_off()),
        Reading { stopped: true, .. } => Some(text::stopped()),
        _ => None,
    };
    view! {
        {reading.refusal().map(|refusal| refused(&refusal))}
        <dl class="facts">
            <dt>{text::time()}</dt>
            <dd>{text::milliseconds(number::words(reading.took.round() as u64))}</dd>
            <dt>{text::size()}</dt>
            <dd>{text::bytes(number::words(reading.bytes as u64))}</dd>
        </dl>
        {body}
        {note.map(|note| view! { <p class="hint">{note}</p> }.into_any())}
        <details>
            <summary>{text::headers()}</summary>
            <div class="headers" tabindex="0" role="region" aria-label=text::headers()>
                <table>
                    <thead class="visually-hidden">
                        <tr>
                            <th scope="col">{text::header_name()}</th>
                            <th scope="col">{text::header_value()}</th>
                        </tr>
                    </thead>
                    <tbody>{headers.collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
    .into_any()
}

/// The reason of the gate's denial, with a link to its explanation.
fn refused(refusal: &Refusal) -> AnyView {
    let detail = refusal.detail.clone().unwrap_or_default();
    let said = [
        (text::expected(), detail.expected),
        (text::found(), detail.found),
        (text::hint(), detail.hint),
    ];
    let said = said.into_iter().filter(|(_, words)| !words.is_empty());
    let said = said.map(|(name, words)| view! { <dt>{name}</dt> <dd lang="en" class="said">{words}</dd> }.into_any());
    let activity = format!("/activity?outcome=denied&reason={}", refusal.reason.name());
    view! {
        <section class="refusal" aria-label=text::denied()>
            <dl class="facts">
                <dt>{text::reason()}</dt>
                <dd>{reasons::title(refusal.reason)} " " <code>{refusal.reason.name()}</code></dd>
                {said.collect_view()}
                <dt>{text::request()}</dt>
                <dd><code>{refusal.request_id.clone()}</code></dd>
            </dl>
            <div class="actions">
                <a href=activity class="button quiet small">{text::in_activity()}</a>
            </div>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_when_it_is_text() {
        assert_eq!(body_of(b""), (Body::Nothing, false));
        assert_eq!(body_of("aü".as_bytes()), (Body::Text("aü".to_owned()), false));
        // The rest of the last character may still arrive.
        assert_eq!(body_of(&"aü".as_bytes()[..2]), (Body::Text("a".to_owned()), false));
        assert_eq!(body_of(b"\x89PNG"), (Body::Binary, false));
        assert_eq!(body_of(b"a\0b"), (Body::Binary, false));
        let long = "x".repeat(MOST + 1);
        assert_eq!(body_of(long.as_bytes()), (Body::Text(long[1..].to_owned()), true));
    }

    #[test]
    fn only_an_error_is_a_refusal() {
        let body = r#"{"error":"insufficient_scope","reason":"insufficient_scope","request_id":"4711"}"#;
        let reading = |status, body: &str| Reading {
            status,
            body: Body::Text(body.to_owned()),
            ..Reading::default()
        };
        let refusal = reading(403, body).refusal().expect("a refusal");
        assert_eq!(
            (refusal.reason, refusal.request_id.as_str()),
            (pixygate::Reason::InsufficientScope, "4711")
        );
        assert_eq!(reading(200, body).refusal(), None);
        assert_eq!(reading(403, "Forbidden").refusal(), None);
    }

    #[test]
    fn a_stopped_call_keeps_what_came() {
        let came = Reading {
            status: 200,
            coming: true,
            body: Body::Text("event".to_owned()),
            ..Reading::default()
        };
        let mut state = State::Answered(Box::new(came));
        assert!(state.is_busy());
        state.stop();
        assert!(!state.is_busy());
        assert!(
            matches!(&state, State::Answered(reading) if reading.stopped && reading.body == Body::Text("event".to_owned()))
        );
        // A complete response stays as it is.
        let complete = State::Answered(Box::default());
        let mut state = complete.clone();
        state.stop();
        assert_eq!(state, complete);
    }
}
