//! The command line.

use dev_idp::Config;
use dev_idp::config::Client;
use url::Url;

/// The command and the configuration.
pub(crate) struct Arguments {
    pub(crate) what: What,
    pub(crate) config: Config,
}

pub(crate) enum What {
    Serve,
    PrintConfig,
    Help,
}

pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut what = What::Serve;
    let mut file = None;
    let mut listen = None;
    let mut client_id = "pixygate".to_owned();
    let mut redirect_uris = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--config" => file = Some(value()?),
            "--listen" => listen = Some(value()?),
            "--client-id" => client_id = value()?,
            "--redirect-uri" => redirect_uris.push(value()?),
            "--print-config" => what = What::PrintConfig,
            "--help" | "-h" => what = What::Help,
            _ => return Err(format!("{word} is not an option")),
        }
    }
    let mut config = match file {
        Some(path) => read_file(&path)?,
        None => Config::default(),
    };
    if let Some(listen) = listen {
        config.listen = listen
            .parse()
            .map_err(|_| format!("--listen {listen}: expected an address such as 127.0.0.1:3001"))?;
    }
    for uri in &redirect_uris {
        register(&mut config, &client_id, uri)?;
    }
    Ok(Arguments { what, config })
}

fn read_file(path: &str) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

/// Registers the redirect URI, its origin for scripts, and the origin's root for after sign-out, in every tenant.
fn register(config: &mut Config, client_id: &str, uri: &str) -> Result<(), String> {
    let url = Url::parse(uri).map_err(|error| format!("--redirect-uri {uri}: {error}"))?;
    let origin = url.origin();
    for tenant in &mut config.tenants {
        if tenant.client(client_id).is_none() {
            let client = Client {
                id: client_id.to_owned(),
                name: client_id.to_owned(),
                ..Client::default()
            };
            tenant.clients.push(client);
        }
        let Some(client) = tenant.client_mut(client_id) else {
            continue;
        };
        client.redirect_uris.push(uri.to_owned());
        client.post_logout_redirect_uris.push(uri.to_owned());
        if origin.is_tuple() {
            let origin = origin.ascii_serialization();
            client.post_logout_redirect_uris.push(format!("{origin}/"));
            client.post_logout_redirect_uris.push(origin.clone());
            client.origins.push(origin);
        }
    }
    Ok(())
}
