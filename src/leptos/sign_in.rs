//! Components for signing in and out, and the two pages that a sign-in passes through.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::any_nested_route::{AnyNestedRoute, IntoAnyNestedRoute as _};
use leptos_router::components::Route;
use leptos_router::hooks::{use_location, use_navigate};
use leptos_router::path;

use crate::authorization::{ReturnTo, SignIn};
use crate::session::{AuthState, SessionError, SignInFailure};

use super::current::{self, CALLBACK_PATH, SIGN_IN_PATH, return_to_of};
use super::{Texts, use_auth};

/// A view of a failed sign-in.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{AuthProvider, SignInButton, SignInFailed};
/// use pixygate::session::SignInFailure;
///
/// fn failed(failure: SignInFailure) -> impl IntoView {
///     view! {
///         <p role="alert">{failure.to_string()}</p>
///         <SignInButton return_to=failure.return_to />
///     }
/// }
///
/// #[component]
/// fn App() -> impl IntoView {
///     view! { <AuthProvider sign_in_failed=SignInFailed::new(failed)>"…"</AuthProvider> }
/// }
/// # let _ = App;
/// ```
#[derive(Clone)]
pub struct SignInFailed(Arc<dyn Fn(SignInFailure) -> AnyView + Send + Sync>);

impl SignInFailed {
    /// Shows what `view` returns.
    pub fn new<V: IntoView + 'static>(view: impl Fn(SignInFailure) -> V + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |failure| view(failure).into_any()))
    }
}

impl std::fmt::Debug for SignInFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInFailed").finish_non_exhaustive()
    }
}

/// The views of an application that the components of the library show. Each has a plain default.
#[derive(Clone)]
pub(super) struct Views {
    pub(super) loading: ViewFn,
    pub(super) signed_out: ViewFn,
    pub(super) signing_in: ViewFn,
    pub(super) sign_in_failed: SignInFailed,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            loading: (|| view! { <p role="status">"One moment…"</p> }).into(),
            signed_out: (|| {
                view! {
                    <p>"Sign in to see this page."</p>
                    <SignInButton />
                }
            })
            .into(),
            signing_in: (|| view! { <p role="status">"Signing in…"</p> }).into(),
            sign_in_failed: SignInFailed::new(|SignInFailure { error, return_to }| {
                let (title, text) = Texts::current().sign_in(&error);
                view! {
                    <div role="alert">
                        <h1>{title}</h1>
                        <p>{text}</p>
                    </div>
                    <SignInButton return_to />
                }
            }),
        }
    }
}

impl Views {
    /// Returns the views of the [`AuthProvider`](super::AuthProvider) above, or the defaults in a test without one.
    pub(super) fn here() -> Self {
        use_context().unwrap_or_default()
    }
}

/// A link to the sign-in page, shown unless a user is signed in. Once the page is hydrated a click begins the sign-in at once, without
/// loading a page. Afterwards the user is back on the page of the button, or at `return_to`.
///
/// ```
/// use leptos::prelude::*;
/// use leptos_router::components::Router;
/// use pixygate::leptos::{AuthProvider, SignInButton, SignOutButton};
///
/// #[component]
/// fn App() -> impl IntoView {
///     view! {
///         <AuthProvider>
///             <Router>
///                 <header>
///                     <SignInButton />
///                     <SignOutButton />
///                 </header>
///             </Router>
///         </AuthProvider>
///     }
/// }
/// # let _ = App;
/// ```
#[component]
pub fn SignInButton(
    /// The `class` of the link.
    #[prop(optional, into)]
    class: MaybeProp<String>,
    /// The page to return to. The default is this page.
    #[prop(optional, into)]
    return_to: Option<ReturnTo>,
    /// The text of the link. The default is “Sign in”.
    #[prop(optional)]
    children: Option<ChildrenFn>,
) -> impl IntoView {
    let auth = use_auth();
    let location = use_location();
    // The server does not know it, so the first render is without.
    let fragment = RwSignal::new(String::new());
    Effect::new(move || fragment.set(location.hash.get()));
    let here = move || match location.pathname.get().as_str() {
        // Their queries are useless to other pages, and that of the callback contains the code.
        CALLBACK_PATH | SIGN_IN_PATH => ReturnTo::default(),
        path => {
            let search = location.search.get();
            let mark = if search.is_empty() { "" } else { "?" };
            ReturnTo::parse(&format!("{path}{mark}{search}{}", fragment.get())).unwrap_or_default()
        }
    };
    let return_to = Memo::new(move |_| return_to.clone().unwrap_or_else(here));
    let href = move || return_to.with(|path| format!("{SIGN_IN_PATH}?return_to={}", path.to_query_value()));
    let busy = RwSignal::new(false);
    let begin = move |event: leptos::ev::MouseEvent| {
        let another_window = event.ctrl_key() || event.shift_key() || event.meta_key() || event.alt_key();
        if another_window || event.button() != 0 {
            return;
        }
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let options = SignIn {
            return_to: Some(return_to.get_untracked()),
            ..SignIn::default()
        };
        let page = href();
        spawn_local(async move {
            match auth.sign_in(options).await {
                // The user has stopped the browser and stays on this page.
                Ok(()) | Err(SessionError::NavigationPending) => {}
                // The sign-in page tries again and explains what is wrong.
                Err(_) => drop(window().location().assign(&page)),
            }
            // The component may be gone.
            busy.try_set(false);
        });
    };
    let state = auth.state();
    let hidden = move || !state.with(|state| matches!(state, AuthState::Unknown | AuthState::SignedOut(_)));
    let text = move || match &children {
        Some(children) => children().into_any(),
        None => "Sign in".into_any(),
    };
    view! {
        <a
            href=href
            class=move || class.get()
            rel="external nofollow"
            hidden=hidden
            aria-busy=move || busy.get().then_some("true")
            on:pointerenter=move |_| current::prepare_sign_in()
            on:focus=move |_| current::prepare_sign_in()
            on:click=begin
        >
            {move || text()}
        </a>
    }
}

