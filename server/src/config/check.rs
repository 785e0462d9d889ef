//! Checks between several values.

use pixygate::authorization::SignIn;
use pixygate::gate::RouteConfig;
use pixygate::jwt::Trust;

use super::document::Document;
use super::problem::Problems;
use super::sections::{Gate, GateRoute, Provider, RouteValues, Server};
use super::{Config, DevIdp};

/// Headers that have another meaning, or that any client can send through a proxy.
const NOT_A_CERTIFICATE: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "forwarded",
    "host",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-for",
    "x-request-id",
];

pub(super) fn check(mut document: Document) -> Result<Config, Problems> {
    let config = read(&mut document);
    match config {
        Some(config) if !document.has_problems("") => Ok(config),
        _ => Err(document.into_problems()),
    }
}

fn read(document: &mut Document) -> Option<Config> {
    let server = document.section::<Server>("server");
    let session = document.section("session");
    let provider = match document.has("provider") {
        true => Some(provider(document)),
        false => None,
    };
    let trust = trust(document);
    let gate = gate(document);
    let upstreams = super::upstreams::upstreams(document);
    let backend_jwt = super::upstreams::backend_jwt(document);
    let store = document.section("store");
    let activity = document.section("activity");
    let console = document.section("console");
    let telemetry = document.section("telemetry");
    let dev_idp = document.section::<DevIdp>("dev_idp");
    if dev_idp
        .as_ref()
        .is_some_and(|dev_idp| !dev_idp.listen.ip().is_loopback())
    {
        let expected = "a loopback address: the embedded provider has each user's name as password";
        document.problem("dev_idp.listen", expected, "write listen = \"127.0.0.1:3001\"");
    }
    let (server, gate) = (server?, gate?);
    if !document.has("provider") {
        only_for_development(document, &server);
    }
    if gate.explain && !server.is_local() {
        let expected = "false, unless server.listen and server.public_url are loopback addresses: details tell an attacker \
                        what to change";
        document.problem(
            "gate.explain",
            expected,
            "write explain = false; the details are in the log",
        );
    }
    certificate_header(document, &server, &gate);
    tls(document, &server);
    let provider = provider.map_or(Some(None), |provider| provider.map(Some))?;
    let mut warnings = Vec::new();
    if let Some(provider) = &provider
        && !trust.is_empty()
        && !trust
            .iter()
            .any(|entry| entry.accepted_issuers().contains(&provider.issuer))
    {
        warnings.push(format!(
            "no [[trust]] entry names provider.issuer {}: tokens of users who sign in here are accepted only if their `iss` \
             is one of the entries'",
            provider.issuer
        ));
    }
    let mut config = Config {
        server,
        provider,
        session: session?,
        trust,
        gate,
        upstreams,
        backend_jwt: backend_jwt?,
        store: store?,
        activity: activity?,
        console: console?,
        telemetry: telemetry?,
        dev_idp: dev_idp?,
        settings: document.settings(),
        warnings,
    };
    config.upstreams.extend(crate::demo::upstream(&config));
    Some(config)
}

/// In the embedded provider, each user's name is the password, so no other machine may reach it.
fn only_for_development(document: &mut Document, server: &Server) {
    let expected = "a loopback address, as long as users sign in at the embedded provider, which is for development";
    let hint = "write a [provider] section: issuer = \"…\", client_id = \"…\"";
    if !server.public_url.is_loopback() {
        document.problem("server.public_url", expected, hint);
    }
    if !server.listen.ip().is_loopback() {
        document.problem("server.listen", expected, hint);
    }
}

fn tls(document: &mut Document, server: &Server) {
    match (&server.tls_certificate_file, &server.tls_key_file) {
        (Some(_), None) => {
            let expected = "the key, because tls_certificate_file is set";
            document.problem("server.tls_key_file", expected, "write tls_key_file = \"key.pem\"");
        }
        (None, Some(_)) => {
            let expected = "the certificate, because tls_key_file is set";
            document.problem(
                "server.tls_certificate_file",
                expected,
                "write tls_certificate_file = \"fullchain.pem\"",
            );
        }
        (Some(_), Some(_)) if !server.public_url.is_https() => {
            let expected = "https://…, because the server speaks TLS";
            document.problem(
                "server.public_url",
                expected,
                "write it as it stands in the browser's address bar",
            );
        }
        _ => {}
    }
}

