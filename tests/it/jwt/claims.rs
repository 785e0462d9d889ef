//! Claims, as far as they depend on the trust: aliases, tenants, clients, scopes, roles, required claims.

use pixygate::{
    Reason,
    jwt::{Algorithm, TokenType, Trust, TrustError, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey, at},
};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn without_kid_a_lone_key_is_used_and_several_are_rejected() {
    let world = World::new().await;
    world
        .validate(&world.token().without_header("kid").sign())
        .await
        .unwrap();
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256, Algorithm::RS256]);
    let clock = TestClock::default();
    let validator = Validator::builder([issuer.trust("orders")])
        .fetch(Documents::of([&issuer]))
        .clock(clock.clone())
        .build()
        .unwrap();
    let rejection = validator
        .validate(&issuer.token().without_header("kid").sign(), clock.time())
        .await
        .unwrap_err();
    assert_eq!(rejection.reason(), Reason::UnknownKey);
    assert!(rejection.detail().found.contains("no kid"));
}

#[tokio::test]
async fn typ_jwt_is_rejected_where_at_jwt_is_required() {
    let world = World::with(
        |mut trust| {
            trust.token_type = TokenType::AccessToken;
            trust
        },
        |validator| validator,
    )
    .await;
    world.validate(&world.token().sign()).await.unwrap();
    world
        .validate(&world.token().header("typ", "application/AT+JWT").sign())
        .await
        .unwrap();
    for token in [
        world.token().header("typ", "JWT").sign(),
        world.token().without_header("typ").sign(),
    ] {
        assert_eq!(world.validate(&token).await, Err(Reason::WrongTokenType));
    }
}

#[tokio::test]
async fn an_alias_is_exact_and_becomes_the_configured_issuer() {
    let alias = "https://accounts.idp.example/t/acme";
    let world = World::with(|trust| trust.alias(alias), |validator| validator).await;
    let principal = world.validate(&world.token().claim("iss", alias).sign()).await.unwrap();
    assert_eq!(principal.issuer(), "https://idp.example");
    for other in [
        format!("{alias}/"),
        format!("{alias}/x"),
        "https://accounts.idp.example".into(),
    ] {
        assert_eq!(
            world.validate(&world.token().claim("iss", other).sign()).await,
            Err(Reason::IssuerNotTrusted)
        );
    }
}

