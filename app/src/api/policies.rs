//! The policies of the server functions.

use std::time::Duration;

use pixygate::gate::{Policies, Policy};

use super::whoami::GetWhoami;
use super::{
    Confirm, Diagnose, EndMySessions, EndSessionsOf, GetActivity, GetActivityChart, GetAllActivity,
    GetAllActivityChart, GetConfiguration, GetLiveActivity, GetMyToken, GetProfile, GetServices, RevokeToken,
};

/// The longest time since the sign-in for functions that require a recent one.
const RECENT: Duration = Duration::from_secs(300);

/// Returns the policies of all server functions.
pub fn policies() -> Policies {
    Policies::new()
        .server_fn::<GetWhoami>(Policy::signed_in())
        .server_fn::<GetProfile>(Policy::signed_in().scope("profile"))
        .server_fn::<Confirm>(Policy::signed_in().max_age(RECENT))
        .server_fn::<GetActivity>(Policy::signed_in())
        .server_fn::<GetActivityChart>(Policy::signed_in())
        .server_fn::<GetLiveActivity>(Policy::signed_in())
        .server_fn::<GetMyToken>(Policy::signed_in())
        .server_fn::<Diagnose>(Policy::signed_in())
        .server_fn::<GetServices>(Policy::signed_in())
        .server_fn::<EndMySessions>(Policy::signed_in().max_age(RECENT))
        // The configuration names the administrators, so these functions check them.
        .server_fn::<GetAllActivity>(Policy::signed_in())
        .server_fn::<GetAllActivityChart>(Policy::signed_in())
        .server_fn::<GetConfiguration>(Policy::signed_in())
        .server_fn::<EndSessionsOf>(Policy::signed_in().max_age(RECENT))
        .server_fn::<RevokeToken>(Policy::signed_in().max_age(RECENT))
}

/// The description of each function, by its path.
const DESCRIPTIONS: [(&str, &str); 15] = [
    ("/api/whoami", "Who you are, as the gate verified it"),
    ("/api/profile", "Your name and roles"),
    ("/api/confirm", "Confirm a statement after a recent sign-in"),
    ("/api/activity", "What was done in your name"),
    ("/api/activity/chart", "How many of your calls were allowed and denied"),
    ("/api/activity/live", "What is done in your name, as it happens"),
    ("/api/token", "Your own token, explained"),
    ("/api/diagnose", "A token that you paste, explained"),
    ("/api/services", "The services that you may call"),
    ("/api/sessions/end", "End all your sessions"),
    ("/api/admin/activity", "What was done in everybody's name"),
    (
        "/api/admin/activity/chart",
        "How many of everybody's calls were allowed and denied",
    ),
    (
        "/api/admin/configuration",
        "The settings in use, and the state of this server",
    ),
    ("/api/admin/sessions/end", "End all sessions of a user"),
    ("/api/admin/tokens/revoke", "Revoke one token"),
];

/// Returns the description of a function, in English; empty for an unknown path.
pub fn description(path: &str) -> &'static str {
    let mut found = DESCRIPTIONS.iter().filter(|(known, _)| *known == path);
    found.next().map_or("", |(_, description)| description)
}

/// Returns whether a function is for administrators. The function checks that itself.
pub fn is_for_administrators(path: &str) -> bool {
    path.starts_with("/api/admin/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_is_described_once() {
        let policies = policies();
        let paths: Vec<_> = policies
            .routes()
            .iter()
            .map(|route| route.pattern.to_string())
            .collect();
        for path in &paths {
            assert!(!description(path).is_empty(), "{path}");
        }
        assert_eq!(paths.len(), DESCRIPTIONS.len());
    }
}
