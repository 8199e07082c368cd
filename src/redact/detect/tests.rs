//! Values in every spelling, and what only looks like them.

mod accuracy;
mod corpus;
mod laws;

use super::*;

/// What is found, as the text it stands for.
fn found(text: &str) -> Vec<(Kind, &str)> {
    let mut spans = Vec::new();
    Detectors::new(Kinds::ALL).find(text.as_bytes(), &mut spans);
    spans.iter().map(|span| (span.kind, text.get(span.start..span.end).unwrap())).collect()
}

#[test]
fn values_are_found_in_every_spelling() {
    use Kind::*;
    let rows: &[(Kind, &str, &str)] = &[
        (Email, "Écris à jean.dupont+ecole@exemple.fr.", "jean.dupont+ecole@exemple.fr"),
        (Email, "<a href=\"mailto:jean@x.fr\">", "jean@x.fr"),
        (Email, "?email=jean%40x.fr&x=1", "jean%40x.fr"),
        (Email, "?next=%2Fa%3Fm%3Djean%2540x.fr", "jean%2540x.fr"),
        (Email, "jean&#64;x.fr", "jean&#64;x.fr"),
        (Email, "jean&commat;x&period;fr", "jean&commat;x&period;fr"),
        (Email, r#"{"m":"jean\u0040x.fr"}"#, r"jean\u0040x.fr"),
        (Email, "à jean [at] x.fr ce soir", "jean [at] x.fr"),
        (Email, "jean(arobase)x(point)fr", "jean(arobase)x(point)fr"),
        (Email, "jean @ x.fr", "jean @ x.fr"),
        (Email, "jean＠x．fr", "jean＠x．fr"),
        (Email, "je\u{200B}an@x\u{200B}.fr", "je\u{200B}an@x\u{200B}.fr"),
        (Email, "jérôme@école.fr", "jérôme@école.fr"),
        (Email, "o'connor@x.ie", "o'connor@x.ie"),
        (Email, "'jean@x.fr'", "jean@x.fr"),
        (Phone, "au 06 12 34 56 78.", "06 12 34 56 78"),
        (Phone, "0612345678", "0612345678"),
        (Phone, "06.12.34.56.78", "06.12.34.56.78"),
        (Phone, "06-12-34-56-78", "06-12-34-56-78"),
        (Phone, "06/12/34/56/78", "06/12/34/56/78"),
        (Phone, "06\u{A0}12\u{202F}34\u{2009}56 78", "06\u{A0}12\u{202F}34\u{2009}56 78"),
        (Phone, "+33 (0)6 12 34 56 78", "+33 (0)6 12 34 56 78"),
        (Phone, "(+33) 6 12 34 56 78", "+33) 6 12 34 56 78"),
        (Phone, "0033612345678", "0033612345678"),
        (Phone, "tel=%2B33612345678", "%2B33612345678"),
        (Phone, "06&nbsp;12&nbsp;34&#160;56&nbsp;78", "06&nbsp;12&nbsp;34&#160;56&nbsp;78"),
        (Phone, "０６１２３４５６７８", "０６１２３４５６７８"),
        (Phone, "0\u{200B}6 12 34 56 78", "0\u{200B}6 12 34 56 78"),
        (Phone, "+262 692 12 34 56", "+262 692 12 34 56"),
        (Phone, "+44 7911 123456", "+44 7911 123456"),
        (Phone, "Tél.0612345678", "0612345678"),
        (Phone, "1,0612345678,Dupont", "0612345678"),
        (Phone, "0800 123 456", "0800 123 456"),
        (Nir, "295109912611193", "295109912611193"),
        (Nir, "2 53 07 2A 073 004 43", "2 53 07 2A 073 004 43"),
        (Nir, "253072A07300443", "253072A07300443"),
        (Nir, "n° sécu : 2 95 10 99 126 111", "2 95 10 99 126 111"),
        (Ine, "INE 123456789AB", "123456789AB"),
        (Iban, "FR76 3000 6000 0112 3456 7890 189", "FR76 3000 6000 0112 3456 7890 189"),
        (Iban, "fr7630006000011234567890189", "fr7630006000011234567890189"),
        (Iban, "GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19"),
        (Iban, "FR 76 3000 6000 0112 3456 7890 189", "FR 76 3000 6000 0112 3456 7890 189"),
        (Card, "4111 1111 1111 1111", "4111 1111 1111 1111"),
        (Card, "2223-0031-2200-3222", "2223-0031-2200-3222"),
        (Card, "carte 378282246310005", "378282246310005"),
        (Siret, "SIRET 732 829 320 00074", "732 829 320 00074"),
        (Siret, "35600000000048", "35600000000048"),
        (Siret, "RCS Paris 393 291 042", "393 291 042"),
        (Siret, "TVA FR40303265045", "FR40303265045"),
        (Uai, "collège 0750654D", "0750654D"),
        (
            PostalAddress,
            "au 12 bis, rue des Lilas, 69100 Villeurbanne.",
            "12 bis, rue des Lilas, 69100 Villeurbanne",
        ),
        (
            PostalAddress,
            "92 avenue de France, CS 91464, 75702 PARIS Cedex 13, RCS",
            "92 avenue de France, CS 91464, 75702 PARIS Cedex 13",
        ),
        (PostalAddress, "12 rue Victor Hugo", "12 rue Victor Hugo"),
        (PostalAddress, "3 place du 8 mai 1945\n38000 Grenoble\n", "3 place du 8 mai 1945\n38000 Grenoble"),
        (PostalAddress, "Place de la Mairie, 24000 Périgueux", "Place de la Mairie, 24000 Périgueux"),
        (BirthDate, "né le 12/03/2011", "12/03/2011"),
        (BirthDate, "Née à Lyon (69) le 1er mars 2011", "1er mars 2011"),
        (BirthDate, "né(e) le : 12.03.2011", "12.03.2011"),
        (BirthDate, "Date de naissance : 2011-03-12", "2011-03-12"),
        (BirthDate, r#""birthDate":"2011-03-12T00:00:00Z""#, "2011-03-12"),
        (BirthDate, "DDN 12/03/11", "12/03/11"),
        (BirthDate, "born on March 12, 2011", "March 12, 2011"),
        (BirthDate, "DOB: 03/12/2011", "03/12/2011"),
        (BirthDate, "birth_year=2011", "2011"),
        (BirthDate, "née en mars 2011", "mars 2011"),
        (Ip, "depuis 192.168.1.20:443", "192.168.1.20"),
        (Ip, "ip:8.8.8.8", "8.8.8.8"),
        (Ip, "2001:db8::1", "2001:db8::1"),
        (Ip, "[fe80::abcd:1%eth0]", "fe80::abcd:1"),
        (Mac, "00:1A:2b:3c:4d:5e", "00:1A:2b:3c:4d:5e"),
        (Mac, "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff"),
        (Mac, "00-1A-2b-3c-4d-5e", "00-1A-2b-3c-4d-5e"),
        (Mac, "001a.2b3c.4d5e", "001a.2b3c.4d5e"),
        (DeviceId, "IDFA: 6D92078A-8246-4BA4-AE5B-76104861E7DC", "6D92078A-8246-4BA4-AE5B-76104861E7DC"),
        (DeviceId, "android_id=9774d56d682e549c", "9774d56d682e549c"),
        (DeviceId, "IMEI 490154203237518", "490154203237518"),
    ];
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(kind, text, value)| found(text) != [(*kind, *value)])
        .map(|(kind, text, _)| format!("{kind:?} {text:?}: {:?}", found(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_looks_like_a_value_stays() {
    let rows = [
        "version 10.0.12.1",
        "v1.2.3.4",
        "Chrome/120.0.0.0 Safari",
        "π ≈ 3.14.15.92",
        "1.2.3.4 Exercices",
        "Notes : 06 12 14 15 18",
        "les nombres 01 02 03 04 05 06 07",
        "ISBN 0306406152",
        "commande n° 0612345678",
        "scan_0612345678.pdf",
        "cours du 12/03/2011",
        "né le 15 janvier 1622",
        "je ne le rends pas avant le 12/03/2011",
        "https://exemple.fr/cours/0612345678",
        "12:30:45",
        "std::vector",
        "20260115103000",
        "978-2-07-036002-4",
        "123456789AB",
        "6D92078A-8246-4BA4-AE5B-76104861E7DC",
        "3 cours de maths",
        "2 place assise",
        "12 rue",
        "75011 Paris",
        "12 avril 2011",
        "@jean",
        "3 @ 5.50",
        "48.8566, 2.3522",
        "(a) x.fr",
        "12/20",
        "1 234 567 890,12 €",
        "295109912611194",
        "FR7630006000011234567890188",
        "4111 1111 1111 1112",
        "2024001234A",
        "10 000 habitants",
        "inscrit le 12/03/2011",
        "2011-03-12T10:00:00Z",
    ];
    let wrong: Vec<_> =
        rows.iter().map(|row| (row, found(row))).filter(|(_, found)| !found.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kind_has_a_name_that_serde_uses() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert!(Kinds::ALL.has(*kind) && !Kinds::NONE.has(*kind) && Kinds::NONE.with(*kind).has(*kind));
    }
}
