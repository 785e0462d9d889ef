//! `pixygate init`: asks for the provider, discovers it, and writes a configuration that `pixygate doctor` is content with.

mod args;

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use pixygate::jwt::{HttpFetch, Trust, printable};
use toml_edit::Value;
use url::Url;

pub use args::InitArgs;

use crate::config::{Config, PublicUrl};
use crate::doctor::{self, Found, Options, Style};
use crate::findings::Severity;

/// What a configuration is written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The issuer, as the provider's metadata have it.
    pub issuer: String,
    /// Where the metadata are, when that is not under the issuer.
    pub discovery_url: Option<String>,
    /// The client's identifier.
    pub client_id: String,
    /// The origin of this server.
    pub public_url: PublicUrl,
    /// The audience of access tokens, when it is not the client's identifier.
    pub audience: Option<String>,
}

/// Runs `pixygate init`.
pub async fn main(args: &InitArgs) -> ExitCode {
    match init(args).await {
        Ok(has_fault) if has_fault => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

async fn init(args: &InitArgs) -> Result<bool, String> {
    let file = args.output.display();
    if args.output.exists() && !args.force {
        return Err(format!(
            "{file} is there already; --force overwrites it, --output writes another file"
        ));
    }
    let typed = answer(
        args.issuer.as_deref(),
        "The provider's issuer, base URL, or metadata address",
        None,
    )?;
    let found = discover(&typed).await?;
    if found.issuer != typed {
        eprintln!("The provider calls itself {}", printable(&found.issuer));
    }
    let client_id = answer(
        args.client_id.as_deref(),
        "The client ID that the provider gave this application",
        None,
    )?;
    let local = "http://localhost:3000";
    let public_url = answer(
        args.public_url.as_deref(),
        "The origin under which browsers reach this server",
        Some(local),
    )?;
    let public_url = public_url
        .parse::<PublicUrl>()
        .map_err(|why| format!("{public_url}: {why}; expected an https origin, or http on loopback"))?;
    let answers = Answers {
        issuer: found.issuer,
        discovery_url: found.discovery_url,
        client_id,
        public_url,
        audience: args.audience.clone(),
    };
    let text = configuration(&answers);
    let config = Config::read(Some((&file.to_string(), &text)), []).map_err(|problems| problems.to_string())?;
    std::fs::write(&args.output, &text).map_err(|error| format!("{file} cannot be written: {error}"))?;
    eprintln!("{file} is written.\n\n{}", registration(&answers));
    let report = doctor::examine(&file.to_string(), Ok(config), &Options::default(), &|_| {}).await;
    crate::cli::print(report.text(Style::default()));
    Ok(report.findings().any(|finding| finding.severity == Severity::Fault))
}

/// The option, or what the user types.
fn answer(option: Option<&str>, question: &str, default: Option<&str>) -> Result<String, String> {
    if let Some(option) = option {
        return Ok(option.to_owned());
    }
    if !std::io::stdin().is_terminal() {
        let missing = format!("{question}: not given; see pixygate init --help");
        return default.map(str::to_owned).ok_or(missing);
    }
    loop {
        let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
        eprint!("{question}{shown}: ");
        let _shown = std::io::stderr().flush();
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        match (read, line.trim(), default) {
            (Ok(0) | Err(_), _, _) => return Err("nothing was written".to_owned()),
            (_, "", Some(default)) => return Ok(default.to_owned()),
            (_, "", None) => {}
            (_, text, _) => return Ok(text.to_owned()),
        }
    }
}

/// Finds a provider by its issuer, by its base URL, or by the address of its metadata.
///
/// # Errors
///
/// When there are no metadata at any of these places.
pub async fn discover(typed: &str) -> Result<Found, String> {
    const WELL_KNOWN: &str = "/.well-known/openid-configuration";
    let typed = typed.trim();
    let with_scheme = match typed.contains("://") {
        true => typed.to_owned(),
        false => format!("https://{typed}"),
    };
    let issuer = with_scheme.strip_suffix(WELL_KNOWN).unwrap_or(&with_scheme);
    Url::parse(issuer).map_err(|error| format!("{typed}: {error}; expected the URL of a provider"))?;
    let found = doctor::find(&HttpFetch::new(), &Trust::new(issuer)).await;
    let found = found.map_err(|finding| {
        format!(
            "{}: {}\n  found  {}\n  hint   {}",
            finding.code, finding.title, finding.found, finding.hint
        )
    })?;
    match found.issuer.contains(['{', '}']) {
        false => Ok(found),
        true => Err(format!(
            "{} stands for many tenants; expected the issuer of your own tenant",
            printable(&found.issuer)
        )),
    }
}

/// The text of the configuration file.
pub fn configuration(answers: &Answers) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let public_url = answers.public_url.as_str();
    // Writing to a string cannot fail.
    let mut text = String::from(
        "# Written by `pixygate init`. pixygate.example.toml documents every key; `pixygate doctor` checks them.\n\n",
    );
    let _infallible = write!(
        text,
        "[server]\n# The origin under which browsers reach this server.\npublic_url = {}\n",
        quoted(public_url)
    );
    if let Some(port) = local_port(public_url) {
        let listen = quoted(&format!("127.0.0.1:{port}"));
        let _infallible = writeln!(text, "# Where this server listens: the same port.\nlisten = {listen}");
    }
    let _infallible = write!(
        text,
        "\n[provider]\n# Exactly as the provider's tokens have it in `iss`.\nissuer = {}\n",
        quoted(&answers.issuer)
    );
    if let Some(url) = &answers.discovery_url {
        let _infallible = writeln!(
            text,
            "# The metadata are not under the issuer.\ndiscovery_url = {}",
            quoted(url)
        );
    }
    let _infallible = writeln!(
        text,
        "# The identifier that the provider gave this application. It has no secret.\nclient_id = {}",
        quoted(&answers.client_id)
    );
    text.push_str("# Add the scopes of your services. `openid` must be among them.\nscopes = [\"openid\", \"profile\", \"email\"]\n");
    if let Some(audience) = &answers.audience {
        let _infallible = write!(
            text,
            "\n# RecordOwner access tokens the gate accepts.\n[[trust]]\nissuer = {}\naudience = [{}]\n",
            quoted(&answers.issuer),
            quoted(audience)
        );
        if let Some(url) = &answers.discovery_url {
            let _infallible = writeln!(text, "discovery_url = {}", quoted(url));
        }
    }
    text
}

/// The port of an origin on this machine, unless the server listens there by itself.
fn local_port(public_url: &str) -> Option<u16> {
    let url = Url::parse(public_url).ok().filter(|url| url.scheme() == "http")?;
    url.port_or_known_default().filter(|port| *port != DEFAULT_PORT)
}

/// The port of `server.listen` where nothing else is said.
const DEFAULT_PORT: u16 = 3000;

/// What must be registered at the provider.
pub fn registration(answers: &Answers) -> String {
    let public_url = &answers.public_url;
    format!(
        "Register at the provider, for the client {}:\n  redirect URI              {}\n  post-logout redirect URI  {}\n  \
         allowed origin (CORS)     {public_url}\n  back-channel logout URI   {}\n",
        answers.client_id,
        public_url.join("/callback"),
        public_url.join("/"),
        public_url.join("/backchannel-logout")
    )
}
