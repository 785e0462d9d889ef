//! A simulated identity provider: real signatures, refresh token rotation, and faults that a test chooses.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pixygate::authorization::{Client, DpopMode, EndpointResponse, Jwk, Provider as Metadata};
use serde_json::{Value, json};

use crate::dpop::{Key, Proofs, Wanted};

pub(crate) const ISSUER: &str = "https://idp.example/t/demo/oauth2/token";
pub(crate) const CLIENT: &str = "pixygate";
const ENDPOINT: &str = "https://idp.example/t/demo/oauth2";

/// The value in [`Provider::claims`], `header` and `response` that removes a member.
pub(crate) const ABSENT: &str = "absent";

pub(crate) type Form = BTreeMap<String, String>;

/// The behaviour of the provider for the next requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Behaviour {
    #[default]
    Normal,
    /// It does not respond.
    Unreachable,
    /// It handles the request, and the browser withholds the response (CORS).
    Withheld,
    /// It handles the request, and the browser withholds the response to a request with a proof (CORS).
    ProofWithheld,
    /// It ends all sessions, and the browser withholds each response that is not a success (CORS).
    ErrorsWithheld,
    /// It responds with this status and body.
    Answers(u16, &'static str),
    /// It responds with this status and an empty body.
    Broken(u16),
    /// It responds with 429 and this `Retry-After`, in seconds.
    Busy(u64),
    /// It responds with 400 and this `error`.
    Refuses(&'static str),
}

/// The grant of one sign-in.
#[derive(Clone, Default)]
pub(crate) struct Grant {
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) acr: Option<String>,
    /// The thumbprint of the key that the tokens are bound to.
    pub(crate) jkt: Option<String>,
    /// The organisation or audience that the access token was exchanged for.
    pub(crate) target: Option<String>,
    nonce: Option<String>,
    max_age: bool,
    /// The code. All tokens that were issued for one code are a family.
    family: String,
}

/// The provider's record of an access token.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) grant: Grant,
    /// Seconds since the Unix epoch. The clock of the browser may differ.
    pub(crate) issued: f64,
    pub(crate) expires: f64,
}

pub(crate) struct Provider {
    key: Key,
    pub(crate) kid: RefCell<String>,
    pub(crate) behaviour: RefCell<Behaviour>,
    pub(crate) expires_in: RefCell<u64>,
    pub(crate) rotates: RefCell<bool>,
    pub(crate) gives_refresh_tokens: Cell<bool>,
    /// The `error` with which token exchanges are refused.
    pub(crate) refuses_exchange: Cell<Option<&'static str>>,
    pub(crate) exchange_refreshes: Cell<bool>,
    /// Leaves `scope` out of token responses.
    pub(crate) leaves_scope_out: Cell<bool>,
    /// The nonce that DPoP proofs must have.
    pub(crate) nonce: RefCell<Option<String>>,
    proofs: Proofs,
    /// Claims that replace those of the next ID tokens.
    pub(crate) claims: RefCell<Value>,
    pub(crate) header: RefCell<Value>,
    /// Members that replace those of the next token responses.
    pub(crate) response: RefCell<Value>,
    pub(crate) forged: Cell<bool>,
    issued_codes: Cell<u32>,
    codes: RefCell<BTreeMap<String, Grant>>,
    pushed: RefCell<BTreeMap<String, Form>>,
    valid_refresh_tokens: RefCell<BTreeMap<String, Grant>>,
    used_refresh_tokens: RefCell<BTreeMap<String, Grant>>,
    /// Used refresh tokens whose successor did not reach the browser, or could not be stored there.
    pub(crate) undelivered_rotations: RefCell<BTreeSet<String>>,
    /// Used refresh tokens that were sent again although their successor was stored.
    pub(crate) reused: RefCell<Vec<String>>,
    /// The subject of each refresh token, also of used ones.
    owners: RefCell<BTreeMap<String, String>>,
    /// The subjects whose refresh token was rejected with `invalid_grant`.
    pub(crate) ended: RefCell<BTreeSet<String>>,
    pub(crate) access: RefCell<BTreeMap<String, Issued>>,
    issued: Cell<u32>,
    pub(crate) requests: RefCell<Vec<Form>>,
}

