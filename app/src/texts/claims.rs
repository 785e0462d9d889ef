//! Explanations of header parameters and claims.

use crate::preferences::Language;

/// Returns the explanation of a header parameter or claim; `None` if no standard defines it.
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    let (_, english, german) = MEANINGS.iter().find(|(known, ..)| *known == name)?;
    Some(match Language::current() {
        Language::English => english,
        Language::German => german,
    })
}

/// Returns the server's explanation of a claim, which is in English; empty on a page in another language.
pub(crate) fn if_english(words: String) -> String {
    match Language::current() {
        Language::English => words,
        Language::German => String::new(),
    }
}

const MEANINGS: [(&str, &str, &str); 44] = [
    ("alg", "The algorithm of the signature.", "Das Verfahren der Signatur."),
    (
        "kid",
        "The issuer's key that made the signature.",
        "Der Schlüssel des Ausstellers, mit dem signiert wurde.",
    ),
    ("typ", "The kind of token.", "Die Art des Tokens."),
    (
        "jwk",
        "The public key that verifies the proof.",
        "Der öffentliche Schlüssel, mit dem der Nachweis geprüft wird.",
    ),
    (
        "iss",
        "The issuer of the token. It is compared character by character.",
        "Der Aussteller des Tokens. Er wird Zeichen für Zeichen verglichen.",
    ),
    (
        "sub",
        "The subject: the user or client that the token is about. Unique at its issuer.",
        "Das Subjekt: der Benutzer oder Client, um den es geht. Eindeutig bei seinem Aussteller.",
    ),
    (
        "aud",
        "The audience: the services that may accept it.",
        "Der Empfänger: die Dienste, die es annehmen dürfen.",
    ),
    (
        "exp",
        "The token is not accepted from this time on.",
        "Ab diesem Zeitpunkt wird das Token nicht mehr angenommen.",
    ),
    (
        "nbf",
        "The token is not accepted before this time.",
        "Vor diesem Zeitpunkt wird das Token nicht angenommen.",
    ),
    ("iat", "When it was issued.", "Wann es ausgestellt wurde."),
    ("jti", "Identifies this one token.", "Kennzeichnet genau dieses Token."),
    (
        "azp",
        "The client that it was issued to.",
        "Der Client, für den es ausgestellt wurde.",
    ),
    (
        "client_id",
        "The client that it was issued to.",
        "Der Client, für den es ausgestellt wurde.",
    ),
    (
        "cid",
        "The client that it was issued to.",
        "Der Client, für den es ausgestellt wurde.",
    ),
    (
        "appid",
        "The client that it was issued to.",
        "Der Client, für den es ausgestellt wurde.",
    ),
    (
        "scope",
        "What the user allowed the client to do.",
        "Was der Client im Namen des Benutzers tun darf.",
    ),
    (
        "scp",
        "What the user allowed the client to do.",
        "Was der Client im Namen des Benutzers tun darf.",
    ),
    ("roles", "The roles of the user.", "Die Rollen des Benutzers."),
    ("groups", "The groups of the user.", "Die Gruppen des Benutzers."),
    ("permissions", "What the user may do.", "Was der Benutzer tun darf."),
    ("acr", "How strong the sign-in was.", "Wie stark die Anmeldung war."),
    (
        "amr",
        "How the user signed in: password, one-time code, …",
        "Womit sich der Benutzer angemeldet hat: Passwort, Einmalcode, …",
    ),
    (
        "auth_time",
        "When the user signed in.",
        "Wann sich der Benutzer angemeldet hat.",
    ),
    (
        "nonce",
        "Ties the token to one sign-in, so that it cannot be used in another.",
        "Bindet das Token an eine Anmeldung, sodass es in keiner anderen gilt.",
    ),
    (
        "at_hash",
        "Ties the ID token to the access token that came with it.",
        "Bindet das ID-Token an das Access-Token, das mit ihm kam.",
    ),
    (
        "c_hash",
        "Ties the ID token to the authorization code.",
        "Bindet das ID-Token an den Autorisierungscode.",
    ),
    (
        "s_hash",
        "Ties the ID token to the state of the request.",
        "Bindet das ID-Token an den State der Anfrage.",
    ),
    (
        "sid",
        "Identifies the session at the provider. A logout token names it.",
        "Kennzeichnet die Sitzung beim Anbieter. Ein Logout-Token nennt sie.",
    ),
    (
        "cnf",
        "The key or certificate that the token is bound to. The token is accepted only with a proof of it.",
        "Der Schlüssel oder das Zertifikat, an das das Token gebunden ist. Es wird nur mit einem Nachweis darüber angenommen.",
    ),
    ("act", "Who acts for the user.", "Wer für den Benutzer handelt."),
    (
        "org_id",
        "The organisation that the user is signed in to.",
        "Die Organisation, bei der der Benutzer angemeldet ist.",
    ),
    (
        "org_name",
        "The name of that organisation.",
        "Der Name dieser Organisation.",
    ),
    (
        "org_handle",
        "The short name of that organisation.",
        "Der Kurzname dieser Organisation.",
    ),
    (
        "username",
        "The name that the user signs in with.",
        "Der Name, mit dem sich der Benutzer anmeldet.",
    ),
    ("tid", "The tenant of the user.", "Der Mandant des Benutzers."),
    ("name", "The user's full name.", "Der volle Name des Benutzers."),
    ("given_name", "The user's given name.", "Der Vorname des Benutzers."),
    ("family_name", "The user's family name.", "Der Nachname des Benutzers."),
    (
        "preferred_username",
        "The name that the user wants to be called by. Not unique.",
        "Der gewünschte Name des Benutzers. Nicht eindeutig.",
    ),
    (
        "email",
        "The user's email address.",
        "Die E-Mail-Adresse des Benutzers.",
    ),
    (
        "email_verified",
        "Whether the provider verified that address.",
        "Ob der Anbieter diese Adresse geprüft hat.",
    ),
    (
        "locale",
        "The user's language and region.",
        "Sprache und Region des Benutzers.",
    ),
    (
        "htm",
        "The method of the request that the proof is for.",
        "Die Methode der Anfrage, für die der Nachweis gilt.",
    ),
    (
        "htu",
        "The address of the request that the proof is for.",
        "Die Adresse der Anfrage, für die der Nachweis gilt.",
    ),
];
