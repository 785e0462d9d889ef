//! Userinfo (OpenID Connect Core, section 5.3), with access tokens as bearer (RFC 6750) or bound (RFC 9449).

use axum::Json;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::{Map, Value};

use crate::dpop;
use crate::issue;
use crate::jose::sha256;
use crate::realm::Realm;
use crate::refusal::{Answer, Refusal, decided, no_store};
use crate::store::AccessToken;

pub(crate) async fn answer(realm: Realm, method: Method, headers: HeaderMap) -> Answer {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let credentials = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|value| value.split_once(' ')),
        (Some(_), Some(_)) => return Err(Refusal::invalid_request("more than one Authorization header")),
        (None, _) => None,
    };
    let Some((scheme, token)) = credentials else {
        return Err(Refusal::new("invalid_token", "no access token came")
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, "Bearer, DPoP"));
    };
    let found = realm.read(|store| store.good_access_token(&sha256(token), realm.now()).cloned());
    let unusable = || Refusal::new("invalid_token", "the access token is unknown, expired or revoked");
    let found = found.ok_or_else(|| unusable().challenge("Bearer"))?;
    check_binding(&realm, &method, &headers, scheme, token, &found)?;
    let family = realm.read(|store| store.living_family(&found.family).cloned());
    let family = family.ok_or_else(|| unusable().challenge("Bearer"))?;
    let scope: Vec<String> = found
        .claims
        .get("scope")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    if !scope.iter().any(|it| it == "openid") {
        let refusal = Refusal::new("insufficient_scope", "userinfo needs the scope openid");
        return Err(refusal.challenge("Bearer").status(StatusCode::FORBIDDEN));
    }
    let person = issue::person(&realm, &family.grant).map_err(|gone| {
        let scheme = if found.jkt.is_some() { "DPoP" } else { "Bearer" };
        Refusal::new("invalid_token", gone.description).challenge(scheme)
    })?;
    let mut claims: Map<String, Value> = issue::person_claims(person, &scope);
    claims.insert("sub".to_owned(), Value::from(realm.sub(person)));
    let response = (no_store(), Json(Value::Object(claims))).into_response();
    Ok(decided(
        response,
        &family.grant.client_id,
        format!("told about {}", person.username),
    ))
}

fn check_binding(
    realm: &Realm,
    method: &Method,
    headers: &HeaderMap,
    scheme: &str,
    token: &str,
    found: &AccessToken,
) -> Result<(), Refusal> {
    let invalid = |what: &str| Refusal::new("invalid_token", what);
    let Some(jkt) = &found.jkt else {
        return if scheme.eq_ignore_ascii_case("bearer") {
            Ok(())
        } else {
            Err(invalid("the access token is not bound to a key; send it as Bearer").challenge("Bearer"))
        };
    };
    if !scheme.eq_ignore_ascii_case("dpop") {
        return Err(invalid("the access token is bound to a key; send it as DPoP with a proof").challenge("DPoP"));
    }
    let proof = dpop::proof(realm, headers, method, "/oauth2/userinfo", Some(token))
        .map_err(|refusal| refusal.challenge("DPoP"))?
        .ok_or_else(|| Refusal::new("invalid_dpop_proof", "the proof is missing").challenge("DPoP"))?;
    if proof.jkt == *jkt {
        Ok(())
    } else {
        Err(invalid("the access token is bound to another key").challenge("DPoP"))
    }
}
