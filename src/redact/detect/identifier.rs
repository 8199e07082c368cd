//! Identifiers with a key: NIR, INE, IBAN, cards, companies, taxes, schools.

use super::{
    Kind, check,
    labels::Label,
    number::{DASH, DOT, LINE, Run, SLASH, SPACE},
    window::{Window, is_word},
};

/// How far back a label is looked for.
const REACH: usize = 64;
const USUAL: u8 = SPACE | DOT | DASH;

pub(super) const NIR: &[&str] = &["secu", "nir", "securite sociale", "insee", "assure*", "vitale", "ss"];
pub(super) const INE: &[&str] = &[
    "ine",
    "ine rnie",
    "rnie",
    "bea",
    "nne",
    "identifiant national",
    "identifiant eleve",
    "identifiant etudiant",
    "numero etudiant",
    "n etudiant",
    "no etudiant",
    "national student",
    "freducteleveine*",
    "enteleveine",
    "supanncodeine",
    "codeine",
    "numero ine",
    "numine",
];
pub(super) const IBAN: &[&str] = &["rib", "compte*", "bancaire*", "virement*", "prelevement*"];
pub(super) const CARD: &[&str] = &[
    "carte*",
    "card*",
    "cb",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "american express",
    "paye*",
    "paiement*",
    "pan",
    "cvv",
];
pub(super) const COMPANY: &[&str] =
    &["siren", "siret", "rcs", "entreprise", "societe", "immatricule*", "sirene"];
pub(super) const ORDER: &[&str] = &[
    "commande*",
    "colis",
    "suivi",
    "facture*",
    "dossier*",
    "reference*",
    "ref",
    "ticket*",
    "serie",
    "order*",
    "isbn",
    "ean",
    "issn",
    "code barre*",
    "lot",
    "transaction*",
    "tracking",
    "session*",
    "imei",
    "identifiant de cours",
];

/// The cheap look at the word from `start` to `end`: whether an identifier, a telephone number or a device could begin
/// there.
pub(super) fn may_begin(window: &Window, start: usize, end: usize) -> bool {
    let word = window.slice(start, end);
    match word {
        // `0A1B2C3D4E5`, 12 or 16 hexadecimal digits, the first group of a UUID.
        _ if matches!(word.len(), 11 | 12 | 16) || word.len() == 8 && window.get(end) == b'-' => true,
        [first, second, rest @ ..] if first.is_ascii_alphabetic() => {
            // `FR76`, `FR 76`.
            second.is_ascii_alphabetic()
                && rest.iter().take(2).all(u8::is_ascii_digit)
                && check::iban_len(&[first.to_ascii_uppercase(), second.to_ascii_uppercase()]).is_some()
        }
        _ => {
            // Six digits, in groups or not; the shortest identifier with a letter among them is Corsica's NIR.
            let (mut digits, mut gap) = (0, 0);
            for at in start..start + 24 {
                match window.get(at) {
                    unit if unit.is_ascii_digit() => (digits, gap) = (digits + 1, 0),
                    b' ' | b'.' | b'-' | b'/' | b'(' | b')' | b'\n' if gap < 3 => gap += 1,
                    _ => return false,
                }
                if digits == 6 {
                    return true;
                }
            }
            false
        }
    }
}

/// The country that stands apart before the digits of an IBAN or a TVA number: `FR 76 3000…`.
pub(super) fn country_before(window: &Window, start: usize, end: usize) -> Option<usize> {
    let before = start.checked_sub(3)?;
    let letters = || {
        let country = window.slice(before, before + 2);
        country.len() == 2
            && country.iter().all(u8::is_ascii_alphabetic)
            && window.back(start, 4).is_none_or(|unit| !is_word(unit))
            && check::iban_len(&[country[0].to_ascii_uppercase(), country[1].to_ascii_uppercase()]).is_some()
    };
    // « de 12 élèves »: another group of a number must follow.
    let group = || end - start > 2 || window.get(end) == b' ' && window.word_end(end + 1) == end + 5;
    (window.prev(start) == b' ' && end - start >= 2 && letters() && group()).then_some(before)
}

/// The identifier that begins with the run at unit `start`, and the unit behind it.
pub(super) fn find(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    let found = |(end, kind)| (start, end, kind);
    if run.chars().first()?.is_ascii_alphabetic() {
        return banking(window, start, run).or_else(|| ine(window, start, run).map(found));
    }
    nir(window, start, run)
        .or_else(|| tax_id(window, run))
        .or_else(|| ine(window, start, run))
        .or_else(|| uai(window, run))
        .or_else(|| rib(window, start, run))
        .or_else(|| company(window, start, run))
        .or_else(|| card(window, start, run))
        .map(found)
}

/// An IBAN or TVA number.
pub(super) fn banking(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    iban(window, run).or_else(|| vat(window, run)).map(|(end, kind)| (start, end, kind))
}

fn nir(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Nir).then_some(())?;
    let gaps = USUAL | SLASH;
    let labelled = || window.after(start, REACH, Label::Nir);
    if let Some(chars) = run.first(15, gaps)
        && check::nir_body(chars, false)
        && check::nir_key(chars)
    {
        let spelled = run.grouped(15, &[&[1, 2, 2, 2, 3, 3, 2], &[13, 2], &[1, 2, 2, 2, 3, 5]]);
        return (spelled || check::nir_body(chars, true) || labelled()).then_some((run.end(15), Kind::Nir));
    }
    let chars = run.first(13, gaps)?;
    (check::nir_body(chars, true) && labelled()).then_some((run.end(13), Kind::Nir))
}

