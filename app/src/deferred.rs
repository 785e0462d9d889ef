//! What the first page does without.

use std::pin::Pin;

use leptos::prelude::*;
use pixygate::leptos::CallError;

use crate::pages::verified::{Ended, InWindow, Verified};

/// Makes a view, where it is shown.
pub(crate) type View = fn() -> AnyView;

/// A view that is on its way.
pub(crate) type Coming = Pin<Box<dyn Future<Output = Result<View, CallError>>>>;

pixygate::deferred! {
    pub(crate) async fn verified() -> Result<View, CallError> {
        let view: View = || Verified().into_any();
        Ok(view)
    }

    pub(crate) async fn ended() -> Result<View, CallError> {
        let view: View = || Ended().into_any();
        Ok(view)
    }

    pub(crate) async fn in_window() -> Result<View, CallError> {
        let view: View = || InWindow().into_any();
        Ok(view)
    }
}
