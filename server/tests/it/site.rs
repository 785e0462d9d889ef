//! Site files: where they are found, their URLs, their encodings and how long they may be cached.

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

const FOREVER: &str = "public, max-age=31536000, immutable";

#[test]
fn the_files_of_a_build_are_cached_for_good_and_others_are_revalidated() {
    let folder = house::site();
    fs::write(folder.path().join("pkg/chunk_0.wasm"), "a part").unwrap();
    let site = load(&folder, false);
    let files = site.front_end();
    let (base, _) = files.js.rsplit_once('/').unwrap();
    let part = format!("{base}/chunk_0.wasm");
    for (uri, media_type) in [
        (&files.js, "text/javascript; charset=utf-8"),
        (&files.wasm, "application/wasm"),
        (&files.css, "text/css; charset=utf-8"),
        (&files.icon, "image/svg+xml"),
        (&part, "application/wasm"),
    ] {
        let response = answer(&site, uri, &[]).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], FOREVER, "{uri}");
        assert_eq!(response.headers()[CONTENT_TYPE], media_type);
    }
    for uri in ["/favicon.svg", "/favicon.svg?v=", "/favicon.svg?v=another"] {
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
fn a_change_in_any_file_of_the_front_end_makes_another_build() {
    let folder = house::site();
    let build = || load(&folder, false).front_end();
    let mut seen = vec![build()];
    assert_eq!(build(), seen[0], "the same files are the same build");
    fs::write(folder.path().join("favicon.svg"), "<svg/>").unwrap();
    assert_eq!(build().js, seen[0].js, "the icon is no part of the front end");
    let pkg = folder.path().join("pkg");
    fs::write(pkg.join("pixygate.css"), "body { color: white }").unwrap();
    seen.push(build());
    fs::write(pkg.join("chunk_0.wasm"), "a part").unwrap();
    seen.push(build());
    fs::rename(pkg.join("chunk_0.wasm"), pkg.join("chunk_1.wasm")).unwrap();
    seen.push(build());
    for (at, files) in seen.iter().enumerate() {
        for other in &seen[at + 1..] {
            assert!(files.js != other.js && files.wasm != other.wasm && files.css != other.css);
        }
    }
}

#[tokio::test]
async fn an_earlier_build_is_served_as_long_as_its_folder_is_there() {
    let folder = house::site();
    let before = load(&folder, false).front_end();
    fs::create_dir_all(folder.path().join("previous")).unwrap();
    fs::rename(folder.path().join("pkg"), folder.path().join("previous/any name")).unwrap();
    let next = house::site();
    fs::write(next.path().join("pkg/pixygate.js"), "export default function next() {}").unwrap();
    fs::rename(next.path().join("pkg"), folder.path().join("pkg")).unwrap();

    let site = load(&folder, false);
    let now = site.front_end();
    assert_ne!(now.js, before.js);
    for (uri, content) in [(&before.js, "start"), (&now.js, "next")] {
        let response = answer(&site, uri, &[]).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], FOREVER, "{uri}");
        assert!(house::text(response).await.contains(content));
    }
    fs::remove_dir_all(folder.path().join("previous")).unwrap();
    let site = load(&folder, false);
    assert_eq!(answer(&site, &before.js, &[]).unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(answer(&site, &now.js, &[]).unwrap().status(), StatusCode::OK);
    for plain in [
        "/pkg/pixygate.js",
        "/previous/any name/pixygate.js",
        "/pkg/nonsense/pixygate.js",
    ] {
        let plain = plain.replace(' ', "%20");
        let answer = answer(&site, &plain, &[]);
        assert!(
            answer.is_none_or(|answer| answer.status() == StatusCode::NOT_FOUND),
            "{plain}"
        );
    }
}

#[test]
fn watched_files_have_their_plain_names_and_are_not_cached() {
    let folder = house::site();
    let site = load(&folder, true);
    let files = site.front_end();
    assert_eq!(files.css, "/pkg/pixygate.css", "cargo-leptos replaces it by this name");
    let text = |color| format!("body {{ color: {color}; margin: 0 }}");
    for color in ["red", "green"] {
        fs::write(folder.path().join("pkg/pixygate.css"), text(color)).unwrap();
        let response = answer(&site, &files.css, &[]).unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
    fs::write(folder.path().join("pkg/pixygate.css"), "body {}").unwrap();
    let response = answer(&site, &files.css, &[]).unwrap();
    assert_eq!(response.headers()[http::header::CONTENT_LENGTH], "7");
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
        let response = answer(
            &site,
            &site.front_end().js,
            &[(http::header::ACCEPT_ENCODING, accepted)],
        )
        .unwrap();
        let found = response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap());
        assert_eq!(found, encoding, "{accepted}");
        assert_eq!(house::text(response).await, content);
    }
    let compressed = format!("{}.br", site.front_end().js);
    assert_eq!(answer(&site, &compressed, &[]).unwrap().status(), StatusCode::NOT_FOUND);
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
        "/pkg/../favicon.svg",
    ] {
        let answer = answer(&site, uri, &[]);
        assert!(
            answer.is_none_or(|answer| answer.status() == StatusCode::NOT_FOUND),
            "{uri}"
        );
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