/// A button that signs out here, in all tabs and at the provider. It is shown while a user is signed in.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::SignOutButton;
///
/// # #[component]
/// # fn Page() -> impl IntoView {
/// view! { <SignOutButton>"Leave"</SignOutButton> }
/// # }
/// # use pixygate::leptos::{MockAuth, MockUser};
/// # let owner = Owner::new();
/// # owner.set();
/// # MockAuth::provide().sign_in(MockUser::new("alice"));
/// # assert!(view! { <Page /> }.to_html().contains("Leave"));
/// ```
#[component]
pub fn SignOutButton(
    /// The `class` of the button.
    #[prop(optional, into)]
    class: MaybeProp<String>,
    /// The text of the button. The default is “Sign out”.
    #[prop(optional)]
    children: Option<ChildrenFn>,
) -> impl IntoView {
    let auth = use_auth();
    let state = auth.state();
    let leave = move |_| spawn_local(async move { drop(auth.sign_out().await) });
    let text = move || match &children {
        Some(children) => children().into_any(),
        None => "Sign out".into_any(),
    };
    view! {
        <button
            type="button"
            class=move || class.get()
            hidden=move || state.with(|state| state.signed_in().is_none())
            on:click=leave
        >
            {move || text()}
        </button>
    }
}

/// The routes `/sign-in` and `/callback`. They show the views that [`AuthProvider`](super::AuthProvider) was given.
///
/// ```
/// use leptos::prelude::*;
/// use leptos_router::components::{FlatRoutes, Router};
/// use leptos_router::path;
/// use pixygate::leptos::{AuthProvider, ProtectedRoute, SignInRoutes, use_signed_in};
///
/// #[component]
/// fn Orders() -> impl IntoView {
///     view! { <h1>"The orders of " {use_signed_in().name().to_owned()}</h1> }
/// }
///
/// #[component]
/// fn App() -> impl IntoView {
///     view! {
///         <AuthProvider>
///             <Router>
///                 <FlatRoutes fallback=|| "Not found">
///                     <SignInRoutes />
///                     <ProtectedRoute path=path!("orders") view=Orders />
///                 </FlatRoutes>
///             </Router>
///         </AuthProvider>
///     }
/// }
/// # let _ = App;
/// ```
#[component(transparent)]
pub fn SignInRoutes() -> AnyNestedRoute {
    view! {
        <Route path=path!("sign-in") view=SignInPage />
        <Route path=path!("callback") view=CallbackPage />
    }
    .into_inner()
    .into_any_nested_route()
}

/// Leaves for the provider as soon as possible. If a user is signed in, it navigates to the page to return to.
#[component]
fn SignInPage() -> impl IntoView {
    let auth = use_auth();
    let navigate = use_navigate();
    let search = use_location().search;
    let failure = RwSignal::new(None::<SignInFailure>);
    let begun = StoredValue::new(false);
    Effect::new(move || match auth.state().get() {
        AuthState::Unknown | AuthState::SigningOut => {}
        AuthState::SignedIn(_) => navigate(return_to_of(&search.get_untracked()).as_str(), replacing()),
        AuthState::SignedOut(_) if begun.get_value() => {}
        AuthState::SignedOut(_) => {
            begun.set_value(true);
            let return_to = return_to_of(&search.get_untracked());
            spawn_local(async move {
                if let Err(error) = current::sign_in_of_page(auth, return_to.clone()).await {
                    // The page may be gone.
                    failure.try_set(Some(SignInFailure { error, return_to }));
                }
            });
        }
    });
    view! { <Progress failure /> }
}

/// Completes the sign-in and navigates to the page to return to.
#[component]
fn CallbackPage() -> impl IntoView {
    let auth = use_auth();
    let failure = RwSignal::new(None);
    let navigate = use_navigate();
    Effect::new(move || {
        let navigate = navigate.clone();
        spawn_local(async move {
            match auth.complete_sign_in().await {
                Ok(landing) => navigate(landing.return_to.as_str(), replacing()),
                Err(error) => drop(failure.try_set(Some(error))),
            }
        });
    });
    view! { <Progress failure /> }
}

#[component]
fn Progress(failure: RwSignal<Option<SignInFailure>>) -> impl IntoView {
    let views = Views::here();
    view! {
        {move || match failure.get() {
            None => views.signing_in.run(),
            Some(failure) => (views.sign_in_failed.0)(failure),
        }}
    }
}

/// Returns the options of a navigation that replaces this page in the history.
fn replacing() -> NavigateOptions {
    NavigateOptions {
        replace: true,
        ..NavigateOptions::default()
    }
}
