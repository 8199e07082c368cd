//! Free text without the personal data that detectors find in it.

use std::cmp::Reverse;

use super::{
    Redact, RedactError, Tally, Task,
    action::{Kind, Means, NULL, quote},
    detect::{Detectors, Scrubber, Seen, Span, What},
    json::Utf8,
    plan::Plan,
};
use crate::policy::set::{CategoryId, CategorySet};

/// What is looked for in a free text, and by what it is replaced.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) plan: &'a Plan,
    pub(super) means: Means<'a>,
    /// What may be seen, and is left.
    pub(super) visible: CategorySet,
    /// Values that fields of the same document had.
    pub(super) seen: Option<&'a Seen>,
}

impl Search<'_> {
    /// What is left of a text without what is found in it; `None` where nothing is. Counts.
    pub(super) fn scrub(self, text: &str, tally: &mut Tally) -> Option<String> {
        let found = self.find(text);
        if found.is_empty() {
            return None;
        }
        let mut left = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end, category) in found {
            // Where two overlap, the first has what they share.
            let start = start.max(from);
            if start >= end {
                continue;
            }
            left.push_str(text.get(from..start).unwrap_or_default());
            let found = text.get(start..end).unwrap_or_default();
            push_stand_in(self.plan, self.means, category, found, tally, &mut left);
            from = end;
        }
        left.push_str(text.get(from..).unwrap_or_default());
        Some(left)
    }

    /// Writes a JSON text or number without what is found in it; a number in which something is found becomes `null`.
    pub(super) fn write(self, value: &[u8], kind: Kind, tally: &mut Tally, out: &mut Vec<u8>) {
        // Keys and texts are UTF-8 here: nothing is replaced.
        let text = String::from_utf8_lossy(value);
        match kind {
            Kind::Text => {
                let left = self.scrub(&text, tally);
                out.extend_from_slice(&quote(left.as_deref().unwrap_or(&text)));
            }
            Kind::Number | Kind::Boolean => match self.find(&text).first() {
                Some(&(.., category)) => {
                    tally.redacted(category);
                    out.extend_from_slice(NULL);
                }
                None => out.extend_from_slice(value),
            },
        }
    }

    /// Whatever is found, in the order of its beginnings.
    fn find(self, text: &str) -> Vec<(usize, usize, CategoryId)> {
        let Self { plan, visible, seen, .. } = self;
        let mut spans = Vec::new();
        Detectors::new(plan.detected(visible)).find(text.as_bytes(), &mut spans);
        let place = |Span { start, end, kind }: Span| Some((start, end, plan.category_of(kind)?));
        let mut found: Vec<_> = spans.into_iter().filter_map(place).collect();
        if let Some(seen) = seen {
            // Somebody else's, whatever is visible of the record that this text stands in.
            seen.find(text.as_bytes(), |start, end, tag| {
                found.extend(u8::try_from(tag).map(|category| (start, end, CategoryId(category))));
            });
        }
        found.sort_by_key(|&(start, end, _)| (start, Reverse(end)));
        found
    }
}

/// Writes what stands for something that was found, and counts it.
pub(super) fn push_stand_in(
    plan: &Plan,
    means: Means<'_>,
    category: CategoryId,
    found: &str,
    tally: &mut Tally,
    out: &mut String,
) {
    tally.redacted(category);
    let stand_in = plan.remedy(category).stand_in(means, found, Kind::Text).into_text();
    out.push_str(stand_in.as_deref().unwrap_or("[…]"));
}

/// Plain text, for routes that say that it may be read.
pub(super) struct TextRedactor {
    task: Task,
    utf8: Utf8,
    scrubber: Scrubber,
    tally: Tally,
}

impl TextRedactor {
    pub(super) fn new(task: Task) -> Self {
        let kinds = task.plan.detected(task.audience.sees.any);
        Self {
            utf8: Utf8::default(),
            scrubber: Scrubber::new(Detectors::new(kinds)),
            task,
            tally: Tally::default(),
        }
    }

    /// What may leave of a piece of text.
    fn give(task: &Task, tally: &mut Tally, out: &mut Vec<u8>, what: What, piece: &[u8]) {
        let What::Found(kind) = what else { return out.extend_from_slice(piece) };
        let Some(category) = task.plan.category_of(kind) else { return };
        let means = Means { key: &task.key, today: task.audience.today };
        let mut stand_in = String::new();
        push_stand_in(&task.plan, means, category, &String::from_utf8_lossy(piece), tally, &mut stand_in);
        out.extend_from_slice(stand_in.as_bytes());
    }
}

