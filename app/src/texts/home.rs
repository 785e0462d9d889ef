//! The landing page.

use super::texts;

texts! {
    title: "Sign in to use the services behind this gate", "Melden Sie sich an, um die Dienste hinter diesem Gate zu nutzen";
    lead: "Pixygate checks each call that you make before it reaches a service.",
        "Pixygate prüft jeden Ihrer Aufrufe, bevor er einen Dienst erreicht.";
    open_overview: "Open the overview", "Übersicht öffnen";
    provider: "You sign in at ", "Sie melden sich an bei ";
    way: "A call's way through the gate", "Der Weg eines Aufrufs durch das Gate";
    browser: "Your browser", "Ihr Browser";
    browser_text: "signs you in with PKCE and sends a fresh token with each call", "meldet Sie mit PKCE an und schickt mit jedem Aufruf ein frisches Token";
    gate: "The gate", "Das Gate";
    gate_text: "checks issuer, signature, time, audience and permission", "prüft Aussteller, Signatur, Zeit, Empfänger und Berechtigung";
    service: "A service", "Ein Dienst";
    service_text: "gets only the calls that passed", "bekommt nur die Aufrufe, die bestanden haben";
    refused: "A call that does not pass is answered with the reason, and goes no further.",
        "Ein Aufruf, der nicht besteht, wird mit dem Grund beantwortet und kommt nicht weiter.";
    no_provider: "The sign-in service cannot be reached", "Der Anmeldedienst ist nicht erreichbar";
    no_provider_text: "This server has not been able to read the provider's metadata yet, so you cannot sign in. It tries again by itself. Its \
         administrator finds the cause with “pixygate doctor”.",
        "Dieser Server konnte die Metadaten des Anbieters noch nicht lesen, deshalb können Sie sich nicht anmelden. Er versucht es von \
         selbst wieder. Die Administration findet die Ursache mit „pixygate doctor“.";
}
