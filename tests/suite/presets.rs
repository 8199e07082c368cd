//! Every preset on documents of its standard: what is personal leaves to those alone who may see it, and nothing else is lost.
//!
//! The samples are invented. A text that ends in `[email]` is personal data of that category, in `[account+name]` of both (a name
//! inside an account); `[email:own]` stands in a record of the caller, `[email:group]` in one of the caller's group, any other in
//! somebody else's. What bears no mark is not personal.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use regex::Regex;
use rempart::{
    policy::{
        compile::{self, Options},
        presets::{self, Preset},
        report::Report,
        set::{Category, CategoryId, CategorySet, Charter, JsonPath, PolicySet, Sees, Segment},
        source::Sources,
    },
    redact::{Audience, JsonRedactor, Plan},
    secret::{Domain, MasterSecret, Sensitive},
};
use serde_json::{Value, json};

const GATEWAY: &str = "gateway:
  listen: { https: '[::]:8443', admin: '[::]:9900' }
  certificates: [{ names: [ecole.example.fr], chain: /tls.crt, key: /tls.key }]
  upstreams: { platform: { endpoints: 'http://platform:8080' } }
";
/// The caller, where the preset says that the identifier is personal, and where it does not.
const SELF: [&str; 2] = ["u-7 [account:own]", "u-7"];
const GROUP: &str = "g-3";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shipped charter with one route that declares this.
fn inspected(personal_data: &str) -> (Option<PolicySet>, Report) {
    let route = format!(
        "routes:
  - name: all
    owner: team
    match: {{ host: '*', path: / }}
    upstream: platform
    purpose: account
    personal_data: {personal_data}
"
    );
    let charter = fs::read_to_string(root().join("policies/charter.yaml")).unwrap();
    let files = [("charter.yaml", charter), ("gateway.yaml", GATEWAY.into()), ("routes/all.yaml", route)];
    compile::inspect(&Sources::from_memory(files), &Options { absent_files_pass: true, now: None })
}

fn compiled(personal_data: &str) -> (Charter, Arc<Plan>) {
    let (set, report) = inspected(personal_data);
    let set = set.unwrap_or_else(|| panic!("{personal_data}: {report}"));
    let plan = Plan::compile(&set.charter, &set.routes[0].personal_data);
    (set.charter, Arc::new(plan))
}

fn redacted(plan: &Arc<Plan>, audience: &Audience, document: &str) -> String {
    let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
    let mut redactor = JsonRedactor::new(plan.clone(), Arc::new(audience.clone()), Arc::new(key));
    let mut out = Vec::new();
    redactor.push(document.as_bytes(), &mut out).unwrap();
    redactor.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn audience(sees: Sees, document: &str) -> Audience {
    let subject = SELF.into_iter().find(|id| document.contains(&format!("\"{id}\"")));
    Audience {
        sees,
        subject: subject.map(|id| Sensitive::new(id.into())),
        groups: vec![Sensitive::new(GROUP.into())],
        wards: Vec::new(),
        today: None,
    }
}

fn all(charter: &Charter) -> CategorySet {
    let mut all = CategorySet::default();
    (0..charter.categories.len()).for_each(|place| all.insert(CategoryId(place as u8)));
    all
}

fn without(set: CategorySet, category: CategoryId) -> CategorySet {
    CategorySet(set.0 & !(1 << category.0))
}

fn category(charter: &Charter, name: &str) -> CategoryId {
    let place = charter.categories.iter().position(|Category { name: known, .. }| known == name);
    CategoryId(place.unwrap_or_else(|| panic!("the charter has no {name}")) as u8)
}

/// Views to try: those of the charter, one category at a time, and whatever a relation opens.
fn views(charter: &Charter) -> Vec<(String, Sees)> {
    let mut views: Vec<(String, Sees)> =
        charter.recipients.iter().map(|recipient| (recipient.name.clone(), recipient.sees)).collect();
    for (place, one) in charter.categories.iter().enumerate() {
        let mut any = CategorySet::default();
        any.insert(CategoryId(place as u8));
        views.push((format!("any {}", one.name), Sees { any, ..Sees::default() }));
        let any = without(all(charter), CategoryId(place as u8));
        views.push((format!("all but {}", one.name), Sees { any, ..Sees::default() }));
    }
    views.push(("own".into(), Sees { own: all(charter), ..Sees::default() }));
    views.push(("group".into(), Sees { group: all(charter), ..Sees::default() }));
    views
}

/// Every scalar of a document, by the names that lead to it.
fn leaves(value: &Value, path: &str, into: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, into)),
        Value::Object(members) => {
            members.iter().for_each(|(key, member)| leaves(member, &format!("{path}/{key}"), into));
        }
        Value::String(text) => into.push((path.into(), text.clone())),
        other => into.push((path.into(), other.to_string())),
    }
}

