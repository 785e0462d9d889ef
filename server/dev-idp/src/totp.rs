//! The second factor: time-based one-time passwords (RFC 6238), six digits, thirty seconds, SHA-1 as authenticator
//! applications expect.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

const STEP_SECONDS: i64 = 30;

/// Returns the code of a time.
pub(crate) fn code(secret: &[u8], now: i64) -> String {
    code_of_step(secret, now.div_euclid(STEP_SECONDS))
}

/// Returns the step of a code: the current one or a neighbour, to allow for slow typing.
pub(crate) fn matching_step(secret: &[u8], now: i64, typed: &str) -> Option<i64> {
    let present = now.div_euclid(STEP_SECONDS);
    [present, present - 1, present + 1]
        .into_iter()
        .find(|&step| bool::from(code_of_step(secret, step).as_bytes().ct_eq(typed.trim().as_bytes())))
}

fn code_of_step(secret: &[u8], step: i64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let tag = mac.finalize().into_bytes();
    let offset = usize::from(tag[19] & 0x0f);
    let word = u32::from_be_bytes([tag[offset] & 0x7f, tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
    format!("{:06}", word % 1_000_000)
}

/// Base32 without padding (RFC 4648, section 6).
pub(crate) fn decode_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for symbol in text.bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a',
            b'2'..=b'7' => symbol - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn codes_match_the_vectors_of_the_rfc() {
        let secret = b"12345678901234567890";
        assert_eq!(code(secret, 59), "287082");
        assert_eq!(code(secret, 1_111_111_109), "081804");
        assert_eq!(code(secret, 20_000_000_000), "353130");
    }

    #[test]
    fn a_code_of_the_step_before_passes_and_an_older_one_does_not() {
        let secret = b"12345678901234567890";
        let typed = code(secret, 1000);
        assert!(matching_step(secret, 1030, &typed).is_some());
        assert!(matching_step(secret, 1090, &typed).is_none());
    }

    #[test]
    fn base32_decodes() {
        assert_eq!(decode_base32("MZXW6YTBOI").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(decode_base32("MZXW6YTBO1"), None);
    }
}
