//! Texts around every page: header, navigation, notices.

use super::texts;

texts! {
    /// The first link of a page.
    skip: "Skip to the content", "Zum Inhalt";
    navigation: "Pages", "Seiten";
    start: "Start", "Start";
    overview: "Overview", "Übersicht";
    account: "Account", "Konto";
    session: "Session", "Sitzung";
    services: "Services", "Dienste";
    activity: "Activity", "Verlauf";
    diagnose: "Diagnose", "Diagnose";
    configuration: "Configuration", "Konfiguration";
    signing_in: "Signing in", "Anmeldung";
    not_found: "Not found", "Nicht gefunden";
    sign_in: "Sign in", "Anmelden";
    sign_out: "Sign out", "Abmelden";
    signing_out: "Signing out…", "Abmeldung läuft …";
    footer: "Pixygate: sign in with PKCE, pass the gate.", "Pixygate: mit PKCE anmelden, das Gate passieren.";
    language: "Language", "Sprache";
    theme: "Colours", "Farben";
    theme_system: "System", "System";
    theme_light: "Light", "Hell";
    theme_dark: "Dark", "Dunkel";
    try_again: "Try again", "Erneut versuchen";
    close: "Close", "Schließen";
    loading: "Loading…", "Wird geladen …";
    to_start: "To the start page", "Zur Startseite";
    another_user: "Another person is signed in", "Eine andere Person ist angemeldet";
    another_user_text: "They signed in in another tab. What was typed here before is gone.",
        "Sie hat sich in einem anderen Tab angemeldet. Was hier eingegeben war, ist weg.";
    still_there: "Are you still there?", "Sind Sie noch da?";
    idle_before: "You will be signed out in ", "Sie werden abgemeldet in ";
    idle_after: " seconds.", " Sekunden.";
    stay: "Stay signed in", "Angemeldet bleiben";
    nothing_here: "There is nothing here", "Hier ist nichts";
    nothing_here_text: "The address may be old, or mistyped.", "Die Adresse ist alt oder enthält einen Tippfehler.";
}
