//! `WWW-Authenticate`: what the client can bring next time (RFC 6750, section 3; RFC 9449, section 7.1; RFC 9470, section 3;
//! RFC 9728, section 5.1).

use http::HeaderValue;

use crate::{
    Reason, StepUp,
    gate::{binding::dpop, request::credentials::Scheme},
    jwt::Rejection,
};

/// The content of a challenge in addition to the rejection.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) realm: &'a str,
    /// The address of the resource's metadata.
    pub(crate) metadata: Option<&'a str>,
    /// The scheme that the request used.
    pub(crate) scheme: Option<Scheme>,
    /// Whether the route accepts bound tokens only.
    pub(crate) dpop_only: bool,
}

/// Returns the challenges of a 401 or 403, one for each scheme that would do.
pub(crate) fn challenges(rejection: &Rejection, context: &Context<'_>) -> Vec<HeaderValue> {
    use Reason::{DpopRequired, InvalidDpopProof, UseDpopNonce};
    if !matches!(rejection.status(), 401 | 403) {
        return Vec::new();
    }
    let about_proof = matches!(rejection.reason(), DpopRequired | InvalidDpopProof | UseDpopNonce);
    let dpop = about_proof || context.dpop_only || context.scheme == Some(Scheme::Dpop);
    let schemes: &[Scheme] = match context.scheme {
        _ if dpop => &[Scheme::Dpop],
        None => &[Scheme::Bearer, Scheme::Dpop],
        Some(_) => &[Scheme::Bearer],
    };
    schemes
        .iter()
        .filter_map(|scheme| HeaderValue::from_str(&challenge(*scheme, rejection, context)).ok())
        .collect()
}

fn challenge(scheme: Scheme, rejection: &Rejection, context: &Context<'_>) -> String {
    let mut written = String::from(match scheme {
        Scheme::Bearer => "Bearer",
        Scheme::Dpop => "DPoP",
    });
    let mut separator = " ";
    let mut parameter = |name: &str, value: &str| {
        written.push_str(&format!("{separator}{name}=\"{}\"", quotable(value)));
        separator = ", ";
    };
    parameter("realm", context.realm);
    if let Some(metadata) = context.metadata {
        parameter("resource_metadata", metadata);
    }
    // A request without credentials gets no error code (RFC 6750, section 3.1).
    if rejection.reason() != Reason::MissingToken {
        parameter("error", rejection.reason().error());
        parameter("error_description", description(rejection.reason()));
    }
    match rejection.step_up() {
        Some(StepUp::Scopes(scopes)) if !scopes.is_empty() => parameter("scope", &scopes.join(" ")),
        Some(StepUp::Authentication { acr_values, max_age }) => {
            if !acr_values.is_empty() {
                parameter("acr_values", &acr_values.join(" "));
            }
            if let Some(max_age) = max_age {
                parameter("max_age", &max_age.to_string());
            }
        }
        _ => {}
    }
    if scheme == Scheme::Dpop {
        parameter("algs", &dpop::algorithms());
    }
    written
}

/// Removes characters that are not allowed in a quoted value without an escape (RFC 6750, section 3).
fn quotable(value: &str) -> String {
    value
        .chars()
        .filter(|character| matches!(character, ' ' | '!' | '#'..='[' | ']'..='~'))
        .collect()
}

/// Describes a reason for developers who read the header.
fn description(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingToken => "An access token is needed",
        Reason::MalformedToken => "The token is not a signed JWT",
        Reason::TokenTooLarge => "The token is too large",
        Reason::UnsupportedAlgorithm => "The algorithm of the signature is not accepted",
        Reason::UnknownKey => "The key of the signature is not known",
        Reason::BadSignature => "The signature does not verify",
        Reason::IssuerNotTrusted => "The issuer is not trusted",
        Reason::AudienceMismatch => "The token is for another audience",
        Reason::Expired => "The token has expired",
        Reason::NotYetValid => "The token is not valid yet",
        Reason::WrongTokenType => "The token is not an access token",
        Reason::MissingClaim => "A claim is missing",
        Reason::InvalidClaim => "A claim is not acceptable",
        Reason::Revoked => "The token was revoked",
        Reason::DpopRequired => "A DPoP proof is needed",
        Reason::InvalidDpopProof => "The DPoP proof does not hold",
        Reason::UseDpopNonce => "The DPoP proof needs the nonce of DPoP-Nonce",
        Reason::InsufficientScope => "The token does not grant what the route needs",
        Reason::InsufficientUserAuthentication => "A stronger or more recent sign-in is needed",
        Reason::CertificateMismatch => "The token is bound to another client certificate",
        _ => "The request is refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Context<'_> = Context {
        realm: "pixygate",
        metadata: Some("https://a.example/m"),
        scheme: Some(Scheme::Bearer),
        dpop_only: false,
    };

    fn written(rejection: &Rejection, context: &Context<'_>) -> Vec<String> {
        challenges(rejection, context)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_request_without_credentials_gets_both_schemes_and_no_error() {
        let found = written(
            &Rejection::new(Reason::MissingToken),
            &Context {
                scheme: None,
                ..CONTEXT
            },
        );
        assert_eq!(
            found[0],
            "Bearer realm=\"pixygate\", resource_metadata=\"https://a.example/m\""
        );
        assert!(found[1].starts_with("DPoP realm=\"pixygate\", ") && found[1].contains("algs=\"RS256 "));
    }

    #[test]
    fn a_step_up_names_what_is_needed() {
        let step_up = StepUp::Authentication {
            acr_values: vec!["mfa".into(), "hw".into()],
            max_age: Some(300),
        };
        let rejection = Rejection::new(Reason::InsufficientUserAuthentication).stepping_up(step_up);
        let found = written(&rejection, &CONTEXT);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("error=\"insufficient_user_authentication\""));
        assert!(
            found[0].ends_with("acr_values=\"mfa hw\", max_age=\"300\""),
            "{}",
            found[0]
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        let step_up = StepUp::Scopes(vec!["a\", error=\"x\r\nSet-Cookie: y\\".into()]);
        let found = written(
            &Rejection::new(Reason::InsufficientScope).stepping_up(step_up),
            &CONTEXT,
        );
        assert!(found[0].ends_with("scope=\"a, error=xSet-Cookie: y\""), "{}", found[0]);
    }
}
