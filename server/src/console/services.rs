//! The routes that can be called, their requirements, and whether a caller meets them.

use std::time::SystemTime;

use app::api::{Requirement, RequirementKind, Service, ServiceRoute};
use pixygate::gate::Policies;
use pixygate::gate::policy::{self, Route};
use pixygate::jwt::Principal;

use crate::upstream::{Target, Upstreams};

/// Every upstream with its routes, and this server's own functions after them.
pub(super) fn all(
    policies: &Policies,
    upstreams: &Upstreams,
    caller: &Principal,
    is_administrator: bool,
) -> Vec<Service> {
    let now = SystemTime::now();
    let upstreams = upstreams.all();
    let of_upstream = upstreams.iter().map(|routed| {
        let settings = routed.upstream.settings();
        let routes = policies.routes().iter().filter_map(|route| {
            let target = route.target::<Target>()?;
            let is_own = target.routed.upstream.settings().name == settings.name;
            is_own.then(|| service_route(route, &target.route().description, caller, now))
        });
        Service {
            name: settings.name.clone(),
            prefix: settings.prefix.clone(),
            description: String::new(),
            upstream: true,
            routes: routes.collect(),
        }
    });
    let own = policies
        .routes()
        .iter()
        .filter(|route| route.target::<Target>().is_none());
    let own = own.map(|route| {
        let path = route.pattern.to_string();
        let mut shown = service_route(route, app::api::description(&path), caller, now);
        if app::api::is_for_administrators(&path) {
            shown.requirements.push(administrator(is_administrator));
        }
        shown
    });
    let own = Service {
        name: "pixygate".to_owned(),
        prefix: "/api".to_owned(),
        description: "The functions of this console".to_owned(),
        upstream: false,
        routes: own.collect(),
    };
    of_upstream.chain([own]).collect()
}

fn service_route(route: &Route, description: &str, caller: &Principal, now: SystemTime) -> ServiceRoute {
    let required = route.policy.requirements();
    ServiceRoute {
        methods: route.methods.to_string(),
        path: route.pattern.to_string(),
        description: description.to_owned(),
        public: route.policy.is_public(),
        requirements: required
            .iter()
            .map(|one| requirement(one, one.is_met(caller, now)))
            .collect(),
        rate: route.policy.rate().map(|rate| rate.to_string()),
    }
}

fn administrator(met: bool) -> Requirement {
    Requirement {
        kind: RequirementKind::Administrator,
        values: Vec::new(),
        text: "administrator".to_owned(),
        met,
        how: how(
            met,
            "Give the user a role of console.admin_roles at the provider, or name a role that they have there.",
        ),
    }
}

fn how(met: bool, text: impl Into<String>) -> String {
    if met { String::new() } else { text.into() }
}

/// A requirement as the pages show it.
pub(super) fn requirement(required: &policy::Requirement, met: bool) -> Requirement {
    use policy::Requirement as Of;
    let one = |value: &str| vec![value.to_owned()];
    let (kind, values, advice) = match required {
        Of::Scope(scope) => (
            RequirementKind::Scope,
            one(scope),
            format!("Name {scope} under provider.scopes, grant it to the user at the provider, and sign in again."),
        ),
        Of::AnyScope(scopes) => (
            RequirementKind::AnyScope,
            scopes.clone(),
            format!(
                "Name one of {} under provider.scopes, grant it to the user at the provider, and sign in again.",
                scopes.join(", ")
            ),
        ),
        Of::Role(role) => (
            RequirementKind::Role,
            one(role),
            format!("Give the user the role {role} at the provider, and sign in again."),
        ),
        Of::AnyRole(roles) => (
            RequirementKind::AnyRole,
            roles.clone(),
            format!(
                "Give the user one of the roles {} at the provider, and sign in again.",
                roles.join(", ")
            ),
        ),
        Of::Acr(acr) => (
            RequirementKind::Acr,
            acr.clone(),
            format!("Sign in with {}: the call asks for it by itself.", acr.join(" or ")),
        ),
        Of::MaxAge(age) => (
            RequirementKind::MaxAge,
            one(&age.as_secs().to_string()),
            "Sign in again: the call asks for it by itself.".to_owned(),
        ),
        Of::Claim(name, values) => (
            RequirementKind::Claim,
            [name.clone()]
                .into_iter()
                .chain(values.iter().map(ToString::to_string))
                .collect(),
            format!("Let the provider put {name} with that value into the user's access tokens."),
        ),
        Of::Dpop => (
            RequirementKind::Dpop,
            Vec::new(),
            "Sign in with DPoP (provider.dpop = \"required\").".to_owned(),
        ),
        // A kind that a later version of the library has is shown by its text.
        _ => (RequirementKind::SignedIn, Vec::new(), "Sign in.".to_owned()),
    };
    Requirement {
        kind,
        values,
        text: required.to_string(),
        met,
        how: how(met, advice),
    }
}
