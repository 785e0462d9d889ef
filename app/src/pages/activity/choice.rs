//! The filter in the page's address.

use pixygate::Reason;

use crate::api::{Decision, Filter};

/// The path of the page.
pub(super) const PATH: &str = "/activity";

/// The methods that can be chosen.
pub(super) const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The names of the parameters, as in the form.
pub(super) const OUTCOME: &str = "outcome";
pub(super) const REASON: &str = "reason";
pub(super) const SERVICE: &str = "service";
pub(super) const METHOD: &str = "method";
pub(super) const TIME: &str = "time";
pub(super) const FROM: &str = "from";
pub(super) const UNTIL: &str = "until";
const WHOSE: &str = "whose";
const EVERYBODY: &str = "everybody";

/// A time that ends now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Hour,
    Day,
    Week,
    Month,
}

impl Span {
    pub(super) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Its value in the address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        }
    }
}

/// The time range of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Time {
    #[default]
    Any,
    Last(Span),
    /// In seconds since 1970; at least one end is given.
    Between(Option<u64>, Option<u64>),
}

impl Time {
    /// The value of the form's list.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Last(span) => span.name(),
            Self::Between(..) => "between",
        }
    }

    /// Returns a time between two ends; without ends, any time.
    pub(super) fn between(from: Option<u64>, until: Option<u64>) -> Self {
        match (from, until) {
            (None, None) => Self::Any,
            (Some(from), Some(until)) if until < from => Self::Between(Some(until), Some(from)),
            (from, until) => Self::Between(from, until),
        }
    }

    /// Both ends, in seconds since 1970.
    fn ends(self, now: u64) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Any => (None, None),
            Self::Last(span) => (Some(now.saturating_sub(span.seconds())), None),
            Self::Between(from, until) => (from, until),
        }
    }

    /// Returns the time of the chart, which has two ends. By default the last day.
    pub(super) fn of_chart(self, now: u64) -> (u64, u64) {
        match self.ends(now) {
            (Some(from), until) => (from, until.unwrap_or(now).max(from + 60)),
            (None, until) => {
                let until = until.unwrap_or(now);
                (until.saturating_sub(Span::Day.seconds()), until)
            }
        }
    }
}

/// The filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ActivityFilter {
    pub(super) decision: Option<Decision>,
    pub(super) reason: Option<Reason>,
    pub(super) service: Option<String>,
    pub(super) method: Option<String>,
    pub(super) time: Time,
    /// Whether to show the records of all users.
    pub(super) everybody: bool,
}

impl ActivityFilter {
    /// Reads the parameters of an address or a form. Unknown values are ignored.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| {
            get(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let seconds = |name| text(name).and_then(|text| text.parse().ok());
        let span = |name: &str| Span::ALL.into_iter().find(|span| span.name() == name);
        Self {
            decision: text(OUTCOME).as_deref().and_then(decision),
            reason: text(REASON).and_then(|name| Reason::ALL.into_iter().find(|reason| reason.name() == name)),
            service: text(SERVICE),
            method: text(METHOD).filter(|method| METHODS.contains(&method.as_str())),
            time: match text(TIME).as_deref().and_then(span) {
                Some(span) => Time::Last(span),
                None => Time::between(seconds(FROM), seconds(UNTIL)),
            },
            everybody: text(WHOSE).as_deref() == Some(EVERYBODY),
        }
    }

    /// The address of the page with this choice.
    pub(super) fn address(&self) -> String {
        let mut address = PATH.to_owned();
        let mut add = |name: &str, value: &str| {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(name);
            address.push('=');
            escape(value, &mut address);
        };
        if self.everybody {
            add(WHOSE, EVERYBODY);
        }
        if let Some(decision) = self.decision {
            add(OUTCOME, name_of(decision));
        }
        if let Some(reason) = self.reason {
            add(REASON, reason.name());
        }
        if let Some(service) = &self.service {
            add(SERVICE, service);
        }
        if let Some(method) = &self.method {
            add(METHOD, method);
        }
        match self.time {
            Time::Any => {}
            Time::Last(span) => add(TIME, span.name()),
            Time::Between(from, until) => {
                for (name, end) in [(FROM, from), (UNTIL, until)] {
                    if let Some(end) = end {
                        add(name, &end.to_string());
                    }
                }
            }
        }
        address
    }

    /// Returns the filter for the server at this moment, with times in seconds since 1970.
    pub(super) fn filter(&self, now: u64) -> Filter {
        let (from, until) = self.time.ends(now);
        Filter {
            decision: self.decision,
            reason: self.reason,
            upstream: self.service.clone(),
            route: None,
            method: self.method.clone(),
            from,
            until,
        }
    }

