//! Logout tokens (OpenID Connect Back-Channel Logout 1.0).

use std::time::SystemTime;

use super::{
    Rejection, claims, compact,
    json::{Json, Members},
    printable,
};
use crate::{
    Reason,
    jwt::{Trust, Validator, clock::unix},
};

/// The member of `events` that makes a JWT a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The specification recommends a lifetime of two minutes; five allow for the provider's queue. An older token is rejected
/// regardless of its `exp`, so that its `jti` need not be recorded longer.
const MAX_AGE_SECONDS: f64 = 300.0;

const HINT: &str = "the provider must send what OpenID Connect Back-Channel Logout 1.0, section 2.4, says; if a date is wrong, \
    compare the clocks";

/// A validated logout token: a session has ended at the provider. Only [`Validator::validate_logout_token`] makes one.
#[derive(Clone, Debug)]
pub struct LogoutToken {
    issuer: String,
    subject: Option<String>,
    session_id: Option<String>,
    token_id: String,
    issued_at: u64,
    acceptable_until: u64,
}

impl LogoutToken {
    /// Returns the configured issuer, as [`Principal::issuer`](super::Principal::issuer) does.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the subject of the session (`sub`). Without a [`session_id`](Self::session_id), all sessions of the subject have ended.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns the session (`sid`). A logout token has this, or a [`subject`](Self::subject), or both.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Returns the identifier of the token (`jti`), which is unique within the issuer.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// Returns when the session ended (`iat`), in seconds since 1970 by the issuer's clock.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Returns until when the `jti` must be recorded against a replay, in seconds since 1970.
    pub fn acceptable_until(&self) -> u64 {
        self.acceptable_until
    }
}

impl Validator {
    /// Validates a logout token of one trusted issuer for one client (section 2.6): kind, exact issuer, signature, `events`, no
    /// `nonce`, `aud`, `iat`, `exp`, `jti`, and `sub` or `sid`. The caller must reject a replay, by [`LogoutToken::token_id`].
    ///
    /// # Errors
    /// The first check that it fails. `exp` may be absent: drafts of the specification did not require it, and some providers
    /// send none. `iat` bounds the token's life either way.
    pub async fn validate_logout_token(
        &self,
        token: &str,
        issuer: &str,
        client_id: &str,
        now: SystemTime,
    ) -> Result<LogoutToken, Rejection> {
        self.check_size(token)?;
        let unverified = compact::parse(token).map_err(|why| why.hint(HINT))?;
        let claims = unverified.claims().map_err(|why| why.hint(HINT))?;
        match unverified.header.typ.as_deref() {
            None | Some("jwt" | "logout+jwt" | "application/logout+jwt") => {}
            Some(other) => {
                return Err(wrong_kind(format!("typ \"{}\"", printable(other)))
                    .expected("typ \"logout+jwt\", \"JWT\" or none")
                    .hint(HINT));
            }
        }
        let iss = claims::required_text(&claims, "iss").map_err(|why| why.hint(HINT))?;
        if iss != issuer {
            return Err(Rejection::new(Reason::IssuerNotTrusted)
                .expected(format!("iss {issuer:?}"))
                .found(format!("iss \"{}\"", printable(iss)))
                .hint("only the provider at which users sign in can end sessions (provider.issuer)"));
        }
        let signer = self.signer(&unverified, iss, now).await?;
        check(signer.trust, signer.issuer, client_id, &claims, unix(now)).map_err(|why| why.hint(HINT))
    }
}

fn check(
    trust: &Trust,
    issuer: String,
    client_id: &str,
    claims: &Members<'_>,
    now: f64,
) -> Result<LogoutToken, Rejection> {
    check_event(claims)?;
    if claims.present("nonce").is_some() {
        return Err(wrong_kind("`nonce`, the mark of an ID token"));
    }
    check_audience(claims, client_id)?;
    let issued = claims::date(claims, "iat")?.ok_or_else(|| claims::missing("iat"))?;
    let until = match claims.present("exp") {
        Some(_) => claims::check_times(trust, claims, now)?.until,
        None => claims::check_start(trust, claims, now).map(|_| f64::MAX)?,
    };
    let max_age = MAX_AGE_SECONDS + trust.leeway_seconds as f64;
    if now - issued >= max_age {
        return Err(Rejection::new(Reason::Expired)
            .expected(format!("iat less than {max_age:.0} s ago"))
            .found(format!("iat {issued:.0}, {:.0} s ago", now - issued)));
    }
    let token_id = claims::required_text(claims, "jti")?.to_owned();
    let subject = optional_text(claims, "sub")?;
    let session_id = optional_text(claims, "sid")?;
    if subject.is_none() && session_id.is_none() {
        return Err(claims::missing("sub").expected("`sub`, `sid` or both"));
    }
    Ok(LogoutToken {
        issuer,
        subject,
        session_id,
        token_id,
        issued_at: issued as u64,
        acceptable_until: until.min(issued + max_age).ceil() as u64,
    })
}

fn check_event(claims: &Members<'_>) -> Result<(), Rejection> {
    let expected = format!("`events` with {EVENT:?}: {{}}");
    let event = match claims.get("events") {
        None => return Err(wrong_kind("no `events`: an ID token or an access token").expected(expected)),
        Some(Json::Object(events)) => events.get(EVENT),
        Some(other) => return Err(wrong_kind(printable(&other.to_string())).expected(expected)),
    };
    match event {
        Some(Json::Object(_)) => Ok(()),
        Some(other) => Err(wrong_kind(printable(&other.to_string())).expected(expected)),
        None => Err(wrong_kind("another event").expected(expected)),
    }
}

fn check_audience(claims: &Members<'_>, client_id: &str) -> Result<(), Rejection> {
    let found = match claims.present("aud") {
        None => return Err(claims::missing("aud")),
        Some(Json::String(one)) if one == client_id => return Ok(()),
        Some(Json::Array(several)) if several.iter().any(|one| one.as_str() == Some(client_id)) => return Ok(()),
        Some(other) => other.to_string(),
    };
    Err(Rejection::new(Reason::AudienceMismatch)
        .expected(format!("aud {client_id:?}, the client that users sign in with"))
        .found(format!("aud {}", printable(&found))))
}

/// Returns an optional claim, and rejects one of another type: ignoring it would end other sessions than the provider means.
fn optional_text(claims: &Members<'_>, claim: &str) -> Result<Option<String>, Rejection> {
    match claims.present(claim) {
        None => Ok(None),
        Some(_) => claims::required_text(claims, claim).map(|text| Some(text.to_owned())),
    }
}

fn wrong_kind(found: impl Into<String>) -> Rejection {
    Rejection::new(Reason::WrongTokenType)
        .expected("a logout token")
        .found(found)
}
