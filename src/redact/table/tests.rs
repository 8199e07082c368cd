use proptest::prelude::*;

use super::*;
use crate::policy::set::Unknown;
use crate::redact::trial::{EMAIL, NAME, NOTE, Trial};
use crate::redact::{Charset, Format};

const CANARY: &str = "Zephyrine";

fn csv() -> Format {
    Format::table(None)
}

fn redact(trial: &Trial, text: &str) -> Result<String, RedactError> {
    trial.redact(&csv(), text)
}

/// Learners of two classes, as a French spreadsheet writes them.
const EXPORT: &str = "\u{feff}id;Nom;courriel;date_naissance;note;sexe;telephone;classe\r\n\
    L1;\"Petit; dit \"\"le\r\nGrand\"\"\";jean@x.fr;17/05/2012;12,5;M;0612345678;6A\r\n\
    L2;Durand;;2012-01-02;;F;;6B\r\n";

#[test]
fn columns_leave_as_the_charter_says() {
    let got = redact(&Trial::undeclared(), EXPORT).unwrap();
    let lines: Vec<&str> = got.split("\r\n").collect();
    assert_eq!(lines[0], "\u{feff}id;Nom;courriel;date_naissance;note;sexe;telephone;classe");
    let cells: Vec<&str> = lines[1].splitn(4, ';').collect();
    assert_eq!(cells[..2], ["L1", "\"***\""]);
    assert!(cells[2].starts_with("p_") && cells[2].ends_with("@pseudonyme.invalid"), "{}", cells[2]);
    assert_eq!(cells[3], "2012;;;\"caché ; \"\"ici\"\"\";6A");
    assert_eq!(lines[2..], ["L2;***;;2012;;;;6B", ""]);
    assert_eq!(redact(&Trial::undeclared().sees_all(), EXPORT).unwrap(), EXPORT);
}

#[test]
fn a_rule_for_every_column_makes_no_row_a_header() {
    let trial = Trial::declared(Unknown::Pass, &[("*", Some(NOTE)), ("nom", Some(NAME))]);
    assert_eq!(redact(&trial, "id,nom,a\n1,x,y\n2,z,t\n").as_deref(), Ok("id,nom,a\n1,,\n2,,\n"));
    let deep = Trial::declared(Unknown::Pass, &[("*.*.*", Some(NOTE))]);
    assert_eq!(redact(&deep, "id,a\n1,u.v.w\n2,t\n").as_deref(), Ok("id,a\n1,u.v.w\n2,t\n"));
}

#[test]
fn every_spelling_of_a_name_is_that_name() {
    for header in [
        "nom",
        "NOM",
        "\"nom\"",
        " nom ",
        "\" Nom \"",
        "N_o-m",
        "no\u{200b}m",
        "\u{feff}\u{feff}nom",
        "\tnom",
        "full name",
        "user.nom",
        "user[nom]",
        "users[0][Nom]",
        "a.b.nom",
        "nom[]",
    ] {
        let text = format!("{header},x\n{CANARY},1\n\"{CANARY}\",2\n");
        let got = redact(&Trial::undeclared(), &text);
        let expected =
            if header.starts_with('\t') { None } else { Some(format!("{header},x\n***,1\n\"***\",2\n")) };
        match expected {
            Some(expected) => assert_eq!(got, Ok(expected), "{header}"),
            None => assert_eq!(got, Err(RedactError::Malformed), "{header}"),
        }
    }
    for text in [
        "x;nom\n1;Zephyrine\n",
        "x\tnom\n1\tZephyrine\n",
        "x|nom\r1|Zephyrine\r",
        "sep=;\nx,y;nom\n1;Zephyrine\n",
    ] {
        let got = redact(&Trial::undeclared(), text).unwrap();
        assert_eq!(got, text.replace(CANARY, "***"));
    }
    // Twice the same column, and one without a name.
    let got = redact(&Trial::undeclared(), "nom,,nom\nZephyrine,a,Zephyrine\n").unwrap();
    assert_eq!(got, "nom,,nom\n***,a,***\n");
}

