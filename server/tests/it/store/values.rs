//! Values that nodes agree on: keys.

use std::time::Duration;

use server::backend_token::{KeyStorage, Keys, Rotation, Seal, SigningAlgorithm, StorageError};
use server::store::Value;

use super::{Engine, on_both};

on_both!(
    of_nodes_that_write_at_once_one_does,
    a_shared_key_is_the_same_on_every_node,
    nodes_sign_with_the_same_sealed_keys,
);

async fn of_nodes_that_write_at_once_one_does(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let value = |version, content: &str| Value {
        version,
        content: content.into(),
    };
    assert_eq!(one.value("a").await.unwrap(), None);
    assert!(one.replace_value("a", value(0, "first")).await.unwrap());
    assert!(!other.replace_value("a", value(0, "late")).await.unwrap());
    assert_eq!(other.value("a").await.unwrap(), Some(value(1, "first")));
    assert!(other.replace_value("a", value(1, "second")).await.unwrap());
    assert!(!one.replace_value("a", value(1, "late")).await.unwrap());
    assert_eq!(one.value("a").await.unwrap(), Some(value(2, "second")));
    assert_eq!(one.value("b").await.unwrap(), None);
}

async fn a_shared_key_is_the_same_on_every_node(engine: &Engine) {
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = engine.open().await;
        nodes.spawn(async move { store.shared_key("a").await.unwrap() });
    }
    let keys = nodes.join_all().await;
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_ne!(engine.open().await.shared_key("b").await.unwrap(), keys[0]);
}

async fn nodes_sign_with_the_same_sealed_keys(engine: &Engine) {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, format!("{name}-0123456789abcdef0123456789abcdef")).unwrap();
        Seal::read(&file).unwrap()
    };
    let rotation = Rotation {
        algorithm: SigningAlgorithm::ES256,
        every: Duration::from_secs(86_400),
    };
    let open = async |name: &str| {
        let storage = KeyStorage::Store(engine.open().await, secret(name));
        Keys::open(storage, rotation).await
    };
    let one = open("one").await.unwrap().jwks();
    assert_eq!(one["keys"].as_array().unwrap().len(), 1);
    assert_eq!(open("one").await.unwrap().jwks(), one);
    assert!(matches!(open("other").await.err(), Some(StorageError::Sealed)));
    let stored = engine.open().await.value("backend_jwt.keys").await.unwrap().unwrap();
    let id = one["keys"][0]["kid"].as_str().unwrap();
    assert!(!String::from_utf8_lossy(&stored.content).contains(id), "sealed");
}
