use std::sync::Arc;

use apollo_parser::{Lexer, Parser};
use proptest::prelude::*;

use super::*;
use crate::{
    policy::set::{
        Action, Category, CategoryId, CategorySet, Charter, Classification, DetectorKind, DetectorKinds,
        FieldClass, FieldRule, Lexicon, LooseFormat, PersonalData, RecipientId, Sees, Unknown, WayBack,
    },
    redact::{Audience, Format, Plan, RedactError, RequestPlan, Sender, Tally, Task},
    secret::{Domain, DomainKey, MasterSecret, Sensitive},
};

const NAME: u8 = 0;
const EMAIL: u8 = 1;

fn charter() -> Charter {
    let category = |name: &str, fields: &[&str], detect, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        fields: fields.iter().map(|&field| field.into()).collect(),
        detect,
        otherwise,
    };
    let none = DetectorKinds::NONE;
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", &["fullname"], none, Action::Mask),
            category("email", &["email"], none.with(DetectorKind::Email), Action::Remove),
            category("birth", &["birthyear"], none, Action::Null),
            category("account", &[], none, Action::Tokenise),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn data(unknown: Unknown) -> PersonalData {
    let field = |path: &str, class| FieldRule { path: path.parse().unwrap(), class };
    let category = |number| FieldClass::Category(CategoryId(number));
    PersonalData::Declared(Classification {
        records: vec!["$.data.users[*]".parse().unwrap(), "$.data.me".parse().unwrap()],
        subject: Some("id".parse().unwrap()),
        fields: vec![
            field("id", FieldClass::NotPersonal),
            field("friendId", FieldClass::NotPersonal),
            field("$.data.users[*].nick", category(NAME)),
            field("$.data.users[*].login", category(3)),
            field("$.data.users[*].score", FieldClass::NotPersonal),
            field("$..title", FieldClass::NotPersonal),
            field("$..count", FieldClass::NotPersonal),
            field("$..note", FieldClass::FreeText),
        ],
        unknown,
        lexicon: Arc::new(Lexicon::of(["data", "users", "createdAt"])),
        formats: vec![LooseFormat::Graphql],
        record_bytes: 1 << 16,
        ..Classification::default()
    })
}

fn nobody() -> Audience {
    Audience::default()
}

/// Sees everything of themselves, who are `u1`.
fn learner() -> Audience {
    Audience {
        sees: Sees { own: CategorySet(0b1111), ..Sees::default() },
        subject: Some(Sensitive::new("u1".into())),
        ..Audience::default()
    }
}

fn sees(categories: &[u8]) -> Audience {
    let mut any = CategorySet::default();
    categories.iter().for_each(|&category| any.insert(CategoryId(category)));
    Audience { sees: Sees { any, ..Sees::default() }, ..Audience::default() }
}

fn key() -> DomainKey {
    MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "")
}

fn asked(query: &str) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.query(query.into()).unwrap();
    parameters
}

fn read(query: &str) -> Result<Graphql, Denied> {
    Graphql::read(&[asked(query)], false, MAX_ALIASES)
}

fn answer_of(
    requests: &Graphql,
    unknown: Unknown,
    audience: Audience,
    answer: &str,
    size: usize,
) -> (Result<String, RedactError>, Tally) {
    let task = Task {
        plan: Arc::new(Plan::compile(&charter(), &data(unknown))),
        audience: Arc::new(audience),
        key: Arc::new(key()),
    };
    let mut redactor = Format::Graphql(requests.answers()).redactor(task);
    let mut out = Vec::new();
    let pushed = answer.as_bytes().chunks(size).try_for_each(|chunk| redactor.push(chunk, &mut out));
    let result = pushed.and_then(|()| redactor.finish(&mut out));
    (result.map(|()| String::from_utf8(out).unwrap()), redactor.tally())
}