#[test]
fn what_readers_could_read_otherwise_is_refused() {
    let trial = Trial::undeclared();
    for text in [
        "id,nom\n1,a,Zephyrine\n",
        "id,nom\n1,\"Zephyrine\n",
        "id,nom\n1,a\"b\n",
        "id,nom\n1, \"Zephyrine\"\n",
        "id,nom\n1,\"a\"Zephyrine\n",
        "id,nom\n1,a\rZephyrine,b\n",
        "id,nom\r1,a\nZephyrine,b\r",
        "id,nom\n1,\0Zephyrine\n",
        // A line above the names that may be no title, or names that may be data.
        "Export du 12 mai\nid,nom\n1,Zephyrine\n",
        "Export,2026\nnom,courriel\nZephyrine,1\n",
        "Fiche\nnom;Zephyrine\ntaille;150\n",
        "Fiche\nnom;Zephyrine\ncourriel;a\n",
        "Nom : Zephyrine;;\nnom;courriel;x\na;b;c\n",
        "Nom;Zephyrine;\nnom;courriel;x\na;b;c\n",
        "Zephyrine;Jean;a\nnom;courriel;x\na;b;c\n",
        "Export\nnom;courriel,x\nZephyrine;b,c\n",
        "Export\nnom;courriel;12\nZephyrine;b;c\n",
        "Export\nmatiere;salle\nmaths;12\n\nnom;courriel\nZephyrine;b\n",
        "Export\nmatiere;salle;heure\nmaths;12;8\n\nnom;courriel\nZephyrine;b\n",
        "Export\nmatiere;salle;heure\nmaths;12;8\nnom;x;y\nZephyrine;b;c\n",
        "Export\nmatiere;salle;heure\nmaths;12;8;Zephyrine\n",
        // Another table below.
        "id,code\n1,2\n\nnom,courriel\nZephyrine,a\n",
        "id,code\n1,2\n,\nnom,courriel\nZephyrine,a\n",
        // The separator cannot be told, or not the one that was taken.
        "id;nom,x\n1;Zephyrine,2\n",
        "id,nom,a;b;c;d\n1,Zephyrine,2\n",
        "id\ncourriel\n",
        "id;nom\n",
    ] {
        let got = match text {
            "id;nom\n" => trial.redact(&Format::table(Some(b'\t')), text),
            text => redact(&trial, text),
        };
        assert!(got.is_err(), "{text:?}: {got:?}");
    }
    assert_eq!(redact(&trial, "id,nom\n1,\"a"), Err(RedactError::Truncated));
    assert_eq!(trial.redact(&csv(), b"id,nom\n1,\xe9\n"), Err(RedactError::NotUtf8));
}

