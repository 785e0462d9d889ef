//! Explains a token, or a denied call.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_query_map;
use pixygate::leptos::{CallError, Texts, use_auth};

use super::token_view::{Checks, FindingView, TokenView};
use crate::answer::{Answer, Build, answer};
use crate::api::{CallVerdict, Filter, Finding, Inspection, Record, RecordId, TokenKind, Verdict, activity, diagnose};
use crate::lazy_page::PageFn;
use crate::notice::Notice;
use crate::texts::{diagnose as text, reasons};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pixygate::deferred! {
    /// The page.
    pub(crate) async fn console() -> Result<PageFn, CallError> {
        Ok(|| view! { <Diagnose /> }.into_any())
    }
}

#[component]
fn Diagnose() -> impl IntoView {
    let auth = use_auth();
    let token = RwSignal::new(String::new());
    let method = RwSignal::new(METHODS[0].to_owned());
    let path = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let outcome = RwSignal::new(None::<Result<Inspection, CallError>>);
    let check = move || {
        busy.set(true);
        outcome.set(None);
        spawn_local(async move {
            let inspection = async {
                let token = match token.get_untracked().trim() {
                    "" => auth.access_token().await?.secret().clone(),
                    token => token.to_owned(),
                };
                let path = path.get_untracked().trim().to_owned();
                let method = (!path.is_empty()).then(|| method.get_untracked());
                diagnose(token, method, Some(path)).await
            };
            let inspection = inspection.await;
            // The user may have left the page.
            outcome.try_set(Some(inspection));
            busy.try_set(false);
        });
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        check();
    };
    let example = move |_| {
        spawn_local(async move {
            if let Ok(client) = auth.client().await {
                token.try_set(issuer_conflict(&client.provider.issuer));
                check();
            }
        });
    };
    let result = NodeRef::<leptos::html::Div>::new();
    Effect::new(move || {
        if outcome.with(Option::is_some)
            && let Some(result) = result.get_untracked()
        {
            result.scroll_into_view();
        }
    });
    let record = use_query_map().with_untracked(|query| query.get("record").and_then(|id| id.parse().ok()));
    view! {
        <p class="lead">{text::lead()}</p>
        {record.map(|id| view! { <Denied id=RecordId(id) /> }.into_any())}
        <section class="card">
            <form on:submit=submit>
                <div class="field wide">
                    <label for="token">{text::token()}</label>
                    <textarea id="token" rows="5" spellcheck="false" autocomplete="off" aria-describedby="token-hint" bind:value=token></textarea>
                    <p class="hint" id="token-hint">{text::token_hint()}</p>
                </div>
                <fieldset>
                    <legend>{text::call()}</legend>
                    <p class="hint" id="call-hint">{text::call_hint()}</p>
                    <div class="row">
                        <div class="field">
                            <label for="method">{text::method()}</label>
                            <select id="method" bind:value=method>
                                {METHODS.map(|method| view! { <option>{method}</option> }.into_any()).collect_view()}
                            </select>
                        </div>
                        <div class="field wide">
                            <label for="path">{text::path()}</label>
                            <input id="path" spellcheck="false" autocomplete="off" placeholder="/api/whoami" aria-describedby="call-hint" bind:value=path />
                        </div>
                    </div>
                </fieldset>
                <div class="actions">
                    <button type="submit" class="button" disabled=busy aria-busy=move || busy.get().to_string()>{text::check()}</button>
                    <button type="button" class="button quiet" disabled=busy on:click=example aria-describedby="example-hint">
                        {text::example()}
                    </button>
                </div>
                <p class="hint" id="example-hint">{text::example_hint()}</p>
            </form>
        </section>
        <div aria-live="polite" node_ref=result>
            {move || outcome.get().map(|outcome| match outcome {
                Ok(inspection) => explained(inspection),
                Err(error) => {
                    let (title, text) = Texts::current().call(&error);
                    view! { <Notice kind="error" title text detail=error.to_string() /> }.into_any()
                }
            })}
        </div>
    }
}