fn ine(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Ine).then_some(())?;
    let chars = run.first(11, USUAL)?;
    let digits = |range: std::ops::Range<usize>| chars[range].iter().all(u8::is_ascii_digit);
    let letter = |at: usize| chars[at].is_ascii_uppercase();
    let found = Some((run.end(11), Kind::Ine));
    if run.solid(10) && digits(0..10) && check::letter(chars) && !window.after(start, 12, Label::Order) {
        return found;
    }
    let labelled = || window.after(start, REACH, Label::Ine);
    let national = digits(0..9) && letter(9) && letter(10);
    let apprentice = digits(0..4) && chars[4] == b'A' && digits(5..10) && letter(10);
    let bea = digits(0..10) && check::letter(chars);
    let university = chars[..10].iter().any(u8::is_ascii_digit) && check::nne(chars);
    ((national || apprentice || bea || university) && labelled()).then_some(found).flatten()
}

fn uai(window: &Window, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Uai).then_some(())?;
    let chars = run.first(8, SPACE).filter(|chars| chars[7].is_ascii_uppercase())?;
    let department = match &chars[..3] {
        b"620" | b"720" => true,
        [b'9', b'7', b'1'..=b'8'] => true,
        [b'0', ..] => check::value(&chars[..3]).is_some_and(|number| matches!(number, 1..=98)),
        _ => false,
    };
    let spelled = run.solid(8) || run.grouped(8, &[&[7, 1]]);
    (department && spelled && check::letter(chars)).then_some((run.end(8), Kind::Uai))
}

fn tax_id(window: &Window, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::TaxId).then_some(())?;
    let digits = run.first_digits(13, USUAL)?;
    let spelled = run.solid(13) || run.grouped(13, &[&[2, 2, 3, 3, 3], &[1, 3, 3, 3, 3], &[10, 3]]);
    (spelled && check::tax_id(digits)).then_some((run.end(13), Kind::TaxId))
}

fn iban(window: &Window, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Iban).then_some(())?;
    let chars = run.chars();
    let len = check::iban_len(chars.get(..2)?)?;
    let chars = run.first(len, USUAL | LINE)?;
    check::iban(chars).then_some((run.end(len), Kind::Iban))
}

fn vat(window: &Window, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Siret).then_some(())?;
    let chars = run.first(13, USUAL)?;
    let digits = chars.strip_prefix(b"FR")?;
    (digits.iter().all(u8::is_ascii_digit) && check::vat(digits)).then_some((run.end(13), Kind::Siret))
}

fn rib(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Iban).then_some(())?;
    let chars = run.first(23, USUAL)?;
    let labelled = || window.after(start, REACH, Label::Iban);
    (check::rib(chars) && (run.grouped(23, &[&[5, 5, 11, 2]]) || labelled()))
        .then_some((run.end(23), Kind::Iban))
}

fn card(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Card).then_some(())?;
    for len in [16, 15, 14, 19, 18, 17, 13, 12] {
        let Some(digits) = run.first_digits(len, USUAL) else { continue };
        let last = (len - 1) % 4 + 1;
        let fours = [4, 4, 4, 4, last];
        let spelled = run.solid(len)
            || run.even(len)
                && (run.grouped(len, &[&fours[5 - len.div_ceil(4)..]])
                    || matches!(len, 14 | 15) && run.grouped(len, &[&[4, 6, len - 10]]));
        // A longer row of fours is no card.
        let longer = !run.solid(len)
            && (run.group_after(len).len() == 4
                && run.gap(len) == run.gap(4)
                && run.group_after(len)[0].is_ascii_digit()
                || window.prev(start) == window.get(run.end(4))
                    && window.back(start, 6).is_none_or(|unit| !unit.is_ascii_alphanumeric())
                    && window.back(start, 5).is_some()
                    && window.slice(start - 5, start - 1).iter().all(u8::is_ascii_digit));
        if !spelled || longer {
            continue;
        }
        let Some(sure) = check::card(digits) else { continue };
        let labelled = window.nearest(start, REACH, Label::Card);
        let ordered = window.nearest(start, 20, Label::Order);
        if labelled > ordered || sure && ordered.is_none() {
            return Some((run.end(len), Kind::Card));
        }
    }
    None
}

fn company(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    window.wants(Kind::Siret).then_some(())?;
    let labelled = || window.after(start, REACH, Label::Company);
    if let Some(digits) = run.first_digits(14, USUAL)
        && check::siret(digits)
    {
        let spelled = run.grouped(14, &[&[14], &[9, 5], &[3, 3, 3, 5], &[3, 3, 3, 2, 3], &[3, 3, 3, 3, 2]]);
        // One in a hundred times of day in one piece passes both keys.
        let time = run.solid(14)
            && (digits.starts_with(b"19") || digits.starts_with(b"20"))
            && [(4, 1, 12), (6, 1, 31), (8, 0, 23), (10, 0, 59)].iter().all(|(at, least, most)| {
                check::value(&digits[*at..at + 2]).is_some_and(|part| part >= *least && part <= *most)
            });
        if labelled() || spelled && !time && !window.after(start, 20, Label::Order) {
            return Some((run.end(14), Kind::Siret));
        }
    }
    let digits = run.first_digits(9, USUAL)?;
    let spelled = run.grouped(9, &[&[9], &[3, 3, 3]]);
    (spelled && check::luhn(digits) && labelled()).then_some((run.end(9), Kind::Siret))
}
