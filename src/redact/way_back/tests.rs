use super::*;
use crate::policy::set::{
    Action, Category, Classification, FieldClass, FieldRule, RecipientId, Shape, Unknown,
};
use crate::secret::{Domain, MasterSecret, Sensitive};

const NAME: CategoryId = CategoryId(0);
const BIRTH: CategoryId = CategoryId(2);
const ACCOUNT: CategoryId = CategoryId(3);

fn charter() -> Charter {
    let category = |name: &str, fields: &[&str], otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: fields.iter().map(|&field| field.into()).collect(),
        otherwise,
    };
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", &["fullname", "username"], Action::Mask),
            category("email", &["email", "mbox"], Action::PseudonymAs(Shape::Email)),
            category("birth", &["birthyear"], Action::Replace("NOT_SPECIFIED".into())),
            category("account", &[], Action::Tokenise),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn plan(way_back: &WayBack) -> RequestPlan {
    let field = |path: &str, class| FieldRule { path: path.parse().unwrap(), class };
    let data = Classification {
        lexicon: std::sync::Arc::default(),
        records: vec!["$".parse().unwrap()],
        subject: None,
        group: None,
        fields: vec![
            field("id", FieldClass::Category(ACCOUNT)),
            field("user_id", FieldClass::Category(ACCOUNT)),
            field("$..room.username", FieldClass::NotPersonal),
            field("parent.nick", FieldClass::Category(NAME)),
            field("$.results[*].surnom", FieldClass::Category(NAME)),
        ],
        keys: Vec::new(),
        headers: [].into(),
        unknown: Unknown::Pass,
        formats: Vec::new(),
        pass_types: Vec::new(),
        record_bytes: 1024,
    };
    RequestPlan::compile(&charter(), &PersonalData::Declared(data), way_back)
}

fn key() -> DomainKey {
    MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "")
}

fn token(value: &str) -> String {
    let category = Category {
        name: "account".into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise: Action::Tokenise,
    };
    let key = key();
    let means = action::Means { key: &key, today: None };
    Remedy::of(&category).stand_in(means, value, action::Kind::Text).into_text().unwrap().into_owned()
}

fn own(categories: &[CategoryId]) -> Audience {
    let mut own = CategorySet::default();
    categories.iter().for_each(|&category| own.insert(category));
    let subject = Some(Sensitive::new("jean".into()));
    Audience { sees: Sees { own, ..Sees::default() }, subject, ..Audience::default() }
}

fn query(audience: &Audience, text: &str) -> Result<Option<String>, Denied> {
    let key = key();
    let judged = plan(&WayBack::default()).query(Sender { audience, key: &key }, text);
    judged.map(|query| query.map(|query| query.expose().clone()))
}

fn json(audience: &Audience, text: &str) -> Result<Option<String>, Denied> {
    let key = key();
    let judged = plan(&WayBack::default()).json(Sender { audience, key: &key }, text.as_bytes());
    judged.map(|body| body.map(|body| String::from_utf8(body.expose().clone()).unwrap()))
}

#[test]
fn hidden_data_cannot_be_asked_for() {
    let nobody = Audience::default();
    for text in [
        "birth_year=2012",
        "birthYear=2012",
        "BIRTH-YEAR=2012",
        "birth%5Fyear=2012",
        "%62irth_year=2012",
        "a=1&birth_year=2012",
        "birth_year=&birth_year=2012",
        "birth_year_gte=2010",
        "birth_year__gte=2010",
        "birth_year__year__gte=2010",
        "birth_year__isnull=",
        "min_birth_year=2010",
        "birthYearMax=2010",
        "birth_year[gte]=2010",
        "birth_year%5Bgte%5D=2010",
        "filter[birth_year]=2010",
        "filter%5Bbirth_year%5D%5Blt%5D=2010",
        "where[and][0][birth_year]=2010",
        "user.birth_year=2010",
        "user__birth_year__in=2010,2011",
        "birth_year[]=2010",
        "birth_year%3E=2010",
        "birth\u{200b}_year=2010",
        "birth_year:gt=2010",
        "ordering=birth_year",
        "ordering=-birth_year",
        "ordering=id,-birth_year",
        "ordering=+user__birth_year",
        "sort=birth_year:desc",
        "sort=birth_year,asc",
        "sort=desc(birth_year)",
        "sortBy=birthYear",
        "sort_by=birth_year.desc",
        "sort[birth_year]=asc",
        "sort[]=birth_year",
        "sort={\"birth_year\":-1}",
        "sort=[[\"birth_year\",1]]",
        "order=birth_year%20desc",
        "order_by=birth_year",
        "%24orderby=birthYear desc",
        "$orderby=birthYear",
        "group_by=birth_year",
        "$filter=birthYear gt 2010",
        "$filter=(birthYear%20gt%202010)",
        "$filter=year(birthYear) gt 2010",
        "filter=userName eq \"anna\"",
        "filter=emails.email co 'x' and not (birthYear pr)",
        "filter=birth_year>=2010;id==3",
        "filter={\"birth_year\":{\"$gt\":2010}}",
        "where={\"$or\":[{\"birth_year\":2010}]}",
        "agent={\"mbox\":\"mailto:anna@x.fr\"}",
        "agent=%7B%22m%62ox%22%3A%22mailto%3Aanna%40x.fr%22%7D",
        "agent={\"m\\u0062ox\":\"mailto:anna@x.fr\"}",
        "x=1;birth_year=2010",
        "email=anna@x.fr",
        "user_id=7",
        "search_email=anna",
    ] {
        assert_eq!(query(&nobody, text), Err(Denied::Query), "{text}");
    }
    for text in [
        "",
        "&&",
        "page=2&page_size=30",
        "format=json",
        "fields=birth_year,id",
        "search=birth_year",
        "q=anna",
        "full_name=",
        "room.username=b12",
        "ordering=-date",
        "sort=title:asc",
        "filter=title eq \"x\"",
        "$top=3",
        "member_of=12",
        "category=nom&login=x&birthday_card=1",
        "filter={\"title\":1}",
        "url={not json",
        "statementId=12&limit=3",
    ] {
        assert_eq!(query(&nobody, text), Ok(None), "{text}");
    }
}

