//! Views for signed-in users.

use leptos::prelude::*;
use leptos::reactive::graph::Observer;
use leptos_router::PossibleRouteMatch;
use leptos_router::any_nested_route::{AnyNestedRoute, IntoAnyNestedRoute as _};
use leptos_router::components::{Route, RouteProps};

use crate::session::{AuthState, SignOutReason, SignedIn};

use super::sign_in::Views;
use super::use_auth;

/// The user below a guard, with current claims.
#[derive(Clone, Copy)]
struct Here(Memo<SignedIn>);

/// The view that a guard shows.
#[derive(Clone, PartialEq)]
enum Shown {
    Unknown,
    SignedOut,
    User(SignedIn),
}

/// Shows its children to a signed-in user. Below it [`use_signed_in`] returns that user, so that pages need no `Option`.
///
/// The guard decides what is shown; the gate decides what is allowed. The children stay when a token is refreshed. They are made anew for
/// another user or another organisation. When the provider ends the session they are hidden and stay, with everything typed into them,
/// until the same user is back. When the user signs out they are removed.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::{RequireSignedIn, use_signed_in};
///
/// #[component]
/// fn Page() -> impl IntoView {
///     view! {
///         <RequireSignedIn unknown=|| "One moment…" signed_out=|| "Please sign in.">
///             <Secret />
///         </RequireSignedIn>
///     }
/// }
///
/// #[component]
/// fn Secret() -> impl IntoView {
///     view! { <p>"Hello, " {use_signed_in().name().to_owned()}</p> }
/// }
/// ```
#[component]
pub fn RequireSignedIn(
    /// Shown until it is known whether a user is signed in. The default is that of [`AuthProvider`](super::AuthProvider).
    #[prop(optional, into)]
    unknown: Option<ViewFn>,
    /// Shown when no user is signed in. The default is that of [`AuthProvider`](super::AuthProvider).
    #[prop(optional, into)]
    signed_out: Option<ViewFn>,
    /// The protected part.
    children: ChildrenFn,
) -> impl IntoView {
    let views = Views::here();
    let (unknown, signed_out) = (unknown.unwrap_or(views.loading), signed_out.unwrap_or(views.signed_out));
    let state = use_auth().state();
    // Neither a new token of the same user nor the end of the session replaces the view.
    let shown = Memo::new_with_compare(
        move |before: Option<&Shown>| match (state.get(), before) {
            (AuthState::SignedOut(reason), Some(Shown::User(user)))
                if reason.as_ref().is_some_and(SignOutReason::may_keep_input) =>
            {
                Shown::User(user.clone())
            }
            (AuthState::Unknown | AuthState::SigningOut, _) => Shown::Unknown,
            (AuthState::SignedOut(_), _) => Shown::SignedOut,
            (AuthState::SignedIn(user), _) => Shown::User(user),
        },
        |before, now| match (before, now) {
            (Some(Shown::User(before)), Some(Shown::User(now))) => {
                (before.identity(), before.acting()) != (now.identity(), now.acting())
            }
            (before, now) => before != now,
        },
    );
    let covered = Memo::new(move |_| matches!(state.get(), AuthState::SignedOut(_)));
    let content = move || match shown.get() {
        Shown::Unknown => unknown.run(),
        Shown::SignedOut => signed_out.run(),
        Shown::User(user) => {
            provide_context(Here(Memo::new(move |before| {
                let now = state.with(|state| state.signed_in().cloned());
                // The page stays as it was until the same user is back.
                now.or_else(|| before.cloned()).unwrap_or_else(|| user.clone())
            })));
            let signed_out = signed_out.clone();
            view! {
                {move || covered.get().then(|| signed_out.run())}
                <div hidden=covered>{children()}</div>
            }
            .into_any()
        }
    };
    view! { {move || content()} }
}

/// Shows its children to a user who was granted a scope, below [`RequireSignedIn`].
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::RequireScope;
///
/// # #[component]
/// # fn Page() -> impl IntoView {
/// view! {
///     <RequireScope scope="orders:write" missing=|| "You may look, but not order.">
///         <button>"Order"</button>
///     </RequireScope>
/// }
/// # }
/// ```
#[component]
pub fn RequireScope(
    /// The scope.
    #[prop(into)]
    scope: String,
    /// Shown to a user who was not granted it.
    #[prop(into)]
    missing: ViewFn,
    /// The part that needs it.
    children: ChildrenFn,
) -> impl IntoView {
    let state = use_auth().state();
    let granted = Memo::new(move |before: Option<&bool>| state.with(|state| shows(state, &scope, before.copied())));
    view! {
        {move || match granted.get() {
            true => children().into_any(),
            false => missing.run(),
        }}
    }
}

