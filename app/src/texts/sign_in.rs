//! The pages that a sign-in passes through.

use super::texts;

texts! {
    one_moment: "One moment…", "Einen Moment …";
    needs_javascript: "Signing in needs JavaScript and WebAssembly. Allow them for this site, then start again.",
        "Zur Anmeldung sind JavaScript und WebAssembly nötig. Erlauben Sie beides für diese Seite und beginnen Sie neu.";
    not_loaded: "The page could not be loaded completely. Check your connection, then reload it.",
        "Die Seite wurde nicht vollständig geladen. Prüfen Sie die Verbindung und laden Sie sie neu.";
    in_a_window: "Sign in in a window", "In einem Fenster anmelden";
}
