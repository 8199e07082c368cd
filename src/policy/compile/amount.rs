//! Durations, sizes and retention periods as people write them.

use std::time::Duration;

/// `10 s`, `5min`, `365 days`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text, "`10 s`, `5 min` or `365 days`")?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1000,
        "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "week" | "weeks" => 604_800_000,
        "" if number == 0 => 1,
        "" => {
            return Err(format!(
                "`{text}` has no unit: write `{number} s`, or another of ms, s, min, h, days"
            ));
        }
        _ => return Err(format!("`{unit}` is not a unit of time: ms, s, min, h, days and weeks are")),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is longer than can be counted"))
}

/// `64 KiB`, `1 GiB`; a bare number counts bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text, "`64 KiB` or `16 MiB`")?;
    let factor: u64 = match unit {
        "" | "B" | "byte" | "bytes" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("`{unit}` is not a unit of size: B, KiB, MiB and GiB are")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more than can be counted"))
}

/// `36 months`, `3 years`.
pub(super) fn months(text: &str) -> Result<u32, String> {
    let (number, unit) = split(text, "`36 months` or `3 years`")?;
    let factor = match unit {
        "month" | "months" => 1,
        "year" | "years" => 12,
        "" => return Err(format!("`{text}` has no unit: write `{number} months` or `{number} years`")),
        _ => return Err(format!("`{unit}` is not a unit of retention: months and years are")),
    };
    match u32::try_from(number).ok().and_then(|number| number.checked_mul(factor)) {
        Some(0) => Err("data that is kept for no time at all needs no purpose".into()),
        Some(months) if months <= 1200 => Ok(months),
        _ => Err(format!("`{text}` is longer than a century")),
    }
}

/// `20 %`.
pub(super) fn percent(text: &str) -> Result<u64, String> {
    match split(text, "`20 %`")? {
        (number, "%") => Ok(number),
        (number, "") => Err(format!("`{text}` has no unit: write `{number} %`")),
        (_, unit) => Err(format!("`{unit}` is not a unit of shares: % is")),
    }
}

/// A duration as it would be written.
pub(super) fn written(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0 s".into();
    }
    for (factor, unit) in [(86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s")] {
        if ms >= factor && ms.is_multiple_of(factor) {
            return format!("{} {unit}", ms / factor);
        }
    }
    format!("{ms} ms")
}

/// A size as it would be written.
pub(super) fn written_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} B")
}

fn split<'t>(text: &'t str, sample: &str) -> Result<(u64, &'t str), String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits]
        .parse()
        .map_err(|_| format!("`{text}` does not start with a whole number: write it as {sample}"))?;
    Ok((number, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_sizes_and_months_read_as_written() {
        for (text, expected) in
            [("10 s", 10_000), ("10s", 10_000), ("5 min", 300_000), ("365 days", 31_536_000_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        assert_eq!(size("64 KiB"), Ok(65_536));
        assert_eq!(size("12"), Ok(12));
        assert_eq!(months("36 months"), Ok(36));
        assert_eq!(months("3 years"), Ok(36));
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for text in [
            "10",
            "",
            "-1 s",
            "1.5 s",
            "10 S",
            "ten s",
            "10 months",
            "99999999999999999999 s",
            "9999999999999999999 days",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["64 KB", "64k", "1e6", "18446744073709551615 GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["36", "36 days", "0 months", "5000 years"] {
            assert!(months(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_written_back() {
        for text in ["10 s", "5 min", "365 days", "50 ms", "1500 ms"] {
            assert_eq!(written(duration(text).unwrap()), text);
        }
        for text in ["64 KiB", "1 GiB", "1000 B"] {
            assert_eq!(written_size(size(text).unwrap()), text);
        }
    }
}
