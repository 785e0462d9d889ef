//! The server functions. Each has its policy in [`policies`], without which the server does not start. The gate checks the policy
//! before the function runs, and the function checks the caller again.

mod activity;
#[cfg(feature = "ssr")]
mod backend;
mod configuration;
mod confirm;
mod live;
#[cfg(feature = "ssr")]
mod policies;
mod services;
mod sessions;
mod token;
mod whoami;

pub use activity::{
    BUCKETS, Bucket, Chart, Decision, Denial, Filter, GetActivity, GetActivityChart, GetAllActivity,
    GetAllActivityChart, PAGE, Page, Record, RecordId, RecordOwner, activity, activity_chart, all_activity,
    all_activity_chart,
};
#[cfg(feature = "ssr")]
pub use backend::{Backend, BackendFuture, LiveLines, Unavailable};
pub use configuration::{
    Configuration, Fault, GetConfiguration, KeyState, NodeState, Reload, Setting, TargetDetail, TargetState,
    TrustState, UpstreamState, configuration,
};
pub use confirm::{Confirm, MAX_STATEMENT_CHARS, confirm};
pub use live::{GetLiveActivity, RecordLines, activity_live};
#[cfg(feature = "ssr")]
pub use policies::{description, is_for_administrators, policies};
pub use services::{GetServices, Requirement, RequirementKind, Service, ServiceRoute, Services, services};
pub use sessions::{EndMySessions, EndSessionsOf, RevokeToken, end_my_sessions, end_sessions_of, revoke_token};
pub use token::{
    CallVerdict, Check, CheckVerdict, Diagnose, Finding, GetMyToken, Inspection, MAX_TOKEN_BYTES, Member, RouteVerdict,
    SenderConstraint, SenderConstraintKind, TokenKind, Verdict, diagnose, my_token,
};
pub use whoami::{GetProfile, Profile, Whoami, profile, whoami};