/// Returns whether to show the page. After the end of the session, a page that was shown stays with the user's input.
fn shows(state: &AuthState, scope: &str, before: Option<bool>) -> bool {
    match state {
        AuthState::SignedIn(user) => user.has_scope(scope),
        AuthState::SignedOut(Some(reason)) if reason.may_keep_input() => before.unwrap_or_default(),
        _ => false,
    }
}

/// A route whose view only a signed-in user sees, behind [`RequireSignedIn`].
///
/// ```
/// use leptos::prelude::*;
/// use leptos_router::components::{FlatRoutes, Router};
/// use leptos_router::path;
/// use pixygate::leptos::{AuthProvider, ProtectedRoute, use_signed_in};
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
///                     <ProtectedRoute path=path!("orders") view=Orders />
///                 </FlatRoutes>
///             </Router>
///         </AuthProvider>
///     }
/// }
/// # let _ = App;
/// ```
#[component(transparent)]
pub fn ProtectedRoute<Segments, View, V>(
    /// The path, as for [`Route`].
    path: Segments,
    /// The view for a signed-in user. Below it [`use_signed_in`] returns that user.
    view: View,
    /// Shown until it is known whether a user is signed in. The default is that of [`AuthProvider`](super::AuthProvider).
    #[prop(optional, into)]
    unknown: Option<ViewFn>,
    /// Shown when no user is signed in. The default is that of [`AuthProvider`](super::AuthProvider).
    #[prop(optional, into)]
    signed_out: Option<ViewFn>,
) -> AnyNestedRoute
where
    Segments: PossibleRouteMatch + Clone + Send + Sync + 'static,
    View: Fn() -> V + Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let guarded = move || {
        let view = view.clone();
        let views = Views::here();
        let unknown = unknown.clone().unwrap_or(views.loading);
        let signed_out = signed_out.clone().unwrap_or(views.signed_out);
        view! { <RequireSignedIn unknown signed_out>{view()}</RequireSignedIn> }.into_any()
    };
    Route(RouteProps::builder().path(path).view(guarded).build()).into_any_nested_route()
}

/// Returns the user below [`RequireSignedIn`], with current claims and scopes. In a view or an effect it is tracked; in the body of a
/// component it is read once.
///
/// ```
/// use leptos::prelude::*;
/// use pixygate::leptos::use_signed_in;
///
/// #[component]
/// fn Groups() -> impl IntoView {
///     #[derive(serde::Deserialize)]
///     struct Work {
///         #[serde(default)]
///         groups: Vec<String>,
///     }
///
///     // Asked for in the view: a refresh may bring other groups.
///     view! { <p>{move || use_signed_in().extra::<Work>().map(|work| work.groups.join(", ")).ok()}</p> }
/// }
/// # use pixygate::leptos::{MockAuth, MockUser, RequireSignedIn};
/// # let owner = Owner::new();
/// # owner.set();
/// # MockAuth::provide().sign_in(MockUser::new("alice").claim("groups", vec!["editors", "buyers"]));
/// # let page = view! { <RequireSignedIn unknown=|| () signed_out=|| ()><Groups /></RequireSignedIn> };
/// # assert!(page.to_html().contains("editors, buyers"));
/// ```
///
/// # Panics
/// Outside of a [`RequireSignedIn`].
#[expect(
    clippy::expect_used,
    reason = "a component outside of its guard is a mistake in the program"
)]
pub fn use_signed_in() -> SignedIn {
    let Here(user) = use_context().expect("use_signed_in() is called outside of <RequireSignedIn>");
    // In the body of a component nothing is tracked, and Leptos would warn.
    match Observer::get() {
        Some(_) => user.get(),
        None => user.get_untracked(),
    }
}

#[cfg(all(test, feature = "mock"))]
mod tests {
    use super::*;
    use crate::leptos::{MockAuth, MockUser};

    #[test]
    fn when_the_provider_ends_the_session_what_needs_a_scope_stays() {
        let ended = |reason: &SignOutReason| AuthState::SignedOut(Some(reason.clone()));
        for reason in [
            SignOutReason::EndedByProvider,
            SignOutReason::Expired,
            SignOutReason::RefreshRejected(String::new()),
        ] {
            let reason = &reason;
            assert!(shows(&ended(reason), "orders", Some(true)));
            assert!(!shows(&ended(reason), "orders", Some(false)));
            assert!(!shows(&ended(reason), "orders", None));
        }
        for reason in [SignOutReason::SignedOut, SignOutReason::Idle] {
            assert!(!shows(&ended(&reason), "orders", Some(true)));
        }
        let owner = Owner::new();
        owner.set();
        MockAuth::provide().sign_in(MockUser::new("alice").scope("orders"));
        let alice = use_auth().state().get_untracked();
        assert!(shows(&alice, "orders", Some(false)));
        assert!(
            !shows(&alice, "refunds", Some(true)),
            "who is back without it does not see it"
        );
    }
}
