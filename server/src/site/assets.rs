//! The site's files in memory. They are few and small, and no request reads from disk.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The folder of the front end's files, as cargo-leptos writes it.
const PKG: &str = "pkg";

/// The folder of earlier builds, each as a copy of `pkg`.
const PREVIOUS: &str = "previous";

/// The front end's entry point, relative to the site's root.
pub(super) const FRONT_END_SCRIPT: &str = "pkg/pixygate.js";

/// The name after cargo-leptos has renamed the file, and the original name of wasm-bindgen.
const FRONT_END_WASM: [&str; 2] = ["pixygate.wasm", "pixygate_bg.wasm"];

const DEPTH_LIMIT: usize = 8;

/// The files by their URL path. Those of the front end are below `/pkg/<build>/`.
#[derive(Debug, Default)]
pub struct Assets {
    files: BTreeMap<String, Asset>,
    /// The folder of the current build's URLs, `/pkg/<build>`.
    front_end: String,
    stamps: Vec<Stamp>,
}

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// The uncompressed content.
    pub plain: Bytes,
    /// The content, compressed with Brotli by the build.
    pub brotli: Option<Bytes>,
    /// The content, compressed with gzip by the build.
    pub gzip: Option<Bytes>,
    /// A hash of the uncompressed content.
    pub hash: String,
    /// The media type.
    pub media_type: &'static str,
    /// Whether the URL contains a hash of the content.
    pub immutable: bool,
}

/// Size and times of a file, to detect a change without reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl Assets {
    /// Reads every file below `root`. If the files are `watched`, URLs contain no build, because cargo-leptos replaces
    /// the style sheet in open pages by its plain name.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn read(root: &Path, watched: bool) -> io::Result<Self> {
        let stamps = stamps(root)?;
        let mut files = BTreeMap::new();
        let mut builds: BTreeMap<PathBuf, BTreeMap<String, Asset>> = BTreeMap::new();
        for stamp in &stamps {
            let Some(url) = url_of(root, &stamp.path) else { continue };
            let asset = Asset::read(&stamp.path)?;
            match Self::build_of(&url) {
                Some((folder, file)) => drop(builds.entry(folder.into()).or_default().insert(file.to_owned(), asset)),
                None => drop(files.insert(url, asset)),
            }
        }
        let mut front_end = String::new();
        for (folder, build) in builds {
            let is_current = folder == Path::new(PKG);
            let base = match is_current && watched {
                true => format!("/{PKG}"),
                false => format!("/{PKG}/{}", hash_of(&build)),
            };
            for (file, mut asset) in build {
                asset.immutable = !watched;
                files.insert(format!("{base}/{file}"), asset);
            }
            if is_current {
                front_end = base;
            }
        }
        Ok(Self {
            files,
            front_end,
            stamps,
        })
    }

    /// Returns the build of a file, and the file's path in it.
    fn build_of(url: &str) -> Option<(&str, &str)> {
        let path = url.strip_prefix('/')?;
        let (top, rest) = path.split_once('/')?;
        match top {
            PKG => Some((PKG, rest)),
            PREVIOUS => {
                let (_, file) = rest.split_once('/')?;
                Some((path.strip_suffix(file)?.trim_end_matches('/'), file))
            }
            _ => None,
        }
    }

    /// Reads the files again, if any of them has changed.
    pub(super) fn read_again(&self, root: &Path) -> io::Result<Option<Self>> {
        if stamps(root)? == self.stamps {
            Ok(None)
        } else {
            Self::read(root, true).map(Some)
        }
    }

    /// Returns the file at a URL path.
    pub fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    /// Returns the URLs of the front end's files.
    pub(super) fn front_end(&self) -> Option<app::SiteFiles> {
        let url = |file: &str| {
            let url = format!("{}/{file}", self.front_end);
            self.files.contains_key(&url).then_some(url)
        };
        let versioned = |path: &str| {
            let asset = self.get(path)?;
            Some(format!("{path}?v={}", asset.hash))
        };
        Some(app::SiteFiles {
            js: url("pixygate.js")?,
            wasm: FRONT_END_WASM.into_iter().find_map(url)?,
            css: url("pixygate.css").unwrap_or_default(),
            icon: versioned("/favicon.svg").unwrap_or_default(),
        })
    }
}

/// Returns the hash over all files of a build, with their names.
fn hash_of(build: &BTreeMap<String, Asset>) -> String {
    let mut digest = Sha256::new();
    for (file, asset) in build {
        for part in [file, &asset.hash] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    short(&digest.finalize())
}

/// Returns 96 bits of a hash: enough that two builds never share a URL.
fn short(digest: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&digest[..12])
}

impl Asset {
    fn read(path: &Path) -> io::Result<Self> {
        let plain = Bytes::from(std::fs::read(path)?);
        let hash = short(&Sha256::digest(&plain));
        let compressed = |extension: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(extension);
            let compressed = Path::new(&name);
            // A compressed file that is older than the original belongs to an earlier build.
            let fresh = modified(compressed)? >= modified(path)?;
            fresh.then(|| std::fs::read(compressed).ok().map(Bytes::from)).flatten()
        };
        Ok(Self {
            brotli: compressed(".br"),
            gzip: compressed(".gz"),
            hash,
            media_type: media_type(path),
            plain,
            immutable: false,
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

/// Returns the URL path of a file. Hidden files have none. Compressed files have none either: they are served instead of the original.
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

/// Returns the media type of a file. `nosniff` is set, so browsers rely on it.
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
