//! The pages of the provider that users meet: sign-in and sign-out.

use std::collections::HashMap;

use http::Method;
use pixygate::authorization::{AuthorizationRequest, Client, PendingSignIn, SignIn};
use pixygate::jwt::printable;
use serde_json::Value;
use url::Url;

use super::probe::{Answer, Probe};
use super::run::Checked;
use super::target::Target;
use crate::config::Config;
use crate::findings::{Code, Finding};
use crate::provider;

/// The request of a sign-in, sent as a browser sends it. No user signs in.
pub(super) async fn authorization(target: &Target<'_>, probe: &Probe) -> Checked<()> {
    let Config { session, server, .. } = target.config;
    let settings = provider::settings(&target.provider, session, target.trust.clone(), &server.public_url);
    let client = match settings.discover().await.map(|sign_in| sign_in.client()) {
        Ok(Some(client)) => client,
        Ok(None) => return Checked::failed(Finding::new(Code::NoMetadata).found("the provider stopped answering")),
        Err(error) => return Checked::failed(Finding::new(Code::EndpointMissing).found(error.to_string())),
    };
    let (_, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    let address = match client.provider.require_pushed_authorization_requests {
        false => request.url(&client),
        true => match push(probe, &client, &request).await {
            Ok(address) => address,
            Err(finding) => return Checked::failed(finding),
        },
    };
    let redirect_uri = client.redirect_uri.as_str();
    let Ok(address) = Url::parse(&address) else {
        return Checked::failed(Finding::new(Code::EndpointMissing).found(printable(&address)));
    };
    let is_back = |url: &Url| without_query(url) == redirect_uri;
    let answer = match probe.open(&address, is_back).await {
        Ok(answer) => answer,
        Err(no_answer) => {
            let code = if no_answer.timeout {
                Code::TooSlow
            } else {
                Code::AuthorizationPage
            };
            let found = format!("{}: {}", without_query(&address), no_answer.why);
            return Checked::failed(Finding::new(code).found(found));
        }
    };
    match rejected(target, &client, &answer, is_back(&answer.url)) {
        Some(finding) => Checked::failed(finding),
        None => Checked::passed(
            (),
            format!(
                "{redirect_uri} leads to a page of {}",
                answer.url.origin().ascii_serialization()
            ),
        ),
    }
}

/// RFC 9126, section 2.
async fn push(probe: &Probe, client: &Client, request: &AuthorizationRequest) -> Result<String, Finding> {
    let endpoint = client.provider.pushed_authorization_request_endpoint.as_deref();
    let Some(url) = endpoint.and_then(|url| Url::parse(url).ok()) else {
        return Err(Finding::new(Code::PushRequired));
    };
    let answer = probe
        .send(
            Method::POST,
            &url,
            &[("accept", "application/json")],
            Some(request.body()),
        )
        .await;
    let answer = answer.map_err(|no_answer| Finding::new(Code::AuthorizationPage).found(no_answer.why))?;
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match body["request_uri"].as_str() {
        Some(uri) => Ok(AuthorizationRequest::pushed_url(client, uri)),
        None => {
            let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
            Err(of_error(client, &text("error"), &text("error_description")))
        }
    }
}

/// The finding for an answer that is not a sign-in page.
fn rejected(target: &Target<'_>, client: &Client, answer: &Answer, is_back: bool) -> Option<Finding> {
    if is_back {
        let mut query: HashMap<_, _> = answer.url.query_pairs().into_owned().collect();
        let error = query.remove("error")?;
        let description = query.remove("error_description").unwrap_or_default();
        // The browser has no session there: that is the expected answer where the provider never shows a page.
        return match error.as_str() {
            "login_required" | "interaction_required" | "consent_required" => None,
            _ => Some(of_error(client, &error, &description)),
        };
    }
    let names_error = answer
        .url
        .query_pairs()
        .find(|(name, _)| name.to_ascii_lowercase().contains("error"));
    let text = text_of(&answer.body);
    // Some providers show their errors with status 200.
    let coded = text.contains("aadsts") && !answer.body.contains("password");
    if !answer.status.is_client_error() && !answer.status.is_server_error() && names_error.is_none() && !coded {
        return None;
    }
    let said = match &names_error {
        Some((_, value)) => value.to_lowercase(),
        None => String::new(),
    };
    let all = format!("{said} {text}");
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    let uri = &client.redirect_uri;
    let status = answer.status.as_u16();
    let found = format!("an error page with status {status}: {}", excerpt(&text));
    Some(
        if says(&[
            "redirect_uri",
            "redirect uri",
            "redirect-uri",
            "redirecturi",
            "callback",
        ]) {
            Finding::new(Code::RedirectUri)
                .place(target.place("server.public_url"))
                .expected(format!(
                    "the redirect URI {uri} registered for the client {}",
                    client.client_id
                ))
                .found(found)
                .hint(format!(
                    "register {uri} at the provider as a redirect URI of the client {}",
                    client.client_id
                ))
        } else if says(&[
            "client_id",
            "client id",
            "unknown client",
            "invalid client",
            "client not found",
            "invalid_client",
        ]) {
            Finding::new(Code::ClientId)
                .place(target.place("provider.client_id"))
                .expected(format!("the client {}", client.client_id))
                .found(found)
        } else {
            Finding::new(Code::AuthorizationPage)
                .expected("a sign-in page")
                .found(found)
        },
    )
}

/// The finding for an error that the provider sends to the client.
fn of_error(client: &Client, error: &str, description: &str) -> Finding {
    let found = match description {
        "" => printable(error),
        description => format!("{}: {}", printable(error), printable(description)),
    };
    let code = match error {
        "invalid_client" | "unauthorized_client" => Code::ClientId,
        "server_error" | "temporarily_unavailable" => Code::AuthorizationPage,
        _ => Code::RequestRejected,
    };
    let hint = match error {
        "invalid_scope" => format!(
            "take the scope that the provider does not know out of provider.scopes ({}), or register it there",
            client.scopes.join(" ")
        ),
        "invalid_target" => "correct provider.resource, or register the resource at the provider".to_owned(),
        "unauthorized_client" => "allow the authorization code grant for this client at the provider".to_owned(),
        _ => code.fix().to_owned(),
    };
    Finding::new(code).expected("a sign-in page").found(found).hint(hint)
}

/// Sign-out as the page asks for it, without an ID token: no user is signed in.
pub(super) async fn logout(target: &Target<'_>, probe: &Probe, endpoint: Option<&Url>) -> Checked<()> {
    let uri = target.config.server.public_url.join("/");
    let client_id = &target.provider.client_id;
    let address = match (&target.provider.logout_url, endpoint) {
        (Some(own), _) => {
            let filled = own
                .replace("{client_id}", &encoded(client_id))
                .replace("{post_logout_redirect_uri}", &encoded(&uri))
                .replace("{id_token_hint}", "");
            Url::parse(&filled).ok()
        }
        (None, Some(endpoint)) => {
            let mut url = endpoint.clone();
            url.query_pairs_mut()
                .append_pair("client_id", client_id)
                .append_pair("post_logout_redirect_uri", &uri);
            Some(url)
        }
        (None, None) => return Checked::passed((), "there is no endpoint to ask"),
    };
    let Some(address) = address else {
        return Checked::passed((), "the address has parts that only a sign-out fills in");
    };
    let answer = match probe.open(&address, |url| url.as_str().starts_with(&uri)).await {
        Ok(answer) => answer,
        Err(no_answer) => {
            let found = format!("{}: {}", without_query(&address), no_answer.why);
            return Checked::passed((), "").and([Finding::new(Code::LogoutRejected).found(found)]);
        }
    };
    let text = text_of(&answer.body);
    let is_error = answer.status.is_client_error() || answer.status.is_server_error();
    match is_error {
        // Some ask for the ID token, which a user who signs out has.
        true if text.contains("id_token_hint") && !text.contains("post_logout_redirect_uri") => {
            Checked::passed((), "the provider wants an ID token, which is there at a real sign-out")
        }
        true => Checked::passed((), "").and([Finding::new(Code::LogoutRejected)
            .place(target.place("server.public_url"))
            .expected(format!(
                "{uri} registered as a post-logout redirect URI of the client {client_id}"
            ))
            .found(format!(
                "an error page with status {}: {}",
                answer.status.as_u16(),
                excerpt(&text)
            ))
            .hint(format!("register {uri} at the provider as a post-logout redirect URI"))]),
        false => Checked::passed((), format!("{uri} is accepted")),
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The address without its query, which may have a secret in it.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The text of a page in lower case, without tags, scripts and styles.
fn text_of(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let lower = tag.get(..8).unwrap_or(tag).to_ascii_lowercase();
        let end = ["script", "style"].into_iter().find(|name| lower.starts_with(name));
        rest = match end.and_then(|name| tag.find(&format!("</{name}"))) {
            Some(end) => &tag[end..],
            None => tag,
        };
        rest = rest.split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn excerpt(text: &str) -> String {
    match text {
        "" => "without a text".to_owned(),
        text => printable(&text.chars().take(160).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_page_is_what_a_user_reads() {
        let page = "<html><style>p { color: red }</style><h1>Error</h1><script>var redirect_uri;</script><p>Unknown  Client</p>";
        assert_eq!(text_of(page), "error unknown client");
        assert_eq!(text_of("no tags < at all"), "no tags");
    }
}
