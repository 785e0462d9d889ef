//! Every document that has a table in `test_support::mutations`, with several members replaced by any JSON. No panic; a member that the table
//! calls harmless in every form never decides; and what is accepted holds what must hold.
#![no_main]

use std::{
    collections::HashSet,
    sync::{LazyLock, atomic::AtomicU64, atomic::Ordering},
    time::SystemTime,
};

use arbitrary::Arbitrary;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use pixygate::{
    authorization::{
        Callback, ValidationContext, Client, Crypto, CryptoError, DpopMode, EndpointResponse, Hash, Jwk, ClockReading, PendingSignIn, Provider,
        ServerClock, SignIn, TokenResponse, TokenSet,
    },
    discovery::Metadata,
    jwt::{Algorithm, Secret, Validator},
    test_support::{
        Documents, TestClock, TestIssuer, at,
        mutations::{ACCESS_TOKEN, ID_TOKEN, INTROSPECTION, JWKS, LOGOUT_TOKEN, METADATA, TOKEN_RESPONSE, lines, set},
    },
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

const ENDPOINT: &str = "https://idp.example/introspect";

#[derive(Arbitrary, Debug)]
enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Fraction(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => value.into(),
            Json::Integer(value) => value.into(),
            Json::Fraction(value) => value.into(),
            Json::Text(value) => value.into(),
            Json::List(values) => values.into_iter().map(Self::from).collect(),
            Json::Object(members) => members
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Document {
    AccessToken,
    Introspection,
    LogoutToken,
    Metadata,
    Jwks,
    IdToken,
    TokenResponse,
}

#[derive(Arbitrary, Debug)]
struct Input {
    document: Document,
    /// The line of a table, and what takes the place of its member; `None` removes it.
    changes: Vec<(u8, Option<Json>)>,
}

struct Setting {
    issuer: TestIssuer,
    documents: Documents,
    validator: Validator,
    now: SystemTime,
    runtime: Runtime,
}

static SETTING: LazyLock<Setting> = LazyLock::new(|| {
    let issuer = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let mut trust = issuer.trust("orders");
    trust.introspection_url = ENDPOINT.into();
    trust.introspection_client_id = "gate".into();
    trust.introspection_client_secret = Secret::new("secret");
    let (documents, clock) = (Documents::of([&issuer]), TestClock::default());
    let builder = Validator::builder([trust]).fetch(documents.clone()).clock(clock.clone());
    let validator = builder.token_cache(0).build().expect("the trust is valid");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime can be made");
    runtime.block_on(validator.load()).expect("the keys load");
    let now = clock.time();
    Setting { issuer, documents, validator, now, runtime }
});

/// Members that are `ok` in every form, and whose text says nothing of the kind of token either.
fn harmless(table: &str) -> HashSet<String> {
    let harmless = |outcomes: &[String; 8]| outcomes.iter().all(|outcome| outcome == "ok" || outcome == "–");
    let names_a_kind = |member: &str| ["typ", "token_use", "token_type", "nonce", "at_hash"].iter().any(|name| member.ends_with(name));
    lines(table)
        .into_iter()
        .filter(|(member, outcomes)| harmless(outcomes) && !names_a_kind(member))
        .map(|(member, _)| member)
        .collect()
}

/// The cryptography of a browser in which every signature verifies and every hash is zero.
struct Trusting;

impl Crypto for Trusting {
    async fn verify(&self, _: &str, _: &Jwk, _: &[u8], _: &[u8]) -> Result<bool, CryptoError> {
        Ok(true)
    }

    async fn digest(&self, _: Hash, _: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(vec![0; 32])
    }
}

fn client() -> Client {
    let endpoint = |path: &str| format!("https://idp.example/{path}");
    Client {
        client_id: "shop".to_owned(),
        redirect_uri: "https://shop.example/callback".to_owned(),
        post_logout_redirect_uri: "https://shop.example/".to_owned(),
        scopes: vec!["openid".to_owned()],
        resource: None,
        extra_params: Default::default(),
        call_origins: Vec::new(),
        step_up_scopes: Default::default(),
        sessions_url: None,
        idle_sign_out_seconds: None,
        dpop: DpopMode::Off,
        provider: Provider {
            issuer: "https://idp.example".to_owned(),
            authorization_endpoint: endpoint("authorize"),
            token_endpoint: endpoint("token"),
            jwks_uri: endpoint("jwks"),
            end_session_endpoint: None,
            revocation_endpoint: None,
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            authorization_response_iss_parameter_supported: false,
            id_token_signing_alg_values_supported: Vec::new(),
            dpop_signing_alg_values_supported: Vec::new(),
        },
        keys: vec![Jwk { kty: "RSA".to_owned(), kid: Some("key-1".to_owned()), ..Jwk::default() }],
    }
}

fn id_token_claims() -> Value {
    json!({
        "iss": "https://idp.example", "sub": "alice", "aud": "shop", "exp": at(300), "nbf": at(0), "iat": at(0), "azp": "shop",
        "at_hash": URL_SAFE_NO_PAD.encode([0; 16]), "auth_time": at(-5), "name": "Alice",
    })
}

/// Signs in with these claims and this response, in which `$own` stands for the tokens; `Err` is the check that failed.
fn sign_in(mut claims: Value, mut response: Value) -> Result<TokenSet, String> {
    let client = client();
    let (pending, request) = PendingSignIn::begin(&client, &SignIn::default(), None);
    let url = url::Url::parse(&request.url(&client)).expect("an address is a URL");
    let parameter = |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    if claims["nonce"] == "$nonce" {
        claims["nonce"] = parameter("nonce").into();
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let id_token = format!("{}.{}.AA", encode(&json!({"alg": "RS256", "kid": "key-1"})), encode(&claims));
    for (member, own) in [("access_token", "access"), ("refresh_token", "refresh"), ("id_token", &*id_token)] {
        if response[member] == "$own" {
            response[member] = own.into();
        }
    }
    let query = format!("?code=c&state={}", parameter("state").unwrap_or_default());
    let callback = Callback::parse(&query).map_err(|error| error.to_string())?;
    let validated = pending.validate(callback, &client).map_err(|error| error.to_string())?;
    let reply = EndpointResponse { status: 200, body: response.to_string(), ..EndpointResponse::default() };
    let response = TokenResponse::read(&reply).map_err(|error| error.to_string())?;
    let now = ClockReading { wall: at(0) as f64 * 1000.0, monotonic: 0.0 };
    let server = ServerClock { server_time: now.wall, received_at: now };
    let context = ValidationContext { client: &client, keys: Some(&client.keys), crypto: &Trusting, now, requested: now, server };
    block_on(validated.validate_tokens(response, &context)).map_err(|error| error.to_string())
}

fn claims() -> Value {
    json!({
        "iss": "https://idp.example", "sub": "alice", "aud": "orders", "exp": at(300), "nbf": at(0), "iat": at(0),
        "scope": "openid", "client_id": "shop", "typ": "Bearer", "active": true, "token_type": "Bearer",
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Replaces members. Returns whether only harmless ones were.
fn change(document: &mut Value, table: &str, changes: Vec<(u8, Option<Json>)>) -> bool {
    let members = lines(table);
    let harmless = harmless(table);
    let mut only_harmless = true;
    for (index, value) in changes {
        let (member, _) = &members[usize::from(index) % members.len()];
        let parent = member.rsplit_once('.').map_or(String::new(), |(parent, _)| format!("/{}", parent.replace('.', "/")));
        // Another change may have replaced it.
        if !document.pointer(&parent).is_some_and(Value::is_object) {
            continue;
        }
        only_harmless &= harmless.contains(member);
        set(document, member, value.map(Value::from));
    }
    only_harmless
}

fn holds(claims: &Value, audience: &str) {
    assert_eq!(claims["iss"], "https://idp.example");
    assert!(claims["aud"] == audience || claims["aud"].as_array().is_some_and(|all| all.iter().any(|one| one == audience)));
}

fuzz_target!(|input: Input| {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let setting = &*SETTING;
    let key = &setting.issuer.keys()[0];
    let header = |typ: &str| json!({"alg": "ES256", "kid": "es256", "typ": typ});
    let sign = |token: &Value| key.sign_text(&token["header"].to_string(), &token["claims"].to_string());
    match input.document {
        Document::AccessToken => {
            let mut token = json!({"header": header("at+jwt"), "claims": claims()});
            let harmless = change(&mut token, ACCESS_TOKEN, input.changes);
            let jwt = sign(&token);
            if jwt.len() > 8192 || depth(&token) > 60 {
                return;
            }
            match setting.runtime.block_on(setting.validator.validate(&jwt, setting.now)) {
                Ok(principal) => {
                    holds(&token["claims"], "orders");
                    assert_eq!(token["claims"]["sub"], principal.subject());
                    assert!(token["claims"]["exp"].is_number() && token["claims"]["cnf"].is_null());
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {token}"),
            }
        }
        Document::Introspection => {
            let mut answer = claims();
            let harmless = change(&mut answer, INTROSPECTION, input.changes);
            if depth(&answer) > 60 {
                return;
            }
            setting.documents.put(ENDPOINT, &answer);
            let token = format!("opaque-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
            match setting.runtime.block_on(setting.validator.validate(&token, setting.now)) {
                Ok(principal) => {
                    assert!(answer["active"] == true || answer["active"].as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")));
                    assert!(answer["sub"] == principal.subject() || answer["username"] == principal.subject());
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {answer}"),
            }
        }
        Document::LogoutToken => {
            let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
            let mut token = json!({"header": header("logout+jwt"), "claims": {
                "iss": "https://idp.example", "sub": "alice", "aud": "shop", "exp": at(120), "iat": at(0), "jti": "1", "sid": "s",
                "events": event,
            }});
            let harmless = change(&mut token, LOGOUT_TOKEN, input.changes);
            let jwt = sign(&token);
            if jwt.len() > 8192 || depth(&token) > 60 {
                return;
            }
            let verdict = setting.validator.validate_logout_token(&jwt, "https://idp.example", "shop", setting.now);
            match setting.runtime.block_on(verdict) {
                Ok(logout) => {
                    holds(&token["claims"], "shop");
                    assert!(logout.subject().is_some() || logout.session_id().is_some());
                    assert!(token["claims"]["nonce"].is_null() || token["claims"]["nonce"] == "" || depth(&token["claims"]["nonce"]) > 0);
                }
                Err(rejection) => assert!(!harmless, "{rejection}: {token}"),
            }
        }
        Document::Metadata => {
            let mut metadata = json!({
                "issuer": "https://idp.example", "authorization_endpoint": "https://idp.example/authorize",
                "token_endpoint": "https://idp.example/token", "jwks_uri": "https://idp.example/jwks",
                "code_challenge_methods_supported": ["S256"],
            });
            let harmless = change(&mut metadata, METADATA, input.changes);
            let location = "https://idp.example/.well-known/openid-configuration".parse().expect("a URL");
            match Metadata::read(metadata.to_string().as_bytes(), "https://idp.example", &location) {
                Ok(read) => {
                    assert_eq!(metadata["issuer"], "https://idp.example");
                    for member in ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint", "revocation_endpoint"] {
                        let url = read.url(member);
                        assert!(!url.is_ok_and(|url| url.is_some_and(|url| url.scheme() != "https")));
                    }
                    for member in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
                        assert!(!harmless || read.required_url(member).is_ok(), "{member}: {metadata}");
                    }
                    // What lists methods, and not S256, is rejected.
                    let lists = read.list("code_challenge_methods_supported");
                    assert_eq!(read.supports_pkce().is_ok(), lists.is_empty() || lists.iter().any(|method| method == "S256"));
                }
                Err(error) => assert!(!harmless, "{error}: {metadata}"),
            }
        }
        Document::Jwks => {
            let issuer = &setting.issuer;
            let mut set = json!({"keys": [key.jwk()]});
            let harmless = change(&mut set, JWKS, input.changes);
            if depth(&set) > 60 {
                return;
            }
            let documents = Documents::of([issuer]);
            documents.put(issuer.jwks_url(), &set);
            let builder = Validator::builder([issuer.trust("orders")]).fetch(documents).clock(TestClock::default());
            let validator = builder.build().expect("the trust is valid");
            let verdict = setting.runtime.block_on(async {
                validator.load().await.map_err(|errors| errors.to_string())?;
                let token = issuer.token().sign();
                validator.validate(&token, setting.now).await.map(drop).map_err(|rejection| rejection.to_string())
            });
            if let Err(why) = verdict {
                assert!(!harmless, "{why}: {set}");
            }
        }
        Document::IdToken => {
            let mut claims = id_token_claims();
            claims["nonce"] = "$nonce".into();
            let harmless = change(&mut claims, ID_TOKEN, input.changes);
            if depth(&claims) > 60 {
                return;
            }
            match sign_in(claims.clone(), json!({"access_token": "$own", "id_token": "$own"})) {
                Ok(tokens) => {
                    holds(&claims, "shop");
                    assert_eq!(claims["sub"], tokens.id_token().claims().sub);
                    assert!(claims["exp"].is_number() && !tokens.id_token().claims().sub.is_empty());
                    // Read as one text from a list of one.
                    assert!(claims["nonce"] == "$nonce" || claims["nonce"].is_array());
                }
                Err(why) => assert!(!harmless, "{why}: {claims}"),
            }
        }
        Document::TokenResponse => {
            let mut response = json!({
                "access_token": "$own", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "$own", "id_token": "$own",
                "scope": "openid",
            });
            let harmless = change(&mut response, TOKEN_RESPONSE, input.changes);
            let mut claims = id_token_claims();
            claims["nonce"] = "$nonce".into();
            if let Some(members) = claims.as_object_mut() {
                members.remove("at_hash");
            }
            match sign_in(claims, response.clone()) {
                Ok(tokens) => assert!(!tokens.access_token().secret().is_empty()),
                Err(why) => assert!(!harmless, "{why}: {response}"),
            }
        }
    }
});