impl Redact for TextRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { task, utf8, scrubber, tally } = self;
        utf8.cut(input, |text| {
            scrubber.push(text, &Seen::default(), |what, piece| Self::give(task, tally, out, what, piece));
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { task, utf8, scrubber, tally } = self;
        utf8.finish()?;
        scrubber.finish(&Seen::default(), |what, piece| Self::give(task, tally, out, what, piece));
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        policy::set::{
            Action, Category, CategoryId, CategorySet, Charter, Classification, DetectorKinds, FieldClass,
            FieldRule, LooseFormat, PersonalData, RecipientId, Sees, Unknown,
        },
        redact::{Audience, Charset, Format},
        secret::{Domain, MasterSecret},
    };

    /// A route with a free text `note`, and a reader who sees these categories: 0 is e-mail, 1 is telephone.
    fn task(seen: u64) -> Task {
        let data = PersonalData::Declared(Classification {
            fields: vec![
                FieldRule { path: "$..note".parse().unwrap(), class: FieldClass::FreeText },
                FieldRule { path: "$..title".parse().unwrap(), class: FieldClass::NotPersonal },
            ],
            formats: vec![LooseFormat::Text],
            unknown: Unknown::Deny,
            record_bytes: 1 << 16,
            ..Classification::default()
        });
        task_of(seen, &data)
    }

    /// A route that says nothing.
    fn unclassified() -> Task {
        task_of(0, &PersonalData::Undeclared)
    }

    fn task_of(seen: u64, data: &PersonalData) -> Task {
        let category = |name: &str, kind: super::super::detect::Kind, otherwise| Category {
            name: name.into(),
            article: "2".into(),
            fields: Vec::new(),
            detect: DetectorKinds::NONE.with(kind),
            otherwise,
        };
        use super::super::detect::Kind;
        let charter = Charter {
            title: String::new(),
            version: String::new(),
            purposes: Vec::new(),
            categories: vec![
                category("email", Kind::Email, Action::Mask),
                category("contact", Kind::Phone, Action::Remove),
                Category {
                    name: "name".into(),
                    article: "2".into(),
                    fields: vec!["nom".into()],
                    detect: DetectorKinds::NONE,
                    otherwise: Action::Mask,
                },
            ],
            recipients: Vec::new(),
            anonymous: RecipientId(0),
            cookies: Vec::new(),
        };
        let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
        let sees = Sees { any: CategorySet(seen), ..Sees::default() };
        Task {
            plan: Arc::new(Plan::compile(&charter, data)),
            audience: Arc::new(Audience { sees, ..Audience::default() }),
            key: Arc::new(key),
        }
    }

    fn redact(format: &Format, seen: u64, body: &str, size: usize) -> (String, Tally) {
        let mut redactor = format.redactor(task(seen));
        let mut out = Vec::new();
        body.as_bytes().chunks(size).for_each(|chunk| redactor.push(chunk, &mut out).unwrap());
        redactor.finish(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), redactor.tally())
    }

    #[test]
    fn a_free_text_leaves_without_what_is_found_in_it() {
        let body = r#"{"title":"x@y.fr","note":"Écris à jean\u0040x.fr ou au 06 12 34 56 78 \"vite\"","other":"z","list":[{"note":612345678}]}"#;
        let plain = Format::Json;
        for size in [1, 7, 1000] {
            let (out, tally) = redact(&plain, 0, body, size);
            assert_eq!(
                out,
                r#"{"title":"x@y.fr","note":"Écris à *** ou au […] \"vite\"","list":[{"note":612345678}]}"#,
            );
            assert_eq!((tally.by_category[0], tally.by_category[1], tally.unknown), (1, 1, 1));
            let (out, _) = redact(&plain, 0b01, body, size);
            assert!(out.contains("jean@x.fr") && !out.contains("06 12"), "{out}");
        }
    }

    #[test]
    fn plain_text_leaves_without_what_is_found_in_it_however_it_is_cut() {
        let body = "Bonjour,\r\nécris à jean@x.fr, ou appelle le 06.12.34.56.78.\nMerci";
        for size in [1, 3, 64, 1000] {
            let (out, tally) = redact(&Format::Text(Charset::Utf8), 0, body, size);
            assert_eq!(out, "Bonjour,\r\nécris à ***, ou appelle le […].\nMerci");
            assert_eq!((tally.by_category[0], tally.by_category[1]), (1, 1));
        }
        let (out, _) = redact(&Format::Text(Charset::Utf8), 0b11, body, 5);
        assert_eq!(out, body);
    }

    #[test]
    fn what_is_no_utf_8_is_refused() {
        let mut redactor = Format::Text(Charset::Utf8).redactor(task(0));
        let mut out = Vec::new();
        let pushed = redactor.push(b"a\xffb", &mut out).and_then(|()| redactor.finish(&mut out));
        assert!(pushed.is_err(), "{out:?}");
    }

    #[test]
    fn what_fields_hid_is_found_again_in_free_text() {
        let body = r#"[{"a":"Zoé Roux","note":"Zoé Roux"},{"nom":"Zoé Roux","b":{"nom":{"x":["Ali Ben",7654321]}},"note":"vu : zoe  ROUX, « Ali Ben » (no 7654321), Zoé"},{"nom":"Jean","note":12}]"#;
        for size in [1, 7, 1000] {
            let (out, tally) = redact(&Format::Json, 0, body, size);
            assert_eq!(
                out,
                r#"[{"note":"Zoé Roux"},{"nom":"***","b":{"nom":null},"note":"vu : ***, « *** » (no ***), Zoé"},{"nom":"***","note":12}]"#
            );
            assert_eq!(tally.by_category[2], 6);
            let (out, _) = redact(&Format::Json, 0b100, body, size);
            assert!(out.contains("vu : zoe  ROUX, « Ali Ben »"), "{out}");
        }
    }

    #[test]
    fn a_free_text_is_one_in_every_format() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n";
        let multipart = Format::Multipart { boundary: "b".into(), form: true };
        for (format, body, expected) in [
            (
                Format::table(None),
                "nom;note;title\nZoé Roux;\"Zoé Roux, jean@x.fr\";a@x.fr\nAli;[vu] 06 12 34 56 78;b\n".to_owned(),
                "nom;note;title\n***;\"***, ***\";a@x.fr\n***;[vu] […];b\n".to_owned(),
            ),
            (
                Format::table(None),
                "note;title\n\"{\"\"a\"\":\"\"jean@x.fr\"\",\"\"nom\"\":1}\";b\n".to_owned(),
                "note;title\n\"{\"\"a\"\":\"\"***\"\",\"\"nom\"\":null}\";b\n".to_owned(),
            ),
            (
                Format::Form,
                "nom=Zo%C3%A9+Roux&note=Zoe+Roux+jean%40x.fr&title=a".to_owned(),
                "nom=***&note=***+***&title=a".to_owned(),
            ),
            (
                multipart,
                format!("{form}écris à jean@x.fr\r\n--b--\r\n"),
                format!("{form}écris à ***\r\n--b--\r\n"),
            ),
            (
                Format::Xml,
                "<a><nom>Zoé Roux</nom><note>Zoé Roux &amp; jean<!-- x -->@x.fr</note> <title note=\"a@x.fr\">b@x.fr</title></a>".to_owned(),
                "<a><nom>***</nom><note>*** &amp; ***</note> <title note=\"***\">b@x.fr</title></a>".to_owned(),
            ),
            (
                Format::Xml,
                "<a><title> {\"nom\":\"Zoé\"} </title><title><![CDATA[[1,{\"nom\":\"Zoé\"}]]]></title><note>{'nom':1}</note><title p=\"{}\">[sic]<b/> {a}</title></a>".to_owned(),
                "<a><title> {&quot;nom&quot;:&quot;***&quot;}</title><title>[1,{&quot;nom&quot;:&quot;***&quot;}]</title><note></note><title p=\"{}\">[sic]<b/> {a}</title></a>".to_owned(),
            ),
        ] {
            for size in [1, 3, 1000] {
                let (out, _) = redact(&format, 0, &body, size);
                assert_eq!(out, expected, "{size}");
            }
            let (out, _) = redact(&format, 0b111, &body, 7);
            assert!(out.contains("Zoé") == body.contains("Zoé") && out.contains("@x.fr") == body.contains("@x.fr"), "{out}");
        }
    }

    #[test]
    fn names_of_columns_and_fields_may_be_values() {
        for (format, body, expected) in [
            (Format::table(None), "a;jean@x.fr;b\n1;2;3\n", "a;***;b\n1;2;3\n"),
            (Format::Form, "a=1&jean%40x.fr=2&b", "a=1&***=2&b"),
        ] {
            let mut redactor = format.redactor(unclassified());
            let mut out = Vec::new();
            redactor.push(body.as_bytes(), &mut out).unwrap();
            redactor.finish(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert_eq!(redactor.tally().by_category[0], 1);
        }
    }

    #[test]
    fn who_sees_all_that_is_looked_for_sees_the_text() {
        assert!(task(0).plan.is_identity(&Sees { any: CategorySet(0b111), ..Sees::default() }));
        assert!(!task(0).plan.is_identity(&Sees { any: CategorySet(0b01), ..Sees::default() }));
        assert_eq!(task(0).plan.category_of(super::super::detect::Kind::Phone), Some(CategoryId(1)));
    }
}
