//! The library and the application neither name a provider nor treat one differently.

use std::{fs, path::Path};

const PROVIDERS: [&str; 12] = [
    "asgardeo",
    "auth0",
    "zitadel",
    "entra",
    "microsoftonline",
    "keycloak",
    "okta",
    "azure",
    "canaille",
    "lemonldap",
    "cognito",
    "google",
];

/// Hints that name a setting of a provider, the sources of nonstandard claims, and the trust whose issuer is a
/// template of tenants.
const KNOWN: [(&str, &str); 9] = [
    ("src/jwt/token/claims.rs", "keycloak"),
    ("src/jwt/token/compact.rs", "asgardeo"),
    ("src/jwt/token/compact.rs", "auth0"),
    ("src/jwt/token/compact.rs", "entra"),
    ("src/jwt/token/compact.rs", "zitadel"),
    ("src/jwt/token/kind.rs", "cognito"),
    ("src/jwt/token/kind.rs", "keycloak"),
    ("src/jwt/trust/mod.rs", "entra"),
    ("src/jwt/trust/mod.rs", "microsoftonline"),
];

/// Returns the names in a text, as whole words: "central" is none.
fn named(text: &str) -> impl Iterator<Item = &'static str> {
    let text = text.to_lowercase();
    PROVIDERS.into_iter().filter(move |name| {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == *name)
    })
}

fn look(folder: &Path, found: &mut Vec<(String, &'static str)>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("test_support/profiles") {
            // Test data.
        } else if path.is_dir() {
            look(&path, found);
        } else {
            let place = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.extend(named(&text).map(|name| (place.clone(), name)));
        }
    }
}

#[test]
fn providers_are_named_in_hints_only() {
    assert_eq!(
        named("// as Okta, and Entra-ID, do").collect::<Vec<_>>(),
        ["entra", "okta"]
    );
    assert_eq!(named("a central entrance").count(), 0);
    let mut found = Vec::new();
    for folder in ["src", "app/src"] {
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found.sort();
    let known = KNOWN.map(|(place, name)| (place.to_owned(), name));
    assert_eq!(found, known);
}
