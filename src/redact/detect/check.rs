//! The arithmetic of identifiers: lengths and keys, on upper-case characters without gaps.

/// The value of ASCII digits; `None` for anything else or more than 18 of them.
pub(super) fn value(digits: &[u8]) -> Option<u64> {
    (digits.len() <= 18).then_some(())?;
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// ISO/IEC 7812: the sum of digits, every second one from the right doubled, ends with 0.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0');
            if at % 2 == 0 { value } else { value * 2 / 10 + value * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether this department can stand in a number: 01–95, 96–99 (former and overseas), 2A, 2B.
fn department(chars: &[u8]) -> bool {
    matches!(chars, b"2A" | b"2B") || value(chars).is_some_and(|number| number > 0)
}

/// What a NIR says before its key: 13 characters. `strict` knows the common sexes and months only.
pub(super) fn nir_body(chars: &[u8], strict: bool) -> bool {
    let sexes: &[u8] = if strict { b"12" } else { b"123478" };
    let month = value(&chars[3..5]).unwrap_or_default();
    let months = matches!(month, 1..=12) || !strict && matches!(month, 20..=42 | 50..=99);
    let rest = [&chars[1..5], &chars[7..13]].iter().all(|part| value(part).is_some());
    sexes.contains(&chars[0]) && months && department(&chars[5..7]) && rest
}

/// The key of a NIR of 15 characters (décret 82-103; Corsica counts as 19 and 18).
pub(super) fn nir_key(chars: &[u8]) -> bool {
    let mut digits: [u8; 15] = match chars.try_into() {
        Ok(digits) => digits,
        Err(_) => return false,
    };
    match &digits[5..7] {
        b"2A" => digits[5..7].copy_from_slice(b"19"),
        b"2B" => digits[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    match (value(&digits[..13]), value(&digits[13..])) {
        (Some(body), Some(key)) => key == 97 - body % 97,
        _ => false,
    }
}

/// The letter behind a number: INE-BEA and UAI.
pub(super) fn letter(chars: &[u8]) -> bool {
    let Some((letter, digits)) = chars.split_last() else { return false };
    let expected = |number: u64| b"ABCDEFGHJKLMNPRSTUVWXYZ"[(number % 23) as usize];
    value(digits).is_some_and(|number| expected(number) == *letter)
}

/// The last digit of a university's INE (NNE): ten characters in base 36, then a digit.
pub(super) fn nne(chars: &[u8]) -> bool {
    let base36 = |char: &u8| (*char as char).to_digit(36).unwrap_or_default();
    let sum: u32 = chars[..9].iter().map(base36).sum();
    chars[10].is_ascii_digit() && (6 * sum + base36(&chars[9])) % 10 == u32::from(chars[10] - b'0')
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, modulo 97 is 1.
pub(super) fn iban(chars: &[u8]) -> bool {
    let rest = chars[4..].iter().chain(&chars[..4]).try_fold(0, |rest: u32, char| {
        let value = (*char as char).to_digit(36)?;
        Some(if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
    });
    chars[2..4].iter().all(u8::is_ascii_digit) && rest == Some(1)
}

/// The length of a country's IBAN (SWIFT's registry, and those that use the form without being in it).
pub(super) fn iban_len(country: &[u8]) -> Option<usize> {
    let letter = |at: usize| country.get(at).filter(|char| char.is_ascii_uppercase()).map(|char| char - b'A');
    let place = usize::from(letter(0)?) * 26 + usize::from(letter(1)?);
    Some(IBAN_LENGTHS[place]).filter(|len| *len > 0).map(usize::from)
}

/// The length for each pair of letters, 0 where no country has it.
const IBAN_LENGTHS: [u8; 26 * 26] = {
    const COUNTRIES: &[(u8, &[u8])] = &[
        (15, b"NO"),
        (16, b"BE"),
        (18, b"DK FI FK FO GL NL SD"),
        (19, b"MK SI"),
        (20, b"AT BA EE KZ LT LU MN XK"),
        (21, b"CH HR LI LV"),
        (22, b"BG BH CR DE GB GE IE ME RS VA"),
        (23, b"AE GI IL IQ OM SO TL"),
        (24, b"AD CZ DZ ES MD PK RO SA SE SK TN VG"),
        (25, b"AO CV GW LY MZ PT ST"),
        (26, b"IR IS TR"),
        (27, b"BI CF CG CM DJ FR GA GQ GR IT KM MC MG MR SM TD"),
        (28, b"AL AZ BF BJ BY CI CY DO GT HN HU LB MA ML NE NI PL SN SV TG"),
        (29, b"BR EG PS QA UA"),
        (30, b"JO KW MU YE"),
        (31, b"MT SC"),
        (32, b"LC"),
        (33, b"RU"),
    ];
    let mut lengths = [0; 26 * 26];
    let mut row = 0;
    while row < COUNTRIES.len() {
        let (len, names) = COUNTRIES[row];
        let mut at = 0;
        while at < names.len() {
            lengths[(names[at] - b'A') as usize * 26 + (names[at + 1] - b'A') as usize] = len;
            at += 3;
        }
        row += 1;
    }
    lengths
};

/// The key of a French RIB: bank 5, branch 5, account 11 (letters as on a telephone), key 2.
pub(super) fn rib(chars: &[u8]) -> bool {
    let telephone = |sum: u64, char: &u8| {
        let digit = match char {
            b'0'..=b'9' => char - b'0',
            b'A'..=b'I' => char - b'A' + 1,
            b'J'..=b'R' => char - b'J' + 1,
            b'S'..=b'Z' => char - b'S' + 2,
            _ => return sum,
        };
        sum * 10 + u64::from(digit)
    };
    let account = chars[10..21].iter().fold(0, telephone);
    match (value(&chars[..5]), value(&chars[5..10]), value(&chars[21..23])) {
        (Some(bank), Some(branch), Some(key)) => (89 * bank + 15 * branch + 3 * account + key) % 97 == 0,
        _ => false,
    }
}

/// A SIRET: its SIREN and the whole by Luhn; La Poste's offices by the sum of their digits.
pub(super) fn siret(digits: &[u8]) -> bool {
    let post = || {
        digits.starts_with(b"356000000")
            && digits.iter().map(|digit| u32::from(digit - b'0')).sum::<u32>() % 5 == 0
    };
    luhn(&digits[..9]) && (luhn(digits) || post())
}

/// The key of a French VAT number: two digits before the SIREN.
pub(super) fn vat(digits: &[u8]) -> bool {
    match (value(&digits[..2]), value(&digits[2..])) {
        (Some(key), Some(siren)) => key == (12 + 3 * (siren % 97)) % 97 && luhn(&digits[2..]),
        _ => false,
    }
}

/// Numéro fiscal: the last three digits are the first ten modulo 511.
pub(super) fn tax_id(digits: &[u8]) -> bool {
    let key = || Some(value(&digits[..10])? % 511 == value(&digits[10..])?);
    digits[0] <= b'3' && key() == Some(true)
}

/// The issuers whose numbers of this length exist; `Some(false)` where a label must tell a card from a number.
pub(super) fn card(digits: &[u8]) -> Option<bool> {
    let first = |count: usize| value(&digits[..count]).unwrap_or_default();
    let sure = match digits.len() {
        13 | 19 if digits[0] == b'4' => false,
        16 => match (first(2), first(3), first(4)) {
            (40..=49, ..) | (51..=55, ..) | (_, _, 2221..=2720) => true,
            (_, _, 3528..=3589 | 6011) | (65 | 62, ..) | (_, 644..=649, _) => true,
            (50 | 56..=58 | 60..=69, ..) => false,
            _ => return None,
        },
        15 if matches!(first(2), 34 | 37) => true,
        14 if matches!(first(2), 36 | 38 | 39) || matches!(first(3), 300..=305) || first(4) == 3095 => false,
        12..=19 if matches!(first(2), 50 | 56..=58 | 60..=69) => false,
        _ => return None,
    };
    luhn(digits).then_some(sure)
}
