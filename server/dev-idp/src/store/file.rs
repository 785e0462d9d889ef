//! The state file, which survives restarts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::Store;
use crate::config::StateFile;

/// The state file could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFileError {
    /// The file cannot be read or written.
    #[error("the state file {path} cannot be used: {source}; set `state` to another file or to \"nowhere\"", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another user owns the file or can write it, and could therefore replace the keys.
    #[error(
        "the state file {path} belongs to another user, or others can write it; remove it, or set `state` to another file",
        path = path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The content is not a state of this provider.
    #[error("the state file {path} cannot be understood ({source}); remove it to start anew", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The error of the parser.
        source: serde_json::Error,
    },
}

/// The file that stores the state between runs.
#[derive(Clone)]
pub(crate) struct StoreFile(Option<PathBuf>);

impl StoreFile {
    pub(crate) fn new(setting: &StateFile, port: u16) -> Self {
        Self(match setting {
            StateFile::Nowhere => None,
            StateFile::File(path) => Some(path.clone()),
            StateFile::Auto => {
                let name = format!("dev-idp-{port}.json");
                let target = Path::new("target");
                Some(if target.is_dir() {
                    target.join(name)
                } else {
                    std::env::temp_dir().join(name)
                })
            }
        })
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    pub(crate) fn load(&self) -> Result<Store, StoreFileError> {
        let Some(path) = &self.0 else {
            return Ok(Store::default());
        };
        let fail = |source| StoreFileError::Io {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Store::default()),
            Err(error) => return Err(fail(error)),
        };
        let probe = path.with_extension("json.new");
        let ours = create_private(&probe).and_then(|probe| is_ours(&file, &probe));
        drop(fs::remove_file(&probe));
        if !ours.map_err(fail)? {
            return Err(StoreFileError::NotOurs { path: path.clone() });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        serde_json::from_slice(&bytes).map_err(|source| StoreFileError::Content {
            path: path.clone(),
            source,
        })
    }

    /// Writes a temporary file and renames it, so that a kill leaves either the old or the new state.
    pub(crate) fn save(&self, store: &Store) -> Result<(), StoreFileError> {
        let Some(path) = &self.0 else { return Ok(()) };
        let fail = |source| StoreFileError::Io {
            path: path.clone(),
            source,
        };
        let bytes = serde_json::to_vec(store).map_err(|source| StoreFileError::Content {
            path: path.clone(),
            source,
        })?;
        let beside = path.with_extension("json.new");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let mut file = create_private(&beside).map_err(fail)?;
        file.write_all(&bytes).map_err(fail)?;
        fs::rename(&beside, path).map_err(fail)
    }
}

/// Returns whether a file belongs to the owner of another file that was just created, and only that user can write it.
#[cfg(unix)]
fn is_ours(file: &File, made: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    let (file, made) = (file.metadata()?, made.metadata()?);
    Ok(file.uid() == made.uid() && file.mode() & 0o022 == 0)
}

#[cfg(not(unix))]
fn is_ours(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}

/// Creates a file that only its owner can read, because it contains private keys. Does not write to an existing file or link of
/// another user.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
