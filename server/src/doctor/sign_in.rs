//! `--sign-in`: a user signs in, by an independent client; then the tokens.

use std::sync::Arc;
use std::time::SystemTime;

use pixygate::jwt::printable;
use serde_json::Value;
use url::Url;

use super::run::{Checked, Missing, Run};
use super::target::Target;
use crate::findings::{Code, Finding};
use crate::inspect::{self, Decision, Kind};
use crate::loopback::{Loopback, Registration, SignedIn, invite};
use crate::start;

/// Leads a user to the provider: with the client's identifier, the redirect URI, and the address for the browser.
type Open = dyn Fn(&str, &str, &Url) + Send + Sync;

/// How a user signs in.
#[derive(Clone)]
pub struct SignIn {
    port: Option<u16>,
    open: Arc<Open>,
}

impl SignIn {
    /// Through the browser of this machine. The port is that of the redirect URI.
    pub fn in_browser(port: Option<u16>) -> Self {
        Self::with(port, invite)
    }

    /// In another way: it gets the client's identifier, the redirect URI, and the address for the browser.
    pub fn with(port: Option<u16>, open: impl Fn(&str, &str, &Url) + Send + Sync + 'static) -> Self {
        Self {
            port,
            open: Arc::new(open),
        }
    }
}

pub(super) async fn examine(run: &mut Run<'_>, target: &Target<'_>, how: &SignIn, ready: &Result<(), Missing>) {
    let signed_in = run
        .check("signed-in", "", ready, async |()| sign_in(target, how).await)
        .await;
    let _checked = run
        .check("access-token", "", &signed_in, async |signed_in| {
            access_token(target, signed_in).await
        })
        .await;
}

async fn sign_in(target: &Target<'_>, how: &SignIn) -> Checked<SignedIn> {
    let failed = |found: String| Checked::failed(Finding::new(Code::SignIn).expected("an access token").found(found));
    let loopback = match Loopback::listen(how.port).await {
        Ok(loopback) => loopback,
        Err(error) => return failed(error.to_string()),
    };
    let redirect_uri = loopback.redirect_uri().to_owned();
    let registration = Registration {
        provider: target.provider.clone(),
        trust: target.trust.clone(),
        scopes: Vec::new(),
    };
    let client_id = &target.provider.client_id;
    let open = |url: &Url| (how.open)(client_id, &redirect_uri, url);
    match loopback.sign_in(&registration, open).await {
        Ok(signed_in) => {
            let refresh = if signed_in.refresh_token.is_some() {
                "with"
            } else {
                "without"
            };
            let lifetime = signed_in
                .expires_in
                .map(|lifetime| format!(", valid for {} s", lifetime.as_secs()));
            let granted = signed_in
                .scopes
                .as_ref()
                .map(|scopes| format!(", scopes {}", scopes.join(" ")));
            let detail = format!(
                "{} signed in, {refresh} a refresh token{}{}",
                printable(&signed_in.subject),
                lifetime.unwrap_or_default(),
                granted.unwrap_or_default()
            );
            let note = Finding::new(Code::NoRefresh).expected("a refresh token").found("none");
            let note = signed_in.refresh_token.is_none().then_some(note);
            Checked::passed(signed_in, detail).and(note)
        }
        Err(error) => failed(error.to_string()),
    }
}

/// Adds the line to write where a list of the trust lacks what the token has. The token comes from the provider itself.
///
/// An audience is added only when it is the client: a token for another service must not open this one.
fn with_line(target: &Target<'_>, token: &str, finding: Finding) -> Finding {
    let claims = inspect::Parts::of(token).claims;
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let audience: Vec<_> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let (own, client_id) = (&target.provider.issuer, target.provider.client_id.as_str());
    let trust = target.config.trust.iter().position(|trust| trust.issuer == *own);
    let (aliases, audiences) = match finding.code {
        Code::IssuerNotTrusted if !issuer.is_empty() => (Some(issuer), vec![client_id]),
        Code::AudienceMismatch if !audience.is_empty() => (None, audience),
        _ => return finding,
    };
    match (trust, aliases) {
        (Some(index), Some(alias)) => finding.addition(format!("trust[{index}].aliases"), alias),
        (Some(index), None) if audiences.contains(&client_id) => {
            finding.addition(format!("trust[{index}].audience"), client_id)
        }
        (Some(_), None) => finding,
        // There is none to correct: the provider is trusted by itself.
        (None, _) => {
            let line = |key: &str, values: &[&str]| {
                let values: Vec<_> = values.iter().map(|value| format!("\"{}\"", printable(value))).collect();
                format!(", {key} = [{}]", values.join(", "))
            };
            let place = target.provider.discovery_url.as_deref();
            let place = place
                .map(|url| format!(", discovery_url = \"{url}\""))
                .unwrap_or_default();
            let aliases = aliases.map(|alias| line("aliases", &[alias])).unwrap_or_default();
            let audiences = line("audience", &audiences);
            finding.hint(format!(
                "if the token is meant for this gate, write at the end of the file [[trust]], and below it issuer = \
                 \"{own}\"{place}{audiences}{aliases}"
            ))
        }
    }
}

async fn access_token(target: &Target<'_>, signed_in: &SignedIn) -> Checked<()> {
    let config = target.config;
    let inspected = match start::policies(config) {
        Ok(policies) => {
            let trusts = config.trust_of(&target.provider);
            let most = config.gate.max_token_bytes as usize;
            let fetch = pixygate::jwt::HttpFetch::new();
            inspect::examine(
                &signed_in.access_token,
                trusts,
                &policies,
                most,
                fetch,
                SystemTime::now(),
            )
            .await
        }
        Err(error) => Err(error.to_string()),
    };
    let inspection = match inspected {
        Ok(inspection) => inspection,
        Err(why) => return Checked::failed(Finding::new(Code::Configuration).found(why)),
    };
    let introspects = config.trust.iter().any(|trust| !trust.introspection_url.is_empty());
    if matches!(inspection.kind, Kind::Opaque | Kind::Encrypted) && !introspects {
        let found = if inspection.kind == Kind::Opaque {
            "an opaque token"
        } else {
            "an encrypted token (JWE)"
        };
        return Checked::failed(Finding::new(Code::OpaqueToken).expected("a signed JWT").found(found));
    }
    match (inspection.decision, inspection.finding) {
        (Decision::Accepted | Decision::AcceptedWithProof { .. }, _) => {
            let routes = inspection
                .routes
                .iter()
                .map(|route| format!("{} {}: {}", route.methods, route.path, route.status));
            Checked::passed((), routes.collect::<Vec<_>>().join(", "))
        }
        (_, Some(finding)) => Checked::failed(with_line(target, &signed_in.access_token, finding)),
        (_, None) => Checked::failed(Finding::new(Code::SignIn).found("the gate rejects the access token")),
    }
}
