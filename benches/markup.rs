//! Redaction of a directory in XML, and of a page in HTML, of 20 KB and 1 MB: five personal fields for each person, as elements,
//! attributes and named contents; a class list with forms, prose and scripts around it.
//!
//! `cargo bench --bench markup`; add `-- --quick` for a look. `related` is a caller whose view depends on whose each
//! record is. `again` is a page in whose title a name stands that it hides later, so that it is read twice.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rempart::policy::set::{
    Action, Category, CategorySet, Charter, Classification, DetectorKind, DetectorKinds, Generalisation,
    LooseFormat, PersonalData, RecipientId, Sees, Unknown,
};
use rempart::redact::{Audience, Charset, Format, Plan, Task};
use rempart::secret::{Domain, MasterSecret};

const CHUNK: usize = 16 * 1024;

fn plan() -> Plan {
    let category = |name: &str, field: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: if name == "email" {
            DetectorKinds::NONE.with(DetectorKind::Email)
        } else {
            DetectorKinds::NONE
        },
        fields: vec![field.into()],
        otherwise,
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", "nom", Action::Mask),
            category("email", "mail", Action::Mask),
            category("birth", "date_naissance", Action::Generalise(Generalisation::Year)),
            category("gender", "sexe", Action::Null),
            category("number", "ine", Action::Remove),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let data = Classification {
        records: ["$.personnes.personne", "$", "$[*]"].map(|path| path.parse().expect("a path")).into(),
        formats: vec![LooseFormat::Html],
        subject: "id".parse().ok(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 20,
        ..Classification::default()
    };
    Plan::compile(&charter, &PersonalData::Declared(data))
}

fn document(bytes: usize) -> Vec<u8> {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gar:personnes xmlns:gar=\"urn:gar\">\n");
    for number in 0.. {
        if out.len() > bytes {
            break;
        }
        out += &format!(
            "  <gar:personne sexe=\"F\" etat=\"actif\">\n    <id>{number:032x}</id>\n    <nom>Élève {number}</nom>\n    <ine>{number:011}</ine>\n    <date_naissance>2012-05-17</date_naissance>\n    <attribut name=\"mail\"><valeur>u{number}@ecole.example</valeur></attribut>\n"
        );
        for module in ["Mathématiques", "Français", "Histoire-géographie", "Sciences de la vie", "EPS"] {
            out += &format!(
                "    <module code=\"{number:08x}\"><titre>{module} &amp; suite</titre><progression>0.75</progression><consigne>Lire le chapitre, puis répondre aux questions de la page suivante.</consigne></module>\n"
            );
        }
        out += "  </gar:personne>\n";
    }
    out += "</gar:personnes>\n";
    out.into_bytes()
}

