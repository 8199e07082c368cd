//! Dates: the year, the month, the age of who was born then.

use jiff::civil::Date;

/// Ages, and where the next band begins: nursery, primary, middle and high school, then adults.
const BANDS: [(i16, &str); 9] = [
    (6, "0-5"),
    (11, "6-10"),
    (15, "11-14"),
    (18, "15-17"),
    (25, "18-24"),
    (35, "25-34"),
    (50, "35-49"),
    (65, "50-64"),
    (OLDEST + 1, "65+"),
];
/// Nobody is older.
const OLDEST: i16 = 130;

/// The year of a text that begins with `YYYY-MM-DD` or `DD/MM/YYYY`, or a number that is a year already. Anything else
/// has none, for it could be as precise as a birthday.
pub(super) fn year(value: &str, number: bool) -> Option<&str> {
    if number { plausible(value).map(|_| value) } else { written(value).map(|at| at.year) }
}

/// `YYYY-MM` of such a text.
pub(super) fn month(value: &str) -> Option<String> {
    written(value).map(|date| format!("{}-{}", date.year, date.month))
}

/// The band of ages of who was born on such a date or in such a year, or is so old.
pub(super) fn age_band(value: &str, today: Date) -> Option<&'static str> {
    let age = match written(value) {
        Some(date) => {
            let [year, month, day] = [date.year, date.month, date.day].map(|part| part.parse::<i16>());
            let (year, month, day) = (year.ok()?, month.ok()?, day.ok()?);
            let had = (i16::from(today.month()), i16::from(today.day())) >= (month, day);
            today.year() - year - i16::from(!had)
        }
        None => match plausible(value) {
            Some(year) => today.year() - year,
            None if value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit()) => value.parse().ok()?,
            None => return None,
        },
    };
    let place = BANDS.iter().find(|(end, _)| age < *end).filter(|_| age >= 0)?;
    Some(place.1)
}

fn plausible(year: &str) -> Option<i16> {
    let digits = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    year.parse().ok().filter(|year| digits && (1900..=2100).contains(year))
}

struct Written<'a> {
    year: &'a str,
    month: &'a str,
    day: &'a str,
}

/// The parts of a date at the beginning of a text.
fn written(text: &str) -> Option<Written<'_>> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes.get(10).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // Digits and separators only: every cut is between characters.
    let digits = |range: std::ops::Range<usize>| {
        bytes[range.clone()].iter().all(u8::is_ascii_digit).then(|| text.get(range)).flatten()
    };
    let (year, month, day) = match (bytes[4], bytes[7], bytes[2], bytes[5]) {
        (b'-', b'-', ..) => (digits(0..4)?, digits(5..7)?, digits(8..10)?),
        (.., b'/', b'/') => (digits(6..10)?, digits(3..5)?, digits(0..2)?),
        _ => return None,
    };
    let valid = ("01"..="12").contains(&month) && ("01"..="31").contains(&day);
    valid.then_some(Written { year, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_years_and_months_and_nothing_else_passes() {
        for (value, expected) in [
            ("2012-05-17", Some("2012-05")),
            ("2012-05-17T10:00:00Z", Some("2012-05")),
            ("17/05/2012", Some("2012-05")),
            ("17/05/2012 10:00", Some("2012-05")),
            ("2012-13-17", None),
            ("2012-05-00", None),
            ("2012-05-175", None),
            ("17/05/20123", None),
            ("2012", None),
            ("2012-5-17", None),
            ("mai 2012", None),
            ("", None),
            ("٢٠١٢-٠٥-١٧", None),
            ("2012-05-1é", None),
        ] {
            assert_eq!(month(value).as_deref(), expected, "{value}");
            assert_eq!(year(value, false), expected.map(|month| &month[..4]), "{value}");
        }
        for (value, stays) in [
            ("2012", true),
            ("1900", true),
            ("2100", true),
            ("1899", false),
            ("2101", false),
            ("2012.0", false),
            ("20120517", false),
            ("-2012", false),
            ("+201", false),
        ] {
            assert_eq!(year(value, true), stays.then_some(value), "{value}");
        }
    }

    #[test]
    fn ages_fall_into_bands() {
        let today = jiff::civil::date(2026, 11, 23);
        for (value, expected) in [
            ("2015-11-23", Some("11-14")),
            ("2015-11-24", Some("6-10")),
            ("24/11/2015", Some("6-10")),
            ("2026-11-23", Some("0-5")),
            ("2026-11-24", None),
            ("2030-01-01", None),
            ("1961-11-23", Some("65+")),
            ("1896-11-23", Some("65+")),
            ("1895-11-23", None),
            ("0001-01-01", None),
            ("2012", Some("11-14")),
            ("14", Some("11-14")),
            ("130", Some("65+")),
            ("131", None),
            ("-1", None),
            ("quatorze", None),
            ("", None),
        ] {
            assert_eq!(age_band(value, today), expected, "{value}");
        }
    }
}
