use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// A number of calls per second, minute or hour: `"50/s"`, `"100/m"`, `"1000/h"`.
///
/// ```
/// use pixygate::gate::Rate;
/// let rate: Rate = "50/s".parse()?;
/// assert_eq!(rate.to_string(), "50/s");
/// # Ok::<(), pixygate::gate::RateError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub(crate) count: NonZeroU32,
    pub(crate) period: Duration,
}

/// A rate that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate; write a whole number above 0 and s, m or h, as in \"50/s\"")]
pub struct RateError(String);

impl Rate {
    /// Returns the rate that allows only what both allow: the smaller burst, and the longer time between two calls.
    pub(crate) fn narrow(self, other: Self) -> Self {
        let step = |rate: &Self| rate.period.as_secs_f64() / f64::from(rate.count.get());
        let (slow, fast) = if step(&self) >= step(&other) {
            (self, other)
        } else {
            (other, self)
        };
        if slow.count <= fast.count {
            return slow;
        }
        Self {
            count: fast.count,
            period: slow
                .period
                .mul_f64(f64::from(fast.count.get()) / f64::from(slow.count.get())),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let refuse = || RateError(text.to_owned());
        let (count, period) = text.split_once('/').ok_or_else(refuse)?;
        let count = count.trim().parse().map_err(|_| refuse())?;
        let seconds = match period.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(refuse()),
        };
        Ok(Self {
            count,
            period: Duration::from_secs(seconds),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period.as_secs_f64() {
            1.0 => "s",
            60.0 => "m",
            3600.0 => "h",
            // Two rates in one.
            seconds => return write!(f, "{} in {seconds} s", self.count),
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rates_allow_what_both_allow() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        for (one, other, expected) in [
            ("5/s", "5/s", "5/s"),
            ("5/s", "2/s", "2/s"),
            ("50/s", "100/h", "50 in 1800 s"),
            ("100/h", "100/m", "100/h"),
            ("1/s", "60/m", "1/s"),
            ("1/h", "3000/s", "1/h"),
        ] {
            assert_eq!(rate(one).narrow(rate(other)).to_string(), expected);
            assert_eq!(rate(other).narrow(rate(one)).to_string(), expected);
        }
    }
}
