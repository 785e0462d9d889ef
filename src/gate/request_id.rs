use std::{
    cell::Cell,
    fmt,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;

use super::nonce::random;

/// Finds a request again in the log. The gate makes one where no layer before it has, and leaves it in the extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

/// Where this process begins to count. Two processes begin far apart.
static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(u64::from_ne_bytes(random())));

/// A thread takes so many numbers at once: one counter for all would go from processor to processor with every request.
const AT_ONCE: u64 = 1 << 16;

thread_local! {
    /// Its next number, and how many it has left.
    static OWN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn next() -> u64 {
    let (number, left) = match OWN.get() {
        (_, 0) => (NEXT.fetch_add(AT_ONCE, Ordering::Relaxed), AT_ONCE),
        own => own,
    };
    OWN.set((number.wrapping_add(1), left - 1));
    number
}

impl RequestId {
    /// A new one: no two of a process are the same, and two of different processes hardly ever. It is a name, no secret.
    pub fn random() -> Self {
        let mut digits = [0; 16];
        let mut rest = scatter(next());
        for digit in &mut digits {
            *digit = b"0123456789abcdef"[(rest >> 60) as usize];
            rest <<= 4;
        }
        // Hexadecimal digits are always a header's value.
        Self(HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("")))
    }

    /// One of another layer's: letters, digits and `-`, up to 64.
    pub fn new(id: &str) -> Option<Self> {
        let fits = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        HeaderValue::from_str(id).ok().filter(|_| fits).map(Self)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of a header.
    pub fn as_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Takes every number to another, neighbours far from each other (the finalizer of SplitMix64).
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
    fn no_two_are_the_same_and_neighbours_look_unlike() {
        let some = || (0..10_000).map(|_| RequestId::random().to_string()).collect::<Vec<_>>();
        let others = std::thread::spawn(some);
        let ids = [some(), others.join().unwrap()].concat();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!(
            ids.iter()
                .all(|id| RequestId::new(id).is_some_and(|again| again.as_str() == id))
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
