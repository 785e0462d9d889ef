//! The session in the component tree.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leptos::prelude::*;

use crate::session::browser::window;
use crate::session::{AuthState, Event};

use super::sign_in::{SignInFailed, Views};
use super::{client_data, current, fetch, mock};

type Listener = Rc<dyn Fn(&Event)>;

thread_local! {
    static AUTH: Cell<Option<Auth>> = const { Cell::new(None) };
    static LISTENERS: RefCell<Vec<(u32, Listener)>> = const { RefCell::new(Vec::new()) };
    static NEXT_LISTENER: Cell<u32> = const { Cell::new(0) };
}

/// Returns the context of this page, for code outside of the reactive context.
pub(super) fn auth() -> Option<Auth> {
    AUTH.get()
}

/// The session in the component tree: its state as signals, and methods to sign in and out.
///
/// ```
/// use leptos::prelude::*;
/// use leptos::task::spawn_local;
/// use pixygate::leptos::use_auth;
///
/// #[component]
/// fn Greeting() -> impl IntoView {
///     let auth = use_auth();
///     let name = move || auth.state().with(|state| state.signed_in().map(|user| user.name().to_owned()));
///     let leave = move |_| spawn_local(async move { drop(auth.sign_out().await) });
///     view! {
///         <p>{name}</p>
///         <button on:click=leave>"Sign out"</button>
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Auth {
    state: RwSignal<AuthState>,
    idle: RwSignal<Option<u32>>,
    kept: RwSignal<bool>,
    expected_name: RwSignal<Option<String>>,
}

/// Opens the session for the components below. It belongs at the root, around the router; the server's shell needs
/// [`ClientData`](super::ClientData).
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::AuthProvider;
///
/// #[component]
/// fn App() -> impl IntoView {
///     view! {
///         <AuthProvider>
///             <p>"Everything below knows who is signed in."</p>
///         </AuthProvider>
///     }
/// }
/// ```
#[component]
pub fn AuthProvider(
    /// Opens a window for the sign-ins that calls ask for, where the browser allows it, instead of leaving the page.
    #[prop(optional)]
    step_up_in_popup: bool,
    /// Shown in the place of a protected view until it is known whether a user is signed in. The server always shows it.
    #[prop(optional, into)]
    loading: Option<ViewFn>,
    /// Shown in the place of a protected view when no user is signed in.
    #[prop(optional, into)]
    signed_out: Option<ViewFn>,
    /// Shown by the pages that a sign-in passes through.
    #[prop(optional, into)]
    signing_in: Option<ViewFn>,
    /// Shown by those pages when the sign-in failed.
    #[prop(optional)]
    sign_in_failed: Option<SignInFailed>,
    /// The application.
    children: Children,
) -> impl IntoView {
    let auth = Auth::provide(AuthState::Unknown);
    let Views {
        loading: default_loading,
        signed_out: default_signed_out,
        signing_in: default_signing_in,
        sign_in_failed: default_failed,
    } = Views::default();
    provide_context(Views {
        loading: loading.unwrap_or(default_loading),
        signed_out: signed_out.unwrap_or(default_signed_out),
        signing_in: signing_in.unwrap_or(default_signing_in),
        sign_in_failed: sign_in_failed.unwrap_or(default_failed),
    });
    // Effects run in the browser only, and only after hydration.
    Effect::new(move || {
        fetch::step_up_in_popup(step_up_in_popup);
        AUTH.set(Some(auth));
        current::show(auth);
    });
    children()
}

/// The session that [`AuthProvider`] opened.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::use_auth;
/// use pixygate::session::AuthState;
///
/// #[component]
/// fn Status() -> impl IntoView {
///     let state = use_auth().state();
///     move || match state.get() {
///         AuthState::Unknown | AuthState::SigningOut => "One moment…".to_owned(),
///         AuthState::SignedOut(_) => "Please sign in".to_owned(),
///         AuthState::SignedIn(user) => format!("Hello, {}", user.name()),
///     }
/// }
/// # use pixygate::leptos::{AuthProvider, MockAuth, MockUser};
/// # let owner = Owner::new();
/// # owner.set();
/// # assert!(view! { <AuthProvider><Status /></AuthProvider> }.to_html().contains("One moment"));
/// # MockAuth::provide().sign_in(MockUser::new("alice"));
/// # assert!(view! { <Status /> }.to_html().contains("Hello, alice"));
/// ```
///
/// # Panics
/// Outside of an [`AuthProvider`].
#[expect(
    clippy::expect_used,
    reason = "a component outside of its provider is a mistake in the program"
)]
pub fn use_auth() -> Auth {
    use_context().expect("use_auth() is called outside of <AuthProvider>")
}

impl Auth {
    pub(super) fn provide(state: AuthState) -> Self {
        let auth = Self {
            state: RwSignal::new(state),
            idle: RwSignal::new(None),
            kept: RwSignal::new(true),
            expected_name: RwSignal::new(client_data::expected_name()),
        };
        provide_context(auth);
        auth
    }