fn leaves_of(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    leaves(&serde_json::from_str(text).unwrap(), "", &mut found);
    found
}

/// The sample documents of a preset.
fn samples(preset: &str) -> Vec<(String, String)> {
    let folder = root().join("tests/presets").join(preset);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{preset} has no sample");
    let text = |file: &Path| fs::read_to_string(file).unwrap();
    files.iter().map(|file| (file.display().to_string(), text(file))).collect()
}

#[test]
fn samples_leave_as_the_charter_says() {
    let mark = Regex::new(r" \[([\w+]+)(?::(own|group))?\]$").unwrap();
    for name in presets::names() {
        let (charter, plan) = compiled(&format!("{{ preset: {name}, unknown: deny }}"));
        let samples = samples(name);
        let marked = |document: &str| leaves_of(document).iter().any(|(_, text)| mark.is_match(text));
        assert!(samples.iter().any(|(_, document)| marked(document)), "{name} has no canary");
        for (file, document) in samples {
            let before = leaves_of(&document);
            for (view, sees) in views(&charter) {
                let after = redacted(&plan, &audience(sees, &document), &document);
                let mut kept: HashMap<(String, String), usize> = HashMap::new();
                leaves_of(&after).into_iter().for_each(|leaf| *kept.entry(leaf).or_default() += 1);
                for (path, text) in &before {
                    let visible = mark.captures(text).is_none_or(|mark| {
                        let related = match mark.get(2).map(|scope| scope.as_str()) {
                            Some("own") => sees.own,
                            Some("group") => sees.group,
                            _ => CategorySet::default(),
                        };
                        let seen = sees.any.union(related);
                        mark[1].split('+').all(|name| seen.contains(category(&charter, name)))
                    });
                    if visible {
                        let left = kept.get_mut(&(path.clone(), text.clone()));
                        let left = left.unwrap_or_else(|| panic!("{file}: {view} lost {text} at {path}"));
                        assert!(*left > 0, "{file}: {view} lost {text} at {path}");
                        *left -= 1;
                    } else {
                        let leaks = kept.keys().any(|(_, kept)| kept.contains(text.as_str()));
                        assert!(!leaks, "{file}: {view} sees {text} at {path}");
                    }
                }
            }
        }
    }
}

#[test]
fn whoever_a_preset_can_relate_to_is_in_its_samples() {
    for name in presets::names() {
        let preset = presets::read(name).unwrap();
        let texts: String = samples(name).into_iter().map(|(_, text)| text).collect();
        assert_eq!(preset.subject.is_some(), texts.contains(":own]"), "{name}: subject");
        assert_eq!(preset.group.is_some(), texts.contains(":group]"), "{name}: group");
    }
    let folders = fs::read_dir(root().join("tests/presets")).unwrap().count();
    assert_eq!(folders, presets::names().count(), "samples of what is no preset");
}

/// The least document in which a path selects `leaf`.
fn around(path: &[Segment], leaf: Value) -> Value {
    path.iter().rev().fold(leaf, |inner, segment| match segment {
        Segment::Name(name) => json!({ name: inner }),
        Segment::Any => json!([inner]),
        Segment::Index(index) => {
            let mut items = vec![Value::Null; *index];
            items.push(inner);
            Value::Array(items)
        }
        Segment::Descend => inner,
    })
}

/// The documents in which a rule of a preset could count: one for each of its records.
fn documents(preset: &Preset, path: &JsonPath) -> Vec<String> {
    let leaf = || Value::from("CANARY");
    if path.absolute {
        return vec![around(&path.segments, leaf()).to_string()];
    }
    // A record is an object: whatever it has is a member.
    let mut segments = path.segments.clone();
    if segments.first() == Some(&Segment::Any) {
        segments[0] = Segment::Name("whatever".into());
    }
    let inside = |record: &JsonPath| around(&record.segments, around(&segments, leaf())).to_string();
    preset.records.iter().map(inside).collect()
}

