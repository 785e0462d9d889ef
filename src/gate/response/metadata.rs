//! The metadata of this resource for clients (RFC 9728, section 2).

use serde_json::{Value, json};

use crate::gate::{Gate, binding::dpop};

pub(crate) fn resource_metadata(gate: &Gate) -> Value {
    let settings = &gate.state.settings;
    let rules = gate.rules();
    let policies = &rules.table(gate).policies;
    let trusts = rules.validator.trusts().iter();
    let servers: Vec<String> = trusts
        .flat_map(|trust| {
            let accepted = trust.accepted_issuers().into_iter();
            accepted.filter(|issuer| !trust.aliases.contains(issuer))
        })
        .collect();
    let closed = || {
        let policies = policies.routes().iter().map(|route| &route.policy);
        policies.filter(|policy| !policy.is_public())
    };
    let always_bound = closed().next().is_some() && closed().all(|policy| policy.dpop);
    let mut metadata = json!({
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "scopes_supported": policies.scopes(),
        "dpop_signing_alg_values_supported": dpop::algorithms().split(' ').collect::<Vec<_>>(),
        "dpop_bound_access_tokens_required": always_bound,
        "tls_client_certificate_bound_access_tokens": settings.certificate_header.is_some(),
        "resource_name": settings.realm,
    });
    if let Some(url) = &settings.public_url {
        metadata["resource"] = url.as_str().trim_end_matches('/').into();
    }
    metadata
}
