//! Checks that the caller has the key (DPoP) or the client certificate that its token is bound to.

mod certificate;
pub(crate) mod dpop;
mod nonce;
mod replay;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

pub(crate) use certificate::check as check_certificate;
pub(crate) use nonce::Nonces;
pub use replay::{LocalReplayStore, ProofId, ReplayCheck, ReplayFuture, ReplayStore};

/// Returns random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // It fails only when the operating system has no randomness, and nothing is safe then.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system has randomness");
    bytes
}
