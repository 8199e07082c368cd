//! French postal addresses: a number, a kind of street, a name, a postal code and a city, or most of them.

use super::{
    Kind,
    labels::{Label, Names},
    window::{Window, is_letter, is_word},
};

/// Kinds of streets that hardly mean anything else behind a number.
pub(super) const STREETS: &[&str] = &[
    "rue",
    "r",
    "avenue",
    "av",
    "ave",
    "aven",
    "boulevard",
    "bd",
    "bld",
    "blvd",
    "boul",
    "bvd",
    "impasse",
    "imp",
    "chemin",
    "che",
    "chem",
    "allee",
    "allees",
    "quai",
    "square",
    "sq",
    "ruelle",
    "sentier",
    "sente",
    "rond-point",
    "venelle",
    "faubourg",
    "fbg",
    "fg",
    "esplanade",
    "lotissement",
    "lot",
    "hameau",
    "traverse",
    "chaussee",
    "cours",
    "route",
    "rte",
    "place",
    "pl",
];
/// Those that are words of every day as well: a postal code or a label must help.
pub(super) const OTHERS: &[&str] = &[
    "all",
    "ch",
    "passage",
    "pass",
    "residence",
    "res",
    "cite",
    "voie",
    "mail",
    "villa",
    "domaine",
    "clos",
    "montee",
    "cote",
    "galerie",
    "promenade",
    "parvis",
    "porte",
    "pont",
    "ancienne route",
    "zone",
    "za",
    "zi",
    "zac",
    "parc",
    "resid",
    "bp",
    "cs",
    "lieu-dit",
    "lieudit",
    "ld",
    "batiment",
    "bat",
    "immeuble",
    "tour",
    "quartier",
    "cour",
    "mas",
    "ferme",
];
/// Among the first, those that need a capital and something behind it: « 2 place », « 3 cours ».
const DOUBTFUL: Names =
    Names::new(&["r", "cours", "route", "place", "pl", "lot", "sq", "fg", "av", "imp", "che"]);
pub(super) const LABEL: &[&str] = &[
    "adresse*",
    "habite*",
    "domicil*",
    "demeurant",
    "demeure",
    "loge*",
    "reside*",
    "resident",
    "address",
    "rendez-vous",
    "au",
    "chez",
    "livr*",
    "sis",
    "sise",
    "situe*",
    "lives at",
    "envoy*",
    "expedi*",
];
/// Small words within names of streets and cities.
const PARTICLES: Names = Names::new(&[
    "de", "du", "des", "d", "la", "le", "les", "l", "et", "en", "sur", "sous", "aux", "au", "lez", "a",
    "dit", "saint", "sainte", "st", "ste", "bis", "ter",
]);
const MONTHS: Names = Names::new(&[
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
]);
/// Words with a capital that begin what follows an address.
const NEXT: Names = Names::new(&[
    "tel",
    "telephone",
    "email",
    "mail",
    "courriel",
    "mob",
    "mobile",
    "port",
    "portable",
    "fax",
    "france",
    "merci",
    "je",
    "il",
    "elle",
    "nous",
    "pour",
    "ine",
    "nir",
    "iban",
    "siret",
    "date",
    "ne",
    "nee",
    "contact",
    "cordialement",
    "le",
    "la",
    "code",
    "ddn",
    "classe",
    "bonjour",
    "bonne",
    "responsable",
    "et",
    "on",
    "vous",
    "madame",
    "monsieur",
    "mme",
    "m",
]);

const SURE: Names = Names::new(STREETS);
const UNSURE: Names = Names::new(OTHERS);
/// A city's name can begin with them.
const ARTICLES: Names = Names::new(&["le", "la", "les", "saint", "sainte", "st", "ste", "l"]);
/// Behind a number: 12 bis, 12 B.
const SUFFIXES: Names = Names::new(&["bis", "ter", "quater", "b", "t", "q", "a", "c", "d", "e", "f"]);

/// The kind of street at `at`: whether it is a sure one, and the unit behind it and its point.
fn street(window: &Window, at: usize) -> Option<(bool, usize)> {
    let mut end = window.word_end(at);
    if window.get(end) == b'-' && is_letter(window.get(end + 1)) {
        end = window.word_end(end + 1);
    }
    let word = window.slice(at, end);
    let sure = SURE.has(word);
    if !sure && !UNSURE.has(word) {
        return None;
    }
    let end = end + usize::from(window.get(end) == b'.');
    (window.get(end) == b' ').then_some((sure, end + 1))
}

