//! The next step of a sign-in. Pure: it depends only on the arguments.

use crate::config::{Client, Tenant};
use crate::store::{Interaction, Prompt, Session};

/// The next step of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Username and password.
    SignIn,
    /// The choice of an account.
    ChooseAccount,
    /// A one-time code.
    SecondFactor,
    /// A one-time code, from a user without a second factor.
    NoSecondFactor,
    /// Consent.
    Consent,
    /// Nothing: the client gets its code.
    Done,
}

/// Returns the next step of a request for the current session.
pub(crate) fn next(
    tenant: &Tenant,
    client: &Client,
    consented: &[String],
    interaction: &Interaction,
    session: Option<&Session>,
    sub: Option<&str>,
    now: i64,
) -> Step {
    let request = &interaction.request;
    let Some((session, user)) = session.and_then(|it| Some((it, tenant.user(&it.username)?))) else {
        return Step::SignIn;
    };
    let asked = |prompt| request.prompt.contains(&prompt);
    if asked(Prompt::SelectAccount) && !interaction.account_chosen && !interaction.signed_in {
        return Step::ChooseAccount;
    }
    // `max_age=0` is the same as `prompt=login` (OpenID Connect Core, section 3.1.2.1), even within the second of the sign-in.
    let too_old = request
        .max_age
        .is_some_and(|seconds| seconds == 0 || now - session.auth_time > seconds);
    if (asked(Prompt::Login) || too_old) && !interaction.signed_in {
        return Step::SignIn;
    }
    // Only the user of an `id_token_hint` may answer (OpenID Connect Core, section 3.1.2.1).
    if request.sub_hint.is_some() && request.sub_hint.as_deref() != sub {
        return Step::SignIn;
    }
    if request.acr.is_some_and(|acr| session.acr() < acr) {
        return if user.totp_secret.is_empty() {
            Step::NoSecondFactor
        } else {
            Step::SecondFactor
        };
    }
    let scope = tenant.grantable_scopes(user, &request.scope);
    let known = scope.iter().all(|scope| consented.contains(scope));
    if !interaction.consented && (asked(Prompt::Consent) || (client.consent && !known)) {
        return Step::Consent;
    }
    Step::Done
}
