//! What is not personal and looks as if it were.

use super::{Dice, Message};

pub(super) fn add(dice: &mut Dice, message: &mut Message) {
    let text = match dice.range(0, 44) {
        0 => format!(
            "Réf. {}-{} : cours de {}.",
            dice.pick(&["MAT", "FR", "HG", "SVT"]),
            dice.digits(6),
            dice.pick(&["maths", "français"])
        ),
        1 => format!("Commande n° {}, livrée lundi.", dice.digits(10)),
        2 => format!("Votre commande n°4{} est prête", dice.digits(15)),
        3 => format!("Numéro de colis : {}", dice.digits(13)),
        4 => format!("suivi {} {} {}", dice.digits(4), dice.digits(4), dice.digits(4)),
        5 => {
            format!("Le voyage coûte {} {},{} € par élève.", dice.range(1, 9), dice.digits(3), dice.digits(2))
        }
        6 => format!("Budget : {} {} {} euros", dice.range(1, 99), dice.digits(3), dice.digits(3)),
        7 => {
            format!("Contrôle le {:02}/{:02}/20{}.", dice.range(1, 28), dice.range(1, 12), dice.range(20, 26))
        }
        8 => format!(
            "Rentrée le {} septembre 20{}, à {}h{:02}.",
            dice.range(1, 28),
            dice.range(20, 26),
            dice.range(8, 17),
            dice.range(0, 59)
        ),
        9 => format!("ISBN 978-2-{}-{}-{}", dice.digits(2), dice.digits(6), dice.digits(1)),
        10 => format!("ISBN : 0{}", dice.digits(9)),
        11 => format!("ISBN-13 9782{}", dice.digits(9)),
        12 => format!(
            "Moodle version {}.{}.{}.{}",
            dice.range(1, 5),
            dice.range(0, 12),
            dice.range(0, 30),
            dice.range(0, 9)
        ),
        13 => format!("Installez la v{}.{}.{}", dice.range(1, 20), dice.range(0, 20), dice.range(0, 20)),
        14 => format!(
            "Firefox/{}.0 et Chrome/{}.0.{}.{}",
            dice.range(90, 140),
            dice.range(90, 140),
            dice.digits(4),
            dice.digits(2)
        ),
        15 => format!("Coordonnées : 48.{}, 2.{}", dice.digits(6), dice.digits(7)),
        16 => format!("SIRET {}", wrong_key(dice, 14)),
        17 => format!(
            "(3 + {}) × {} - {} / {} = ?",
            dice.digits(2),
            dice.digits(2),
            dice.digits(3),
            dice.digits(1)
        ),
        18 => "π ≈ 3.14.15.92 disait l'élève ; en fait 3,14159265358979".into(),
        19 => format!(
            "Notes : {:02} {:02} {:02} {:02} {:02}",
            dice.range(1, 9),
            dice.range(5, 20),
            dice.range(5, 20),
            dice.range(5, 20),
            dice.range(5, 20)
        ),
        20 => format!("Scores 0{}-{:02}-{:02}", dice.range(1, 9), dice.range(10, 20), dice.range(10, 20)),
        21 => format!(
            "Récréation de {}:{:02} à {}:{:02}:00",
            dice.range(8, 11),
            dice.range(0, 59),
            dice.range(12, 18),
            dice.range(0, 59)
        ),
        22 => format!(
            "https://exemple.fr/cours/{}/lecon-{}?id={}",
            dice.digits(8),
            dice.digits(2),
            dice.digits(6)
        ),
        23 => format!(
            "IMG_20{}{:02}{:02}_{}.jpg",
            dice.range(20, 26),
            dice.range(1, 12),
            dice.range(1, 28),
            dice.digits(6)
        ),
        24 => format!("rapport_0{}.pdf", dice.digits(9)),
        25 => (0..8).map(|_| format!("| {},{} ", dice.range(0, 20), dice.range(0, 9))).collect(),
        26 => (0..10).map(|_| format!("{};", dice.range(0, 20))).collect(),
        27 => format!(
            "Les élèves comptent : {}",
            (1..dice.range(8, 20)).map(|n| format!("{n:02} ")).collect::<String>()
        ),
        28 => format!(
            "trace {}-{}-4{}-a{}-{} fin",
            hex(dice, 8),
            hex(dice, 4),
            hex(dice, 3),
            hex(dice, 3),
            hex(dice, 12)
        ),
        29 => format!(
            "Journal : 20{}-{:02}-{:02}T{:02}:{:02}:{:02}.123Z démarrage",
            dice.range(20, 26),
            dice.range(1, 12),
            dice.range(1, 28),
            dice.range(0, 23),
            dice.range(0, 59),
            dice.range(0, 59)
        ),
        30 => format!(
            "Horodatage 20{}{:02}{:02}{:02}{:02}{:02}",
            dice.range(20, 26),
            dice.range(1, 12),
            dice.range(1, 28),
            dice.range(0, 23),
            dice.range(0, 59),
            dice.range(0, 59)
        ),
        31 => format!("Molière, né le {} janvier 16{}, mort à Paris.", dice.range(1, 28), dice.digits(2)),
        32 => format!("je ne le ferai pas avant le {:02}/{:02}/2026", dice.range(1, 28), dice.range(1, 12)),
        33 => format!(
            "Le collège, né de la fusion, ouvre le {} mars 20{}",
            dice.range(1, 28),
            dice.range(20, 26)
        ),
        34 => format!(
            "Il reste {} places en salle {}, et {} cours de soutien",
            dice.range(2, 30),
            dice.digits(3),
            dice.range(2, 9)
        ),
        35 => format!(
            "La ville de {} compte {}{} habitants.",
            dice.pick(&["Lyon", "Lille"]),
            dice.range(10, 99),
            dice.digits(3)
        ),
        36 => {
            format!("au {}e étage du bâtiment {}, allée centrale", dice.range(2, 9), dice.pick(&["A", "B"]))
        }
        37 => format!("IBAN FR76{}", dice.digits(23)),
        38 => format!("dossier {}{}", dice.digits(10), dice.pick(&["A", "K", "Z"])),
        39 => format!(
            "{}.{}.{}.{} Exercices d'application",
            dice.range(1, 9),
            dice.range(1, 9),
            dice.range(1, 9),
            dice.range(1, 9)
        ),
        40 => format!("@{} a partagé 3 liens #{}", dice.pick(&["lea", "hugo_b"]), dice.digits(5)),
        41 => format!("#include <vector> std::vector<int> v({}); a::b", dice.digits(2)),
        42 => format!("Série S/N 3{} (garantie)", dice.digits(14)),
        43 => format!("empreinte {} vérifiée", hex(dice, 40)),
        _ => format!("UAI inconnu {}{}", dice.digits(7), dice.pick(&["I", "O", "Q"])),
    };
    message.say(&text);
}

/// Digits whose last one is not Luhn's.
fn wrong_key(dice: &mut Dice, count: usize) -> String {
    let digits = dice.digits(count - 1);
    let right = super::keys::luhn_digit(&digits);
    format!("{digits}{}", (u64::from(right) + dice.range(1, 9)) % 10)
}

fn hex(dice: &mut Dice, count: usize) -> String {
    (0..count).map(|_| char::from(b"0123456789abcdef"[dice.range(0, 15) as usize])).collect()
}
