//! Calls that require a step-up. Simultaneous calls share one sign-in, and are repeated only for the same user.

use std::cell::RefCell;

use futures_util::FutureExt as _;
use futures_util::future::WeakShared;
use serde_json::Value;

use crate::authorization::json::{Json, Object, of_variant, variant};

use super::pending::Trigger;
use super::record::Whose;
use super::{
    CallOutcome, Credentials, HttpResponse, LocalFuture, Platform, Session, SessionError, StepUp, StepUpFailure,
};

type Outcome = Result<(), SessionError>;

/// A step-up in flight, and its requirement. It is cancelled when no call waits for it any more.
pub(super) type InFlight = RefCell<Option<(StepUp, WeakShared<LocalFuture<Outcome>>)>>;

/// The same format as that of serde's derive.
impl Json for StepUp {
    fn read(value: Value) -> Option<Self> {
        let (name, value) = variant(value)?;
        match name.as_str() {
            "Authentication" => {
                let mut object = Object::of(value)?;
                Some(Self::Authentication {
                    acr_values: object.take("acr_values")?,
                    max_age: object.take("max_age")?,
                })
            }
            "Scopes" => Json::read(value).map(Self::Scopes),
            _ => None,
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Authentication { acr_values, max_age } => {
                let mut object = Object::default();
                object.put("acr_values", acr_values.write());
                object.put("max_age", max_age.write());
                of_variant("Authentication", object.into_value())
            }
            Self::Scopes(scopes) => of_variant("Scopes", scopes.write()),
        }
    }
}

impl<P: Platform> Session<P> {
    /// Makes a call as [`Session::call`] does, and repeats it after the sign-in that it requires. `sign_in` signs the user in without leaving
    /// this page. A call that requires a sign-in while another one is in flight waits for that one.
    ///
    /// ```
    /// # mod example { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples/session.rs")); }
    /// # example::signed_in(async |session| {
    /// # use example::Answer;
    /// # use std::cell::Cell;
    /// use pixygate::session::{Credentials, StepUp, LocalFuture, HttpResponse, SessionError};
    ///
    /// # let stronger = std::rc::Rc::new(Cell::new(false));
    /// # let (signed, allows) = (std::rc::Rc::clone(&stronger), &stronger);
    /// let send = async |_: Credentials| {
    ///     // This service requires a second factor.
    /// #   if allows.get() { return Ok(Answer { status: 200, challenge: None }) }
    ///     let challenge = r#"Bearer error="insufficient_user_authentication", acr_values="mfa""#;
    ///     Ok(Answer { status: 401, challenge: Some(challenge) })
    /// };
    /// let sign_in = move |demand: StepUp| -> LocalFuture<Result<(), SessionError>> {
    /// #   signed.set(true);
    ///     Box::pin(async move {
    ///         println!("a popup window asks for {demand:?}");
    ///         Ok(())
    ///     })
    /// };
    /// let reply = session.call_stepping_up("POST", "https://app.example/api/transfer", send, sign_in).await?;
    /// assert_eq!(reply.status(), 200);
    /// # stronger.set(false);
    /// # let cancelled = |_| -> LocalFuture<_> { Box::pin(async { Err(SessionError::Cancelled) }) };
    /// # let reply = session.call_stepping_up("POST", "https://app.example/api/other", send, cancelled).await?;
    /// # assert_eq!(reply.status(), 401);
    /// # Ok(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Session::call`], and those of `sign_in`. [`SessionError::AnotherUser`] when another user signed in, who did not make the call.
    /// When `sign_in` returns [`SessionError::Cancelled`], the result is the rejection of the call.
    pub async fn call_stepping_up<R: HttpResponse>(
        &self,
        method: &str,
        url: &str,
        send: impl AsyncFn(Credentials) -> Result<R, SessionError>,
        sign_in: impl Fn(StepUp) -> LocalFuture<Outcome>,
    ) -> Result<R, SessionError> {
        self.restore().await;
        let whose = self.whose();
        // The sign-in of the last attempt.
        let made_with = RefCell::new(None);
        let send = async |credentials| {
            self.check_person(&whose)?;
            made_with.replace(self.sign_in_id());
            send(credentials).await
        };
        loop {
            match self.call(method, url, &send).await? {
                CallOutcome::Response(reply) => return Ok(reply),
                // The sign-in of another call succeeded meanwhile, so repeat this call with its result.
                CallOutcome::StepUp(..) if made_with.take() != self.sign_in_id() => {}
                CallOutcome::StepUp(demand, reply) => match self.meet(&demand, &whose, &sign_in).await {
                    // If this sign-in does not help, the next one will not either.
                    Ok(met) if met == demand => self.record_step_up(method, url, demand).await,
                    Ok(_) => {}
                    // The rejection says more than that the user cancelled.
                    Err(SessionError::Cancelled) => return Ok(reply),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Joins the sign-in in flight, or starts one, and returns its requirement.
    async fn meet(
        &self,
        demand: &StepUp,
        whose: &Option<Whose>,
        sign_in: impl Fn(StepUp) -> LocalFuture<Outcome>,
    ) -> Result<StepUp, SessionError> {
        let in_flight = self.0.stepping_up.borrow().clone();
        let in_flight = in_flight.and_then(|(asked, running)| Some((asked, running.upgrade()?)));
        let (asked, running) = in_flight.unwrap_or_else(|| {
            let (session, whose) = (self.clone(), whose.clone());
            let signed_in = sign_in(demand.clone());
            let future: LocalFuture<_> = Box::pin(async move {
                signed_in.await?;
                session.check_person(&whose)
            });
            let shared = future.shared();
            let weak = shared.downgrade().map(|weak| (demand.clone(), weak));
            self.0.stepping_up.replace(weak);
            (demand.clone(), shared)
        });
        running.await.map(|()| asked)
    }

    /// Recovers the call for which the user left this page, when they come back without a callback. The sign-in stays pending, because the
    /// user may go forward again.
    pub(super) async fn find_left(&self) {
        let Some(mark) = self.0.platform.take_mark() else {
            return;
        };
        for pending in self.all_pending().await.unwrap_or_default() {
            if let Trigger::Call(Some(step_up)) = pending.trigger
                && self.mark(pending.sign_in.state()).await.as_ref() == Ok(&mark)
            {
                self.leave_waiting(*step_up, Err(StepUpFailure::Returned));
            }
        }
    }

    fn check_person(&self, whose: &Option<Whose>) -> Outcome {
        match self.whose() == *whose {
            true => Ok(()),
            false => Err(SessionError::AnotherUser),
        }
    }

    fn whose(&self) -> Option<Whose> {
        self.record().map(|record| record.whose())
    }
}
