//! Identifiers that are right by their keys (computed here anew, not with the detectors' code).

use super::{Dice, Kind, Message};

pub(super) fn luhn_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    (10 - sum % 10) % 10
}

fn with_luhn(digits: &str) -> String {
    format!("{digits}{}", luhn_digit(digits))
}

/// Groups of these lengths, joined.
fn grouped(text: &str, lens: &[usize], mark: &str) -> String {
    let mut at = 0;
    let parts: Vec<&str> = lens
        .iter()
        .map(|len| {
            at += len;
            &text[at - len..at]
        })
        .collect();
    parts.join(mark)
}

pub(super) fn nir(dice: &mut Dice, message: &mut Message) {
    let department = match dice.range(0, 9) {
        0 => "2A".to_owned(),
        1 => "2B".to_owned(),
        _ => format!("{:02}", dice.range(1, 95)),
    };
    let body = format!(
        "{}{}{:02}{department}{:03}{:03}",
        dice.range(1, 2),
        dice.digits(2),
        dice.range(1, 12),
        dice.range(1, 900),
        dice.range(1, 999)
    );
    let number: u64 = body.replace("2A", "19").replace("2B", "18").parse().unwrap();
    // `replace` must only touch the department.
    let number = if department.starts_with('2')
        && department.len() == 2
        && !department.bytes().all(|b| b.is_ascii_digit())
    {
        format!("{}{}{}", &body[..5], if department == "2A" { "19" } else { "18" }, &body[7..])
            .parse()
            .unwrap()
    } else {
        number
    };
    let whole = format!("{body}{:02}", 97 - number % 97);
    let value = match dice.range(0, 4) {
        0 => whole,
        1 => grouped(&whole, &[1, 2, 2, 2, 3, 3, 2], " "),
        2 => grouped(&whole, &[13, 2], " "),
        3 => grouped(&whole, &[1, 2, 2, 2, 3, 3, 2], "\u{A0}"),
        _ => grouped(&whole, &[1, 2, 2, 2, 3, 3, 2], "."),
    };
    let frame = dice.pick(&[
        "N° de sécurité sociale : {}",
        "NIR {}",
        "{}",
        "sécu {}, mutuelle",
        "({})",
        "carte vitale n°{}",
        "assuré;{};oui",
    ]);
    message.plant(Kind::Nir, frame, &value);
}

pub(super) fn ine(dice: &mut Dice, message: &mut Message) {
    let letters = b"ABCDEFGHJKLMNPRSTUVWXYZ";
    let mut letter = || char::from(letters[dice.range(0, 22) as usize]);
    let (one, two) = (letter(), letter());
    if dice.chance(50) {
        let digits = dice.digits(10);
        let number: u64 = digits.parse().unwrap();
        let value = format!("{digits}{}", char::from(letters[(number % 23) as usize]));
        let frame = dice.pick(&["INE : {}", "{}", "élève {} (3e)", "\"{}\"", "inscrit sous le numéro {}."]);
        message.plant(Kind::Ine, frame, &value);
    } else {
        let value = format!("{}{one}{two}", dice.digits(9));
        let frame =
            dice.pick(&["INE : {}", "n° INE {}", "Identifiant national : {}.", "INE={}&x", "ine;{};5e"]);
        message.plant(Kind::Ine, frame, &if dice.chance(20) { value.to_lowercase() } else { value });
    }
}

pub(super) fn iban(dice: &mut Dice, message: &mut Message) {
    let (country, bban) = match dice.range(0, 4) {
        0 => ("DE", dice.digits(18)),
        1 => ("BE", dice.digits(12)),
        2 => ("GB", format!("NWBK{}", dice.digits(14))),
        _ => ("FR", format!("{}{}{}", dice.digits(19), dice.pick(&["A", "7", "0"]), dice.digits(3))),
    };
    let rest = format!("{bban}{country}00").chars().fold(0_u32, |rest, char| {
        let value = char.to_digit(36).unwrap();
        (rest * if value > 9 { 100 } else { 10 } + value) % 97
    });
    let whole = format!("{country}{:02}{bban}", 98 - rest);
    let fours: Vec<&str> =
        (0..whole.len()).step_by(4).map(|at| &whole[at..whole.len().min(at + 4)]).collect();
    let value = match dice.range(0, 4) {
        0 => whole.clone(),
        1 => fours.join("\u{A0}"),
        2 => whole.to_lowercase(),
        3 => fours.join("-"),
        _ => fours.join(" "),
    };
    let frame = dice.pick(&["IBAN : {}", "{}", "virement sur {} avant lundi", "({})", "compte {}."]);
    message.plant(Kind::Iban, frame, &value);
}

pub(super) fn card(dice: &mut Dice, message: &mut Message) {
    let (head, len) = match dice.range(0, 5) {
        0 => ("37".to_owned(), 15),
        1 => (dice.range(2221, 2720).to_string(), 16),
        2 => (dice.range(51, 55).to_string(), 16),
        _ => ("4".to_owned(), 16),
    };
    let whole = with_luhn(&format!("{head}{}", dice.digits(len - 1 - head.len())));
    let mark = dice.pick(&[" ", "", "-", "\u{A0}", "."]);
    let lens: &[usize] = if len == 15 { &[4, 6, 5] } else { &[4, 4, 4, 4] };
    let frame = dice.pick(&[
        "Carte : {}",
        "CB {} exp 12/27",
        "{}",
        "payé avec {}",
        "({})",
        "numéro {}, cryptogramme 123",
    ]);
    message.plant(Kind::Card, frame, &grouped(&whole, lens, mark));
}

pub(super) fn siret(dice: &mut Dice, message: &mut Message) {
    let siren = with_luhn(&dice.digits(8));
    let whole = with_luhn(&format!("{siren}{:04}", dice.range(1, 60)));
    let value = match dice.range(0, 3) {
        0 => whole,
        1 => grouped(&whole, &[3, 3, 3, 5], " "),
        2 => grouped(&whole, &[9, 5], " "),
        _ => grouped(&whole, &[3, 3, 3, 5], "\u{A0}"),
    };
    let frame = dice.pick(&[
        "SIRET : {}",
        "{}",
        "Mme Martin, auto-entrepreneuse ({})",
        "n° siret {}.",
        "établissement {}",
    ]);
    message.plant(Kind::Siret, frame, &value);
}

pub(super) fn others(dice: &mut Dice, message: &mut Message) {
    if dice.chance(50) {
        let head = format!("{}{}", dice.range(0, 3), dice.digits(9));
        let whole = format!("{head}{:03}", head.parse::<u64>().unwrap() % 511);
        let value = if dice.chance(50) { whole } else { grouped(&whole, &[2, 2, 3, 3, 3], " ") };
        message.plant(Kind::TaxId, dice.pick(&["Numéro fiscal : {}", "SPI {}.", "{}"]), &value);
    } else {
        let head = format!("0{:02}{}", dice.range(1, 95), dice.digits(4));
        let letter = b"ABCDEFGHJKLMNPRSTUVWXYZ"[(head.parse::<u64>().unwrap() % 23) as usize];
        message.plant(
            Kind::Uai,
            dice.pick(&["UAI {}", "({})", "établissement {}, Lyon"]),
            &format!("{head}{}", char::from(letter)),
        );
    }
}
