//! Personal values in their usual spellings, right by their keys (computed here anew, not with the detectors' code).

use super::{Dice, Kind, Message};

const FIRST: &[&str] =
    &["Léa", "Jean-Pierre", "Chloé", "Mohamed", "Anaïs", "Hugo", "Inès", "Zoë", "Noël", "Maëlys"];
const LAST: &[&str] =
    &["Dupont", "Lefèvre", "N'Diaye", "Le Goff", "Benali", "Garcia", "Nguyên", "Müller", "d'Almeida"];

pub(super) fn add(dice: &mut Dice, message: &mut Message) {
    match dice.range(0, 19) {
        0..=2 => email(dice, message),
        3..=6 => phone(dice, message),
        7 => nir(dice, message),
        8 => ine(dice, message),
        9 => iban(dice, message),
        10 => card(dice, message),
        11 => siret(dice, message),
        12 => others(dice, message),
        13..=15 => address(dice, message),
        16 | 17 => birth(dice, message),
        18 => ip(dice, message),
        _ => mac(dice, message),
    }
}

fn plain(name: &str) -> String {
    let fold = |letter: char| match letter {
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'ï' => 'i',
        'ü' => 'u',
        ' ' | '\'' => '-',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

fn email(dice: &mut Dice, message: &mut Message) {
    let (first, last) = (plain(dice.pick(FIRST)), plain(dice.pick(LAST)));
    let local = match dice.range(0, 5) {
        0 => format!("{first}.{last}"),
        1 => format!("{}{last}{}", &first[..1], dice.digits(2)),
        2 => format!("{first}_{last}+ecole"),
        3 => format!("{}.{last}", first.to_uppercase()),
        4 => dice.digits(8),
        _ => format!("{last}-{first}"),
    };
    let host = dice.pick(&[
        "gmail.com",
        "exemple.fr",
        "ac-lyon.fr",
        "eleves.college-hugo.exemple.fr",
        "orange.fr",
        "sub.domaine.education",
    ]);
    let value = match dice.range(0, 15) {
        0 => format!("{local}%40{host}"),
        1 => format!("{local}&#64;{host}"),
        2 => format!("{local}\\u0040{host}"),
        3 => format!("{local} [at] {host}"),
        4 => format!("{local}(at){host}"),
        5 => format!("{local}@{}", host.to_uppercase()),
        6 => format!("{local}@\u{200B}{host}"),
        _ => format!("{local}@{host}"),
    };
    let frame = dice.pick(&[
        "Écrivez à {}.",
        "mail:{}",
        "<{}>",
        "({})",
        "Contact : {} ou à la vie scolaire",
        "\"{}\"",
        "Mon adresse est {}, merci",
        "{};3e A;12",
        "mailto:{}?subject=absence",
        "l'élève {} est absent",
        "{}\n",
        "| {} |",
        "copie à {}/parents",
        "=> {}!",
    ]);
    message.plant(Kind::Email, frame, &value);
}

fn phone(dice: &mut Dice, message: &mut Message) {
    let head = dice.range(1, 9);
    let pairs: Vec<String> = (0..4).map(|_| dice.digits(2)).collect();
    let national = |mark: &str| format!("0{head}{mark}{}", pairs.join(mark));
    let abroad = |mark: &str| format!("{head}{mark}{}", pairs.join(mark));
    let value = match dice.range(0, 21) {
        0..=3 => national(" "),
        4 | 5 => national(""),
        6 | 7 => national("."),
        8 => national("-"),
        9 => national("\u{A0}"),
        10 => national("\u{202F}"),
        11 => national("/"),
        12 => format!("+33 {}", abroad(" ")),
        13 => format!("+33{}", abroad("")),
        14 => format!("+33 (0){}", abroad(" ")),
        15 => format!("0033 {}", abroad(".")),
        16 => national("&nbsp;"),
        17 => format!("%2B33{}", abroad("")),
        18 => format!(
            "+{} {} {} {} {}",
            dice.pick(&["262 692", "590 690", "596 696", "594 694"]),
            dice.digits(2),
            dice.digits(2),
            dice.digits(2),
            ""
        ),
        19 => format!(
            "+{}",
            dice.pick(&[
                "32 470 12 34 56",
                "41 79 123 45 67",
                "44 7911 123456",
                "212 612-345678",
                "352 621 123 456"
            ])
        ),
        20 => national(" . "),
        _ => national(" ")
            .chars()
            .map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 + 0xFEE0).unwrap() } else { c })
            .collect(),
    };
    let frame = dice.pick(&[
        "Tél : {}",
        "tel.{}",
        "appelez le {}.",
        "{}",
        "Mon numéro c'est {} !",
        "joignable au {} après 18h",
        "({})",
        "Mère : {} (Mme Dupont)",
        "Port. {},",
        "12;Dupont;{};5e A",
        "\"{}\"",
        "☎ {}",
        "Urgence: {} ou 15",
        "N° de la maman {}",
        "| {} |",
        "fixe {} / bureau",
        "mon 06 : {} merci",
        "{} demander Léa",
    ]);
    message.plant(Kind::Phone, frame, value.trim_end());
}

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