/// What leaves of an answer, however it is cut.
fn answer(query: &str, unknown: Unknown, audience: Audience, text: &str) -> Result<String, RedactError> {
    let requests = read(query).unwrap();
    let (whole, tally) = answer_of(&requests, unknown, audience.clone(), text, usize::MAX);
    for size in [1, 5] {
        let cut = answer_of(&requests, unknown, audience.clone(), text, size);
        assert_eq!(cut, (whole.clone(), tally.clone()), "{query} in pieces of {size}");
    }
    whole
}

#[test]
fn unknown_fields_are_told_by_the_field_and_not_by_its_alias() {
    let requests = read("{ people: users { mdupont: createdAt createdAt: other } }").unwrap();
    let text = r#"{"data":{"people":[{"mdupont":1,"createdAt":2}]}}"#;
    let PersonalData::Declared(data) = data(Unknown::Report) else { panic!("declared") };
    for unknown in [Unknown::Report, Unknown::Deny] {
        let (_, tally) = answer_of(&requests, unknown, nobody(), text, usize::MAX);
        let told: Vec<_> = tally.places().iter().map(|place| data.lexicon.text(place)).collect();
        assert_eq!(told, ["$.data.users[*].createdAt", "$.data.users[*].?"]);
    }
}

#[test]
fn a_field_is_what_it_is_whatever_it_is_called() {
    let nobody = nobody();
    for (query, text, expected) in [
        (
            "{ users { x: fullName y: title } }",
            r#"{"data":{"users":[{"x":"Jean","y":"t"},{"y":"t","x":"Lea"}]}}"#,
            r#"{"data":{"users":[{"x":"***","y":"t"},{"y":"t","x":"***"}]}}"#,
        ),
        // The rules of the route follow the fields, not the keys.
        (
            "{ people: users { n: nick l: score } }",
            r#"{"data":{"people":[{"n":"Jeannot","l":3}]}}"#,
            r#"{"data":{"people":[{"n":"***","l":3}]}}"#,
        ),
        // Who calls a field by a personal name gets none; a name that lifts a class lifts none.
        (
            "{ users { email: title title: fullName } }",
            r#"{"data":{"users":[{"email":"t","title":"Jean"}]}}"#,
            r#"{"data":{"users":[{"title":"***"}]}}"#,
        ),
        // Fragments, one inside another, and of several types.
        (
            "query Q { users { ...A ... on U @include(if: true) { e: email } ... { t: title } } } \
             fragment A on U { ...B } fragment B on U { z: fullName }",
            r#"{"data":{"users":[{"z":"Jean","e":"a@b.fr","t":"t"}]}}"#,
            r#"{"data":{"users":[{"z":"***","t":"t"}]}}"#,
        ),
        // One key for two fields: the stricter.
        (
            "{ users { ... on A { l: title } ... on B { l: fullName } } }",
            r#"{"data":{"users":[{"l":"Jean"},{"l":null}]}}"#,
            r#"{"data":{"users":[{"l":"***"},{"l":null}]}}"#,
        ),
        // Escapes in keys.
        (
            "{ users { x: fullName } }",
            r#"{"d\u0061ta":{"users":[{"\u0078":"Jean"}]}}"#,
            r#"{"d\u0061ta":{"users":[{"\u0078":"***"}]}}"#,
        ),
        // A scalar that is an object has names of its own.
        (
            "{ users { s: title } }",
            r#"{"data":{"users":[{"s":{"fullName":"Jean","a":[{"email":"x"}]}}]}}"#,
            r#"{"data":{"users":[{"s":{"fullName":"***","a":[{}]}}]}}"#,
        ),
        ("{ users { id } }", r#"{"data":null}"#, r#"{"data":null}"#),
        ("{ users { id } }", r#"{"data":"Jean"}"#, r#"{"data":null}"#),
    ] {
        let left = answer(query, Unknown::Pass, nobody.clone(), text);
        assert_eq!(left.as_deref(), Ok(expected), "{query}");
    }
}

#[test]
fn an_alias_opens_nothing() {
    // Who sees names sees nothing else under them: neither what is unknown, nor a text with something in it.
    let query = "{ users { fullName: secret nick: note email: title } }";
    let text = r#"{"data":{"users":[{"fullName":"s","nick":"écris à x@y.fr","email":"t"}]}}"#;
    let left = answer(query, Unknown::Deny, sees(&[NAME]), text).unwrap();
    assert_eq!(left, r#"{"data":{"users":[{"nick":"écris à […]"}]}}"#);
    // Of what is seen as one thing and not as the other nothing is seen.
    let query = "{ users { email: fullName x: fullName } }";
    let text = r#"{"data":{"users":[{"email":"Jean","x":"Jean"}]}}"#;
    assert_eq!(
        answer(query, Unknown::Deny, sees(&[NAME]), text).unwrap(),
        r#"{"data":{"users":[{"x":"Jean"}]}}"#
    );
    let both = answer(query, Unknown::Deny, sees(&[NAME, EMAIL]), text);
    assert_eq!(both.as_deref(), Ok(text));
}

#[test]
fn a_record_is_whose_its_field_says_and_not_its_key() {
    let mine = r#"{"data":{"users":[{"x":"Jean","uid":"u1"},{"x":"Lea","uid":"u2"}]}}"#;
    let left = answer("{ users { x: fullName uid: id } }", Unknown::Deny, learner(), mine).unwrap();
    assert_eq!(left, r#"{"data":{"users":[{"x":"Jean","uid":"u1"},{"x":"***","uid":"u2"}]}}"#);
    // A friend's record that calls the friend's friend its subject.
    for query in [
        "{ users { x: fullName id: friendId } }",
        "{ users { x: fullName ... on A { id: friendId } ... on B { id } } }",
        "{ users { ...F x: fullName } } fragment F on U { id: friendId }",
    ] {
        let text = r#"{"data":{"users":[{"x":"Lea","id":"u1"}]}}"#;
        let left = answer(query, Unknown::Deny, learner(), text).unwrap();
        assert_eq!(left, r#"{"data":{"users":[{"x":"***","id":"u1"}]}}"#, "{query}");
    }
    // A root under the name of another.
    let left = answer(
        "{ me: friend { fullName id } }",
        Unknown::Pass,
        learner(),
        r#"{"data":{"me":{"fullName":"Lea","id":"u1"}}}"#,
    );
    assert_eq!(left.as_deref(), Ok(r#"{"data":{"me":{"fullName":"***","id":"u1"}}}"#));
}

#[test]
fn each_answer_of_a_batch_is_that_of_its_request() {
    let batch = [asked("{ users { a: fullName b: title } }"), asked("{ users { a: title b: fullName } }")];
    let requests = Graphql::read(&batch, true, MAX_ALIASES).unwrap();
    let redact = |text: &str| answer_of(&requests, Unknown::Deny, nobody(), text, 3).0;
    let text = r#"[{"data":{"users":[{"a":"Jean","b":"t"}]}}, {"data":{"users":[{"a":"t","b":"Jean"}]}}]"#;
    let expected = r#"[{"data":{"users":[{"a":"***","b":"t"}]}}, {"data":{"users":[{"a":"t","b":"***"}]}}]"#;
    assert_eq!(redact(text).as_deref(), Ok(expected));
    assert_eq!(
        redact(r#"{"errors":[{"message":"no batches"}]}"#).as_deref(),
        Ok(r#"{"errors":[{"message":"no batches"}]}"#)
    );
    let refused = r#"{"errors":[{"message":"no batches"}],"data":null}"#;
    assert_eq!(redact(refused).as_deref(), Ok(refused));
    for text in
        [r#"{"data":{"users":[]}}"#, r#"[{"data":null},{"data":null},{"data":null}]"#, r#"[[{"data":null}]]"#]
    {
        assert_eq!(redact(text), Err(RedactError::Unasked), "{text}");
    }
}

#[test]
fn errors_and_extensions_are_texts() {
    let text = r#"{"errors":[{"message":"x@y.fr is unknown","path":["users",0,"x"],"locations":[{"line":1,"column":2}],"extensions":{"code":"NOT_FOUND","email":"x@y.fr","fullName":"Jean","argument":{"value":"x@y.fr"}}}],"extensions":{"trace":["x@y.fr",12]},"data":null}"#;
    let expected = r#"{"errors":[{"message":"[…] is unknown","path":["users",0,"x"],"locations":[{"line":1,"column":2}],"extensions":{"code":"NOT_FOUND","fullName":"***","argument":{"value":"[…]"}}}],"extensions":{"trace":["[…]",12]},"data":null}"#;
    let left = answer("{ users { x: fullName } }", Unknown::Deny, nobody(), text);
    assert_eq!(left.as_deref(), Ok(expected));
    assert_eq!(answer("{ a }", Unknown::Deny, sees(&[NAME, EMAIL]), text).as_deref(), Ok(text));
}

#[test]
fn names_that_nobody_selected_may_be_values() {
    for (query, text, expected) in [
        // What the client chose is none, and nothing is held back for it.
        ("{ other { t: title } }", r#"{"data":{"other":{"t":"x"}}}"#, None),
        ("{ other { title } }", r#"{"data":{"other":{}}}"#, None),
        ("{ other { title } }", r#"{"data":{"other":[{},{"title":"x"}]}}"#, None),
        (
            "{ users { s: title } }",
            r#"{"data":{"users":[{"s":{"x@y.fr":1,"x":2}}]}}"#,
            Some(r#"{"data":{"users":[{"s":{"x":2}}]}}"#),
        ),
        (
            "{ a }",
            r#"{"errors":[{"extensions":{"x@y\u002efr":["taken"],"x":[]}}],"x@y.fr":1}"#,
            Some(r#"{"errors":[{"extensions":{"x":[]}}]}"#),
        ),
        (
            "{ __schema { types { name } } }",
            r#"{"data":{"__schema":{"x@y.fr":[],"types":[]}}}"#,
            Some(r#"{"data":{"__schema":{"types":[]}}}"#),
        ),
    ] {
        let left = answer(query, Unknown::Deny, nobody(), text);
        assert_eq!(left.as_deref(), Ok(expected.unwrap_or(text)), "{query} {text}");
        assert_eq!(answer(query, Unknown::Deny, sees(&[NAME, EMAIL, 2, 3]), text).as_deref(), Ok(text));
    }
}

#[test]
fn texts_of_an_answer_hold_documents_and_what_was_hidden() {
    for (query, text, expected) in [
        (
            "{ users { t: title n: note } }",
            r#"{"data":{"users":[{"t":"{\"fullName\":\"Jean\"}","n":"[{\"fullName\":\"Jean\"}]"}]}}"#,
            r#"{"data":{"users":[{"t":"{\"fullName\":\"***\"}","n":"[{\"fullName\":\"***\"}]"}]}}"#,
        ),
        (
            "{ a }",
            r#"{"errors":[{"message":"{\"fullName\":\"Jean\"}"}]}"#,
            r#"{"errors":[{"message":"{\"fullName\":\"***\"}"}]}"#,
        ),
        (
            "{ users { x: fullName } }",
            r#"{"data":{"users":[{"x":"Jean Valjean"}]},"errors":[{"message":"Jean Valjean was met twice"}]}"#,
            r#"{"data":{"users":[{"x":"***"}]},"errors":[{"message":"*** was met twice"}]}"#,
        ),
    ] {
        let left = answer(query, Unknown::Deny, nobody(), text);
        assert_eq!(left.as_deref(), Ok(expected), "{query} {text}");
    }
}

#[test]
fn a_schema_describes_itself() {
    let query = "{ __typename s: __schema { types { name fullName: kind fields { name } } } users { __typename id } }";
    let text = r#"{"data":{"__typename":"Query","s":{"types":[{"name":"User","fullName":"OBJECT","fields":[{"name":"email"}]}]},"users":[{"__typename":"User","id":"u1"}]}}"#;
    assert_eq!(answer(query, Unknown::Deny, nobody(), text).as_deref(), Ok(text));
    // Only at the root, and only by its own name.
    let query = "{ __schema: users { fullName } users { s: __schema { fullName } } }";
    let text = r#"{"data":{"__schema":[{"fullName":"Jean"}],"users":[{"s":{"fullName":"Jean"}}]}}"#;
    let left = answer(query, Unknown::Pass, nobody(), text).unwrap();
    assert!(!left.contains("Jean"), "{left}");
}

#[test]
fn an_answer_to_something_else_is_refused() {
    for text in [
        r#"{"data":{"y":[]}}"#,
        r#"{"data":{"users":[{"y":1}]}}"#,
        r#"{"data":{"users":[]},"hasNext":true}"#,
        r#"{"incremental":[{"data":{"x":"Jean"}}]}"#,
        r#"[{"data":{"users":[]}}]"#,
        r#"{"data":[]}"#,
    ] {
        let left = answer("{ users { x: fullName } }", Unknown::Pass, nobody(), text);
        let expected = if text == r#"{"data":[]}"# { Ok(text.to_owned()) } else { Err(RedactError::Unasked) };
        assert_eq!(left, expected, "{text}");
    }
    // Of two fields under one key an object could be either.
    let query = "{ users { ... on A { l: title } ... on B { l: fullName } } }";
    let text = r#"{"data":{"users":[{"l":{"a":"Jean"}}]}}"#;
    assert_eq!(answer(query, Unknown::Pass, nobody(), text), Err(RedactError::Unasked));
}

#[test]
fn what_cannot_be_read_in_one_way_is_refused() {
    let many = |count: usize| {
        let aliases: Vec<String> = (0..count).map(|place| format!("a{place}: login(pin: {place})")).collect();
        format!("{{ {} }}", aliases.join(" "))
    };
    let nested = |count: usize| format!("{}x{}", "{a".repeat(count), "}".repeat(count));
    let bomb: String = (0..20)
        .map(|place| {
            format!(
                "fragment F{place} on U {{ a{place}: b {{ ...F{} }} c{place}: b {{ ...F{} }} }} ",
                place + 1,
                place + 1
            )
        })
        .chain(["fragment F20 on U { id } { ...F0 }".to_owned()])
        .collect();
    for query in [
        "",
        "{",
        "{ a } }",
        "{ users { ...Missing } }",
        "{ ...A } fragment A on U { ...B } fragment B on U { ...A }",
        "{ ...A } fragment A on U { id } fragment A on U { email }",
        "query A { a } query B { b }",
        "query A { a } query A { b }",
        "{ a } { b }",
        "fragment A on U { id }",
        "subscription { users { id } }",
        "{ users { ... @defer { id } } }",
        "{ users @stream { id } }",
        "type User { id: ID } { a }",
        "{ ...A } fragment A on U @by(email: \"x\") { id }",
        "{ x: users { id } x: me { id } }",
        "{ x: users { id } x: users }",
        "query($a: Int, $a: Own) { users(n: $a) { id } }",
        &many(51),
        &nested(70),
        &bomb,
    ] {
        assert_eq!(read(query).err(), Some(Denied::Graphql), "{query}");
    }
    for query in [
        "# a comment\r{ users { id } }",
        "\u{feff}query Q($a: [Own!]! = [A, B]) { users(n: $a, s: \"\"\"b\"\"\") { id, id } }",
        "{ x: users { id } x: users { email } }",
        &many(50),
        &nested(40),
    ] {
        assert!(read(query).is_ok(), "{query}");
    }
    assert!(Graphql::read(&[asked(&many(2))], false, 1).is_err());
    let batch = |count| Graphql::read(&vec_of(count), true, MAX_ALIASES).is_ok();
    assert!(batch(MAX_BATCH) && !batch(MAX_BATCH + 1) && !batch(0));
}

fn vec_of(count: usize) -> Vec<Parameters> {
    (0..count).map(|_| asked("{ a }")).collect()
}

#[test]
fn documents_of_too_many_tokens_are_refused_wherever_they_are_cut() {
    const WHOLE: &str = "query Q($a: [[Int!]!] = [1, {b: 2}] @c(d: E)) @f { g: h(i: {j: [\"k\", L, $m, null]}) @n \
                         { ...o ... on P @q { r } ... { s } } } fragment o on T @u { v }";
    assert!(Parser::new(WHOLE).parse().errors().len() == 0);
    let tokens = Lexer::new(WHOLE).count();
    for cut in (1..=tokens).step_by(7) {
        let filler = ",".repeat(MAX_TOKENS - cut);
        assert!(read(&format!("{filler}{WHOLE}")).is_err(), "{cut}");
    }
}

#[test]
fn the_operation_is_the_one_that_is_named() {
    let two =
        r#"{"query":"query A { users { x: title } } query B { users { x: fullName } }","operationName":"B"}"#;
    let (requests, batch) = Parameters::of_json(two.as_bytes()).unwrap();
    let read = Graphql::read(&requests, batch, MAX_ALIASES).unwrap();
    let left = answer_of(&read, Unknown::Deny, nobody(), r#"{"data":{"users":[{"x":"Jean"}]}}"#, 9).0;
    assert_eq!(left.as_deref(), Ok(r#"{"data":{"users":[{"x":"***"}]}}"#));
}

#[test]
fn each_parameter_is_told_once() {
    let hash = "f8eb3b5f4ffba5d6d1f0b0b4e86fb7b1d5d3b2b3f7d0a6f0d5b0f5e6b1a2c3d4";
    let stored = format!(
        r#"{{"query":"{{a}}","extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#
    );
    for body in [
        "",
        "1",
        "[1]",
        r#"{"query":1}"#,
        r#"{"query":"{a}","query":"{b}"}"#,
        r#"{"query":"{a}","variables":"{}"}"#,
        r#"{"query":"{a}","variables":{"a":1,"a":2}}"#,
        r#"{"query":"{a}","documentId":"x"}"#,
        r#"{"query":"{a}","id":"x"}"#,
        r#"{"query":"{a} query B {b}","operationName":"C"}"#,
        r#"{"operationName":"A"}"#,
        r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#,
        &stored,
    ] {
        let read = Parameters::of_json(body.as_bytes())
            .and_then(|(requests, batch)| Graphql::read(&requests, batch, MAX_ALIASES));
        assert_eq!(read.err(), Some(Denied::Graphql), "{body}");
    }
    // The hash of `{a}`.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"{a}");
    let hash: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    for body in [
        r#"{"query":"{a}","variables":null,"operationName":null,"extensions":{}}"#,
        r#"{"query":"{a}","operationName":""}"#,
        &format!(
            r#"{{"query":"{{a}}","extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#
        ),
    ] {
        let (requests, batch) = Parameters::of_json(body.as_bytes()).unwrap();
        assert!(Graphql::read(&requests, batch, MAX_ALIASES).is_ok(), "{body}");
    }
}

/// What comes of a request, for somebody with these variables.
fn judged(audience: &Audience, query: &str, variables: &str) -> Result<Option<String>, Denied> {
    let body = format!(r#"{{"query":{},"variables":{variables}}}"#, serde_json::to_string(query).unwrap());
    let (requests, batch) = Parameters::of_json(body.as_bytes()).unwrap();
    let graphql = Graphql::read(&requests, batch, MAX_ALIASES).unwrap();
    let plan = RequestPlan::compile(&charter(), &data(Unknown::Deny), &WayBack::default());
    let key = key();
    let judged = plan.graphql(Sender { audience, key: &key }, &graphql, body.as_bytes());
    judged.map(|body| body.map(|body| String::from_utf8(body.expose().clone()).unwrap()))
}

#[test]
fn nobody_filters_by_what_they_do_not_see() {
    for (query, variables) in [
        ("{ users(filter: {birth_year_gte: 2013}) { id } }", "{}"),
        ("{ users(birthYear: 2013) { id } }", "{}"),
        ("{ users(orderBy: BIRTH_YEAR) { id } }", "{}"),
        ("{ users(orderBy: BIRTH_YEAR_DESC) { id } }", "{}"),
        ("{ users(orderBy: [{birthYear: ASC}]) { id } }", "{}"),
        ("{ users(by: BIRTH_YEAR) { id } }", "{}"),
        ("query($w: UserWhere) { users(w: $w) { id } }", r#"{"w":{"birthYear":{"_gte":2013}}}"#),
        ("query($w: UserWhere) { users(w: $w) { id } }", r#"{"w":{"AND":[{"full_name_starts_with":"A"}]}}"#),
        ("query($o: UserOrder) { users(by: $o) { id } }", r#"{"o":"EMAIL_ASC_NULLS_LAST"}"#),
        ("query($s: String) { users(sort: $s) { id } }", r#"{"s":"-birthYear"}"#),
        ("query($w: W = {email: \"a@b.fr\"}) { users(w: $w) { id } }", "{}"),
        ("{ ...F } fragment F on Query { users { friends(where: {fullName: {eq: \"x\"}}) { id } } }", "{}"),
        ("{ ... on Query @filter(by: {email: \"x\"}) { users { id } } }", "{}"),
        // Classified by a rule of another place.
        ("{ search(nick: \"x\") { id } }", "{}"),
        ("{ users(where: {nick: {like: \"%\"}}) { id } }", "{}"),
        ("mutation { deleteUsers(where: {birthYear: {gt: 2010}}) { count } }", "{}"),
        ("mutation { touch { users(birthYear: 2013) { id } } }", "{}"),
    ] {
        assert_eq!(judged(&learner(), query, variables), Err(Denied::Query), "{query} {variables}");
        assert_eq!(judged(&sees(&[0, 1, 2, 3]), query, variables), Ok(None), "{query} {variables}");
    }
    for (query, variables) in [
        (
            "query($n: Int, $e: String) { users(first: $n, email: $e, orderBy: TITLE) { id email } }",
            r#"{"n":3,"e":null}"#,
        ),
        (
            "query($q: String) { users(search: $q, where: {score: {gt: 3}}) { birthYear } }",
            r#"{"q":"EMAIL"}"#,
        ),
        ("{ users(score: 3) { id } __type(name: \"User\") { name } }", "{}"),
        // Who they are themselves is no secret.
        ("{ users(email: \"u1\") { id } }", "{}"),
    ] {
        assert_eq!(judged(&learner(), query, variables), Ok(None), "{query}");
    }
}

#[test]
fn nobody_writes_what_they_do_not_see() {
    let write = "mutation($i: UserInput!) { updateUser(input: $i) { id } }";
    for (query, variables) in [
        (write, r#"{"i":{"birthYear":2013}}"#),
        (write, r#"{"i":{"profile":[{"fullName":"x"}]}}"#),
        (write, r#"{"i":{"nick":"x"}}"#),
        ("mutation { a: updateUser(email: \"x\") { id } }", "{}"),
        ("mutation { ...F } fragment F on Mutation { updateUser(input: {email: \"x\"}) { id } }", "{}"),
    ] {
        assert_eq!(judged(&nobody(), query, variables), Err(Denied::Write), "{query} {variables}");
        assert_eq!(judged(&learner(), query, variables), Ok(None), "{query} {variables}");
    }
    assert_eq!(judged(&learner(), write, r#"{"i":{"fullName":"***"}}"#), Err(Denied::StandIn));
    assert_eq!(judged(&nobody(), write, r#"{"i":{"title":"x"}}"#), Ok(None));
}

#[test]
fn tokens_in_variables_become_values() {
    let key = key();
    let plan = Plan::compile(&charter(), &data(Unknown::Deny));
    let token = plan.stand_in(CategoryId(3), &key, None, "jean").unwrap().into_owned();
    let query = "query($l: String) { a: users(login: $l) { id } b: users(where: {login: $l}) { id } }";
    let sent = judged(&nobody(), query, &format!(r#"{{"l":"{token}"}}"#)).unwrap().unwrap();
    assert!(sent.contains(r#""variables":{"l":"jean"}"#), "{sent}");
    for (query, variables) in [
        // Where it is not of its category, where it is not whole, where it is in the document itself.
        ("query($l: String) { users(title: $l) { id } }", format!(r#"{{"l":"{token}"}}"#)),
        ("query($l: String) { users(login: $l) { id } }", format!(r#"{{"l":"{token}","m":"x{token}"}}"#)),
        (&format!("{{ users(login: \"{token}\") {{ id }} }}"), "{}".into()),
    ] {
        assert_eq!(judged(&nobody(), query, &variables), Err(Denied::Token), "{query}");
    }
}

#[test]
fn one_variable_is_not_looked_at_for_ever() {
    let uses: Vec<String> = (0..40).map(|place| format!("a{place}: users(t: $t) {{ id }}")).collect();
    let query = format!("query($t: String) {{ {} }}", uses.join(" "));
    let text = format!(r#"{{"t":"{}"}}"#, "x".repeat(300_000));
    assert_eq!(judged(&learner(), &query, &text), Err(Denied::Graphql));
}

proptest! {
    /// Whatever a client calls the fields, the same values leave.
    #[test]
    fn renaming_changes_nothing(
        fields in prop::collection::vec((0usize..9, "[a-zA-Z_]{1,3}", any::<bool>()), 1..9),
        reader in 0usize..4,
        deny in any::<bool>(),
        size in 1usize..40,
    ) {
        const FIELDS: [&str; 9] =
            ["id", "friendId", "nick", "score", "title", "fullName", "email", "birthYear", "other"];
        let audience = [nobody(), learner(), sees(&[NAME]), sees(&[EMAIL, 2])][reader].clone();
        let unknown = if deny { Unknown::Deny } else { Unknown::Pass };
        let (mut plain, mut renamed, mut values, mut keys) = (String::new(), String::new(), Vec::new(), Vec::new());
        for (place, (field, alias, spread)) in fields.iter().enumerate() {
            let name = FIELDS[*field];
            // A key that means nothing: neither a name of the charter nor of a rule.
            let key = format!("z{alias}{place}");
            if plain.split(' ').any(|other| other == name) {
                continue;
            }
            plain.push_str(&format!(" {name}"));
            renamed.push_str(&if *spread { format!(" ... on U {{ {key}: {name} }}") } else { format!(" {key}: {name}") });
            values.push((name, if name == "id" { "u1".to_owned() } else { format!("value {place}") }));
            keys.push(key);
        }
        let object = |keys: Vec<&str>| {
            let members: Vec<String> =
                keys.iter().zip(&values).map(|(key, (_, value))| format!("\"{key}\":\"{value}\"")).collect();
            format!("{{\"data\":{{\"users\":[{{{}}}]}}}}", members.join(","))
        };
        let redact = |query: &str, text: &str| {
            answer_of(&read(query).unwrap(), unknown, audience.clone(), text, size).0.unwrap()
        };
        let mut expected = redact(&format!("{{ users {{{plain} }} }}"), &object(values.iter().map(|(name, _)| *name).collect()));
        let left = redact(&format!("{{ users {{{renamed} }} }}"), &object(keys.iter().map(String::as_str).collect()));
        for ((name, _), key) in values.iter().zip(&keys) {
            expected = expected.replace(&format!("\"{name}\":"), &format!("\"{key}\":"));
        }
        prop_assert_eq!(left, expected);
    }

    /// No document makes the reader fall, and what it reads it reads in bounded time.
    #[test]
    fn any_text_is_read_or_refused(text in "[{}()a-c:$.!@\"\\\\#,=0-9 \r\n\\[\\]é]{0,80}") {
        let _ = read(&text);
        let _ = read(&format!("query A($a: B = {text}) {{ a(b: {text}) {{ ...c }} }}"));
    }
}
