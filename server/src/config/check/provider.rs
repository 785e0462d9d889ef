//! `[provider]`

use pixygate::authorization::{DpopMode, SignIn};

use super::super::url::issuer;
use super::super::{Provider, PublicUrl, Session};
use super::Checker;

impl Checker {
    pub(super) fn provider(&mut self, session: &Session) -> Provider {
        for (key, mend) in [
            (
                "provider.issuer",
                "write issuer = \"…\", exactly as `iss` in the provider's tokens",
            ),
            (
                "provider.client_id",
                "write client_id = \"…\", the identifier that the provider gave this application",
            ),
        ] {
            if self.text(key).is_empty() {
                self.problem(key, "a value, because the [provider] section is there", mend);
            }
        }
        let issuer_text = self.text("provider.issuer");
        if !issuer_text.is_empty()
            && let Err(why) = issuer(&issuer_text)
        {
            let expected = "the provider's issuer: an https address, or http on loopback, without query and fragment";
            self.problem_because(
                "provider.issuer",
                expected,
                &why,
                "write it exactly as `iss` in the provider's tokens",
            );
        }
        let scopes = self.list("provider.scopes");
        if !scopes.iter().any(|scope| scope == "openid") {
            let mend = "add \"openid\": without it there is no ID token and nobody is signed in";
            self.problem("provider.scopes", "openid among the scopes", mend);
        }
        if scopes.iter().any(|scope| !is_scope_token(scope)) {
            self.problem(
                "provider.scopes",
                "one scope per string, without spaces",
                "write [\"openid\", \"profile\"]",
            );
        }
        let extra_params = self.map("provider.extra_params");
        if let Some(own) = extra_params.keys().find(|name| SignIn::is_reserved(name)) {
            let expected = format!("parameters that Pixygate does not set itself; {own} is one that it does");
            self.problem("provider.extra_params", &expected, &format!("take {own} out"));
        }
        Provider {
            issuer: issuer_text,
            discovery_url: self.optional_url("provider.discovery_url"),
            client_id: self.text("provider.client_id"),
            scopes,
            resource: self.resource(),
            extra_params,
            dpop: match self.text("provider.dpop").as_str() {
                "required" => DpopMode::Required,
                "off" => DpopMode::Off,
                _ => DpopMode::Auto,
            },
            logout_url: self.optional_url("provider.logout_url"),
            sessions_url: self.optional_url("provider.sessions_url"),
            session: session.clone(),
            issuer_origin: self.origin("provider.issuer"),
        }
    }

    pub(super) fn session(&mut self) -> Session {
        let mut call_origins = Vec::new();
        for text in self.list("session.call_origins") {
            match PublicUrl::parse(&text) {
                Ok(origin) => call_origins.push(origin.as_str().to_owned()),
                Err(why) => {
                    let expected = "origins: https, or http on loopback, without a path";
                    let mend = "write scheme, host and port, as in \"https://api.example.com\"";
                    self.problem_because("session.call_origins", expected, &format!("{text:?}: {why}"), mend);
                }
            }
        }
        let idle = u32::try_from(self.whole("session.idle_sign_out_seconds"));
        Session {
            idle_sign_out_seconds: idle.ok().filter(|seconds| *seconds > 0),
            call_origins,
        }
    }

    /// RFC 8707, section 2: any absolute URI without a fragment.
    fn resource(&mut self) -> Option<String> {
        let text = self.text("provider.resource");
        let absolute = ::url::Url::parse(&text).is_ok_and(|uri| uri.fragment().is_none());
        if !text.is_empty() && !absolute {
            let mend = "write the resource as the provider knows it, such as https://… or api://…";
            self.problem("provider.resource", "an absolute URI without a fragment", mend);
        }
        (!text.is_empty()).then_some(text)
    }
}

/// RFC 6749, section 3.3.
pub(super) fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