impl Provider {
    pub(crate) fn new() -> Self {
        Self {
            key: Key::new(),
            kid: RefCell::new("first".to_owned()),
            behaviour: RefCell::default(),
            expires_in: RefCell::new(3600),
            rotates: RefCell::new(true),
            gives_refresh_tokens: Cell::new(true),
            refuses_exchange: Cell::default(),
            exchange_refreshes: Cell::default(),
            leaves_scope_out: Cell::default(),
            nonce: RefCell::default(),
            proofs: Proofs::default(),
            claims: RefCell::new(json!({})),
            header: RefCell::new(json!({})),
            response: RefCell::new(json!({})),
            forged: Cell::default(),
            issued_codes: Cell::default(),
            codes: RefCell::default(),
            pushed: RefCell::default(),
            valid_refresh_tokens: RefCell::default(),
            used_refresh_tokens: RefCell::default(),
            undelivered_rotations: RefCell::default(),
            reused: RefCell::default(),
            owners: RefCell::default(),
            ended: RefCell::default(),
            access: RefCell::default(),
            issued: Cell::default(),
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
            step_up_scopes: BTreeMap::new(),
            sessions_url: None,
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

    /// The client, if the provider requires pushed authorization requests.
    pub(crate) fn pushing_client(&self) -> Client {
        let mut client = self.client();
        client.provider.pushed_authorization_request_endpoint = Some(format!("{ENDPOINT}/par"));
        client.provider.require_pushed_authorization_requests = true;
        client
    }

    pub(crate) fn keys(&self) -> Vec<Jwk> {
        vec![Jwk {
            kid: Some(self.kid.borrow().clone()),
            alg: Some("ES256".to_owned()),
            ..self.key.public()
        }]
    }

    /// Returns the parameters of an authorization request, also of a pushed one.
    pub(crate) fn authorization_parameters(&self, query: &Form) -> Form {
        match query.get("request_uri") {
            Some(uri) => self.pushed.borrow()[uri].clone(),
            None => query.clone(),
        }
    }

    /// Signs `subject` in and returns a code for the authorization request.
    pub(crate) fn authorize(&self, subject: &str, request: &Form) -> String {
        let code = format!("code-{}", self.issued_codes.replace(self.issued_codes.get() + 1));
        let words = |name: &str| -> Vec<String> {
            let value = request.get(name).map(String::as_str).unwrap_or_default();
            value.split_ascii_whitespace().map(str::to_owned).collect()
        };
        let grant = Grant {
            subject: subject.to_owned(),
            scopes: words("scope"),
            acr: words("acr_values").into_iter().next(),
            jkt: request.get("dpop_jkt").cloned(),
            target: None,
            nonce: Some(request["nonce"].clone()),
            max_age: request.contains_key("max_age"),
            family: code.clone(),
        };
        self.codes.borrow_mut().insert(code.clone(), grant);
        code
    }

    /// Returns the number of valid refresh tokens. More than one for a session means that a rotation went wrong.
    pub(crate) fn valid_refresh_tokens(&self) -> usize {
        self.valid_refresh_tokens.borrow().len()
    }

    /// Ends all sessions.
    pub(crate) fn end_all(&self) {
        self.valid_refresh_tokens.borrow_mut().clear();
    }

    /// Returns the number of refresh requests, without the probes, which have no token.
    pub(crate) fn refreshes(&self) -> usize {
        let requests = self.requests.borrow();
        requests
            .iter()
            .filter(|form| form.contains_key("refresh_token"))
            .count()
    }

    /// Returns the number of requests with a grant type.
    pub(crate) fn requests_of_type(&self, grant_type: &str) -> usize {
        let requests = self.requests.borrow();
        let of_type = |form: &&Form| form.get("grant_type").is_some_and(|it| it == grant_type);
        requests.iter().filter(of_type).count()
    }

    pub(crate) fn answer(&self, url: &str, form: Form, proof: Option<&str>, now: f64) -> EndpointResponse {
        let owner = form
            .get("refresh_token")
            .map(|token| self.owners.borrow()[token].clone());
        let reply = self.reply(url, form, proof, now);
        if reply.body.contains("invalid_grant") {
            self.ended.borrow_mut().extend(owner);
        }
        reply
    }

    fn reply(&self, url: &str, form: Form, proof: Option<&str>, now: f64) -> EndpointResponse {
        self.requests.borrow_mut().push(form.clone());
        match &*self.behaviour.borrow() {
            Behaviour::Normal | Behaviour::Withheld | Behaviour::ProofWithheld => {}
            Behaviour::ErrorsWithheld => self.end_all(),
            Behaviour::Answers(status, body) => {
                return EndpointResponse {
                    body: (*body).to_owned(),
                    ..status_only(*status)
                };
            }
            Behaviour::Unreachable => unreachable!("the network does not deliver this"),
            Behaviour::Broken(status) => return status_only(*status),
            Behaviour::Busy(seconds) => {
                return EndpointResponse {
                    retry_after: Some(*seconds),
                    ..status_only(429)
                };
            }
            Behaviour::Refuses(error) => return refusal(error),
        }
        match url.strip_prefix(ENDPOINT).unwrap() {
            "/revoke" => {
                self.valid_refresh_tokens.borrow_mut().remove(&form["token"]);
                self.access.borrow_mut().remove(&form["token"]);
                status_only(200)
            }
            "/par" => {
                let uri = format!("urn:ietf:params:oauth:request_uri:{}", self.pushed.borrow().len());
                self.pushed.borrow_mut().insert(uri.clone(), form);
                EndpointResponse {
                    status: 201,
                    body: json!({ "request_uri": uri, "expires_in": 60 }).to_string(),
                    ..EndpointResponse::default()
                }
            }
            "/token" => self.token(url, &form, proof, now),
            other => unreachable!("nobody posts to {other}"),
        }
    }

    fn token(&self, url: &str, form: &Form, proof: Option<&str>, now: f64) -> EndpointResponse {
        let nonce = self.nonce.borrow().clone();
        let wanted = Wanted {
            method: "POST",
            url,
            access_token: None,
            nonce: nonce.as_deref(),
            now,
        };
        let jkt = match proof.map(|proof| self.proofs.check(proof, &wanted)).transpose() {
            Ok(jkt) => jkt,
            Err(error) => {
                return EndpointResponse {
                    dpop_nonce: nonce,
                    ..refusal(error)
                };
            }
        };
        let (grant, brings_refresh_token) = match self.grant(form, now) {
            Ok((grant, _)) if grant.jkt.is_some() && grant.jkt != jkt => return refusal("invalid_dpop_proof"),
            Ok(granted) => granted,
            Err(error) => return refusal(error),
        };
        self.issue(&Grant { jkt, ..grant }, brings_refresh_token, now)
    }

    /// Returns the grant of a request, and whether to issue a refresh token with it.
    fn grant(&self, form: &Form, now: f64) -> Result<(Grant, bool), &'static str> {
        let gives = self.gives_refresh_tokens.get();
        match form["grant_type"].as_str() {
            "authorization_code" => {
                let grant = self.codes.borrow_mut().remove(&form["code"]);
                Ok((grant.ok_or("invalid_grant")?, gives))
            }
            "refresh_token" => {
                let token = form.get("refresh_token").ok_or("invalid_request")?;
                if let Some(grant) = self.used_refresh_tokens.borrow().get(token) {
                    if !self.undelivered_rotations.borrow().contains(token) {
                        self.reused.borrow_mut().push(token.clone());
                    }
                    // Reuse of a refresh token revokes the whole family (RFC 9700, section 4.14.2).
                    self.valid_refresh_tokens
                        .borrow_mut()
                        .retain(|_, it| it.family != grant.family);
                    return Err("invalid_grant");
                }
                let grant = self
                    .valid_refresh_tokens
                    .borrow()
                    .get(token)
                    .cloned()
                    .ok_or("invalid_grant")?;
                if *self.rotates.borrow() {
                    self.valid_refresh_tokens.borrow_mut().remove(token);
                    self.used_refresh_tokens
                        .borrow_mut()
                        .insert(token.clone(), grant.clone());
                }
                let rotates = *self.rotates.borrow();
                Ok((Grant { nonce: None, ..grant }, rotates && gives))
            }
            exchange => {
                if let Some(error) = self.refuses_exchange.get() {
                    return Err(error);
                }
                let (subject, target) = match exchange {
                    "organization_switch" => (&form["token"], &form["switching_organization"]),
                    "urn:ietf:params:oauth:grant-type:token-exchange" => {
                        assert_eq!(
                            form["subject_token_type"],
                            "urn:ietf:params:oauth:token-type:access_token"
                        );
                        let target = form.get("audience").or_else(|| form.get("resource"));
                        (&form["subject_token"], target.unwrap())
                    }
                    other => unreachable!("the grant type {other}"),
                };
                let access = self.access.borrow();
                let good = access.get(subject).filter(|issued| now < issued.expires);
                let grant = good.map(|issued| issued.grant.clone());
                let grant = Grant {
                    target: Some(target.clone()),
                    nonce: None,
                    ..grant.ok_or("invalid_grant")?
                };
                Ok((grant, self.exchange_refreshes.get()))
            }
        }
    }

    fn issue(&self, grant: &Grant, brings_refresh_token: bool, now: f64) -> EndpointResponse {
        self.issued.set(self.issued.get() + 1);
        let number = self.issued.get();
        let access_token = format!("access-{number}");
        let expires_in = *self.expires_in.borrow();
        let issued = Issued {
            grant: grant.clone(),
            issued: now,
            expires: now + expires_in as f64,
        };
        self.access.borrow_mut().insert(access_token.clone(), issued);
        let mut body = json!({
            "access_token": access_token,
            "token_type": if grant.jkt.is_some() { "DPoP" } else { "Bearer" },
            "expires_in": expires_in,
            "scope": grant.scopes.join(" "),
            "id_token": self.id_token(grant, &access_token, now),
        });
        if self.leaves_scope_out.get() {
            drop(body.as_object_mut().unwrap().remove("scope"));
        }
        if brings_refresh_token {
            let refresh_token = format!("refresh-{number}");
            self.valid_refresh_tokens
                .borrow_mut()
                .insert(refresh_token.clone(), grant.clone());
            let mut owners = self.owners.borrow_mut();
            owners.insert(refresh_token.clone(), grant.subject.clone());
            body["refresh_token"] = json!(refresh_token);
        }
        replace(&mut body, &self.response.borrow());
        EndpointResponse {
            status: 200,
            body: body.to_string(),
            ..EndpointResponse::default()
        }
    }

    fn id_token(&self, grant: &Grant, access_token: &str, now: f64) -> String {
        let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
        let subject = &grant.subject;
        let mut claims = json!({
            "iss": ISSUER, "sub": subject, "aud": CLIENT, "exp": now + 300.0, "iat": now, "name": format!("{subject} Example"),
            "at_hash": URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
        });
        for (name, value) in [
            ("nonce", grant.nonce.as_ref().map(|nonce| json!(nonce))),
            ("acr", grant.acr.as_ref().map(|acr| json!(acr))),
            ("auth_time", grant.max_age.then(|| json!(now))),
        ] {
            if let Some(value) = value {
                claims[name] = value;
            }
        }
        let mut header = json!({ "alg": "ES256", "kid": *self.kid.borrow() });
        replace(&mut claims, &self.claims.borrow());
        replace(&mut header, &self.header.borrow());
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = self.key.sign(signed.as_bytes());
        if self.forged.get() {
            signature[7] ^= 1;
        }
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Replaces members of an object; [`ABSENT`] removes one.
fn replace(target: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::String(text) if text == ABSENT => drop(target.as_object_mut().unwrap().remove(name)),
            value => target[name] = value.clone(),
        }
    }
}

fn status_only(status: u16) -> EndpointResponse {
    EndpointResponse {
        status,
        ..EndpointResponse::default()
    }
}

fn refusal(error: &str) -> EndpointResponse {
    EndpointResponse {
        body: json!({ "error": error }).to_string(),
        ..status_only(400)
    }
}
