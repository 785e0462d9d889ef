//! The gate's checks.

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
    issuer: "Its issuer is trusted, character by character.", "Seinem Aussteller wird vertraut, Zeichen für Zeichen.";
    algorithm: "The trust accepts its algorithm.", "Das Verfahren ist für diesen Aussteller zugelassen.";
    key: "The issuer has its key.", "Der Aussteller hat seinen Schlüssel.";
    signature: "The signature verifies.", "Die Signatur stimmt.";
    kind: "It is an access token.", "Es ist ein Access-Token.";
    time: "It is valid now.", "Es ist jetzt gültig.";
    subject: "It names its subject.", "Es nennt sein Subjekt.";
    audience: "It is for this server.", "Es ist für diesen Server.";
    claims: "It has the claims that are required.", "Es hat die verlangten Claims.";
    binding: "What it is bound to can be checked.", "Woran es gebunden ist, lässt sich prüfen.";
    revocation: "It was not revoked.", "Es wurde nicht widerrufen.";
    request: "The request has one meaning.", "Die Anfrage hat genau eine Bedeutung.";
    route: "There is a route for path and method.", "Es gibt eine Route für Pfad und Methode.";
    token: "The token is accepted.", "Das Token wird angenommen.";
    proof: "The proof that it is bound to comes with the call.", "Der Nachweis, an den es gebunden ist, kommt mit dem Aufruf.";
    scopes: "The scopes are enough.", "Die Scopes reichen aus.";
    roles: "The roles are enough.", "Die Rollen reichen aus.";
    authentication: "The sign-in is strong and recent enough.", "Die Anmeldung ist stark und frisch genug.";
}

/// Returns what a check shows when it passes; the name itself where it is not known.
pub(crate) fn shows(check: &str) -> String {
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
