//! The provider's metadata: that they are there, whose they are, and what a sign-in needs of them.

use pixygate::authorization::DpopMode;
use pixygate::discovery::{DiscoveryError, Metadata};
use pixygate::jwt::{Fetch as _, FetchError, FetchRequest, HttpFetch, Trust, printable};
use serde_json::Value;
use url::Url;

use super::run::Checked;
use super::target::{Target, metadata_location, not_fetched};
use crate::findings::{Code, Finding};

/// The issuer in a document that could be metadata.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) issuer: String,
    pub(super) location: Url,
}

/// Where providers whose issuer is not their base URL have their metadata below it.
const BELOW_THE_BASE: [&str; 2] = ["/oauth2/token", "/oauth2/oidcdiscovery"];

pub(super) async fn discovery(target: &Target<'_>) -> Checked<Document> {
    match fetch(&target.fetch, &target.trust, &target.location).await {
        Ok(document) => {
            let detail = target.location.to_string();
            Checked::passed(document, detail)
        }
        Err(finding) if finding.code == Code::NoMetadata => match below(&target.fetch, &target.trust).await {
            // The issuer's own check would not be made without a document here.
            Some(document) => Checked::failed(other_issuer(
                target,
                "provider.issuer",
                &target.provider.issuer,
                &document,
            )),
            None => Checked::failed(finding.place(target.place("provider.issuer"))),
        },
        Err(finding) => Checked::failed(finding.place(target.place("provider.issuer"))),
    }
}

/// Fetches a document as the gate does, and looks for the issuer in it.
pub(super) async fn fetch(fetch: &HttpFetch, trust: &Trust, location: &Url) -> Result<Document, Finding> {
    let bytes = fetch.fetch(FetchRequest::get(location, trust)).await;
    let bytes = bytes.map_err(|error: FetchError| {
        not_fetched(&error, Code::NoMetadata).expected(format!("the metadata of {}", trust.issuer))
    })?;
    let refuse = |why: String| {
        Finding::new(Code::NotMetadata)
            .expected("a JSON object with `issuer`")
            .found(format!("{location}: {why}"))
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let members: Value = serde_json::from_slice(text).map_err(|error| refuse(error.to_string()))?;
    match members.get("issuer").and_then(Value::as_str) {
        Some(issuer) => Ok(Document {
            issuer: issuer.to_owned(),
            bytes,
            location: location.clone(),
        }),
        None => Err(refuse("it has no `issuer`".to_owned())),
    }
}

/// The metadata below a base URL that was configured in place of the issuer. They are fetched for the message only.
pub(super) async fn below(http: &HttpFetch, trust: &Trust) -> Option<Document> {
    if !trust.discovery_url.is_empty() {
        return None;
    }
    let base = trust.issuer.trim_end_matches('/');
    for path in BELOW_THE_BASE {
        let url = Url::parse(&format!("{base}{path}/.well-known/openid-configuration")).ok()?;
        if let Ok(document) = fetch(http, trust, &url).await
            && document.issuer != trust.issuer
        {
            return Some(document);
        }
    }
    None
}

/// A provider that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its issuer, as its metadata have it.
    pub issuer: String,
    /// Where the metadata are, when that is not under the issuer.
    pub discovery_url: Option<String>,
}

/// Finds a provider by its issuer or its base URL.
///
/// # Errors
///
/// Why there are no metadata.
pub async fn find(http: &HttpFetch, trust: &Trust) -> Result<Found, Finding> {
    let Some(location) = metadata_location(trust) else {
        return Err(Finding::new(Code::NoMetadata).found("an address that cannot be used: https, or http on loopback"));
    };
    let document = match fetch(http, trust, &location).await {
        Err(finding) if finding.code == Code::NoMetadata => below(http, trust).await.ok_or(finding)?,
        document => document?,
    };
    let own = metadata_location(&Trust::new(&document.issuer));
    let elsewhere = own.as_ref() != Some(&document.location);
    // Many providers answer under the base URL as well as under the issuer.
    let at_issuer = match own.filter(|_| elsewhere) {
        Some(own) => fetch(http, &Trust::new(&document.issuer), &own)
            .await
            .is_ok_and(|it| it.issuer == document.issuer),
        None => !elsewhere,
    };
    Ok(Found {
        discovery_url: (!at_issuer).then(|| document.location.to_string()),
        issuer: document.issuer,
    })
}

