//! A provider for a session on the real platform: WebCrypto signs for it, and `fetch` has its answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use pixygate::authorization::{Client, Crypto as _, DpopMode, Hash, Jwk, Provider as Endpoints, SignIn};
use pixygate::session::browser::Browser;
use pixygate::session::{Platform as _, Session, SessionError};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

pub(crate) const BASE: &str = "https://idp.example";

/// Answers with what is in `pixygateAnswers`, and a page of the provider that is not there with 200. All else is the browser's.
const FETCH: &str = "
    (() => {
        if (globalThis.pixygateAnswers) return;
        globalThis.pixygateAnswers = {};
        const real = globalThis.fetch.bind(globalThis);
        globalThis.fetch = async (request, init) => {
            const url = request.url ?? String(request);
            if (!url.startsWith('https://idp.example')) return real(request, init);
            return new Response(globalThis.pixygateAnswers[url] ?? '{}');
        };
    })()";

const GENERATE: &str = "
    (async (algorithm) => {
        const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
        return [JSON.stringify(await crypto.subtle.exportKey('jwk', publicKey)), privateKey];
    })";

const SIGN: &str = "
    (async (algorithm, key, text) =>
        new Uint8Array(await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(text))))";

fn evaluate(script: &str) -> JsValue {
    js_sys::eval(script).unwrap()
}

async fn call(script: &str, arguments: &Array) -> JsValue {
    let function: Function = evaluate(script).into();
    let promise: Promise = function.apply(&JsValue::NULL, arguments).unwrap().into();
    JsFuture::from(promise).await.unwrap()
}

fn algorithm(name: &str) -> JsValue {
    evaluate(match name {
        "EdDSA" => "({ name: 'Ed25519' })",
        "RS256" => {
            "({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) })"
        }
        other => panic!("{other}"),
    })
}

/// The provider's key.
pub(crate) struct Key {
    pub(crate) algorithm: &'static str,
    /// The members that make the public key, and no others.
    pub(crate) public: Value,
    private: JsValue,
}

impl Key {
    pub(crate) async fn generate(name: &'static str) -> Self {
        let pair = call(GENERATE, &Array::of1(&algorithm(name))).await;
        let public = Reflect::get_u32(&pair, 0).unwrap().as_string().unwrap();
        let mut public: Value = serde_json::from_str(&public).unwrap();
        let members = public.as_object_mut().unwrap();
        members.retain(|member, _| ["kty", "n", "e", "crv", "x"].contains(&member.as_str()));
        Self {
            algorithm: name,
            public,
            private: Reflect::get_u32(&pair, 1).unwrap(),
        }
    }

    pub(crate) async fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let arguments = Array::of3(&algorithm(self.algorithm), &self.private, &signed.as_str().into());
        let signature = Uint8Array::new(&call(SIGN, &arguments).await).to_vec();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The `at_hash` of an access token beside an ID token that this key signed.
    pub(crate) async fn at_hash(&self, browser: &Browser, access_token: &str) -> String {
        let hash = match self.algorithm {
            "EdDSA" => Hash::Sha512,
            _ => Hash::Sha256,
        };
        let digest = browser.digest(hash, access_token.as_bytes()).await.unwrap();
        URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
    }
}

/// Sets what the provider answers at an address.
pub(crate) fn answer(url: &str, body: &Value) {
    evaluate(FETCH);
    let answers: Object = evaluate("globalThis.pixygateAnswers").into();
    Reflect::set(&answers, &url.into(), &body.to_string().into()).unwrap();
}

/// The client of a provider with this metadata, as the server's discovery makes it.
pub(crate) fn client(browser: &Browser, client_id: &str, metadata: &Value, keys: &Value) -> Client {
    let origin = browser.origin();
    let text = |member: &str| metadata[member].as_str().map(str::to_owned);
    let list = |member: &str| {
        let values = metadata[member].as_array().into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let keys = keys["keys"].as_array().into_iter().flatten();
    Client {
        client_id: client_id.to_owned(),
        redirect_uri: format!("{origin}/callback"),
        post_logout_redirect_uri: format!("{origin}/"),
        scopes: vec!["openid".to_owned()],
        resource: None,
        extra_params: BTreeMap::new(),
        call_origins: Vec::new(),
        step_up_scopes: BTreeMap::new(),
        sessions_url: None,
        idle_sign_out_seconds: None,
        dpop: DpopMode::Off,
        provider: Endpoints {
            issuer: text("issuer").unwrap(),
            authorization_endpoint: text("authorization_endpoint").unwrap(),
            token_endpoint: text("token_endpoint").unwrap(),
            jwks_uri: text("jwks_uri").unwrap(),
            end_session_endpoint: text("end_session_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            pushed_authorization_request_endpoint: None,
            require_pushed_authorization_requests: false,
            authorization_response_iss_parameter_supported: false,
            id_token_signing_alg_values_supported: list("id_token_signing_alg_values_supported"),
            dpop_signing_alg_values_supported: Vec::new(),
        },
        keys: keys
            .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok())
            .collect(),
    }
}

pub(crate) fn browser() -> Browser {
    Browser::new(js_sys::Date::now() / 1000.0).unwrap()
}

/// Begins a sign-in; the query that the provider sends the browser back with, and the nonce.
pub(crate) async fn visit(session: &Session<Browser>) -> (String, String) {
    answer(&session.client().provider.authorization_endpoint, &json!({}));
    let (state, url) = session.begin_in_window(&SignIn::default()).await.unwrap();
    let query = url.split_once('?').unwrap().1;
    let nonce = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "nonce");
    (format!("?code=c0de&state={state}"), nonce.unwrap().1.into_owned())
}

/// Exchanges the code for this answer.
pub(crate) async fn complete(session: &Session<Browser>, query: &str, response: &Value) -> Result<(), SessionError> {
    answer(&session.client().provider.token_endpoint, response);
    let completed = session.complete(query).await;
    completed.map(drop).map_err(|failure| failure.error)
}
