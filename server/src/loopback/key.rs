//! The key that stored tokens are sealed with: in the system's keyring where this build and this machine have one, else in a file.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::stored::{Lock, TokenFileError, owner_only};

/// The name of the file.
const FILE: &str = "key";

/// Returns the key, made at the first call.
pub(super) fn key(folder: &Path) -> Result<[u8; 32], TokenFileError> {
    // Two processes that start at once make one key.
    let _lock = Lock::take(&folder.join("key.lock"))?;
    match in_keyring() {
        Some(key) => Ok(key),
        None => in_file(&folder.join(FILE)),
    }
}

fn in_file(path: &Path) -> Result<[u8; 32], TokenFileError> {
    let failed = |source| TokenFileError::file(path, source);
    let mut key = [0; 32];
    match std::fs::File::open(path) {
        Ok(mut file) => {
            file.read_exact(&mut key).map_err(failed)?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            key = random()?;
            let mut file = owner_only(OpenOptions::new().write(true).create_new(true))
                .open(path)
                .map_err(failed)?;
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    Ok(key)
}

fn random() -> Result<[u8; 32], TokenFileError> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| TokenFileError::Random)?;
    Ok(key)
}

/// The key in the keyring; `None` where there is no keyring, or it is locked.
#[cfg(feature = "keyring")]
fn in_keyring() -> Option<[u8; 32]> {
    let entry = keyring::Entry::new("pixygate", "token key").ok()?;
    match entry.get_secret() {
        Ok(key) => key.try_into().ok(),
        Err(keyring::Error::NoEntry) => {
            let key = random().ok()?;
            entry.set_secret(&key).ok().map(|()| key)
        }
        Err(_) => None,
    }
}

#[cfg(not(feature = "keyring"))]
fn in_keyring() -> Option<[u8; 32]> {
    None
}
