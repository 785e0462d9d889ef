//! The calls to server functions, which the first page does without.

use pixygate::leptos::CallError;

use crate::api::{self, Profile, Whoami};

pixygate::deferred! {
    pub(crate) async fn whoami() -> Result<Whoami, CallError> {
        api::whoami().await
    }

    pub(crate) async fn profile() -> Result<Profile, CallError> {
        api::profile().await
    }

    pub(crate) async fn confirm(call: api::Confirm) -> Result<u64, CallError> {
        use leptos::server_fn::ServerFn as _;
        call.run_on_client().await
    }
}
