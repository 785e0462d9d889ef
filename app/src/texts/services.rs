//! The services page.

use super::texts;

texts! {
    lead: "What can be called through the gate, what each call requires, and whether you have it.",
        "Was durch das Gate aufgerufen werden kann, was jeder Aufruf verlangt und ob Sie es haben.";
    own: "This server", "Dieser Server";
    own_text: "The functions of the console itself.", "Die Funktionen der Konsole selbst.";
    none: "No services", "Keine Dienste";
    none_text: "Nothing stands behind this gate yet. Its administrator adds services under [[upstream]] in pixygate.toml.",
        "Hinter diesem Gate steht noch nichts. Die Administration fügt Dienste unter [[upstream]] in pixygate.toml hinzu.";
    no_routes: "No call is allowed to this service: it has no routes.", "Zu diesem Dienst ist kein Aufruf erlaubt: Er hat keine Routen.";
    callable(number, all): "{number} of {all} calls are open to you", "{number} von {all} Aufrufen stehen Ihnen offen";

    open: "Open to everybody", "Für alle offen";
    yes: "You may call this", "Sie dürfen das aufrufen";
    no: "Something is missing", "Es fehlt etwas";
    requires: "Requires", "Verlangt";
    has: "you have it", "haben Sie";
    lacks: "you lack it", "fehlt Ihnen";
    rate(rate): "At most {rate} for each user", "Höchstens {rate} je Benutzer";

    signed_in: "a sign-in", "eine Anmeldung";
    scope(scope): "the scope {scope}", "den Scope {scope}";
    any_scope(scopes): "one of the scopes {scopes}", "einen der Scopes {scopes}";
    role(role): "the role {role}", "die Rolle {role}";
    any_role(roles): "one of the roles {roles}", "eine der Rollen {roles}";
    acr(classes): "a sign-in of the kind {classes}", "eine Anmeldung der Art {classes}";
    max_age_seconds(number): "a sign-in of the last {number} seconds", "eine Anmeldung aus den letzten {number} Sekunden";
    max_age_minutes(number): "a sign-in of the last {number} minutes", "eine Anmeldung aus den letzten {number} Minuten";
    claim(name): "the claim {name}", "den Claim {name}";
    claim_of(name, values): "the claim {name} with the value {values}", "den Claim {name} mit dem Wert {values}";
    dpop: "a token that is bound to a key of this browser (DPoP)", "ein Token, das an einen Schlüssel dieses Browsers gebunden ist (DPoP)";
    administrator: "an administrator of this server", "die Administration dieses Servers";

    how_scope: "The call asks your provider for it. If it stays missing, the provider does not give it to you.",
        "Der Aufruf fragt Ihren Anbieter danach. Fehlt er danach weiter, gibt ihn der Anbieter Ihnen nicht.";
    how_role: "Your administration gives it to you at the provider. Then sign in again.",
        "Ihre Administration gibt sie Ihnen beim Anbieter. Melden Sie sich danach neu an.";
    how_sign_in: "The call leads you to that sign-in and back.", "Der Aufruf führt Sie zu dieser Anmeldung und zurück.";
    how_claim: "The provider puts it into your token. Ask your administration.",
        "Der Anbieter schreibt ihn in Ihr Token. Fragen Sie Ihre Administration.";
    how_dpop: "The provider has to support DPoP, and provider.dpop must not be “off”.",
        "Der Anbieter muss DPoP können, und provider.dpop darf nicht „off“ sein.";
    how_administrator: "A role of console.admin_roles, or a scope of console.admin_scopes.",
        "Eine Rolle aus console.admin_roles oder ein Scope aus console.admin_scopes.";

    try_it: "Try it", "Ausprobieren";
    try_call(call): "Try {call}", "{call} ausprobieren";
    trial(call): "A call to try: {call}", "Ein Aufruf zum Ausprobieren: {call}";
    method: "Method", "Methode";
    path: "Path", "Pfad";
    path_under(prefix): "It begins with {prefix}, which stays.", "Er beginnt mit {prefix}, das bleibt.";
    content_type: "Kind of body", "Art des Inhalts";
    body: "Body", "Inhalt";
    answer_body: "Body of the answer", "Inhalt der Antwort";
    send: "Send", "Senden";
    stop: "Stop", "Abbrechen";
    sending: "Sending…", "Wird gesendet …";
    real: "The call is real: it does what it says.", "Der Aufruf ist echt: Er tut, was er sagt.";
    placeholder(segment): "Put a value in place of {segment}.", "Setzen Sie einen Wert an die Stelle von {segment}.";
    outside: "The path would leave the service. Leave out “.” and “..”.", "Der Pfad würde den Dienst verlassen. Lassen Sie „.“ und „..“ weg.";
    character(character, escaped): "The path must not contain “{character}”. Write {escaped} in its place.",
        "Der Pfad darf „{character}“ nicht enthalten. Schreiben Sie dafür {escaped}.";

    answered(status, milliseconds): "Answered with {status} after {milliseconds} ms", "Mit {status} beantwortet nach {milliseconds} ms";
    still_coming(status): "Answered with {status}, and more is coming…", "Mit {status} beantwortet, es kommt noch mehr …";
    stopped: "Stopped", "Abgebrochen";
    denied: "Denied", "Abgelehnt";
    time: "Time", "Dauer";
    size: "Size", "Größe";
    milliseconds(number): "{number} ms", "{number} ms";
    bytes(number): "{number} bytes", "{number} Byte";
    headers: "Headers", "Header";
    header_name: "Name", "Name";
    header_value: "Value", "Wert";
    no_body: "The answer has no body.", "Die Antwort hat keinen Inhalt.";
    binary(kind): "The body is no text ({kind}), so it is not shown.", "Der Inhalt ist kein Text ({kind}) und wird nicht gezeigt.";
    cut: "Only the beginning is shown.", "Nur der Anfang wird gezeigt.";
    broke_off: "The answer broke off.", "Die Antwort ist abgerissen.";
    reason: "Reason", "Grund";
    expected: "Expected", "Erwartet";
    found: "Found", "Gefunden";
    hint: "What to do", "Was zu tun ist";
    request: "Request", "Anfrage";
    in_activity: "Find it in the activity", "Im Verlauf finden";

    not_made: "The call was not made", "Der Aufruf wurde nicht gemacht";
    not_made_text: "It needs another sign-in, and that did not succeed. What you typed is still here, and you are signed in as before.",
        "Er braucht eine andere Anmeldung, und die ist nicht gelungen. Ihre Eingabe ist noch da, und Sie sind angemeldet wie zuvor.";

    as_curl: "The same call with curl", "Derselbe Aufruf mit curl";
    curl_token: "The token is not in it. Put one into the variable first:", "Das Token ist nicht dabei. Setzen Sie zuerst die Variable:";
    copy: "Copy", "Kopieren";
    copied: "Copied.", "Kopiert.";
    not_copied: "The browser does not allow copying. Select the text instead.",
        "Der Browser erlaubt das Kopieren nicht. Markieren Sie stattdessen den Text.";
}
