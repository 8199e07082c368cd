//! Rules one by one, and attacks.

use std::sync::Arc;

use super::XmlRedactor;
use super::laws::{charter, key, redact_in};
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, PersonalData, Sees, Unknown,
};
use crate::redact::{Audience, Plan, Redact, RedactError, Task};
use crate::secret::Sensitive;

/// One category for each action, named by its field.
fn policy() -> Charter {
    let category = |name: &str, fields: &[&str], otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: fields.iter().map(|&field| field.into()).collect(),
        otherwise,
    };
    charter(vec![
        category("name", &["nom", "prénom", "displayName"], Action::Mask),
        category("email", &["mail", "e_mail", "emailaddress"], Action::Remove),
        category("phone", &["phone"], Action::Null),
        category("birth", &["birthDate"], Action::Generalise(Generalisation::Year)),
        category("gender", &["gender"], Action::Replace("<none> & \"co\"".into())),
        category("account", &["login"], Action::Pseudonym),
    ])
}

fn declared(
    record: &str,
    subject: &str,
    group: &str,
    fields: &[(&str, u8)],
    unknown: Unknown,
) -> PersonalData {
    PersonalData::Declared(Classification {
        records: vec![record.parse().unwrap()],
        subject: subject.parse().ok(),
        group: group.parse().ok(),
        fields: fields
            .iter()
            .map(|&(path, category)| FieldRule {
                path: path.parse().unwrap(),
                class: match category {
                    99 => FieldClass::NotPersonal,
                    category => FieldClass::Category(CategoryId(category)),
                },
            })
            .collect(),
        unknown,
        record_bytes: 4096,
        ..Classification::default()
    })
}

fn text(text: &str) -> Sensitive<Box<str>> {
    Sensitive::new(text.into())
}

/// What a document becomes for an audience, whole and byte by byte.
#[track_caller]
fn seen(data: &PersonalData, audience: Audience, document: impl AsRef<[u8]>) -> Result<String, RedactError> {
    let plan = Arc::new(Plan::compile(&policy(), data));
    let audience = Arc::new(audience);
    let whole = redact_in(plan.clone(), audience.clone(), document.as_ref(), usize::MAX);
    let cut = redact_in(plan, audience, document.as_ref(), 1);
    assert_eq!(whole.0.is_ok(), cut.0.is_ok());
    whole.0.map(|()| {
        assert_eq!(whole.1, cut.1, "cut");
        assert_eq!(whole.2, cut.2, "counts");
        String::from_utf8(whole.1).unwrap()
    })
}

#[track_caller]
fn nobody(document: &str) -> Result<String, RedactError> {
    seen(&PersonalData::Undeclared, Audience::default(), document)
}

#[track_caller]
fn becomes(document: &str, expected: &str) {
    assert_eq!(nobody(document).as_deref(), Ok(expected), "{document}");
}

#[test]
fn elements_are_hidden_by_every_action() {
    becomes("<u><nom>Jean</nom></u>", "<u><nom>***</nom></u>");
    becomes("<u> <mail>j@x.fr</mail> </u>", "<u>  </u>");
    becomes("<u><phone>06</phone></u>", "<u><phone></phone></u>");
    becomes("<u><birthDate> 2012-05-17 </birthDate></u>", "<u><birthDate>2012</birthDate></u>");
    becomes("<u><birthDate>mai</birthDate></u>", "<u><birthDate></birthDate></u>");
    becomes("<u><gender>f</gender></u>", "<u><gender>&lt;none&gt; &amp; &quot;co&quot;</gender></u>");
    let token = nobody("<u><login>jean</login><login><![CDATA[je]]>&#97;<!-- x -->n</login></u>").unwrap();
    let tokens: Vec<&str> = token.split(&['<', '>'][..]).filter(|part| part.starts_with("p_")).collect();
    assert_eq!(tokens.len(), 2, "{token}");
    assert_eq!(tokens[0], tokens[1]);
    // Nothing to hide.
    becomes("<u><nom/><nom></nom><phone/></u>", "<u><nom/><nom></nom><phone/></u>");
}

