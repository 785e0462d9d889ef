//! The tokens of `pixygate token` between two calls: sealed, in a file that only its user can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Refreshed, Registration, SignedIn, key};

/// An access token with less time left is refreshed first.
const MARGIN: Duration = Duration::from_secs(30);

/// Tokens as they are stored. They are not in its `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The access token.
    pub access_token: String,
    /// The refresh token, where there is one.
    pub refresh_token: Option<String>,
    /// When the access token expires, in seconds since 1970; 0 where the provider did not say.
    pub expires_at: u64,
    /// The user.
    pub subject: String,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("expires_at", &self.expires_at)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl Stored {
    /// What a sign-in gave.
    pub fn of(signed_in: &SignedIn, now: SystemTime) -> Self {
        Self {
            access_token: signed_in.access_token.clone(),
            refresh_token: signed_in.refresh_token.clone(),
            expires_at: expiry(signed_in.expires_in, now),
            subject: signed_in.subject.clone(),
        }
    }

    /// The same session after a refresh.
    #[must_use]
    pub fn refreshed(&self, refreshed: Refreshed, now: SystemTime) -> Self {
        Self {
            access_token: refreshed.access_token,
            refresh_token: refreshed.refresh_token.or_else(|| self.refresh_token.clone()),
            expires_at: expiry(refreshed.expires_in, now),
            subject: self.subject.clone(),
        }
    }

    /// Whether the access token is valid for a while.
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        self.expires_at > seconds(now + MARGIN)
    }
}

fn expiry(lifetime: Option<Duration>, now: SystemTime) -> u64 {
    lifetime.map_or(0, |lifetime| seconds(now + lifetime))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The file of one session, and the lock on it: another process that wants the same tokens waits.
pub struct TokenFile {
    path: PathBuf,
    key: RandomizedNonceKey,
    /// For what the tokens are: a file that was renamed does not open.
    purpose: [u8; 32],
    _lock: Lock,
}

/// Stored tokens cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// There is no home folder.
    #[error("there is no folder to store tokens in: set XDG_STATE_HOME or HOME, or use --no-store")]
    NoFolder,
    /// A file cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// The key cannot be used.
    #[error("the key that tokens are sealed with cannot be used")]
    Key,
}

impl TokenFileError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}

/// The folder of this user: `$XDG_STATE_HOME/pixygate`, `~/.local/state/pixygate`, on Windows `%LOCALAPPDATA%\pixygate`.
///
/// # Errors
///
/// When the environment names none.
pub(super) fn folder() -> Result<PathBuf, TokenFileError> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let state = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .or_else(|| variable("LOCALAPPDATA"));
    state
        .map(|state| state.join("pixygate"))
        .ok_or(TokenFileError::NoFolder)
}

impl TokenFile {
    /// Locks the file of a registration in the folder, which is made. Waits for another process that has it.
    ///
    /// # Errors
    ///
    /// When the folder or the key cannot be used.
    pub fn lock(folder: &Path, registration: &Registration) -> Result<Self, TokenFileError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(folder)
            .map_err(|source| TokenFileError::file(folder, source))?;
        let purpose = purpose(registration);
        let name: String = purpose[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let lock = Lock::take(&folder.join(format!("{name}.lock")))?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key::key(folder)?).map_err(|_| TokenFileError::Key)?;
        Ok(Self {
            path: folder.join(format!("{name}.tokens")),
            key,
            purpose,
            _lock: lock,
        })
    }

    /// Returns the tokens; `None` where there are none, or none that this key opens.
    pub fn read(&self) -> Option<Stored> {
        let sealed = std::fs::read(&self.path).ok()?;
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut content = content.to_vec();
        let opened = self
            .key
            .open_in_place(Nonce::from(nonce), Aad::from(self.purpose), &mut content);
        serde_json::from_slice(opened.ok()?).ok()
    }

    /// Stores tokens in place of the old ones. A crash leaves the old or the new ones.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, tokens: &Stored) -> Result<(), TokenFileError> {
        let mut content = serde_json::to_vec(tokens).map_err(|_| TokenFileError::Key)?;
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(self.purpose), &mut content)
            .map_err(|_| TokenFileError::Key)?;
        let new = self.path.with_extension("new");
        let written = owner_only(OpenOptions::new().write(true).create(true).truncate(true))
            .open(&new)
            .and_then(|mut file| {
                file.write_all(nonce.as_ref())?;
                file.write_all(&content)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&new, &self.path));
        written.map_err(|source| TokenFileError::file(&self.path, source))
    }

    /// Removes the tokens. Returns whether there were any.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn remove(&self) -> Result<bool, TokenFileError> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(TokenFileError::file(&self.path, source)),
        }
    }
}

/// A digest of everything that the tokens depend on.
fn purpose(registration: &Registration) -> [u8; 32] {
    let provider = &registration.provider;
    let mut scopes: Vec<_> = provider.scopes.iter().chain(&registration.scopes).collect();
    scopes.sort();
    scopes.dedup();
    let of = serde_json::json!([
        "pixygate token",
        provider.issuer,
        provider.client_id,
        provider.resource,
        provider.extra_params,
        scopes
    ]);
    Sha256::digest(of.to_string()).into()
}

/// A lock that processes take in turn. It ends with the process, whatever becomes of it.
pub(super) struct Lock(File);

impl Lock {
    /// Waits until the lock is free.
    pub(super) fn take(path: &Path) -> Result<Self, TokenFileError> {
        let file = owner_only(OpenOptions::new().write(true).create(true).truncate(false)).open(path);
        let locked = file.and_then(|file| file.lock().map(|()| file));
        locked.map(Self).map_err(|source| TokenFileError::file(path, source))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file does the same.
        let _unlocked = self.0.unlock();
    }
}

/// Lets a new file be read by its owner alone.
pub(super) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