#[test]
fn who_sees_it_may_ask_and_everybody_for_themselves() {
    let mut any = CategorySet::default();
    any.insert(BIRTH);
    let sees = Audience { sees: Sees { any, ..Sees::default() }, ..Audience::default() };
    assert_eq!(query(&sees, "birth_year__gte=2010&ordering=-birth_year"), Ok(None));
    assert_eq!(query(&sees, "birth_year__gte=2010&ordering=-full_name"), Err(Denied::Query));
    let jean = own(&[NAME, ACCOUNT]);
    assert_eq!(query(&jean, "user_id=jean&username=jean"), Ok(None));
    assert_eq!(query(&jean, "agent={\"username\":\"jean\"}"), Ok(None));
    assert_eq!(query(&jean, "username=anna"), Err(Denied::Query));
    assert_eq!(query(&jean, "username=jean&username=anna"), Err(Denied::Query));
    assert_eq!(query(&own(&[BIRTH]), "username=jean"), Err(Denied::Query));
    let mut lifted = WayBack::default();
    lifted.query.insert(NAME);
    lifted.parameters =
        vec![("email".into(), FieldClass::NotPersonal), ("who".into(), FieldClass::Category(BIRTH))];
    let (key, nobody) = (key(), Audience::default());
    let sender = Sender { audience: &nobody, key: &key };
    let ask = |text: &str| plan(&lifted).query(sender, text).map(|_| ());
    assert_eq!(ask("username=anna&ordering=full_name&email=x"), Ok(()));
    assert_eq!(ask("who=2012"), Err(Denied::Query));
    assert_eq!(ask("username=***"), Err(Denied::StandIn));
    assert_eq!(ask("ordering=birth_year"), Err(Denied::Query));
}

