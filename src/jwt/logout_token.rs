//! The provider's word that a session has ended (OpenID Connect Back-Channel Logout 1.0).

use std::time::SystemTime;

use super::{
    Rejection, Trust, Validator, claims,
    clock::unix,
    json::{Json, Members},
    printable, token,
};
use crate::Reason;

/// The member of `events` that makes a JWT a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The specification advises providers to give logout tokens two minutes; five leave room for their queues. An older one
/// is refused whatever its `exp`, so that its `jti` need not be remembered for longer.
const OLDEST_SECONDS: f64 = 300.0;

const MEND: &str = "let the provider send what OpenID Connect Back-Channel Logout 1.0, section 2.4, says; \
    where it is about a date, compare the clocks";

/// A session has ended at the provider, as proved. Only [`Validator::validate_logout_token`] makes one.
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
    /// The configured issuer, as [`Principal::issuer`](super::Principal::issuer) has it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whose session it was (`sub`). Without a [`session_id`](Self::session_id) all sessions of the subject have ended.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Which session it was (`sid`). A logout token has this, or a [`subject`](Self::subject), or both.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Its own identifier (`jti`), unique within the issuer.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// When the session had ended, in seconds since 1970, by the clock that access tokens have their `iat` from.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Until when it would be accepted again, if nobody remembered its `jti`, in seconds since 1970.
    pub fn acceptable_until(&self) -> u64 {
        self.acceptable_until
    }
}

impl Validator {
    /// Checks a logout token of one trusted issuer for one client (section 2.6): its kind, the exact issuer, the signature
    /// with the keys that access tokens are checked with, `events`, no `nonce`, `aud`, `iat`, `exp`, `jti`, and `sub` or
    /// `sid`. Whether it came before is for the caller to remember, by [`LogoutToken::token_id`].
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
        let unverified = token::parse(token).map_err(|why| why.hint(MEND))?;
        let claims = unverified.claims().map_err(|why| why.hint(MEND))?;
        match unverified.header.kind.as_deref() {
            None | Some("jwt" | "logout+jwt" | "application/logout+jwt") => {}
            Some(other) => {
                return Err(wrong_kind(format!("typ \"{}\"", printable(other)))
                    .expected("typ \"logout+jwt\", \"JWT\" or none")
                    .hint(MEND));
            }
        }
        let said = claims::required_text(&claims, "iss").map_err(|why| why.hint(MEND))?;
        if said != issuer {
            return Err(Rejection::new(Reason::IssuerNotTrusted)
                .expected(format!("iss {issuer:?}"))
                .found(format!("iss \"{}\"", printable(said)))
                .hint("sessions are ended by the provider at which people sign in (provider.issuer)"));
        }
        let signer = self.signer(&unverified, said, now).await?;
        check(signer.trust, signer.issuer, client_id, &claims, unix(now)).map_err(|why| why.hint(MEND))
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
    let oldest = OLDEST_SECONDS + trust.leeway_seconds as f64;
    if now - issued >= oldest {
        return Err(Rejection::new(Reason::Expired)
            .expected(format!("iat less than {oldest:.0} s ago"))
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
        acceptable_until: until.min(issued + oldest).ceil() as u64,
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
        .expected(format!("aud {client_id:?}, the client that people sign in with"))
        .found(format!("aud {}", printable(&found))))
}

/// A claim that may be absent, but not of another type: without it the logout would end other sessions than it says.
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
