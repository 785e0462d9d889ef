//! Each rule of the configuration: rejected values, and similar accepted ones.

use pixygate::authorization::DpopMode;
use server::config::{Config, Problem, Problems, Source};

const PROVIDER: &str = r#"
[provider]
issuer = "https://api.asgardeo.io/t/acme/oauth2/token"
client_id = "abc"
"#;

pub(crate) fn read(text: &str) -> Result<Config, Problems> {
    Config::read(Some(("pixygate.toml", text)), [])
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(Some(("pixygate.toml", text)), variables)
}

/// Returns the problem of a text that has exactly one.
pub(crate) fn problem(text: &str) -> Problem {
    let Problems(problems) = read(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

#[test]
fn nothing_at_all_is_a_configuration_for_development() {
    let config = read("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.server.public_url.as_str(), "http://localhost:3000");
    assert_eq!(config.dev_idp.listen.to_string(), "127.0.0.1:3001");
    assert!(config.provider.is_none());
    assert!(config.trust.is_empty());
}

#[test]
fn a_provider_needs_only_its_issuer_and_the_client() {
    let config = read(PROVIDER).unwrap();
    let provider = config.provider.clone().unwrap();
    assert_eq!(provider.scopes, ["openid", "profile", "email"]);
    assert_eq!(provider.dpop, DpopMode::Auto);
    assert_eq!(
        provider.issuer_origin,
        Source::File {
            path: "pixygate.toml".to_owned(),
            line: 3
        }
    );
    let trust = config.trust_of(&provider);
    assert_eq!(trust.len(), 1);
    assert_eq!(trust[0].issuer, "https://api.asgardeo.io/t/acme/oauth2/token");
    assert_eq!(trust[0].audience, ["abc"]);
    assert!(trust[0].client_ids.is_empty());
}

#[test]
fn the_default_audience_is_what_the_token_was_asked_for() {
    let config = read(&format!("{PROVIDER}resource = \"https://orders.example\"\n")).unwrap();
    assert_eq!(
        config.trust_of(config.provider.as_ref().unwrap())[0].audience,
        ["https://orders.example"]
    );
    let config = read(&format!("{PROVIDER}extra_params = {{ audience = \"orders\" }}\n")).unwrap();
    assert_eq!(
        config.trust_of(config.provider.as_ref().unwrap())[0].audience,
        ["orders"]
    );
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_key() {
    let problem = problem("[server]\nlisten = \"127.0.0.1:3000\"\n\npublik_url = \"http://localhost:3000\"\n");
    assert_eq!(
        problem.origin,
        Source::File {
            path: "pixygate.toml".to_owned(),
            line: 4
        }
    );
    assert_eq!(problem.key, "server.publik_url");
    assert!(problem.hint.contains("server.public_url"), "{problem}");
}

#[test]
fn an_unknown_section_names_the_nearest_one() {
    assert_eq!(
        problem("[sever]\nlisten = \"127.0.0.1:3000\"\n").hint,
        "did you mean [server]?"
    );
    assert_eq!(problem("[[trusts]]\nissuer = \"x\"\n").hint, "did you mean [[trust]]?");
    assert_eq!(problem("[dev-idp]\nlisten = \"x\"\n").hint, "did you mean [dev_idp]?");
    assert_eq!(
        problem("listen = \"127.0.0.1:3000\"\n").hint,
        "did you mean server.listen?"
    );
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let Problems(problems) =
        read("[server]\nlisten = 3000\npublic_url = \"ftp://x\"\n[gate]\nexplain = \"yes\"\n").unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["server.listen", "server.public_url", "gate.explain"]);
}

#[test]
fn a_message_says_what_where_and_how_to_fix_it() {
    let message = read("[gate]\nmax_token_bytes = 1\n").unwrap_err().to_string();
    for part in [
        "pixygate.toml, line 2",
        "gate.max_token_bytes",
        "from 512 to 65536",
        "found     1",
        "hint",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn toml_that_cannot_be_read_names_the_line_and_shows_nothing_of_it() {
    let problem = problem("[store]\nurl = \"postgres://me:secret@db/pixygate\n");
    assert_eq!(
        problem.origin,
        Source::File {
            path: "pixygate.toml".to_owned(),
            line: 2
        }
    );
    assert!(!problem.to_string().contains("secret"), "{problem}");
}

#[test]
fn an_address_with_a_password_is_not_shown() {
    for text in [
        "[store]\nurl = \"mysql://me:hunter2@db/pixygate\"\n",
        "[store]\nurl = \"postgres://me:hunter2@[db/pixygate\"\n",
        "[telemetry]\notlp_endpoint = \"ftp://me:hunter2@collector.example\"\n",
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }
    let config = read("[store]\nurl = \"postgres://me:hunter2@db/pixygate\"\n").unwrap();
    assert_eq!(config.store.url.to_string(), "postgres://db:5432/pixygate");
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = read("").unwrap();
    assert_eq!(config.store.url.to_string(), "sqlite://pixygate.db");
}

#[test]
fn an_address_that_is_none_has_a_hint_with_its_own_name() {
    for (text, hint) in [
        (
            "[server]\nlisten = \"here\"\n",
            "write for example listen = \"127.0.0.1:3000\"",
        ),
        (
            "[telemetry]\nmetrics_listen = \"here\"\n",
            "write for example metrics_listen = \"127.0.0.1:9464\"",
        ),
        (
            "[dev_idp]\nlisten = \"here\"\n",
            "write for example listen = \"127.0.0.1:3001\"",
        ),
    ] {
        assert!(problem(text).hint.starts_with(hint), "{}", problem(text).hint);
    }
}

#[test]
fn values_have_their_kind() {
    for (text, key) in [
        ("[server]\nlisten = \"localhost\"\n", "server.listen"),
        ("[server]\nlisten = \"127.0.0.1\"\n", "server.listen"),
        ("[server]\ntrusted_proxies = \"10.0.0.0/8\"\n", "server.trusted_proxies"),
        ("[server]\ntrusted_proxies = [\"ten\"]\n", "server.trusted_proxies"),
        (
            "[server]\ntrusted_proxies = [\"0.0.0.0/0\"]\n",
            "server.trusted_proxies",
        ),
        ("server = \"x\"\n", "server"),
        ("trust = \"x\"\n", "trust"),
        ("[trust]\nissuer = \"x\"\n", "trust"),
        ("[gate]\ntoken_cache = -1\n", "gate.token_cache"),
        ("[gate]\ntoken_cache = 1.5\n", "gate.token_cache"),
        ("[gate]\nrate_limit = \"fast\"\n", "gate.rate_limit"),
        ("[gate]\nfailure_limit = \"0/s\"\n", "gate.failure_limit"),
    ] {
        let Problems(problems) = read(text).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.key == key),
            "{text}: {problems:#?}"
        );
    }
    let config =
        read("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[gate]\nrate_limit = \"\"\nfailure_limit = \"20/s\"\n")
            .unwrap();
    assert_eq!(config.server.trusted_proxies.len(), 1);
    assert!(config.gate.rate_limit.is_none());
    assert_eq!(config.gate.failure_limit.unwrap().to_string(), "20/s");
}

#[test]
fn plain_http_is_for_loopback() {
    for public_url in [
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:3000",
        "http://app.localhost",
    ] {
        read(&format!("[server]\npublic_url = \"{public_url}\"\n")).unwrap();
    }
    for public_url in [
        "http://example.org",
        "http://localhost.example.org",
        "http://192.168.1.1",
        "http://0.0.0.0:3000",
    ] {
        let problem = problem(&format!("[server]\npublic_url = \"{public_url}\"\n{PROVIDER}"));
        assert_eq!(problem.key, "server.public_url");
        assert!(problem.found.contains("plain http"), "{problem}");
    }
    for issuer in ["http://idp.example", "http://keycloak:8080/realms/x"] {
        let problem = problem(&format!("[provider]\nclient_id = \"a\"\nissuer = \"{issuer}\"\n"));
        assert_eq!(problem.key, "provider.issuer");
    }
    read("[provider]\nclient_id = \"a\"\nissuer = \"http://127.0.0.1:3001/t/demo/oauth2/token\"\n").unwrap();
    for key in ["discovery_url", "logout_url"] {
        assert_eq!(
            problem(&format!("{PROVIDER}{key} = \"http://idp.example/\"\n")).key,
            format!("provider.{key}")
        );
        read(&format!("{PROVIDER}{key} = \"https://idp.example/\"\n")).unwrap();
    }
}

#[test]
fn the_public_url_is_an_origin() {
    for public_url in [
        "https://x.example/app",
        "https://x.example/?a",
        "https://me:pw@x.example",
        " https://x.example",
        "x.example",
        "",
    ] {
        let problem = problem(&format!("[server]\npublic_url = \"{public_url}\"\n{PROVIDER}"));
        assert_eq!(problem.key, "server.public_url", "{public_url}");
    }
    let config = read(&format!("[server]\npublic_url = \"https://x.example/\"\n{PROVIDER}")).unwrap();
    assert_eq!(config.server.public_url.join("/callback"), "https://x.example/callback");
}

#[test]
fn the_embedded_provider_never_serves_the_public() {
    let problem = problem("[server]\npublic_url = \"https://x.example\"\n");
    assert_eq!(problem.key, "server.public_url");
    assert!(problem.hint.contains("[provider]"), "{problem}");
    read(&format!("[server]\npublic_url = \"https://x.example\"\n{PROVIDER}")).unwrap();
    let listen = |address: &str| format!("[dev_idp]\nlisten = \"{address}\"\n");
    assert_eq!(self::problem(&listen("0.0.0.0:3001")).key, "dev_idp.listen");
    read(&listen("[::1]:3001")).unwrap();
}

#[test]
fn a_certificate_counts_from_a_proxy_and_metrics_have_an_address() {
    let proxies = "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    let header = "[gate]\ncertificate_header = \"client-cert\"\n";
    let config = read(&format!("{proxies}{header}")).unwrap();
    assert_eq!(config.gate.certificate_header.as_deref(), Some("client-cert"));
    assert_eq!(problem(header).key, "gate.certificate_header");
    for not_a_header in [
        "client cert",
        "authorization",
        "DPoP",
        "Cookie",
        "x-forwarded-for",
        "Host",
    ] {
        let broken = problem(&format!("{proxies}[gate]\ncertificate_header = \"{not_a_header}\"\n"));
        assert_eq!(broken.key, "gate.certificate_header", "{not_a_header}");
    }

    let metrics = |address: &str| read(&format!("[telemetry]\nmetrics_listen = \"{address}\"\n"));
    let listen = |address: &str| metrics(address).unwrap().telemetry.metrics_listen;
    assert_eq!(listen("127.0.0.1:9000"), Some("127.0.0.1:9000".parse().unwrap()));
    assert_eq!(listen(""), None);
    assert!(metrics("everywhere").is_err());
}

#[test]
fn the_embedded_provider_listens_and_is_called_on_loopback() {
    let listen = |address: &str| format!("[server]\nlisten = \"{address}\"\n");
    assert_eq!(problem(&listen("0.0.0.0:3000")).key, "server.listen");
    read(&listen("[::1]:3000")).unwrap();
    read(&format!("{}{PROVIDER}", listen("0.0.0.0:3000"))).unwrap();
}

#[test]
fn explaining_rejections_is_for_loopback() {
    read("[gate]\nexplain = true\n").unwrap();
    // Other machines can reach it, whatever its public URL is.
    let everywhere = "[server]\nlisten = \"0.0.0.0:3000\"\n[gate]\nexplain = true\n";
    assert_eq!(problem(&format!("{everywhere}{PROVIDER}")).key, "gate.explain");
    let problem = problem(&format!(
        "[server]\npublic_url = \"https://x.example\"\n[gate]\nexplain = true\n{PROVIDER}"
    ));
    assert_eq!(problem.key, "gate.explain");
}

#[test]
fn a_provider_section_must_be_whole() {
    let Problems(problems) = read("[provider]\n").unwrap_err();
    let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["provider.issuer", "provider.client_id"]);
    assert_eq!(
        problems[0].origin,
        Source::File {
            path: "pixygate.toml".to_owned(),
            line: 1
        }
    );
}

#[test]
fn an_issuer_has_no_query_and_keeps_its_spelling() {
    for issuer in [
        "https://idp.example/?x=1",
        "https://idp.example/#x",
        "idp.example",
        "https://",
    ] {
        assert_eq!(
            problem(&format!("[provider]\nclient_id = \"a\"\nissuer = \"{issuer}\"\n")).key,
            "provider.issuer",
            "{issuer}"
        );
    }
    // A URL type would remove the default port and the capital letters.
    let config = read("[provider]\nclient_id = \"a\"\nissuer = \"https://IDP.example:443/\"\n").unwrap();
    assert_eq!(config.provider.unwrap().issuer, "https://IDP.example:443/");
}

#[test]
fn without_openid_nobody_signs_in() {
    assert_eq!(
        problem(&format!("{PROVIDER}scopes = [\"profile\"]\n")).key,
        "provider.scopes"
    );
    assert_eq!(
        problem(&format!("{PROVIDER}scopes = [\"openid profile\", \"openid\"]\n")).key,
        "provider.scopes"
    );
    read(&format!("{PROVIDER}scopes = [\"openid\"]\n")).unwrap();
}

#[test]
fn extra_parameters_are_none_that_the_sign_in_sets_itself() {
    for name in [
        "code_challenge_method",
        "code_challenge",
        "state",
        "nonce",
        "redirect_uri",
        "response_type",
        "response_mode",
        "request",
        "request_uri",
        "client_id",
        "scope",
        "max_age",
        "resource",
        "dpop_jkt",
    ] {
        let problem = problem(&format!("{PROVIDER}extra_params = {{ {name} = \"plain\" }}\n"));
        assert_eq!(problem.key, "provider.extra_params");
        assert!(problem.hint.contains(name), "{problem}");
    }
    let config = read(&format!(
        "{PROVIDER}extra_params = {{ audience = \"x\", fidp = \"google\", prompt = \"select_account\" }}\n"
    ))
    .unwrap();
    assert_eq!(config.provider.unwrap().extra_params.len(), 3);
}

#[test]
fn a_trust_names_an_audience_or_clients() {
    let trust = |rest: &str| format!("{PROVIDER}[[trust]]\nissuer = \"https://idp.example\"\n{rest}");
    assert_eq!(problem(&trust("")).key, "trust[0].audience");
    read(&trust("audience = [\"a\"]\n")).unwrap();
    read(&trust("client_ids = [\"a\"]\n")).unwrap();
    for (line, key) in [
        ("algorithms = [\"HS256\"]", "algorithms"),
        ("algorithms = [\"none\"]", "algorithms"),
        ("algorithms = []", "algorithms"),
        ("token_type = \"jwt\"", "token_type"),
        ("leeway_seconds = 86400", "leeway_seconds"),
        ("aliases = [\"https://idp.example/*\"]", "aliases"),
        ("jwks_stale_seconds = 60", "jwks_stale_seconds"),
        ("scope_claim = \"\"", "scope_claim"),
        ("jwks_url = \"http://idp.example/jwks\"", "jwks_url"),
        ("roles_claim = \"\"", "roles_claim"),
        ("aliases = [\" https://idp.example\"]", "aliases"),
    ] {
        let problem = problem(&trust(&format!("audience = [\"a\"]\n{line}\n")));
        assert_eq!(problem.key, format!("trust[0].{key}"), "{line}");
    }
}

#[test]
fn an_issuer_is_trusted_once() {
    let second = "[[trust]]\naudience = [\"a\"]\nissuer = \"https://two.example\"\n";
    let first = |alias: &str| {
        format!("[[trust]]\naudience = [\"a\"]\nissuer = \"https://one.example\"\naliases = [\"{alias}\"]\n{second}")
    };
    read(&first("https://three.example")).unwrap();
    let problem = problem(&first("https://two.example"));
    assert_eq!(problem.key, "trust[1].issuer");
    assert!(problem.found.contains("https://two.example"), "{problem}");
}

#[test]
fn telemetry_is_read_and_each_slip_is_named() {
    let text = "[telemetry]\nlog_format = \"json\"\notlp_endpoint = \"http://me:hunter2@collector:4318/base\"\n";
    let config = read(text).unwrap();
    assert_eq!(config.telemetry.log_format, server::log::LogFormat::Json);
    assert_eq!(config.telemetry.traces().unwrap().sample_percent, 100);
    let shown = format!("{config:?} {}", server::cli::effective(&config));
    assert!(
        shown.contains("collector:4318") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(read("").unwrap().telemetry.traces().is_none());
    for (text, key) in [
        ("log_format = \"xml\"", "telemetry.log_format"),
        ("otlp_endpoint = \"collector:4318\"", "telemetry.otlp_endpoint"),
        ("otlp_sample_percent = 101", "telemetry.otlp_sample_percent"),
    ] {
        assert_eq!(problem(&format!("[telemetry]\n{text}\n")).key, key);
    }
}

#[test]
fn an_upstream_is_read_and_each_slip_is_named() {
    let good =
        "[[upstream]]\nname = \"orders\"\ntarget = \"http://orders:9001/api\"\n[[upstream.route]]\npath = \"/**\"\n";
    let config = read(good).unwrap();
    let entry = &config.upstreams[0];
    assert_eq!(entry.settings.prefix, "/gw/orders");
    assert_eq!(entry.routes[0].pattern.to_string(), "/gw/orders/**");
    assert_eq!(entry.routes[0].max_body_bytes, None);
    for (from, to, key) in [
        ("orders\"", "Orders\"", "upstream[0].name"),
        ("http://orders", "ftp://orders", "upstream[0].target"),
        ("http://orders", "http://me:secret@orders", "upstream[0].target"),
        ("/api", "/api?x=1", "upstream[0].target"),
        ("\ntarget =", "\ntargets = []\n#", "upstream[0].target"),
        ("[[upstream.route]]\npath = \"/**\"", "", "upstream[0].route"),
        (
            "[[upstream.route]]",
            "protocol = \"http2\"\n[[upstream.route]]",
            "upstream[0].target",
        ),
        (
            "[[upstream.route]]",
            "protocol = \"http3\"\n[[upstream.route]]",
            "upstream[0].protocol",
        ),
        (
            "[[upstream.route]]",
            "prefix = \"/api/orders\"\n[[upstream.route]]",
            "upstream[0].prefix",
        ),
        (
            "[[upstream.route]]",
            "prefix = \"/gw/a*\"\n[[upstream.route]]",
            "upstream[0].prefix",
        ),
        (
            "[[upstream.route]]",
            "identity = \"headers\"\n[[upstream.route]]",
            "upstream[0].identity_headers",
        ),
        (
            "[[upstream.route]]",
            "identity_headers = { Host = \"sub\" }\n[[upstream.route]]",
            "upstream[0].identity_headers",
        ),
        (
            "[[upstream.route]]",
            "cors = { allow_origins = [\"https://a.example/\"] }\n[[upstream.route]]",
            "upstream[0].cors.allow_origins",
        ),
        ("path = \"/**\"", "path = \"orders\"", "upstream[0].route[0].path"),
        (
            "path = \"/**\"",
            "path = \"/**\"\npublic = true\nscopes = [\"a\"]",
            "upstream[0].route[0]",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let problem = problem(&good.replacen(from, to, 1));
        assert_eq!(problem.key, key, "{to}: {problem}");
    }
    let twice = good.to_owned()
        + &good
            .replace("orders\"", "orders2\"")
            .replace("[[upstream.route]]", "prefix = \"/gw/orders/x\"\n[[upstream.route]]");
    assert_eq!(problem(&twice).key, "upstream[1].prefix");
    assert_eq!(
        problem("[backend_jwt]\nheader = \"Authorization\"\n").key,
        "backend_jwt.header"
    );
    let own = problem("[backend_jwt]\nclaims = { email = \"sub\" }\n");
    assert_eq!(own.key, "backend_jwt.claims");
}

#[test]
fn tokens_are_bound_as_configured() {
    for mode in ["auto", "required", "off"] {
        read(&format!("{PROVIDER}dpop = \"{mode}\"\n")).unwrap();
    }
    assert_eq!(problem(&format!("{PROVIDER}dpop = \"always\"\n")).key, "provider.dpop");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = with_environment(
        "[server]\nlisten = \"127.0.0.1:4000\"\n",
        &[
            ("PIXYGATE_SERVER__LISTEN", "127.0.0.1:5000"),
            ("PIXYGATE_GATE__EXPLAIN", "true"),
            ("PIXYGATE_GATE__TOKEN_CACHE", "0"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 5000);
    assert!(config.gate.explain);
    assert_eq!(config.gate.token_cache, 0);
    let (_, setting) = config
        .settings
        .iter()
        .find(|(path, _)| path == "server.listen")
        .unwrap();
    assert_eq!(
        setting.origin,
        Source::Environment {
            variable: "PIXYGATE_SERVER__LISTEN".to_owned()
        }
    );
}

#[test]
fn a_whole_provider_fits_into_the_environment() {
    let config = with_environment(
        "",
        &[
            ("PIXYGATE_PROVIDER__ISSUER", "https://idp.example"),
            ("PIXYGATE_PROVIDER__CLIENT_ID", "12345"),
            ("PIXYGATE_PROVIDER__SCOPES", "openid, orders:read"),
            ("PIXYGATE_PROVIDER__EXTRA_PARAMS", "{ audience = \"x\" }"),
            ("PIXYGATE_TRUST__0__ISSUER", "https://idp.example"),
            ("PIXYGATE_TRUST__0__AUDIENCE", "[\"a\", \"b\"]"),
        ],
    )
    .unwrap();
    let provider = config.provider.unwrap();
    assert_eq!(provider.client_id, "12345");
    assert_eq!(provider.scopes, ["openid", "orders:read"]);
    assert_eq!(config.trust[0].audience, ["a", "b"]);
}

#[test]
fn entries_from_the_environment_are_counted_and_leave_no_gap() {
    let entry = |number: usize| {
        let issuer = format!("https://idp.example/{number}");
        [
            (format!("PIXYGATE_TRUST__{number}__ISSUER"), issuer),
            (format!("PIXYGATE_TRUST__{number}__AUDIENCE"), "orders".to_owned()),
        ]
    };
    let trusted = |numbers: &[usize]| Config::read(None, numbers.iter().flat_map(|number| entry(*number)));
    // In text order, 10 would come before 2.
    let dozen: Vec<_> = (0..12).rev().collect();
    let config = trusted(&dozen).unwrap();
    for (number, trust) in config.trust.iter().enumerate() {
        assert_eq!(trust.issuer, format!("https://idp.example/{number}"));
    }
    assert_eq!(config.trust.len(), 12);
    let Problems(problems) = trusted(&[0, 2]).unwrap_err();
    assert!(problems[0].expected.contains("trust[1]"), "{}", problems[0]);
}

#[test]
fn two_variables_for_one_key_are_an_error_that_names_both() {
    let issuer = ("PIXYGATE_TRUST__0__ISSUER", "https://idp.example");
    let audience = ("PIXYGATE_TRUST__0__AUDIENCE", "orders");
    with_environment("", &[issuer, audience]).unwrap();
    for (other, value) in [
        ("PIXYGATE_TRUST__00__ISSUER", "https://evil.example"),
        ("PIXYGATE_trust__0__issuer", "https://idp.example"),
    ] {
        let problems = with_environment("", &[issuer, audience, (other, value)]).unwrap_err();
        let [problem] = &problems.0[..] else {
            panic!("{problems}")
        };
        assert_eq!(problem.key, "trust[0].issuer");
        assert!(
            problem.found.contains(issuer.0) && problem.found.contains(other),
            "{problem}"
        );
    }
}

#[test]
fn a_slip_in_a_variable_is_an_error_and_kubernetes_variables_are_not() {
    for (variable, meant) in [
        ("PIXYGATE_SEVER__LISTEN", "PIXYGATE_SERVER__LISTEN"),
        ("PIXYGATE_SERVER_LISTEN", "PIXYGATE_SERVER__LISTEN"),
        ("PIXYGATE_GATE__EXPLAINS", "PIXYGATE_GATE__EXPLAIN"),
    ] {
        let Problems(problems) = with_environment("", &[(variable, "x")]).unwrap_err();
        assert!(problems[0].hint.contains(meant), "{problems:#?}");
    }
    let others = [
        ("PIXYGATE_SERVICE_HOST", "10.0.0.1"),
        ("PIXYGATE_PORT_3000_TCP", "tcp://10.0.0.1:3000"),
        ("PIXYGATE_SITE", "/x"),
    ];
    with_environment("", &others).unwrap();
    let Problems(problems) = with_environment("", &[("PIXYGATE_TRUST__1__ISSUER", "https://idp.example")]).unwrap_err();
    assert!(problems[0].expected.contains("trust[0]"), "{problems:#?}");
}

#[test]
fn a_secret_is_not_shown() {
    let text = format!(
        "{PROVIDER}[[trust]]\nissuer = \"https://idp.example\"\naudience = [\"a\"]\n\
         introspection_url = \"https://idp.example/introspect\"\nintrospection_client_id = \"me\"\n\
         introspection_client_secret = \"hunter2\"\n"
    );
    let config = read(&text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"), "the debug form");
    let shown: String = config
        .settings
        .iter()
        .map(|(path, setting)| format!("{path} = {}\n", setting.value))
        .collect();
    assert!(
        shown.contains("introspection_client_secret = (set, not shown)"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"));
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let trust = |more: &str| {
        format!(
            "{PROVIDER}[[trust]]\nissuer = \"https://idp.example\"\naudience = [\"a\"]\n\
             introspection_url = \"https://idp.example/introspect\"\nintrospection_client_id = \"me\"\n{more}"
        )
    };
    let load = |more: &str| {
        write("pixygate.toml", &trust(more));
        Config::load(folder.path(), [])
    };
    write("secret", "hunter2\n");
    let file = "introspection_client_secret_file = \"secret\"\n";
    let config = load(file).unwrap();
    assert!(config.trust[0].introspection_client_secret == pixygate::jwt::Secret::new("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let Problems(problems) = load(&format!("{file}introspection_client_secret = \"x\"\n")).unwrap_err();
    assert_eq!(problems[0].key, "trust[0].introspection_client_secret_file");
    let Problems(problems) = load("introspection_client_secret_file = \"nothing\"\n").unwrap_err();
    assert_eq!(problems[0].key, "trust[0].introspection_client_secret_file");
}

#[test]
fn file_names_are_relative_to_the_file_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf").join("other.toml");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let trust = "[[trust]]\nissuer = \"https://idp.example\"\naudience = [\"a\"]\njwks_file = \"jwks.json\"\n\
                 ca_file = \"/etc/ca.pem\"\n";
    std::fs::write(&path, trust).unwrap();
    let named = [("PIXYGATE_CONFIG".to_owned(), "conf/other.toml".to_owned())];
    let config = Config::load(folder.path(), named).unwrap();
    let expected = folder.path().join("conf").join("jwks.json");
    assert_eq!(config.trust[0].jwks_file, expected.display().to_string());
    assert_eq!(config.trust[0].ca_file, "/etc/ca.pem");
    let store = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let named = [("PIXYGATE_CONFIG".to_owned(), "conf/other.toml".to_owned())];
        Config::load(folder.path(), named).unwrap().store.url.to_string()
    };
    let beside = folder.path().join("conf").join("pixygate.db");
    assert_eq!(store(""), format!("sqlite://{}", beside.display()));
    assert_eq!(
        store("[store]\nurl = \"sqlite:///var/state.db\"\n"),
        "sqlite:///var/state.db"
    );
    assert_eq!(store("[store]\nurl = \"sqlite::memory:\"\n"), "sqlite::memory:");
    std::fs::write(
        folder.path().join("conf").join("address"),
        "postgres://me:secret@db/gate\n",
    )
    .unwrap();
    assert_eq!(store("[store]\nurl_file = \"address\"\n"), "postgres://db:5432/gate");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_an_error_where_it_is_ours() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    let bytes = || OsString::from_vec(vec![b'x', 0xff]);
    let ours = [(OsString::from("PIXYGATE_PROVIDER__CLIENT_ID"), bytes())];
    let Problems(problems) = server::config::variables(ours).unwrap_err();
    assert_eq!(problems[0].key, "PIXYGATE_PROVIDER__CLIENT_ID");
    let others = [
        (OsString::from("SOMETHING_ELSE"), bytes()),
        (bytes(), bytes()),
        (OsString::from("PIXYGATE_GATE__EXPLAIN"), OsString::from("true")),
    ];
    assert_eq!(server::config::variables(others).unwrap().len(), 1);
}

#[test]
fn plain_http_within_a_network_is_asked_for_by_name() {
    let inner = "[provider]\nclient_id = \"a\"\nissuer = \"http://localhost:8080/realms/x\"\n\
                 discovery_url = \"http://keycloak:8080/realms/x/.well-known/openid-configuration\"\n";
    assert_eq!(problem(inner).key, "provider.discovery_url");
    let config = read(&format!("{inner}insecure_http_hosts = [\"keycloak\"]\n")).unwrap();
    let provider = config.provider.clone().unwrap();
    assert_eq!(config.trust_of(&provider)[0].insecure_http_hosts, ["keycloak"]);
    for host in ["idp.example", "keycloak:8080", "http://keycloak", ""] {
        let problem = problem(&format!("{PROVIDER}insecure_http_hosts = [\"{host}\"]\n"));
        assert_eq!(problem.key, "provider.insecure_http_hosts", "{host}");
    }
    let trust =
        "[[trust]]\nissuer = \"https://idp.example\"\naudience = [\"a\"]\njwks_url = \"http://keycloak:8080/certs\"\n";
    assert_eq!(problem(trust).key, "trust[0].jwks_url");
    read(&format!("{trust}insecure_http_hosts = [\"keycloak\"]\n")).unwrap();
}

#[test]
fn endpoints_for_the_browser_are_named() {
    let config = read(&format!(
        "{PROVIDER}[provider.browser_endpoints]\ntoken = \"https://login.example/token\"\nfrom = \"http://keycloak:8080\"\nto = \"https://id.example\"\n"
    ));
    let endpoints = config.unwrap().provider.unwrap().browser_endpoints;
    assert_eq!(endpoints.token.as_deref(), Some("https://login.example/token"));
    assert_eq!(endpoints.to.as_deref(), Some("https://id.example"));
    for wrong in ["{ tokens = \"https://login.example/token\" }", "{ token = 5 }"] {
        let problem = problem(&format!("{PROVIDER}browser_endpoints = {wrong}\n"));
        assert_eq!(problem.key, "provider.browser_endpoints", "{wrong}");
    }
}

#[test]
fn the_file_is_found_or_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pixygate.toml");
    assert_eq!(Config::load(directory.path(), []).unwrap().server.listen.port(), 3000);
    std::fs::write(&path, "[server]\nlisten = \"127.0.0.1:4000\"\n").unwrap();
    assert_eq!(Config::load(directory.path(), []).unwrap().server.listen.port(), 4000);

    let other = directory.path().join("other.toml");
    let named = || [("PIXYGATE_CONFIG".to_owned(), other.display().to_string())];
    let Problems(problems) = Config::load(directory.path(), named()).unwrap_err();
    assert!(problems[0].found.contains("other.toml"), "{problems:#?}");
    std::fs::write(&other, "[server]\nlisten = \"127.0.0.1:5000\"\n").unwrap();
    assert_eq!(
        Config::load(directory.path(), named()).unwrap().server.listen.port(),
        5000
    );
}
