//! A token as a structure, and the gate's checks with their verdicts.

use js_sys::{Array, JSON, Object};
use leptos::prelude::*;

use crate::api::{Check, CheckVerdict, Finding, Member};
use crate::texts::{checks, claims, session as text};
use crate::time::Moment;

/// Header, payload and signature of a token. Each has its own colour, name and border, so that none of them depends on the colour.
#[component]
pub(crate) fn TokenView(header: Vec<Member>, payload: Vec<Member>) -> impl IntoView {
    view! {
        <div class="token">
            {segment("header", text::header(), text::header_text(), header)}
            {segment("payload", text::payload(), text::payload_text(), payload)}
            {segment("signature", text::signature(), text::signature_text(), Vec::new())}
        </div>
    }
}

fn segment(part: &'static str, name: &'static str, what: &'static str, members: Vec<Member>) -> AnyView {
    let row = |member: Member| {
        // A JSON string is easier to read without its quotes.
        let value = member.value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let value = value
            .filter(|text| !text.contains('\\'))
            .unwrap_or(&member.value)
            .to_owned();
        view! {
            <tr>
                <th scope="row"><code>{member.name.clone()}</code></th>
                <td>
                    <code>{value}</code>
                    {member.at.map(|at| view! { <span class="date"><Moment at=at * 1000 /></span> }.into_any())}
                </td>
                <td>{claims::meaning(&member.name).map_or_else(|| claims::if_english(member.meaning), str::to_owned)}</td>
            </tr>
        }
        .into_any()
    };
    let table = (!members.is_empty()).then(|| {
        view! {
            <table>
                <thead class="visually-hidden">
                    <tr><th scope="col">{text::claim()}</th><th scope="col">{text::value()}</th><th scope="col">{text::meaning()}</th></tr>
                </thead>
                <tbody>{members.into_iter().map(row).collect_view()}</tbody>
            </table>
        }
        .into_any()
    });
    view! {
        <section class="segment" data-part=part>
            <h3>{name} <span>{what}</span></h3>
            {table}
        </section>
    }
    .into_any()
}

/// A token as text, with its three parts marked.
pub(crate) fn raw(token: &str) -> AnyView {
    let parts = ["header", "payload", "signature"];
    let mut segments: Vec<_> = token.split('.').zip(parts).collect();
    if segments.len() < 3 {
        segments = vec![(token, "payload")];
    }
    let mut first = true;
    let spans = segments.into_iter().map(|(segment, part)| {
        let dot = if std::mem::take(&mut first) { "" } else { "." };
        view! { {dot}<span data-part=part>{segment.to_owned()}</span> }.into_any()
    });
    view! { <code class="raw" translate="no">{spans.collect_view()}</code> }.into_any()
}

/// The checks, in their order, each with its verdict in words.
#[component]
pub(crate) fn Checks(checks: Vec<Check>) -> impl IntoView {
    let item = |check: Check| {
        let (verdict, word) = match check.verdict {
            CheckVerdict::Passed => ("passed", checks::passed()),
            CheckVerdict::Failed => ("failed", checks::failed()),
            CheckVerdict::NotMade => ("not-made", checks::not_made()),
        };
        view! {
            <li data-verdict=verdict>
                <span>{checks::description(&check.name)}</span>
                <strong>{word}</strong>
            </li>
        }
        .into_any()
    };
    view! { <ol class="checks">{checks.into_iter().map(item).collect_view()}</ol> }
}

/// A finding and its fix, with the difference between expected and found marked.
#[component]
pub(crate) fn FindingView(finding: Finding) -> impl IntoView {
    let (same, expected, found) = difference(&finding.expected, &finding.found);
    let marked = |same: &str, rest: String| view! { <code>{same.to_owned()}<mark>{rest}</mark></code> }.into_any();
    view! {
        <section class="notice" data-kind="error" aria-label=checks::finding()>
            <h2>{finding.title}</h2>
            <dl class="facts">
                <dt>{checks::expected()}</dt>
                <dd>{marked(same, expected)}</dd>
                <dt>{checks::found()}</dt>
                <dd>{marked(same, found)}</dd>
            </dl>
            {(!finding.hint.is_empty()).then(|| view! { <p>{checks::next_step()}</p> <pre><code>{finding.hint}</code></pre> }.into_any())}
            {(!finding.page.is_empty()).then(|| view! { <p><a href=finding.page rel="external">{checks::more(finding.code)}</a></p> }.into_any())}
        </section>
    }
}

/// Returns the common beginning of two texts, and the rest of each. A common beginning that is short counts as none.
pub(crate) fn difference<'a>(expected: &'a str, found: &'a str) -> (&'a str, String, String) {
    let mut at = 0;
    for (one, other) in expected.char_indices().zip(found.chars()) {
        if one.1 != other {
            break;
        }
        at = one.0 + one.1.len_utf8();
    }
    if at < 8 {
        at = 0;
    }
    (&expected[..at], expected[at..].to_owned(), found[at..].to_owned())
}

/// Decodes a token in the browser: its header and payload, with its members in their order. `None` if it is no JWT.
pub(crate) fn decode(token: &str) -> Option<(Vec<Member>, Vec<Member>)> {
    let mut segments = token.split('.').map(members);
    Some((segments.next()??, segments.next()??))
}

fn members(segment: &str) -> Option<Vec<Member>> {
    let base64 = segment.replace('-', "+").replace('_', "/");
    let binary = window().atob(&base64).ok()?;
    // One character for each byte.
    let bytes: Vec<u8> = binary
        .chars()
        .map(|byte| u8::try_from(u32::from(byte)))
        .collect::<Result<_, _>>()
        .ok()?;
    let json = JSON::parse(&String::from_utf8(bytes).ok()?).ok()?;
    let object = Object::try_from(&json)?;
    let member = |entry| {
        let entry = Array::from(&entry);
        let (name, value) = (entry.get(0).as_string()?, entry.get(1));
        let date = ["exp", "iat", "nbf", "auth_time"].contains(&name.as_str());
        Some(Member {
            at: value.as_f64().filter(|_| date).map(|seconds| seconds as u64),
            value: JSON::stringify(&value).ok()?.into(),
            meaning: String::new(),
            name,
        })
    };
    Object::entries(object).iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn the_difference_begins_where_two_issuers_part() {
        let (same, expected, found) =
            difference("https://idp.example/t/acme", "https://idp.example/t/acme/oauth2/token");
        assert_eq!(
            (same, expected.as_str(), found.as_str()),
            ("https://idp.example/t/acme", "", "/oauth2/token")
        );
    }

    #[test]
    fn what_has_nothing_in_common_is_shown_whole() {
        assert_eq!(difference("an access token", "an ID token").0, "");
        assert_eq!(difference("grün", "grau").1, "grün");
    }
}