/// A number of at most four digits and the kind of street behind it: where that begins.
fn number(window: &Window, start: usize) -> Option<usize> {
    let mut at = start;
    while window.get(at).is_ascii_digit() && at - start < 5 {
        at += 1;
    }
    if at == start
        || at - start > 4
        || matches!(window.prev(start), b'.' | b',' | b'-')
            && window.back(start, 2).is_some_and(|unit| unit.is_ascii_digit())
    {
        return None;
    }
    // `12-14`, `12/14`.
    if matches!(window.get(at), b'-' | b'/') && window.get(at + 1).is_ascii_digit() {
        let end = window.word_end(at + 1);
        if end - at > 5 {
            return None;
        }
        at = end;
    }
    let glued = window.word_end(at);
    if glued > at {
        if !SUFFIXES.has(window.slice(at, glued)) {
            return None;
        }
        at = glued;
    }
    for _ in 0..2 {
        at = skip(window, at, b",")?;
        let end = window.word_end(at);
        // `12 r. …` is a street, `12 b rue` a suffix.
        if SUFFIXES.has(window.slice(at, end)) && matches!(window.get(end), b' ' | b',') {
            at = end;
        } else {
            break;
        }
    }
    street(window, at).map(|_| at)
}

/// At least one space or mark, at most three.
fn skip(window: &Window, at: usize, marks: &[u8]) -> Option<usize> {
    let len = (0..4)
        .take_while(|len| window.get(at + len) == b' ' || marks.contains(&window.get(at + len)))
        .count();
    matches!(len, 1..4).then_some(at + len)
}

/// A postal code at `at` and the city behind it: where the city ends.
fn code(window: &Window, at: usize) -> Option<usize> {
    let digits = window.slice(at, at + 5);
    let known = digits.len() == 5
        && digits.iter().all(u8::is_ascii_digit)
        && matches!(&digits[..2], [b'0', b'1'..=b'9'] | [b'1'..=b'8', _] | [b'9', b'0'..=b'5' | b'7' | b'8'])
        && !is_word(window.get(at + 5))
        && !is_word(window.prev(at));
    known.then(|| city(window, skip(window, at + 5, b"\n,-")?)).flatten()
}

/// The end of the city that begins at `at`.
fn city(window: &Window, at: usize) -> Option<usize> {
    const MEASURES: Names = Names::new(&[
        "euros",
        "eur",
        "habitants",
        "eleves",
        "km",
        "m",
        "personnes",
        "ans",
        "mots",
        "points",
        "hommes",
        "ou",
        "fois",
    ]);
    let mut end = word(window, at);
    let first = window.slice(at, end);
    if end == at
        || !is_letter(first[0])
        || MEASURES.has(first)
        || first.len() == 1 && window.get(end) != b'\''
    {
        return None;
    }
    let capital = is_capital(first);
    let mut joined = ARTICLES.has(first);
    if !capital && !joined && first.len() < 3 {
        return None;
    }
    for _ in 0..7 {
        if window.get(end) != b' ' {
            break;
        }
        let from = end + 1;
        let to = word(window, from);
        let next = window.slice(from, to);
        let number = next.iter().all(u8::is_ascii_digit)
            && next.len() <= 2
            && last(window, end).eq_ignore_ascii_case(b"cedex");
        let small = PARTICLES.has(next)
            && is_capital(&[window.get(to + 1)])
            && matches!(window.get(to), b' ' | b'\'');
        let cedex = next.eq_ignore_ascii_case(b"cedex");
        // « Villeneuve d'Ascq »
        let elided = matches!(next, [b'd' | b'l', b'\'', third, ..] if is_capital(&[*third]));
        let mixed = !number && next.iter().any(u8::is_ascii_digit);
        if next.is_empty()
            || mixed
            || !number && !cedex && !small && !elided && (!is_capital(next) && !joined || NEXT.has(next))
        {
            break;
        }
        // After a particle another word must come; `Paris Cedex` ends the name.
        joined = small;
        end = to;
    }
    Some(end)
}

fn last<'a>(window: &Window<'a>, end: usize) -> &'a [u8] {
    window.slice(window.word_start(end), end)
}

fn is_capital(word: &[u8]) -> bool {
    word.first().is_some_and(|first| first.is_ascii_uppercase() || *first == super::fold::LETTER)
}

/// The end of a word with its hyphens and apostrophes.
fn word(window: &Window, at: usize) -> usize {
    let mut end = window.word_end(at);
    while end > at && matches!(window.get(end), b'-' | b'\'') && is_word(window.get(end + 1)) {
        end = window.word_end(end + 1);
    }
    end
}

