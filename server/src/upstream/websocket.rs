//! As much of the WebSocket protocol (RFC 6455) as is needed to check a handshake, and to end a connection between two frames.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
pub(crate) fn accept(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    BASE64_STANDARD.encode(context.finish())
}

/// Returns whether the key is 16 bytes in base64 (section 4.1).
pub(crate) fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

/// Returns a Close frame (section 5.5.1). A client masks its frames; the mask is no secret here.
pub(crate) fn close(code: u16, reason: &str, masked: bool) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().take(123));
    let length = payload.len() as u8;
    let mut frame = vec![0x88, if masked { 0x80 | length } else { length }];
    if masked {
        let mask = [0x5a, 0xa5, 0x3c, 0xc3];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend(payload);
    }
    frame
}

/// Follows the frames of one direction (section 5.2).
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// What is known of a header that has not arrived completely.
    header: [u8; 10],
    known: usize,
    /// Bytes of the mask and the payload that are still to come.
    payload: u64,
}

impl Frames {
    /// Returns whether the next byte begins a frame.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.known == 0 && self.payload == 0
    }

    /// Follows all of `data`.
    pub(crate) fn pass(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            rest = &rest[self.step(rest)..];
        }
    }

    /// Follows `data` to the end of the frame that has begun, and returns how many bytes that are.
    pub(crate) fn pass_to_boundary(&mut self, data: &[u8]) -> usize {
        let mut passed = 0;
        while !self.is_between_frames() && passed < data.len() {
            passed += self.step(&data[passed..]);
        }
        passed
    }

    /// Follows a part of `data`, which is not empty, and returns its length.
    fn step(&mut self, data: &[u8]) -> usize {
        if self.payload > 0 {
            let part = self.payload.min(data.len() as u64);
            self.payload -= part;
            return part as usize;
        }
        self.header[self.known] = data[0];
        self.known += 1;
        let length = match self.header[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        if self.known >= 2 && self.known == length {
            let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
            let payload = match length {
                4 => u64::from(u16::from_be_bytes([self.header[2], self.header[3]])),
                10 => u64::from_be_bytes(self.header[2..].try_into().unwrap_or_default()),
                _ => u64::from(self.header[1] & 0x7f),
            };
            self.payload = payload.saturating_add(mask);
            self.known = 0;
            self.header = [0; 10];
        }
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key(b"dGhlIHNhbXBsZSBub25j") && !is_key(b"") && !is_key(b"!"));
    }

    #[test]
    fn the_end_of_a_frame_is_found_in_whatever_pieces_it_comes() {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for (length, masked) in [
            (0, false),
            (5, true),
            (125, false),
            (126, true),
            (70_000, false),
            (3, true),
        ] {
            stream.push(0x82);
            let mask = if masked { 0x80 } else { 0 };
            match length {
                0..=125 => stream.push(mask | length as u8),
                126..=65_535 => {
                    stream.push(mask | 126);
                    stream.extend((length as u16).to_be_bytes());
                }
                _ => {
                    stream.push(mask | 127);
                    stream.extend((length as u64).to_be_bytes());
                }
            }
            stream.extend(std::iter::repeat_n(0x88, length + if masked { 4 } else { 0 }));
            ends.push(stream.len());
        }
        for size in [1, 2, 3, 7, 1000, stream.len()] {
            let mut frames = Frames::default();
            let mut position = 0;
            for piece in stream.chunks(size) {
                frames.pass(piece);
                position += piece.len();
                assert_eq!(
                    frames.is_between_frames(),
                    ends.contains(&position),
                    "{size} {position}"
                );
            }
        }
        let mut frames = Frames::default();
        frames.pass(&stream[..3]);
        assert_eq!(frames.pass_to_boundary(&stream[3..]), ends[2] - 3);
        assert!(frames.is_between_frames());
    }

    #[test]
    fn a_close_frame_has_its_code_and_its_mask() {
        assert_eq!(close(4401, "x", false), [0x88, 3, 0x11, 0x31, b'x']);
        let masked = close(1001, "", true);
        assert_eq!(masked[..2], [0x88, 0x82]);
        assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], 1001u16.to_be_bytes());
    }
}
