//! The page that explains a token or a denied call.

use super::texts;

texts! {
    lead: "Check a token, or find out why a call was denied.",
        "Prüfen Sie ein Token, oder finden Sie heraus, warum ein Aufruf abgelehnt wurde.";
    token: "Token", "Token";
    token_hint: "Leave it empty to use your own. A token is checked in memory, and neither stored nor logged.",
        "Leer lassen, um Ihr eigenes zu verwenden. Ein Token wird im Speicher geprüft und weder gespeichert noch protokolliert.";
    call: "Would this call pass?", "Käme dieser Aufruf durch?";
    call_hint: "Optional. Nothing is sent to the service.", "Optional. An den Dienst wird nichts gesendet.";
    method: "Method", "Methode";
    path: "Path", "Pfad";
    check: "Check", "Prüfen";
    example: "Example: the issuer conflict", "Beispiel: der Aussteller-Konflikt";
    example_hint: "A token whose issuer is almost, but not exactly, the trusted one: the most common reason for a rejected token.",
        "Ein Token, dessen Aussteller fast, aber nicht genau der richtige ist: der häufigste Grund für ein abgelehntes Token.";
    accepted: "The token is accepted", "Das Token wird angenommen";
    accepted_with_proof: "The token is accepted if a call carries a proof of the key or certificate that it is bound to",
        "Das Token wird angenommen, wenn ein Aufruf den Schlüssel oder das Zertifikat nachweist, an das es gebunden ist";
    rejected: "The token is rejected", "Das Token wird abgelehnt";
    not_checked: "The token could not be checked", "Das Token konnte nicht geprüft werden";
    passes: "The call would pass the gate", "Der Aufruf käme durch das Gate";
    denied(status): "The call would be denied with status {status}", "Der Aufruf würde mit Status {status} abgelehnt";
    result: "Result", "Ergebnis";
    checks_token: "Checks of the token", "Prüfungen des Tokens";
    checks_call: "Checks of the call", "Prüfungen des Aufrufs";
    contents: "What the token says", "Was das Token sagt";
    kind_access_token: "It is an access token.", "Es ist ein Access-Token.";
    kind_id_token: "It is an ID token. It says who signed in, and is not for calls.",
        "Es ist ein ID-Token. Es sagt, wer sich angemeldet hat, und ist nicht für Aufrufe.";
    kind_logout_token: "It is a logout token: a provider's message that a session ended.",
        "Es ist ein Logout-Token: die Nachricht eines Anbieters, dass eine Sitzung beendet ist.";
    kind_dpop_proof: "It is a DPoP proof. It goes beside an access token.", "Es ist ein DPoP-Nachweis. Er begleitet ein Access-Token.";
    kind_jwt: "It is a JWT that does not say what it is for.", "Es ist ein JWT, das nicht sagt, wofür es ist.";
    kind_encrypted: "It is encrypted. Only its audience can read it.", "Es ist verschlüsselt. Nur sein Empfänger kann es lesen.";
    kind_opaque: "It is opaque: only its issuer knows what it says.", "Es ist undurchsichtig: Nur sein Aussteller weiß, was es sagt.";
    denied_call: "The denied call", "Der abgelehnte Aufruf";
    denied_call_text(method, route, status): "{method} {route} was denied with status {status}.", "{method} {route} wurde mit Status {status} abgelehnt.";
    no_record: "There is no such record", "Diesen Eintrag gibt es nicht";
    no_record_text: "It may be older than records are kept.", "Vielleicht ist er älter als die Aufbewahrungszeit.";
    not_denied: "This call was not denied", "Dieser Aufruf wurde nicht abgelehnt";
    not_denied_text: "There is nothing to explain.", "Es gibt nichts zu erklären.";
}
