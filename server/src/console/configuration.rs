//! The settings in use, and the state of issuers, upstreams and nodes.

use std::time::SystemTime;

use app::api::{Configuration, KeyState, NodeState, Setting, TargetState, TrustState, UpstreamState};
use pixygate::jwt::{KeySource, KeysStatus, Trust};

use super::{Console, milliseconds};
use crate::config::{Config, Source};
use crate::store::StoreError;
use crate::upstream::Routed;

/// Puts it together.
///
/// # Errors
///
/// When the store does not say which nodes there are.
pub(super) async fn of(console: &Console) -> Result<Configuration, StoreError> {
    let now = SystemTime::now();
    let nodes = nodes(console).await?;
    let config = console.reload.config();
    let validator = console.gate.validator();
    Ok(Configuration {
        at: milliseconds(now),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings(&config),
        reload: console.reload.last().map(|last| (*last).clone()),
        trusts: validator
            .key_status()
            .map(|(trust, status)| of_trust(trust, status, now))
            .collect(),
        upstreams: console
            .upstreams
            .all()
            .iter()
            .map(|routed| of_upstream(routed))
            .collect(),
        nodes,
    })
}

/// As `pixygate config` prints them. Secrets are masked where they are read.
fn settings(config: &Config) -> Vec<Setting> {
    let setting = |(key, setting): &(String, crate::config::Setting)| Setting {
        key: key.clone(),
        value: setting.value.clone(),
        source: setting.origin.to_string(),
        is_default: setting.origin == Source::Default,
    };
    config.settings.iter().map(setting).collect()
}

fn of_trust(trust: &Trust, status: KeysStatus, now: SystemTime) -> TrustState {
    let key = |key: &pixygate::jwt::KeyStatus| {
        let names: Vec<_> = key.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        KeyState {
            kid: key.key_id.clone(),
            algorithm: names.join(", "),
        }
    };
    TrustState {
        issuer: trust.issuer.clone(),
        aliases: trust.aliases.clone(),
        audience: trust.audience.clone(),
        client_ids: trust.client_ids.clone(),
        key_source: match trust.key_source() {
            Ok(KeySource::Discovery(url) | KeySource::JwksUrl(url)) => url.to_string(),
            Ok(KeySource::JwksFile(file) | KeySource::PublicKeyFile(file)) => file,
            _ => "configuration".to_owned(),
        },
        keys: status.keys.iter().map(key).collect(),
        ready: status.is_ready,
        loaded_at: status.loaded_at.map(milliseconds),
        next_refresh: status.next_fetch.map(|wait| milliseconds(now + wait)),
        last_error: status.last_error,
    }
}

fn of_upstream(routed: &Routed) -> UpstreamState {
    let upstream = &routed.upstream;
    let targets = upstream.settings().targets.iter().zip(upstream.target_states());
    UpstreamState {
        name: upstream.settings().name.clone(),
        prefix: upstream.settings().prefix.clone(),
        in_flight: upstream.in_flight(),
        targets: targets
            .map(|(url, (detail, in_flight))| TargetState {
                url: url.to_string(),
                healthy: detail.gets_calls(),
                detail,
                in_flight,
            })
            .collect(),
    }
}

/// The live nodes, this one first.
async fn nodes(console: &Console) -> Result<Vec<NodeState>, StoreError> {
    let shared = &console.shared;
    let own = shared.presence.node();
    let mut nodes = shared.store.nodes().await?;
    nodes.sort_by_key(|node| node.id != own);
    let node = |node: crate::store::Node| {
        let this = node.id == own;
        NodeState {
            name: node.name,
            version: node.version,
            seen: node.seen_at,
            this,
            revocation_age_seconds: match this {
                true => Some(shared.revocations.age().as_secs()),
                false => node.revocation_age_seconds,
            },
        }
    };
    Ok(nodes.into_iter().map(node).collect())
}
