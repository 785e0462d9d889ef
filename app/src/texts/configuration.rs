//! The page for administrators.

use super::texts;

texts! {
    lead: "How this server is set up. Read only: it is changed in pixygate.toml.",
        "Wie dieser Server eingerichtet ist. Nur zum Lesen: Geändert wird es in pixygate.toml.";
    version: "Version", "Version";
    reload_failed: "The last reload failed", "Das letzte Neuladen ist fehlgeschlagen";
    reload_failed_text: "The configuration before it is still in use.", "Die vorherige Konfiguration gilt weiter.";
    restart: "Some changes need a restart", "Einige Änderungen brauchen einen Neustart";
    issuers: "Trusted issuers", "Vertraute Aussteller";
    aliases: "Also accepted", "Auch angenommen";
    audience: "Audience", "Empfänger";
    clients: "Clients", "Clients";
    keys: "Keys", "Schlüssel";
    key_source: "Keys come from", "Schlüssel kommen von";
    loaded: "Fetched", "Geholt";
    next: "Next fetch", "Nächster Abruf";
    last_error: "Last error", "Letzter Fehler";
    ready: "ready", "bereit";
    no_keys: "no keys", "keine Schlüssel";
    upstreams: "Services", "Dienste";
    no_upstreams: "No service is behind this gate.", "Hinter diesem Gate ist kein Dienst.";
    in_flight(count): "{count} in flight", "{count} unterwegs";
    healthy: "gets calls", "bekommt Aufrufe";
    failing(failures): "failed {failures} times in a row", "{failures}-mal in Folge fehlgeschlagen";
    out(seconds): "out, next try in {seconds} s", "ausgesetzt, nächster Versuch in {seconds} s";
    unhealthy: "fails its health check", "besteht die Zustandsprüfung nicht";
    nodes: "Nodes", "Knoten";
    seen: "Last seen", "Zuletzt gesehen";
    this_node: "this one", "dieser";
    revocations(seconds): "revocations read {seconds} s ago", "Widerrufe vor {seconds} s gelesen";
    settings: "Settings", "Einstellungen";
    key: "Key", "Schlüssel";
    value: "Value", "Wert";
    source: "Set in", "Gesetzt in";
    only_set: "Only what is not the default", "Nur was vom Standard abweicht";
    faults: "What is wrong", "Was nicht stimmt";
    for_administrators: "This page is for administrators", "Diese Seite ist für die Administration";
    refresh: "Read again", "Neu lesen";
}
