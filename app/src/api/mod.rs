//! The server functions. Each has its policy in [`policies`], without which the server does not start; the gate asks it
//! before the function runs, and the function asks once more.

mod activity;
#[cfg(feature = "ssr")]
mod backend;
mod confirm;
#[cfg(feature = "ssr")]
mod policies;
mod sessions;
mod whoami;

pub use activity::{
    BUCKETS, Bucket, Chart, Decision, Denial, Filter, GetActivity, GetActivityChart, GetAllActivity,
    GetAllActivityChart, PAGE, Page, Record, RecordId, Whose, activity, activity_chart, all_activity,
    all_activity_chart,
};
#[cfg(feature = "ssr")]
pub use backend::{Backend, BackendFuture, Unavailable};
pub use confirm::{Confirm, LONGEST, confirm};
#[cfg(feature = "ssr")]
pub use policies::policies;
pub use sessions::{EndMySessions, EndSessionsOf, RevokeToken, end_my_sessions, end_sessions_of, revoke_token};
pub use whoami::{GetProfile, Profile, Whoami, profile, whoami};
