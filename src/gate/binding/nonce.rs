//! Nonces for DPoP proofs (RFC 9449, section 9): a time with a MAC, so that nothing is stored.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::random;

/// A nonce is issued for this long, in seconds.
const STEP_SECONDS: u64 = 30;
/// It is accepted for this long after that, in seconds.
const GRACE_SECONDS: u64 = 120;

pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    /// Uses a random key of this process, or one that several nodes share.
    pub(crate) fn new(shared: Option<[u8; 32]>) -> Self {
        let key = shared.unwrap_or_else(random);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Returns the nonce of this second, in seconds since 1970.
    pub(crate) fn issue(&self, now: u64) -> String {
        let time = now / STEP_SECONDS * STEP_SECONDS;
        let mac = hmac::sign(&self.0, &time.to_be_bytes());
        URL_SAFE_NO_PAD.encode([&time.to_be_bytes()[..], &mac.as_ref()[..16]].concat())
    }

    /// Returns until when a nonce is accepted, in seconds since 1970; `None` when it is stale or not one of these.
    pub(crate) fn accepted_until(&self, nonce: &str, now: u64) -> Option<u64> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (time, _) = bytes.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        // A nonce is the same for all callers, so comparing it need not take constant time.
        let ours = self.issue(time) == nonce;
        let until = time.checked_add(STEP_SECONDS + GRACE_SECONDS)?;
        (ours && time <= now && now <= until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_in_its_time_and_by_its_key_only() {
        let nonces = Nonces::new(None);
        let nonce = nonces.issue(1010);
        assert_eq!(nonce, nonces.issue(1019));
        assert_eq!(nonces.accepted_until(&nonce, 1010), Some(1140));
        assert_eq!(nonces.accepted_until(&nonce, 1140), Some(1140));
        for now in [1141, 989] {
            assert_eq!(nonces.accepted_until(&nonce, now), None);
        }
        assert_eq!(Nonces::new(None).accepted_until(&nonce, 1010), None);
        for other in ["", "AAAA"] {
            assert_eq!(nonces.accepted_until(other, 1010), None);
        }
    }
}
