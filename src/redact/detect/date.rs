//! Dates of birth: a date, and before it the word that makes it one of birth.

use super::{
    Kind,
    labels::{Label, Names},
    window::{Window, is_letter, is_word},
};

/// Stand right before the date; a day of the week may come between.
pub(super) const DIRECT: &[&str] =
    &["ne le", "nee le", "nes le", "nees le", "ne un", "nee un", "ne en", "nee en", "ne (e) le", "nat le"];
/// A few words may come between: « née à Lyon le ».
pub(super) const NEAR: &[&str] = &[
    "nee",
    "ne un",
    "nes",
    "ne(e)",
    "ne.e",
    "ne/e",
    "ne a",
    "ne au",
    "ne dans",
    "ne *:",
    "born",
    "naissance",
    "date naiss",
    "naiss",
    "ddn",
    "d.d.n",
    "dob",
    "d.o.b",
    "birth",
    "birthdate",
    "birthday",
    "dateofbirth",
    "datenaissance",
    "datedenaissance",
    "date birth",
    "anniversaire",
    "vu le jour",
    "nacimiento",
    "geburtsdatum",
    "entpersondatenaissance",
    "freductdatenaissance",
    "garpersondatenaissance",
    "birthyear",
    "ne(e)s",
];
/// Between them and the date, these say that the date is of something else.
pub(super) const OTHER: &[&str] = &[
    "inscri*",
    "rentree",
    "cours",
    "controle",
    "examen",
    "rendu*",
    "arrive*",
    "entre*",
    "decede*",
    "mort*",
    "died",
    "reunion",
    "du college",
    "du lycee",
    "de l'ecole",
    "de la mort",
    "creation",
    "fonde*",
    "publi*",
    "mise a jour",
    "depuis",
    "since",
    "modifi*",
    "lieu de naissance",
    "acte",
    "signe*",
    "valable",
    "transmi*",
    "recu*",
    "avant le",
    "apres le",
];
pub(super) const DAYS: &[&str] = &[
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "on",
    "the",
    "the year",
    "date",
];
/// Names of months; at the same places, their numbers.
const MONTHS: Names = Names::new(&[
    "janvier",
    "janv",
    "jan",
    "january",
    "fevrier",
    "fevr",
    "fev",
    "february",
    "feb",
    "mars",
    "march",
    "mar",
    "avril",
    "avr",
    "april",
    "apr",
    "mai",
    "may",
    "juin",
    "june",
    "jun",
    "juillet",
    "juil",
    "july",
    "jul",
    "aout",
    "august",
    "aug",
    "septembre",
    "sept",
    "september",
    "sep",
    "octobre",
    "oct",
    "october",
    "novembre",
    "nov",
    "november",
    "decembre",
    "dec",
    "december",
]);
const MONTH_OF: [u32; 41] = [
    1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 9, 9, 9, 9, 10, 10,
    10, 11, 11, 11, 12, 12, 12,
];

/// The date of birth whose first digits begin at unit `start`.
pub(super) fn find(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    if !window.wants(Kind::BirthDate) {
        return None;
    }
    let Date { start, end, year_alone } = date(window, start)?;
    of_birth(window, start, year_alone).then_some((start, end, Kind::BirthDate))
}

fn digits(window: &Window, at: usize) -> (u32, usize) {
    let mut end = at;
    let mut value = 0;
    while end - at < 9 && end < window.to() && window.get(end).is_ascii_digit() {
        value = value * 10 + u32::from(window.get(end) - b'0');
        end += 1;
    }
    (value, end)
}

/// The number of the month whose name begins at `at`, and the unit behind it.
fn month(window: &Window, at: usize) -> Option<(u32, usize)> {
    let end = window.word_end(at);
    let word = window.slice(at, end);
    Some((MONTH_OF[MONTHS.place(word)?], end))
}

