//! Decides whether a token is an access token: by its declared type, or else by the claims that only other kinds have.

use super::{
    Rejection,
    json::{Json, Members},
    printable,
};
use crate::{
    Reason,
    jwt::{TokenType, Trust},
};

/// Rejects a JWT that is not an access token. `typ` is the header's, in lower case.
///
/// # Errors
/// [`Reason::WrongTokenType`], with the setting that accepts the token if it is an access token after all.
pub(crate) fn check(trust: &Trust, typ: Option<&str>, claims: &Members<'_>) -> Result<(), Rejection> {
    let named = matches!(typ, Some("at+jwt" | "application/at+jwt"));
    match trust.token_type {
        TokenType::AccessToken if named => Ok(()),
        TokenType::AccessToken => Err(wrong(match typ {
            None => "no typ".to_owned(),
            Some(other) => format!("typ \"{}\"", printable(other)),
        })
        .expected("typ \"at+jwt\"")
        .hint("let the provider issue access tokens after RFC 9068, or set trust.token_type = \"auto\"")),
        TokenType::Auto => check_claims(trust, named, claims),
    }
}

/// Rejects an introspection answer about another kind of token. Providers answer about refresh tokens too.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_answer(trust: &Trust, answer: &Members<'_>) -> Result<(), Rejection> {
    let token_type = token_type(answer);
    // RFC 7662, section 2.2, with the values of RFC 6749, section 7.1. Some providers answer with a name of RFC 7009, section 2.1.
    let known = ["Bearer", "DPoP", "access_token"];
    let named = token_type.is_some_and(|said| known.iter().any(|known| said.eq_ignore_ascii_case(known)));
    match token_type {
        Some(other) if !named => Err(wrong(format!("token_type \"{}\"", printable(other)))
            .expected("token_type \"Bearer\", \"DPoP\" or none in the provider's answer")
            .hint("send the access token")),
        // The answer has no header, so a trust's `token_type` does not apply to it.
        _ => check_claims(trust, named, answer),
    }
}

/// Returns `token_type` of an introspection answer, also as a list.
pub(crate) fn token_type<'a>(answer: &'a Members<'_>) -> Option<&'a str> {
    match answer.present("token_type")? {
        Json::Array(several) => several.first()?.as_str(),
        other => other.as_str(),
    }
}

/// `named`: the header, or `token_type` of an introspection answer, calls it an access token.
fn check_claims(trust: &Trust, named: bool, claims: &Members<'_>) -> Result<(), Rejection> {
    for (claim, others) in [
        ("typ", &["ID", "Refresh", "Offline", "Logout"][..]),
        ("token_use", &["id", "refresh", "refresh_token"]),
    ] {
        if let Some(said) = claims.text(claim).filter(|said| others.contains(said)) {
            return Err(wrong(format!("{claim} {said:?}")).hint("send the access token"));
        }
    }
    // No issuer puts it into access tokens (RFC 8417, section 2.2), so no word of the token outweighs it.
    if claims.get("events").is_some_and(|events| !matches!(events, Json::Null)) {
        return Err(wrong("a logout token or security event (it has `events`)"));
    }
    if named || calls_itself_access_token(claims) {
        return Ok(());
    }
    let marks = [
        ("c_hash", false),
        ("at_hash", trust.allow_at_hash),
        ("nonce", trust.allow_nonce),
    ];
    let mark = |(mark, allowed): &(&str, bool)| !allowed && claims.present(mark).is_some();
    match marks.iter().find(|one| mark(one)) {
        None => Ok(()),
        Some((mark, _)) => {
            let rejection = wrong(format!("an ID token (it has `{mark}`)"));
            Err(rejection.hint(match *mark {
                "nonce" => {
                    "send the access token; if this is one, and the issuer puts `nonce` into access tokens, \
                     set trust.allow_nonce = true"
                }
                _ => "send the access token; the ID token is for the client only",
            }))
        }
    }
}

/// `typ` in the payload is Keycloak's, `token_use` is Cognito's.
fn calls_itself_access_token(claims: &Members<'_>) -> bool {
    let says = |claim: &str, names: &[&str]| {
        let said = claims.text(claim);
        said.is_some_and(|said| names.iter().any(|name| said.eq_ignore_ascii_case(name)))
    };
    says("typ", &["Bearer", "DPoP"]) || says("token_use", &["access", "access_token"])
}

fn wrong(found: impl Into<String>) -> Rejection {
    Rejection::new(Reason::WrongTokenType)
        .expected("an access token")
        .found(found)
}
