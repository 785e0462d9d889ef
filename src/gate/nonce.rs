//! Nonces for DPoP proofs (RFC 9449, section 9): a time with a MAC, so that nothing has to be remembered.

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A nonce is new for so long, in seconds …
const STEP_SECONDS: u64 = 30;
/// … and accepted for so long after.
pub(crate) const ACCEPTED_SECONDS: u64 = 120;

pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    /// With a key of this process, or one that several nodes share.
    pub(crate) fn new(shared: Option<[u8; 32]>) -> Self {
        let key = shared.unwrap_or_else(random);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    pub(crate) fn issue(&self, now: u64) -> String {
        let time = now / STEP_SECONDS * STEP_SECONDS;
        let mac = hmac::sign(&self.0, &time.to_be_bytes());
        URL_SAFE_NO_PAD.encode([&time.to_be_bytes()[..], &mac.as_ref()[..16]].concat())
    }

    pub(crate) fn accepts(&self, nonce: &str, now: u64) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else {
            return false;
        };
        let Some((time, _)) = bytes.split_first_chunk::<8>() else {
            return false;
        };
        let time = u64::from_be_bytes(*time);
        // A nonce is no secret of the caller's, and the time before it is checked is the same for all.
        let ours = self.issue(time) == nonce;
        ours && time <= now && now - time <= STEP_SECONDS + ACCEPTED_SECONDS
    }
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It fails only when the operating system has no randomness, and then nothing here is safe.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_in_its_time_and_by_its_key_only() {
        let nonces = Nonces::new(None);
        let nonce = nonces.issue(1010);
        assert_eq!(nonce, nonces.issue(1019));
        assert!(nonces.accepts(&nonce, 1010));
        assert!(nonces.accepts(&nonce, 990 + 150));
        assert!(!nonces.accepts(&nonce, 990 + 151));
        assert!(!nonces.accepts(&nonce, 989));
        assert!(!Nonces::new(None).accepts(&nonce, 1010));
        assert!(!nonces.accepts("", 1010));
        assert!(!nonces.accepts("AAAA", 1010));
    }
}
