use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;
use pixygate::prelude::*;

#[component]
pub fn App() -> impl IntoView {
    view! {
        <AuthProvider>
            <Router>
                <nav><a href="/">"Shop"</a> " " <a href="/orders">"Orders"</a> " " <SignInButton /> <SignOutButton /></nav>
                <FlatRoutes fallback=|| "Not found">
                    <Route path=path!("") view=|| view! { <h1>"The shop"</h1> } />
                    <SignInRoutes />
                    <ProtectedRoute path=path!("orders") view=Orders />
                </FlatRoutes>
            </Router>
        </AuthProvider>
    }
}

#[component]
fn Orders() -> impl IntoView {
    let list = LocalResource::new(orders);
    let text = move || {
        list.get()
            .map(|list| list.map_or_else(|error| error.to_string(), |list| list.join(", ")))
    };
    view! { <h1>"Orders of " {use_signed_in().name().to_owned()}</h1> <p>{text}</p> }
}

#[server(name = ListOrders, prefix = "/api", endpoint = "orders", client = GateClient)]
pub async fn orders() -> Result<Vec<String>, CallError> {
    let caller = pixygate::leptos::principal_with_scope("profile").await?;
    Ok(vec![format!("the first order of {}", caller.subject())])
}

#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    pixygate::leptos::start(|| leptos::mount::hydrate_body(App));
}
