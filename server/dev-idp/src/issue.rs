//! Issues tokens.

use serde_json::{Map, Value, json};

use crate::config::{Client, Organization, Shape, User};
use crate::jose::{self, Algorithm, UnverifiedJws, half_hash, sha256};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::store::{AccessToken, Grant, RefreshToken, TenantStore};
use crate::tenant_context::TenantContext;

/// The client, the grant and the scope that a token is issued for.
pub(crate) struct TokenContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) grant: &'a Grant,
    pub(crate) family: &'a str,
    /// The scope of the access token, a subset of the grant's.
    pub(crate) scope: &'a [String],
    /// The key that the access token is bound to.
    pub(crate) jkt: Option<&'a str>,
}

/// Issues an access token.
pub(crate) fn access_token(
    context: &TenantContext,
    store: &mut TenantStore,
    on: &TokenContext<'_>,
) -> Result<String, Refusal> {
    let mut claims = access_claims(context, on)?;
    let profile = context.switches.profile.as_ref();
    let opaque = on.client.opaque_access_tokens
        || context.switches.opaque_access_tokens
        || profile.is_some_and(Profile::has_opaque_access_tokens);
    let nonce = context.switches.access_token.nonce.as_deref();
    let shape = shape(
        context,
        "access_token",
        on,
        &[("nonce", nonce.or(Some("n-0S6_WzA2Mj")))],
    );
    let token = if opaque {
        context.random().secret()
    } else if let Some(ShapedToken { header, claims: shaped }) = shape {
        let cnf = claims.remove("cnf");
        claims = shaped;
        claims.extend(cnf.map(|cnf| ("cnf".to_owned(), cnf)));
        signed_with(context, store, header, &claims)?
    } else {
        let typ = if context.tenant.shape == Shape::Asgardeo {
            "at+jwt"
        } else {
            "JWT"
        };
        let typ = context.switches.access_token.typ.as_deref().unwrap_or(typ);
        signed(context, store, typ, &claims)?
    };
    let expires = match claims.get("exp") {
        Some(Value::Number(date)) => date.as_f64().unwrap_or_default() as i64,
        Some(Value::String(date)) => date.parse().unwrap_or_default(),
        _ => context.now() + i64::from(context.lifetimes().access_token),
    };
    let record = AccessToken {
        family: on.family.to_owned(),
        claims,
        expires,
        revoked: false,
        jkt: on.jkt.map(str::to_owned),
    };
    store.access_tokens.insert(sha256(&token), record);
    Ok(token)
}

/// Issues a refresh token of a family.
pub(crate) fn refresh_token(
    context: &TenantContext,
    store: &mut TenantStore,
    family: &str,
    jkt: Option<&str>,
) -> String {
    let token = context.random().secret();
    let expires = context.now() + i64::from(context.lifetimes().refresh_token);
    let record = RefreshToken {
        family: family.to_owned(),
        expires,
        used: false,
        jkt: jkt.map(str::to_owned),
    };
    store.refresh_tokens.insert(sha256(&token), record);
    token
}

/// Issues an ID token for the grant, with the hashes of the tokens or code beside it.
pub(crate) fn id_token(
    context: &TenantContext,
    store: &TenantStore,
    on: &TokenContext<'_>,
    nonce: Option<&str>,
    access_token: &str,
    code: Option<&str>,
) -> Result<String, Refusal> {
    let user = user(context, on.grant)?;
    let switches = &context.switches.id_token;
    let algorithm = algorithm(context);
    let now = context.now();
    let at_hash = half_hash(algorithm, access_token);
    let named = [
        ("nonce", switches.nonce.as_deref().or(nonce)),
        ("at_hash", Some(at_hash.as_str())),
    ];
    // With a code it is a sign-in, without one a refresh.
    let refreshed = code
        .is_none()
        .then(|| shape(context, "refreshed_id_token", on, &named))
        .flatten();
    if let Some(ShapedToken { header, mut claims }) = refreshed.or_else(|| shape(context, "id_token", on, &named)) {
        for (name, value) in [("iss", &switches.iss), ("aud", &switches.aud)] {
            claims.extend(value.as_deref().map(|value| (name.to_owned(), value.into())));
        }
        return signed_with(context, store, header, &claims);
    }
    let mut claims = user_claims(user, &on.grant.scope);
    put(&mut claims, "iss", switches.iss.as_deref().unwrap_or(&context.issuer));
    put(&mut claims, "sub", context.sub(user));
    put(&mut claims, "aud", switches.aud.as_deref().unwrap_or(&on.client.id));
    put(&mut claims, "azp", on.client.id.as_str());
    put(&mut claims, "iat", now);
    put(&mut claims, "exp", now + i64::from(context.lifetimes().id_token));
    put(&mut claims, "jti", context.random().id());
    put(&mut claims, "auth_time", on.grant.auth_time);
    put(&mut claims, "acr", on.grant.acr.name());
    put(&mut claims, "amr", on.grant.amr.clone());
    put(&mut claims, "sid", on.grant.sid.as_str());
    put(&mut claims, "at_hash", at_hash);
    if let Some(code) = code {
        put(&mut claims, "c_hash", half_hash(algorithm, code));
    }
    if let Some(nonce) = switches.nonce.as_deref().or(nonce) {
        put(&mut claims, "nonce", nonce);
    }
    if context.tenant.shape == Shape::Asgardeo {
        put_organization(context, &mut claims, on.grant);
    }
    signed(context, store, switches.typ.as_deref().unwrap_or("JWT"), &claims)
}

