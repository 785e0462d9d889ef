//! How many refusals are written to the log: a line for each would let who is refused slow down everybody else.

use parking_lot::Mutex;

use crate::Reason;

/// Of one reason, in one second.
const MOST: u64 = 20;

#[derive(Debug, Default)]
pub(crate) struct Lines([Mutex<Count>; Reason::ALL.len()]);

#[derive(Debug, Default)]
struct Count {
    second: u64,
    refusals: u64,
}

/// What is to be written of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whether the refusal itself.
    pub(crate) written: bool,
    /// How many were not, the last time that there were too many.
    pub(crate) left_out: u64,
}

impl Lines {
    pub(crate) fn count(&self, reason: Reason, second: u64) -> Line {
        let mut count = self.0[reason as usize].lock();
        let mut left_out = 0;
        if count.second != second {
            left_out = count.refusals.saturating_sub(MOST);
            *count = Count { second, refusals: 0 };
        }
        count.refusals += 1;
        Line {
            written: count.refusals <= MOST,
            left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_one_reason_and_second_are_written_and_the_rest_is_told_as_a_number() {
        let lines = Lines::default();
        let line = |written, left_out| Line { written, left_out };
        for number in 0..100 {
            assert_eq!(lines.count(Reason::Expired, 7), line(number < MOST, 0));
        }
        assert_eq!(lines.count(Reason::MissingToken, 7), line(true, 0));
        assert_eq!(lines.count(Reason::Expired, 8), line(true, 80));
        assert_eq!(lines.count(Reason::Expired, 9), line(true, 0));
    }
}
