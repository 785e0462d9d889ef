//! The defaults: a demonstration that works without configuration.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Client, Config, Lifetimes, Organization, Shape, StateFile, Tenant, User};
use crate::jose::Algorithm;

impl Default for Config {
    fn default() -> Self {
        let plain = Tenant {
            name: "plain".to_owned(),
            shape: Shape::Plain,
            ..Tenant::default()
        };
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            state: StateFile::Auto,
            tenants: vec![Tenant::default(), plain],
        }
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            name: "demo".to_owned(),
            shape: Shape::Asgardeo,
            signing_algorithm: Algorithm::Rs256,
            organizations: vec![
                organization("10084a8d-113f-4211-a0d5-efe36b082211", "Demo", "demo"),
                organization("72fd1f2e-9b3e-4f0b-9c5a-0d6a4f4b7a10", "Branch", "branch"),
            ],
            scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
            lifetimes: Lifetimes::default(),
            clients: vec![application(), resource_server()],
            users: vec![
                user(
                    "alice",
                    "Alice",
                    &["staff"],
                    &["orders:read"],
                    "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
                ),
                user("bob", "Bob", &["guests"], &[], "KRUGKIDROVUWG2ZAMJZG653OEBTG66BA"),
                user(
                    "admin",
                    "Ada",
                    &["staff", "admins"],
                    &["orders:read", "orders:write"],
                    "NB2W45DFOIZA2IDSMVQWIZLSEB3WS3TH",
                ),
            ],
        }
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            code: 60,
            access_token: 3600,
            id_token: 3600,
            refresh_token: 86_400,
            session: 86_400,
            pushed_request: 60,
            interaction: 1800,
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            secret: String::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            origins: Vec::new(),
            backchannel_logout_uri: String::new(),
            audience: Vec::new(),
            consent: false,
            opaque_access_tokens: false,
            refresh_tokens: true,
            dpop_required: false,
            par_required: false,
        }
    }
}

fn application() -> Client {
    let origins = ["http://localhost:3000", "http://127.0.0.1:3000"];
    Client {
        id: "pixygate".to_owned(),
        name: "Pixygate".to_owned(),
        redirect_uris: origins.iter().map(|origin| format!("{origin}/callback")).collect(),
        post_logout_redirect_uris: origins.iter().map(|origin| format!("{origin}/")).collect(),
        origins: origins.map(str::to_owned).to_vec(),
        backchannel_logout_uri: "http://127.0.0.1:3000/backchannel-logout".to_owned(),
        ..Client::default()
    }
}

/// A resource server for introspection: it has a secret, and no user signs in through it.
fn resource_server() -> Client {
    Client {
        id: "resource-server".to_owned(),
        name: "Resource server".to_owned(),
        secret: "resource-server".to_owned(),
        ..Client::default()
    }
}

fn organization(id: &str, name: &str, handle: &str) -> Organization {
    Organization {
        id: id.to_owned(),
        name: name.to_owned(),
        handle: handle.to_owned(),
    }
}

fn user(username: &str, given_name: &str, groups: &[&str], scopes: &[&str], totp_secret: &str) -> User {
    User {
        username: username.to_owned(),
        password: username.to_owned(),
        sub: String::new(),
        given_name: given_name.to_owned(),
        family_name: "Example".to_owned(),
        email: format!("{username}@example.com"),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        totp_secret: totp_secret.to_owned(),
    }
}
