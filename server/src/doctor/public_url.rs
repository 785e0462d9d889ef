//! This server, as the configuration says that browsers reach it.

use http::Method;
use pixygate::jwt::printable;
use serde_json::Value;
use url::Url;

use super::probe::Probe;
use super::run::Checked;
use super::target::place;
use crate::config::Config;
use crate::findings::{Code, Finding};

pub(super) async fn public_url(config: &Config, probe: &Probe) -> Checked<()> {
    let public_url = &config.server.public_url;
    let Ok(url) = Url::parse(&public_url.join("/.well-known/oauth-protected-resource")) else {
        return Checked::passed((), "");
    };
    let expected = format!("the metadata of this server at {url}");
    match probe
        .send(Method::GET, &url, &[("accept", "application/json")], None)
        .await
    {
        Err(no_answer) => Checked::passed((), "").and([Finding::new(Code::NotServed)
            .place(place(config, "server.public_url"))
            .expected(expected)
            .found(no_answer.why)]),
        Ok(answer) => {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let resource = body["resource"].as_str();
            match resource == Some(public_url.as_str()) {
                true => Checked::passed((), format!("{public_url} is served by Pixygate")),
                false => {
                    let status = answer.status.as_u16();
                    let found = match resource {
                        Some(resource) => format!("the resource {}", printable(resource)),
                        None => format!("an answer with status {status} without `resource`"),
                    };
                    Checked::passed((), "").and([Finding::new(Code::OtherServer)
                        .place(place(config, "server.public_url"))
                        .expected(expected)
                        .found(found)])
                }
            }
        }
    }
}