/// Issues a logout token (OpenID Connect Back-Channel Logout, section 2.4).
pub(crate) fn logout_token(context: &TenantContext, store: &TenantStore, grant: &Grant) -> Result<String, Refusal> {
    let now = context.now();
    let shaped = context.profile_part("logout", &grant.client_id, &[]);
    if let Some(Value::Object(mut token)) = shaped.and_then(|mut logout| logout.remove("token")) {
        let header = object(token.remove("header"));
        return signed_with(context, store, header, &object(token.remove("claims")));
    }
    let claims = json!({
        "iss": context.issuer,
        "sub": context.sub(user(context, grant)?),
        "aud": grant.client_id,
        "iat": now,
        "exp": now + 120,
        "jti": context.random().id(),
        "sid": grant.sid,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    match claims {
        Value::Object(claims) => signed(context, store, "logout+jwt", &claims),
        _ => Err(Refusal::server_error("claims are an object")),
    }
}

/// Returns the claims of the granted scopes (OpenID Connect Core, section 5.4), for the ID token and userinfo.
pub(crate) fn user_claims(user: &User, scope: &[String]) -> Map<String, Value> {
    let has = |name: &str| scope.iter().any(|it| it == name);
    let mut claims = Map::new();
    if has("profile") {
        put(&mut claims, "name", user.display_name());
        put(&mut claims, "given_name", user.given_name.as_str());
        put(&mut claims, "family_name", user.family_name.as_str());
        put(&mut claims, "preferred_username", user.username.as_str());
        put(&mut claims, "username", user.username.as_str());
    }
    if has("email") {
        put(&mut claims, "email", user.email.as_str());
        put(&mut claims, "email_verified", true);
    }
    if has("groups") {
        put(&mut claims, "groups", user.groups.clone());
    }
    claims
}

/// Parses an ID token that was issued here, of any age, as a hint. `at_hash` distinguishes it from other tokens of this provider, except with
/// a profile whose ID tokens have none.
pub(crate) fn own_id_token<'a>(context: &TenantContext, token: &'a str) -> Option<UnverifiedJws<'a>> {
    UnverifiedJws::parse(token)
        .filter(|jws| {
            let is_id_token = jws.claims.contains_key("at_hash") || context.switches.profile.is_some();
            jws.claim_str("iss") == Some(&context.issuer) && is_id_token
        })
        .filter(|jws| context.read(|store| store.keys.signed(jws)))
}

/// Returns the user of a grant, unless the configuration no longer has that user.
pub(crate) fn user<'a>(context: &'a TenantContext, grant: &Grant) -> Result<&'a User, Refusal> {
    let gone = || Refusal::invalid_grant("the user who granted it is no longer in the configuration");
    context.tenant.user(&grant.username).ok_or_else(gone)
}

