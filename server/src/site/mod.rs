//! The site files: what cargo-leptos built for the browser, and what lies in `public/`.
//!
//! 1. [`find`]: where they are, without cargo-leptos' environment.
//! 2. [`Assets`]: read once, hashed, with their compressed forms.
//! 3. [`Site::answer`]: served, and kept by browsers for as long as their content stays the same.

mod assets;
mod find;
mod serve;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use assets::{Asset, Assets};
pub use find::{Candidates, SiteError, find};

/// The site files. Cloning is cheap and shares them.
#[derive(Clone, Debug)]
pub struct Site {
    root: PathBuf,
    assets: Arc<ArcSwap<Assets>>,
    /// While developing, files change under the server and nothing may be kept.
    watched: bool,
}

impl Site {
    /// Reads the files below `root`.
    ///
    /// # Errors
    ///
    /// When the front end is not there.
    pub fn load(root: PathBuf, watched: bool) -> Result<Self, SiteError> {
        let unreadable = |source| SiteError::Unreadable {
            root: root.clone(),
            source,
        };
        let assets = Assets::read(&root).map_err(unreadable)?;
        if assets.front_end().is_none() {
            return Err(SiteError::Missing { looked_in: vec![root] });
        }
        Ok(Self {
            root,
            assets: Arc::new(ArcSwap::from_pointee(assets)),
            watched,
        })
    }

    /// The addresses of the front end's files, each with the hash of its content.
    pub fn front_end(&self) -> app::SiteFiles {
        self.current().front_end().unwrap_or_else(|| app::SiteFiles {
            js: String::new(),
            wasm: String::new(),
            css: String::new(),
        })
    }

    /// Where the files are.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    fn current(&self) -> Arc<Assets> {
        if self.watched
            && let Ok(Some(changed)) = self.assets.load().read_again(&self.root)
        {
            self.assets.store(Arc::new(changed));
        }
        self.assets.load_full()
    }
}