#[test]
fn titles_stand_above_the_names() {
    let trial = Trial::undeclared();
    for (text, expected) in [
        ("Export du 12 mai\nnom,courriel\nZephyrine,\n", "Export du 12 mai\nnom,courriel\n***,\n"),
        (
            "\u{feff}Liste des élèves, par classe;;\r\nClasse;6A;\r\n;;\r\n\r\nid;Nom;courriel\r\n1;Zephyrine;\r\n",
            "\u{feff}Liste des élèves, par classe;;\r\nClasse;6A;\r\n;;\r\n\r\nid;Nom;courriel\r\n1;***;\r\n",
        ),
        (
            "sep=;\n\"Notes; 6A\"\n\nnom;courriel\nZephyrine;\n\nsomme;\n",
            "sep=;\n\"Notes; 6A\"\n\nnom;courriel\n***;\n\n***;\n",
        ),
        ("a\n\nb\nc", "a\n\nb\nc"),
        // Of what nobody knows anything, all passes.
        (
            "Emploi du temps, semaine 38\n\njour;heure;salle\nlundi;8 h;\"a; b\"\n",
            "Emploi du temps, semaine 38\n\njour;heure;salle\nlundi;8 h;\"a; b\"\n",
        ),
    ] {
        assert_eq!(redact(&trial, text).as_deref(), Ok(expected), "{text:?}");
    }
    // Where nothing unknown leaves, titles are unknown.
    let strict = Trial::declared(Unknown::Deny, &[("$[*].nom", Some(NAME)), ("$[*].id", None)]);
    assert_eq!(
        redact(&strict, "Notes de Zephyrine\nClasse;6A;\nid;nom;age\n1;Zephyrine;9\n").as_deref(),
        Ok("\"\"\n;;\nid;nom;\n1;***;\n")
    );
    // Lines without end above a header, and a header far below.
    let far = format!("{}nom;courriel\nZephyrine;b\n", "x\n".repeat(40));
    assert_eq!(redact(&trial, &far), Err(RedactError::Malformed));
    assert_eq!(redact(&trial, "sep=;\n\"a\nb\"\nnom,courriel\nZephyrine,b\n"), Err(RedactError::Malformed));
    let long = format!("{}\nnom;courriel\nZephyrine;b\n", "x".repeat(40_000));
    assert_eq!(redact(&trial, &long), Err(RedactError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands above, a column of this name is hidden or the table is refused.
    #[test]
    fn no_canary_survives_below_titles(
        titles in prop::collection::vec(prop::sample::select(vec![
            "", ";;", "Titre", "Titre;;", "Classe;6A;", "a;b;c", "a,b,c", "nom;x;y", "Nom : x", "x;courriel;z", "sep=;", "\"a\nb\"", "a\tb",
        ]), 0..5),
        header in prop::sample::select(vec!["z;nom;courriel", "nom;courriel;note", "nom;x;y", "\"nom\";\"courriel\";z", "nom,courriel,z"]),
        strict: bool,
    ) {
        let separator = if header.contains(',') { "," } else { ";" };
        let row = ["Zephyrine", "Zephyrine", "Zephyrine"].join(separator);
        let text = format!("{}{header}\n{row}\n", titles.iter().map(|line| format!("{line}\n")).collect::<String>());
        let fields: &[_] = &[("nom", Some(NAME)), ("x", Some(NAME)), ("y", Some(NAME)), ("z", Some(NAME))];
        let trial = Trial::declared(if strict { Unknown::Deny } else { Unknown::Report }, fields);
        if let Ok(left) = redact(&trial, &text) {
            prop_assert!(!left.contains(CANARY), "{:?} became {:?}", text, left);
        }
    }
}

#[test]
fn a_table_on_its_side_is_known_by_the_names_of_its_rows() {
    let trial = Trial::declared(Unknown::Pass, &[("$[*].moyenne", Some(NOTE))]);
    assert_eq!(redact(&trial, "nom;Jean\nmoyenne;12\n"), Err(RedactError::Malformed));
    assert_eq!(redact(&trial, "moyenne;12\nnom;Jean\n"), Err(RedactError::Malformed));
    let other = Trial::declared(Unknown::Pass, &[("$.moyenne", Some(NOTE))]);
    assert_eq!(redact(&other, "nom;x\nmoyenne;12\n").as_deref(), Ok("nom;x\n***;12\n"));
}

#[test]
fn odd_tables_that_have_one_reading_pass() {
    let trial = Trial::undeclared();
    for text in [
        "",
        "\n\n",
        "id\n",
        "id,code",
        "id,code\n1\n,\n\n2,b,,\n",
        "id,code\r\n=\"0612\",-1+1\r\n@a,\"=b\"\r\n",
        "id;code;prix, en euros\n1;a;2,50\n",
        "id,code\nid,code\n",
        "titre\n\"a, b; c\"\n",
    ] {
        assert_eq!(redact(&trial, text).as_deref(), Ok(text));
    }
    // An empty cell that is alone would make a line that readers pass over.
    assert_eq!(redact(&trial, "note\n12\n").as_deref(), Ok("note\n\"\"\n"));
}

#[test]
fn nothing_unclassified_leaves_a_strict_route() {
    let strict = Trial::declared(Unknown::Deny, &[("nom", Some(NAME))]);
    assert_eq!(
        redact(&strict, "id,nom,jean@x.fr,\"a,b\"\n1,Jean,secret,\"se\ncret\"\n2,,,\n").as_deref(),
        Ok("id,nom,,\n1,***,,\n2,,,\n")
    );
    // Whatever stands above the names.
    assert_eq!(
        redact(&strict, "Liste de Jean\n\"id,nom\"\n\"1,Jean\"\n").as_deref(),
        Ok("\"\"\n\"\"\n\"\"\n")
    );
    let (_, _, tally) = strict.run(&csv(), b"id,x\n1,a\n2,b\n", &[]);
    assert_eq!((tally.unknown, tally.total()), (2, 0));
    let report = Trial::declared(Unknown::Report, &[("nom", Some(NAME))]);
    let (result, out, tally) = report.run(&csv(), b"id,x,nom\n1,a,b\n2,b,\n", &[]);
    assert_eq!((result, out.as_slice()), (Ok(()), &b"id,x,nom\n1,a,***\n2,b,\n"[..]));
    assert_eq!((tally.unknown, tally.total()), (2, 2));
}

#[test]
fn a_row_is_somebodys() {
    let route = Trial::declared(
        Unknown::Deny,
        &[("nom", Some(NAME)), ("courriel", Some(EMAIL)), ("note", Some(NOTE))],
    );
    let text = "nom,note,courriel,classe,id\nA,1,a@x,6A,L1\nB,2,b@x,6B,\"L2\"\nC,3,c@x,6A,L3\n";
    let learner = route.clone().reader("L2", &[NAME, EMAIL, NOTE], "", &[]);
    let got = redact(&learner, text).unwrap();
    assert!(
        got.contains("\nB,2,b@x,6B,\"L2\"\n") && got.contains("\n***,,p_") && !got.contains("a@x"),
        "{got}"
    );
    let teacher = route.clone().reader("T", &[], "6A", &[NAME, NOTE]);
    let got = redact(&teacher, text).unwrap();
    assert!(got.contains("\nA,1,p_") && got.contains("\n***,,p_") && got.contains("\nC,3,p_"), "{got}");
    // Two columns that dispute whose it is; a column that is not exactly the subject's.
    for (header, row) in
        [("id,nom,id", "L2,Zephyrine,L1"), ("ID,nom", "L2,Zephyrine"), ("x,nom", "L2,Zephyrine")]
    {
        let got = redact(&learner, &format!("{header}\n{row}\n")).unwrap();
        assert!(!got.contains(CANARY), "{header}: {got}");
    }
    // Longer than the bound of the route, with its end of line.
    let fits = format!("id,nom\nL2,{}\n", "x".repeat(1020));
    assert_eq!(redact(&learner, &fits).as_deref(), Ok(fits.as_str()));
    let longer = format!("id,nom\nL2,{}\n", "x".repeat(1021));
    assert_eq!(redact(&learner, &longer), Err(RedactError::TooLong));
}

#[test]
fn documents_in_cells_are_read() {
    let trial = Trial::undeclared();
    let text = "id,profil\n1,\"{\"\"nom\"\":\"\"Zephyrine\"\",\"\"a\"\":1}\"\n2,[brouillon]\n3,\"[{'nom':'Zephyrine'}]\"\n4,{\"\"\n";
    assert_eq!(redact(&trial, text), Err(RedactError::Malformed));
    let text = text.replace("4,{\"\"\n", "4,  plain\n");
    assert_eq!(
        redact(&trial, &text).as_deref(),
        Ok("id,profil\n1,\"{\"\"nom\"\":\"\"***\"\",\"\"a\"\":1}\"\n2,[brouillon]\n3,\n4,  plain\n")
    );
}

#[test]
fn charsets_of_spreadsheets_leave_as_utf8() {
    let trial = Trial::undeclared();
    let table = |charset: &str| Format::Table {
        separator: None,
        charset: Charset::named(charset).unwrap(),
        header: Header::Present,
    };
    let got = trial.redact(&table("windows-1252"), b"pr\xe9nom;nom;prix\r\nRen\xe9;P\xe9tit;3 \x80\r\n");
    assert_eq!(got.as_deref(), Ok("prénom;nom;prix\r\nRené;***;3 €\r\n"));
    let text = "\u{feff}prénom\tnom\r\nRené\tZephyrine\r\n";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(trial.redact(&csv(), &utf16), Ok(text.replace(CANARY, "***")));
    // Neither mark nor charset.
    assert_eq!(trial.redact(&csv(), &utf16[2..]), Err(RedactError::Malformed));
}

#[test]
fn a_table_without_names_passes_only_where_everything_unknown_does() {
    let format = Format::Table { separator: None, charset: Charset::Utf8, header: Header::Absent };
    let text = "1,a\n2,{\"\"}\n";
    assert!(Trial::undeclared().redact(&format, text).is_err());
    let text = "1,a\n2,\"{\"\"nom\"\":\"\"x\"\"}\"\n";
    let expected = "1,a\n2,\"{\"\"nom\"\":\"\"***\"\"}\"\n";
    for trial in [Trial::undeclared(), Trial::declared(Unknown::Pass, &[])] {
        assert_eq!(trial.redact(&format, text).as_deref(), Ok(expected));
    }
    for unknown in [Unknown::Deny, Unknown::Report] {
        assert_eq!(Trial::declared(unknown, &[]).redact(&format, text), Err(RedactError::Opaque));
    }
    let by_place = Trial::declared(Unknown::Pass, &[("$[*][1]", Some(NAME)), ("$[1][0]", Some(NAME))]);
    assert_eq!(by_place.redact(&format, "a,b\nc,d\ne,f\n").as_deref(), Ok("a,***\n***,***\ne,***\n"));
}

#[test]
fn paths_of_single_rows_count() {
    let trial = Trial::declared(Unknown::Pass, &[("$[1].x", Some(NAME)), ("$[*].y", Some(NAME))]);
    let text = "x,y\na,b\nc,d\ne,f\n";
    assert_eq!(redact(&trial, text).as_deref(), Ok("x,y\na,***\n***,***\ne,***\n"));
}

#[test]
fn memory_is_a_row() {
    let mut reader = TableRedactor::new(Trial::undeclared().task(), None, Header::Present);
    let mut out = Vec::new();
    reader.push(b"id,nom\n", &mut out).unwrap();
    for _ in 0..2000 {
        out.clear();
        reader.push(&b"1,aaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(100)[..2699], &mut out).unwrap();
        reader.push(b"\n", &mut out).unwrap();
    }
    assert!(reader.held.capacity() < 8192);
    let endless = vec![b'a'; MAX_ROW + 1];
    assert_eq!(reader.push(&endless, &mut out), Err(RedactError::TooLong));
}

/// A text of a cell, with what grammars trip over.
fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "é€",
            ",",
            ";",
            "\"",
            "\n",
            "\r\n",
            "|",
            " ",
            "=",
            "",
            "***",
            "2012-05-17",
            "😀",
        ]),
        0..5,
    )
    .prop_map(|parts| parts.concat())
}

