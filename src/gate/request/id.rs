use std::{
    cell::Cell,
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;

use crate::gate::binding::random;

/// Identifies a request in the log and in its response. The gate makes one unless a layer before it has put one into the request's
/// extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Text);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    /// Sixteen hexadecimal digits.
    Generated([u8; 16]),
    Given(HeaderValue),
}

/// The next unused number. It starts at random, so that two processes do not use the same numbers.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from_ne_bytes(random())));

/// How many numbers a thread takes at once, so that processors do not contend on one counter.
const BLOCK: u64 = 1 << 16;

thread_local! {
    /// The next number in this thread's block, and how many are left in the block.
    static THREAD_BLOCK: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn next() -> u64 {
    let (number, left) = match THREAD_BLOCK.get() {
        (_, 0) => (NEXT.fetch_add(BLOCK, Ordering::Relaxed), BLOCK),
        own => own,
    };
    THREAD_BLOCK.set((number.wrapping_add(1), left - 1));
    number
}

impl RequestId {
    /// Returns a new identifier. It is unique in this process and almost certainly among processes, and it is not a secret.
    pub fn generate() -> Self {
        let number = scatter(next());
        let digit = |place: usize| b"0123456789abcdef"[(number >> (60 - 4 * place)) as usize & 15];
        Self(Text::Generated(std::array::from_fn(digit)))
    }

    /// Takes the identifier of another layer: 1 to 64 letters, digits and `-`. Returns `None` for any other text.
    pub fn parse(id: &str) -> Option<Self> {
        let fits = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let value = HeaderValue::from_str(id).ok().filter(|_| fits)?;
        Some(Self(Text::Given(value)))
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Generated(digits) => std::str::from_utf8(digits).unwrap_or_default(),
            Text::Given(value) => value.to_str().unwrap_or_default(),
        }
    }

    /// Returns the identifier as a header value.
    pub fn as_header(&self) -> HeaderValue {
        match &self.0 {
            Text::Generated(digits) => HeaderValue::from_bytes(digits).unwrap_or(HeaderValue::from_static("")),
            Text::Given(value) => value.clone(),
        }
    }
}

/// Maps numbers one to one, so that consecutive ones look unrelated (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_are_unique_and_neighbours_look_unlike() {
        let some = || {
            (0..10_000)
                .map(|_| RequestId::generate().to_string())
                .collect::<Vec<_>>()
        };
        let others = std::thread::spawn(some);
        let ids = [some(), others.join().unwrap()].concat();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!(
            ids.iter()
                .all(|id| RequestId::parse(id).is_some_and(|again| again.as_str() == id))
        );
        let same = |one: &str, other: &str| {
            one.chars()
                .zip(other.chars())
                .filter(|(one, other)| one == other)
                .count()
        };
        assert!(ids.windows(2).all(|pair| same(&pair[0], &pair[1]) < 12));
    }
}
