//! The account page.

use super::texts;

texts! {
    for_you: "This page is for you alone", "Diese Seite ist nur für Sie";
    come_back: "You come back here after signing in.", "Nach der Anmeldung kommen Sie hierher zurück.";
    hello(name): "Hello, {name}.", "Hallo, {name}.";
    this_tab: "Signed in for this tab only", "Nur in diesem Tab angemeldet";
    this_tab_text: "This browser does not let the site store anything, so you sign in again after a reload.",
        "Dieser Browser lässt die Seite nichts speichern. Nach dem Neuladen melden Sie sich wieder an.";
    verified: "What the server verified", "Was der Server geprüft hat";
    opened: "What the scope “profile” opens", "Was der Scope „profile“ erlaubt";
    not_granted: "The permission was not given", "Die Berechtigung wurde nicht erteilt";
    unchanged: "Nothing has changed.", "Es hat sich nichts geändert.";
    left_out: "The sign-in page left it out. Its administrator can say why.",
        "Die Anmeldeseite hat sie weggelassen. Ihre Administration kennt den Grund.";
    scope_missing: "Your sign-in does not include the permission for this.", "Ihre Anmeldung enthält die Berechtigung dafür nicht.";
    ask_for_scope: "Ask for the permission", "Berechtigung anfordern";
    confirm_title: "Confirm that it is you", "Bestätigen, dass Sie es sind";
    confirm_text: "This asks for a sign-in of the last five minutes. If yours is older, you sign in again and come back here.",
        "Das verlangt eine Anmeldung aus den letzten fünf Minuten. Ist Ihre älter, melden Sie sich neu an und kommen hierher zurück.";
    statement: "What you confirm", "Was Sie bestätigen";
    confirm: "Confirm", "Bestätigen";
    confirmed(what): "Confirmed: {what}", "Bestätigt: {what}";
    not_again: "You did not sign in again", "Sie haben sich nicht neu angemeldet";
    again_failed: "Signing in again did not succeed", "Die neue Anmeldung ist nicht gelungen";
    not_asked: "Your provider did not ask you again", "Ihr Anbieter hat Sie nicht neu gefragt";
    not_confirmed: "Nothing was confirmed", "Es wurde nichts bestätigt";
    not_confirmed_text(why): "{why}, so the server was not asked. What you typed is still here, and you are signed in as before.",
        "{why}, also wurde der Server nicht gefragt. Ihre Eingabe ist noch da, und Sie sind angemeldet wie zuvor.";
    confirm_again: "Sign in again and confirm", "Neu anmelden und bestätigen";
    issuer: "Issuer", "Aussteller";
    subject: "Subject", "Subjekt";
    scopes: "Scopes", "Scopes";
    client: "Client", "Client";
    organisation: "Organisation", "Organisation";
    authentication: "Authentication", "Authentifizierung";
    name: "Name", "Name";
    roles: "Roles", "Rollen";
    none: "none", "keine";
    not_in_token: "not in the token", "nicht im Token";
    new_tab: "Sign in in a new tab", "In einem neuen Tab anmelden";
    others: "Other browsers", "Andere Browser";
    others_text: "You can end your sessions in all browsers and on all devices at once, this one included.",
        "Sie können Ihre Sitzungen in allen Browsern und auf allen Geräten auf einmal beenden, auch diese.";
    end_all: "End all my sessions", "Alle meine Sitzungen beenden";
}
