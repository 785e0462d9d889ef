//! Finds the folder of the site files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::assets::FRONT_END_SCRIPT;

/// The site files cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// No folder contains them.
    #[error(
        "The site files are missing.\n\n    expected  pkg/pixygate.js and pkg/pixygate.wasm\n    \
         found     neither in {}\n    \
         hint      build them with `cargo leptos build` (or `make run`), or name their folder in PIXYGATE_SITE",
        list(looked_in)
    )]
    Missing {
        /// The folders that were searched.
        looked_in: Vec<PathBuf>,
    },
    /// They exist and cannot be read.
    #[error("The site files in {} cannot be read: {source}", root.display())]
    Unreadable {
        /// The folder.
        root: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The inputs of the search.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// `PIXYGATE_SITE`. If it is set, no other folder is searched.
    pub named: Option<OsString>,
    /// `LEPTOS_SITE_ROOT`, as cargo-leptos sets it.
    pub cargo_leptos: Option<OsString>,
    /// The program's own path.
    pub executable: Option<PathBuf>,
    /// The working directory.
    pub working_directory: PathBuf,
}

impl Candidates {
    /// Returns the environment of this process.
    pub fn of_this_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            named: set("PIXYGATE_SITE"),
            cargo_leptos: set("LEPTOS_SITE_ROOT"),
            executable: std::env::current_exe().and_then(|path| path.canonicalize()).ok(),
            working_directory: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Returns the folders to search, the most likely first.
    fn folders(&self) -> Vec<PathBuf> {
        let below = |path: &OsString| self.working_directory.join(path);
        if let Some(named) = &self.named {
            return vec![below(named)];
        }
        let mut folders: Vec<_> = self.cargo_leptos.as_ref().map(below).into_iter().collect();
        if let Some(beside) = self.executable.as_deref().and_then(Path::parent) {
            folders.push(beside.join("site"));
            // target/debug/pixygate and target/site
            folders.extend(beside.parent().map(|above| above.join("site")));
        }
        folders.push(self.working_directory.join("target/site"));
        folders
    }
}

/// Returns the folder of the site files.
///
/// # Errors
///
/// If no candidate contains the front end. The error lists them and says how to build it.
pub fn find(candidates: &Candidates) -> Result<PathBuf, SiteError> {
    let folders = candidates.folders();
    match folders.iter().find(|folder| folder.join(FRONT_END_SCRIPT).is_file()) {
        Some(folder) => Ok(folder.clone()),
        None => Err(SiteError::Missing { looked_in: folders }),
    }
}
