//! A provider of tokens: real signatures, rotation, and whatever a test wants it to answer instead.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::authorization::{Client, DpopMode, HttpReply, Jwk, Provider as Metadata};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example/t/demo/oauth2/token";
pub(crate) const CLIENT: &str = "pixygate";
const ENDPOINT: &str = "https://idp.example/t/demo/oauth2";

/// What the token endpoint does with the next requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// No answer arrives.
    Unreachable,
    /// This status, with nothing to read.
    Broken(u16),
    /// This error response.
    Refuses(&'static str),
}

pub(crate) struct Provider {
    key: EcdsaKeyPair,
    pub(crate) kid: RefCell<String>,
    pub(crate) mood: RefCell<Mood>,
    pub(crate) expires_in: RefCell<u64>,
    pub(crate) rotates: RefCell<bool>,
    /// Claims that replace those of the next ID tokens; `null` leaves one out.
    pub(crate) claims: RefCell<Value>,
    pub(crate) header: RefCell<Value>,
    pub(crate) forged: Cell<bool>,
    /// Nonce and subject for each code that was given out.
    codes: RefCell<BTreeMap<String, (String, String)>>,
    live: RefCell<BTreeMap<String, String>>,
    spent: RefCell<BTreeSet<String>>,
    issued: RefCell<u32>,
    pub(crate) requests: RefCell<Vec<BTreeMap<String, String>>>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            kid: RefCell::new("first".to_owned()),
            mood: RefCell::default(),
            expires_in: RefCell::new(3600),
            rotates: RefCell::new(true),
            claims: RefCell::new(json!({})),
            header: RefCell::new(json!({})),
            forged: Cell::default(),
            codes: RefCell::default(),
            live: RefCell::default(),
            spent: RefCell::default(),
            issued: RefCell::default(),
            requests: RefCell::default(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            client_id: CLIENT.to_owned(),
            redirect_uri: "https://app.example/callback".to_owned(),
            post_logout_redirect_uri: "https://app.example/".to_owned(),
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            resource: None,
            extra_params: BTreeMap::new(),
            call_origins: Vec::new(),
            idle_sign_out_seconds: None,
            dpop: DpopMode::Off,
            provider: Metadata {
                issuer: ISSUER.to_owned(),
                authorization_endpoint: format!("{ENDPOINT}/authorize"),
                token_endpoint: format!("{ENDPOINT}/token"),
                jwks_uri: format!("{ENDPOINT}/jwks"),
                end_session_endpoint: Some("https://idp.example/t/demo/oidc/logout".to_owned()),
                revocation_endpoint: Some(format!("{ENDPOINT}/revoke")),
                pushed_authorization_request_endpoint: None,
                require_pushed_authorization_requests: false,
                authorization_response_iss_parameter_supported: true,
                id_token_signing_alg_values_supported: vec!["ES256".to_owned()],
                dpop_signing_alg_values_supported: Vec::new(),
            },
            keys: self.keys(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<Jwk> {
        let point = self.key.public_key().as_ref();
        vec![Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            kid: Some(self.kid.borrow().clone()),
            alg: Some("ES256".to_owned()),
            x: Some(URL_SAFE_NO_PAD.encode(&point[1..33])),
            y: Some(URL_SAFE_NO_PAD.encode(&point[33..])),
            ..Jwk::default()
        }]
    }

    /// Signs `subject` in and gives out a code for the authorization request.
    pub(crate) fn authorize(&self, subject: &str, request: &BTreeMap<String, String>) -> String {
        let code = format!("code-{}", self.codes.borrow().len());
        self.codes
            .borrow_mut()
            .insert(code.clone(), (request["nonce"].clone(), subject.to_owned()));
        code
    }

    /// How many refresh tokens are good: more than one a session means that a rotation went wrong.
    pub(crate) fn live(&self) -> usize {
        self.live.borrow().len()
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.requests
            .borrow()
            .iter()
            .filter(|form| form.get("grant_type").is_some_and(|g| g == "refresh_token"))
            .count()
    }

    pub(crate) fn answer(&self, form: BTreeMap<String, String>, now: f64) -> HttpReply {
        self.requests.borrow_mut().push(form.clone());
        match &*self.mood.borrow() {
            Mood::Well => {}
            Mood::Unreachable => unreachable!("the network does not deliver this"),
            Mood::Broken(status) => {
                return HttpReply {
                    status: *status,
                    ..HttpReply::default()
                };
            }
            Mood::Refuses(error) => return refusal(error),
        }
        if form.contains_key("token") {
            self.live.borrow_mut().remove(&form["token"]);
            return HttpReply {
                status: 200,
                ..HttpReply::default()
            };
        }
        let (subject, nonce) = match form["grant_type"].as_str() {
            "authorization_code" => match self.codes.borrow_mut().remove(&form["code"]) {
                Some((nonce, subject)) => (subject, Some(nonce)),
                None => return refusal("invalid_grant"),
            },
            _ => {
                let token = &form["refresh_token"];
                if self.spent.borrow().contains(token) {
                    // Reuse ends the family.
                    self.live.borrow_mut().clear();
                    return refusal("invalid_grant");
                }
                let Some(subject) = self.live.borrow().get(token).cloned() else {
                    return refusal("invalid_grant");
                };
                if *self.rotates.borrow() {
                    self.live.borrow_mut().remove(token);
                    self.spent.borrow_mut().insert(token.clone());
                }
                (subject, None)
            }
        };
        *self.issued.borrow_mut() += 1;
        let number = *self.issued.borrow();
        let access_token = format!("access-{number}");
        let mut body = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": *self.expires_in.borrow(),
            "id_token": self.id_token(&subject, nonce.as_deref(), &access_token, now),
        });
        if nonce.is_some() || *self.rotates.borrow() {
            let refresh_token = format!("refresh-{number}");
            self.live.borrow_mut().insert(refresh_token.clone(), subject);
            body["refresh_token"] = json!(refresh_token);
        }
        HttpReply {
            status: 200,
            body: body.to_string(),
            ..HttpReply::default()
        }
    }

    fn id_token(&self, subject: &str, nonce: Option<&str>, access_token: &str, now: f64) -> String {
        let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
        let mut claims = json!({
            "iss": ISSUER, "sub": subject, "aud": CLIENT, "exp": now + 300.0, "iat": now, "name": format!("{subject} Example"),
            "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let mut header = json!({ "alg": "ES256", "kid": *self.kid.borrow() });
        for (target, changes) in [(&mut claims, &self.claims), (&mut header, &self.header)] {
            for (name, value) in changes.borrow().as_object().unwrap() {
                match value {
                    Value::Null => drop(target.as_object_mut().unwrap().remove(name)),
                    value => target[name] = value.clone(),
                }
            }
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap()
            .as_ref()
            .to_vec();
        if self.forged.get() {
            signature[7] ^= 1;
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn refusal(error: &str) -> HttpReply {
    HttpReply {
        status: 400,
        body: json!({ "error": error }).to_string(),
        ..HttpReply::default()
    }
}
