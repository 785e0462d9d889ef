//! What the person still has to do for a request. Pure: the answer follows from what is handed in.

use crate::config::{Client, Tenant};
use crate::store::{Interaction, Prompt, Session};

/// The next thing to ask the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Name and password.
    SignIn,
    /// Which account.
    ChooseAccount,
    /// A one-time code.
    SecondFactor,
    /// A one-time code, from someone who has no second factor.
    NoSecondFactor,
    /// Whether the application may have what it asks for.
    Consent,
    /// Nothing: the client gets its code.
    Done,
}

/// The next step of a request, for whoever is signed in.
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
    let Some((session, person)) = session.and_then(|it| Some((it, tenant.person(&it.username)?))) else {
        return Step::SignIn;
    };
    let asked = |prompt| request.prompt.contains(&prompt);
    if asked(Prompt::SelectAccount) && !interaction.account_chosen && !interaction.signed_in {
        return Step::ChooseAccount;
    }
    // Zero is as good as prompt=login (OpenID Connect Core, section 3.1.2.1), also within the second of the sign-in.
    let too_old = request
        .max_age
        .is_some_and(|seconds| seconds == 0 || now - session.auth_time > seconds);
    if (asked(Prompt::Login) || too_old) && !interaction.signed_in {
        return Step::SignIn;
    }
    // An `id_token_hint` names the only person who may answer (OpenID Connect Core, section 3.1.2.1).
    if request.sub_hint.is_some() && request.sub_hint.as_deref() != sub {
        return Step::SignIn;
    }
    if request.acr.is_some_and(|acr| session.acr() < acr) {
        return if person.totp_secret.is_empty() {
            Step::NoSecondFactor
        } else {
            Step::SecondFactor
        };
    }
    let scope = tenant.grantable_scopes(person, &request.scope);
    let known = scope.iter().all(|scope| consented.contains(scope));
    if !interaction.consented && (asked(Prompt::Consent) || (client.consent && !known)) {
        return Step::Consent;
    }
    Step::Done
}
