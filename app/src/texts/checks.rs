//! Texts about the gate's checks.

use super::texts;

texts! {
    passed: "passed", "bestanden";
    failed: "failed", "nicht bestanden";
    not_made: "not made", "nicht geprüft";
    finding: "What is wrong", "Was nicht stimmt";
    expected: "Expected", "Erwartet";
    found: "Found", "Gefunden";
    next_step: "What to do:", "Was zu tun ist:";
    more(code): "More about {code}", "Mehr über {code}";
    size: "The token is not too large.", "Das Token ist nicht zu groß.";
    form: "It is three segments of JSON.", "Es besteht aus drei Teilen mit JSON.";
    header: "Its header names a signature algorithm, and no other kind of token.",
        "Sein Header nennt ein Signaturverfahren und keine andere Art von Token.";
    issuer: "Its issuer is trusted (exact match).", "Seinem Aussteller wird vertraut (genaue Übereinstimmung).";
    algorithm: "The trust accepts its algorithm.", "Das Verfahren ist für diesen Aussteller zugelassen.";
    key: "The issuer publishes a key for it.", "Der Aussteller veröffentlicht einen Schlüssel dafür.";
    signature: "The signature verifies.", "Die Signatur stimmt.";
    kind: "It is an access token.", "Es ist ein Access-Token.";
    time: "The current time is within its validity period.", "Die aktuelle Zeit liegt in seinem Gültigkeitszeitraum.";
    subject: "It names its subject.", "Es nennt sein Subjekt.";
    audience: "It is for this server.", "Es ist für diesen Server.";
    claims: "It has the claims that are required.", "Es hat die verlangten Claims.";
    binding: "The gate can check the key or certificate that it is bound to.",
        "Das Gate kann den Schlüssel oder das Zertifikat prüfen, an das es gebunden ist.";
    revocation: "It was not revoked.", "Es wurde nicht widerrufen.";
    request: "The request is unambiguous.", "Die Anfrage ist eindeutig.";
    route: "There is a route for path and method.", "Es gibt eine Route für Pfad und Methode.";
    token: "The token is accepted.", "Das Token wird angenommen.";
    proof: "The call carries the proof that the token requires.", "Der Aufruf enthält den Nachweis, den das Token verlangt.";
    scopes: "The scopes are enough.", "Die Scopes reichen aus.";
    roles: "The roles are enough.", "Die Rollen reichen aus.";
    authentication: "The sign-in is strong and recent enough.", "Die Anmeldung ist stark und frisch genug.";
}

/// Returns the text about a check; its name if there is no text.
pub(crate) fn description(check: &str) -> String {
    type Text = fn() -> &'static str;
    let known: &[(&str, Text)] = &[
        ("size", size),
        ("form", form),
        ("header", header),
        ("issuer", issuer),
        ("algorithm", algorithm),
        ("key", key),
        ("signature", signature),
        ("kind", kind),
        ("time", time),
        ("subject", subject),
        ("audience", audience),
        ("claims", claims),
        ("binding", binding),
        ("revocation", revocation),
        ("request", request),
        ("route", route),
        ("token", token),
        ("proof", proof),
        ("scopes", scopes),
        ("roles", roles),
        ("authentication", authentication),
    ];
    let found = known.iter().find(|(name, _)| *name == check);
    found.map_or_else(|| check.to_owned(), |(_, text)| text().to_owned())
}
