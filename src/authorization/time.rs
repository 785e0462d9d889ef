//! The lifetime of a token, measured from the token request and never by the issuer's clock.

use super::json::{fields, serde_by_json};

/// A reading of both clocks of a device, in milliseconds.
///
/// ```
/// use pixygate::authorization::ClockReading;
///
/// // `Date.now()` and `performance.now()` of a page that was opened 20 s ago:
/// let now = ClockReading { wall: 1_800_000_000_000.0, monotonic: 20_000.0 };
/// # let _ = now;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReading {
    /// The wall clock, since the Unix epoch. It can be wrong, and it can be set.
    pub wall: f64,
    /// The monotonic clock of this page. It may stop while the device sleeps, and each page starts at 0.
    pub monotonic: f64,
}

/// An estimate of the server's time: the last time that the server sent, and when it arrived.
///
/// ```
/// use pixygate::authorization::{ClockReading, ServerClock};
///
/// // The device is ten minutes ahead.
/// let opened = ClockReading { wall: 1_800_000_600_000.0, monotonic: 0.0 };
/// let server = ServerClock { server_time: 1_800_000_000_000.0, received_at: opened };
///
/// let after_5_s = ClockReading { wall: opened.wall + 5_000.0, monotonic: 5_000.0 };
/// assert_eq!(server.time(after_5_s), 1_800_000_005_000.0);
///
/// // The device slept for a minute, or its clock was set. Both look the same.
/// let later = ClockReading { wall: opened.wall + 65_000.0, monotonic: 5_000.0 };
/// assert_eq!(server.time(later), 1_800_000_065_000.0);
/// assert_eq!(server.earliest(later), 1_800_000_005_000.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServerClock {
    /// The time that the server sent, in milliseconds since the Unix epoch.
    pub server_time: f64,
    /// When it arrived, by the clocks of this device.
    pub received_at: ClockReading,
}

impl ServerClock {
    /// Returns the server's time in milliseconds. It uses the clock that shows more elapsed time, because the monotonic clock may have
    /// stopped while the device slept. A constant error of the wall clock does not matter.
    pub fn time(&self, now: ClockReading) -> f64 {
        self.server_time + (now.monotonic - self.received_at.monotonic).max(now.wall - self.received_at.wall)
    }

    /// Returns the earliest possible time of the server, so that a token does not look younger than it is. A jump of the wall clock can be a
    /// sleep of the device, or the clock was set.
    pub fn earliest(&self, then: ClockReading) -> f64 {
        let monotonic = then.monotonic - self.received_at.monotonic;
        // `then` is before the server's time arrived: subtract the longer of the two spans.
        let since = if monotonic < 0.0 {
            monotonic.min(then.wall - self.received_at.wall)
        } else {
            monotonic
        };
        self.server_time + since
    }
}

/// The lifetime of a token, from the moment of its request.
///
/// ```
/// use pixygate::authorization::{Lifetime, ClockReading, ServerClock};
///
/// let requested = ClockReading { wall: 1_800_000_000_000.0, monotonic: 0.0 };
/// let server = ServerClock { server_time: requested.wall, received_at: requested };
/// let lifetime = Lifetime::new(requested, &server, Some(300.0));
///
/// let after_a_sleep = ClockReading { wall: requested.wall + 280_000.0, monotonic: 10_000.0 };
/// let left = lifetime.remaining(after_a_sleep);
/// assert_eq!(left, 20_000.0);
/// assert!(left < lifetime.min_validity(30_000.0), "too little for a call");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetime {
    /// `expires_in` in milliseconds, if the provider sent it.
    duration: Option<f64>,
    requested_wall: f64,
    /// By the server's clock, in milliseconds; the earliest possible value.
    requested_server: Option<f64>,
    /// By the monotonic clock of this page; `None` after reading from storage, until [`Lifetime::rebase`].
    requested_monotonic: Option<f64>,
}

fields!(
    Lifetime {
        duration,
        requested_wall,
        requested_server,
    }[requested_monotonic]
);

serde_by_json!(Lifetime);

impl Lifetime {
    /// Returns a lifetime of `expires_in` seconds, counted from `requested`.
    pub fn new(requested: ClockReading, server: &ServerClock, expires_in: Option<f64>) -> Self {
        Self {
            duration: expires_in.map(|seconds| seconds * 1000.0),
            requested_wall: requested.wall,
            requested_server: Some(server.earliest(requested)),
            requested_monotonic: Some(requested.monotonic),
        }
    }

