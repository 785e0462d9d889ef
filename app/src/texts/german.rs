//! The library's texts in German.

use pixygate::leptos::Texts;

pub(crate) const SIGN_IN: Texts = Texts {
    cancelled: (
        "Anmeldung abgebrochen",
        "Die Anmeldeseite sagt, dass der Zugriff verweigert wurde. Hier hat sich nichts geändert.",
    ),
    no_window: (
        "Das Anmeldefenster ist nicht da",
        "Es wurde geschlossen, oder der Browser hat es nicht geöffnet. Hier hat sich nichts geändert.",
    ),
    still_here: (
        "Die Anmeldeseite ist noch nicht offen",
        "Vielleicht ist sie langsam. Warten Sie noch einen Moment oder versuchen Sie es erneut.",
    ),
    provider_problem: (
        "Die Anmeldeseite meldet ein Problem",
        "Die Anmeldung ist nicht gelungen. Hier hat sich nichts geändert.",
    ),
    stale: (
        "Diese Anmeldung ist vorbei",
        "Dieser Browser wartet nicht auf sie: Sie wurde schon abgeschlossen, anderswo begonnen oder hat länger als eine Stunde gedauert. \
         Beginnen Sie neu.",
    ),
    stopped: (
        "Diese Anmeldung wurde angehalten",
        "Was zurückkam, gehört nicht zu der Anmeldung, die hier begonnen wurde, und wurde nicht verwendet. Sie können gefahrlos neu \
         beginnen.",
    ),
    not_accepted: (
        "Diese Anmeldung wurde angehalten",
        "Der Anmeldedienst hat eine Antwort gegeben, die diese Seite nicht annimmt; sie wurde nicht verwendet. Die Einzelheiten sagen, was \
         daran nicht stimmt.",
    ),
    not_asked_again: (
        "Sie wurden nicht neu nach der Anmeldung gefragt",
        "Dafür ist eine frische Anmeldung nötig, und der Anmeldedienst hat nicht danach gefragt. Hier hat sich nichts geändert.",
    ),
    wrong_address: (
        "Unter dieser Adresse können Sie sich nicht anmelden",
        "Diese Seite hat eine andere, die in den Einzelheiten steht. Öffnen Sie sie dort und melden Sie sich dann an.",
    ),
    nothing_kept: (
        "Dieser Browser speichert nichts für diese Seite",
        "Die Anmeldung muss sich etwas merken, bis Sie zurück sind. In einem eigenen Fenster geht es trotzdem und hält, bis Sie diese Seite \
         schließen oder neu laden. Oder erlauben Sie dieser Seite zu speichern.",
    ),
    browser: (
        "In diesem Browser können Sie sich nicht anmelden",
        "Hier fehlt etwas, das die Anmeldung braucht. Ein anderer Browser hat es vielleicht.",
    ),
    provider_down: (
        "Der Anmeldedienst antwortet nicht",
        "Vielleicht ist er ausgefallen, oder Sie sind offline. Versuchen Sie es gleich noch einmal.",
    ),
    withheld: (
        "Der Anmeldedienst spricht nicht mit dieser Seite",
        "Er antwortet, aber Ihr Browser darf dieser Seite die Antwort nicht zeigen. Das kann nur die Administration dieser Seite ändern.",
    ),
    refused_sign_in: (
        "Die Anmeldung ist nicht gelungen",
        "Der Anmeldedienst hat den letzten Schritt abgelehnt. Seine Antwort steht in den Einzelheiten.",
    ),
    part_missing: (
        "Ein Teil dieser Seite fehlt",
        "Sie sind vielleicht offline, oder es gibt eine neue Version. Laden Sie die Seite neu, wenn Sie wieder online sind.",
    ),
    not_allowed: ("Nicht erlaubt", "Ihre Anmeldung enthält die Berechtigung dafür nicht."),
    stronger: ("Dafür neu anmelden", "Das verlangt eine stärkere Anmeldung."),
    slow_down: (
        "Zu viele Anfragen",
        "Warten Sie einen Moment und versuchen Sie es dann erneut.",
    ),
    unavailable: (
        "Gerade nicht verfügbar",
        "Der Server kann im Moment nicht prüfen, wer Sie sind.",
    ),
    refused_call: (
        "Der Server hat den Aufruf abgelehnt",
        "Vielleicht hilft eine neue Anmeldung. Die Einzelheiten nennen die Prüfung, die Ihre Anmeldung nicht bestanden hat.",
    ),
    rejected: (
        "Der Server nimmt Ihre Anmeldung nicht an",
        "Eine neue Anmeldung ändert das nicht. Die Einzelheiten nennen die Prüfung, die nicht bestanden wurde, für die Administration \
         dieser Seite.",
    ),
    another_person: (
        "Eine andere Person ist angemeldet",
        "Der Aufruf wurde nicht gemacht: Er war für eine andere Person oder eine andere Organisation als die, für die diese Seite jetzt ist.",
    ),
    signed_out: ("Sie sind abgemeldet", "Melden Sie sich neu an, um weiterzumachen."),
    not_sent: (
        "Der Aufruf wurde nicht gemacht",
        "Sie sind vielleicht offline, oder der Anmeldedienst antwortet nicht. Sie sind weiter angemeldet; versuchen Sie es gleich noch einmal.",
    ),
    no_answer: (
        "Es kam keine Antwort",
        "Sie sind vielleicht offline. Der Aufruf kann trotzdem ausgeführt worden sein: Sehen Sie nach, bevor Sie es erneut versuchen.",
    ),
    failed: ("Etwas ist schiefgegangen", "Der Aufruf ist nicht gelungen."),
    ended: (
        "Ihre Sitzung ist beendet",
        "Melden Sie sich neu an, um weiterzumachen. Diese Seite bleibt, wie sie ist.",
    ),
    not_renewed: (
        "Ihre Sitzung konnte nicht verlängert werden",
        "Der Anmeldedienst verlängert sie nicht. Melden Sie sich neu an, um weiterzumachen. Diese Seite bleibt, wie sie ist.",
    ),
    idle: (
        "Sie wurden abgemeldet",
        "Eine Weile war niemand da. Melden Sie sich neu an, um weiterzumachen.",
    ),
    signed_out_here: (
        "Sie sind hier abgemeldet",
        "Der Anmeldedienst hat davon nicht erfahren, und seine eigene Sitzung läuft vielleicht weiter. Wer diesen Browser als Nächstes \
         nutzt, kommt dort vielleicht ohne Passwort hinein.",
    ),
};