#[test]
fn attributes_are_members() {
    becomes(r#"<u nom="Jean" x='1'/>"#, r#"<u nom="***" x='1'/>"#);
    becomes(r#"<u x="1" mail = 'j@x.fr' y="2"/>"#, r#"<u x="1" y="2"/>"#);
    becomes(r#"<u phone="06">t</u>"#, "<u>t</u>");
    becomes("<u gender='f'/>", "<u gender='&lt;none&gt; &amp; &quot;co&quot;'/>");
    becomes("<u birthDate='20&#49;2-05-17'/>", "<u birthDate='2012'/>");
    becomes("<u p:NOM='Jean' xmlns:p='urn:p'/>", "<u p:NOM='***' xmlns:p='urn:p'/>");
}

#[test]
fn no_spelling_hides_a_name() {
    for name in ["NOM", "Nom", "n-o-m", "p:nom", "P:N_O_M", "prénom", "PRÉNOM", "display-name"] {
        becomes(&format!("<u><{name}>J</{name}></u>"), &format!("<u><{name}>***</{name}></u>"));
    }
}

#[test]
fn mixed_content_is_one_value() {
    becomes("<u><nom>Je<b>a<i>n</i></b><!-- c --> D</nom></u>", "<u><nom>***</nom></u>");
    becomes("<u><mail>a<b>b</b></mail><c/></u>", "<u><c/></u>");
    // What else stands on a hidden element is of the same person.
    becomes(
        "<u><nom x='Jean' xmlns='urn:n' xsi:nil='false'>J</nom></u>",
        "<u><nom xmlns='urn:n' xsi:nil='false'>***</nom></u>",
    );
    becomes("<nom><b>J</b></nom>", "<nom>***</nom>");
    becomes("<mail x='1'>j@x.fr<b/></mail>", "<mail></mail>");
}

#[test]
fn attributes_name_contents() {
    becomes(
        r#"<s:Attribute Name="urn:oid:2.16.840.1.113730.3.1.241" FriendlyName="displayName" NameFormat="f"><s:AttributeValue xsi:type="xs:string">Jean</s:AttributeValue> <s:AttributeValue>J</s:AttributeValue></s:Attribute>"#,
        r#"<s:Attribute FriendlyName="displayName" NameFormat="f"><s:AttributeValue xsi:type="xs:string">***</s:AttributeValue> <s:AttributeValue>***</s:AttributeValue></s:Attribute>"#
            .replace("<s:Attribute ", "<s:Attribute Name=\"***\" ").as_str(),
    );
    becomes(
        r#"<a><attribute name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"><value>j@x.fr</value></attribute></a>"#,
        "<a></a>",
    );
    becomes(r#"<a><property name="nom" value="Jean"/></a>"#, r#"<a><property name="nom" value="***"/></a>"#);
    becomes(r#"<a><p key="&#110;om"> Jean </p></a>"#, r#"<a><p key="&#110;om"> ***</p></a>"#);
    becomes(r#"<a><p id="NOM">Jean<v>J</v>D</p></a>"#, r#"<a><p id="NOM"><v>***</v>***</p></a>"#);
    // The stricter of two words.
    becomes(r#"<a><nom name="mail">x</nom></a>"#, "<a></a>");
    becomes(r#"<a><x name="nom" key="mail">x</x></a>"#, "<a></a>");
    becomes(r#"<a><p name="other">Jean</p></a>"#, r#"<a><p name="other">Jean</p></a>"#);
}

#[test]
fn what_is_not_hidden_leaves_as_it_came() {
    for document in [
        "<a/>",
        "\u{feff}<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\r\n<a  x = \"1\"\n y='&lt;\"'>\t]] &#x6a;<![CDATA[<b>]]]]><![CDATA[>]]></a >\n",
        "<a xmlns:p='urn:p'><p:b>é€😀</p:b></a>",
    ] {
        becomes(document, document);
    }
    becomes("<?p x?><!-- a - b --><a>1<?php echo '?'?>2<!--><!- >--></a><!---->", "<a>12</a>");
}

#[test]
fn what_is_not_well_formed_is_refused() {
    use RedactError::{Malformed, NotUtf8, TooDeep, TooLong, Truncated};
    let deep = "<a>".repeat(129);
    let long = format!("<a x='{}'/>", "x".repeat(70_000));
    let many = format!("<a{}/>", (0..129).map(|n| format!(" a{n}=''")).collect::<String>());
    let name = format!("<{}/>", "n".repeat(1025));
    let declaration = format!("<?xml {}?><a/>", " ".repeat(1100));
    for (document, error) in [
        ("", Truncated),
        (" ", Truncated),
        ("<", Truncated),
        ("<a>", Truncated),
        ("<a></a", Truncated),
        ("<a/><!-- ", Truncated),
        ("<a><![CDATA[x</a>", Truncated),
        ("<?xml version='1.0'", Truncated),
        ("text", Malformed),
        ("<a/>text", Malformed),
        ("<a/>&#32;", Malformed),
        ("<a/><![CDATA[]]>", Malformed),
        ("<a/><b/>", Malformed),
        ("<a></b>", Malformed),
        ("<a><b></a></b>", Malformed),
        ("</a>", Malformed),
        ("<a></p:a>", Malformed),
        ("<A></a>", Malformed),
        ("< a/>", Malformed),
        ("<a></ a>", Malformed),
        ("<a b/>", Malformed),
        ("<a b=1/>", Malformed),
        ("<a b='1'c='2'/>", Malformed),
        ("<a b='1' b='2'/>", Malformed),
        ("<a b='<'/>", Malformed),
        ("<a b='&x;'/>", Malformed),
        ("<a b='&#106'/>", Malformed),
        ("<a/ >", Malformed),
        ("<a / >", Malformed),
        ("<a/b='1'>", Malformed),
        ("<>", Malformed),
        ("<1/>", Malformed),
        ("<a:b:c/>", Malformed),
        ("<:a/>", Malformed),
        ("<a>]]></a>", Malformed),
        ("<a>&nbsp;</a>", Malformed),
        ("<a>&</a>", Malformed),
        ("<a>& b;</a>", Malformed),
        ("<a>&#0;</a>", Malformed),
        ("<a>&#xFFFE;</a>", Malformed),
        ("<a>\0</a>", Malformed),
        ("<a>\u{1}</a>", Malformed),
        ("<a>\u{ffff}</a>", Malformed),
        ("<a x='\u{8}'/>", Malformed),
        ("<!-- a -- b --><a/>", Malformed),
        ("<!-- a ---><a/>", Malformed),
        ("<!DOCTYPE a><!DOCTYPE a><a/>", Malformed),
        ("x<!DOCTYPE a><a/>", Malformed),
        ("<a/><!DOCTYPE a>", Malformed),
        ("<a><!DOCTYPE a></a>", Malformed),
        ("<!DOCTYPE a><?xml version='1.0'?><a/>", Malformed),
        ("<!DOCTYPE a SYSTEM 'b' []><a/>", Malformed),
        ("<!DOCTYPE a PUBLIC 'b' 'c'><a>&nbsp;</a>", Malformed),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", Malformed),
        ("<!doctype html><html/>", Malformed),
        ("<a><!ELEMENT b></a>", Malformed),
        ("<a><![cdata[x]]></a>", Malformed),
        ("<a><![INCLUDE[x]]></a>", Malformed),
        (" <?xml version='1.0'?><a/>", Malformed),
        ("<a/><?xml version='1.0'?>", Malformed),
        ("<?XML version='1.0'?><a/>", Malformed),
        ("<?xml version='1.1'?><a/>", Malformed),
        ("<?xml encoding='utf-8'?><a/>", Malformed),
        ("<?xml version='1.0' standalone='yes' encoding='utf-8'?><a/>", Malformed),
        ("<?xml version='1.0'encoding='utf-8'?><a/>", Malformed),
        ("<?xml version='1.0' encoding='utf-8' x='y'?><a/>", Malformed),
        ("<?xml version='1.0' encoding='utf-16'?><a/>", NotUtf8),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", NotUtf8),
        ("<?xml version='1.0' encoding='shift_jis'?><a/>", NotUtf8),
        ("\u{feff}<?xml version='1.0' encoding='latin1'?><a/>", NotUtf8),
        ("\u{feff}\u{feff}<a/>", Malformed),
        ("<??><a/>", Malformed),
        ("<?a?b?><a/>", Malformed),
        (&deep, TooDeep),
        (&long, TooLong),
        (&many, TooLong),
        (&name, TooLong),
        (&declaration, TooLong),
        ("<a name='prÃ©nom'/>", Malformed),
    ] {
        assert_eq!(nobody(document), Err(error), "{}", document.chars().take(80).collect::<String>());
    }
    for bytes in
        [&b"\xff\xfe<\0a\0/\0>\0"[..], b"\xfe\xff\0<\0a\0/\0>", b"<a>\xe9</a>", b"<a>\xc3", b"<\0a\0/\0>\0"]
    {
        assert!(seen(&PersonalData::Undeclared, Audience::default(), bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn one_byte_encodings_leave_as_utf_8() {
    let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"no\"?>\n<u><pr\xe9nom>L\xe9a</pr\xe9nom><x>\xe9</x></u>";
    assert_eq!(
        seen(&PersonalData::Undeclared, Audience::default(), latin).as_deref(),
        Ok(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<u><prénom>***</prénom><x>é</x></u>"
        )
    );
    // A declaration that lies about UTF-8.
    let lie = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><u><p name=\"pr\xc3\xa9nom\">L</p></u>";
    assert_eq!(seen(&PersonalData::Undeclared, Audience::default(), lie), Err(RedactError::Malformed));
}

#[test]
fn a_type_that_declares_nothing_is_left_out() {
    let plist = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                 \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist><nom>Jean</nom><x>1</x></plist>";
    assert_eq!(
        nobody(plist).as_deref(),
        Ok("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<plist><nom>***</nom><x>1</x></plist>")
    );
    for (document, expected) in
        [("<!DOCTYPE a><a/>", "<a/>"), ("<!-- x --><?y z?><!DOCTYPE a SYSTEM '>[<'><a>b</a>", "<a>b</a>")]
    {
        assert_eq!(nobody(document).as_deref(), Ok(expected), "{document}");
    }
    let long = format!("<!DOCTYPE a SYSTEM '{}'><a/>", "b".repeat(super::MAX_TAG));
    assert_eq!(nobody(&long), Err(RedactError::TooLong));
}

#[test]
fn what_nobody_classified_does_not_leave() {
    let data = declared(
        "$.users.user",
        "id",
        "class",
        &[("id", 99), ("nom", 0), ("$.users.count", 99), ("bag", 99)],
        Unknown::Deny,
    );
    let document = "<users page='1'>\n  <count>1</count>\n  <user id='7' x='secret'>\n    <nom>Jean</nom>\n    <other k='v'>secret</other>\n    <list><item>secret</item><nom>Jean</nom></list>\n    <void/>\n    <bag><thing y='1'>kept</thing></bag> secret\n  </user>\n</users>";
    assert_eq!(
        seen(&data, Audience::default(), document).as_deref(),
        Ok(
            "<users>\n  <count>1</count>\n  <user id='7'>\n    <nom>***</nom>\n    \n    <list><nom>***</nom></list>\n    \n    <bag><thing y='1'>kept</thing></bag> </user>\n</users>"
        )
    );
    let all =
        Audience { sees: Sees { any: CategorySet(0b11_1111), ..Sees::default() }, ..Audience::default() };
    assert_eq!(seen(&data, all, document).as_deref(), Ok(document));
    let data = declared("$.users.user", "id", "class", &[("id", 99)], Unknown::Report);
    let plan = Arc::new(Plan::compile(&policy(), &data));
    let (result, out, tally) =
        redact_in(plan, Arc::default(), b"<users><user id='7' x='y'><z> t <b>t</b></z></user></users>", 3);
    assert_eq!(
        (result, out.as_slice()),
        (Ok(()), &b"<users><user id='7' x='y'><z> t <b>t</b></z></user></users>"[..])
    );
    assert_eq!(tally.unknown, 3, "an attribute and two texts");
}

#[test]
fn records_are_somebodys() {
    let data = declared("$..user", "id", "class", &[("$..p", 99)], Unknown::Pass);
    let audience = || Audience {
        sees: Sees {
            own: CategorySet(0b11_1111),
            group: CategorySet(0b1),
            ward: CategorySet(0b10),
            any: CategorySet::default(),
        },
        today: None,
        subject: Some(text("7")),
        groups: vec![text("6eA")],
        wards: vec![text("9")],
    };
    for (record, expected) in [
        ("<user id='7'><nom>J</nom></user>", None),
        ("<user><nom>J</nom><id>7</id></user>", None),
        ("<user><nom>J</nom><mail>m</mail><id> <![CDATA[7]]>\n</id></user>", None),
        ("<user><nom>J</nom><property name='id' value='7'/></user>", None),
        ("<user><nom>J</nom><p name='id'>7</p></user>", None),
        ("<user id='8'><nom>J</nom></user>", Some("<user id='8'><nom>***</nom></user>")),
        ("<user id='7'><nom>J</nom><id>8</id></user>", Some("<user id='7'><nom>***</nom><id>8</id></user>")),
        ("<user><nom>J</nom><id>7<b/></id></user>", Some("<user><nom>***</nom><id>7<b/></id></user>")),
        ("<user nom='J'><class>6eA</class></user>", None),
        (
            "<user class='6eA'><nom>J</nom><mail>m</mail></user>",
            Some("<user class='6eA'><nom>J</nom></user>"),
        ),
        ("<user><mail>m</mail><id>9</id></user>", None),
        // A record inside another is its own.
        (
            "<user id='7'><nom>J</nom><user id='8'><nom>K</nom></user></user>",
            Some("<user id='7'><nom>J</nom><user id='8'><nom>***</nom></user></user>"),
        ),
        (
            "<user><nom>J</nom><user id='7'><nom>K</nom></user></user>",
            Some("<user><nom>***</nom><user id='7'><nom>K</nom></user></user>"),
        ),
        // Somebody else in it, who is no record.
        (
            "<user id='7'><nom>J</nom><friend id='8' nom='K'><nom>K</nom><a><nom>K</nom></a></friend><a nom='J'/></user>",
            Some(
                "<user id='7'><nom>J</nom><friend id='8' nom='***'><nom>***</nom><a><nom>***</nom></a></friend><a nom='J'/></user>",
            ),
        ),
        (
            "<user><a><friend><nom>K</nom><id>8</id></friend><nom>J</nom></a><id>7</id></user>",
            Some("<user><a><friend><nom>***</nom><id>8</id></friend><nom>J</nom></a><id>7</id></user>"),
        ),
        (
            "<user id='7'><friend><nom>K</nom><property name='id' value='8'/></friend></user>",
            Some("<user id='7'><friend><nom>***</nom><property name='id' value='8'/></friend></user>"),
        ),
        ("<user id='7'><profile id='7'><nom>J</nom></profile></user>", None),
        (
            "<user><class>6eA</class><friend id='8'><nom>K</nom></friend><friend id='9'><class>6eA</class><nom>L</nom></friend></user>",
            Some(
                "<user><class>6eA</class><friend id='8'><nom>***</nom></friend><friend id='9'><class>6eA</class><nom>L</nom></friend></user>",
            ),
        ),
    ] {
        let document = format!("<users>{record}{record}<nom>J</nom></users>");
        let expected = expected.unwrap_or(record);
        let expected = format!("<users>{expected}{expected}<nom>***</nom></users>");
        assert_eq!(seen(&data, audience(), document).as_deref(), Ok(expected.as_str()), "{record}");
    }
    // Longer than its bound: nobody's.
    let filler = "x".repeat(5000);
    let document =
        format!("<users><user id='7'><nom>J</nom><x>{filler}</x></user><user id='7' nom='J'/></users>");
    let expected =
        format!("<users><user id='7'><nom>***</nom><x>{filler}</x></user><user id='7' nom='J'/></users>");
    assert_eq!(seen(&data, audience(), document).as_deref(), Ok(expected.as_str()));
}

#[test]
fn memory_does_not_grow_with_the_document() {
    let data = declared("$.users.user", "id", "class", &[], Unknown::Deny);
    let audience = Audience {
        sees: Sees { own: CategorySet(0b11_1111), ..Sees::default() },
        subject: Some(text("7")),
        ..Audience::default()
    };
    let task =
        Task { plan: Arc::new(Plan::compile(&policy(), &data)), audience: Arc::new(audience), key: key() };
    let mut redactor = XmlRedactor::new(task);
    let mut out = Vec::new();
    redactor.push(b"<users>", &mut out).unwrap();
    for number in 0..20_000 {
        let user = format!(
            "<user id='{number}'><!-- {number} --><nom>Jean</nom><x>{number}</x><login>j</login></user>"
        );
        redactor.push(user.as_bytes(), &mut out).unwrap();
        out.clear();
    }
    for _ in 0..2000 {
        redactor.push(b"<!--", &mut out).unwrap();
        redactor.push(&[b'c'; 1000], &mut out).unwrap();
        redactor.push(b"--><nom>", &mut out).unwrap();
        redactor.push(&[b'c'; 1000], &mut out).unwrap();
        redactor.push(b"</nom>", &mut out).unwrap();
        out.clear();
    }
    redactor.push(b"<nom>", &mut out).unwrap();
    for _ in 0..2000 {
        redactor.push(&[b'c'; 1000], &mut out).unwrap();
    }
    assert!(redactor.capacity() < 512 * 1024, "{}", redactor.capacity());
    // An error is repeated, and nothing leaves behind it.
    out.clear();
    assert_eq!(redactor.push(b"</nomm>", &mut out), Err(RedactError::Malformed));
    assert_eq!(redactor.push(b"</nom>", &mut out), Err(RedactError::Malformed));
    assert_eq!(redactor.finish(&mut out), Err(RedactError::Malformed));
    assert!(out.is_empty());
}
