//! Site files: found, versioned, compressed, and kept by browsers for the right time.

use std::fs;
use std::path::Path;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use server::site::{Candidates, Site, SiteError, find};
use tempfile::TempDir;

use crate::house;

fn load(folder: &TempDir, watched: bool) -> Site {
    Site::load(folder.path().to_owned(), watched).unwrap()
}

fn answer(site: &Site, uri: &str, headers: &[(http::HeaderName, &str)]) -> Option<http::Response<axum::body::Body>> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect();
    site.answer(&Method::GET, &uri.parse::<Uri>().unwrap(), &headers)
}

#[test]
fn the_address_with_the_hash_is_kept_for_good_and_any_other_is_asked_about() {
    let folder = house::site();
    let site = load(&folder, false);
    let files = site.front_end();
    for (uri, media_type) in [
        (&files.wasm, "application/wasm"),
        (&files.css, "text/css; charset=utf-8"),
    ] {
        let response = answer(&site, uri, &[]).unwrap();
        assert_eq!(
            response.headers()[CACHE_CONTROL],
            "public, max-age=31536000, immutable",
            "{uri}"
        );
        assert_eq!(response.headers()[CONTENT_TYPE], media_type);
    }
    assert_eq!(
        files.js, "/pkg/pixygate.js",
        "the parts of the front end import it under this name"
    );
    for uri in [
        "/pkg/pixygate.js",
        "/pkg/pixygate.js?v=",
        "/pkg/pixygate.js?v=another",
        "/favicon.svg",
    ] {
        let response = answer(&site, uri, &[]).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache", "{uri}");
        let tag = response.headers()[ETAG].to_str().unwrap().to_owned();
        let again = answer(&site, uri, &[(IF_NONE_MATCH, &tag)]).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let changed = answer(&site, uri, &[(IF_NONE_MATCH, "W/\"other\"")]).unwrap();
        assert_eq!(changed.status(), StatusCode::OK);
    }
}

#[test]
fn other_content_has_another_address() {
    let folder = house::site();
    let before = load(&folder, false).front_end();
    fs::write(folder.path().join("pkg/pixygate.css"), "body { color: white }").unwrap();
    let after = load(&folder, false).front_end();
    assert_ne!(before.css, after.css);
    assert_eq!(before.js, after.js);
}

#[test]
fn while_watched_nothing_is_kept_and_changes_show() {
    let folder = house::site();
    let site = load(&folder, true);
    let before = site.front_end();
    assert_eq!(
        answer(&site, &before.css, &[]).unwrap().headers()[CACHE_CONTROL],
        "no-store"
    );
    fs::write(folder.path().join("pkg/pixygate.css"), "body { color: red; margin: 0 }").unwrap();
    assert_ne!(site.front_end().css, before.css);
}

#[tokio::test]
async fn what_the_build_compressed_is_served_so() {
    let folder = house::site();
    fs::write(folder.path().join("pkg/pixygate.js.br"), "as brotli").unwrap();
    fs::write(folder.path().join("pkg/pixygate.js.gz"), "as gzip").unwrap();
    let site = load(&folder, false);
    for (accepted, encoding, content) in [
        ("gzip, br", Some("br"), "as brotli"),
        ("gzip", Some("gzip"), "as gzip"),
        ("br;q=0, gzip", Some("gzip"), "as gzip"),
        ("identity", None, "export default function start() {}"),
    ] {
        let response = answer(&site, "/pkg/pixygate.js", &[(http::header::ACCEPT_ENCODING, accepted)]).unwrap();
        let found = response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, encoding, "{accepted}");
        assert_eq!(house::text(response).await, content);
    }
    assert!(answer(&site, "/pkg/pixygate.js.br", &[]).is_none());
}

#[test]
fn only_files_of_the_site_are_served() {
    let folder = house::site();
    fs::write(folder.path().join(".secret"), "x").unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    fs::write(folder.path().join(".git/config"), "x").unwrap();
    let site = load(&folder, false);
    for uri in [
        "/.secret",
        "/.git/config",
        "/pkg",
        "/pkg/",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/pkg/../pkg/pixygate.js",
    ] {
        assert!(answer(&site, uri, &[]).is_none(), "{uri}");
    }
    let posted = site
        .answer(&Method::POST, &"/favicon.svg".parse().unwrap(), &HeaderMap::new())
        .unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.headers()[ALLOW], "GET, HEAD");
}

#[test]
fn the_folder_is_found_wherever_the_server_is_started() {
    let workspace = tempfile::tempdir().unwrap();
    let put = |folder: &str| {
        let folder = workspace.path().join(folder);
        fs::create_dir_all(folder.join("pkg")).unwrap();
        fs::write(folder.join("pkg/pixygate.js"), "").unwrap();
        folder
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let started_in = |directory: &Path| Candidates {
        executable: Some(workspace.path().join("target/debug/pixygate")),
        working_directory: directory.to_owned(),
        ..Candidates::default()
    };
    let Err(SiteError::Missing { looked_in }) = find(&started_in(elsewhere.path())) else {
        panic!("found nothing")
    };
    assert!(looked_in.len() > 2);

    let built = put("target/site");
    let found = find(&started_in(elsewhere.path())).unwrap();
    assert_eq!(found, built, "beside the folder of the program, as cargo has it");
    let beside = put("target/debug/site");
    assert_eq!(
        find(&started_in(elsewhere.path())).unwrap(),
        beside,
        "next to the program, as a package has it"
    );

    let named = put("elsewhere");
    let candidates = Candidates {
        named: Some(named.clone().into()),
        ..started_in(elsewhere.path())
    };
    assert_eq!(find(&candidates).unwrap(), named);
    let wrong = Candidates {
        named: Some("/nowhere".into()),
        ..started_in(elsewhere.path())
    };
    let message = find(&wrong).unwrap_err().to_string();
    assert!(
        message.contains("/nowhere") && message.contains("cargo leptos build"),
        "a named folder is not passed over: {message}"
    );
}
