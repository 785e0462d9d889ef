//! The last metadata and keys of providers.

use std::time::{Duration, UNIX_EPOCH};

use pixygate::discovery::{DocumentStore as _, StoredDocument};
use server::documents::StoredDocuments;
use server::store::Document;

use super::{Engine, on_both, open};

const URL: &str = "https://idp.example/jwks";

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

on_both!(
    a_document_is_read_by_the_next_process,
    an_older_document_does_not_replace_a_later_one,
);

fn document(body: &str, fetched_at: u64) -> Document {
    Document {
        url: URL.to_owned(),
        body: body.into(),
        fetched_at,
    }
}

async fn a_document_is_read_by_the_next_process(engine: &Engine) {
    let (documents, task) = StoredDocuments::load(engine.open().await).await.unwrap();
    assert_eq!(documents.load(URL), None);
    let stored = StoredDocument {
        body: b"\0{}".to_vec(),
        fetched_at: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    };
    documents.store(URL, stored.clone());
    assert_eq!(documents.load(URL), Some(stored.clone()), "at once");
    let reader = engine.open().await;
    let written = async {
        while reader.documents().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    task.abort();
    let (next, task) = StoredDocuments::load(open(&engine.url()).await).await.unwrap();
    assert_eq!(next.load(URL), Some(stored));
    assert_eq!(next.load("https://other.example/jwks"), None);
    task.abort();
}

async fn an_older_document_does_not_replace_a_later_one(engine: &Engine) {
    let store = engine.open().await;
    for (body, fetched_at, expected) in [("a", 5, "a"), ("b", 7, "b"), ("c", 6, "b"), ("d", 7, "d")] {
        store.store_document(document(body, fetched_at)).await.unwrap();
        let [known] = &store.documents().await.unwrap()[..] else {
            panic!("one for each URL");
        };
        assert_eq!(known.body, expected.as_bytes(), "{body}");
    }
}