/// A list of the people of a school, as platforms write it: what surrounds it, rows of links and buttons, forms, and prose between.
fn page(bytes: usize, title: &str) -> Vec<u8> {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n  <meta charset=\"utf-8\">\n  <title>{title}</title>\n  <link rel=\"stylesheet\" href=\"/theme/styles.php/boost/1700000000/all\">\n  <style>.userlist td {{ padding: .25rem }}</style>\n"
    );
    for number in 0..bytes / 4096 {
        out += &format!(
            "  <script>M.util.js_pending('item{number}'); require(['core/first'], function(first) {{ first.init({number}, \"list\"); }});</script>\n"
        );
    }
    out += "</head>\n<body id=\"page-user-index\" class=\"format-topics path-user lang-fr\">\n<nav class=\"navbar\"><ul class=\"nav\">";
    for place in ["Accueil", "Tableau de bord", "Mes cours", "Calendrier", "Fichiers personnels"] {
        out +=
            &format!("<li class=\"nav-item\"><a class=\"nav-link\" href=\"/my/?p={place}\">{place}</a></li>");
    }
    out += "</ul></nav>\n<div id=\"region-main\" role=\"main\">\n<h2>Participants</h2>\n";
    for part in 0.. {
        if out.len() > bytes {
            break;
        }
        out += "<table class=\"userlist generaltable\"><thead><tr><th scope=\"col\">Nom</th><th scope=\"col\">Mail</th><th scope=\"col\">Dernier accès</th><th scope=\"col\">id</th><th scope=\"col\">Actions</th></tr></thead>\n<tbody>\n";
        for row in 0..50 {
            let number = part * 50 + row;
            out += &format!(
                "<tr class=\"r{}\" id=\"user-index-participants-{number}_r0\"><td class=\"cell c0\"><a href=\"/course/people.php?n={number}&amp;course=2\" class=\"d-inline-block aabtn\">Élève Numéro {number}</a></td><td class=\"cell c1\"><a href=\"mailto:u{number}@ecole.example\">u{number}@ecole.example</a></td><td class=\"cell c2\">il y a {row} jours</td><td class=\"cell c3\">{number:032x}</td><td class=\"cell c4\"><button type=\"button\" class=\"btn btn-link\" data-action=\"enrol\" data-number=\"{number}\"><i class=\"icon fa fa-cog fa-fw\" aria-hidden=\"true\"></i> Modifier</button></td></tr>\n",
                number % 2
            );
        }
        out += "</tbody></table>\n";
        for field in 0..10 {
            out += &format!(
                "<form action=\"/mod/forum/post.php\" method=\"post\"><input type=\"hidden\" name=\"sesskey\" value=\"k{part}{field}\"><div class=\"form-group row\"><label for=\"id_nom_{part}_{field}\">Nom</label><input class=\"form-control\" id=\"id_nom_{part}_{field}\" name=\"nom\" value=\"Élève {field}\"></div><div class=\"form-group\"><label>Message</label><textarea name=\"message\" rows=\"3\">Bonjour à tous</textarea></div><input type=\"submit\" value=\"Envoyer\"></form>\n"
            );
        }
        for line in 0..40 {
            out += &format!(
                "<p>Au chapitre {line}, lire le texte avec attention, puis répondre <b>par écrit</b> aux questions de la page suivante&nbsp;; rendre la copie avant la fin de la semaine. <a href=\"/mod/page/view.php?id={line}\">Voir la consigne</a></p>\n"
            );
        }
    }
    out += "</div>\n</body>\n</html>\n";
    out.into_bytes()
}

fn benches(criterion: &mut Criterion) {
    let plan = Arc::new(plan());
    let key = Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, ""));
    let nobody = Arc::new(Audience::default());
    let related = Arc::new(Audience {
        sees: Sees { own: CategorySet(0b1_1111), ..Sees::default() },
        subject: Some(Box::<str>::from(format!("{:032x}", 3)).into()),
        ..Audience::default()
    });
    let mut group = criterion.benchmark_group("xml");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, bytes) in [("20KB", 20 << 10), ("1MB", 1 << 20)] {
        for (view, audience) in [("redact", &nobody), ("related", &related)] {
            let task = Task { plan: plan.clone(), audience: audience.clone(), key: key.clone() };
            run(&mut group, BenchmarkId::new(view, name), &Format::Xml, &task, &document(bytes));
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("html");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    // The longer one is just short enough to wait for its end.
    for (name, bytes) in [("20KB", 10 << 10), ("1MB", 1000 << 10)] {
        for (view, audience, title) in
            [("redact", &nobody, "6A"), ("related", &related, "6A"), ("again", &nobody, "Élève Numéro 3")]
        {
            let task = Task { plan: plan.clone(), audience: audience.clone(), key: key.clone() };
            let format = Format::Html(Charset::Utf8);
            run(&mut group, BenchmarkId::new(view, name), &format, &task, &page(bytes, title));
        }
    }
    group.finish();
}

fn run(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    format: &Format,
    task: &Task,
    document: &[u8],
) {
    let mut out = Vec::with_capacity(document.len() * 2);
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_with_input(id, document, |bencher, document| {
        bencher.iter(|| {
            out.clear();
            let mut redactor = format.redactor(task.clone());
            for chunk in black_box(document).chunks(CHUNK) {
                redactor.push(chunk, &mut out).expect("read");
            }
            redactor.finish(&mut out).expect("whole");
            out.len()
        });
    });
}

criterion_group!(all, benches);
criterion_main!(all);
