//! Parses the compact serialization (RFC 7515, section 7.1) strictly.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Rejection, UnverifiedClaims,
    json::{self, Json, Members},
    printable,
};
use crate::{Reason, jwt::Algorithm};

/// A parsed token. Nothing in it is verified.
pub(crate) struct Unverified<'a> {
    pub(crate) header: Header,
    /// The claims as JSON.
    pub(crate) payload: Vec<u8>,
    /// The signing input.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

/// The members of the header that count. `jwk`, `jku`, `x5u` and `x5c` do not: keys come from the issuer only.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// In lower case.
    pub(crate) typ: Option<String>,
    /// Entra ID signs tokens for Microsoft Graph over a header with another `nonce`.
    has_nonce: bool,
}

/// Splits and decodes a token.
///
/// # Errors
/// [`Reason::MalformedToken`], also when the header requires an extension, or [`Reason::UnsupportedAlgorithm`].
pub(crate) fn parse(token: &str) -> Result<Unverified<'_>, Rejection> {
    let (header, payload, signature) = segments(token)?;
    let header_facts = read_header(&object(&decode(header, "header")?, "header")?)?;
    let decoded = decode(payload, "payload")?;
    if signature.is_empty() {
        return Err(malformed("a signature", "an empty one"));
    }
    Ok(Unverified {
        header: header_facts,
        payload: decoded,
        signed: &token.as_bytes()[..header.len() + 1 + payload.len()],
        signature: decode(signature, "signature")?,
    })
}

impl Unverified<'_> {
    /// Replaces the hint of a token that only its resource can verify, as its header shows.
    pub(crate) fn explain(&self, rejection: Rejection) -> Rejection {
        let unverifiable = matches!(
            rejection.reason(),
            Reason::BadSignature | Reason::UnknownKey | Reason::IssuerNotTrusted
        );
        match self.header.has_nonce && unverifiable {
            false => rejection,
            true => rejection.hint(
                "`nonce` in the header marks an Entra ID token for Microsoft Graph, which only Graph can verify: ask for a \
                 scope of your own API when signing in, provider.scopes = [\"openid\", \"api://<application>/<scope>\"]",
            ),
        }
    }

    /// Parses the claims, which are not verified yet.
    pub(crate) fn claims(&self) -> Result<Members<'_>, Rejection> {
        object(&self.payload, "payload")
    }
}

/// Parses header and claims only.
pub(crate) fn decode_only(token: &str) -> Result<UnverifiedClaims, Rejection> {
    let (header, payload, _) = segments(token)?;
    Ok(UnverifiedClaims {
        header: object(&decode(header, "header")?, "header")?.to_map(),
        claims: object(&decode(payload, "payload")?, "payload")?.to_map(),
    })
}

/// Returns whether a token is neither a JWS nor a JWE, but a reference that only its issuer understands.
pub(crate) fn is_opaque(token: &str) -> bool {
    !matches!(token.split('.').count(), 3 | 5)
}

fn segments(token: &str) -> Result<(&str, &str, &str), Rejection> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(not_three(token));
    };
    Ok((header, claims, signature))
}

/// Names the setting that makes the provider issue signed JWTs.
fn not_three(token: &str) -> Rejection {
    match token.split('.').count() {
        1 | 2 => malformed("a JWT: three segments", "an opaque token").hint(
            "name the resource that the token is for: provider.resource = \"…\" (RFC 8707), at Auth0 \
             provider.extra_params = { audience = \"…\" }. Or let the provider issue JWT access tokens (Asgardeo: \
             application, Protocol, Access Token, type JWT; Zitadel: application, Token Settings, Auth Token Type JWT). \
             Or ask the provider about each token: trust.introspection_url",
        ),
        5 => malformed(
            "a signed JWT: three segments",
            "five segments: an encrypted token (JWE)",
        )
        .hint(
            "let the provider issue signed access tokens. Auth0 encrypts when no `audience` is sent with the sign-in: \
             provider.extra_params = { audience = \"…\" }",
        ),
        count => malformed("a JWT: three segments", format!("{count} segments")),
    }
}

fn read_header(header: &Members<'_>) -> Result<Header, Rejection> {
    for (member, meaning) in [("crit", "an extension"), ("zip", "compression"), ("enc", "encryption")] {
        if header.contains(member) {
            return Err(malformed(
                format!("a header without `{member}`"),
                format!("`{member}`: {meaning}"),
            ));
        }
    }
    let text = |member: &str| match header.present(member) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_ref())),
        Some(other) => {
            let found = printable(&other.to_string());
            Err(malformed(format!("`{member}` in the header as a string"), found))
        }
    };
    let name = text("alg")?.ok_or_else(|| malformed("`alg` in the header", "none"))?;
    let algorithm = Algorithm::named(name).ok_or_else(|| {
        Rejection::new(Reason::UnsupportedAlgorithm)
            .expected("an asymmetric signature algorithm")
            .found(printable(name))
            .hint("let the provider sign access tokens with RS256, PS256, ES256 or EdDSA")
    })?;
    let typ = text("typ")?.map(str::to_ascii_lowercase);
    Ok(Header {
        algorithm,
        key_id: text("kid")?.map(str::to_owned),
        typ,
        has_nonce: header.contains("nonce"),
    })
}

fn object<'a>(bytes: &'a [u8], part: &str) -> Result<Members<'a>, Rejection> {
    json::object(bytes).map_err(|why| malformed(format!("a JSON object as {part}"), why))
}

/// Decodes base64url without padding, white space or stray bits (RFC 7515, section 2).
fn decode(segment: &str, part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|error| malformed(format!("base64url without padding as {part}"), error.to_string()))
}

fn malformed(expected: impl Into<String>, found: impl Into<String>) -> Rejection {
    Rejection::new(Reason::MalformedToken).expected(expected).found(found)
}
