//! One file for each page.

pub(crate) mod account;
pub(crate) mod account_data;
pub(crate) mod activity;
pub(crate) mod configuration;
pub(crate) mod diagnose;
pub(crate) mod end_all_sessions;
pub(crate) mod home;
pub(crate) mod lifetime;
pub(crate) mod not_found;
pub(crate) mod overview;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod token_view;

use crate::lazy_page::LoadPage;
use crate::texts::frame as text;

/// A page of the navigation.
pub(crate) struct Page {
    /// Its path.
    pub(crate) path: &'static str,
    /// Its title, in the navigation and above the page.
    pub(crate) title: fn() -> &'static str,
    /// Loads the page's code; `None` if it is part of the main bundle.
    pub(crate) load: Option<LoadPage>,
}

/// The pages of the navigation, in its order. All functions with the name `console` are one part of the bundle (see `pixygate::deferred!`):
/// they share so much code that separate parts would be many small files.
pub(crate) const PAGES: [Page; 7] = [
    OVERVIEW,
    Page {
        path: "/account",
        title: text::account,
        load: None,
    },
    SESSION,
    SERVICES,
    ACTIVITY,
    DIAGNOSE,
    CONFIGURATION,
];

/// The user, the services that the user may call, and the last calls.
pub(crate) const OVERVIEW: Page = Page {
    path: "/overview",
    title: text::overview,
    load: Some(|| Box::pin(overview::console())),
};

/// The session: tokens, checks, events.
pub(crate) const SESSION: Page = Page {
    path: "/session",
    title: text::session,
    load: Some(|| Box::pin(session::console())),
};

/// A token or a denied call, explained.
pub(crate) const DIAGNOSE: Page = Page {
    path: "/diagnose",
    title: text::diagnose,
    load: Some(|| Box::pin(diagnose::console())),
};

/// The configuration of the server.
pub(crate) const CONFIGURATION: Page = Page {
    path: "/configuration",
    title: text::configuration,
    load: Some(|| Box::pin(configuration::console())),
};

/// The services: their routes, and the requirements of each.
pub(crate) const SERVICES: Page = Page {
    path: "/services",
    title: text::services,
    load: Some(|| Box::pin(services::services_page())),
};

/// The activity: the recorded calls.
pub(crate) const ACTIVITY: Page = Page {
    path: "/activity",
    title: text::activity,
    load: Some(|| Box::pin(activity::activity_page())),
};
