//! Who may call what.

use std::time::Duration;

use pixygate::gate::{Policies, Policy};

use super::whoami::GetWhoami;
use super::{
    Confirm, Diagnose, EndMySessions, EndSessionsOf, GetActivity, GetActivityChart, GetAllActivity,
    GetAllActivityChart, GetConfiguration, GetLiveActivity, GetMyToken, GetProfile, GetServices, RevokeToken,
};

/// How long ago the user may have signed in to confirm something.
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
        // Who is an administrator is said in the configuration, so these functions check it themselves.
        .server_fn::<GetAllActivity>(Policy::signed_in())
        .server_fn::<GetAllActivityChart>(Policy::signed_in())
        .server_fn::<GetConfiguration>(Policy::signed_in())
        .server_fn::<EndSessionsOf>(Policy::signed_in().max_age(RECENT))
        .server_fn::<RevokeToken>(Policy::signed_in().max_age(RECENT))
}
