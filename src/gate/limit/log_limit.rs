//! Limits how many denials are logged, so that a flood of bad requests does not slow down others.

use parking_lot::Mutex;

use crate::Reason;

/// Lines per reason and second.
const MAX_LINES: u64 = 20;

#[derive(Debug, Default)]
pub(crate) struct LogLimit([Mutex<Count>; Reason::ALL.len() + 1]);

#[derive(Debug, Default)]
struct Count {
    second: u64,
    denials: u64,
}

/// The decision whether to log a denial.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whether to log the denial itself.
    pub(crate) logged: bool,
    /// How many denials were not logged in the last second with denials.
    pub(crate) left_out: u64,
}

impl LogLimit {
    pub(crate) fn count(&self, reason: Reason, second: u64) -> Line {
        let mut count = self.0[reason as usize].lock();
        let mut left_out = 0;
        if count.second != second {
            left_out = count.denials.saturating_sub(MAX_LINES);
            *count = Count { second, denials: 0 };
        }
        count.denials += 1;
        Line {
            logged: count.denials <= MAX_LINES,
            left_out,
        }
    }

    /// Returns whether to log a denial, after logging how many were left out before it.
    pub(crate) fn admits(&self, reason: Reason, second: u64) -> bool {
        let line = self.count(reason, second);
        if line.left_out > 0 {
            tracing::warn!(
                ?reason,
                "{} more refusals of this reason were not logged",
                line.left_out
            );
        }
        line.logged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_limited_by_reason_and_second_and_the_rest_is_counted() {
        let limit = LogLimit::default();
        let line = |logged, left_out| Line { logged, left_out };
        for number in 0..100 {
            assert_eq!(limit.count(Reason::Expired, 7), line(number < MAX_LINES, 0));
        }
        assert_eq!(limit.count(Reason::MissingToken, 7), line(true, 0));
        assert_eq!(limit.count(Reason::Expired, 8), line(true, 80));
        assert_eq!(limit.count(Reason::Expired, 9), line(true, 0));
    }
}
