//! The people of the sample platform. None exists: their names say so, their addresses end in the reserved `.example`
//! (RFC 2606) and their national student numbers are from a series that was never given out.

use serde_json::{Value, json};

/// A made-up learner.
#[derive(Debug)]
pub struct Learner {
    /// Identifier on the platform, and the `sub` of their tokens.
    pub id: &'static str,
    /// Given name and family name.
    pub full_name: &'static str,
    /// Address for letters from the school.
    pub email: &'static str,
    /// ISO 8601.
    pub birth_date: &'static str,
    /// As the platform spells it.
    pub gender: &'static str,
    /// National student number.
    pub ine: &'static str,
    /// Identifiers of their classes.
    pub classrooms: &'static [&'static str],
    /// Subject, mark out of twenty, the teacher's comment.
    pub results: &'static [(&'static str, f32, &'static str)],
}

/// A made-up adult of the school.
#[derive(Debug)]
pub struct Teacher {
    /// Identifier on the platform.
    pub id: &'static str,
    /// Given name and family name.
    pub full_name: &'static str,
    /// Professional address.
    pub email: &'static str,
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Identifier on the platform, and what tokens name in `groups`.
    pub id: &'static str,
    /// As the school calls it.
    pub name: &'static str,
    /// Who teaches it.
    pub teacher: &'static Teacher,
}

/// Every learner.
pub const LEARNERS: &[Learner] = &[
    Learner {
        id: "L1",
        full_name: "Alix Fictive",
        email: "alix.fictive@eleves.example",
        birth_date: "2012-03-14",
        gender: "F",
        ine: "0000000101K",
        classrooms: &["6A"],
        results: &[
            ("mathématiques", 15.5, "Alix progresse, bravo."),
            ("français", 12.0, "Participation à encourager."),
        ],
    },
    Learner {
        id: "L2",
        full_name: "Noé Imaginaire",
        email: "noe.imaginaire@eleves.example",
        birth_date: "2012-11-02",
        gender: "M",
        ine: "0000000102L",
        classrooms: &["6A"],
        results: &[("mathématiques", 9.0, "Doit demander de l'aide."), ("français", 16.0, "Très bon récit.")],
    },
    Learner {
        id: "L3",
        full_name: "Lou D'Exemple",
        email: "lou.dexemple@eleves.example",
        birth_date: "2011-07-21",
        gender: "X",
        ine: "0000000103M",
        classrooms: &["6B"],
        results: &[("mathématiques", 18.0, "Excellent."), ("français", 11.5, "Relire avant de rendre.")],
    },
    Learner {
        id: "L4",
        full_name: "Sacha \"Zéro\" Inventé",
        email: "sacha.invente@eleves.example",
        birth_date: "2011-01-30",
        gender: "M",
        ine: "0000000104N",
        classrooms: &["6B"],
        results: &[
            ("mathématiques", 13.0, "Sérieux."),
            ("français", 13.5, "Bonne lecture; écriture à soigner."),
        ],
    },
];

const SUPPOSE: Teacher =
    Teacher { id: "T1", full_name: "Dominique Supposé", email: "dominique.suppose@ecole.example" };
const HYPOTHESE: Teacher =
    Teacher { id: "T2", full_name: "Claude Hypothèse", email: "claude.hypothese@ecole.example" };

/// Every class.
pub const CLASSES: &[Class] = &[
    Class { id: "6A", name: "Sixième A", teacher: &SUPPOSE },
    Class { id: "6B", name: "Sixième B", teacher: &HYPOTHESE },
];

impl Learner {
    /// The record that the platform hands out, whole.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "full_name": self.full_name,
            "email": self.email,
            "birth_year": self.birth_date.get(..4).and_then(|year| year.parse::<u16>().ok()),
            "birth_date": self.birth_date,
            "gender": self.gender,
            "ine": self.ine,
            "classrooms": self.classrooms,
            "results": self.results.iter().map(|(subject, score, comment)| json!({
                "matiere": subject,
                "score": score,
                "comment": comment,
            })).collect::<Vec<_>>(),
        })
    }
}

/// The learner of this identifier.
pub fn learner(id: &str) -> Option<&'static Learner> {
    LEARNERS.iter().find(|learner| learner.id == id)
}

/// `/api/learners`: everybody, in full.
pub fn learners() -> Value {
    LEARNERS.iter().map(Learner::to_json).collect()
}

/// `/api/classes`: classes with the names of who is in them.
pub fn classes() -> Value {
    CLASSES
        .iter()
        .map(|class| {
            json!({
                "id": class.id,
                "name": class.name,
                "teachers": [{
                    "id": class.teacher.id,
                    "full_name": class.teacher.full_name,
                    "email": class.teacher.email,
                }],
                "learners": LEARNERS
                    .iter()
                    .filter(|learner| learner.classrooms.contains(&class.id))
                    .map(|learner| json!({ "id": learner.id, "full_name": learner.full_name }))
                    .collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// `/api/results`: a page of results (from 1), in the envelope that paged lists of real platforms have.
pub fn results(page: usize) -> Value {
    const PAGE: usize = 5;
    let all: Vec<Value> = LEARNERS
        .iter()
        .flat_map(|learner| {
            learner.results.iter().map(move |(subject, score, comment)| {
                json!({
                    "learner_id": learner.id,
                    "full_name": learner.full_name,
                    "classrooms": learner.classrooms,
                    "matiere": subject,
                    "score": score,
                    "comment": comment,
                })
            })
        })
        .collect();
    let count = all.len();
    let start = page.saturating_sub(1).saturating_mul(PAGE);
    json!({
        "count": count,
        "page": page,
        "next": (start.saturating_add(PAGE) < count).then(|| format!("/api/results?page={}", page + 1)),
        "results": all.into_iter().skip(start).take(PAGE).collect::<Vec<_>>(),
    })
}

/// `/export/learners.csv`: as spreadsheets want it, with a byte order mark, localised titles and doubled quotes.
pub fn learners_csv() -> String {
    let mut csv = String::from(
        "\u{feff}\"Identifiant\",\"Nom complet (FULL_NAME)\",\"Courriel\",\"Naissance\",\"INE\"\r\n",
    );
    for learner in LEARNERS {
        let fields = [learner.id, learner.full_name, learner.email, learner.birth_date, learner.ine];
        let row: Vec<String> =
            fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        csv.push_str(&row.join(","));
        csv.push_str("\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_every_result_once() {
        let first = results(1);
        let second = results(2);
        assert_eq!(first["count"], 8);
        assert_eq!(first["next"], "/api/results?page=2");
        assert_eq!(second["next"], Value::Null);
        assert_eq!(
            first["results"].as_array().unwrap().len() + second["results"].as_array().unwrap().len(),
            8
        );
        assert_eq!(results(usize::MAX)["results"], json!([]));
    }

    #[test]
    fn csv_quotes_its_quotes() {
        let csv = learners_csv();
        assert!(csv.starts_with('\u{feff}'));
        assert!(csv.contains("\"Sacha \"\"Zéro\"\" Inventé\""));
        assert_eq!(csv.lines().count(), LEARNERS.len() + 1);
    }

    #[test]
    fn a_record_has_every_field_that_a_policy_must_classify() {
        let record = learner("L1").unwrap().to_json();
        assert_eq!(record["birth_year"], 2012);
        let mut fields: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "birth_date",
                "birth_year",
                "classrooms",
                "email",
                "full_name",
                "gender",
                "id",
                "ine",
                "results"
            ]
        );
    }
}
