//! What the browser lets the application's pages do at the provider (CORS, in the Fetch standard).

use http::Method;
use pixygate::discovery::Metadata;
use url::Url;
use url::form_urlencoded::Serializer;

use super::metadata::Endpoints;
use super::probe::{Answer, NoAnswer, Probe};
use super::run::Checked;
use super::target::Target;
use crate::findings::{Code, Finding};

/// The token endpoint, with the request that the page sends. The code in it is nobody's.
pub(super) async fn token(target: &Target<'_>, probe: &Probe, endpoints: &Endpoints) -> Checked<()> {
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", &target.provider.client_id)
        .append_pair("code", "pixygate-doctor")
        .append_pair("redirect_uri", &target.config.server.public_url.join("/callback"))
        .append_pair("code_verifier", &"pixygate-doctor".repeat(3))
        .finish();
    let answer = post(target, probe, &endpoints.token, &form).await;
    shared(target, &endpoints.token, answer, Code::TokenCors)
}

pub(super) async fn dpop(target: &Target<'_>, probe: &Probe, endpoints: &Endpoints, used: bool) -> Checked<()> {
    if !used {
        return Checked::passed((), "no proofs are sent");
    }
    let origin = target.config.server.public_url.as_str();
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "dpop"),
    ];
    let found = match probe.send(Method::OPTIONS, &endpoints.token, &headers, None).await {
        Ok(answer) => {
            let listed = answer.headers.get_all("access-control-allow-headers").iter();
            let listed: Vec<_> = listed.filter_map(|value| value.to_str().ok()).collect();
            let listed = listed.join(", ");
            let allows = listed
                .split(',')
                .any(|name| name.trim() == "*" || name.trim().eq_ignore_ascii_case("dpop"));
            if allows && answer.status.is_success() && answer.is_shared_with(origin) {
                return Checked::passed((), format!("allowed for {origin}"));
            }
            let allowed = answer.allowed_origin();
            format!("{allowed}, Access-Control-Allow-Headers: {listed}")
        }
        Err(no_answer) => no_answer.why,
    };
    Checked::passed((), "").and([Finding::new(Code::DpopCors)
        .expected(format!("the header DPoP allowed for {origin} at {}", endpoints.token))
        .found(found)])
}

pub(super) async fn keys(target: &Target<'_>, probe: &Probe, endpoints: &Endpoints) -> Checked<()> {
    let answer = get(target, probe, &endpoints.keys).await;
    shared(target, &endpoints.keys, answer, Code::KeysCors)
}

pub(super) async fn revocation(target: &Target<'_>, probe: &Probe, metadata: &Metadata) -> Checked<()> {
    let own = target.provider.browser_endpoints.revocation.as_deref();
    let own = own.and_then(|url| Url::parse(url).ok());
    let Some(url) = own.or_else(|| metadata.url("revocation_endpoint").ok().flatten()) else {
        return Checked::passed((), "the provider has no revocation endpoint");
    };
    let form = Serializer::new(String::new())
        .append_pair("token", "pixygate-doctor")
        .append_pair("client_id", &target.provider.client_id)
        .finish();
    let answer = post(target, probe, &url, &form).await;
    shared(target, &url, answer, Code::RevocationCors)
}

pub(super) async fn other(target: &Target<'_>, probe: &Probe, metadata: &Metadata) -> Checked<()> {
    let userinfo = metadata.url("userinfo_endpoint").ok().flatten();
    let mut checked = shared(
        target,
        &target.location,
        get(target, probe, &target.location).await,
        Code::OtherCors,
    );
    if let Some(url) = userinfo {
        let answer = get(target, probe, &url).await;
        if let Some(finding) = withheld(target, &url, answer, Code::OtherCors) {
            checked = checked.and([finding]);
        }
    }
    checked
}

async fn post(target: &Target<'_>, probe: &Probe, url: &Url, form: &str) -> Result<Answer, NoAnswer> {
    let origin = target.config.server.public_url.as_str();
    let headers = [("origin", origin), ("accept", "application/json")];
    probe.send(Method::POST, url, &headers, Some(form)).await
}

async fn get(target: &Target<'_>, probe: &Probe, url: &Url) -> Result<Answer, NoAnswer> {
    let origin = target.config.server.public_url.as_str();
    probe.send(Method::GET, url, &[("origin", origin)], None).await
}

fn shared(target: &Target<'_>, url: &Url, answer: Result<Answer, NoAnswer>, code: Code) -> Checked<()> {
    let origin = target.config.server.public_url.as_str();
    Checked::passed((), format!("{origin} may read {url}")).and(withheld(target, url, answer, code))
}

fn withheld(target: &Target<'_>, url: &Url, answer: Result<Answer, NoAnswer>, code: Code) -> Option<Finding> {
    let origin = target.config.server.public_url.as_str();
    // The page has the origin of the provider itself: nothing is withheld.
    if url.origin().ascii_serialization() == origin {
        return None;
    }
    let found = match answer {
        Ok(answer) if answer.status.is_server_error() => {
            let status = answer.status.as_u16();
            return Some(Finding::new(Code::ProviderError).found(format!("{url} answered with status {status}")));
        }
        Ok(answer) if answer.is_shared_with(origin) => return None,
        Ok(answer) => answer.allowed_origin(),
        Err(no_answer) => {
            let code = if no_answer.timeout {
                Code::TooSlow
            } else {
                Code::NotConnected
            };
            return Some(Finding::new(code).found(format!("{url}: {}", no_answer.why)));
        }
    };
    let hint = match code {
        Code::OtherCors => code.fix().to_owned(),
        _ => format!("register the origin {origin} at the provider as an allowed origin (CORS, Web Origins)"),
    };
    Some(
        Finding::new(code)
            .place(target.place("server.public_url"))
            .expected(format!("Access-Control-Allow-Origin: {origin} at {url}"))
            .found(found)
            .hint(hint),
    )
}