#[test]
fn every_rule_of_every_preset_counts() {
    for name in presets::names() {
        let preset = presets::read(name).unwrap();
        // Where unknown fields pass, only the rule can hold something back; where they are denied, only it lets something through.
        let (charter, passing) = compiled(&format!("{{ preset: {name}, unknown: pass }}"));
        let (_, denying) = compiled(&format!("{{ preset: {name}, unknown: deny }}"));
        let nothing = Sees::default();
        for (path, personal) in &preset.fields {
            let documents = documents(&preset, path);
            let shown = |plan, sees, document: &str| {
                redacted(plan, &audience(sees, document), document).contains("CANARY")
            };
            match personal {
                Some(personal) => {
                    let leak = documents.iter().find(|document| shown(&passing, nothing, document));
                    assert_eq!(leak, None, "{name}: {path} is seen by anybody");
                    let any = without(all(&charter), category(&charter, personal));
                    let others = Sees { any, ..nothing };
                    let counts = documents.iter().any(|document| !shown(&passing, others, document));
                    assert!(counts, "{name}: {path} is never {personal}, earlier rules take it");
                }
                None => {
                    let counts = documents.iter().any(|document| shown(&denying, nothing, document));
                    assert!(counts, "{name}: {path} is never let through, earlier rules take it");
                }
            }
        }
    }
}

#[test]
fn the_route_s_own_word_comes_first() {
    let user = r#"{"id":"u-7","full_name":"Zoé","gender":"FEMALE","username":"zr"}"#;
    let rows = r#"{"rows":[{"id":"u-7","full_name":"Zoé"},{"id":"u-9","full_name":"Tom"}]}"#;
    let anonymous = Sees::default();
    for (personal_data, document, expected) in [
        ("{ preset: kolibri }", user, r#"{"id":"u-7","full_name":"***","username":"#),
        (
            "{ preset: kolibri, fields: { full_name: not_personal } }",
            user,
            r#"{"id":"u-7","full_name":"Zoé""#,
        ),
        ("{ preset: kolibri, fields: { id: secret } }", user, r#"{"full_name":"***","username":"#),
        ("{ preset: { name: kolibri, categories: { demographic: birth } } }", user, r#""gender":null"#),
        ("{ preset: [kolibri] }", user, r#"{"id":"u-7","full_name":"***","username":"#),
        // What the preset does not know is unknown, not harmless.
        ("{ preset: kolibri }", rows, "{}"),
        ("{ preset: kolibri, record: '$.rows[*]' }", rows, r#"{"rows":[{"id":"u-7","full_name":"***"},"#),
    ] {
        let (_, plan) = compiled(personal_data);
        let after = redacted(&plan, &audience(anonymous, document), document);
        assert!(after.contains(expected), "{personal_data}: {after}");
    }
    let (charter, plan) = compiled("{ preset: kolibri, record: '$.rows[*]' }");
    let own = Sees { own: all(&charter), ..anonymous };
    let after = redacted(&plan, &audience(own, rows), rows);
    assert_eq!(after, r#"{"rows":[{"id":"u-7","full_name":"Zoé"},{"id":"u-9","full_name":"***"}]}"#);
}

#[test]
fn presets_stand_together_unless_they_contradict_each_other() {
    let (set, report) = inspected("{ preset: [lti-nrps, lti-ags] }");
    assert!(set.is_none(), "two subjects");
    assert!(report.to_string().contains("do not agree about the subject: `user_id` or `userId`"), "{report}");
    // The `id` of a membership list is nobody's, that of a result may be somebody's.
    let (set, report) =
        inspected("{ preset: [lti-nrps, lti-ags], subject: user_id, fields: { id: account } }");
    let set = set.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(set.routes[0].presets, ["lti-nrps", "lti-ags"]);
    // One says that whatever is called `id` is nothing, the other that it is an account; so with `timestamp`.
    let (set, report) = inspected("{ preset: [xapi, lti-ags], subject: userId }");
    assert!(set.is_none());
    assert!(report.to_string().contains("`xapi` and `lti-ags` do not agree about `id`"), "{report}");
    let fields = "{ id: account, timestamp: result }";
    let (set, report) =
        inspected(&format!("{{ preset: [xapi, lti-ags], subject: userId, fields: {fields} }}"));
    assert!(set.is_some(), "{report}");
}
