//! `pixygate inspect`: a token, explained. What it says, and what the gate makes of it, by the gate's own checks.

mod args;
mod token;
mod verdict;

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use pixygate::gate::{Diagnosis, Gate, Policies};
use pixygate::jwt::{Fetch, HttpFetch, Trust, Validator, printable};
use serde::Serialize;

pub use args::InspectArgs;
pub use token::{Kind, Line};
pub(crate) use token::{Parts, claim_meaning, header_meaning, is_date};
pub(crate) use verdict::finding;
pub use verdict::{Decision, RouteVerdict, STAGES, Verdict};

use crate::config::Config;
use crate::findings::{Code, Finding};
use crate::{doctor, embedded, start};

/// A longer file is no token.
const LONGEST: u64 = 1024 * 1024;

/// A check of the gate, and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name.
    pub check: &'static str,
    /// The verdict.
    pub verdict: Verdict,
}

/// A token, explained. It does not hold the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Its kind, as the token itself says.
    pub kind: Kind,
    /// Its length.
    pub bytes: usize,
    /// Its header.
    pub header: Vec<Line>,
    /// Its claims.
    pub claims: Vec<Line>,
    /// The gate's checks, in the gate's order.
    pub checks: Vec<Stage>,
    /// The gate's verdict.
    #[serde(flatten)]
    pub decision: Decision,
    /// Why it is rejected, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// What each route makes of it.
    pub routes: Vec<RouteVerdict>,
}

/// Runs `pixygate inspect`.
pub async fn main(args: &InspectArgs) -> ExitCode {
    match inspect(args).await {
        Ok(inspection) => {
            match args.json {
                true => crate::cli::print(serde_json::to_string_pretty(&inspection).unwrap_or_default() + "\n"),
                false => crate::cli::print(inspection.text()),
            }
            match inspection.decision {
                Decision::Accepted | Decision::AcceptedWithProof { .. } => ExitCode::SUCCESS,
                Decision::Rejected { .. } => ExitCode::FAILURE,
                Decision::NotChecked { .. } => ExitCode::from(2),
            }
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

async fn inspect(args: &InspectArgs) -> Result<Inspection, String> {
    let token = read(&args.token)?;
    let directory = std::env::current_dir().unwrap_or_default();
    let (_, config) = doctor::load(&directory, args.config.as_deref());
    let config = config.map_err(|problems| problems.to_string())?;
    let trusts = trusts(&config, args.jwks.as_deref())?;
    let policies = start::policies(&config).map_err(|error| error.to_string())?;
    let most = config.gate.max_token_bytes as usize;
    examine(&token, trusts, &policies, most, HttpFetch::new(), SystemTime::now()).await
}

/// The token of a file, of standard input, or of the argument itself.
fn read(argument: &str) -> Result<String, String> {
    let limited = |source: &mut dyn std::io::Read| {
        let mut text = String::new();
        source.take(LONGEST).read_to_string(&mut text).map(|_| text)
    };
    let text = match argument {
        "-" => {
            if std::io::stdin().is_terminal() {
                eprintln!("Paste the token, then press Ctrl-D on a line of its own.");
            }
            limited(&mut std::io::stdin().lock()).map_err(|error| format!("standard input cannot be read: {error}"))?
        }
        name if Path::new(name).is_file() => {
            let mut file = std::fs::File::open(name).map_err(|error| format!("{name} cannot be read: {error}"))?;
            limited(&mut file).map_err(|error| format!("{name} cannot be read: {error}"))?
        }
        token => token.to_owned(),
    };
    match bare(&text) {
        "" => Err("expected a token, found nothing; see pixygate inspect --help".to_owned()),
        token => Ok(token.to_owned()),
    }
}

/// The token without what stands around it in a request: `Authorization: Bearer …`.
pub(crate) fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = match text.split_once(':') {
        Some((name, value)) if name.eq_ignore_ascii_case("authorization") => value.trim(),
        _ => text,
    };
    match text.split_once(char::is_whitespace) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop") => {
            token.trim()
        }
        _ => text,
    }
}

fn trusts(config: &Config, jwks: Option<&Path>) -> Result<Vec<Trust>, String> {
    let provider = config.provider.clone().or_else(|| embedded::assumed(config));
    let mut trusts = match &provider {
        Some(provider) => config.trust_of(provider),
        None => config.trust.clone(),
    };
    if trusts.is_empty() {
        return Err("expected a [provider] or a [[trust]] in the configuration, found none".to_owned());
    }
    if let Some(file) = jwks {
        for trust in &mut trusts {
            for place in [
                &mut trust.jwks_url,
                &mut trust.jwks,
                &mut trust.public_key,
                &mut trust.public_key_file,
            ] {
                place.clear();
            }
            trust.jwks_file = file.display().to_string();
        }
    }
    Ok(trusts)
}

/// Examines a token as the gate would at a moment. Which tokens were revoked is known to the running server alone.
///
/// # Errors
///
/// When the trusts or the policies cannot be used.
pub async fn examine(
    token: &str,
    trusts: Vec<Trust>,
    policies: &Policies,
    max_token_bytes: usize,
    fetch: impl Fetch,
    now: SystemTime,
) -> Result<Inspection, String> {
    let validator = Validator::builder(trusts)
        .fetch(fetch)
        .clock(verdict::At(now))
        .max_token_bytes(max_token_bytes)
        .build()
        .map_err(|error| error.to_string())?;
    // What fails here fails again where a token needs it, and is said there.
    drop(validator.load().await);
    let gate = Gate::builder()
        .validator(validator)
        .policies(policies.clone())
        .clock(verdict::At(now))
        // Nothing is ever sent to it. A policy may require DPoP, and then a gate has to know its address.
        .public_url("http://127.0.0.1")
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(explain(token, &gate.diagnose(token).await, now, false))
}

