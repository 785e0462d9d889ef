//! The storage of signing keys.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::Seal;
use super::key::SigningError;
use super::keys::KeySet;
use crate::store::{Store, StoreError, Value};

/// A place for the keys.
pub enum KeyStorage {
    /// This process. Other nodes have other keys, and a restart generates new ones.
    Memory(Mutex<KeySet>),
    /// A file that only the server's user can read.
    File(PathBuf),
    /// A store that several nodes share. The keys are encrypted there.
    Store(Store, Seal),
}

/// The name of the keys in the store.
const NAME: &str = "backend_jwt.keys";

/// The reason why keys cannot be read or stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The file cannot be read or written.
    #[error("{file}: {source}\n    hint      the server's user must be able to write this file and its folder")]
    File {
        /// Its name.
        file: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error(
        "{file} can be read by others (mode {mode:o})\n    \
         hint      replace the keys, which may be known: remove the file; the server writes a new one"
    )]
    Readable {
        /// Its name.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// The content was not written by this server.
    #[error(
        "{file} has no keys that this server wrote: {why}\n    hint      restore it, or remove it to start with new keys"
    )]
    Content {
        /// Its name.
        file: String,
        /// The problem.
        why: String,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret is too short.
    #[error(
        "{file} has a secret of {length} bytes, expected 32 or more\n    hint      openssl rand -base64 32 > {file}"
    )]
    ShortSecret {
        /// Its name.
        file: String,
        /// The length of the secret.
        length: usize,
    },
    /// The keys in the store do not decrypt.
    #[error(
        "the keys in the store were sealed with another secret\n    \
         hint      give every node the same backend_jwt.secret_file, or delete the row \"backend_jwt.keys\" of pixygate_values"
    )]
    Sealed,
    /// A key cannot be generated or parsed.
    #[error(transparent)]
    Key(#[from] SigningError),
    /// Other nodes keep changing the keys.
    #[error("the keys changed each time that they were about to be stored")]
    Contended,
}

/// The version of the keys at the time they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(u64);

impl KeyStorage {
    /// Returns storage in this process.
    pub fn memory() -> Self {
        Self::Memory(Mutex::default())
    }

    /// # Errors
    ///
    /// If they exist and cannot be read.
    pub(super) async fn read(&self) -> Result<(KeySet, Version), StorageError> {
        match self {
            Self::Memory(keys) => Ok((keys.lock().clone(), Version(0))),
            Self::File(file) => Ok((read_file(file)?, Version(0))),
            Self::Store(store, seal) => {
                let Some(value) = store.value(NAME).await? else {
                    return Ok((KeySet::default(), Version(0)));
                };
                let keys = serde_json::from_slice(&seal.open(&value.content)?).map_err(|_| StorageError::Sealed)?;
                Ok((keys, Version(value.version)))
            }
        }
    }

    /// Stores the keys unless they have changed since `version`. Returns whether it stored them.
    pub(super) async fn replace(&self, keys: &KeySet, version: Version) -> Result<bool, StorageError> {
        match self {
            Self::Memory(stored) => *stored.lock() = keys.clone(),
            Self::File(file) => write_file(file, keys)?,
            Self::Store(store, seal) => {
                let keys = serde_json::to_vec(keys).map_err(|_| StorageError::Sealed)?;
                let value = Value {
                    version: version.0,
                    content: seal.seal(keys)?,
                };
                return Ok(store.replace_value(NAME, value).await?);
            }
        }
        Ok(true)
    }
}

fn failed(file: &Path) -> impl Fn(std::io::Error) -> StorageError {
    let file = file.display().to_string();
    move |source| StorageError::File {
        file: file.clone(),
        source,
    }
}

fn read_file(file: &Path) -> Result<KeySet, StorageError> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(KeySet::default()),
        Err(error) => return Err(failed(file)(error)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).map_err(failed(file))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StorageError::Readable {
                file: file.display().to_string(),
                mode,
            });
        }
    }
    // The message of the parser may contain a part of a key.
    serde_json::from_slice(&text).map_err(|error| StorageError::Content {
        file: file.display().to_string(),
        why: format!("line {}, column {}", error.line(), error.column()),
    })
}

/// Writes a temporary file and renames it, so that a crash leaves either the old or the new keys.
fn write_file(file: &Path, keys: &KeySet) -> Result<(), StorageError> {
    let failed = failed(file);
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // A leftover of a crash.
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let json = serde_json::to_vec_pretty(keys).map_err(|error| failed(error.into()))?;
    let mut written = options.open(&beside).map_err(&failed)?;
    written.write_all(&json).map_err(&failed)?;
    written.sync_all().map_err(&failed)?;
    std::fs::rename(&beside, file).map_err(&failed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Keys, Rotation, SigningAlgorithm};
    use super::*;

    const ROTATION: Rotation = Rotation {
        algorithm: SigningAlgorithm::ES256,
        every: Duration::from_secs(86_400),
    };

    #[tokio::test]
    async fn keys_in_a_file_outlive_the_process_and_are_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let first = Keys::open(KeyStorage::File(file.clone()), ROTATION)
            .await
            .unwrap()
            .jwks();
        let again = Keys::open(KeyStorage::File(file.clone()), ROTATION)
            .await
            .unwrap()
            .jwks();
        assert_eq!(first, again);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
            let refused = Keys::open(KeyStorage::File(file.clone()), ROTATION).await.err();
            assert!(
                matches!(refused, Some(StorageError::Readable { mode: 0o640, .. })),
                "{refused:?}"
            );
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        std::fs::write(&file, "{\"keys\":[{\"private_key\":\"secret\"").unwrap();
        let broken = Keys::open(KeyStorage::File(file), ROTATION)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(!broken.contains("secret"), "{broken}");
    }
}
