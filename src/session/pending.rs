//! The pending sign-ins of all tabs, stored encrypted until their callback.

use serde_json::Value;

use crate::authorization::json::{self, Json};
use crate::authorization::{PendingSignIn, TokenExchange};

use super::platform::SaveMode;
use super::{PendingRequest, Platform, Session, SessionError, StepUp, StorageError};

const PENDING: &str = "pending";

/// The slot for the time at which the provider last rejected a silent sign-in. Another one would be rejected too.
const REFUSED: &str = "refused";

/// How long that time counts, in milliseconds. The user may sign in elsewhere meanwhile.
const REFUSED_FOR: f64 = 600_000.0;

/// The maximum number and age (in milliseconds) of stored sign-ins. Abandoned ones are dropped.
const MAX_PENDING: usize = 20;
const MAX_AGE_MS: f64 = 3_600_000.0;

/// A pending sign-in.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) sign_in: PendingSignIn,
    /// By the wall clock of this device.
    pub(super) since: f64,
    /// Whether it is in a popup window, which closes afterwards.
    pub(super) popup: bool,
    /// Whether it has `prompt=none`: then a missing session at the provider is not a failure.
    pub(super) silent: bool,
    pub(super) trigger: Trigger,
}

/// Why the sign-in was started.
#[derive(Debug)]
pub(super) enum Trigger {
    User,
    /// By a page, or by a call that is made after the sign-in.
    Call(Option<Box<RepeatedCall>>),
}

/// The call that needs a step-up, and its user.
#[derive(Clone, Debug)]
pub(super) struct RepeatedCall {
    pub(super) subject: String,
    /// The organisation that the user acts for.
    pub(super) acting: Option<TokenExchange>,
    pub(super) demand: StepUp,
    pub(super) call: PendingRequest,
}

json::fields!(Pending {
    sign_in,
    since,
    popup,
    silent,
    trigger as "asked",
});

impl Json for Trigger {
    fn read(value: Value) -> Option<Self> {
        let (name, value) = json::variant(value)?;
        match name.as_str() {
            "ByPerson" => Some(Self::User),
            "ByCall" => Json::read(value).map(Self::Call),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::User => "ByPerson".into(),
            Self::Call(call) => json::of_variant("ByCall", call.write()),
        }
    }
}

json::fields!(RepeatedCall {
    subject,
    acting,
    demand,
    call,
});

impl<P: Platform> Session<P> {
    /// Stores a sign-in until its callback. If it cannot be stored, a sign-in in a popup window stays in this page's memory.
    pub(super) async fn remember(&self, pending: Pending) -> Result<(), SessionError> {
        let _lock = self.lock(PENDING).await?;
        let stays = pending.popup;
        let kept = match self.all_pending().await {
            Ok(mut all) => {
                all.drain(..all.len().saturating_sub(MAX_PENDING - 1));
                all.push(pending);
                let kept = self.keep_pending(&all).await;
                kept.map_err(|error| (error, all.pop()))
            }
            Err(error) => Err((error, Some(pending))),
        };
        match kept {
            Err((_, Some(pending))) if stays => {
                let mut unstored = self.0.unstored.borrow_mut();
                let too_many = unstored.len().saturating_sub(MAX_PENDING - 1);
                unstored.drain(..too_many);
                unstored.push(pending);
                Ok(())
            }
            kept => Ok(kept.map_err(|(error, _)| error)?),
        }
    }

    /// Returns whether only this page can complete the sign-in with this `state`: this page opened its window, and the browser stores
    /// nothing. Pass the query of the window's callback to [`Session::complete`].
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::run(async |session| {
    /// assert!(!session.waits_for("that of another page"));
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn waits_for(&self, state: &str) -> bool {
        self.unstored_at(state).is_some()
    }

    fn unstored_at(&self, state: &str) -> Option<usize> {
        let mut unstored = self.0.unstored.borrow_mut();
        self.retain_recent(&mut unstored);
        unstored.iter().position(|pending| pending.sign_in.state() == state)
    }

    /// Takes the sign-in with this `state`. Only one of two tabs gets it.
    pub(super) async fn recall(&self, state: &str) -> Result<Option<Pending>, SessionError> {
        if let Some(at) = self.unstored_at(state) {
            return Ok(Some(self.0.unstored.borrow_mut().remove(at)));
        }
        let _lock = self.lock(PENDING).await?;
        let mut all = self.all_pending().await?;
        let Some(at) = all.iter().position(|pending| pending.sign_in.state() == state) else {
            return Ok(None);
        };
        let found = all.remove(at);
        self.keep_pending(&all).await?;
        Ok(Some(found))
    }

    pub(super) async fn all_pending(&self) -> Result<Vec<Pending>, StorageError> {
        let text = self.0.platform.load(PENDING, &self.binding()).await?;
        let all = text.and_then(|text| json::parse(text.as_bytes()));
        let mut all: Vec<Pending> = all.unwrap_or_default();
        self.retain_recent(&mut all);
        Ok(all)
    }

    fn retain_recent(&self, all: &mut Vec<Pending>) {
        let now = self.0.platform.now().wall;
        all.retain(|pending| (now - pending.since).abs() < MAX_AGE_MS);
    }

    /// Returns whether the provider has rejected a silent sign-in recently.
    pub(super) async fn was_refused(&self) -> bool {
        let text = self.0.platform.load(REFUSED, &self.binding()).await;
        let at: Option<f64> = text.ok().flatten().and_then(|text| json::parse(text.as_bytes()));
        at.is_some_and(|at| (self.0.platform.now().wall - at).abs() < REFUSED_FOR)
    }

    pub(super) async fn note_refused(&self, yes: bool) {
        if self.was_refused().await != yes {
            let at = json::text(&yes.then(|| self.0.platform.now().wall));
            // If this cannot be stored, the next sign-in cannot start either.
            drop(
                self.0
                    .platform
                    .save(REFUSED, &self.binding(), &at, SaveMode::Insert)
                    .await,
            );
        }
    }

    async fn keep_pending(&self, all: &Vec<Pending>) -> Result<(), StorageError> {
        let text = json::text(all);
        self.0
            .platform
            .save(PENDING, &self.binding(), &text, SaveMode::Insert)
            .await
            .map(drop)
    }
}
