//! Requests to the provider that the gate does not make: those of a browser, and those that only look.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode, header};
use pixygate::jwt::Trust;
use reqwest::redirect::Policy;
use url::Url;

/// More of an answer is not read.
const LARGEST_BODY: usize = 256 * 1024;

/// More redirects than any sign-in page needs.
const MOST_REDIRECTS: usize = 10;

/// Sends requests as the trust says: its certificates, and no proxy to private addresses.
pub(super) struct Probe {
    client: reqwest::Client,
}

/// An answer, read to its end or to [`LARGEST_BODY`].
pub(super) struct Answer {
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// When its head arrived.
    pub(super) received: SystemTime,
}

/// Why there is no answer.
pub(super) struct NoAnswer {
    /// The whole chain of causes, without the address.
    pub(super) why: String,
    pub(super) timeout: bool,
}

impl Probe {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// When a certificate cannot be used.
    pub(super) fn new(trust: &Trust, limit: Duration) -> Result<Self, String> {
        let client = http_client(trust, limit)?;
        Ok(Self { client })
    }

    /// Sends a request.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        form: Option<&str>,
    ) -> Result<Answer, NoAnswer> {
        let mut request = self.client.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.to_owned());
        }
        let mut response = request.send().await.map_err(|error| NoAnswer::new(&error))?;
        let (status, headers, received) = (response.status(), response.headers().clone(), SystemTime::now());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| NoAnswer::new(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() >= LARGEST_BODY {
                break;
            }
        }
        Ok(Answer {
            url: url.clone(),
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            received,
        })
    }

    /// Opens a page as a browser does: it follows redirects and keeps cookies, until `is_end` knows the address.
    pub(super) async fn open(&self, url: &Url, is_end: impl Fn(&Url) -> bool) -> Result<Answer, NoAnswer> {
        let mut cookies: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let host = url.host_str().unwrap_or_default().to_owned();
            let own = cookies.iter().filter(|((of, _), _)| *of == host);
            let cookie = own
                .map(|((_, name), value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("; ");
            let mut headers = vec![("accept", "text/html,application/xhtml+xml")];
            if !cookie.is_empty() {
                headers.push(("cookie", &cookie));
            }
            let answer = self.send(Method::GET, &url, &headers, None).await?;
            for value in answer.headers.get_all(header::SET_COOKIE) {
                let pair = value
                    .to_str()
                    .ok()
                    .and_then(|text| text.split(';').next()?.split_once('='));
                if let Some((name, value)) = pair {
                    cookies.insert((host.clone(), name.trim().to_owned()), value.trim().to_owned());
                }
            }
            let location = answer
                .headers
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            match next.filter(|_| answer.status.is_redirection()) {
                Some(next) if is_end(&next) => return Ok(Answer { url: next, ..answer }),
                Some(next) if matches!(next.scheme(), "http" | "https") => url = next,
                _ => return Ok(answer),
            }
        }
        Err(NoAnswer {
            why: format!("more than {MOST_REDIRECTS} redirects"),
            timeout: false,
        })
    }
}

/// A client that connects as the trust says, and follows no redirect.
///
/// # Errors
///
/// When a certificate cannot be used.
pub(crate) fn http_client(trust: &Trust, limit: Duration) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pixygate-doctor/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .timeout(limit);
    if trust.on_private_address() {
        builder = builder.no_proxy();
    }
    if !trust.ca_file.is_empty() {
        let bytes = std::fs::read(&trust.ca_file).map_err(|error| format!("{}: {error}", trust.ca_file))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|error| causes(&error))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if !trust.client_certificate_file.is_empty() {
        let path = &trust.client_certificate_file;
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        builder = builder.identity(reqwest::Identity::from_pem(&bytes).map_err(|error| causes(&error))?);
    }
    builder.build().map_err(|error| causes(&error))
}

impl Answer {
    /// Whether a browser gives the answer to a script of the origin.
    pub(super) fn is_shared_with(&self, origin: &str) -> bool {
        let mut allowed = self.headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
        match (allowed.next(), allowed.next()) {
            (Some(allowed), None) => allowed == origin || allowed == "*",
            _ => false,
        }
    }

    /// What the answer says about origins, for a finding.
    pub(super) fn allowed_origin(&self) -> String {
        let allowed = self.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let allowed = allowed.map_or_else(
            || "no Access-Control-Allow-Origin".to_owned(),
            |value| {
                format!(
                    "Access-Control-Allow-Origin: {}",
                    String::from_utf8_lossy(value.as_bytes())
                )
            },
        );
        format!("status {}, {allowed}", self.status.as_u16())
    }

    /// Seconds by which the sender's clock is ahead of this machine's.
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        let now = self.received;
        let date = httpdate::parse_http_date(self.headers.get(header::DATE)?.to_str().ok()?).ok()?;
        Some(match date.duration_since(now) {
            Ok(ahead) => i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX),
            Err(behind) => -i64::try_from(behind.duration().as_secs()).unwrap_or(i64::MAX),
        })
    }
}

impl NoAnswer {
    fn new(error: &reqwest::Error) -> Self {
        Self {
            why: causes(error),
            timeout: error.is_timeout(),
        }
    }

    /// Whether the certificate is what is wrong.
    pub(super) fn is_tls(&self) -> bool {
        is_tls(&self.why)
    }
}

/// Whether a chain of causes is about TLS. The libraries give no type for it through all layers.
pub(super) fn is_tls(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["certificate", "tls", "handshake", "corrupt message", "unknownissuer"]
        .iter()
        .any(|word| why.contains(word))
}

/// The causes of an error without its first line, which has the whole address in it.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&next_text);
        }
        cause = next.source();
    }
    match text.as_str() {
        "" if error.is_timeout() => "no answer in time".to_owned(),
        "" => "the exchange failed".to_owned(),
        _ => text,
    }
}
