//! The session page.

use super::texts;

texts! {
    lead: "The tokens of your session, and the result of this server's checks.", "Die Token Ihrer Sitzung und das Ergebnis der Prüfungen dieses Servers.";
    now: "Now", "Jetzt";
    signed_in_at: "Signed in", "Angemeldet";
    valid_for: "Access token valid for", "Access-Token gültig für";
    renewed_soon: "It is renewed by itself before a call.", "Es wird vor einem Aufruf von selbst erneuert.";
    over: "expired; it is renewed with the next call", "abgelaufen; es wird mit dem nächsten Aufruf erneuert";
    refresh: "Refresh now", "Jetzt erneuern";
    refreshed: "The access token was renewed.", "Das Access-Token wurde erneuert.";
    step_up: "Sign in again", "Neu anmelden";
    sign_out_here: "Sign out here only", "Nur hier abmelden";
    switch_organisation: "Switch organisation", "Organisation wechseln";
    organisation_id: "Identifier of the organisation", "Kennung der Organisation";
    switch: "Switch", "Wechseln";
    back_to_own: "Back to your own", "Zurück zur eigenen";
    acting: "Calls use a token for another organisation or audience than that of your sign-in.",
        "Aufrufe verwenden ein Token für eine andere Organisation oder einen anderen Empfänger als bei der Anmeldung.";
    checks: "What the gate checks", "Was das Gate prüft";
    checks_text: "Each call passes these checks, in this order. This is the current result for your token.",
        "Jeder Aufruf durchläuft diese Prüfungen in dieser Reihenfolge. Das ist das aktuelle Ergebnis für Ihr Token.";
    all_passed: "Every check passed.", "Alle Prüfungen sind bestanden.";
    access_token: "Access token", "Access-Token";
    access_token_text: "Goes to the server with each call. Read by the server, just now.", "Geht mit jedem Aufruf an den Server. Gerade vom Server gelesen.";
    id_token: "ID token", "ID-Token";
    id_token_text: "Says who signed in. It stays in this browser.", "Sagt, wer sich angemeldet hat. Es bleibt in diesem Browser.";
    header: "Header", "Header";
    payload: "Payload", "Payload";
    signature: "Signature", "Signatur";
    header_text: "how it is signed", "wie es signiert ist";
    payload_text: "what it says", "was es sagt";
    signature_text: "proves that the issuer said so", "beweist, dass der Aussteller es sagt";
    claim: "Claim", "Claim";
    value: "Value", "Wert";
    meaning: "Meaning", "Bedeutung";
    show: "Show the token", "Token zeigen";
    hide: "Hide the token", "Token verbergen";
    shown_hint: "A token is like a key: do not pass it on. It is hidden again after a minute.",
        "Ein Token ist wie ein Schlüssel: Geben Sie es nicht weiter. Nach einer Minute wird es wieder verborgen.";
    bound: "Bound to a key", "An einen Schlüssel gebunden";
    bound_dpop: "Your browser has a private key that no script can read. Each call carries a proof made with it (DPoP, RFC 9449), so a stolen \
         token alone is rejected.",
        "Ihr Browser hat einen privaten Schlüssel, den kein Skript lesen kann. Jeder Aufruf trägt einen Nachweis, der mit ihm gemacht ist \
         (DPoP, RFC 9449). Ein gestohlenes Token allein wird deshalb abgelehnt.";
    bound_certificate: "The token works only over a connection with this client certificate (RFC 8705).",
        "Das Token gilt nur über eine Verbindung mit diesem Client-Zertifikat (RFC 8705).";
    not_bound: "Your provider does not bind tokens to a key: for as long as a token is valid, it works for everybody who has it.",
        "Ihr Anbieter bindet Token an keinen Schlüssel: Solange ein Token gültig ist, kann jeder es benutzen, der es hat.";
    thumbprint: "Thumbprint of the key", "Fingerabdruck des Schlüssels";
    events: "What happened while this page was open", "Was geschah, während diese Seite offen war";
    no_events: "Nothing yet. Refresh the token, or make a call.", "Noch nichts. Erneuern Sie das Token oder machen Sie einen Aufruf.";
    event_signed_in: "Signed in", "Angemeldet";
    event_signed_out: "Signed out", "Abgemeldet";
    event_changed: "The state of the session changed", "Der Zustand der Sitzung hat sich geändert";
    event_refreshed: "The access token was renewed", "Das Access-Token wurde erneuert";
    event_refresh_failed(error): "The access token could not be renewed: {error}", "Das Access-Token konnte nicht erneuert werden: {error}";
    event_step_up: "A call requires a stronger sign-in", "Ein Aufruf verlangt eine stärkere Anmeldung";
    event_idle: "Idle for a while", "Eine Weile untätig";
    event_call(method, url): "{method} {url} was sent", "{method} {url} wurde gesendet";
    event_answered(url, status): "{url} was answered with {status}", "{url} wurde mit {status} beantwortet";
    event_no_answer(url): "{url} was not answered", "{url} wurde nicht beantwortet";
    event_stored: "The browser stores the session", "Der Browser speichert die Sitzung";
    event_not_stored: "The browser does not store the session", "Der Browser speichert die Sitzung nicht";
}