    /// Uses the monotonic clock of this page from now on, for a token that another page requested. The age so far is the higher of two: by
    /// the wall clock and by the server's time. A clock that shows a time before the request is ignored; if both do, the token counts as
    /// expired.
    ///
    /// ```
    /// use pixygate::authorization::{Lifetime, ClockReading, ServerClock};
    ///
    /// let requested = ClockReading { wall: 1_800_000_000_000.0, monotonic: 90_000.0 };
    /// let server = ServerClock { server_time: requested.wall, received_at: requested };
    /// let kept = serde_json::to_string(&Lifetime::new(requested, &server, Some(300.0)))?;
    ///
    /// // Another page reads it 100 s later. Its own monotonic clock has just started.
    /// let mut lifetime: Lifetime = serde_json::from_str(&kept)?;
    /// let opened = ClockReading { wall: requested.wall + 100_000.0, monotonic: 0.0 };
    /// lifetime.rebase(opened, &ServerClock { server_time: opened.wall, received_at: opened });
    ///
    /// let set_back = ClockReading { wall: requested.wall, monotonic: 50_000.0 };
    /// assert_eq!(lifetime.remaining(set_back), 150_000.0);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn rebase(&mut self, now: ClockReading, server: &ServerClock) {
        if self.requested_monotonic.is_none() {
            let wall = now.wall - self.requested_wall;
            let by_server = self.requested_server.map(|requested| server.time(now) - requested);
            let known = [Some(wall), by_server].into_iter().flatten().filter(|age| *age >= 0.0);
            let age = known.reduce(f64::max).or(self.duration).unwrap_or_default();
            self.requested_monotonic = Some(now.monotonic - age);
        }
    }

    /// Returns the remaining milliseconds. Without `expires_in` a token counts as valid until it is rejected.
    ///
    /// It uses the clock that shows more elapsed time: the monotonic clock may stop while the device sleeps, and the wall clock can be set
    /// back. If only the wall clock is known and shows a time before the request, the token counts as expired: an early refresh costs a
    /// request, a late one costs the call.
    pub fn remaining(&self, now: ClockReading) -> f64 {
        let Some(duration) = self.duration else {
            return f64::INFINITY;
        };
        let wall = now.wall - self.requested_wall;
        let age = match self.requested_monotonic {
            Some(requested) => wall.max(now.monotonic - requested),
            None if wall < 0.0 => return 0.0,
            None => wall,
        };
        (duration - age).max(0.0)
    }

    /// Returns the milliseconds that a token must have left for a call: `wanted`, but at most a quarter of the lifetime.
    pub fn min_validity(&self, wanted: f64) -> f64 {
        self.duration.map_or(wanted, |duration| wanted.min(duration / 4.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ClockReading = ClockReading {
        wall: 1_000_000.0,
        monotonic: 500.0,
    };

    const SERVER: ServerClock = ServerClock {
        server_time: 0.0,
        received_at: START,
    };

    fn later(wall: f64, monotonic: f64) -> ClockReading {
        ClockReading {
            wall: START.wall + wall,
            monotonic: START.monotonic + monotonic,
        }
    }

    #[test]
    fn counts_from_the_request() {
        let lifetime = Lifetime::new(START, &SERVER, Some(60.0));
        assert_eq!(lifetime.remaining(later(10_000.0, 10_000.0)), 50_000.0);
        assert_eq!(lifetime.remaining(later(60_000.0, 60_000.0)), 0.0);
    }

    #[test]
    fn sleep_and_a_clock_set_back_both_age_the_token() {
        let lifetime = Lifetime::new(START, &SERVER, Some(60.0));
        assert_eq!(
            lifetime.remaining(later(61_000.0, 5.0)),
            0.0,
            "the monotonic clock slept"
        );
        assert_eq!(
            lifetime.remaining(later(-600_000.0, 20_000.0)),
            40_000.0,
            "the wall clock was set back"
        );
    }

    #[test]
    fn after_a_reload_only_the_wall_clock_is_left() {
        let mut lifetime = Lifetime::new(START, &SERVER, Some(60.0));
        lifetime.requested_monotonic = None;
        assert_eq!(lifetime.remaining(later(10_000.0, -400.0)), 50_000.0);
        assert_eq!(lifetime.remaining(later(-1.0, 0.0)), 0.0);
    }

    #[test]
    fn a_page_that_reads_it_counts_on_by_its_own_clock() {
        let read = |wall: f64, server: f64| {
            let mut lifetime = Lifetime::new(START, &SERVER, Some(60.0));
            lifetime.requested_monotonic = None;
            let now = later(wall, -400.0);
            lifetime.rebase(
                now,
                &ServerClock {
                    server_time: server,
                    received_at: now,
                },
            );
            lifetime
        };
        let kept = read(10_000.0, 10_000.0);
        assert_eq!(kept.remaining(later(20_000.0, 9_600.0)), 40_000.0);
        assert_eq!(
            kept.remaining(later(-600_000.0, 19_600.0)),
            30_000.0,
            "the wall clock was set back afterwards"
        );
        let set_back = read(5_000.0, 50_000.0);
        assert_eq!(
            set_back.remaining(later(5_000.0, -400.0)),
            10_000.0,
            "it was set back before, and the server knows better"
        );
        let before = read(-600_000.0, 50_000.0);
        assert_eq!(before.remaining(later(-600_000.0, -400.0)), 10_000.0);
        let neither = read(-1.0, -1.0);
        assert_eq!(neither.remaining(later(-1.0, -400.0)), 0.0);
        assert_eq!(neither.remaining(later(30_000.0, 29_600.0)), 0.0, "and it stays so");
    }

    #[test]
    fn a_clock_set_forward_makes_no_token_younger_for_the_next_page() {
        let requested = later(3_540_000.0, 60_000.0);
        let lifetime = Lifetime::new(requested, &SERVER, Some(3600.0));
        assert_eq!(lifetime.requested_server, Some(60_000.0));
        assert_eq!(
            SERVER.time(requested),
            3_540_000.0,
            "for all else it may have been a sleep"
        );

        let received_later = ServerClock {
            server_time: 90_000.0,
            received_at: later(30_000.0, 10_000.0),
        };
        assert_eq!(received_later.earliest(START), 60_000.0, "and there it was one");
    }

    #[test]
    fn short_tokens_ask_for_less() {
        assert_eq!(
            Lifetime::new(START, &SERVER, Some(3600.0)).min_validity(30_000.0),
            30_000.0
        );
        assert_eq!(
            Lifetime::new(START, &SERVER, Some(10.0)).min_validity(30_000.0),
            2_500.0
        );
    }
}
