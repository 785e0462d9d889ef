//! The activity page.

use super::texts;

texts! {
    lead: "Every call that was made in your name, and what the gate decided.",
        "Jeder Aufruf in Ihrem Namen und was das Gate entschieden hat.";
    lead_everybody: "Every call that reached the gate, and what it decided.",
        "Jeder Aufruf, der das Gate erreicht hat, und was es entschieden hat.";

    whose: "Whose calls", "Wessen Aufrufe";
    mine: "Mine", "Meine";
    everybody: "Everybody’s", "Alle";

    filter: "Filter", "Filter";
    outcome: "Outcome", "Ergebnis";
    allowed: "Allowed", "Erlaubt";
    denied: "Denied", "Abgelehnt";
    gave_up: "Cancelled", "Abgebrochen";
    reason: "Reason", "Grund";
    service: "Service", "Dienst";
    method: "Method", "Methode";
    time: "Time", "Zeit";
    any: "Any", "Alle";
    any_time: "Any time", "Jederzeit";
    last_hour: "Last hour", "Letzte Stunde";
    last_day: "Last 24 hours", "Letzte 24 Stunden";
    last_week: "Last 7 days", "Letzte 7 Tage";
    last_month: "Last 30 days", "Letzte 30 Tage";
    between: "From … to …", "Von … bis …";
    from: "From", "Von";
    until: "To", "Bis";
    apply: "Show", "Anzeigen";
    reset: "Reset", "Zurücksetzen";

    chart: "Calls over time", "Aufrufe im Verlauf";
    chart_all: "The chart counts all calls of this time, whatever else the filter says.",
        "Das Diagramm zählt alle Aufrufe dieser Zeit, was der Filter auch sonst sagt.";
    chart_sums(allowed, denied): "{allowed} allowed, {denied} denied", "{allowed} erlaubt, {denied} abgelehnt";
    chart_table: "The numbers as a table", "Die Zahlen als Tabelle";
    chart_nothing: "No calls in this time", "Keine Aufrufe in dieser Zeit";
    bucket(time, allowed, denied): "{time}: {allowed} allowed, {denied} denied", "{time}: {allowed} erlaubt, {denied} abgelehnt";
    only_bucket(time, allowed, denied): "Show only {time}: {allowed} allowed, {denied} denied",
        "Nur {time} anzeigen: {allowed} erlaubt, {denied} abgelehnt";

    calls: "Calls", "Aufrufe";
    call: "Call", "Aufruf";
    user: "User", "Benutzer";
    client: "Client", "Client";
    took: "Duration", "Dauer";
    details: "Details", "Details";
    details_of(call): "Details of {call}", "Details zu {call}";
    this_server: "This server", "Dieser Server";
    no_user: "not signed in", "nicht angemeldet";
    no_route: "no such path", "Pfad gibt es nicht";
    milliseconds(number): "{number} ms", "{number} ms";
    bytes(number): "{number} bytes", "{number} Byte";

    expected: "Expected", "Erwartet";
    found: "Found", "Gefunden";
    hint: "What to do", "Was zu tun ist";
    finding: "About this finding", "Zu diesem Befund";
    diagnose: "Diagnose", "Diagnose";
    response: "Response", "Antwort";
    request: "Request", "Anfrage";
    node: "Node", "Knoten";
    issuer: "Issuer", "Aussteller";
    subject: "Subject", "Subjekt";

    live: "Live: new calls appear here by themselves.", "Live: Neue Aufrufe erscheinen hier von selbst.";
    live_polling: "New calls appear here every few seconds.", "Neue Aufrufe erscheinen hier alle paar Sekunden.";
    connecting: "Connecting…", "Verbindung wird hergestellt …";
    paused: "Paused.", "Angehalten.";
    over: "This time is over, so nothing new comes.", "Diese Zeit ist vorbei, es kommt nichts Neues.";
    offline: "You are offline. The list goes on when you are back.", "Sie sind offline. Die Liste geht weiter, sobald Sie es nicht mehr sind.";
    interrupted: "New calls do not arrive at the moment. The next attempt follows by itself.",
        "Neue Aufrufe kommen gerade nicht an. Der nächste Versuch folgt von selbst.";
    pause: "Pause", "Anhalten";
    resume: "Continue", "Fortsetzen";
    resume_with(number): "Continue ({number} waiting)", "Fortsetzen ({number} warten)";
    resume_with_many(number): "Continue (over {number} waiting)", "Fortsetzen (über {number} warten)";
    one_new: "1 new call", "1 neuer Aufruf";
    new(number): "{number} new calls", "{number} neue Aufrufe";

    older: "Older", "Ältere";
    loading_older: "Loading older calls…", "Ältere Aufrufe werden geladen …";
    end: "These are all.", "Das sind alle.";
    look_further: "Nothing among the last calls. Older ones have not been looked through yet.",
        "Nichts unter den letzten Aufrufen. Ältere sind noch nicht durchgesehen.";

    empty: "No calls yet", "Noch keine Aufrufe";
    empty_text: "Calls through the gate appear here as soon as they are made.", "Aufrufe durch das Gate erscheinen hier, sobald es sie gibt.";
    empty_filtered: "No calls match the filter", "Kein Aufruf passt zum Filter";
    empty_filtered_text: "Widen the time, or remove the filter.", "Wählen Sie mehr Zeit oder entfernen Sie den Filter.";
    remove_filter: "Remove the filter", "Filter entfernen";
    to_services: "To the services", "Zu den Diensten";

    end_sessions: "End this user’s sessions", "Sitzungen dieses Benutzers beenden";
    end_sessions_title(user): "End all sessions of {user}?", "Alle Sitzungen von {user} beenden?";
    end_sessions_text: "Every token that this user has now is rejected on all nodes within a second. The user has to sign in again. If your \
         own sign-in is older than five minutes, you sign in again first.",
        "Jedes Token, das dieser Benutzer jetzt hat, wird auf allen Knoten binnen einer Sekunde abgelehnt. Er muss sich neu anmelden. Ist Ihre \
         eigene Anmeldung älter als fünf Minuten, melden Sie sich zuerst neu an.";
    end_now: "End the sessions", "Sitzungen beenden";
    keep: "Cancel", "Abbrechen";
    ending: "Ending the sessions…", "Sitzungen werden beendet …";
    ended(user): "All sessions of {user} have ended.", "Alle Sitzungen von {user} sind beendet.";
    not_ended: "The sessions were not ended", "Die Sitzungen wurden nicht beendet";
    not_ended_text: "This needs a new sign-in of yours, and it did not succeed. You are signed in as before.",
        "Dafür ist eine neue Anmeldung von Ihnen nötig, und sie ist nicht gelungen. Sie sind angemeldet wie zuvor.";
}