fn provider(document: &mut Document) -> Option<Provider> {
    let mut provider: Provider = document.section("provider")?;
    provider.issuer_origin = document.origin("provider.issuer");
    for (key, value, hint) in [
        (
            "provider.issuer",
            &provider.issuer,
            "write issuer = \"…\", exactly as `iss` in the provider's tokens",
        ),
        (
            "provider.client_id",
            &provider.client_id,
            "write client_id = \"…\", the identifier that the provider gave this application",
        ),
    ] {
        if value.is_empty() {
            document.problem(key, "a value, because the [provider] section is there", hint);
        }
    }
    // OpenID Connect Discovery, section 3.
    if provider.issuer.contains(['?', '#']) {
        let expected = "the provider's issuer, without query and fragment";
        document.problem(
            "provider.issuer",
            expected,
            "write it exactly as `iss` in the provider's tokens",
        );
    }
    if !document.has_problems("provider")
        && let Err(error) = provider.trust().check()
    {
        let key = format!("provider.{}", error.key());
        document.problem_because(
            &key,
            "a provider that can be reached",
            &error.to_string(),
            "correct the setting that is named",
        );
    }
    if let Some(own) = provider.extra_params.keys().find(|name| SignIn::is_reserved(name)) {
        let expected = format!("parameters that Pixygate does not set itself; {own} is one that it does");
        document.problem("provider.extra_params", &expected, &format!("take {own} out"));
    }
    Some(provider)
}

fn trust(document: &mut Document) -> Vec<Trust> {
    let mut trust: Vec<Trust> = Vec::new();
    for index in 0..document.count("trust") {
        let path = format!("trust[{index}]");
        let Some(entry) = document.section::<Trust>(&path) else {
            continue;
        };
        let known: Vec<_> = trust.iter().flat_map(Trust::accepted_issuers).collect();
        if let Some(twice) = entry.accepted_issuers().iter().find(|issuer| known.contains(issuer)) {
            let why = format!("{twice} a second time");
            let hint = "merge the two entries, or take the alias out";
            document.problem_because(&format!("{path}.issuer"), "every issuer and alias once", &why, hint);
        } else if !document.has_problems(&path)
            && let Err(error) = entry.check()
        {
            let key = format!("{path}.{}", error.key());
            document.problem_because(
                &key,
                "an entry that can be used",
                &error.to_string(),
                "correct the setting that is named",
            );
        }
        trust.push(entry);
    }
    trust
}

fn gate(document: &mut Document) -> Option<Gate> {
    let mut gate: Gate = document.section("gate")?;
    for index in 0..document.count("gate.route") {
        let path = format!("gate.route[{index}]");
        let origin = document.origin(&path);
        let values = document.section::<RouteValues>(&path);
        if document.has_problems(&path) {
            continue;
        }
        let policy = document.section::<RouteConfig>(&path).map(|route| route.policy());
        match (values, policy) {
            (
                Some(RouteValues {
                    methods, path: pattern, ..
                }),
                Some(Ok(policy)),
            ) => gate.routes.push(GateRoute {
                methods,
                pattern,
                policy,
                origin,
            }),
            (_, Some(Err(error))) => {
                document.problem_because(
                    &path,
                    "an entry that a call can meet",
                    &error.to_string(),
                    "correct the entry",
                );
            }
            _ => {}
        }
    }
    Some(gate)
}

fn certificate_header(document: &mut Document, server: &Server, gate: &Gate) {
    const KEY: &str = "gate.certificate_header";
    let Some(header) = &gate.certificate_header else { return };
    let hint = "write \"client-cert\" (RFC 9440), or the name that your proxy uses";
    match http::HeaderName::try_from(header) {
        Err(_) => document.problem(KEY, "the name of a header", hint),
        Ok(name) if NOT_A_CERTIFICATE.contains(&name.as_str()) => {
            document.problem(
                KEY,
                "a header of its own, which the proxy takes out of what clients send",
                hint,
            );
        }
        Ok(_) if server.trusted_proxies.is_empty() => {
            let expected = "empty, unless server.trusted_proxies names the proxies that may send certificates";
            document.problem(KEY, expected, "name your proxies' networks");
        }
        Ok(_) => {}
    }
}
