//! The overview.

use super::texts;

texts! {
    lead(name): "Signed in as {name}.", "Angemeldet als {name}.";
    you: "You", "Sie";
    provider: "Signed in at", "Angemeldet bei";
    how: "Kind of sign-in", "Art der Anmeldung";
    since: "Since", "Seit";
    services: "Services that you may call", "Dienste, die Sie aufrufen dürfen";
    no_services: "None. Ask the administrator of this server for a permission.",
        "Keine. Bitten Sie die Administration dieses Servers um eine Berechtigung.";
    of_routes(callable, all): "{callable} of {all} routes", "{callable} von {all} Routen";
    all_services: "All services and what they require", "Alle Dienste und was sie verlangen";
    activity: "Your last calls", "Ihre letzten Aufrufe";
    no_activity: "No calls yet.", "Noch keine Aufrufe.";
    all_activity: "All activity", "Der ganze Verlauf";
    last_day(allowed, denied): "In the last 24 hours {allowed} calls were allowed and {denied} denied.",
        "In den letzten 24 Stunden wurden {allowed} Aufrufe erlaubt und {denied} abgelehnt.";
    allowed: "allowed", "erlaubt";
}
