//! What this resource tells clients about itself (RFC 9728, section 2).

use serde_json::{Value, json};

use super::{builder::Settings, dpop};

pub(crate) fn resource_metadata(settings: &Settings) -> Value {
    let servers: Vec<String> = settings
        .validator
        .trusts()
        .iter()
        .flat_map(|trust| {
            trust
                .accepted_issuers()
                .into_iter()
                .filter(|issuer| !trust.aliases.contains(issuer))
        })
        .collect();
    let closed = || {
        settings
            .policies
            .routes()
            .iter()
            .map(|route| &route.policy)
            .filter(|policy| !policy.is_public())
    };
    let always_bound = closed().next().is_some() && closed().all(|policy| policy.dpop);
    let mut metadata = json!({
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
        "scopes_supported": settings.policies.scopes(),
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
