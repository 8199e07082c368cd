//! Telephone numbers: French ones in every usual spelling, others by their country's code.

use super::{
    Kind,
    labels::Label,
    number::{DASH, DOT, PAREN, Run, SLASH, SPACE},
    window::Window,
};

const GAPS: u8 = SPACE | DOT | DASH | SLASH | PAREN;

pub(super) const LABEL: &[&str] = &[
    "tel*",
    "phone*",
    "portable*",
    "port",
    "mobile*",
    "appel*",
    "sms",
    "whatsapp",
    "fax",
    "joindre",
    "joign*",
    "contact*",
    "rappel*",
    "numero de ma*",
    "numero de mon*",
    "mon numero",
    "son numero",
    "gsm",
    "cell",
    "call",
    "domicile",
    "urgence",
    "signal",
    "texto*",
    "perso",
];
pub(super) const MARKS: &[&str] =
    &["note*", "score*", "resultat*", "moyenne*", "tirage", "loto", "marks", "grade*", "points"];
pub(super) const ORDER: &[&str] = &[
    "isbn",
    "issn",
    "ean",
    "commande",
    "facture",
    "dossier",
    "reference",
    "ref",
    "ticket",
    "colis",
    "suivi",
    "code",
    "serie",
    "siret",
    "siren",
    "id",
    "order",
    "produit",
    "article",
    "licence",
    "inventaire",
    "session",
];

/// The telephone number that begins with the run at unit `start`, with its `+`.
pub(super) fn find(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    if !window.wants(Kind::Phone) {
        return None;
    }
    let plus = window.prev(start) == b'+';
    if plus {
        let end = abroad(run)?;
        let glued = window.back(start, 2).is_some_and(|unit| unit.is_ascii_alphanumeric());
        return (!glued).then_some((start - 1, end, Kind::Phone));
    }
    let chars = run.chars();
    let end = if chars.starts_with(b"00") {
        abroad_after(run, 2)
            .filter(|_| chars.starts_with(b"0033") || !window.after(start, 20, Label::PhoneOrder))?
    } else if chars.starts_with(b"33") {
        // Without a sign: only a mobile number in one piece.
        let digits = run.first_digits(11, 0)?;
        (matches!(digits[2], b'6' | b'7') && plain(window, start, run, 11)).then(|| run.end(11))?
    } else {
        national(window, start, run)?
    };
    (window.get(end) != b'@').then_some((start, end, Kind::Phone))
}

/// Zero and nine digits.
fn national(window: &Window, start: usize, run: &Run) -> Option<usize> {
    // `(0)6 12 34 56 78`, the zero in parentheses, is a gap like another.
    let digits = run.leading_digits(10, GAPS)?;
    if digits[0] != b'0' || digits[1] == b'0' {
        return None;
    }
    let end = run.end(10);
    let label = || window.nearest(start, 48, Label::Phone);
    let labelled = || label().is_some();
    let glued = !run.ends(10);
    const OTHERS: &[&[usize]] = &[
        &[4, 2, 2, 2],
        &[4, 3, 3],
        &[2, 8],
        &[3, 3, 2, 2],
        &[2, 4, 4],
        &[2, 2, 3, 3],
        &[2, 2, 2, 4],
        &[1, 1, 2, 2, 2, 2],
        &[2, 3, 3, 2],
        &[1, 9],
    ];
    if run.solid(10) {
        return (!glued && plain(window, start, run, 10)).then_some(end);
    }
    if run.grouped(10, &[&[2, 2, 2, 2, 2]]) {
        let row = row_of_numbers(digits) || longer(window, start, run);
        let near = window.nearest(start, 24, Label::Phone);
        let marks = window.nearest(start, 12, Label::Marks);
        return (near > marks || !row && marks.is_none() && (run.even(10) || labelled())).then_some(end);
    }
    if run.grouped(10, OTHERS) {
        return (!glued && !joined(window, start) && (run.even(10) || labelled())).then_some(end);
    }
    (!glued && run.groups(10) <= 6 && labelled()).then_some(end)
}

/// `06 12 14 15 18`: marks of twenty, or numbers in rising order.
fn row_of_numbers(digits: &[u8]) -> bool {
    let mut pairs = [0; 5];
    for (pair, digits) in pairs.iter_mut().zip(digits.chunks(2)) {
        *pair = (digits[0] - b'0') * 10 + digits[1] - b'0';
    }
    pairs[1..].iter().all(|pair| *pair <= 20) || pairs.is_sorted() && pairs[4] <= 49
}