#[derive(Clone, Debug)]
struct Table {
    separator: u8,
    newline: &'static str,
    mark: bool,
    header: Vec<&'static str>,
    rows: Vec<Vec<(String, bool)>>,
}

impl Table {
    fn write(&self) -> String {
        let separator = (self.separator as char).to_string();
        let mut out = String::from(if self.mark { "\u{feff}" } else { "" });
        out += &self.header.join(&separator);
        out += self.newline;
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|(text, quoted)| {
                    if *quoted || text.contains(['"', '\r', '\n', ',', ';', '|', '\t']) {
                        format!("\"{}\"", text.replace('"', "\"\""))
                    } else {
                        text.clone()
                    }
                })
                .collect();
            out += &cells.join(&separator);
            out += self.newline;
        }
        out
    }

    fn parse(text: &[u8], separator: u8) -> Vec<Vec<String>> {
        let mut reader = ::csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }
}

const NAMES: [&str; 9] =
    ["id", "Nom", "courriel", "date_naissance", "note", "sexe", "telephone", "classe", "x"];

fn table() -> impl Strategy<Value = Table> {
    (
        prop::sample::subsequence(NAMES.to_vec(), 2..NAMES.len()),
        prop::sample::select(vec![b',', b';', b'\t', b'|']),
        prop::sample::select(vec!["\n", "\r\n"]),
        any::<bool>(),
    )
        .prop_flat_map(|(header, separator, newline, mark)| {
            let cell = (text(), any::<bool>());
            let rows = prop::collection::vec(prop::collection::vec(cell, header.len()), 0..6);
            rows.prop_map(move |rows| Table { separator, newline, mark, header: header.clone(), rows })
        })
}