/// Spaces and at most one of `marks` behind `at`.
fn skip(window: &Window, mut at: usize, marks: &[u8]) -> usize {
    let mut marked = false;
    for _ in 0..3 {
        let unit = window.get(at);
        if unit != b' ' && (marked || !marks.contains(&unit)) {
            break;
        }
        marked |= unit != b' ';
        at += 1;
    }
    at
}

struct Date {
    start: usize,
    end: usize,
    /// No day, and a month at most in letters.
    year_alone: bool,
}

/// The date that begins at `start`, or one word before (`March 12, 2011`).
fn date(window: &Window, start: usize) -> Option<Date> {
    let full = |start, end| Some(Date { start, end, year_alone: false });
    let (first, end) = digits(window, start);
    let whole = |at: usize| (!is_word(window.get(at)) || window.get(at) == b'T').then_some(at);
    match end - start {
        1 | 2 => {
            let day = matches!(first, 1..=31).then_some(first)?;
            let mut at = end;
            for ending in [&b"er"[..], b"st", b"nd", b"rd", b"th", b"e"] {
                let behind = end + ending.len();
                if window.slice(end, behind).eq_ignore_ascii_case(ending) && !is_letter(window.get(behind)) {
                    at = behind;
                    break;
                }
            }
            let named = skip(window, at, b".-/");
            let named = if window.slice(named, named + 3) == b"of " { named + 3 } else { named };
            if let Some((_, behind)) = month(window, named) {
                let (year, end) = year(window, skip(window, behind, b".-/,"))?;
                return plausible(year, end.1 - end.0).then_some(full(start, whole(end.1)?)?);
            }
            if at == end
                && let Some(found) = english(window, start, end)
            {
                return Some(found);
            }
            let mark = skip(window, end, b"/.-");
            let marked = window.slice(end, mark).iter().any(|unit| *unit != b' ');
            if mark == end {
                return None;
            }
            let (second, behind) = digits(window, mark);
            // French dates begin with the day, American ones with the month.
            let real = matches!(second, 1..=12) || day <= 12 && matches!(second, 1..=31);
            let again = skip(window, behind, b"/.-");
            if behind - mark > 2 || !real || again == behind {
                return None;
            }
            let (year, end) = year(window, again)?;
            // `01 02 03 04` is a row of numbers.
            if !marked && end.1 - end.0 == 2 {
                return None;
            }
            plausible(year, end.1 - end.0).then_some(full(start, whole(end.1)?)?)
        }
        4 if matches!(first, 1900..=2099) => {
            let mark = skip(window, end, b"/.-");
            let (second, behind) = digits(window, mark);
            let again = skip(window, behind, b"/.-");
            let (third, last) = digits(window, again);
            let iso = mark > end && behind - mark <= 2 && again > behind && last - again <= 2;
            if iso && matches!(second, 1..=12) && matches!(third, 1..=31) {
                return full(start, whole(last)?);
            }
            // A year alone, with the month's name where it is written.
            let before = start
                .checked_sub(1)
                .filter(|_| window.prev(start) == b' ')
                .map(|end| (window.word_start(end), end));
            let from =
                before.filter(|(from, _)| month(window, *from).is_some()).map_or(start, |(from, _)| from);
            let goes_on = window.get(end) == b'-' && window.get(end + 1).is_ascii_digit();
            (!goes_on).then_some(Date { start: from, end: whole(end)?, year_alone: true })
        }
        // `IMG_20251212.jpg` is no key of a birth.
        8 if window.prev(start) != b'_'
            || window.back(start, 2).is_none_or(|unit| !unit.is_ascii_uppercase()) =>
        {
            let (head, tail) = (first / 10_000, first % 10_000);
            let iso =
                matches!(head, 1900..=2099) && matches!(tail / 100, 1..=12) && matches!(tail % 100, 1..=31);
            let french =
                matches!(tail, 1900..=2099) && matches!(head / 100, 1..=31) && matches!(head % 100, 1..=12);
            (iso || french).then_some(full(start, whole(end)?)?)
        }
        _ => None,
    }
}

