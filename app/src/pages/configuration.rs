//! The configuration of the server, for administrators.

use leptos::prelude::*;
use pixygate::leptos::{CallError, Texts};

use crate::answer::{Build, answer};
use crate::api::{
    Configuration, Fault, NodeState, Reload, Setting, TargetDetail, TargetState, TrustState, UpstreamState,
    configuration,
};
use crate::lazy_page::PageFn;
use crate::notice::Notice;
use crate::texts::configuration as text;
use crate::time::Moment;

pixygate::deferred! {
    /// The page.
    pub(crate) async fn console() -> Result<PageFn, CallError> {
        Ok(|| view! { <Setup /> }.into_any())
    }
}

#[component]
fn Setup() -> impl IntoView {
    let (state, ask) = answer("skeleton page", Box::new(|| Box::pin(setup())));
    view! {
        <p class="lead">{text::lead()}</p>
        {state}
        <div class="actions">
            <button type="button" class="button quiet" on:click=move |_| ask()>{text::refresh()}</button>
        </div>
    }
}

async fn setup() -> Result<Build, CallError> {
    match configuration().await {
        Err(CallError::Refused(refusal)) if refusal.reason == pixygate::Reason::InsufficientScope => {
            let detail = CallError::Refused(refusal).to_string();
            Ok(Box::new(move || {
                let (_, text) = Texts::current().not_allowed;
                view! { <Notice kind="warning" title=text::for_administrators() text detail /> }.into_any()
            }))
        }
        answer => answer.map(|configuration| Box::new(move || shown(configuration)) as Build),
    }
}

fn shown(configuration: Configuration) -> AnyView {
    let Configuration {
        at,
        version,
        settings,
        reload,
        trusts,
        upstreams,
        nodes,
    } = configuration;
    view! {
        {reload.map(reloaded)}
        <p class="hint"><Moment at /> " · " {text::version()} " " {version}</p>
        <section class="card" aria-labelledby="issuers">
            <h2 id="issuers">{text::issuers()}</h2>
            {trusts.into_iter().map(trust).collect_view()}
        </section>
        <section class="card" aria-labelledby="upstreams">
            <h2 id="upstreams">{text::upstreams()}</h2>
            {upstreams.is_empty().then(|| view! { <p class="hint">{text::no_upstreams()}</p> }.into_any())}
            {upstreams.into_iter().map(upstream).collect_view()}
        </section>
        <section class="card" aria-labelledby="nodes">
            <h2 id="nodes">{text::nodes()}</h2>
            <ul class="states">{nodes.into_iter().map(node).collect_view()}</ul>
        </section>
        <Settings settings />
    }
    .into_any()
}

fn reloaded(reload: Reload) -> AnyView {
    let fault = |fault: Fault| {
        let Fault {
            key,
            source,
            expected,
            found,
            hint,
        } = fault;
        let lines = [key, source, expected, found, hint];
        let lines = lines.into_iter().filter(|line| !line.is_empty());
        view! { <li>{lines.map(|line| view! { <div>{line}</div> }.into_any()).collect_view()}</li> }.into_any()
    };
    let failed = (!reload.faults.is_empty()).then(|| {
        view! {
            <Notice kind="error" title=text::reload_failed() text=text::reload_failed_text() />
            <section class="card">
                <h2>{text::faults()}</h2>
                <ul class="states">{reload.faults.into_iter().map(fault).collect_view()}</ul>
            </section>
        }
        .into_any()
    });
    let restart = (!reload.need_restart.is_empty()).then(|| {
        view! { <Notice kind="warning" title=text::restart() text=reload.need_restart.join(", ") /> }.into_any()
    });
    view! { {failed} {restart} }.into_any()
}

fn trust(trust: TrustState) -> AnyView {
    let keys = trust
        .keys
        .into_iter()
        .map(|key| format!("{} ({})", key.kid.unwrap_or_else(|| "–".to_owned()), key.algorithm));
    let keys = keys.collect::<Vec<_>>().join(", ");
    let state = if trust.ready {
        ("good", text::ready())
    } else {
        ("bad", text::no_keys())
    };
    let fact = |name: &'static str, value: String| {
        (!value.is_empty()).then(|| view! { <dt>{name}</dt> <dd>{value}</dd> }.into_any())
    };
    let moment =
        |name: &'static str, at: Option<u64>| at.map(|at| view! { <dt>{name}</dt> <dd><Moment at /></dd> }.into_any());
    view! {
        <section class="state">
            <h3><code>{trust.issuer}</code> " " <span class="badge" data-state=state.0>{state.1}</span></h3>
            <dl class="facts">
                {fact(text::aliases(), trust.aliases.join(", "))}
                {fact(text::audience(), trust.audience.join(", "))}
                {fact(text::clients(), trust.client_ids.join(", "))}
                {fact(text::keys(), keys)}
                {fact(text::key_source(), trust.key_source)}
                {moment(text::loaded(), trust.loaded_at)}
                {moment(text::next(), trust.next_refresh)}
                {fact(text::last_error(), trust.last_error.unwrap_or_default())}
            </dl>
        </section>
    }
    .into_any()
}

fn upstream(upstream: UpstreamState) -> AnyView {
    let target = |target: TargetState| {
        let words = match target.detail {
            TargetDetail::Fine => text::healthy().to_owned(),
            TargetDetail::Failing { failures } => text::failing(failures),
            TargetDetail::Out { seconds } => text::out(seconds),
            TargetDetail::Unhealthy => text::unhealthy().to_owned(),
        };
        let state = if target.healthy { "good" } else { "bad" };
        view! { <li><code>{target.url}</code> " " <span class="badge" data-state=state>{words}</span> " " {text::in_flight(target.in_flight)}</li> }.into_any()
    };
    view! {
        <section class="state">
            <h3>{upstream.name} " " <code>{upstream.prefix}</code></h3>
            <ul class="states">{upstream.targets.into_iter().map(target).collect_view()}</ul>
        </section>
    }
    .into_any()
}

fn node(node: NodeState) -> AnyView {
    view! {
        <li>
            <code>{node.name}</code>
            {node.this.then(|| view! { " " <span class="badge">{text::this_node()}</span> }.into_any())}
            " " {node.version} " · " {text::seen()} " " <Moment at=node.seen />
            {node.revocation_age_seconds.map(|age| format!(" · {}", text::revocations(age)))}
        </li>
    }
    .into_any()
}

/// The settings; at first only those that differ from the default.
#[component]
fn Settings(settings: Vec<Setting>) -> impl IntoView {
    let only_set = RwSignal::new(true);
    let row = |setting: Setting| {
        view! { <tr><th scope="row"><code>{setting.key}</code></th><td><code>{setting.value}</code></td><td>{setting.source}</td></tr> }.into_any()
    };
    let rows = move || {
        let chosen = settings.iter().filter(|setting| !only_set.get() || !setting.is_default);
        chosen.cloned().map(row).collect_view()
    };
    view! {
        <section class="card" aria-labelledby="settings">
            <h2 id="settings">{text::settings()}</h2>
            <label class="check"><input type="checkbox" bind:checked=only_set /> {text::only_set()}</label>
            <div class="scrolls" tabindex="0" role="region" aria-labelledby="settings">
                <table>
                    <thead><tr><th scope="col">{text::key()}</th><th scope="col">{text::value()}</th><th scope="col">{text::source()}</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}
