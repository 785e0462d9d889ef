//! The compact serialization (RFC 7515, section 7.1), read strictly.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Algorithm, Rejection, UnverifiedClaims,
    json::{self, Json, Members},
    printable,
};
use crate::Reason;

/// A token in three parts. Nothing of it is proved.
pub(crate) struct Unverified<'a> {
    pub(crate) header: Header,
    /// The JSON of the claims.
    pub(crate) payload: Vec<u8>,
    /// What the signature is over.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

/// The members of the header that are looked at. `jwk`, `jku`, `x5u` and `x5c` are not: keys come from the issuer only.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) kind: Option<String>,
    /// The mark of a token for Microsoft Graph: its signature is over a header with another `nonce`.
    has_nonce: bool,
}

/// Splits and decodes a token. Checks its form, and that its header asks for nothing that is not understood.
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
    /// Replaces a hint that would mislead, where the header shows that nobody but the token's resource can verify it.
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

    /// The claims. Nothing of them is proved.
    pub(crate) fn claims(&self) -> Result<Members<'_>, Rejection> {
        object(&self.payload, "payload")
    }
}

/// The header and claims alone.
pub(crate) fn decode_only(token: &str) -> Result<UnverifiedClaims, Rejection> {
    let (header, payload, _) = segments(token)?;
    Ok(UnverifiedClaims {
        header: object(&decode(header, "header")?, "header")?.to_map(),
        claims: object(&decode(payload, "payload")?, "payload")?.to_map(),
    })
}

/// Whether a token is no JWT at all, but a reference that only its issuer understands: neither a JWS nor a JWE.
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
    let kind = text("typ")?.map(str::to_ascii_lowercase);
    Ok(Header {
        algorithm,
        key_id: text("kid")?.map(str::to_owned),
        kind,
        has_nonce: header.contains("nonce"),
    })
}

fn object<'a>(bytes: &'a [u8], part: &str) -> Result<Members<'a>, Rejection> {
    json::object(bytes).map_err(|why| malformed(format!("a JSON object as {part}"), why))
}

/// Base64url without padding, white space or stray bits (RFC 7515, section 2).
fn decode(segment: &str, part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(segment)
        .map_err(|error| malformed(format!("base64url without padding as {part}"), error.to_string()))
}

fn malformed(expected: impl Into<String>, found: impl Into<String>) -> Rejection {
    Rejection::new(Reason::MalformedToken).expected(expected).found(found)
}
