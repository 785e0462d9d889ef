//! Rates: `50/s`, `600/m`, `1000/h`.

/// Whether the text is a rate, or empty for none.
pub(super) fn is_rate(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let Some((count, unit)) = text.split_once('/') else {
        return false;
    };
    matches!(unit, "s" | "m" | "h") && count.parse::<u32>().is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::is_rate;

    #[test]
    fn a_rate_has_a_count_and_a_unit() {
        for good in ["", "50/s", "1/m", "1000/h"] {
            assert!(is_rate(good), "{good}");
        }
        for bad in ["50", "0/s", "/s", "-1/s", "50/day", "50 / s", "fast"] {
            assert!(!is_rate(bad), "{bad}");
        }
    }
}
