// What the examples of the session share: a session without a browser, whose provider knows Alice.

mod provider {
    include!("provider.rs");
}
mod platform {
    use super::provider::Native;
    include!("platform.rs");
}

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::executor::LocalPool;
use pixygate::authorization::{ClockReading, SignIn};
use pixygate::session::{HttpResponse, Session};

pub use platform::Memory;
pub use provider::{callback, client};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A tab whose provider answers.
pub fn memory(pool: &LocalPool) -> Memory {
    let went_to = Rc::new(RefCell::new(String::new()));
    let from = Rc::clone(&went_to);
    Memory {
        clock: Cell::new(provider::clock_reading()),
        network: Box::new(move |_, body| match body.contains("grant_type=authorization_code") {
            true => provider::tokens_of(&from.borrow()),
            false => provider::tokens_of(""),
        }),
        spawner: pool.spawner(),
        went_to,
        kept: RefCell::default(),
        locks: RefCell::default(),
        wakes_in: Cell::default(),
    }
}

/// Runs an example in a tab in which nobody is signed in.
pub fn run(example: impl AsyncFnOnce(Session<Memory>) -> Outcome) -> Outcome {
    let mut pool = LocalPool::new();
    let session = Session::new(memory(&pool), client(), |_| {});
    pool.run_until(example(session))
}

/// Runs an example in a tab in which Alice has just signed in.
pub fn signed_in(example: impl AsyncFnOnce(Session<Memory>) -> Outcome) -> Outcome {
    run(async |session| {
        session.sign_in(&SignIn::default()).await?;
        let query = came_back(&session);
        session.complete(&query).await?;
        example(session).await
    })
}

/// The query that the person came back with from where the session sent them.
pub fn came_back(session: &Session<Memory>) -> String {
    callback(&session.platform().went_to.borrow())
}

/// Time passes.
pub fn wait(session: &Session<Memory>, milliseconds: f64) {
    let ClockReading { wall, monotonic } = session.platform().clock.get();
    session.platform().clock.set(ClockReading {
        wall: wall + milliseconds,
        monotonic: monotonic + milliseconds,
    });
}

/// The answer of a service.
pub struct Answer {
    pub status: u16,
    pub challenge: Option<&'static str>,
}

impl HttpResponse for Answer {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        let challenge = self.challenge.filter(|_| name == "WWW-Authenticate");
        challenge.map(str::to_owned)
    }
}
