//! Reads the `WWW-Authenticate` header of a rejected call (RFC 9110, section 11.6.1).

use crate::{Reason, StepUp};

/// The fix for a rejected call.
#[derive(Debug, PartialEq)]
pub(super) enum Fix {
    /// Another access token: this one is expired or revoked.
    Token,
    /// The same call with the nonce of the response.
    Nonce,
    /// Another proof: the time in this one may have been wrong.
    Proof,
    /// A sign-in.
    StepUp(StepUp),
}

/// Reads the challenge of a 401 or 403.
pub(super) fn read(status: u16, header: &str) -> Option<Fix> {
    if !matches!(status, 401 | 403) {
        return None;
    }
    let parameters = parameters(header);
    let named = |name| {
        parameters
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let words = |name| {
        let value = named(name).unwrap_or_default();
        value.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    match named("error")? {
        "invalid_token" => Some(Fix::Token),
        "invalid_dpop_proof" => Some(Fix::Proof),
        "use_dpop_nonce" => Some(Fix::Nonce),
        "insufficient_user_authentication" => Some(Fix::StepUp(StepUp::Authentication {
            acr_values: words("acr_values"),
            max_age: named("max_age").and_then(|seconds| seconds.parse().ok()),
        })),
        "insufficient_scope" => {
            let scopes = words("scope");
            (!scopes.is_empty()).then_some(Fix::StepUp(StepUp::Scopes(scopes)))
        }
        _ => None,
    }
}

/// Returns whether another access token of the same user may pass the check that rejected this one. The excluded checks concern properties
/// that all tokens of the provider for this client share.
pub(crate) fn may_pass(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::MalformedToken
            | Reason::TokenTooLarge
            | Reason::UnsupportedAlgorithm
            | Reason::IssuerNotTrusted
            | Reason::AudienceMismatch
            | Reason::WrongTokenType
            | Reason::MissingClaim
            | Reason::InvalidClaim
            | Reason::DpopRequired
            | Reason::CertificateMismatch
    )
}

/// Returns the `name=value` and `name="value"` pairs of all challenges in the header. Values are only compared and sent on as
/// parameters, so which challenge a pair belongs to makes no difference.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header;
    while let Some(equals) = rest.find('=') {
        let name = rest[..equals].trim_end();
        let name = name.rsplit([' ', ',', '\t']).next().unwrap_or_default().to_owned();
        rest = rest[equals + 1..].trim_start();
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut end = quoted.len();
            let mut characters = quoted.char_indices();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                    other => value.push(other),
                }
            }
            rest = &quoted[end..];
        } else {
            let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
            value.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        found.push((name, value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_standards_show() {
        assert_eq!(read(401, r#"Bearer error="invalid_token""#), Some(Fix::Token));
        assert_eq!(
            read(401, r#"DPoP error="use_dpop_nonce", algs="ES256""#),
            Some(Fix::Nonce)
        );
        assert_eq!(
            read(
                401,
                r#"Bearer realm="a=b, \"c\"", error="insufficient_user_authentication", error_description="x", acr_values="gold silver", max_age=60"#
            ),
            Some(Fix::StepUp(StepUp::Authentication {
                acr_values: vec!["gold".to_owned(), "silver".to_owned()],
                max_age: Some(60),
            }))
        );
        assert_eq!(
            read(403, r#"Bearer error=insufficient_scope,scope="a b""#),
            Some(Fix::StepUp(StepUp::Scopes(vec!["a".to_owned(), "b".to_owned()])))
        );
    }

    #[test]
    fn what_is_not_understood_fixes_nothing() {
        for (status, header) in [
            (200, r#"Bearer error="invalid_token""#),
            (401, ""),
            (401, "Bearer"),
            (401, "Bearer realm=\"x"),
            (403, r#"Bearer error="insufficient_scope""#),
            (401, r#"Bearer error="invalid_request""#),
            (401, r#"Bearer error="invalid_token\"#),
        ] {
            let read = read(status, header);
            assert!(read.is_none() || header.ends_with('\\'), "{header}: {read:?}");
        }
    }
}
