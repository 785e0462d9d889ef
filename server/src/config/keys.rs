//! Every key of the configuration: its type, its default, and whether this build can honour it.
//!
//! One table, so that reading, the nearest-key hint, `pixygate config` and the example file cannot disagree.

/// A key of `pixygate.toml`.
#[derive(Debug)]
pub struct Key {
    /// The path, with `[]` after the name of an array of tables: `trust[].issuer`.
    pub path: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// The value when nothing sets it, written as in the file.
    pub default: &'static str,
    /// Whether this build does what the key says.
    pub built: Built,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included.
    Whole(u64, u64),
    /// An array of strings.
    List,
    /// A table of strings.
    Map,
    /// A table of claims: strings, numbers, booleans, or arrays of these.
    Claims,
}

/// Whether a key does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {
    /// Yes.
    Yes,
    /// Not in this build: the server refuses to start when it is set to anything but its default.
    NotYet,
}

const fn key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        built: Built::Yes,
    }
}

const fn not_yet(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        built: Built::NotYet,
    }
}

const DEFAULT_ALGORITHMS: &str = r#"["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]"#;

/// All keys, in the order of the example file.
pub const KEYS: &[Key] = &[
    key("server.listen", Kind::Text, r#""127.0.0.1:3000""#),
    key("server.public_url", Kind::Text, r#""http://localhost:3000""#),
    key("server.trusted_proxies", Kind::List, "[]"),
    key("server.max_connections", Kind::Whole(1, 1_000_000), "10000"),
    key("server.keep_alive_seconds", Kind::Whole(1, 3_600), "75"),
    key("server.hsts_seconds", Kind::Whole(0, 63_072_000), "31536000"),
    key("server.hsts_include_subdomains", Kind::Flag, "false"),
    key("provider.issuer", Kind::Text, r#""""#),
    key("provider.discovery_url", Kind::Text, r#""""#),
    key("provider.client_id", Kind::Text, r#""""#),
    key("provider.scopes", Kind::List, r#"["openid", "profile", "email"]"#),
    key("provider.resource", Kind::Text, r#""""#),
    key("provider.extra_params", Kind::Map, "{}"),
    key("provider.dpop", Kind::OneOf(&["auto", "required", "off"]), r#""auto""#),
    key("provider.logout_url", Kind::Text, r#""""#),
    key("provider.sessions_url", Kind::Text, r#""""#),
    key("session.idle_sign_out_seconds", Kind::Whole(0, 86_400), "0"),
    key("session.call_origins", Kind::List, "[]"),
    key("trust[].issuer", Kind::Text, r#""""#),
    key("trust[].aliases", Kind::List, "[]"),
    key("trust[].tenants", Kind::List, "[]"),
    key("trust[].discovery_url", Kind::Text, r#""""#),
    key("trust[].jwks_url", Kind::Text, r#""""#),
    key("trust[].jwks_file", Kind::Text, r#""""#),
    key("trust[].jwks", Kind::Text, r#""""#),
    key("trust[].public_key_file", Kind::Text, r#""""#),
    key("trust[].public_key", Kind::Text, r#""""#),
    key("trust[].ca_file", Kind::Text, r#""""#),
    key("trust[].client_certificate_file", Kind::Text, r#""""#),
    key("trust[].audience", Kind::List, "[]"),
    key("trust[].client_ids", Kind::List, "[]"),
    key("trust[].algorithms", Kind::List, DEFAULT_ALGORITHMS),
    key("trust[].token_type", Kind::OneOf(&["auto", "at+jwt"]), r#""auto""#),
    key("trust[].allow_nonce", Kind::Flag, "false"),
    key("trust[].subject_claim", Kind::Text, r#""sub""#),
    key("trust[].client_claims", Kind::List, r#"["client_id", "azp", "cid"]"#),
    key("trust[].scope_claim", Kind::Text, r#""scope""#),
    key("trust[].roles_claim", Kind::Text, r#""groups""#),
    key("trust[].required_claims", Kind::Claims, "{}"),
    key("trust[].leeway_seconds", Kind::Whole(0, 600), "60"),
    key("trust[].jwks_refresh_seconds", Kind::Whole(10, 86_400), "300"),
    key("trust[].jwks_stale_seconds", Kind::Whole(10, 604_800), "3600"),
    key("trust[].jwks_cooldown_seconds", Kind::Whole(1, 3_600), "10"),
    key("trust[].introspection_url", Kind::Text, r#""""#),
    key("trust[].introspection_client_id", Kind::Text, r#""""#),
    key("trust[].introspection_client_secret", Kind::Text, r#""""#),
    key("gate.max_token_bytes", Kind::Whole(512, 65_536), "8192"),
    key("gate.token_cache", Kind::Whole(0, 10_000_000), "10000"),
    key("gate.rate_limit", Kind::Text, r#""50/s""#),
    key("gate.failure_limit", Kind::Text, r#""""#),
    key("gate.dpop_nonce", Kind::Flag, "false"),
    key("gate.certificate_header", Kind::Text, r#""""#),
    key("gate.explain", Kind::Flag, "false"),
    key("gate.route[].methods", Kind::List, "[]"),
    key("gate.route[].path", Kind::Text, r#""""#),
    key("gate.route[].scopes", Kind::List, "[]"),
    key("gate.route[].any_scope", Kind::List, "[]"),
    key("gate.route[].roles", Kind::List, "[]"),
    key("gate.route[].any_role", Kind::List, "[]"),
    key("gate.route[].acr", Kind::List, "[]"),
    key("gate.route[].max_age_seconds", Kind::Whole(0, 31_536_000), "0"),
    key("gate.route[].claims", Kind::Claims, "{}"),
    key("gate.route[].dpop", Kind::Flag, "false"),
    key("gate.route[].rate_limit", Kind::Text, r#""""#),
    not_yet("upstream[].name", Kind::Text, r#""""#),
    not_yet("upstream[].prefix", Kind::Text, r#""""#),
    not_yet("upstream[].target", Kind::Text, r#""""#),
    not_yet("upstream[].strip_prefix", Kind::Flag, "true"),
    not_yet("upstream[].route[].methods", Kind::List, "[]"),
    not_yet("upstream[].route[].path", Kind::Text, r#""""#),
    not_yet("upstream[].route[].scopes", Kind::List, "[]"),
    not_yet("upstream[].route[].any_scope", Kind::List, "[]"),
    not_yet("upstream[].route[].roles", Kind::List, "[]"),
    not_yet("upstream[].route[].acr", Kind::List, "[]"),
    not_yet("upstream[].route[].max_age_seconds", Kind::Whole(0, 31_536_000), "0"),
    not_yet("upstream[].route[].public", Kind::Flag, "false"),
    not_yet("store.url", Kind::Text, r#""sqlite://pixygate.db""#),
    key("telemetry.metrics_listen", Kind::Text, r#""127.0.0.1:9464""#),
    not_yet("telemetry.otlp_endpoint", Kind::Text, r#""""#),
    key("dev_idp.listen", Kind::Text, r#""127.0.0.1:3001""#),
];

/// The key at a concrete path: `trust[0].issuer` is `trust[].issuer`.
pub(super) fn find(concrete: &str) -> Option<&'static Key> {
    let path = without_indices(concrete);
    KEYS.iter().find(|key| key.path == path)
}

/// Keys whose values may be shown to nobody. An address can have a password in it.
const SECRETS: [&str; 3] = [
    "trust[].introspection_client_secret",
    "store.url",
    "telemetry.otlp_endpoint",
];

impl Key {
    /// Whether the value may be shown to nobody.
    pub(super) fn is_secret(&self) -> bool {
        SECRETS.contains(&self.path)
    }
}

/// Whether the path is a table (or an array of tables, `[]` at its end) that holds keys.
pub(super) fn is_section(concrete: &str) -> bool {
    let prefix = without_indices(concrete) + ".";
    KEYS.iter().any(|key| key.path.starts_with(&prefix))
}

/// The known key that an unknown one most likely meant.
pub(super) fn nearest(unknown: &str) -> &'static str {
    let unknown = without_indices(unknown).replace("[]", "");
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |key: &Key| {
        let known = key.path.replace("[]", "");
        // A key written into the wrong section differs in its section only.
        let misplaced = if last(&known) == last(&unknown) { 1 } else { usize::MAX };
        let whole = strsim::damerau_levenshtein(&known, &unknown);
        (whole.min(misplaced), whole)
    };
    KEYS.iter().min_by_key(|key| distance(key)).map_or("", |key| key.path)
}

/// The section that an unknown one most likely meant, as its header is written.
pub(super) fn nearest_section(unknown: &str) -> String {
    let unknown = without_indices(unknown).replace("[]", "");
    let sections = KEYS
        .iter()
        .filter_map(|key| key.path.rsplit_once('.').map(|(section, _)| section));
    let nearest = sections.min_by_key(|section| strsim::damerau_levenshtein(&section.replace("[]", ""), &unknown));
    match nearest.and_then(|section| section.strip_suffix("[]")) {
        Some(array) => format!("[[{}]]", array.replace("[]", "")),
        None => format!("[{}]", nearest.unwrap_or_default()),
    }
}

fn without_indices(concrete: &str) -> String {
    let mut path = String::with_capacity(concrete.len());
    let mut inside = false;
    for character in concrete.chars() {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => continue,
            _ => {}
        }
        path.push(character);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_finds_its_key() {
        for (unknown, known) in [
            ("provider.isuer", "provider.issuer"),
            ("sever.listen", "server.listen"),
            ("trust[3].audiences", "trust[].audience"),
            ("public_url", "server.public_url"),
            ("gate.public_url", "server.public_url"),
            ("devidp.listen", "dev_idp.listen"),
        ] {
            assert_eq!(nearest(unknown), known, "{unknown}");
        }
    }
}