/// Makes a token with almost the right issuer: some providers put the URL of the token endpoint into `iss`, and operators configure the
/// URL in front of it. The token needs no signature, because the issuer is checked first.
fn issuer_conflict(issuer: &str) -> String {
    let encode = |json: String| {
        let base64 = window().btoa(&json).unwrap_or_default();
        base64.replace('+', "-").replace('/', "_").replace('=', "")
    };
    let header = encode(r#"{"alg":"RS256","typ":"at+jwt","kid":"example"}"#.to_owned());
    let payload = encode(format!(
        r#"{{"iss":"{issuer}/oauth2/token","sub":"alice","aud":"example","exp":4102444800}}"#
    ));
    format!("{header}.{payload}.{}", encode("not a signature".to_owned()))
}

fn explained(inspection: Inspection) -> AnyView {
    let (kind, title) = match inspection.verdict {
        Verdict::Accepted => ("info", text::accepted()),
        Verdict::AcceptedWithProof => ("info", text::accepted_with_proof()),
        Verdict::Rejected { .. } => ("error", text::rejected()),
        Verdict::NotChecked { .. } => ("warning", text::not_checked()),
    };
    let what = match inspection.kind {
        TokenKind::AccessToken => text::kind_access_token(),
        TokenKind::IdToken => text::kind_id_token(),
        TokenKind::LogoutToken => text::kind_logout_token(),
        TokenKind::DpopProof => text::kind_dpop_proof(),
        TokenKind::Jwt => text::kind_jwt(),
        TokenKind::Encrypted => text::kind_encrypted(),
        TokenKind::Opaque => text::kind_opaque(),
    };
    let readable = !inspection.header.is_empty();
    view! {
        <h2 class="visually-hidden">{text::result()}</h2>
        {match inspection.finding {
            Some(finding) => view! { <FindingView finding /> }.into_any(),
            None => view! { <Notice kind title text=what /> }.into_any(),
        }}
        {inspection.call.map(call)}
        <section class="card">
            <h2>{text::checks_token()}</h2>
            <Checks checks=inspection.checks />
        </section>
        {readable.then(|| {
            view! {
                <section class="card">
                    <h2>{text::contents()}</h2>
                    <TokenView header=inspection.header payload=inspection.payload />
                </section>
            }
            .into_any()
        })}
    }
    .into_any()
}

fn call(call: CallVerdict) -> AnyView {
    let (kind, title) = match call.passes {
        true => ("info", text::passes().to_owned()),
        false => ("error", text::denied(call.status.unwrap_or_default())),
    };
    let about = format!("{} {}", call.method, call.path);
    view! {
        <section class="card">
            <h2>{text::checks_call()}</h2>
            <Notice kind title text=about />
            {call.finding.map(|finding| view! { <FindingView finding /> }.into_any())}
            <Checks checks=call.checks />
        </section>
    }
    .into_any()
}

/// A denied call of the activity: the expected and the found value, and the hint.
#[component]
fn Denied(id: RecordId) -> impl IntoView {
    let find = move || -> Answer {
        Box::pin(async move {
            // The page before the next identifier begins with this record.
            let page = activity(Filter::default(), Some(RecordId(id.0 + 1))).await?;
            let record = page.records.into_iter().find(|record| record.id == id);
            Ok(Box::new(move || record.map_or_else(no_record, denied)) as Build)
        })
    };
    answer("skeleton tall", Box::new(find)).0
}

fn no_record() -> AnyView {
    view! { <Notice kind="info" title=text::no_record() text=text::no_record_text() /> }.into_any()
}

fn denied(record: Record) -> AnyView {
    let Some(denial) = record.denial else {
        return view! { <Notice kind="info" title=text::not_denied() text=text::not_denied_text() /> }.into_any();
    };
    let route = record.route.unwrap_or_else(|| "–".to_owned());
    let finding = Finding {
        title: reasons::title(denial.reason).to_owned(),
        code: String::new(),
        page: String::new(),
        expected: denial.expected,
        found: denial.found,
        hint: denial.hint,
    };
    view! {
        <section class="card">
            <h2>{text::denied_call()}</h2>
            <p>{text::denied_call_text(record.method, route, record.status.unwrap_or_default())}</p>
            <FindingView finding />
        </section>
    }
    .into_any()
}
