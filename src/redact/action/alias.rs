//! Aliases that look like names of people in France, and are nobody's.
//!
//! Two given names that say no gender, and a double surname of invented parts: 30 bits of the value's tag and 6 bits of
//! a check, by which the gateway knows its own. Two of a thousand people share an alias with a probability of one in two
//! thousand, two of ten thousand with one in twenty-two: an alias is to be read, not to be counted by.

use super::pseudonym::check;
use crate::secret::DomainKey;

/// Given to all.
const GIVEN: [&str; 64] = [
    "Alex",
    "Alexis",
    "Alix",
    "Anael",
    "Andrea",
    "Ange",
    "Ariel",
    "Armel",
    "Camille",
    "Candide",
    "Celeste",
    "Charlie",
    "Charly",
    "Claude",
    "Clem",
    "Cleo",
    "Dany",
    "Dominique",
    "Eden",
    "Emery",
    "Evy",
    "Gaby",
    "Gael",
    "Gwen",
    "Hyacinthe",
    "Jackie",
    "Janick",
    "Jordan",
    "Joss",
    "Kelly",
    "Kerry",
    "Kim",
    "Leslie",
    "Lilian",
    "Loan",
    "Lou",
    "Louison",
    "Mahe",
    "Marley",
    "Maxime",
    "Mika",
    "Modeste",
    "Morgan",
    "Nikita",
    "Noa",
    "Nour",
    "Ocean",
    "Robin",
    "Sacha",
    "Sam",
    "Sandy",
    "Sidney",
    "Stevie",
    "Swann",
    "Tempe",
    "Val",
    "Valery",
    "Yael",
    "Yannick",
    "Yoni",
    "Zephyr",
    "Noel",
    "Laurence",
    "Pascale",
];
/// How surnames begin.
const BEGINNINGS: [&str; 64] = [
    "Ab", "Aigue", "Alb", "Aub", "Bar", "Beau", "Belle", "Blanc", "Bois", "Bon", "Bour", "Brun", "Cham",
    "Chante", "Char", "Claire", "Com", "Cor", "Cour", "Dam", "Dor", "Esper", "Fer", "Fleur", "Font", "Fort",
    "Fran", "Gar", "Gran", "Haute", "Jan", "Join", "Lam", "Lande", "Lon", "Mal", "Mar", "Mire", "Mon", "Mor",
    "Neuve", "Noir", "Orge", "Pas", "Per", "Pierre", "Plais", "Pont", "Pre", "Quin", "Rance", "Roche",
    "Rouge", "Saint", "Sauve", "Ser", "Tour", "Vaire", "Val", "Ven", "Vert", "Ville", "Vire", "Vol",
];
/// How they end; every pair is one surname only.
const ENDS: [&str; 64] = [
    "bac", "beuf", "blay", "bois", "bourg", "brac", "bray", "brive", "cay", "champ", "chard", "combe",
    "cour", "court", "dier", "don", "dray", "fage", "fort", "gney", "gny", "grange", "guet", "gueux", "lac",
    "lande", "lay", "lieu", "lin", "lion", "lis", "loire", "mer", "mont", "nac", "nay", "nes", "ney", "pont",
    "porte", "pre", "queyras", "ray", "rieux", "rive", "roc", "roy", "rupt", "sac", "sart", "sec", "sol",
    "tay", "tier", "trac", "treuil", "vaux", "vel", "verne", "vey", "ville", "viron", "voise", "zac",
];

/// Bits of one word.
const WORD: u32 = 6;

/// The alias of a tag.
pub(super) fn of(key: &DomainKey, tag: u64) -> String {
    let word = |table: &[&'static str; 64], at: u32| table[(tag >> (WORD * at) & 63) as usize];
    let (first, one, two) =
        (word(&GIVEN, 0), (word(&BEGINNINGS, 1), word(&ENDS, 2)), (word(&BEGINNINGS, 3), word(&ENDS, 4)));
    let surname = format!("{}{}-{}{}", one.0, one.1, two.0, two.1);
    format!("{first} {} {surname}", second(key, first, &surname))
}

/// The second given name of this key.
fn second(key: &DomainKey, first: &str, surname: &str) -> &'static str {
    let name = format!("{first} {surname}").to_lowercase();
    GIVEN[usize::from(check(key, name.as_bytes())[0] & 63)]
}

/// Whether a name is an alias of this key.
pub(super) fn is_ours(key: &DomainKey, name: &str) -> bool {
    let mut words = name.split_whitespace();
    let (Some(first), Some(middle), Some(surname), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let given = |name: &str| GIVEN.iter().any(|given| given.eq_ignore_ascii_case(name));
    let invented = |part: &str| {
        BEGINNINGS.iter().any(|beginning| {
            let head = part.get(..beginning.len()).filter(|head| head.eq_ignore_ascii_case(beginning));
            head.is_some_and(|head| ENDS.iter().any(|end| end.eq_ignore_ascii_case(&part[head.len()..])))
        })
    };
    given(first)
        && surname.split_once('-').is_some_and(|(one, two)| invented(one) && invented(two))
        && second(key, first, surname).eq_ignore_ascii_case(middle)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::secret::{Domain, MasterSecret};

    #[test]
    fn every_word_and_every_surname_is_one() {
        assert_eq!(GIVEN.iter().collect::<HashSet<_>>().len(), 64);
        let surnames: HashSet<String> =
            BEGINNINGS.iter().flat_map(|one| ENDS.iter().map(move |two| format!("{one}{two}"))).collect();
        assert_eq!(surnames.len(), 64 * 64);
    }

    #[test]
    fn an_alias_is_known_by_its_key_and_people_are_not() {
        let key = |byte: u8| MasterSecret::from_bytes(&[byte; 32]).unwrap().derive(Domain::Api, "");
        let (ours, other) = (key(7), key(8));
        let mut taken = 0;
        for tag in (0..640).map(|tag: u64| tag.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let alias = of(&ours, tag);
            assert!(is_ours(&ours, &alias) && is_ours(&ours, &alias.to_uppercase()), "{alias}");
            taken += usize::from(is_ours(&other, &alias));
        }
        assert!(taken < 40, "{taken} of 640 aliases of another key");
        for name in [
            "",
            "Camille",
            "Camille Sacha",
            "Camille Sacha Beaumont",
            "Camille Martin Dupont-Durand",
            "é é é-é",
        ] {
            assert!(!is_ours(&ours, name), "{name}");
        }
    }
}