fn nir(dice: &mut Dice, message: &mut Message) {
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

fn ine(dice: &mut Dice, message: &mut Message) {
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

fn iban(dice: &mut Dice, message: &mut Message) {
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

fn card(dice: &mut Dice, message: &mut Message) {
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

fn siret(dice: &mut Dice, message: &mut Message) {
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

fn others(dice: &mut Dice, message: &mut Message) {
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

fn address(dice: &mut Dice, message: &mut Message) {
    let number = match dice.range(0, 7) {
        0 => format!("{} bis", dice.range(1, 200)),
        1 => format!("{} ter,", dice.range(1, 99)),
        2 => format!("{},", dice.range(1, 200)),
        3 => format!("{}-{}", dice.range(1, 50), dice.range(51, 99)),
        4 => format!("{}B", dice.range(1, 99)),
        _ => dice.range(1, 300).to_string(),
    };
    let street = dice.pick(&[
        "rue Victor Hugo",
        "rue des Lilas",
        "avenue de la République",
        "av. Jean Jaurès",
        "bd Saint-Michel",
        "boulevard Voltaire",
        "place du 8 mai 1945",
        "chemin des Vignes",
        "impasse du Moulin",
        "allée des Tilleuls",
        "quai de Seine",
        "rue du Général de Gaulle",
        "cours Gambetta",
        "route de Narbonne",
        "square d'Orléans",
        "RUE DU FAUBOURG SAINT-DENIS",
        "rue de l'Église",
        "résidence Les Ormes",
        "rue du 11 Novembre",
        "rue Jean-Baptiste Clément",
        "lotissement Les Genêts",
        "rue de la paix",
        "passage des Écoles",
        "rue St. Honoré",
    ]);
    let extra = dice.pick(&["", "", "", "", " Bât. C", ", appt 12", "\nRésidence Bellevue", ", BP 123"]);
    let code = match dice.range(0, 9) {
        0 => format!("974{:02}", dice.range(0, 80)),
        1 => format!("20{:03}", dice.range(0, 290)),
        _ => format!("{:02}{}0", dice.range(1, 95), dice.digits(2)),
    };
    let city = dice.pick(&[
        "Paris",
        "Lyon",
        "LYON CEDEX 03",
        "Saint-Étienne-du-Rouvray",
        "Le Havre",
        "L'Haÿ-les-Roses",
        "Aix en Provence",
        "Villeneuve d'Ascq",
        "Clermont Ferrand",
        "marseille",
        "Fort-de-France",
        "Saint Denis",
        "Bourg-en-Bresse",
        "MONTPELLIER",
    ]);
    let joint = dice.pick(&[", ", " ", "\n", " - ", ",\n"]);
    let (value, frame): (String, &[&str]) = match dice.range(0, 9) {
        // Without a postal code: only where the street's name says enough.
        0 => (
            format!("{} {street}", number.trim_end_matches(',')),
            &["J'habite au {}.", "Adresse : {}\n", "rendez-vous au {}, devant la grille"],
        ),
        1 => (
            format!(
                "{}{joint}{code} {city}",
                dice.pick(&["Place de la Mairie", "Résidence Bellevue", "BP 42", "Lieu-dit La Grange"])
            ),
            &["Adresse : {}.", "{}\n", "envoyer à : {}"],
        ),
        _ => (
            format!("{number} {street}{extra}{joint}{code} {city}"),
            &[
                "Adresse : {}.",
                "{}\n",
                "J'habite {}, et toi ?",
                "domicilié {} depuis 2019",
                "\"{}\"",
                "{} Tél 3020",
                "M. Dupont - {}",
                "chez sa mère, {} ; merci",
            ],
        ),
    };
    let frame = dice.pick(frame);
    message.plant(Kind::PostalAddress, frame, &value);
}

fn birth(dice: &mut Dice, message: &mut Message) {
    let (day, month, year) = (dice.range(1, 28), dice.range(1, 12), dice.range(1950, 2019));
    let name = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ][month as usize - 1];
    let value = match dice.range(0, 7) {
        0 | 1 => format!("{day:02}/{month:02}/{year}"),
        2 => format!("{day:02}.{month:02}.{year}"),
        3 | 4 => format!("{} {name} {year}", if day == 1 { "1er".to_owned() } else { day.to_string() }),
        5 => format!("{year}-{month:02}-{day:02}"),
        6 => format!("{day}-{month}-{:02}", year % 100),
        _ => format!("{day:02}%2F{month:02}%2F{year}"),
    };
    let frame = dice.pick(&[
        "Né le {} à Lyon.",
        "née le {},",
        "NÉE LE {}",
        "né(e) le {}",
        "Date de naissance : {}",
        "DDN: {}",
        "née à Bourg-en-Bresse le {}",
        "\"birth_date\": \"{}\"",
        "DOB {}",
        "date_naissance={}&x=1",
        "born on {}",
        "Naissance|{}|",
        "son anniversaire est le {}",
        "Hugo, né un samedi, le {}",
        "né.e le {}",
        "ne le {}",
        "Elle est née à Paris, dans le 15e, le {}",
        "Date et lieu de naissance : {}, Nantes",
    ]);
    message.plant(Kind::BirthDate, frame, &value);
}

fn ip(dice: &mut Dice, message: &mut Message) {
    let value = match dice.range(0, 4) {
        0 => format!("192.168.{}.{}", dice.range(0, 255), dice.range(1, 254)),
        1 => format!("2001:db8:{:x}::{:x}", dice.range(1, 65535), dice.range(1, 65535)),
        2 => format!(
            "2a01:e0a:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}",
            dice.range(1, 999),
            dice.range(1, 65535),
            dice.range(1, 65535),
            dice.range(1, 65535),
            dice.range(1, 65535),
            dice.range(1, 65535)
        ),
        _ => format!(
            "{}.{}.{}.{}",
            dice.range(11, 223),
            dice.range(0, 255),
            dice.range(0, 255),
            dice.range(1, 254)
        ),
    };
    message.plant(
        Kind::Ip,
        dice.pick(&[
            "Connexion depuis {}.",
            "IP : {}",
            "{} - - [GET /]",
            "[{}]",
            "bloqué ({})",
            "adresse {}, merci",
        ]),
        &value,
    );
}

fn mac(dice: &mut Dice, message: &mut Message) {
    let bytes: Vec<String> = (0..6).map(|_| format!("{:02x}", dice.range(0, 255))).collect();
    let value = match dice.range(0, 3) {
        0 => bytes.join("-"),
        1 => bytes
            .concat()
            .as_bytes()
            .chunks(4)
            .map(|four| String::from_utf8_lossy(four).into_owned())
            .collect::<Vec<_>>()
            .join("."),
        2 => bytes.join(":").to_uppercase(),
        _ => bytes.join(":"),
    };
    message.plant(
        Kind::Mac,
        dice.pick(&["MAC {}", "Wi-Fi : {}.", "adresse mac={}", "tablette {} perdue"]),
        &value,
    );
}
