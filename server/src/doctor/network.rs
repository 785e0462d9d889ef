//! Name, connection, certificate, clock.

use std::net::SocketAddr;

use http::Method;
use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

use super::probe::{Answer, Probe};
use super::run::Checked;
use super::target::Target;
use crate::findings::{Code, Finding};

/// How the provider is reached.
pub(super) enum Way {
    /// At these addresses.
    Direct(Vec<SocketAddr>),
    /// Through a proxy, which looks the name up itself.
    Proxy(String),
}

pub(super) async fn name(target: &Target<'_>) -> Checked<Way> {
    if !target.trust.on_private_address()
        && let Some(proxy) = proxy(&target.location)
    {
        let detail = format!("through the proxy {proxy}, which looks the name up");
        return Checked::passed(Way::Proxy(proxy), detail);
    }
    let host = target.location.host_str().unwrap_or_default();
    let port = target.location.port_or_known_default().unwrap_or(443);
    let look_up = match target.location.host() {
        Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::from((address, port))]),
        Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::from((address, port))]),
        _ => lookup_host((host, port)).await.map(Iterator::collect),
    };
    match look_up {
        Ok(addresses) if !addresses.is_empty() => {
            let names: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            let detail = format!("{host} is {}", names.join(", "));
            Checked::passed(Way::Direct(addresses), detail)
        }
        failed => {
            let why = failed
                .err()
                .map_or_else(|| "no address".to_owned(), |error| error.to_string());
            Checked::failed(
                Finding::new(Code::NameNotFound)
                    .place(target.place("provider.issuer"))
                    .expected(format!("an address of {host}"))
                    .found(why),
            )
        }
    }
}

pub(super) async fn connect(target: &Target<'_>, way: &Way) -> Checked<()> {
    let addresses = match way {
        Way::Proxy(proxy) => return Checked::passed((), format!("the proxy {proxy} connects")),
        Way::Direct(addresses) => addresses,
    };
    let mut failures = Vec::new();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(_) => return Checked::passed((), format!("connected to {address}")),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    Checked::failed(
        Finding::new(Code::NotConnected)
            .place(target.place("provider.issuer"))
            .expected(format!("a connection to {}", host_and_port(&target.location)))
            .found(failures.join("; ")),
    )
}

pub(super) async fn tls(target: &Target<'_>, probe: &Probe) -> Checked<Answer> {
    match probe.send(Method::GET, &target.location, &[], None).await {
        Ok(answer) => {
            let detail = match (target.location.scheme(), target.trust.ca_file.as_str()) {
                ("http", _) => "not needed: plain http on this machine".to_owned(),
                (_, "") => "checked with the authorities of this machine".to_owned(),
                (_, file) => format!("checked with the authorities of this machine and {file}"),
            };
            Checked::passed(answer, detail)
        }
        Err(no_answer) => {
            let code = match (no_answer.is_tls(), no_answer.timeout) {
                (true, _) => Code::Tls,
                (_, true) => Code::TooSlow,
                _ => Code::NotConnected,
            };
            Checked::failed(
                Finding::new(code)
                    .place(target.place("provider.issuer"))
                    .expected(format!("an answer of {}", host_and_port(&target.location)))
                    .found(no_answer.why),
            )
        }
    }
}

pub(super) fn clock(target: &Target<'_>, answer: &Answer) -> Checked<()> {
    let Some(ahead) = answer.clock_ahead() else {
        return Checked::passed((), "the provider does not say what time it is");
    };
    let difference = match ahead {
        -2..=2 => "to about a second".to_owned(),
        ahead if ahead > 0 => format!("the provider's clock is {ahead} s ahead"),
        behind => format!("the provider's clock is {} s behind", -behind),
    };
    let leeway = target.trust.leeway_seconds;
    // The answer itself took a moment, and its date has no fractions.
    match ahead.unsigned_abs() <= leeway.max(2) {
        true => Checked::passed((), difference),
        false => Checked::passed((), "").and([Finding::new(Code::Clock)
            .expected(format!("a difference of at most {leeway} s (leeway_seconds)"))
            .found(difference)]),
    }
}

pub(super) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or(443))
}

/// The proxy of the environment for an address, without its credentials.
fn proxy(url: &Url) -> Option<String> {
    let of_scheme = format!("{}_PROXY", url.scheme().to_ascii_uppercase());
    let names = [of_scheme.as_str(), "ALL_PROXY"];
    let read = |name: &str| {
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_lowercase()));
        value.ok().filter(|value| !value.is_empty())
    };
    let excluded = read("NO_PROXY").is_some_and(|list| {
        let host = url.host_str().unwrap_or_default();
        let mut entries = list.split(',').map(|entry| entry.trim().trim_start_matches('.'));
        entries
            .any(|entry| entry == "*" || !entry.is_empty() && (host == entry || host.ends_with(&format!(".{entry}"))))
    });
    let value = names.into_iter().find_map(read).filter(|_| !excluded)?;
    let proxy = match value.contains("://") {
        true => Url::parse(&value),
        false => Url::parse(&format!("http://{value}")),
    };
    proxy.ok().map(|proxy| host_and_port(&proxy))
}