#[test]
fn hidden_data_cannot_be_written() {
    let nobody = Audience::default();
    for text in [
        r#"{"birth_year": 2012}"#,
        r#"{"birth_year": null}"#,
        r#"{"BirthYear": 2012}"#,
        r#"{"b\u0069rth_year": 2012}"#,
        r#"{"x": 1, "x": {"birth_year": 2012}}"#,
        r#"{"birth_year": 1, "birth_year": 2012}"#,
        r#"[[{"birth_year": 2012}]]"#,
        r#"{"user": {"profile": [{"e-mail": "x"}]}}"#,
        r#"{"user.email": "x"}"#,
        r#"{"user[email]": "x"}"#,
        r#"{"parent": {"nick": "x"}}"#,
        r#"{"parent.nick": "x"}"#,
        r#"[{"op": "replace", "path": "/birth_year", "value": 3}]"#,
        r#"[{"op": "move", "from": "/birth_year", "path": "/title"}]"#,
        r#"{"schemas": [], "Operations": [{"op": "Replace", "path": "emails[0].email", "value": "x"}]}"#,
        r#"{"id": "anna"}"#,
        r#"{"id": {"tok_": 1}}"#,
    ] {
        assert_eq!(json(&nobody, text), Err(Denied::Write), "{text}");
    }
    for text in [
        r#"{"title": "x", "score": [1, 2.5, true, null], "room": {"username": "b12"}}"#,
        r#"{"nick": "x"}"#,
        r#"{"path": "/birth_year"}"#,
        "3",
        "[]",
        "\u{feff}{}",
    ] {
        assert_eq!(json(&nobody, text), Ok(None), "{text}");
    }
    for text in ["", "{", "{}{}", "{'a': 1}", "{\"a\": \"\\ud800\"}", "\u{0}"] {
        assert_eq!(json(&nobody, text), Err(Denied::Unreadable), "{text}");
    }
    assert_eq!(json(&own(&[BIRTH]), r#"{"birth_year": 2012}"#), Ok(None));
    let undeclared = RequestPlan::compile(&charter(), &PersonalData::Undeclared, &WayBack::default());
    let key = key();
    let sender = Sender { audience: &nobody, key: &key };
    assert!(undeclared.json(sender, br#"{"birth_year": 2012}"#).is_ok(), "nothing was declared");
    assert_eq!(undeclared.json(sender, br#"{"username": "***"}"#).unwrap_err(), Denied::StandIn);
}

#[test]
fn stand_ins_are_not_stored() {
    let all = own(&[NAME, CategoryId(1), BIRTH, ACCOUNT]);
    let pseudonym = {
        let key = key();
        let charter = charter();
        let means = action::Means { key: &key, today: None };
        let remedy = Remedy::of(&charter.categories[1]);
        remedy.stand_in(means, "anna@x.fr", action::Kind::Text).into_text().unwrap().into_owned()
    };
    for text in [
        r#"{"full_name": "***"}"#.to_owned(),
        r#"{"full_name": "\u002a**"}"#.to_owned(),
        r#"{"full_name": {"given": ["***"]}}"#.to_owned(),
        r#"{"title": "x", "users": [{"full_name": "Anna"}, {"full_name": "***"}]}"#.to_owned(),
        format!(r#"{{"email": "{pseudonym}"}}"#),
        format!(r#"{{"full_name": "{}"}}"#, pseudonym.to_uppercase()),
        r#"{"email": "x@PSEUDONYME.invalid"}"#.to_owned(),
    ] {
        assert_eq!(json(&all, &text), Err(Denied::StandIn), "{text}");
    }
    for text in [
        r#"{"title": "***", "full_name": "Anna ***", "email": "anna@x.fr"}"#,
        // Theirs to see, and a word that the platform knows.
        r#"{"birth_year": "NOT_SPECIFIED"}"#,
    ] {
        assert_eq!(json(&all, text), Ok(None), "{text}");
    }
    let mut group = Audience::default();
    group.sees.group.insert(BIRTH);
    assert_eq!(json(&group, r#"{"birth_year": "NOT_SPECIFIED"}"#), Err(Denied::StandIn));
}

#[test]
fn tokens_become_values_where_their_category_stands() {
    let nobody = Audience::default();
    let (one, two) = (token("anna/é"), token("bruno"));
    let forged = format!("{}A", &two[..two.len() - 1]);
    assert_eq!(
        query(&nobody, &format!("page=1&id={one}&x=%20")),
        Ok(Some("page=1&id=anna%2F%C3%A9&x=%20".into()))
    );
    assert_eq!(query(&nobody, &format!("id={forged}")), Err(Denied::Token));
    assert_eq!(query(&nobody, &format!("title={two}")), Err(Denied::Token));
    assert_eq!(query(&nobody, &format!("email={two}")), Err(Denied::Token));
    assert_eq!(query(&nobody, &format!("x=1;id={two}")), Err(Denied::Token));
    assert_eq!(query(&nobody, "title=tok_abc"), Ok(None));

    let body = format!(r#"{{"a" : 1.50, "id": "{one}", "users":[{{"user_id":["{two}", "{two}"]}}]}}"#);
    let restored = r#"{"a" : 1.50, "id": "anna/é", "users":[{"user_id":["bruno", "bruno"]}]}"#;
    assert_eq!(json(&nobody, &body), Ok(Some(restored.into())));
    for body in [
        format!(r#"{{"id": "{forged}"}}"#),
        format!(r#"{{"title": "{two}"}}"#),
        format!(r#"{{"{two}": 1}}"#),
        format!(r#"{{"id": "{two}", "title": "{two}"}}"#),
        format!(r#"{{"id": "{}"}}"#, two.replacen('_', "\\u005f", 1)),
    ] {
        assert_eq!(json(&nobody, &body), Err(Denied::Token), "{body}");
    }
    // Who sees it of themselves could store somebody else's and read it.
    assert_eq!(json(&own(&[ACCOUNT]), &format!(r#"{{"id": "{two}"}}"#)), Err(Denied::Token));
}

#[test]
fn tokens_in_paths_are_one_segment_or_refused() {
    let parameters = vec![("rest".into(), FieldClass::Category(ACCOUNT))];
    let way_back = WayBack { parameters, ..WayBack::default() };
    let plan = plan(&way_back);
    let path = |template: &str, path: &str| {
        plan.path(&key(), template, path).map(|path| path.map(|path| path.expose().clone()))
    };
    let bruno = token("bruno é+1");
    assert_eq!(path("/users/{id}", "/users/7"), Ok(None));
    assert_eq!(
        path("/users/{id}/", &format!("/users/{bruno}/")),
        Ok(Some("/users/bruno%20%C3%A9%2B1/".into()))
    );
    assert_eq!(path("/x/{*rest}", &format!("/x/a/{bruno}/b")), Ok(Some("/x/a/bruno%20%C3%A9%2B1/b".into())));
    assert_eq!(path("/users/{page}", &format!("/users/{bruno}")), Err(Denied::Token));
    assert_eq!(path("/users/{*other}", &format!("/users/a/{bruno}")), Err(Denied::Token));
    assert_eq!(path("/users/{page}", "/users/tok_abc"), Ok(None));
    assert_eq!(path("/users/{id}", "/users/tok_abc"), Err(Denied::Token));
    for value in ["../admin", "..", ".", "", "a/b", "a\\b", "a%2fb", "a;b", "a\u{0}b", "a\nb", "a?b", "a#b"] {
        assert_eq!(path("/users/{id}", &format!("/users/{}", token(value))), Err(Denied::Token), "{value}");
    }
}

#[test]
fn fields_named_by_a_value_are_asked_for_or_written() {
    let nobody = Audience::default();
    for text in [
        "surnom=J",
        "ordering=-surnom",
        "rql=eq(full_name,J)",
        "filter=full_name==J",
        "search_field=email",
        "by=email",
        "filter=%7B%22criteria%22:[%7B%22key%22:%22email%22%7D]%7D",
        "sort[0][field]=full_name",
        "sort=-surnom",
        "surnom__icontains=J",
        "criteria[0][key]=email&criteria[0][value]=x",
        "criteria%5B1%5D%5Bvalue%5D%5B%5D=x;criteria[1][key]=email",
        "field=Full-Name&values[0]=J",
    ] {
        assert_eq!(query(&nobody, text), Err(Denied::Query), "{text}");
    }
    for text in [
        r#"{"sort":"full_name"}"#,
        r#"{"page":{"orderBy":"-birth_year, id"}}"#,
        r#"{"sort":["id","full_name desc"]}"#,
        r#"{"filter":"full_name eq \"J\""}"#,
        r#"{"filter":"full_name==J"}"#,
        r#"{"criteria":[{"value":"x","key":"email"}]}"#,
        r#"{"sort":[{"birth_year":"desc"}]}"#,
        r#"{"sort":[{"field":"full_name","direction":"asc"}],"page":1}"#,
        r#"{"sort":"surnom"}"#,
    ] {
        assert_eq!(json(&nobody, text), Err(Denied::Query), "{text}");
    }
    for text in [
        r#"{"field":"full_name","value":"J"}"#,
        r#"{"data":[{"value":"x","key":"email"}]}"#,
        r#"[{"path":"/users/0/email","value":"x"}]"#,
        r#"[{"old":"x","new":{"y":1},"Property":"email"}]"#,
        r#"{"data":{"attributes":{"full_name":"J"}}}"#,
    ] {
        assert_eq!(json(&nobody, text), Err(Denied::Write), "{text}");
    }
    for text in [
        r#"{"sort":"title","filter":"Write an email to the class","order":3}"#,
        r#"{"order":"email your work, please"}"#,
        r#"{"key":"comment","text":"my email is below"}"#,
        r#"{"label":"please tell your full name","value":"no"}"#,
        r#"{"label":"email"}"#,
        r#"{"surnom":"J"}"#,
        r#"{"sort":[{"title":"desc"}],"order":{"note":"email"}}"#,
        r#"{"group":"email"}"#,
    ] {
        assert_eq!(json(&nobody, text), Ok(None), "{text}");
    }
    // Whoever may write it sends no mask for it, nor for a name.
    let own = own(&[NAME]);
    assert_eq!(json(&own, r#"{"field":"full_name","value":"J"}"#), Ok(None));
    assert_eq!(json(&own, r#"{"value":"***","field":"full_name"}"#), Err(Denied::StandIn));
    for name in ["***", "*** 2"] {
        assert_eq!(json(&own, &format!(r#"{{"grades":{{"{name}":12}}}}"#)), Err(Denied::StandIn), "{name}");
    }
    assert_eq!(json(&own, r#"{"*** note":1}"#), Ok(None));
}
