//! The services behind the gate.

use tokio::net::TcpStream;

use super::network::host_and_port;
use super::run::{Checked, Run};
use super::target::place;
use crate::config::Config;
use crate::findings::{Code, Finding};

/// Connects to each target of each `[[upstream]]`.
pub(super) async fn examine(run: &mut Run<'_>, config: &Config) {
    for (index, upstream) in config.upstreams.iter().enumerate() {
        for target in &upstream.settings.targets {
            let subject = format!("{} at {target}", upstream.settings.name);
            let _checked = run
                .check("upstream", &subject, &Ok(()), async |()| {
                    let address = host_and_port(target);
                    match TcpStream::connect(&address).await {
                        Ok(_) => Checked::passed((), format!("connected to {address}")),
                        Err(error) => Checked::passed((), "").and([Finding::new(Code::UpstreamDown)
                            .place(place(config, &format!("upstream[{index}].target")))
                            .expected(format!("a connection to {address}"))
                            .found(error.to_string())]),
                    }
                })
                .await;
        }
    }
}
