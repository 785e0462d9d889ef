//! Where a call came from, as the gateway tells its targets: `X-Forwarded-*` and `Forwarded` (RFC 7239). What a caller sent under
//! these names counts only where a trusted proxy wrote it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// More proxies than a call passes. A longer chain is cut at its far end.
const MAX_CHAIN: usize = 16;

/// The proxies in front of the gateway, and the address that callers use.
#[derive(Clone, Debug)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    host: HeaderValue,
    proto: HeaderValue,
    /// `;host=…;proto=…`
    suffix: String,
}

impl Proxies {
    /// `origin` is where callers reach the gateway.
    pub fn new(trusted: impl IntoIterator<Item = IpNet>, origin: &str) -> Self {
        let (proto, host) = origin.split_once("://").unwrap_or(("http", origin));
        // An origin is ASCII.
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        Self {
            trusted: trusted.into_iter().collect(),
            suffix: format!(";host=\"{host}\";proto={proto}"),
            host: value(host),
            proto: value(proto),
        }
    }

    /// Returns the address of the caller, the last that no trusted proxy has.
    pub fn caller(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        self.chain(peer.ip().to_canonical(), headers)[0]
    }

    /// Writes the headers for a target. `received` are the caller's headers, of which none of these were passed on.
    pub(crate) fn write(&self, peer: Option<SocketAddr>, received: &HeaderMap, sent: &mut HeaderMap) {
        sent.insert(X_FORWARDED_HOST, self.host.clone());
        sent.insert(X_FORWARDED_PROTO, self.proto.clone());
        let Some(peer) = peer else { return };
        let (mut list, mut forwarded) = (String::new(), String::new());
        for address in self.chain(peer.ip().to_canonical(), received) {
            let separator = if list.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            write!(list, "{separator}{address}").unwrap_or_default();
            match address {
                IpAddr::V4(address) => write!(forwarded, "{separator}for={address}").unwrap_or_default(),
                IpAddr::V6(address) => write!(forwarded, "{separator}for=\"[{address}]\"").unwrap_or_default(),
            }
            if separator.is_empty() {
                forwarded.push_str(&self.suffix);
            }
        }
        for (name, value) in [(X_FORWARDED_FOR, list), (FORWARDED, forwarded)] {
            if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
                sent.insert(name, value);
            }
        }
    }

    /// Returns the addresses that a call passed, the caller's first. It is never empty.
    fn chain(&self, peer: IpAddr, headers: &HeaderMap) -> Vec<IpAddr> {
        let mut chain = vec![peer];
        if self.trusts(peer) {
            let lines: Vec<&[u8]> = headers
                .get_all(X_FORWARDED_FOR)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            let entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
            for entry in entries.take(MAX_CHAIN) {
                // Before an entry that cannot be read stands what the caller may have written.
                let Some(address) = read(entry) else { break };
                chain.push(address);
                if !self.trusts(address) {
                    break;
                }
            }
        }
        chain.reverse();
        chain
    }

    /// Returns whether a trusted proxy has this address.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Reads an address as proxies write it: alone, in brackets, or with a port.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip()).ok();
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: IpAddr = text.parse().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(peer: &str, received: &[&str]) -> [String; 4] {
        let proxies = Proxies::new(
            ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            "https://shop.example",
        );
        let mut headers = HeaderMap::new();
        for line in received {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let mut sent = HeaderMap::new();
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        proxies.write(Some(peer), &headers, &mut sent);
        [X_FORWARDED_FOR, FORWARDED, X_FORWARDED_HOST, X_FORWARDED_PROTO]
            .map(|name| sent.get(name).unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn what_an_untrusted_peer_sends_is_replaced() {
        for peer in ["192.0.2.1", "::ffff:192.0.2.1"] {
            assert_eq!(
                sent(peer, &["203.0.113.9, 10.0.0.1"]),
                [
                    "192.0.2.1",
                    "for=192.0.2.1;host=\"shop.example\";proto=https",
                    "shop.example",
                    "https"
                ]
            );
        }
    }

    #[test]
    fn a_trusted_proxy_names_the_caller_and_nothing_before_it_counts() {
        assert_eq!(sent("10.0.0.1", &["198.51.100.7, 192.0.2.1"])[0], "192.0.2.1, 10.0.0.1");
        assert_eq!(
            sent("10.0.0.1", &["198.51.100.7", "192.0.2.1, 10.0.0.2"])[0],
            "192.0.2.1, 10.0.0.2, 10.0.0.1"
        );
        assert_eq!(
            sent("10.0.0.1", &["192.0.2.1, garbage, 10.0.0.2"])[0],
            "10.0.0.2, 10.0.0.1"
        );
        assert_eq!(sent("10.0.0.1", &[])[0], "10.0.0.1");
        assert_eq!(
            sent("fd00::1", &["[2001:db8::1]:443"])[1],
            "for=\"[2001:db8::1]\";host=\"shop.example\";proto=https, for=\"[fd00::1]\""
        );
    }
}
