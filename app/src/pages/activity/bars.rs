//! The chart as paths: allowed calls above the line, denied ones below it.

use std::fmt::Write as _;

use crate::api::Bucket;

/// The width of a bucket, in units of the picture.
pub(in crate::pages) const STEP: usize = 10;

/// The height above the line, and below it.
pub(in crate::pages) const UP: f64 = 70.0;
pub(in crate::pages) const DOWN: f64 = 40.0;

/// The space between two bars.
const SPACE: usize = 2;

/// The smallest height of a bar that is not zero.
const LEAST: f64 = 2.0;

/// The two paths, and the number that the full height stands for.
#[derive(Debug, PartialEq)]
pub(in crate::pages) struct Bars {
    pub(in crate::pages) allowed: String,
    pub(in crate::pages) denied: String,
    /// The greatest number of a bucket.
    pub(in crate::pages) most: u64,
}

/// Returns the bars of the buckets. Allowed and denied calls have the same scale.
pub(in crate::pages) fn bars(buckets: &[Bucket]) -> Bars {
    let most = |number: fn(&Bucket) -> u64| buckets.iter().map(number).max().unwrap_or_default();
    let (allowed, denied) = (most(|bucket| bucket.allowed), most(|bucket| bucket.denied));
    let scale = (UP / allowed.max(1) as f64).min(DOWN / denied.max(1) as f64);
    let mut bars = Bars {
        allowed: String::new(),
        denied: String::new(),
        most: allowed.max(denied),
    };
    let width = STEP - SPACE;
    for (place, bucket) in buckets.iter().enumerate() {
        let left = place * STEP + SPACE / 2;
        let height = |number: u64| (number as f64 * scale).max(LEAST);
        // Writing to a string cannot fail.
        if bucket.allowed > 0 {
            let height = height(bucket.allowed);
            let _infallible = write!(bars.allowed, "M{left} {UP}v-{height:.1}h{width}v{height:.1}z");
        }
        if bucket.denied > 0 {
            let height = height(bucket.denied);
            let _infallible = write!(bars.denied, "M{left} {UP}v{height:.1}h{width}v-{height:.1}z");
        }
    }
    bars
}

/// The sums of all buckets: allowed, denied.
pub(in crate::pages) fn sums(buckets: &[Bucket]) -> (u64, u64) {
    let sum = |number: fn(&Bucket) -> u64| buckets.iter().map(number).sum();
    (sum(|bucket| bucket.allowed), sum(|bucket| bucket.denied))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(allowed: u64, denied: u64) -> Bucket {
        Bucket { allowed, denied }
    }

    #[test]
    fn a_bar_is_as_high_as_its_number() {
        let bars = bars(&[bucket(10, 0), bucket(0, 0), bucket(5, 1)]);
        assert_eq!(bars.allowed, "M1 70v-70.0h8v70.0zM21 70v-35.0h8v35.0z");
        // The same scale below the line.
        assert_eq!(bars.denied, "M21 70v7.0h8v-7.0z");
        assert_eq!(bars.most, 10);
    }

    #[test]
    fn many_denied_calls_stay_in_the_picture() {
        let bars = bars(&[bucket(1, 1000)]);
        assert_eq!(bars.denied, "M1 70v40.0h8v-40.0z");
        // Few are still seen.
        assert_eq!(bars.allowed, "M1 70v-2.0h8v2.0z");
    }

    #[test]
    fn nothing_has_no_bars() {
        let nothing = bars(&[bucket(0, 0); 60]);
        assert_eq!(
            (nothing.allowed.as_str(), nothing.denied.as_str(), nothing.most),
            ("", "", 0)
        );
    }

    #[test]
    fn the_sums_are_of_all_buckets() {
        assert_eq!(sums(&[bucket(1, 2), bucket(3, 0)]), (4, 2));
    }
}