/// Explains a token by what a gate has found. A running gate `knows_revocations`.
pub(crate) fn explain(token: &str, diagnosis: &Diagnosis, now: SystemTime, knows_revocations: bool) -> Inspection {
    let parts = token::Parts::of(token);
    let judged = verdict::judge(diagnosis, knows_revocations);
    let routes = match diagnosis.rejection() {
        None => diagnosis.routes().filter_map(|call| verdict::route(&call)).collect(),
        Some(_) => Vec::new(),
    };
    let finding = judged.finding.map(|finding| match parts.own_key() {
        Some(member) if matches!(finding.code, Code::UnknownKey | Code::BadSignature) => {
            let found = format!(
                "{}; the token names a key of its own (`{member}`), which the gate ignores",
                finding.found
            );
            finding.found(found)
        }
        _ => finding,
    });
    Inspection {
        kind: parts.kind,
        bytes: token.len(),
        header: token::header_lines(&parts.header),
        claims: token::claim_lines(&parts.claims, now),
        checks: judged
            .stages
            .into_iter()
            .map(|(check, verdict)| Stage { check, verdict })
            .collect(),
        decision: judged.decision,
        finding,
        routes,
    }
}

impl Inspection {
    /// The inspection for a terminal.
    pub fn text(&self) -> String {
        // Writing to a string cannot fail.
        let mut text = format!("\n{} {} bytes.\n", self.kind.explanation(), self.bytes);
        for (title, lines) in [("Header", &self.header), ("Claims", &self.claims)] {
            if lines.is_empty() {
                continue;
            }
            let _infallible = writeln!(text, "\n{title}");
            let width = lines.iter().map(|line| line.name.len()).max().unwrap_or_default();
            for Line {
                name,
                value,
                meaning,
                date,
            } in lines
            {
                let notes = [date.as_str(), meaning].into_iter().filter(|note| !note.is_empty());
                let notes = notes.collect::<Vec<_>>().join("; ");
                let notes = if notes.is_empty() {
                    notes
                } else {
                    format!("   # {notes}")
                };
                let _infallible = writeln!(text, "  {name:width$}  {value}{notes}");
            }
        }
        text.push_str("\nChecks, in the gate's order\n");
        for Stage { check, verdict } in &self.checks {
            let shows = STAGES
                .iter()
                .find(|(name, _)| name == check)
                .map_or("", |(_, shows)| shows);
            let _infallible = match (verdict, &self.finding) {
                (Verdict::Passed, _) => writeln!(text, "  ✓ {check:<10} {shows}"),
                (Verdict::NotMade, _) => writeln!(text, "  – {check:<10} not checked"),
                (Verdict::Failed, None) => writeln!(text, "  ✗ {check:<10}"),
                (Verdict::Failed, Some(finding)) => {
                    let _infallible = writeln!(text, "  ✗ {check:<10} {}: {}", finding.code, finding.title);
                    for (label, value) in [
                        ("expected", &finding.expected),
                        ("found", &finding.found),
                        ("hint", &finding.hint),
                    ] {
                        if !value.is_empty() {
                            let _infallible = writeln!(text, "      {label:<9} {value}");
                        }
                    }
                    Ok(())
                }
            };
        }
        if !self.routes.is_empty() {
            text.push_str("\nRoutes\n");
            let width = |cell: fn(&RouteVerdict) -> &str| {
                let widths = self.routes.iter().map(|route| cell(route).len());
                widths.max().unwrap_or_default()
            };
            let (methods, paths) = (width(|route| &route.methods), width(|route| &route.path));
            for route in &self.routes {
                let mark = if route.status < 400 { "✓" } else { "✗" };
                let why = match route.reason {
                    None => String::new(),
                    Some(reason) => format!("   {}: {}", reason.name(), printable(&route.missing)),
                };
                let _infallible = writeln!(
                    text,
                    "  {mark} {:methods$}  {:paths$}  {} {}{why}",
                    route.methods, route.path, route.status, route.policy
                );
            }
        }
        let verdict = match &self.decision {
            Decision::Accepted => "Accepted.".to_owned(),
            Decision::AcceptedWithProof { proof } => format!("Accepted, when the request brings {proof}."),
            Decision::Rejected { reason } => format!("Rejected: {}.", reason.name()),
            Decision::NotChecked { reason } => {
                format!("Not checked: {}. `pixygate doctor` says why.", reason.name())
            }
        };
        let _infallible = writeln!(text, "\n{verdict}");
        text
    }

    /// The code of the finding, where the token is rejected.
    pub fn code(&self) -> Option<Code> {
        self.finding.as_ref().map(|finding| finding.code)
    }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn a_token_is_taken_out_of_what_stands_around_it() {
        for text in [
            "a.b.c",
            " a.b.c\n",
            "Bearer a.b.c",
            "bearer  a.b.c\n",
            "Authorization: DPoP a.b.c",
            "authorization:Bearer a.b.c",
        ] {
            assert_eq!(bare(text), "a.b.c", "{text:?}");
        }
        assert_eq!(bare("  \n"), "");
    }
}
