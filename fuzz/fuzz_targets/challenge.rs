//! Any demand in a challenge: one header line, and every quote is closed.
#![no_main]

use axum::response::IntoResponse;
use libfuzzer_sys::fuzz_target;
use pixygate::{
    Reason,
    jwt::{Demand, Rejection},
};

fuzz_target!(|demand: (Vec<String>, Vec<String>, Option<u64>)| {
    let (scopes, acr_values, max_age) = demand;
    let mut asked = Demand::default();
    (asked.scopes, asked.acr_values, asked.max_age) = (scopes, acr_values, max_age);
    for reason in [
        Reason::InsufficientScope,
        Reason::InsufficientUserAuthentication,
        Reason::DpopRequired,
        Reason::MissingToken,
    ] {
        let response = Rejection::new(reason).demanding(asked.clone()).into_response();
        let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
        assert!(!challenges.is_empty());
        for challenge in challenges {
            let text = challenge.to_str().expect("a challenge is ASCII");
            assert_eq!(text.matches('"').count() % 2, 0);
            assert!(!text.contains(['\\', '\r', '\n']));
            // Between quotes stand the values, between values the names.
            for name in text
                .split('"')
                .step_by(2)
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                let name = name
                    .trim_start_matches("Bearer ")
                    .trim_start_matches("DPoP ")
                    .trim_start_matches(", ");
                assert!(
                    name.ends_with('=')
                        && name[..name.len() - 1]
                            .bytes()
                            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                );
            }
        }
    }
});
