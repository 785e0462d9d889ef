//! Time and randomness, injected so that tests control both.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// A clock, in seconds since the epoch. The control API shifts it.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Fn() -> i64 + Send + Sync>,
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// The computer's clock.
    pub fn system() -> Self {
        Self::from_source(|| {
            // A clock before 1970 reads as 1970 instead of panicking.
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs() as i64)
        })
    }

    /// A clock that only moves when it is shifted.
    pub fn fixed(at: i64) -> Self {
        Self::from_source(move || at)
    }

    fn from_source(source: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
            shift: Arc::default(),
        }
    }

    /// Returns the seconds since the epoch, with the shift.
    pub fn now(&self) -> i64 {
        (self.source)().saturating_add(self.shift.load(Ordering::Relaxed))
    }

    /// Returns the seconds by which the clock is ahead of its source.
    pub fn shift(&self) -> i64 {
        self.shift.load(Ordering::Relaxed)
    }

    /// Sets the seconds by which the clock is ahead of its source.
    pub fn set_shift(&self, shift: Shift) {
        self.shift.store(shift.0, Ordering::Relaxed);
    }
}

/// The seconds by which a clock is ahead of its source, bounded so that no date or lifetime overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift(i64);

/// The error of a shift beyond the bounds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the clock cannot be shifted by {found} seconds, expected at most {LARGEST_SHIFT} either way (fifty years)")]
pub struct ShiftError {
    /// The shift.
    pub found: i64,
}

const LARGEST_SHIFT: i64 = 50 * 365 * 86_400;

impl TryFrom<i64> for Shift {
    type Error = ShiftError;

    fn try_from(seconds: i64) -> Result<Self, ShiftError> {
        if (-LARGEST_SHIFT..=LARGEST_SHIFT).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(ShiftError { found: seconds })
        }
    }
}

type Fill = dyn FnMut(&mut [u8]) + Send;

/// The source of randomness for codes, tokens, keys and identifiers.
#[derive(Clone)]
pub struct Random(Arc<Mutex<Fill>>);

impl Random {
    /// Returns the operating system's source.
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(|bytes: &mut [u8]| {
            // Without randomness no token can be issued.
            getrandom::fill(bytes).expect("the operating system gives random bytes");
        })))
    }

    /// Returns a source that gives the same bytes for the same seed, for tests.
    pub fn seeded(seed: u64) -> Self {
        let mut counter = 0_u64;
        Self(Arc::new(Mutex::new(move |bytes: &mut [u8]| {
            for chunk in bytes.chunks_mut(32) {
                counter += 1;
                let block = Sha256::digest([seed.to_be_bytes(), counter.to_be_bytes()].concat());
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        })))
    }

    /// Returns random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut fill = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fill(&mut bytes);
        bytes
    }

    /// Returns 256 random bits as base64url: a code, a token, a cookie.
    pub fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }

    /// Returns 128 random bits as base64url: an identifier that is not a secret.
    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes::<16>())
    }
}