#[tokio::test]
async fn the_same_subject_of_two_issuers_is_two_users() {
    let one = TestIssuer::new("https://one.example", [Algorithm::ES256]);
    let two = TestIssuer::new("https://two.example", [Algorithm::ES256]);
    let clock = TestClock::default();
    let validator = Validator::builder([one.trust("orders"), two.trust("orders")])
        .fetch(Documents::of([&one, &two]))
        .clock(clock.clone())
        .build()
        .unwrap();
    let of_one = validator.validate(&one.token().sign(), clock.time()).await.unwrap();
    let of_two = validator.validate(&two.token().sign(), clock.time()).await.unwrap();
    assert_eq!(of_one.subject(), of_two.subject());
    assert_ne!(of_one, of_two);
    assert_eq!(
        of_one,
        validator
            .validate(&one.token().scope("more").sign(), clock.time())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_tenant_is_an_issuer_of_its_own() {
    let template = "https://login.example/{tenantid}/v2.0";
    let key = TestKey::generate(Algorithm::ES256, "k");
    let mut reserved = key.jwk();
    reserved["issuer"] = template.into();
    let provider = Documents::default();
    provider.put(
        "https://login.example/common/v2.0/.well-known/openid-configuration",
        &json!({"issuer": template, "jwks_uri": "https://login.example/keys"}),
    );
    let own_key = TestKey::generate(Algorithm::ES256, "of-t2");
    let mut own = own_key.jwk();
    own["issuer"] = "https://login.example/t2/v2.0".into();
    provider.put("https://login.example/keys", &json!({"keys": [reserved, own]}));
    let mut trust = Trust::new(template).audience("orders");
    trust.tenants = vec!["t1".into(), "t2".into()];
    let clock = TestClock::default();
    let validator = Validator::builder([trust])
        .fetch(provider)
        .clock(clock.clone())
        .build()
        .unwrap();
    validator.load().await.unwrap();
    let issuer = TestIssuer::with_keys(template, [key]);
    let named = |iss: &str, tid: &str| issuer.token().claim("iss", iss).claim("tid", tid);
    let token = |iss: &str, tid: &str| named(iss, tid).sign();

    let t1 = "https://login.example/t1/v2.0";
    let principal = validator.validate(&token(t1, "t1"), clock.time()).await.unwrap();
    assert_eq!((principal.issuer(), principal.org_id()), (t1, Some("t1")));
    for (iss, tid, reason) in [
        (t1, "t2", Reason::InvalidClaim),
        ("https://login.example/t3/v2.0", "t3", Reason::IssuerNotTrusted),
        (template, "t1", Reason::IssuerNotTrusted),
        ("https://login.example/common/v2.0", "t1", Reason::IssuerNotTrusted),
    ] {
        let verdict = validator.validate(&token(iss, tid), clock.time()).await;
        assert_eq!(verdict.unwrap_err().reason(), reason, "{iss} {tid}");
    }
    // The key of one tenant is not accepted for another.
    let t2 = "https://login.example/t2/v2.0";
    let of_t2 = |iss: &str, tid: &str| named(iss, tid).key(&own_key).sign();
    validator.validate(&of_t2(t2, "t2"), clock.time()).await.unwrap();
    let verdict = validator.validate(&of_t2(t1, "t1"), clock.time()).await;
    assert_eq!(verdict.unwrap_err().reason(), Reason::UnknownKey);
}

/// Neither an alias nor an opaque token says which tenant it belongs to.
#[test]
fn tenants_exclude_aliases_and_introspection() {
    let tenants = || {
        let mut trust = Trust::new("https://login.example/{tenantid}/v2.0").audience("orders");
        trust.tenants = vec!["t1".into()];
        trust
    };
    let asking = |mut trust: Trust| {
        trust.introspection_url = "https://login.example/introspect".into();
        trust.introspection_client_id = "gate".into();
        trust
    };
    let lone = || Trust::new("https://login.example/t1/v2.0").audience("orders");
    let alias = "https://sts.example/t1/";
    for fine in [tenants(), lone().alias(alias), asking(lone())] {
        assert_eq!(fine.check(), Ok(()));
    }
    for (trust, key) in [
        (tenants().alias(alias), "`aliases`"),
        (asking(tenants()), "`introspection_url`"),
    ] {
        let why = trust.check().unwrap_err().to_string();
        assert!(why.contains(key) && why.contains("a [[trust]] of its own"), "{why}");
    }
}

/// A binding that is ignored for its type would turn a bound token into a bearer token.
#[tokio::test]
async fn a_binding_that_is_not_understood_is_rejected() {
    let world = World::new().await;
    for (value, verdict) in [
        (json!(null), Ok(())),
        (json!("a"), Err(Reason::InvalidClaim)),
        (json!(""), Err(Reason::InvalidClaim)),
        (json!({}), Err(Reason::InvalidClaim)),
        (json!({"jkt": ""}), Err(Reason::InvalidClaim)),
        (json!({"jkt": 7, "x5t#S256": "a"}), Err(Reason::InvalidClaim)),
        (json!({"jkt": "a", "x5t#S256": ["a"]}), Err(Reason::InvalidClaim)),
        (json!({"jkt": "a"}), Err(Reason::DpopRequired)),
        (json!({"x5t#S256": "a"}), Err(Reason::CertificateMismatch)),
    ] {
        let token = world.token().claim("cnf", value.clone()).sign();
        assert_eq!(world.validate(&token).await.map(drop), verdict, "{value}");
    }
}

/// A client that cannot be read names no client, and no claim after it names another.
#[tokio::test]
async fn the_client_is_the_first_that_is_present() {
    let world = World::with(|trust| trust.client_id("shop"), |validator| validator).await;
    for (client_id, azp, expected) in [
        (json!(null), json!("shop"), Some("shop")),
        (json!(""), json!("shop"), Some("shop")),
        (json!("shop"), json!(""), Some("shop")),
        (json!("other"), json!("shop"), Some("other")),
        (json!(7), json!("shop"), None),
        (json!(["shop"]), json!("shop"), None),
        (json!(null), json!(null), None),
    ] {
        let token = world
            .token()
            .claim("client_id", client_id.clone())
            .claim("azp", azp.clone());
        let principal = world.validate(&token.clone().sign()).await.unwrap();
        assert_eq!(principal.client_id(), expected, "{client_id} {azp}");
        for audience in [json!(null), json!(""), json!([]), json!("other")] {
            let verdict = world
                .validate(&token.clone().claim("aud", audience.clone()).sign())
                .await;
            let accepted = expected == Some("shop");
            assert_eq!(verdict.is_ok(), accepted, "{client_id} {azp} {audience}: {verdict:?}");
        }
    }
}

#[tokio::test]
async fn an_unneeded_claim_does_not_decide() {
    let world = World::new().await;
    for claim in [
        "auth_time",
        "scope",
        "scp",
        "client_id",
        "azp",
        "nbf",
        "iat",
        "jti",
        "sid",
        "name",
        "given_name",
        "org_id",
        "acr",
        "groups",
        "nonce",
        "at_hash",
        "events",
        "typ",
        "token_use",
        "cnf",
    ] {
        let token = world.token().claim(claim, json!(null)).sign();
        assert_eq!(world.validate(&token).await.map(drop), Ok(()), "{claim}: null");
    }
    for (claim, value) in [
        ("auth_time", json!("2026-03-14T18:52:01.180Z")),
        ("auth_time", json!(-1)),
        ("auth_time", json!({})),
        ("auth_time", json!(1e300)),
        ("auth_time", json!(at(61))),
        ("azp", json!("")),
        ("azp", json!(7)),
        ("scope", json!("")),
        ("scope", json!([])),
        ("scope", json!({})),
        ("scope", json!([7, null])),
        ("nbf", json!("")),
        ("jti", json!(7)),
        ("sid", json!(["a"])),
        ("name", json!({"first": "Alice"})),
        ("acr", json!(2)),
        ("groups", json!(7)),
        ("email", json!(false)),
    ] {
        let principal = world.validate(&world.token().claim(claim, value.clone()).sign()).await;
        let principal = principal.unwrap_or_else(|reason| panic!("{claim} {value}: {reason:?}"));
        assert_eq!(
            (principal.auth_time(), principal.scopes().len()),
            (None, 0),
            "{claim} {value}"
        );
    }
    for (auth_time, expected) in [
        (json!(at(-10)), Some(at(-10))),
        (json!(at(-10).to_string()), Some(at(-10))),
        (json!(at(60)), Some(at(60))),
        (json!(0), Some(0)),
    ] {
        let principal = world
            .validate(&world.token().claim("auth_time", auth_time.clone()).sign())
            .await
            .unwrap();
        assert_eq!(principal.auth_time().map(|time| time as i64), expected, "{auth_time}");
    }
}

/// Only a logout needs the date, and a token without one counts as issued before it.
#[tokio::test]
async fn an_unreadable_date_of_issue_is_absent() {
    let world = World::new().await;
    for (issued, expected) in [
        (json!(at(-10)), Ok(Some(at(-10)))),
        (json!(at(60)), Ok(Some(at(60)))),
        (json!(at(-10).to_string()), Ok(Some(at(-10)))),
        (json!("2026-03-14T18:52:01.180Z"), Ok(None)),
        (json!(-1), Ok(None)),
        (json!(1e300), Ok(None)),
        (json!([at(-10)]), Ok(None)),
        (json!({"at": 0}), Ok(None)),
        (json!(true), Ok(None)),
        (json!(at(61)), Err(Reason::NotYetValid)),
        (json!(at(61).to_string()), Err(Reason::NotYetValid)),
    ] {
        let token = world.token().claim("iat", issued.clone()).sign();
        let verdict = world.validate(&token).await;
        let found = verdict.map(|principal| principal.issued_at().map(|time| time as i64));
        assert_eq!(found, expected, "{issued}");
    }
}

#[tokio::test]
async fn the_hint_for_an_audience_never_opens_the_gate_to_every_client() {
    let world = World::with(|trust| trust.audience("shop"), |validator| validator).await;
    for (aud, azp, hint) in [
        (json!("account"), "shop", "client_ids = [\"shop\"]"),
        (
            json!(["account", "realm-management"]),
            "shop",
            "client_ids = [\"shop\"]",
        ),
        (
            json!("account"),
            "other",
            "if that client is yours, write client_ids = [\"other\"]",
        ),
        (
            json!("https://idp.example/userinfo"),
            "other",
            "client_ids = [\"other\"]",
        ),
        (json!(null), "", "trust.client_ids"),
        (json!("payments"), "other", "audience = [\"payments\"]"),
    ] {
        let token = world
            .token()
            .without("client_id")
            .claim("azp", azp)
            .claim("aud", aud.clone());
        let rejection = world
            .validator
            .validate(&token.sign(), world.clock.time())
            .await
            .unwrap_err();
        assert_eq!(rejection.reason(), Reason::AudienceMismatch, "{aud}");
        let found = &rejection.detail().hint;
        assert!(found.contains(hint), "{aud} {azp}: {found}");
        assert_eq!(found.contains("audience = "), hint.contains("audience = "), "{found}");
    }
}

#[tokio::test]
async fn a_missing_subject_names_the_setting() {
    let world = World::new().await;
    for token in [world.token().without("sub"), world.token().claim("sub", json!(null))] {
        let rejection = world
            .validator
            .validate(&token.sign(), world.clock.time())
            .await
            .unwrap_err();
        assert_eq!(rejection.reason(), Reason::MissingClaim);
        let hint = &rejection.detail().hint;
        assert!(
            hint.contains("trust.subject_claim") && hint.contains("`basic`"),
            "{hint}"
        );
    }
}

#[tokio::test]
async fn a_configured_client_is_accepted_with_any_audience() {
    let world = World::with(|trust| trust.client_id("console"), |validator| validator).await;
    for token in [
        world.token().without("aud").claim("client_id", "console").sign(),
        world
            .token()
            .claim("aud", "account")
            .without("client_id")
            .claim("azp", "console")
            .sign(),
        world
            .token()
            .claim("aud", "account")
            .without("client_id")
            .claim("cid", "console")
            .sign(),
    ] {
        assert_eq!(world.validate(&token).await.unwrap().client_id(), Some("console"));
    }
    let other = world
        .token()
        .without("aud")
        .claim("client_id", "console2")
        .claim("azp", "console")
        .sign();
    assert_eq!(world.validate(&other).await, Err(Reason::AudienceMismatch));
}

#[tokio::test]
async fn scopes_are_read_from_text_and_lists_and_compared_whole() {
    let world = World::new().await;
    for claim in [
        json!("readonly  write readonly"),
        json!(["readonly", "write"]),
        json!(["readonly write"]),
    ] {
        let principal = world
            .validate(&world.token().claim("scope", claim).sign())
            .await
            .unwrap();
        assert_eq!(principal.scopes(), ["readonly", "write"]);
        assert!(principal.require_scope("readonly").is_ok());
        assert_eq!(
            principal.require_scope("read").unwrap_err().reason(),
            Reason::InsufficientScope
        );
    }
    let okta = world
        .validate(&world.token().claim("scp", json!(["a"])).sign())
        .await
        .unwrap();
    assert_eq!(okta.scopes(), ["a"]);
}

#[tokio::test]
async fn roles_are_read_from_the_configured_claim() {
    for (claim, name, value, expected) in [
        ("groups", "groups", json!(["admin", "ops"]), vec!["admin", "ops"]),
        ("groups", "groups", json!("admin"), vec!["admin"]),
        (
            "realm_access.roles",
            "realm_access",
            json!({"roles": ["admin"]}),
            vec!["admin"],
        ),
        (
            "https://acme.example/roles",
            "https://acme.example/roles",
            json!(["admin"]),
            vec!["admin"],
        ),
        (
            "urn:zitadel:roles",
            "urn:zitadel:roles",
            json!({"admin": {"1": "acme"}}),
            vec!["admin"],
        ),
        ("groups", "other", json!(["admin"]), vec![]),
        ("groups", "groups", json!(7), vec![]),
    ] {
        let world = World::with(
            |mut trust| {
                trust.roles_claim = claim.into();
                trust
            },
            |validator| validator,
        )
        .await;
        let principal = world.validate(&world.token().claim(name, value).sign()).await.unwrap();
        assert_eq!(principal.roles(), expected, "{claim}");
    }
}

#[tokio::test]
async fn required_claims_must_have_their_value() {
    let world = World::with(
        |mut trust| {
            trust.required_claims.insert("token_use".into(), json!("access"));
            trust.required_claims.insert("tier".into(), json!(["gold", "silver"]));
            trust
        },
        |validator| validator,
    )
    .await;
    let token = |tier: &str| world.token().claim("token_use", "access").claim("tier", tier);
    world.validate(&token("gold").sign()).await.unwrap();
    world
        .validate(&token("x").claim("tier", json!(["silver", "x"])).sign())
        .await
        .unwrap();
    assert_eq!(world.validate(&token("bronze").sign()).await, Err(Reason::InvalidClaim));
    assert_eq!(
        world.validate(&token("gold").without("token_use").sign()).await,
        Err(Reason::MissingClaim)
    );
}

#[tokio::test]
async fn the_principal_is_what_whoami_answers() {
    let world = World::new().await;
    let bare = world.validate(&world.token().sign()).await.unwrap();
    let expected =
        json!({"iss": "https://idp.example", "sub": "alice", "scope": [], "exp": at(300), "client_id": "shop"});
    assert_eq!(serde_json::to_value(&bare).unwrap(), expected);

    let token = world
        .token()
        .scope("openid orders:read")
        .claim("given_name", "Alice")
        .claim("family_name", "Example")
        .claim("groups", json!(["buyer"]))
        .claim("org_id", "acme")
        .claim("acr", "mfa")
        .claim("auth_time", at(-10) as f64 + 0.25)
        .claim("department", "sales");
    let full = world.validate(&token.sign()).await.unwrap();
    let expected = json!({
        "iss": "https://idp.example", "sub": "alice", "scope": ["openid", "orders:read"], "exp": at(300),
        "client_id": "shop", "name": "Alice Example", "roles": ["buyer"], "org_id": "acme", "acr": "mfa",
        "auth_time": at(-10),
    });
    assert_eq!(serde_json::to_value(&full).unwrap(), expected);
    #[derive(serde::Deserialize)]
    struct Department {
        department: String,
    }
    assert_eq!(full.claims::<Department>().unwrap().department, "sales");
    assert!(!format!("{full:?}").contains("sales"));
}

#[test]
fn an_invalid_trust_is_rejected() {
    let good = || Trust::new("https://idp.example").audience("orders");
    assert_eq!(good().check(), Ok(()));
    type Change = fn(&mut Trust);
    let bad: [(&str, Change); 18] = [
        ("no issuer", |trust| trust.issuer.clear()),
        ("white space around the issuer", |trust| {
            (trust.issuer, trust.jwks_url) = ("https://idp.example ".into(), "https://idp.example/k".into())
        }),
        ("http outside loopback", |trust| {
            trust.issuer = "http://idp.example".into()
        }),
        ("no audience", |trust| trust.audience.clear()),
        ("an empty audience", |trust| trust.audience = vec![String::new()]),
        ("no algorithm", |trust| trust.algorithms.clear()),
        ("stale before refresh", |trust| trust.jwks_stale_seconds = 10),
        ("a leeway of hours", |trust| trust.leeway_seconds = 7200),
        ("a template without tenants", |trust| {
            trust.issuer = "https://a.example/{tenantid}".into()
        }),
        ("tenants without a template", |trust| trust.tenants = vec!["t".into()]),
        ("two sources", |trust| {
            (trust.jwks_url, trust.jwks_file) = ("https://a.example/k".into(), "k.json".into())
        }),
        ("a password in the issuer", |trust| {
            trust.issuer = "https://user:secret@idp.example".into()
        }),
        ("a user in an address", |trust| {
            trust.jwks_url = "https://user@a.example/k".into()
        }),
        ("http keys", |trust| trust.jwks_url = "http://a.example/k".into()),
        ("a claim that may have no value", |trust| {
            trust.required_claims.insert("tier".into(), json!([]));
        }),
        ("clients that no claim holds", |trust| {
            (trust.audience, trust.client_claims) = (Vec::new(), Vec::new());
            trust.client_ids = vec!["shop".into()];
        }),
        ("a client in a claim without name", |trust| {
            trust.client_claims = vec![String::new()]
        }),
        ("introspection without client", |trust| {
            trust.introspection_url = "https://a.example/i".into()
        }),
    ];
    for (name, change) in bad {
        let mut trust = good();
        change(&mut trust);
        assert!(trust.check().is_err(), "{name}");
    }
    assert!(Trust::new("http://localhost:3001/t/demo").audience("a").check().is_ok());
    let twice = Validator::builder([
        good(),
        Trust::new("https://b.example")
            .audience("a")
            .alias("https://idp.example"),
    ]);
    assert!(matches!(twice.build(), Err(TrustError::Twice(_))));
    // An opaque token must not be shown to two providers.
    let asks = |issuer: &str| {
        let mut trust = Trust::new(issuer).audience("orders");
        trust.introspection_url = format!("{issuer}/introspect");
        trust.introspection_client_id = "gate".into();
        trust
    };
    let (one, other) = (|| asks("https://idp.example"), asks("https://b.example"));
    assert!(
        Validator::builder([one(), Trust::new("https://b.example").audience("a")])
            .build()
            .is_ok()
    );
    assert!(matches!(
        Validator::builder([one(), other]).build(),
        Err(TrustError::TwoIntrospections(..))
    ));
    assert!(matches!(Validator::builder([]).build(), Err(TrustError::None)));
}

/// The hints of rejections propose such aliases.
#[tokio::test]
async fn an_alias_need_not_be_an_https_url() {
    for alias in ["http://keycloak:8080/realms/x", "accounts.google.com"] {
        let world = World::with(|trust| trust.alias(alias), |validator| validator).await;
        let principal = world.validate(&world.token().claim("iss", alias).sign()).await.unwrap();
        assert_eq!(principal.issuer(), world.issuer.issuer());
        let own = Trust::new(alias).audience("orders").alias("https://idp.example");
        assert!(own.check().is_err(), "{alias}: keys are fetched by the issuer itself");
    }
    let empty = Trust::new("https://idp.example").audience("orders").alias("");
    assert!(matches!(empty.check(), Err(TrustError::Empty { key: "aliases", .. })));
}

#[test]
fn a_trust_deserializes_the_documented_keys_only() {
    let text = json!({
        "issuer": "https://idp.example", "aliases": [], "jwks_url": "", "audience": ["a"], "client_ids": [],
        "algorithms": ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"], "token_type": "auto",
        "scope_claim": "scope", "roles_claim": "groups", "leeway_seconds": 60, "jwks_refresh_seconds": 300,
        "jwks_stale_seconds": 3600, "jwks_cooldown_seconds": 10,
    });
    let trust: Trust = serde_json::from_value(text).unwrap();
    assert_eq!(trust, Trust::new("https://idp.example").audience("a"));
    for wrong in [
        json!({"isuer": "x"}),
        json!({"algorithms": ["HS256"]}),
        json!({"algorithms": ["none"]}),
    ] {
        assert!(serde_json::from_value::<Trust>(wrong).is_err());
    }
}

#[test]
fn a_secret_is_not_printed() {
    let trust: Trust = serde_json::from_value(json!({"introspection_client_secret": "hunter2"})).unwrap();
    assert!(!format!("{trust:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&trust).unwrap().contains("hunter2"));
}

/// Only Graph can verify its tokens, so advice about keys and issuers would mislead.
#[tokio::test]
async fn a_token_for_graph_gets_the_hint_to_ask_for_another() {
    let world = World::new().await;
    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    let graph = || world.token().header("nonce", "n");
    for (token, reason) in [
        (graph().key(&stranger).sign(), Reason::BadSignature),
        (graph().header("kid", "other").sign(), Reason::UnknownKey),
        (
            graph().claim("iss", "https://sts.windows.net/t/").sign(),
            Reason::IssuerNotTrusted,
        ),
    ] {
        let rejection = world.validator.validate(&token, world.clock.time()).await.unwrap_err();
        assert_eq!(rejection.reason(), reason);
        assert!(rejection.detail().hint.contains("scope of your own API"), "{rejection}");
    }
    let forged = world.token().key(&stranger).sign();
    let rejection = world.validator.validate(&forged, world.clock.time()).await.unwrap_err();
    assert!(rejection.detail().hint.contains("changed on its way"), "{rejection}");
    world.validate(&graph().sign()).await.unwrap();
}