    /// Returns whether new records can match.
    pub(super) fn can_grow(&self, now: u64) -> bool {
        self.time.ends(now).1.is_none_or(|until| until > now)
    }

    /// Returns whether any filter is set, apart from the user.
    pub(super) fn is_narrow(&self) -> bool {
        *self != self.without_filters()
    }

    /// Returns the choice without filters, for the same users.
    pub(super) fn without_filters(&self) -> Self {
        Self {
            everybody: self.everybody,
            ..Self::default()
        }
    }
}

/// The value of a decision in the address.
pub(super) fn name_of(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
    }
}

fn decision(name: &str) -> Option<Decision> {
    [Decision::Allowed, Decision::Denied]
        .into_iter()
        .find(|decision| name_of(*decision) == name)
}

/// Adds a value to a query (RFC 3986, section 3.4).
fn escape(value: &str, to: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => to.push(char::from(byte)),
            _ => to.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_796_126_400;

    fn read(query: &str) -> ActivityFilter {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        ActivityFilter::read(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let all = ActivityFilter {
            decision: Some(Decision::Denied),
            reason: Some(Reason::InsufficientScope),
            service: Some("orders".to_owned()),
            method: Some("POST".to_owned()),
            time: Time::Last(Span::Week),
            everybody: true,
        };
        let between = ActivityFilter {
            time: Time::Between(Some(NOW), None),
            ..ActivityFilter::default()
        };
        for choice in [ActivityFilter::default(), all, between] {
            let address = choice.address();
            let query = address.strip_prefix(PATH).expect("the page");
            assert_eq!(read(query.trim_start_matches('?')), choice, "{address}");
        }
        assert_eq!(ActivityFilter::default().address(), "/activity");
        let odd = ActivityFilter {
            service: Some("a&b=ü".to_owned()),
            ..ActivityFilter::default()
        };
        assert_eq!(odd.address(), "/activity?service=a%26b%3D%C3%BC");
    }

    #[test]
    fn unknown_values_are_none() {
        let odd = "outcome=perhaps&reason=bored&method=BREW&time=century&from=soon&whose=theirs&service=%20";
        assert_eq!(
            read(odd),
            ActivityFilter {
                service: Some("%20".to_owned()),
                ..ActivityFilter::default()
            }
        );
        assert_eq!(read("service= "), ActivityFilter::default());
        // A form sends all its fields.
        assert_eq!(
            read("outcome=&reason=&service=&method=&time=&from=&until="),
            ActivityFilter::default()
        );
    }

    #[test]
    fn ends_in_the_wrong_order_are_exchanged() {
        assert_eq!(read("from=20&until=10").time, Time::Between(Some(10), Some(20)));
        assert_eq!(read("from=10&until=20").time, Time::Between(Some(10), Some(20)));
        // A form may send both, and the list decides.
        assert_eq!(read("time=hour&from=10").time, Time::Last(Span::Hour));
    }

    #[test]
    fn the_filter_is_of_the_moment() {
        let last = read("time=hour").filter(NOW);
        assert_eq!((last.from, last.until), (Some(NOW - 3600), None));
        let any = read("").filter(NOW);
        assert_eq!(any, Filter::default());
    }

    #[test]
    fn a_time_that_is_over_gets_no_new_records() {
        assert!(read("").can_grow(NOW));
        assert!(read("time=hour").can_grow(NOW));
        assert!(read(&format!("until={}", NOW + 1)).can_grow(NOW));
        assert!(!read(&format!("until={NOW}")).can_grow(NOW));
    }

    #[test]
    fn the_chart_has_two_ends() {
        assert_eq!(Time::Any.of_chart(NOW), (NOW - 86_400, NOW));
        assert_eq!(Time::Last(Span::Hour).of_chart(NOW), (NOW - 3600, NOW));
        assert_eq!(Time::Between(None, Some(NOW)).of_chart(NOW), (NOW - 86_400, NOW));
        assert_eq!(Time::Between(Some(NOW), None).of_chart(NOW), (NOW, NOW + 60));
    }

    #[test]
    fn everybody_is_no_filter() {
        assert!(!read("whose=everybody").is_narrow());
        assert!(read("whose=everybody&method=GET").is_narrow());
        assert_eq!(
            read("whose=everybody&method=GET").without_filters(),
            read("whose=everybody")
        );
    }
}
