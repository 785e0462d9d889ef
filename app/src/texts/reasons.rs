//! The reasons of a denial.

use pixygate::Reason;

use super::texts;

texts! {
    missing_token: "No token came with the call", "Der Aufruf hatte kein Token";
    malformed_token: "The token is not a JWT", "Das Token ist kein JWT";
    token_too_large: "The token is too large", "Das Token ist zu groß";
    unsupported_algorithm: "The algorithm is not accepted", "Das Verfahren ist nicht zugelassen";
    unknown_key: "The issuer has no such key", "Der Aussteller hat diesen Schlüssel nicht";
    bad_signature: "The signature does not verify", "Die Signatur stimmt nicht";
    issuer_not_trusted: "The issuer is not trusted", "Dem Aussteller wird nicht vertraut";
    audience_mismatch: "The token is for another audience", "Das Token ist für einen anderen Empfänger";
    expired: "The token has expired", "Das Token ist abgelaufen";
    not_yet_valid: "The token is not valid yet", "Das Token ist noch nicht gültig";
    wrong_token_type: "It is another kind of token", "Es ist eine andere Art von Token";
    missing_claim: "A claim is missing", "Ein Claim fehlt";
    invalid_claim: "A claim has a wrong value", "Ein Claim hat einen falschen Wert";
    revoked: "The token was revoked", "Das Token wurde widerrufen";
    dpop_required: "The DPoP proof is missing", "Der DPoP-Nachweis fehlt";
    invalid_dpop_proof: "The DPoP proof is not valid", "Der DPoP-Nachweis ist nicht gültig";
    use_dpop_nonce: "The DPoP proof needs a nonce", "Der DPoP-Nachweis braucht eine Nonce";
    insufficient_scope: "A permission is missing", "Eine Berechtigung fehlt";
    insufficient_user_authentication: "A stronger or more recent sign-in is needed", "Eine stärkere oder frischere Anmeldung ist nötig";
    certificate_mismatch: "The token is bound to another certificate", "Das Token ist an ein anderes Zertifikat gebunden";
    rate_limited: "Too many calls", "Zu viele Aufrufe";
    keys_unavailable: "The issuer's keys are not available", "Die Schlüssel des Ausstellers sind nicht verfügbar";
    invalid_request: "The request is not valid", "Die Anfrage ist nicht gültig";
    route_not_found: "There is no such route", "Diese Route gibt es nicht";
    method_not_allowed: "The route has other methods", "Die Route hat andere Methoden";
    request_timeout: "The request took too long", "Die Anfrage hat zu lange gedauert";
    body_too_large: "The body is too large", "Der Inhalt ist zu groß";
    upstream_unavailable: "The service cannot be reached", "Der Dienst ist nicht erreichbar";
    upstream_timeout: "The service did not answer in time", "Der Dienst hat nicht rechtzeitig geantwortet";
    other: "Denied", "Abgelehnt";
}

/// Returns the reason in words.
pub(crate) fn title(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingToken => missing_token(),
        Reason::MalformedToken => malformed_token(),
        Reason::TokenTooLarge => token_too_large(),
        Reason::UnsupportedAlgorithm => unsupported_algorithm(),
        Reason::UnknownKey => unknown_key(),
        Reason::BadSignature => bad_signature(),
        Reason::IssuerNotTrusted => issuer_not_trusted(),
        Reason::AudienceMismatch => audience_mismatch(),
        Reason::Expired => expired(),
        Reason::NotYetValid => not_yet_valid(),
        Reason::WrongTokenType => wrong_token_type(),
        Reason::MissingClaim => missing_claim(),
        Reason::InvalidClaim => invalid_claim(),
        Reason::Revoked => revoked(),
        Reason::DpopRequired => dpop_required(),
        Reason::InvalidDpopProof => invalid_dpop_proof(),
        Reason::UseDpopNonce => use_dpop_nonce(),
        Reason::InsufficientScope => insufficient_scope(),
        Reason::InsufficientUserAuthentication => insufficient_user_authentication(),
        Reason::CertificateMismatch => certificate_mismatch(),
        Reason::RateLimited => rate_limited(),
        Reason::KeysUnavailable => keys_unavailable(),
        Reason::InvalidRequest => invalid_request(),
        Reason::RouteNotFound => route_not_found(),
        Reason::MethodNotAllowed => method_not_allowed(),
        Reason::RequestTimeout => request_timeout(),
        Reason::BodyTooLarge => body_too_large(),
        Reason::UpstreamUnavailable => upstream_unavailable(),
        Reason::UpstreamTimeout => upstream_timeout(),
        _ => other(),
    }
}