/// `March 12, 2011`.
fn english(window: &Window, start: usize, end: usize) -> Option<Date> {
    let space = start.checked_sub(1).filter(|_| window.prev(start) == b' ')?;
    let from = window.word_start(space);
    month(window, from)?;
    let (year, end) = year(window, skip(window, end, b","))?;
    (end.1 - end.0 == 4 && plausible(year, 4)).then_some(Date { start: from, end: end.1, year_alone: false })
}

/// Two or four digits, and where they stand.
fn year(window: &Window, at: usize) -> Option<(u32, (usize, usize))> {
    let (year, end) = digits(window, at);
    matches!(end - at, 2 | 4).then_some((year, (at, end)))
}

fn plausible(year: u32, digits: usize) -> bool {
    digits == 2 || matches!(year, 1900..=2099)
}

/// How far back the word of birth is looked for.
const REACH: usize = 72;

/// Whether what stands before unit `start` makes it a date of birth.
fn of_birth(window: &Window, start: usize, year_alone: bool) -> bool {
    let near = window.words(start, REACH, |hit| (hit.label == Label::BirthNear).then_some(hit.end));
    let direct = || window.words(start, REACH, |hit| (hit.label == Label::BirthDirect).then_some(()));
    if near.is_none() && direct().is_none() {
        return false;
    }
    let mut end = trim(window, start);
    for _ in 0..2 {
        let day = window
            .words(start, REACH, |hit| (hit.label == Label::Day && hit.end == end).then_some(hit.start));
        match day {
            Some(from) => end = trim(window, from),
            None => break,
        }
    }
    let stands = |hit: &super::labels::Hit| hit.label == Label::BirthDirect && hit.end == end;
    if window.words(start, REACH, |hit| stands(hit).then_some(())).is_some() {
        return true;
    }
    let Some(behind) = near else { return false };
    let between = window.slice(behind, start);
    if year_alone {
        // « année de naissance : 2011 », `birth_year=2011`, « née en 2011 »; not « née à Lyon, 2011 habitants ».
        let letters = between.iter().filter(|unit| is_letter(**unit)).count();
        let mut words = between.split(|unit| !is_letter(*unit));
        return between.len() <= 12
            && letters <= 4
            && (letters == 0
                || words.any(|word| {
                    [&b"en"[..], b"in", b"year"].iter().any(|name| word.eq_ignore_ascii_case(name))
                }));
    }
    let other = |hit: &super::labels::Hit| hit.label == Label::BirthOther && hit.start >= behind;
    between.len() <= 56
        && !leaves_off(between)
        && window.words(start, REACH, |hit| other(hit).then_some(())).is_none()
}

/// Whether a sentence ends in `units`, or another date stands there.
fn leaves_off(units: &[u8]) -> bool {
    let stop = |pair: &[u8]| matches!(pair, [b'.' | b'!' | b'?', b' ' | b'\n'] | [b'\n', b'\n']);
    let abbreviated = |at: usize| at < 2 || !units[..at].iter().rev().take(3).all(|unit| is_letter(*unit));
    let ends =
        units.windows(2).enumerate().any(|(at, pair)| stop(pair) && !(pair[0] == b'.' && abbreviated(at)));
    let lines = units.iter().filter(|unit| **unit == b'\n').count() > 1;
    let date = units.windows(3).any(|three| {
        matches!(three, [first, b'/' | b'-' | b'.', last] if first.is_ascii_digit() && last.is_ascii_digit())
    });
    ends || lines || date || units.windows(4).any(|four| four.iter().all(u8::is_ascii_digit))
}

/// `end` without the spaces and marks before it.
fn trim(window: &Window, mut end: usize) -> usize {
    let mark = |unit| matches!(unit, b' ' | b':' | b'\n' | b',' | b'"' | b'=' | b'|' | b'(' | b'.');
    while window.back(end, 1).is_some_and(mark) {
        end -= 1;
    }
    end
}