pub(super) fn other_issuer(target: &Target<'_>, key: &str, configured: &str, document: &Document) -> Finding {
    let found = printable(&document.issuer);
    Finding::new(Code::OtherIssuer)
        .place(target.place(key))
        .expected(format!("the issuer {configured}"))
        .found(format!("the issuer {found} (in {})", document.location))
        .hint(format!("write issuer = \"{found}\" in place of \"{configured}\""))
        .change(key, document.issuer.clone())
}

pub(super) fn issuer(target: &Target<'_>, document: &Document) -> Checked<Metadata> {
    let configured = &target.provider.issuer;
    match Metadata::read(&document.bytes, configured, &document.location) {
        Ok(metadata) => Checked::passed(metadata, format!("{configured}, exactly")),
        Err(DiscoveryError::Issuer { .. }) => {
            Checked::failed(other_issuer(target, "provider.issuer", configured, document))
        }
        Err(error) => Checked::failed(Finding::new(Code::NotMetadata).found(error.to_string())),
    }
}

/// The addresses that a sign-in needs.
#[derive(Clone)]
pub(super) struct Endpoints {
    pub(super) token: Url,
    pub(super) keys: Url,
}

pub(super) fn endpoints(target: &Target<'_>, metadata: &Metadata) -> Checked<Endpoints> {
    let own = &target.provider.browser_endpoints;
    let mut findings = Vec::new();
    let mut endpoint = |member: &'static str, other: &Option<String>| -> Option<Url> {
        if let Some(url) = other.as_deref().and_then(|url| Url::parse(url).ok()) {
            return Some(url);
        }
        match metadata.required_url(member) {
            Ok(url) => Some(url),
            Err(error) => {
                let insecure = matches!(&error, DiscoveryError::Member { found, .. } if found.starts_with("\"http:"));
                let code = if insecure {
                    Code::EndpointInsecure
                } else {
                    Code::EndpointMissing
                };
                findings.push(
                    Finding::new(code)
                        .expected(format!("an https URL in `{member}`"))
                        .found(error.to_string()),
                );
                None
            }
        }
    };
    let found = (
        endpoint("authorization_endpoint", &own.authorization),
        endpoint("token_endpoint", &own.token),
        endpoint("jwks_uri", &own.jwks),
    );
    match found {
        (Some(authorization), Some(token), Some(keys)) => {
            let detail = format!("{authorization}, {token}, {keys}");
            Checked::passed(Endpoints { token, keys }, detail)
        }
        _ => {
            let first = findings.remove(0);
            Checked::failed(first).and(findings)
        }
    }
}

pub(super) fn pkce(metadata: &Metadata) -> Checked<()> {
    let listed = metadata.list("code_challenge_methods_supported");
    match metadata.supports_pkce() {
        Ok(()) if listed.is_empty() => Checked::passed((), "the provider does not say; S256 is sent always"),
        Ok(()) => Checked::passed((), listed.join(", ")),
        Err(_) => Checked::failed(
            Finding::new(Code::NoS256)
                .expected("S256 in `code_challenge_methods_supported`")
                .found(printable(&listed.join(", "))),
        ),
    }
}

pub(super) fn response_type(metadata: &Metadata) -> Checked<()> {
    let member = "response_types_supported";
    // The texts of this list may have spaces: `code id_token`. Only `code` by itself is used.
    let listed = metadata.list(member);
    match listed.is_empty() || listed.iter().any(|one| one == "code") {
        true => Checked::passed((), listed.join(", ")),
        false => Checked::failed(
            Finding::new(Code::NoCodeFlow)
                .expected(format!("`code` in `{member}`"))
                .found(printable(&listed.join(", "))),
        ),
    }
}

pub(super) fn iss_parameter(metadata: &Metadata) -> Checked<()> {
    match metadata.flag("authorization_response_iss_parameter_supported") {
        true => Checked::passed((), "required in every authorization response"),
        false => Checked::passed((), "checked where it comes").and([Finding::new(Code::NoIssParameter)
            .expected("`authorization_response_iss_parameter_supported`: true")
            .found("nothing, or false")]),
    }
}

