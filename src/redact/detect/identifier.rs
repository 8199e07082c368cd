//! Identifiers with a key: NIR, INE, IBAN, cards, companies, taxes, schools.

use super::{
    Kind, check,
    number::{DASH, DOT, LINE, Run, SLASH, SPACE},
    window::Window,
};

/// How far back a label is looked for.
const REACH: usize = 64;
const USUAL: u8 = SPACE | DOT | DASH;

const NIR: &[&str] = &["secu", "nir", "securite sociale", "insee", "assure*", "vitale", "ss"];
const INE: &[&str] = &[
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
const IBAN: &[&str] = &["rib", "compte*", "bancaire*", "virement*", "prelevement*"];
const CARD: &[&str] = &[
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
const COMPANY: &[&str] = &["siren", "siret", "rcs", "entreprise", "societe", "immatricule*", "sirene"];
const ORDER: &[&str] = &[
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

/// The identifier that begins with the run at unit `start`, and the unit behind it.
pub(super) fn find(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    let found = |(end, kind)| (start, end, kind);
    if run.chars().first()?.is_ascii_alphabetic() {
        return banking(run).or_else(|| ine(window, start, run)).or_else(|| vat(run)).map(found);
    }
    if let Some((before, end, kind)) = behind_country(window, start) {
        return Some((before, end, kind));
    }
    nir(window, start, run)
        .or_else(|| tax_id(run))
        .or_else(|| ine(window, start, run))
        .or_else(|| uai(run))
        .or_else(|| rib(window, start, run))
        .or_else(|| company(window, start, run))
        .or_else(|| card(window, start, run))
        .map(found)
}

fn nir(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    let gaps = USUAL | SLASH;
    let labelled = || window.after(start, REACH, NIR);
    if let Some(chars) = run.first(15, gaps)
        && check::nir_body(chars, false)
        && check::nir_key(chars)
    {
        let spelled =
            matches!(run.groups(15).lens(), [1, 2, 2, 2, 3, 3, 2] | [13, 2] | [1, 2, 2, 2, 3, 3 | 5]);
        return (spelled || check::nir_body(chars, true) || labelled()).then_some((run.end(15), Kind::Nir));
    }
    let chars = run.first(13, gaps)?;
    (check::nir_body(chars, true) && labelled()).then_some((run.end(13), Kind::Nir))
}

fn ine(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    let chars = run.first(11, USUAL)?;
    let digits = |range: std::ops::Range<usize>| chars[range].iter().all(u8::is_ascii_digit);
    let letter = |at: usize| chars[at].is_ascii_uppercase();
    let found = Some((run.end(11), Kind::Ine));
    if run.solid(10) && digits(0..10) && check::letter(chars) && !window.after(start, 12, ORDER) {
        return found;
    }
    let labelled = || window.after(start, REACH, INE);
    let national = digits(0..9) && letter(9) && letter(10);
    let apprentice = digits(0..4) && chars[4] == b'A' && digits(5..10) && letter(10);
    let bea = digits(0..10) && check::letter(chars);
    let university = chars[..10].iter().any(u8::is_ascii_digit) && check::nne(chars);
    ((national || apprentice || bea || university) && labelled()).then_some(found).flatten()
}

fn uai(run: &Run) -> Option<(usize, Kind)> {
    let chars = run.first(8, SPACE)?;
    let department = match &chars[..3] {
        b"620" | b"720" => true,
        [b'9', b'7', b'1'..=b'8'] => true,
        [b'0', ..] => check::value(&chars[..3]).is_some_and(|number| matches!(number, 1..=98)),
        _ => false,
    };
    let spelled = run.solid(8) || matches!(run.groups(8).lens(), [7, 1]);
    (department && spelled && check::letter(chars)).then_some((run.end(8), Kind::Uai))
}

fn tax_id(run: &Run) -> Option<(usize, Kind)> {
    let digits = run.first_digits(13, USUAL)?;
    let spelled =
        run.solid(13) || matches!(run.groups(13).lens(), [2, 2, 3, 3, 3] | [1, 3, 3, 3, 3] | [10, 3]);
    (spelled && check::tax_id(digits)).then_some((run.end(13), Kind::TaxId))
}

fn banking(run: &Run) -> Option<(usize, Kind)> {
    let chars = run.chars();
    let len = check::iban_len(chars.get(..2)?)?;
    let chars = run.first(len, USUAL | LINE)?;
    check::iban(chars).then_some((run.end(len), Kind::Iban))
}

fn vat(run: &Run) -> Option<(usize, Kind)> {
    let chars = run.first(13, USUAL)?;
    let digits = chars.strip_prefix(b"FR")?;
    (digits.iter().all(u8::is_ascii_digit) && check::vat(digits)).then_some((run.end(13), Kind::Siret))
}

/// An IBAN or TVA number whose country stands apart: `FR 76 3000…`.
fn behind_country(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    let before = start.checked_sub(3)?;
    let apart = window.get(before + 2) == b' '
        && window.slice(before, before + 2).iter().all(u8::is_ascii_alphabetic);
    if !apart || window.word_start(before) != before {
        return None;
    }
    let run = Run::read(window, before);
    banking(&run).or_else(|| vat(&run)).map(|(end, kind)| (before, end, kind))
}

fn rib(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    let chars = run.first(23, USUAL)?;
    let labelled = || window.after(start, REACH, IBAN);
    (check::rib(chars) && (matches!(run.groups(23).lens(), [5, 5, 11, 2]) || labelled()))
        .then_some((run.end(23), Kind::Iban))
}

fn card(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    for len in [16, 15, 14, 19, 18, 17, 13, 12] {
        let Some(sure) = run.first_digits(len, USUAL).and_then(check::card) else { continue };
        let groups = run.groups(len);
        let spelled = match groups.lens() {
            [_] => true,
            [4, 6, 4 | 5] => run.even(len),
            [head @ .., tail] => run.even(len) && head.iter().all(|len| *len == 4) && *tail <= 4,
            [] => false,
        };
        // A longer row of fours is no card.
        let longer = groups.lens().len() > 1
            && (run.group_after(len).len() == 4
                && run.gap(len) == run.gap(4)
                && run.group_after(len)[0].is_ascii_digit()
                || start > 4
                    && !window.prev(start - 5).is_ascii_alphanumeric()
                    && window.prev(start) == window.get(run.end(4))
                    && window.slice(start - 5, start - 1).iter().all(u8::is_ascii_digit));
        if !spelled || longer {
            continue;
        }
        let labelled = window.nearest(start, REACH, CARD);
        let ordered = window.nearest(start, 20, ORDER);
        if labelled > ordered || sure && ordered.is_none() {
            return Some((run.end(len), Kind::Card));
        }
    }
    None
}

fn company(window: &Window, start: usize, run: &Run) -> Option<(usize, Kind)> {
    let labelled = || window.after(start, REACH, COMPANY);
    if let Some(digits) = run.first_digits(14, USUAL)
        && check::siret(digits)
    {
        let spelled =
            matches!(run.groups(14).lens(), [14] | [9, 5] | [3, 3, 3, 5] | [3, 3, 3, 2, 3] | [3, 3, 3, 3, 2]);
        // One in a hundred times of day in one piece passes both keys.
        let time = run.solid(14)
            && (digits.starts_with(b"19") || digits.starts_with(b"20"))
            && [(4, 1, 12), (6, 1, 31), (8, 0, 23), (10, 0, 59)].iter().all(|(at, least, most)| {
                check::value(&digits[*at..at + 2]).is_some_and(|part| part >= *least && part <= *most)
            });
        if labelled() || spelled && !time && !window.after(start, 20, ORDER) {
            return Some((run.end(14), Kind::Siret));
        }
    }
    let digits = run.first_digits(9, USUAL)?;
    let spelled = matches!(run.groups(9).lens(), [9] | [3, 3, 3]);
    (spelled && check::luhn(digits) && labelled()).then_some((run.end(9), Kind::Siret))
}