fn trials() -> Vec<Trial> {
    let fields = [("Nom", Some(NAME)), ("note", Some(NOTE))];
    vec![
        Trial::undeclared(),
        Trial::declared(Unknown::Deny, &fields),
        Trial::declared(Unknown::Report, &fields),
        Trial::declared(Unknown::Deny, &fields).reader("a", &[NAME, NOTE], "a", &[EMAIL]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chunking_never_shows_and_valid_stays_valid(table in table(), which in 0..4_usize, cut in 1..20_usize) {
        let (trial, text) = (&trials()[which], table.write());
        let (result, out, tally) = trial.run(&csv(), text.as_bytes(), &[]);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(&(result, out.clone(), tally), &trial.run(&csv(), text.as_bytes(), &[cut, 1]));
        let (before, after) = (Table::parse(text.as_bytes(), table.separator), Table::parse(&out, table.separator));
        let widths = |rows: &[Vec<String>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
        prop_assert_eq!(widths(&before), widths(&after));
        for (at, name) in table.header.iter().enumerate() {
            for (before, after) in before.iter().zip(&after).skip(1) {
                // Cells that are not personal are what they were.
                if matches!(*name, "id" | "classe") {
                    prop_assert_eq!(&before[at], &after[at]);
                }
                if *name == "note" && which < 3 {
                    prop_assert_eq!(after[at].as_str(), "");
                }
            }
        }
    }

    #[test]
    fn untouched_is_identical(table in table()) {
        let text = table.write();
        let (result, out, tally) = Trial::undeclared().sees_all().run(&csv(), text.as_bytes(), &[7]);
        prop_assert_eq!((result, out), (Ok(()), text.into_bytes()));
        prop_assert_eq!(tally.total(), 0);
    }

    #[test]
    fn no_canary_survives(mut table in table(), which in 0..3_usize, around in text()) {
        for row in &mut table.rows {
            for ((cell, _), name) in row.iter_mut().zip(&table.header) {
                if !matches!(*name, "id" | "classe" | "x") {
                    *cell = format!("{around}{CANARY}");
                }
            }
        }
        let (result, out, _) = trials()[which].run(&csv(), table.write().as_bytes(), &[3]);
        prop_assert_eq!(result, Ok(()));
        prop_assert!(!String::from_utf8_lossy(&out).contains(CANARY));
    }

    #[test]
    fn any_bytes_give_one_verdict(
        parts in prop::collection::vec(
            prop::sample::select(vec!["nom", "a", ",", ";", "\"", "\n", "\r", "=\"", "\u{feff}", "é", "{", "\t", "sep=;"]),
            0..24,
        ),
        cut in 1..5_usize,
        which in 0..4_usize,
    ) {
        let (trial, text) = (&trials()[which], parts.concat());
        let (whole, out, _) = trial.run(&csv(), text.as_bytes(), &[]);
        let (pieces, cut_out, _) = trial.run(&csv(), text.as_bytes(), &[cut]);
        prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        if whole.is_ok() {
            prop_assert_eq!(out, cut_out);
        }
    }
}