/// The address that begins with the number at `start`, or whose postal code is there.
pub(super) fn find(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    window.wants(Kind::PostalAddress).then_some(())?;
    let found = |start, end| Some((start, end, Kind::PostalAddress));
    if let Some(kind) = number(window, start) {
        let (sure, name) = street(window, kind)?;
        let (end, words, capital) = street_name(window, name)?;
        let doubtful = DOUBTFUL.has(window.slice(kind, window.word_end(kind)));
        // « 5 cours de soutien » is no address, whatever follows.
        if (sure && !doubtful || capital || window.get(end) != b' ')
            && let Some(end) = coded(window, end)
        {
            return found(start, end);
        }
        let label = || window.after(start, 40, Label::Address);
        let sure = if doubtful { capital && (words > 1 || label()) } else { sure && (capital || label()) };
        let other = capital && label();
        return if sure || other { found(start, end) } else { None };
    }
    let end = code(window, start)?;
    // Without a number: « Résidence Bellevue, 69100 Villeurbanne ».
    // Of each kind the street nearest to the code; of these the first that belongs to the same address.
    let (mut begin, mut least, mut seen) = (None, None, 0_u128);
    window.words::<()>(start, 90, |hit| {
        let sure = hit.label == Label::Street && hit.end - hit.start > 2 && seen >> (hit.id % 128) & 1 == 0;
        if sure {
            seen |= 1 << (hit.id % 128);
            let least = *least.get_or_insert_with(|| held_from(window, start));
            if hit.start >= least {
                begin = Some(begin.unwrap_or(hit.start).min(hit.start));
            }
        }
        None
    });
    let begin = begin?;
    let named = window
        .slice(begin, start)
        .split(|unit| !is_word(*unit))
        .skip(1)
        .any(|word| is_capital(word) || word.iter().any(u8::is_ascii_digit));
    if named { found(begin, end) } else { None }
}

/// The first place from which on everything up to `end` can stand within one address.
fn held_from(window: &Window, end: usize) -> usize {
    let mut lines = 0;
    let mut next = b' ';
    for at in (end.saturating_sub(90).max(window.from())..end).rev() {
        let unit = window.get(at);
        lines += usize::from(unit == b'\n');
        let ends = match (unit, next) {
            (b'!' | b'?' | b';' | b'@' | b'=' | b'{' | b'}' | b'|' | b':', _) | (b'\n', b'\n') => true,
            (b'.', b' ' | b'\n') => window.before(at, 4).iter().all(|unit| is_letter(*unit)),
            _ => lines > 3,
        };
        if ends {
            return at + 1;
        }
        next = unit;
    }
    end.saturating_sub(90)
}

/// The end of the city of the first postal code that follows within the same address.
fn coded(window: &Window, at: usize) -> Option<usize> {
    for digit in at..(at + 72).min(window.to()) {
        let begins = window.get(digit).is_ascii_digit() && !is_word(window.prev(digit));
        if begins && let Some(end) = code(window, digit) {
            return (held_from(window, digit) <= at).then_some(end);
        }
    }
    None
}

/// The name of a street at `at`: its end, how many words with weight it has, and whether the first has a capital.
fn street_name(window: &Window, mut at: usize) -> Option<(usize, usize, bool)> {
    let (mut end, mut words, mut capital) = (None, 0, false);
    for _ in 0..8 {
        let to = window.word_end(at);
        let part = window.slice(at, to);
        if part.is_empty() {
            break;
        }
        let heavy =
            is_capital(part) || part.len() < 5 && part.iter().all(u8::is_ascii_digit) || MONTHS.has(part);
        if heavy && words > 0 && NEXT.has(part) && !PARTICLES.has(part) {
            break;
        }
        if heavy || words == 0 && !PARTICLES.has(part) {
            capital |= words == 0 && heavy;
            words += 1;
            end = Some(to);
            if !heavy {
                break;
            }
        } else if !PARTICLES.has(part)
            || [&b"a"[..], b"et", b"en"].iter().any(|word| part.eq_ignore_ascii_case(word)) && words > 0
        {
            break;
        }
        let initial = window.get(to) == b'.' && to - at <= 3 && window.get(to + 1) == b' ';
        if !matches!(window.get(to), b' ' | b'-' | b'\'') && !initial {
            break;
        }
        at = to + 1 + usize::from(initial);
    }
    Some((end?, words, capital))
}
