//! The site files: the front end that cargo-leptos built, and the files of `public/`.
//!
//! 1. [`find`] finds their folder without the environment of cargo-leptos.
//! 2. [`Assets`] reads them once, with their compressed forms, and gives each build of the front end its own URL,
//!    `/pkg/<build>/`: the current one from `pkg/`, earlier ones from the folders in `previous/`.
//! 3. [`Site::answer`] serves them. A URL with a hash in it is cached as immutable.

mod assets;
mod find;
mod serve;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use assets::{Asset, Assets};
pub use find::{Candidates, SiteError, find};

/// The site files. Clones share them.
#[derive(Clone, Debug)]
pub struct Site {
    root: PathBuf,
    assets: Arc<ArcSwap<Assets>>,
    /// `cargo leptos watch` replaces files while the server runs, so nothing may be cached.
    watched: bool,
}

impl Site {
    /// Reads the files below `root`.
    ///
    /// # Errors
    ///
    /// If the front end is missing.
    pub fn load(root: PathBuf, watched: bool) -> Result<Self, SiteError> {
        let unreadable = |source| SiteError::Unreadable {
            root: root.clone(),
            source,
        };
        let assets = Assets::read(&root, watched).map_err(unreadable)?;
        if assets.front_end().is_none() {
            return Err(SiteError::Missing { looked_in: vec![root] });
        }
        Ok(Self {
            root,
            assets: Arc::new(ArcSwap::from_pointee(assets)),
            watched,
        })
    }

    /// Returns the URLs of the front end's files.
    pub fn front_end(&self) -> app::SiteFiles {
        self.current().front_end().unwrap_or_default()
    }

    /// Returns the folder of the files.
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