fn access_claims(context: &TenantContext, on: &TokenContext<'_>) -> Result<Map<String, Value>, Refusal> {
    let user = user(context, on.grant)?;
    let switches = &context.switches.access_token;
    let now = context.now();
    let mut claims = Map::new();
    put(&mut claims, "iss", switches.iss.as_deref().unwrap_or(&context.issuer));
    put(&mut claims, "sub", context.sub(user));
    put(&mut claims, "aud", audience(on.client, switches.aud.as_deref()));
    put(&mut claims, "client_id", on.client.id.as_str());
    put(&mut claims, "scope", on.scope.join(" "));
    put(&mut claims, "iat", now);
    put(&mut claims, "exp", now + i64::from(context.lifetimes().access_token));
    put(&mut claims, "jti", context.random().id());
    put(&mut claims, "auth_time", on.grant.auth_time);
    put(&mut claims, "acr", on.grant.acr.name());
    put(&mut claims, "amr", on.grant.amr.clone());
    put(&mut claims, "sid", on.grant.sid.as_str());
    put(&mut claims, "groups", user.groups.clone());
    if on.scope.iter().any(|it| it == "profile") {
        put(&mut claims, "name", user.display_name());
        put(&mut claims, "username", user.username.as_str());
    }
    if let Some(jkt) = on.jkt {
        put(&mut claims, "cnf", json!({"jkt": jkt}));
    }
    // Access tokens normally have no nonce: it would mark them as ID tokens.
    if let Some(nonce) = &switches.nonce {
        put(&mut claims, "nonce", nonce.as_str());
    }
    if context.tenant.shape == Shape::Asgardeo {
        put(&mut claims, "nbf", now);
        put(&mut claims, "azp", on.client.id.as_str());
        put(&mut claims, "aut", "APPLICATION_USER");
        put(&mut claims, "binding_type", "sso-session");
        put(&mut claims, "binding_ref", sha256(&on.grant.sid));
        put_organization(context, &mut claims, on.grant);
    }
    Ok(claims)
}

/// One audience is a string, several are an array, as in Asgardeo's tokens.
fn audience(client: &Client, instead: Option<&str>) -> Value {
    match instead {
        Some(other) => Value::from(other),
        None if client.audience.is_empty() => Value::from(client.id.as_str()),
        None => std::iter::once(&client.id).chain(&client.audience).cloned().collect(),
    }
}

fn put_organization(context: &TenantContext, claims: &mut Map<String, Value>, grant: &Grant) {
    let chosen = grant
        .organization
        .as_deref()
        .and_then(|name| context.tenant.organization(name));
    if let Some(Organization { id, name, handle }) = chosen.or(context.tenant.organizations.first()) {
        put(claims, "org_id", id.as_str());
        put(claims, "org_name", name.as_str());
        put(claims, "org_handle", handle.as_str());
    }
}

/// Returns the algorithm that signs tokens now.
pub(crate) fn algorithm(context: &TenantContext) -> Algorithm {
    let switches = &context.switches;
    let profile = switches
        .profile
        .as_ref()
        .map(|profile| profile.algorithm().unwrap_or_default());
    switches
        .signing_algorithm
        .or(profile)
        .unwrap_or(context.tenant.signing_algorithm)
}

/// A token in the form of a profile.
struct ShapedToken {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

fn shape(
    context: &TenantContext,
    part: &str,
    on: &TokenContext<'_>,
    named: &[(&str, Option<&str>)],
) -> Option<ShapedToken> {
    let mut token = context.profile_part(part, &on.client.id, named)?;
    Some(ShapedToken {
        header: object(token.remove("header")),
        claims: object(token.remove("claims")),
    })
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn signed(
    context: &TenantContext,
    store: &TenantStore,
    typ: &str,
    claims: &Map<String, Value>,
) -> Result<String, Refusal> {
    let mut header = Map::new();
    if !typ.is_empty() {
        put(&mut header, "typ", typ);
    }
    signed_with(context, store, header, claims)
}

/// An existing `kid` in the header stays.
fn signed_with(
    context: &TenantContext,
    store: &TenantStore,
    mut header: Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<String, Refusal> {
    let algorithm = algorithm(context);
    let no_key = || {
        Refusal::server_error(format!(
            "every key for {} was dropped; rotate to have one",
            algorithm.name()
        ))
    };
    let (key, kid) = store.keys.signer(algorithm).ok_or_else(no_key)?;
    header.entry("kid").or_insert_with(|| kid.into());
    Ok(jose::sign(key, algorithm, &header, &Value::Object(claims.clone())))
}

fn put(claims: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    claims.insert(name.to_owned(), value.into());
}