    pub(super) fn notify(self, event: &Event) {
        match event {
            Event::Changed(state) => self.set_state(state.clone()),
            Event::Idle(seconds) => self.idle.set(*seconds),
            Event::NotStored => self.set_kept(false),
            Event::Stored => self.set_kept(true),
            Event::HeaderNotExposed { origin, header } => leptos::logging::warn!(
                "{origin} hides the `{header}` of its 401: it must answer Access-Control-Expose-Headers: WWW-Authenticate, DPoP-Nonce"
            ),
            _ => {}
        }
        let listeners =
            LISTENERS.with_borrow(|all| all.iter().map(|(_, listener)| Rc::clone(listener)).collect::<Vec<_>>());
        for listener in listeners {
            listener(event);
        }
    }

    pub(super) fn set_kept(self, yes: bool) {
        self.kept.set(yes);
    }

    pub(super) fn set_state(self, state: AuthState) {
        // The components may have been removed, but the session continues.
        if self.state.try_with_untracked(|before| *before != state) == Some(true) {
            client_data::remember_name(&state, self.kept.get_untracked());
            self.expected_name.set(None);
            self.state.set(state);
        }
    }

    /// Returns the name of the user who was last signed in in this browser, until it is known whether that user still is. The name is not
    /// verified: show it only as a placeholder. It is available in the first render, also on the server.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use pixygate::leptos::use_auth;
    ///
    /// #[component]
    /// fn UserName() -> impl IntoView {
    ///     let auth = use_auth();
    ///     move || {
    ///         let known = auth.state().with(|state| state.signed_in().map(|user| user.name().to_owned()));
    ///         known.or_else(|| auth.expected_name().get())
    ///     }
    /// }
    /// # use pixygate::leptos::{MockAuth, MockUser};
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # MockAuth::provide().sign_in(MockUser::new("alice"));
    /// # assert!(view! { <p><UserName /></p> }.to_html().contains("alice"));
    /// ```
    pub fn expected_name(self) -> Signal<Option<String>> {
        self.expected_name.into()
    }

    /// Returns whether a user is signed in.
    pub fn state(self) -> Signal<AuthState> {
        self.state.into()
    }

    /// Returns the seconds until the session ends because it is idle, or `None` while the user is active. Show it as a countdown; any
    /// activity stops it.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use pixygate::leptos::use_auth;
    ///
    /// #[component]
    /// fn IdleWarning() -> impl IntoView {
    ///     let left = use_auth().idle_warning();
    ///     move || left.get().map(|seconds| view! { <p role="alert">"Still there? " {seconds} " s left"</p> })
    /// }
    /// # use pixygate::leptos::MockAuth;
    /// # use pixygate::session::Event;
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # let mock = MockAuth::provide();
    /// # assert!(!view! { <IdleWarning /> }.to_html().contains("Still there?"));
    /// # mock.emit(&Event::Idle(Some(60)));
    /// # assert!(view! { <IdleWarning /> }.to_html().contains("60"));
    /// ```
    pub fn idle_warning(self) -> Signal<Option<u32>> {
        self.idle.into()
    }

    /// Returns whether the session survives this tab. In a private window, or if storage is denied or full, it may not; tell the user.
    ///
    /// ```
    /// use leptos::prelude::*;
    /// use pixygate::leptos::use_auth;
    ///
    /// #[component]
    /// fn Notice() -> impl IntoView {
    ///     let kept = use_auth().is_stored();
    ///     move || (!kept.get()).then_some("When you close this tab you are signed out.")
    /// }
    /// # use pixygate::leptos::MockAuth;
    /// # use pixygate::session::Event;
    /// # let owner = Owner::new();
    /// # owner.set();
    /// # let mock = MockAuth::provide();
    /// # assert!(!view! { <Notice /> }.to_html().contains("close this tab"));
    /// # mock.emit(&Event::NotStored);
    /// # assert!(view! { <Notice /> }.to_html().contains("close this tab"));
    /// ```
    pub fn is_stored(self) -> Signal<bool> {
        self.kept.into()
    }

    /// Calls `listener` for each event, until the component that registered it is removed. On the server there are no events.
    ///
    /// ```
    /// use pixygate::leptos::use_auth;
    /// use pixygate::session::Event;
    ///
    /// # fn component() {
    /// use_auth().on(|event| {
    ///     if let Event::RefreshFailed(error) = event {
    ///         leptos::logging::warn!("{error}");
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on(self, listener: impl Fn(&Event) + 'static) {
        // A server's thread renders pages for many users.
        if window().is_none() && !mock::is_here() {
            return;
        }
        let id = NEXT_LISTENER.replace(NEXT_LISTENER.get() + 1);
        LISTENERS.with_borrow_mut(|all| all.push((id, Rc::new(listener))));
        on_cleanup(move || LISTENERS.with_borrow_mut(|all| all.retain(|(known, _)| *known != id)));
    }
}
