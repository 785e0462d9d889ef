//! `pixygate doctor`: meets the provider as a client would, and says what is wrong, the cause before its effects.
//!
//! 1. [`run`]: the checks, what they need, and what became of them.
//! 2. `network`, `metadata`, `keys`, `browser`, `pages`, `trusts`, `store`, `public_url`: the checks themselves. Each returns a
//!    value that the next ones need, or the [`Finding`] that keeps them from being made.
//! 3. [`report`]: the result, for a terminal and as JSON.

mod args;
mod browser;
mod bundle;
mod examined_key;
mod fix;
mod keys;
mod metadata;
mod network;
mod pages;
mod probe;
mod public_url;
mod report;
mod run;
mod sign_in;
mod store;
mod target;
mod trusts;
mod upstreams;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use pixygate::jwt::{HttpFetch, Trust};
use url::Url;

pub use args::{DoctorArgs, FailOn};
pub use bundle::bundle;
pub use fix::{apply, difference};
pub use metadata::{Found, find};
pub(crate) use probe::http_client;
pub use report::{Report, Style};
pub use run::{CHECKS, Check, Limits, Outcome, Record};
pub use sign_in::SignIn;
pub(crate) use target::metadata_location;

use crate::config::{Config, Problems};
use crate::embedded::{Embedded, EmbeddedError};
use crate::findings::{self, Code, Finding};
use crate::provider;
use probe::Probe;
use run::{Checked, Missing, Run};
use target::{Target, place};

/// What a run examines.
#[derive(Clone, Default)]
pub struct Options {
    /// The checks to make; none means all.
    pub only: Vec<String>,
    /// Whether the network is left alone.
    pub offline: bool,
    /// How long checks may take.
    pub limits: Limits,
    /// Whether a user signs in, and how.
    pub sign_in: Option<SignIn>,
}

