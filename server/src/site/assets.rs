//! The files in memory. They are few and small, and what is not in the list at start can never be asked for.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The front end's entry point, relative to the site's root.
pub(super) const FRONT_END_SCRIPT: &str = "pkg/pixygate.js";

const FRONT_END_STYLE: &str = "pkg/pixygate.css";

/// wasm-bindgen's own name, and the one that cargo-leptos gives it.
const FRONT_END_WASM: [&str; 2] = ["pkg/pixygate.wasm", "pkg/pixygate_bg.wasm"];

const DEPTH_LIMIT: usize = 8;

/// The files by their URL path, `/pkg/pixygate.js`.
#[derive(Debug, Default)]
pub struct Assets {
    files: BTreeMap<String, Asset>,
    stamps: Vec<Stamp>,
}

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// The content as it is.
    pub plain: Bytes,
    /// Compressed by the build, where it did.
    pub brotli: Option<Bytes>,
    /// Compressed by the build, where it did.
    pub gzip: Option<Bytes>,
    /// Of the plain content.
    pub hash: String,
    /// The media type.
    pub media_type: &'static str,
}

/// Tells whether a file has changed without reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl Assets {
    /// Reads every file below `root`.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let stamps = stamps(root)?;
        let mut files = BTreeMap::new();
        for stamp in &stamps {
            let Some(url) = url_of(root, &stamp.path) else { continue };
            files.insert(url, Asset::read(&stamp.path)?);
        }
        Ok(Self { files, stamps })
    }

    /// The files anew, if any has changed.
    pub(super) fn read_again(&self, root: &Path) -> io::Result<Option<Self>> {
        if stamps(root)? == self.stamps {
            Ok(None)
        } else {
            Self::read(root).map(Some)
        }
    }

    /// The file at a URL path.
    pub fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    /// The addresses of the front end's files.
    pub(super) fn front_end(&self) -> Option<app::SiteFiles> {
        let versioned = |path: &str| {
            let url = format!("/{path}");
            let asset = self.get(&url)?;
            Some(format!("{url}?v={}", asset.hash))
        };
        Some(app::SiteFiles {
            // Without a hash: the parts of the front end import it under its plain name, and under another address it would be
            // another module. The browser asks whether it changed.
            js: self
                .get(&format!("/{FRONT_END_SCRIPT}"))
                .map(|_| format!("/{FRONT_END_SCRIPT}"))?,
            wasm: FRONT_END_WASM.into_iter().find_map(versioned)?,
            css: versioned(FRONT_END_STYLE).unwrap_or_default(),
        })
    }
}

impl Asset {
    fn read(path: &Path) -> io::Result<Self> {
        let plain = Bytes::from(std::fs::read(path)?);
        let digest = Sha256::digest(&plain);
        // 96 bits: enough that two builds never share an address.
        let hash = URL_SAFE_NO_PAD.encode(&digest[..12]);
        let compressed = |extension: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(extension);
            let compressed = Path::new(&name);
            // A compressed form older than the file is one of an earlier build.
            let fresh = modified(compressed)? >= modified(path)?;
            fresh.then(|| std::fs::read(compressed).ok().map(Bytes::from)).flatten()
        };
        Ok(Self {
            brotli: compressed(".br"),
            gzip: compressed(".gz"),
            hash,
            media_type: media_type(path),
            plain,
        })
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn stamps(root: &Path) -> io::Result<Vec<Stamp>> {
    let mut stamps = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let metadata = path.metadata()?;
            if metadata.is_dir() && depth < DEPTH_LIMIT {
                folders.push((path, depth + 1));
            } else if metadata.is_file() {
                stamps.push(Stamp {
                    path,
                    length: metadata.len(),
                    modified: metadata.modified().ok(),
                });
            }
        }
    }
    stamps.sort();
    Ok(stamps)
}

/// The URL path of a file; none for hidden files and for compressed forms, which are served in the place of their files.
fn url_of(root: &Path, path: &Path) -> Option<String> {
    if matches!(
        path.extension().and_then(|extension| extension.to_str()),
        Some("br" | "gz")
    ) {
        return None;
    }
    let mut url = String::new();
    for part in path.strip_prefix(root).ok()?.components() {
        let part = part.as_os_str().to_str()?;
        if part.starts_with('.') {
            return None;
        }
        url.push('/');
        url.push_str(part);
    }
    Some(url)
}

/// The media types of what a site is made of; `nosniff` is set, so browsers go by nothing else.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("avif") => "image/avif",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