/// Whether pairs of digits go on before or behind: a longer row, unless another number begins there.
fn longer(window: &Window, start: usize, run: &Run) -> bool {
    let next = run.group_after(10);
    let same = run.gap(10) == run.gap(2) && next.len() == 2 && next.iter().all(u8::is_ascii_digit);
    let another = || {
        let digits = run.chars().get(10..20);
        digits.is_some_and(|digits| digits[0] == b'0' && digits.iter().all(u8::is_ascii_digit))
    };
    same && !another()
        && run.gap(12) != super::number::LINE
        && !run.group_after(12).is_empty()
        && run.group_after(12)[0].is_ascii_digit()
        || same && run.gap(10) & (DOT | DASH | SLASH) != 0
        || joined(window, start)
}

/// Whether the number before goes on into this one: `1.06.12…`, `12-06-12…`.
fn joined(window: &Window, start: usize) -> bool {
    matches!(window.prev(start), b'.' | b'-' | b'/' | b'\'')
        && window.back(start, 2).is_some_and(|unit| unit.is_ascii_digit())
}

/// Ten digits in one piece, which many other numbers have: nothing around says that it is one of those.
fn plain(window: &Window, start: usize, run: &Run, count: usize) -> bool {
    let end = run.end(count);
    let before = window.prev(start);
    let decimals = matches!(window.get(end), b'.' | b',')
        && window.get(end + 1).is_ascii_digit()
        && window.get(end) == b'.';
    let named = matches!(before, b'_' | b'/' | b'#' | b'-') || matches!(window.get(end), b'_' | b'/');
    let tail = window.get(end) == b'-' && window.get(end + 1).is_ascii_alphanumeric();
    let fraction = before == b','
        && window.back(start, 2) == Some(b'0')
        && window.back(start, 3).is_none_or(|unit| !unit.is_ascii_digit());
    // `n° 0612345678` alone is a telephone as often as not; behind one of these words it is not.
    !(decimals || named || tail || fraction || joined(window, start))
        && window
            .nearest(start, 24, Label::PhoneOrder)
            .is_none_or(|order| window.nearest(start, 48, Label::Phone) > Some(order))
}

/// Behind `+`: a country's code and eight to fifteen digits in all (E.164).
fn abroad(run: &Run) -> Option<usize> {
    abroad_after(run, 0)
}

fn abroad_after(run: &Run, skip: usize) -> Option<usize> {
    let chars = run.chars().get(skip..)?;
    if skip > 0 && run.ends(1) {
        return None;
    }
    if let Some(rest) = chars.strip_prefix(b"33") {
        // `+33 (0)6…`: the zero that is not dialled.
        let zero = usize::from(rest.first() == Some(&b'0'));
        let count = skip + 2 + zero + 9;
        let digits = run.leading_digits(count, GAPS)?;
        return (digits[skip + 2 + zero] != b'0').then(|| run.end(count));
    }
    // New Caledonia, Polynesia, Saint-Pierre-et-Miquelon, Wallis-et-Futuna and Andorra are short.
    let (least, most) = match chars {
        [b'6', b'8', b'7' | b'1', ..] | [b'5', b'0', b'8', ..] | [b'3', b'7', b'6', ..] => (9, 9),
        [b'2', b'6', b'2' | b'9', ..] | [b'5', b'9', b'0' | b'4' | b'6', ..] => (12, 13),
        [b'1' | b'7', ..] => (11, 11),
        [b'2'..=b'6' | b'8' | b'9', ..] => (10, 15),
        _ => return None,
    };
    if skip > 0 && run.ends(2) {
        return None;
    }
    // The last group that still fits ends the number: what follows may be a sentence.
    let counts = (least..=most).rev().map(|count| count + skip);
    let end = counts.into_iter().find(|count| {
        // Parentheses are for the area's code.
        let tail = (skip + 6..*count).all(|at| run.gap(at) & (PAREN | SLASH) == 0);
        tail && run.first_digits(*count, GAPS).is_some_and(|digits| !digits.ends_with(b"0000"))
    })?;
    Some(run.end(end))
}