/// Runs `pixygate doctor` in the working directory with the environment of the process.
pub async fn main(args: &DoctorArgs) -> ExitCode {
    if args.list {
        for check in CHECKS {
            crate::cli::print(format_args!("{:<18} {:<14} {}\n", check.id, check.section, check.shows));
        }
        return ExitCode::SUCCESS;
    }
    if let Some(code) = args.explain {
        crate::cli::print(findings::page(code));
        return ExitCode::SUCCESS;
    }
    let directory = std::env::current_dir().unwrap_or_default();
    let options = Options {
        only: args.only.clone(),
        offline: args.offline,
        limits: Limits::default(),
        sign_in: args.sign_in.then(|| SignIn::in_browser(args.port)),
    };
    let shows_progress = std::io::stderr().is_terminal() && !args.sign_in;
    let progress = |check: &str| {
        if shows_progress {
            eprint!("\r\u{1b}[K  … {check}");
        }
    };
    let clear = || {
        if shows_progress {
            eprint!("\r\u{1b}[K");
        }
    };
    let (mut name, mut config) = load(&directory, args.config.as_deref());
    let mut settings = bundle::settings(&config);
    let mut report = examine(&name, config, &options, &progress).await;
    clear();
    // A fault that is fixed may have hidden another one.
    for _ in 0..MOST_FIXES {
        if !args.fix || !fix_file(&directory, &name, &report) {
            break;
        }
        (name, config) = load(&directory, args.config.as_deref());
        settings = bundle::settings(&config);
        report = examine(&name, config, &options, &progress).await;
        clear();
    }
    if let Some(file) = &args.report {
        match std::fs::write(file, bundle(&report, &settings)) {
            Ok(()) => eprintln!("{} is written.", file.display()),
            Err(error) => {
                eprintln!("{} cannot be written: {error}", file.display());
                return ExitCode::from(2);
            }
        }
    }
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style {
        verbose: args.verbose,
        colour: std::io::stdout().is_terminal() && !no_colour,
    };
    match args.json {
        true => crate::cli::print(report.json()),
        false => crate::cli::print(report.text(style)),
    }
    match report
        .findings()
        .any(|finding| finding.severity >= args.fail_on.severity())
    {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// The issuers that conflict with what their metadata say, although their keys come from another place and the start reads no
/// metadata. Every token of such an issuer would be rejected. For the start, in the background.
pub async fn issuer_conflicts(config: &Config) -> Vec<Finding> {
    let is_unread = |trust: &Trust| !matches!(trust.key_source(), Ok(pixygate::jwt::KeySource::Discovery(_)));
    if !config.trust.iter().any(is_unread) {
        return Vec::new();
    }
    let options = Options {
        only: vec!["trust-discovery".to_owned()],
        ..Options::default()
    };
    let report = examine("", Ok(config.clone()), &options, &|_| {}).await;
    let findings = report.checks.into_iter().flat_map(|record| record.findings);
    findings.filter(|finding| finding.code == Code::OtherIssuer).collect()
}

/// `--fix` runs the checks again after a change, but not for ever.
const MOST_FIXES: usize = 3;

/// Shows the changes that the report names, and writes them into the file. Returns whether there were any.
fn fix_file(directory: &Path, name: &str, report: &Report) -> bool {
    let changes: Vec<_> = report.findings().filter_map(|finding| finding.change.clone()).collect();
    let path = directory.join(name);
    if changes.is_empty() {
        return false;
    }
    let fixed = std::fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|before| {
            let after = apply(&before, &changes)?;
            eprintln!("{name}\n{}", difference(&before, &after));
            std::fs::write(&path, &after).map_err(|error| error.to_string())
        });
    if let Err(why) = &fixed {
        eprintln!("{name} cannot be changed: {why}");
    }
    fixed.is_ok()
}

/// The configuration of this process, or the one in a named file, and how the report calls it.
pub fn load(directory: &Path, file: Option<&Path>) -> (String, Result<Config, Problems>) {
    let environment = crate::config::variables(std::env::vars_os()).map(|mut variables| {
        if let Some(file) = file {
            variables.retain(|(name, _)| name != "PIXYGATE_CONFIG");
            variables.push(("PIXYGATE_CONFIG".to_owned(), file.display().to_string()));
        }
        variables
    });
    let variables = match environment {
        Ok(variables) => variables,
        Err(problems) => return ("the environment".to_owned(), Err(problems)),
    };
    let named = variables
        .iter()
        .find(|(name, _)| name == "PIXYGATE_CONFIG")
        .map(|(_, file)| file.clone());
    let name = match named {
        Some(name) => name,
        None if directory.join(crate::config::FILE).exists() => crate::config::FILE.to_owned(),
        None => "no file, every setting at its default".to_owned(),
    };
    let config = Config::load(directory, variables);
    (name, config)
}

/// Examines a configuration. `progress` is called with the name of each check as it begins.
pub async fn examine(
    name: &str,
    config: Result<Config, Problems>,
    options: &Options,
    progress: &(dyn Fn(&str) + Sync),
) -> Report {
    let mut run = Run::new(&options.only, options.limits, progress);
    if options.sign_in.is_none() {
        run.leave_out(&["signed-in", "access-token"]);
    }
    let config = run.check("config", "", &Ok(()), async |()| configuration(config)).await;
    let issuer = match &config {
        Ok(config) if options.offline => {
            offline(&mut run, config).await;
            config.provider.as_ref().map(|provider| provider.issuer.clone())
        }
        Ok(config) => {
            let issuer = online(&mut run, config, options.sign_in.as_ref()).await;
            // Whatever became of the provider.
            store::examine(&mut run, config).await;
            issuer
        }
        Err(missing) => {
            let made_offline = ["provider", "trust"];
            let is_left = |check: &Check| !options.offline || made_offline.contains(&check.id);
            not_made(&mut run, *missing, is_left).await;
            None
        }
    };
    let records = match options.only.is_empty() {
        true => run.records,
        // A check that is needed is shown when it says why the wanted one could not be made.
        false => {
            let wanted = |record: &Record| options.only.iter().any(|name| name == record.check);
            let shown = |record: &Record| wanted(record) || record.outcome == Outcome::Found;
            run.records.into_iter().filter(shown).collect()
        }
    };
    Report::new(name.to_owned(), issuer.unwrap_or_default(), records)
}

/// Records checks as not made: those after the configuration that are left.
async fn not_made(run: &mut Run<'_>, missing: Missing, is_left: impl Fn(&Check) -> bool) {
    for check in CHECKS.iter().filter(|check| check.id != "config" && is_left(check)) {
        let nothing: Result<(), _> = Err(missing);
        let _missing = run
            .check(check.id, "", &nothing, async |()| Checked::passed((), ""))
            .await;
    }
}

/// Whether a check is about the provider, or cannot be made without it.
fn needs_provider(check: &Check) -> bool {
    check.id != "provider" && check.section != "Store"
}

fn configuration(config: Result<Config, Problems>) -> Checked<Config> {
    let finding = |problem: &crate::config::Problem| {
        Finding::new(Code::Configuration)
            .place(format!("{} ({})", problem.key, problem.origin))
            .expected(&problem.expected)
            .found(&problem.found)
            .hint(&problem.hint)
    };
    let refused = |problems: Problems| {
        let mut findings = problems.0.iter().map(finding);
        let first = findings.next().unwrap_or_else(|| Finding::new(Code::Configuration));
        Checked::failed(first).and(findings)
    };
    match config {
        Err(problems) => refused(problems),
        Ok(config) => match crate::start::policies(&config) {
            Ok(_) => {
                let written = config
                    .settings
                    .iter()
                    .filter(|(_, setting)| setting.origin != Default::default());
                let detail = format!("{} keys are set", written.count());
                Checked::passed(config, detail)
            }
            Err(crate::start::StartError::Config(problems)) => refused(problems),
            Err(error) => Checked::failed(Finding::new(Code::Configuration).found(error.to_string())),
        },
    }
}

async fn offline(run: &mut Run<'_>, config: &Config) {
    let provider = run
        .check("provider", "", &Ok(()), async |()| match &config.provider {
            Some(provider) => Checked::passed(provider.issuer.clone(), provider.issuer.clone()),
            None if cfg!(feature = "dev-idp") => {
                Checked::passed(String::new(), "").and([Finding::new(Code::EmbeddedProvider)])
            }
            None => Checked::failed(Finding::new(Code::NoProvider)),
        })
        .await;
    let _checked = run
        .check("trust", "", &provider, async |issuer: &String| {
            accepted(config, issuer, config.provider.is_none())
        })
        .await;
}

/// Ends the embedded provider with the run.
struct Running(Option<tokio::task::JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn online(run: &mut Run<'_>, config: &Config, sign_in: Option<&SignIn>) -> Option<String> {
    let found = run
        .check("provider", "", &Ok(()), async |()| provider_of(config).await)
        .await;
    let target = found.map(|(provider, running)| {
        let trust = provider::reached(config, &provider);
        let location = metadata_location(&trust);
        (provider, trust, location, running)
    });
    let (provider, trust, location, _running) = match target {
        Ok((provider, trust, Some(location), running)) => (provider, trust, location, running),
        Ok(_) => {
            not_made(run, Missing::Because(Code::NoMetadata), needs_provider).await;
            return None;
        }
        Err(missing) => {
            not_made(run, missing, needs_provider).await;
            return None;
        }
    };
    let issuer = provider.issuer.clone();
    let target = Target {
        config,
        provider,
        trust,
        location,
        fetch: HttpFetch::new(),
    };
    let probe = Probe::new(&target.trust, run.limits.check);
    match probe {
        Ok(probe) => of_provider(run, &target, &probe, sign_in).await,
        Err(why) => {
            let finding = Finding::new(Code::Configuration).found(why);
            let _failed: Result<(), _> = run
                .check("name", "", &Ok(()), async |()| Checked::failed(finding))
                .await;
        }
    }
    trusts::examine(run, &target).await;
    let embedded = config.provider.is_none();
    let _checked = run
        .check("trust", "", &Ok(()), async |()| accepted(config, &issuer, embedded))
        .await;
    // The server's certificate may be its proxy's own: only the machine's authorities count here.
    if let Ok(probe) = Probe::new(&Trust::new(config.server.public_url.as_str()), run.limits.check) {
        let checked = run.check("public-url", "", &Ok(()), async |()| {
            public_url::public_url(config, &probe).await
        });
        let _checked = checked.await;
    }
    upstreams::examine(run, config).await;
    Some(issuer)
}

/// The configured provider, or the embedded one: that of a server that is running, else one that is started for the run.
async fn provider_of(config: &Config) -> Checked<(crate::config::Provider, Running)> {
    if let Some(provider) = &config.provider {
        return Checked::passed((provider.clone(), Running(None)), provider.issuer.clone());
    }
    let note = Finding::new(Code::EmbeddedProvider);
    match Embedded::bind(config).await {
        Ok(embedded) => {
            let provider = embedded.provider();
            let running = Running(Some(tokio::spawn(embedded.serve())));
            Checked::passed((provider, running), "started for these checks").and([note])
        }
        Err(error) => match crate::embedded::running(config, &error) {
            Some(provider) => Checked::passed((provider, Running(None)), "it is running already").and([note]),
            None => Checked::failed(not_embedded(&error)),
        },
    }
}

fn not_embedded(error: &EmbeddedError) -> Finding {
    let text = error.to_string();
    let found = text.lines().next().unwrap_or_default().to_owned();
    match cfg!(feature = "dev-idp") {
        true => Finding::new(Code::Configuration).place("dev_idp.listen").found(found),
        false => Finding::new(Code::NoProvider).found(found),
    }
}

/// Whether the gate accepts the tokens of the provider at which users sign in.
fn accepted(config: &Config, issuer: &str, embedded: bool) -> Checked<()> {
    let accepted: Vec<_> = config.trust.iter().flat_map(Trust::accepted_issuers).collect();
    match accepted.is_empty() || accepted.iter().any(|one| one == issuer) {
        true => Checked::passed(
            (),
            if accepted.is_empty() {
                "by the provider's settings"
            } else {
                "by a [[trust]]"
            },
        ),
        // Its port is not known before it runs.
        false if embedded && issuer.is_empty() => {
            Checked::passed((), "the embedded provider's issuer is not known yet")
        }
        false => {
            let audience = config
                .provider
                .as_ref()
                .map(|provider| provider.trust().audience.join("\", \""));
            Checked::passed((), "").and([Finding::new(Code::ProviderNotTrusted)
                .place(place(config, "trust[0].issuer"))
                .expected(format!("a [[trust]] with issuer = \"{issuer}\""))
                .found(accepted.join(", "))
                .hint(format!(
                    "write another [[trust]] with issuer = \"{issuer}\" and audience = [\"{}\"]; or, when they are the same \
                     provider, correct the issuer that is there",
                    audience.unwrap_or_default()
                ))])
        }
    }
}

/// Everything about the provider at which users sign in.
async fn of_provider(run: &mut Run<'_>, target: &Target<'_>, probe: &Probe, sign_in: Option<&SignIn>) {
    let way = run
        .check("name", "", &Ok(()), async |()| network::name(target).await)
        .await;
    let connected = run
        .check("connect", "", &way, async |way| network::connect(target, way).await)
        .await;
    let answer = run
        .check("tls", "", &connected, async |()| network::tls(target, probe).await)
        .await;

    let document = run
        .check("discovery", "", &answer, async |_| metadata::discovery(target).await)
        .await;
    let metadata = run
        .check("issuer", "", &document, async |document| {
            metadata::issuer(target, document)
        })
        .await;
    let endpoints = run
        .check("endpoints", "", &metadata, async |it| metadata::endpoints(target, it))
        .await;
    let pkce = run.check("pkce", "", &metadata, async |it| metadata::pkce(it)).await;
    let response_type = run
        .check("response-type", "", &metadata, async |it| metadata::response_type(it))
        .await;
    let _checked = run
        .check("iss-parameter", "", &metadata, async |it| metadata::iss_parameter(it))
        .await;
    let _checked = run
        .check("scopes", "", &metadata, async |it| metadata::scopes(target, it))
        .await;
    let _checked = run
        .check("refresh", "", &metadata, async |it| metadata::refresh(target, it))
        .await;
    let dpop = run
        .check("dpop", "", &metadata, async |it| metadata::dpop(target, it))
        .await;
    let par = run
        .check("par", "", &metadata, async |it| metadata::par(target, it))
        .await;
    let logout = run
        .check("logout-endpoint", "", &metadata, async |it| {
            metadata::logout_endpoint(target, it)
        })
        .await;
    let _checked = run
        .check("public-client", "", &metadata, async |it| {
            metadata::public_client(target, it)
        })
        .await;

    let location = metadata.as_ref().map_err(|missing| *missing).and_then(|metadata| {
        let own = target.trust.jwks_url.parse::<Url>().ok();
        own.or_else(|| metadata.required_url("jwks_uri").ok())
            .ok_or(Missing::Because(Code::EndpointMissing))
    });
    let set = run
        .check("jwks", "", &location, async |url| {
            keys::jwks(target, &target.trust, url).await
        })
        .await;
    let shown = location.as_ref().map(Url::to_string).unwrap_or_default();
    let _checked = run
        .check("keys", "", &set, async |set| keys::keys(&target.trust, &shown, set))
        .await;
    let _checked = run
        .check("clock", "", &answer, async |answer| network::clock(target, answer))
        .await;

    let token = run
        .check("cors-token", "", &endpoints, async |it| {
            browser::token(target, probe, it).await
        })
        .await;
    let both = token.and_then(|()| Ok((endpoints.clone()?, dpop?)));
    let _checked = run
        .check("cors-dpop", "", &both, async |(it, used)| {
            browser::dpop(target, probe, it, *used).await
        })
        .await;
    let _checked = run
        .check("cors-keys", "", &endpoints, async |it| {
            browser::keys(target, probe, it).await
        })
        .await;
    let _checked = run
        .check("cors-revocation", "", &metadata, async |it| {
            browser::revocation(target, probe, it).await
        })
        .await;
    let _checked = run
        .check("cors-other", "", &metadata, async |it| {
            browser::other(target, probe, it).await
        })
        .await;

    let can_sign_in = endpoints.as_ref().map(drop).map_err(|missing| *missing);
    let ready = endpoints.map(drop).and(pkce).and(response_type).and(par);
    let _checked = run
        .check("authorization", "", &ready, async |()| {
            pages::authorization(target, probe).await
        })
        .await;
    let _checked = run
        .check("logout", "", &logout, async |url| {
            pages::logout(target, probe, url.as_ref()).await
        })
        .await;
    if let Some(sign_in) = sign_in {
        sign_in::examine(run, target, sign_in, &can_sign_in).await;
    }
}
