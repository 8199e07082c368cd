//! Personal values in their usual spellings.

use super::{Dice, Kind, Message, keys};

const FIRST: &[&str] =
    &["Léa", "Jean-Pierre", "Chloé", "Mohamed", "Anaïs", "Hugo", "Inès", "Zoë", "Noël", "Maëlys"];
const LAST: &[&str] =
    &["Dupont", "Lefèvre", "N'Diaye", "Le Goff", "Benali", "Garcia", "Nguyên", "Müller", "d'Almeida"];

pub(super) fn add(dice: &mut Dice, message: &mut Message) {
    match dice.range(0, 20) {
        0..=2 => email(dice, message),
        3..=6 => phone(dice, message),
        7 => keys::nir(dice, message),
        8 => keys::ine(dice, message),
        9 => keys::iban(dice, message),
        10 => keys::card(dice, message),
        11 => keys::siret(dice, message),
        12 => keys::others(dice, message),
        13..=15 => address(dice, message),
        16 | 17 => birth(dice, message),
        18 => ip(dice, message),
        19 => mac(dice, message),
        _ => device(dice, message),
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

fn device(dice: &mut Dice, message: &mut Message) {
    let hex = |dice: &mut Dice, count: usize| -> String {
        (0..count).map(|_| char::from(b"0123456789abcdef"[dice.range(0, 15) as usize])).collect()
    };
    let (value, frames): (String, &[&str]) = match dice.range(0, 3) {
        0 => {
            let digits = format!("35{}", dice.digits(12));
            (format!("{digits}{}", keys::luhn_digit(&digits)), &["IMEI {}", "n° IMEI : {}.", "imei={}&x=1"])
        }
        1 => (hex(dice, 16), &["android_id={}", "Android ID : {}", "appareil {}, tablette de Léa"]),
        _ => {
            let uuid = [8, 4, 4, 4, 12].map(|count| hex(dice, count)).join("-");
            let value = if dice.chance(50) { uuid.to_uppercase() } else { uuid };
            (
                value,
                &[
                    "IDFA: {}",
                    "\"device_id\": \"{}\"",
                    "identifiant publicitaire {}",
                    "gaid={}",
                    "appareil : {}.",
                ],
            )
        }
    };
    let frame = dice.pick(frames);
    message.plant(Kind::DeviceId, frame, &value);
}