pub(super) fn scopes(target: &Target<'_>, metadata: &Metadata) -> Checked<()> {
    let listed = metadata.list("scopes_supported");
    let missing: Vec<_> = target
        .provider
        .scopes
        .iter()
        .filter(|scope| !listed.contains(scope))
        .collect();
    match listed.is_empty() || missing.is_empty() {
        true => Checked::passed((), target.provider.scopes.join(" ")),
        false => {
            let missing: Vec<_> = missing.into_iter().map(String::as_str).collect();
            Checked::passed((), "").and([Finding::new(Code::ScopeNotListed)
                .place(target.place("provider.scopes"))
                .expected(format!("{} in `scopes_supported`", missing.join(", ")))
                .found(printable(&listed.join(", ")))])
        }
    }
}

pub(super) fn refresh(target: &Target<'_>, metadata: &Metadata) -> Checked<()> {
    let grants = metadata.list("grant_types_supported");
    let scopes = metadata.list("scopes_supported");
    let mut findings = Vec::new();
    if !grants.is_empty() && !grants.iter().any(|grant| grant == "refresh_token") {
        findings.push(
            Finding::new(Code::NoRefresh)
                .expected("`refresh_token` in `grant_types_supported`")
                .found(printable(&grants.join(", "))),
        );
    }
    let offline = "offline_access";
    if target.provider.offline_access && !scopes.is_empty() && !scopes.iter().any(|scope| scope == offline) {
        findings.push(
            Finding::new(Code::NoOfflineAccess)
                .expected("`offline_access` in `scopes_supported`")
                .found(printable(&scopes.join(", "))),
        );
    }
    Checked::passed((), "").and(findings)
}

/// Returns whether proofs are sent.
pub(super) fn dpop(target: &Target<'_>, metadata: &Metadata) -> Checked<bool> {
    let member = "dpop_signing_alg_values_supported";
    let listed = metadata.list(member);
    let mode = target.provider.dpop;
    if mode == DpopMode::Off {
        return Checked::passed(false, "off");
    }
    let used = mode == DpopMode::Required || !listed.is_empty();
    match listed.is_empty() {
        false => Checked::passed(used, listed.join(", ")),
        true => Checked::passed(used, "").and([Finding::new(Code::DpopNotListed)
            .expected(format!("`{member}`"))
            .found("nothing")]),
    }
}

pub(super) fn par(target: &Target<'_>, metadata: &Metadata) -> Checked<()> {
    let member = "pushed_authorization_request_endpoint";
    let configured = target.provider.browser_endpoints.pushed_authorization_request.is_some();
    let endpoint = metadata.url(member).ok().flatten();
    match (metadata.flag("require_pushed_authorization_requests"), endpoint) {
        (true, None) if !configured => Checked::failed(
            Finding::new(Code::PushRequired)
                .expected(format!("`{member}`"))
                .found("nothing"),
        ),
        (true, _) => Checked::passed((), "required, and used"),
        (false, Some(_)) => Checked::passed((), "offered, not required"),
        (false, None) => Checked::passed((), "not offered, not required"),
    }
}

pub(super) fn logout_endpoint(target: &Target<'_>, metadata: &Metadata) -> Checked<Option<Url>> {
    if let Some(url) = &target.provider.logout_url {
        return Checked::passed(None, format!("provider.logout_url {url}"));
    }
    match metadata.url("end_session_endpoint").ok().flatten() {
        Some(url) => {
            let detail = url.to_string();
            Checked::passed(Some(url), detail)
        }
        None => Checked::passed(None, "").and([Finding::new(Code::NoLogout)
            .expected("`end_session_endpoint`")
            .found("nothing that can be used")]),
    }
}

pub(super) fn public_client(target: &Target<'_>, metadata: &Metadata) -> Checked<()> {
    let methods = metadata.list("token_endpoint_auth_methods_supported");
    // It lists the methods with a secret only, and means it; others leave `none` out and serve public clients nevertheless.
    let wants_secret = target.provider.issuer == "https://accounts.google.com";
    match wants_secret && !methods.iter().any(|method| method == "none") {
        false => Checked::passed((), methods.join(", ")),
        true => Checked::failed(
            Finding::new(Code::NoPublicClients)
                .place(target.place("provider.issuer"))
                .expected("`none` in `token_endpoint_auth_methods_supported`")
                .found(methods.join(", ")),
        ),
    }
}
