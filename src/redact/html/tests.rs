use std::sync::Arc;

use super::HtmlRedactor;
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, DetectorKind, DetectorKinds,
    FieldClass, FieldRule, LooseFormat, PersonalData, RecipientId, Sees, Unknown,
};
use crate::redact::{Audience, Charset, Format, Plan, Redact, RedactError, Tally, Task};
use crate::secret::{Domain, MasterSecret, Sensitive};

/// A charter of four categories: masked names, addresses, telephone numbers that go, notes that another text replaces.
fn charter() -> Charter {
    let category = |name: &str, fields: &[&str], detect, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect,
        fields: fields.iter().map(|&field| field.into()).collect(),
        otherwise,
    };
    let kind = |kind| DetectorKinds::NONE.with(kind);
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", &["nom", "prénom", "full_name"], DetectorKinds::NONE, Action::Mask),
            category("email", &["email", "courriel"], kind(DetectorKind::Email), Action::Mask),
            category("phone", &["telephone"], kind(DetectorKind::Phone), Action::Remove),
            category("note", &["note"], DetectorKinds::NONE, Action::Replace("<r> \"é\"".into())),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn task(unknown: Unknown, audience: Audience) -> Task {
    let rule = |path: &str| FieldRule { path: path.parse().unwrap(), class: FieldClass::NotPersonal };
    let data = PersonalData::Declared(Classification {
        records: vec!["$".parse().unwrap(), "$[*]".parse().unwrap()],
        subject: "id".parse().ok(),
        group: "classe".parse().ok(),
        fields: ["id", "classe", "titre", "sesskey"].map(rule).into(),
        formats: vec![LooseFormat::Html],
        unknown,
        record_bytes: 1024,
        ..Classification::default()
    });
    Task {
        plan: Arc::new(Plan::compile(&charter(), &data)),
        audience: Arc::new(audience),
        key: Arc::new(MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "")),
    }
}

fn run(task: &Task, charset: Charset, page: &[u8], size: usize) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let mut redactor = Format::Html(charset).redactor(task.clone());
    let mut out = Vec::new();
    let pushed = page.chunks(size.max(1)).try_for_each(|chunk| redactor.push(chunk, &mut out));
    let result = pushed.and_then(|()| redactor.finish(&mut out));
    (result, out, redactor.tally())
}

/// What leaves, however the page is cut.
#[track_caller]
fn redact_for(task: &Task, page: &str) -> Result<String, RedactError> {
    let (result, out, tally) = run(task, Charset::Utf8, page.as_bytes(), page.len());
    for size in [1, 2, 7] {
        let cut = run(task, Charset::Utf8, page.as_bytes(), size);
        assert_eq!(cut.0.is_ok(), result.is_ok(), "{page} by {size}: {:?} {result:?}", cut.0);
        if result.is_ok() {
            assert_eq!(String::from_utf8_lossy(&cut.1), String::from_utf8_lossy(&out), "{page} by {size}");
            assert_eq!(cut.2, tally, "{page} by {size}");
        }
    }
    result.map(|()| String::from_utf8(out).unwrap())
}

fn denied(page: &str) -> Result<String, RedactError> {
    redact_for(&task(Unknown::Deny, Audience::default()), page)
}

fn passed(page: &str) -> Result<String, RedactError> {
    redact_for(&task(Unknown::Pass, Audience::default()), page)
}

#[track_caller]
fn all_leave(read: fn(&str) -> Result<String, RedactError>, cases: &[(&str, &str)]) {
    let differ = |(page, expected): &&(&str, &str)| read(page).as_deref() != Ok(*expected);
    let wrong: Vec<_> =
        cases.iter().filter(differ).map(|(page, expected)| (page, read(page), expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn fields_of_forms_are_judged_by_their_names() {
    all_leave(
        denied,
        &[
            ("<input name=nom value=Jean>", "<input name=nom value=\"***\">"),
            ("<INPUT VALUE='Je&#97;n' NAME=\"Nom\" class=c>", "<INPUT VALUE=\"***\" NAME=\"Nom\" class=c>"),
            ("<input id=id_nom value=Jean data-old=Jean title=Jean>", "<input id=id_nom value=\"***\">"),
            (
                "<input name=x autocomplete='section-a email' value=a@b>",
                "<input name=x autocomplete='section-a email' value=\"***\">",
            ),
            ("<input name='user[nom]' value=Jean>", "<input name='user[nom]' value=\"***\">"),
            (
                "<input name=id value=7><input type=text name=nom value=''>",
                "<input name=id value=7><input type=text name=nom value=''>",
            ),
            ("<input name=other value=Jean>", "<input name=other>"),
            ("<input value=Jean>", "<input>"),
            ("<input name=nom vlue=Jean>", "<input name=nom>"),
            (
                "<input name=x vlue=Jean onclick='a()' data-x=1 :a=b>",
                "<input name=x onclick='a()' data-x=1 :a=b>",
            ),
            ("<input type=radio name=telephone value=a checked>", "<input type=radio name=telephone>"),
            ("<input type=checkbox name=other checked>", "<input type=checkbox name=other>"),
            (
                "<input type=submit value='Envoyer'><button name=go value=1>ok</button>",
                "<input type=submit value='Envoyer'><button name=go>ok</button>",
            ),
            ("<textarea name=nom>\nJean</textarea>", "<textarea name=nom>***</textarea>"),
            (
                "<textarea name=note rows=3>x</textarea>",
                "<textarea name=note rows=3>&lt;r&gt; &quot;é&quot;</textarea>",
            ),
            ("<textarea name=other>Jean</textarea>", "<textarea name=other></textarea>"),
            (
                "<textarea name=titre>a <b> &lt;b></TEXTAREA >",
                "<textarea name=titre>a &lt;b> &lt;b></TEXTAREA >",
            ),
            (
                "<select name=nom><option value=1 selected>Jean<option>Anne</select>x",
                "<select name=nom></select>x",
            ),
            (
                "<select name=classe><option selected>6A</select>",
                "<select name=classe><option selected>6A</select>",
            ),
            ("<datalist id=x><option value=Jean></datalist>", "<datalist id=x></datalist>"),
            ("<output name=nom>Je<b>an</b></output>.", "<output name=nom>***</output>."),
            ("<ol><li value=3>x</ol>", "<ol><li value=3>x</ol>"),
            (
                "<meta name=viewport content=w><meta name=author content=Jean>",
                "<meta name=viewport content=w><meta name=author>",
            ),
        ],
    );
    all_leave(
        passed,
        &[
            ("<input name=other value=Jean>", "<input name=other value=Jean>"),
            (
                "<input name=other value='{\"nom\":\"Jean\"}'>",
                "<input name=other value=\"{&quot;nom&quot;:&quot;***&quot;}\">",
            ),
            ("<input name=other value='a@b.fr'>", "<input name=other value=\"***\">"),
            ("<textarea name=other>a@b.fr</textarea>", "<textarea name=other>***</textarea>"),
        ],
    );
}

#[test]
fn columns_are_judged_by_their_headings() {
    all_leave(
        denied,
        &[
            (
                "<table><tr><th>id<th>Nom<th>Ville<tr><td>7<td>Jean<td>Lyon</table>",
                "<table><tr><th>id<th>Nom<th><tr><td>7<td>***<td></table>",
            ),
            (
                "<TABLE><THEAD><TR><TH scope=col>Id</TH><TH><a href=?s>Pr&eacute;nom</a> / <a>Nom</a></TH></TR></THEAD><TBODY><TR><TD>7</TD><TD title=Jean class=c><b>Je</b>an<br>D.</TD></TR></TBODY></TABLE>",
                "<TABLE><THEAD><TR><TH scope=col></TH><TH><a href=?s>Pr&eacute;nom</a> / <a>Nom</a></TH></TR></THEAD><TBODY><TR><TD></TD><TD class=c>***</TD></TR></TBODY></TABLE>",
            ),
            (
                "<table><tr><td>id<td>Nom<tr><td>7<td>Jean</table>",
                "<table><tr><td>id<td>Nom<tr><td>7<td>***</table>",
            ),
            (
                "<table><tr><th>Nom</th><td>Jean</td></tr><tr><th>classe</th><td>6A</td></tr><tr><th>Ville</th><td>Lyon</td></tr></table>",
                "<table><tr><th>Nom</th><td>***</td></tr><tr><th>classe</th><td>6A</td></tr><tr><th></th><td></td></tr></table>",
            ),
            (
                "<table><tr><td>Nom<td>Jean<tr><td>Ville<td>Lyon</table>",
                "<table><tr><td>Nom<td>***<tr><td>***<td></table>",
            ),
            (
                "<table><tr><th colspan=2>titre<th>Nom<tr><td>a<td>b<td>Jean<tr><td colspan=2>c<td>Anne<tr><td>d<td colspan=2>Paul<tr><td>e<td>Eve<tr><td>f<td>g<td>h<td>Zoé</table>",
                "<table><tr><th colspan=2>titre<th>Nom<tr><td>a<td>b<td>***<tr><td colspan=2>c<td>***<tr><td>d<td colspan=2>***<tr><td><td><tr><td><td><td>***<td></table>",
            ),
            (
                "<table><tr><th>titre<th>Nom<tr><td rowspan=2>a<td>Jean<tr><td>Anne<tr><td>b<td>Paul</table>",
                "<table><tr><th>titre<th>Nom<tr><td rowspan=2>a<td>***<tr><td>***<tr><td>b<td>***</table>",
            ),
            (
                "<table><tr><td data-label=Nom>Jean<td data-label=titre>t</table>",
                "<table><tr><td data-label=Nom>***<td data-label=titre>t</table>",
            ),
            (
                "<table><caption>Liste a@b.fr</caption><tr><th>titre<tr><td><table><tr><th>Nom<tr><td>Jean</table></table>",
                "<table><caption>Liste ***</caption><tr><th>titre<tr><td><table><tr><th>Nom<tr><td>***</table></table>",
            ),
            (
                "<table><tr><th>Nom<tr><td><table><tr><td>Jean</table>x</table>",
                "<table><tr><th>Nom<tr><td>***</table>",
            ),
            (
                "<table><tr><th>Nom<input name=nom value=Jean><th>Nom, Jean<th><b>id</b></table>",
                "<table><tr><th><th><th><b>id</b></table>",
            ),
            (
                "<table><tr><th>titre<th>id<tr><td>Ville<input name=nom value=Jean><td>7</table>",
                "<table><tr><th>titre<th>id<tr><td>Ville<input name=nom value=\"***\"><td>7</table>",
            ),
            (
                "<dl><dt>Nom :</dt><dd>Je<i>an</i></dd><div><dt>titre<dd>t</div><dt>Ville<dd>Lyon</dl>",
                "<dl><dt>Nom :</dt><dd>***</dd><div><dt>titre<dd>t</div><dt><dd></dl>",
            ),
            (
                "<table><form><input type=hidden name=sesskey value=k><tr><th>titre<tr><td>t</tr></form></table>",
                "<table><form><input type=hidden name=sesskey value=k><tr><th>titre<tr><td>t</tr></form></table>",
            ),
        ],
    );
    all_leave(
        passed,
        &[
            ("<table><tr><th>Nom<tr><td>Jean<td>Paul</table>", "<table><tr><th>Nom<tr><td>***<td></table>"),
            (
                "<table><tr><th>Ville<th>x<tr><td>Lyon</table>",
                "<table><tr><th>Ville<th>x<tr><td>Lyon</table>",
            ),
            (
                "<table><tr><td>Ville<td>Lyon<tr><td>Nom<td>Jean</table>",
                "<table><tr><td>Ville<td>Lyon<tr><td>Nom<td>***</table>",
            ),
            ("<table><tr><td>a@b.fr<td>x</table>", "<table><tr><td>***<td>x</table>"),
        ],
    );
}

#[test]
fn text_is_looked_through() {
    all_leave(
        denied,
        &[
            ("<p>Écris à jean@x.fr.<p>Ou au 06 12 34 56 78 !", "<p>Écris à ***.<p>Ou au […] !"),
            ("jean&#64;x.fr jean&#0000000064;x&period;fr", "*** ***"),
            (
                "<pre>{&quot;nom&quot;: <b>\"Jean\"</b>}</pre><p>{nom: 'Jean'}<p>{{nom}}",
                "<pre>{&quot;nom&quot;: &quot;***&quot;}<b></b></pre><p><p>{{nom}}",
            ),
            (
                "<img src=/logo@2x.png srcset='/a@3x.webp 3x'>",
                "<img src=/logo@2x.png srcset='/a@3x.webp 3x'>",
            ),
            ("<a href=\"javascript:f({nom:'Jean'})\" onclick='g()'>", "<a onclick='g()'>"),
            ("<b>jean</b>@<i>x.fr</i>", "***</b><i></i>".replace("***", "<b>***").as_str()),
            ("Tél<b>06 12 34 56 78</b>", "Tél<b>[…]</b>"),
            ("jean<!-- x -->@x.fr", "***<!---->"),
            ("<a href='mailto:jean@x.fr?subject=a'>x</a>", "<a href=\"mailto:***?subject=a\">x</a>"),
            ("<a href=/u?nom=Jean&id=7#email=a>x</a>", "<a href=\"/u?nom=&amp;id=7#email=\">x</a>"),
            ("<a href='/u?n%6Fm=Jean'>x</a>", "<a href=\"/u?n%6Fm=\">x</a>"),
            ("<img alt='a@b.fr' src=/x.png>", "<img alt=\"***\" src=/x.png>"),
            (
                "<p data-nom=Jean data-x=1 data-user='{\"nom\":\"Jean\"}'>",
                "<p data-nom=\"***\" data-x=1 data-user=\"{&quot;nom&quot;:&quot;***&quot;}\">",
            ),
            ("<user-card full-name=Jean class=c />", "<user-card full-name=\"***\" class=c />"),
            ("<p x-data=\"{nom: 'Jean'}\" :class=\"{a: b}\">", "<p :class=\"{a: b}\">"),
            ("<iframe srcdoc='<p>Jean'>Jean</iframe>", "<iframe></iframe>"),
            ("<title>a@b.fr &lt; <b></title>", "<title>*** &lt; &lt;b&gt;</title>"),
            (
                "<span itemprop=\"schema:email name\">Jean</span> b",
                "<span itemprop=\"schema:email name\">***</span> b",
            ),
            (
                "<!-- Jean --><!----><!-- $ --><p>< b <3 </ x><?php Jean?><!x>",
                "<!----><!----><!-- $ --><p>< b <3 <!----><!----><!---->",
            ),
            (
                "<svg viewBox='0 0 9 9'><path d='M06 12 34 56 78'/><text>a@b.fr</text><![CDATA[<b>]]></svg>",
                "<svg viewBox='0 0 9 9'><path d='M06 12 34 56 78'/><text>***</text>&lt;b&gt;</svg>",
            ),
            ("<noscript><img alt='<x>'></noscript>", "<noscript><img alt=\"&lt;x&gt;\"></noscript>"),
            (
                "<!DOCTYPE html><html><body class=a>x</p></div></body></html>\n",
                "<!DOCTYPE html><html><body class=a>x</p></div></body></html>\n",
            ),
            ("\u{feff}<p>é", "\u{feff}<p>é"),
            ("</p jean@x.fr><p>R&D & <b>", "</p><p>R&D & <b>"),
        ],
    );
}

#[test]
fn names_beside_values_are_read_in_lines() {
    let both: &[(&str, &str)] = &[
        ("<p>Nom : Jean Dupont</p><p>x</p>", "<p>Nom : ***</p><p>x</p>"),
        ("<li>Nom&nbsp;: J. <b>Dupont</b>, né", "<li>Nom&nbsp;: ***<b></b>"),
        ("<b>Nom :</b> Jean<br>Bonjour", "<b>Nom :</b> ***<br>Bonjour"),
        ("<strong>E-mail</strong>: j at x<br>", "<strong>E-mail</strong>: ***<br>"),
        ("<strong>Courriel</strong>: j at x<br>", "<strong>Courriel</strong>: ***<br>"),
        (
            "<span class=label>Nom</span><span class=value>Jean</span>",
            "<span class=label>Nom</span><span class=value>***</span>",
        ),
        ("<label>Nom <span title=Jean>Jean</span></label>", "<label>Nom <span>***</span></label>"),
        (
            "<label for=x>Nom</label> <p>fin <p><span id=x>Jean</span> a dit",
            "<label for=x>Nom</label> <p>fin <p><span id=x>***</span> a dit",
        ),
        ("<p id=l>Nom</p>", "<p id=l>Nom</p>"),
        ("<b>Nom</b> Jean <b>classe</b> 6A", "<b>Nom</b> *** <b>classe</b> 6A"),
        ("<p>Prénom : Jean, titre : x, Nom : Roux</p>", "<p>Prénom : ***, titre : x, Nom : ***</p>"),
        ("<div>Nom</div>\n<div>Jean</div><div>x</div>", "<div>Nom</div>\n<div>***</div><div>x</div>"),
        ("<p><b>Nom</b></p><p>Jean<br>Dupont</p><p>x", "<p><b>Nom</b></p><p>***<br>***</p><p>x"),
        ("<li>Nom :</li><li>Jean</li><li>x", "<li>Nom :</li><li>***</li><li>x"),
        ("<b>Telephone :</b><br>zéro six<br>x</p>y", "<b>Telephone :</b><br><br></p>y"),
        ("<td-x>Nom : Jean</td-x>", "<td-x>Nom : ***</td-x>"),
        (
            "<img alt='Nom : Jean' src=x><i title=\"Nom : Jean\">",
            "<img alt=\"Nom : ***\" src=x><i title=\"Nom : ***\">",
        ),
        ("<title>Nom : Jean</title>", "<title>Nom : ***</title>"),
        // What names nothing hidden, and what is no value.
        ("<p>titre : Jean</p><p>http://nom://x", "<p>titre : Jean</p><p>http://nom://x"),
        ("<a href=?s>Nom</a> / <a href=?p>Prénom</a>", "<a href=?s>Nom</a> / <a href=?p>Prénom</a>"),
        ("<a href=?s>Nom</a> trie la liste", "<a href=?s>Nom</a> trie la liste"),
        ("<li>Nom</li><li>Date</li>", "<li>Nom</li><li>Date</li>"),
        ("<h2>Nom</h2><p>Choisissez</p>", "<h2>Nom</h2><p>Choisissez</p>"),
        (
            "<label>Nom <em>*</em></label><label>Nom <i>(obligatoire)</i></label>",
            "<label>Nom <em>*</em></label><label>Nom <i>(obligatoire)</i></label>",
        ),
        ("<p>Cliquez sur <b>Nom</b> pour trier", "<p>Cliquez sur <b>Nom</b> pour trier"),
        (
            "<label>Nom</label><input name=titre value=x> aide",
            "<label>Nom</label><input name=titre value=x> aide",
        ),
    ];
    all_leave(denied, both);
    all_leave(passed, both);
    all_leave(
        passed,
        &[
            (
                "<label for=x>Nom</label><br><input id=x name=f3 value=Jean>",
                "<label for=x>Nom</label><br><input id=x name=f3 value=\"***\">",
            ),
            (
                "<label>Nom <input name=f3 value=Jean></label><input name=f4 value=x>",
                "<label>Nom <input name=f3 value=\"***\"></label><input name=f4 value=x>",
            ),
            (
                "<label>Nom</label><input type=hidden name=k value=v><textarea name=f3>Jean</textarea>",
                "<label>Nom</label><input type=hidden name=k value=v><textarea name=f3>***</textarea>",
            ),
            ("<b>Nom</b>", "<b>Nom</b>"),
            ("<table><tr><td>x<td><b>Nom :</b> Jean</table>", "<table><tr><td>x<td><b>Nom :</b> ***</table>"),
            (
                "<div class=nom><table><tr><td class=titre>x</table>y</div>",
                "<div class=nom><table><tr><td class=titre>x</table>y</div>",
            ),
        ],
    );
}

#[test]
fn classes_and_links_say_what_is_shown() {
    let both: &[(&str, &str)] = &[
        ("<div class=\"col user-email\">j at x</div> y", "<div class=\"col user-email\">***</div> y"),
        (
            "<span class=fullname title=Jean>Jean <b>D</b></span> a écrit",
            "<span class=fullname>***<b></b></span> a écrit",
        ),
        (
            "<p><span class=full-name>Jean <span>D</span></span> a",
            "<p><span class=full-name>***<span></span></span> a",
        ),
        ("<h1 id=user_full_name>Jean</h1><p>x", "<h1 id=user_full_name>***</h1><p>x"),
        (
            "<div class=fullName><span>Jean</span><br>Dupont</div>x",
            "<div class=fullName><span>***</span><br>***</div>x",
        ),
        ("<div class=nom><p>Jean<p>Dupont</div><p>x", "<div class=nom><p>***<p>***</div><p>x"),
        (
            "<div class=nom><div>Nom</div><div>Jean</div></div>x",
            "<div class=nom><div>Nom</div><div>***</div></div>x",
        ),
        (
            "<table><tr><td class=field-nom>Jean<td class=x></table>",
            "<table><tr><td class=field-nom>***<td class=x></table>",
        ),
        ("<dl><dd class=user-nom>Jean</dl>", "<dl><dd class=user-nom>***</dl>"),
        ("<img class='userpicture' src=/u/3.png alt='Photo de Jean'>", "<img class='userpicture'>"),
        (
            "<a href='/user/view.php?id=3&amp;c=1' title='Jean D'>Jean D</a> a écrit",
            "<a href='/user/view.php?id=3&amp;c=1'>***</a> a écrit",
        ),
        (
            "<a href=/u/jd>Jean</a>, <a href=/u/jd>Voir le profil</a>",
            "<a href=/u/jd>***</a>, <a href=/u/jd>Voir le profil</a>",
        ),
        // A frame of the page, a control, a name.
        ("<div class=nom><form>x</form>y</div>z", "<div class=nom><form>x</form>y</div>z"),
        (
            "<section class=nom>x</section><button class=nom>x</button>",
            "<section class=nom>x</section><button class=nom>x</button>",
        ),
        (
            "<span class='btn-email'>x</span><span class=email-label>x</span>",
            "<span class='btn-email'>x</span><span class=email-label>x</span>",
        ),
        ("<span class=nom>Nom</span>", "<span class=nom>Nom</span>"),
        (
            "<a href=/user/profile.php>Jean</a><a href=/course/view.php?id=3>c</a>",
            "<a href=/user/profile.php>Jean</a><a href=/course/view.php?id=3>c</a>",
        ),
        ("<span class='titre nomade'>x</span>", "<span class='titre nomade'>x</span>"),
        ("<img class=icon alt='Aide'>", "<img class=icon alt='Aide'>"),
    ];
    all_leave(denied, both);
    all_leave(passed, both);
}

#[test]
fn a_value_in_a_long_line_goes_to_its_end() {
    let page = format!("<p>Nom : Jean{}</p><p>x", " <i>de la</i> Rue".repeat(20_000));
    let left = passed_in(&page, 4096);
    assert!(
        !left.contains("Jean") && !left.contains("Rue") && left.ends_with("</p><p>x"),
        "{}",
        &left[..200]
    );
    let page = format!("<p>{} Nom : Jean</p>", "un mot, ".repeat(20_000));
    assert_eq!(passed_in(&page, 1000), page.replace("Jean", "***"));
}

/// What leaves of a page that nobody should cut byte by byte.
#[track_caller]
fn passed_in(page: &str, size: usize) -> String {
    let task = task(Unknown::Pass, Audience::default());
    let (result, out, _) = run(&task, Charset::Utf8, page.as_bytes(), size);
    let (whole, all, _) = run(&task, Charset::Utf8, page.as_bytes(), page.len());
    assert_eq!((result, &out), (whole, &all));
    String::from_utf8(out).unwrap()
}

#[test]
fn scripts_are_documents_or_go() {
    all_leave(
        denied,
        &[
            (
                "<script type=application/ld+json>{\"nom\":\"Jean\",\"x\":\"<b>\"}</script>",
                "<script type=application/ld+json>{\"nom\":\"***\",\"x\":\"\\u003cb>\"}</script>",
            ),
            (
                "<script type=application/json>{\"a\":\"<b>\"}</script>",
                "<script type=application/json>{\"a\":\"<b>\"}</script>",
            ),
            (
                "<script type=application/json>{\"a\":\"x@y.fr\"}</script>",
                "<script type=application/json>{\"a\":\"***\"}</script>",
            ),
            ("<script type=application/json>{nom:1}</script>", "<script type=application/json></script>"),
            (
                "<script src=/a.js></script><script>var a='</b>';</script>",
                "<script src=/a.js></script><script></script>",
            ),
            ("<style>b{color:red}</style>", "<style>b{color:red}</style>"),
        ],
    );
    all_leave(
        passed,
        &[
            ("<script>var a='</b>', b = 1;</script>", "<script>var a='</b>', b = 1;</script>"),
            ("<script><!--\nvar a\n//--></script>", "<script><!--\nvar a\n//--></script>"),
            ("<script>(function(){a()})()</script>", "<script>(function(){a()})()</script>"),
            ("<script>/* MIT */ var a</script>", "<script>/* MIT */ var a</script>"),
            ("<script>var a = {\"nom\": 'Jean'}</script>", "<script></script>"),
            ("<script>var a = 'x@y.fr'</script>", "<script>var a = '***'</script>"),
        ],
    );
}

#[test]
fn what_readers_read_in_two_ways_is_refused() {
    for page in [
        "<p",
        "<!-- x",
        "<script>x",
        "<textarea name=nom>Jean",
        "a\0b",
        "<plaintext>",
        "<frameset>",
        "<input name=nom name=x value=Jean>",
        "<input name=nom value=Jean value=x>",
        "<p <b>",
        "<p a='x' 'y'>",
        "<td>Jean</td>",
        "<tr><td>Jean",
        "<table><tr><th>Nom<tr><td>Jean",
        "<table>Jean<tr><td>x</table>",
        "<table><tr><th>Nom</tr>Jean</table>",
        "<table><tr><th>Nom<tr><td>Je</td>an</table>",
        "<table><b><tr><td>x</table>",
        "<table><tr><td colspan=2x>x</table>",
        "<table><tr><td><svg><td>Jean</table>",
        "<table><tr><td/>x</table>",
        "<table><thead><tr><td>x</tbody><td>y</table>",
        "<table><table><tr><td>x</table>",
        "<table><tr><td><dl><dt>Nom<dd>Jean</table></dl>",
        "<dl><dt>Nom</dt><dd>Je</dd>an</dl>",
        "<dl>Jean</dl>",
        "<dd>Jean",
        "<select name=nom><option>Jean<input></select>",
        "<select name=nom><p>Jean</select>",
        "<span itemprop=nom><p></span>Jean</span>",
        "<span itemprop=nom>Jean",
        "<noscript><style><p></style></noscript>",
        "<noscript>x",
        "<template><tr><td>x</template>",
        "<svg><b>x</svg>",
        "<svg><title><b>x</b></title></svg>",
        "<svg><foreignObject>x</foreignObject></svg>",
        "<![CDATA[x]]>",
        "<textarea name=nom />Jean",
        "<script><!--<script></script>",
        "<meta charset=latin1>",
        "<meta http-equiv=Content-Type content='text/html; charset=utf-16'>",
        "<br/x=1>",
        "<dl><dt>titre</dt><dd>x</dd><!Nom</dt><dd>Jean</dd></dl>",
        "<input name=x &value=Jean>",
        "<input name=x val]]>Jean />",
        "<input name=nom value=]]>\"Jean\">",
        "<input name=nom valu>=Jean>",
        "<table><tr><th>titre<tr><td>x</tabl>table><tr><td>Jean</table>",
        "<table><tr><th>Nom<tr><td>x<tx>Jean</table>",
        "<textarea name=titre>x</textarea&<table><tr><th>Nom<tr><td>Jean</table><textarea></textarea>",
        "<title>x</tit><input name=nom value=Jean></title>",
        "<table><tr><th>titre<tr><td><table><tr><th>id<th>Nom<tr><td>7<td>8<td>Jean</table></table>",
        "<input name=nom> value=Jean>",
        "<input name=nom> title='Jean'>",
        "<slect name=nom><option>Jean</select>",
        "<textare name=nom>Jean</textarea>",
    ] {
        let read = denied(page);
        assert!(read.is_err(), "{page} became {read:?}");
    }
}

#[test]
fn a_row_is_whose_its_columns_say() {
    let set = |categories: &[u8]| {
        let mut set = CategorySet::default();
        categories.iter().for_each(|&category| set.insert(CategoryId(category)));
        set
    };
    let reader = Audience {
        sees: Sees { own: set(&[0, 1]), group: set(&[0]), ..Sees::default() },
        subject: Some(Sensitive::new("7".into())),
        groups: vec![Sensitive::new("6A".into())],
        ..Audience::default()
    };
    let task = task(Unknown::Deny, reader);
    let page = "<table><tr><th>Nom<th>Courriel<th>id<th>classe\
        <tr><td>Jean<td>a@x.fr<td> <b>7</b> <td>5B\
        <tr><td>Anne<td>b@x.fr<td>8<td>6A</tr>\
        <tr><td>Paul<td>c@x.fr<td>9<td>5B</table><p>d@x.fr";
    let expected = "<table><tr><th>Nom<th>Courriel<th>id<th>classe\
        <tr><td>Jean<td>a@x.fr<td> <b>7</b> <td>5B\
        <tr><td>Anne<td>***<td>8<td>6A</tr>\
        <tr><td>***<td>***<td>9<td>5B</table><p>***";
    assert_eq!(redact_for(&task, page).as_deref(), Ok(expected));
    // The row around a table says nothing of its rows.
    let inner =
        "<table><tr><th>id<th>titre<tr><td>7<td><table><tr><th>id<th>Nom<tr><td>8<td>Jean</table></table>";
    assert_eq!(redact_for(&task, inner), Ok(inner.replace("Jean", "***")));
    // Two subjects are nobody's; a row beyond its bound too.
    let two = "<table><tr><th>Nom<th>id<th>id<tr><td>Jean<td>7<td>8</table>";
    assert_eq!(
        redact_for(&task, two).as_deref(),
        Ok("<table><tr><th>Nom<th>id<th>id<tr><td>***<td>7<td>8</table>")
    );
    let long = "<b></b>".repeat(200);
    let page = format!("<table><tr><th>Nom<th>id<tr><td>Jean<td>7{long}<tr><td>Jean<td>7</table>");
    let expected = format!("<table><tr><th>Nom<th>id<tr><td>***<td>7{long}<tr><td>Jean<td>7</table>");
    assert_eq!(redact_for(&task, &page), Ok(expected));
}

#[test]
fn what_a_page_hid_is_found_in_the_rest_of_it() {
    all_leave(
        passed,
        &[
            (
                "<title>Jean Dupont – 6A</title><table><tr><th>Nom<tr><td>Jean <b>Dupont</b></table><p>Vu avec jean&nbsp;DUPONT, Jean <i>Dupont</i>.",
                "<title>*** – 6A</title><table><tr><th>Nom<tr><td>***</table><p>Vu avec ***, ***<i></i>.",
            ),
            (
                "<img alt='De Jean Dupont' src=/jean-dupont.png class=jean><input name=nom value='Jean Dupont'><a title='Jean Dupont' href=/>x</a><textarea name=x>A Jean Dupont</textarea>",
                "<img alt=\"De ***\" src=\"/***.png\" class=jean><input name=nom value=\"***\"><a title=\"***\" href=/>x</a><textarea name=x>A ***</textarea>",
            ),
            ("<p>Jean Dupont<p>Nom : Jean Dupont", "<p>***<p>Nom : ***"),
            ("<p>Jean Dupont<p>Nom : Jean Dupont<p>Prénom : Jean", "<p>***<p>Nom : ***<p>Prénom : ***"),
            ("<p>Anne Roux<span itemprop=nom>Anne Roux</span>", "<p>***<span itemprop=nom>***</span>"),
            // Too short, everyday words, code.
            (
                "<p class='Dupont'>Ali, Rose<p>Nom : Ali<p>Nom : Rose<p>Nom : Dupont<script>var Dupont = 1</script><style>.Dupont{}</style>",
                "<p class='Dupont'>Ali, Rose<p>Nom : ***<p>Nom : ***<p>Nom : ***<script>var Dupont = 1</script><style>.Dupont{}</style>",
            ),
        ],
    );
    // A page that is too long to wait for.
    let rest = "<p>Un texte qui ne dit rien de personne, et d'autres mots encore, assez pour remplir une ligne entière de cette page.".repeat(10_000);
    let page = format!("<p>Jean Dupont<p>Nom : Jean Dupont<p>Jean Dupont{rest}");
    assert_eq!(passed_in(&page, 5000), format!("<p>Jean Dupont<p>Nom : ***<p>***{rest}"));
}

#[test]
fn a_form_is_whose_its_fields_say() {
    let mut own = CategorySet::default();
    [0, 1].into_iter().for_each(|category| own.insert(CategoryId(category)));
    let reader = Audience {
        sees: Sees { own, ..Sees::default() },
        subject: Some(Sensitive::new("7".into())),
        ..Audience::default()
    };
    let task = task(Unknown::Deny, reader);
    let both = "<input name=nom value='Jean Dupont'><textarea name=email>jean@x.fr</textarea>";
    let gone = "<input name=nom value=\"***\"><textarea name=email>***</textarea>";
    let own = "<input type=hidden name=id value=7>";
    for (page, hides) in [
        (format!("<form>{own}BOTH</form>"), false),
        (format!("<form>BOTH{own}"), false),
        (format!("<form><table><tr><th>Nom<td>BOTH{own}</table></form>"), false),
        (format!("<form><dl><dt>Nom<dd>BOTH{own}</dl></form>"), false),
        (format!("<form><div><label>Nom</label>BOTH</div>{own}</form><p>x"), false),
        (format!("BOTH<form>{own}</form>"), true),
        (format!("<form>{own}</form>BOTH"), true),
        (format!("<form>{own}</form><form>BOTH</form>"), true),
        ("<form><input type=hidden name=id value=8>BOTH</form>".to_owned(), true),
        (format!("<form>{own}BOTH<input name=id value=8></form>"), true),
        (format!("<form>{own}BOTH<input name=nom value=''></form>"), true),
        (format!("<form>{own}<form>BOTH</form></form>"), true),
        ("<form><input type=radio name=id value=7>BOTH</form>".to_owned(), true),
        ("<form><input form=f name=id value=7>BOTH</form>".to_owned(), true),
        (format!("<form>{own}BOTH{}</form>", "<b></b>".repeat(200)), true),
        (format!("<form>{own}<table><tr><th>titre<tr><td>BOTH</table></form>"), true),
    ] {
        let expected = page.replace("BOTH", if hides { gone } else { both });
        assert_eq!(redact_for(&task, &page.replace("BOTH", both)).as_deref(), Ok(&*expected), "{page}");
    }
    // What it hid as anybody's is not hidden in the rest of the page either; what another one hides is.
    let page = format!(
        "<p>Jean Dupont et Anne Roux<form>{own}<input name=nom value='Jean Dupont'><textarea name=nom2></textarea></form><form><input name=nom value='Anne Roux'></form>"
    );
    assert_eq!(
        redact_for(&task, &page),
        Ok(page.replacen("Anne Roux", "***", 1).replace("'Anne Roux'", "\"***\""))
    );
    // As Django writes a form: a table that names no columns.
    let page = format!(
        "<form><table><tr><th><label for=a>classe</label></th><td>{own}<input id=a name=classe value=6A><input name=nom value=Jean></td></tr></table></form>"
    );
    assert_eq!(redact_for(&task, &page), Ok(page));
}

#[test]
fn columns_are_members_of_their_rows() {
    // Where the page itself is no record, its members have other names than its rows.
    let rule = |path: &str, class| FieldRule { path: path.parse().unwrap(), class };
    let of_rows = |unknown| {
        let data = PersonalData::Declared(Classification {
            records: vec!["$[*]".parse().unwrap()],
            fields: vec![
                rule("Classe", FieldClass::NotPersonal),
                rule("Moyenne", FieldClass::Category(CategoryId(0))),
                rule("$.Total", FieldClass::NotPersonal),
            ],
            formats: vec![LooseFormat::Html],
            unknown,
            ..Classification::default()
        });
        Task { plan: Arc::new(Plan::compile(&charter(), &data)), ..task(Unknown::Deny, Audience::default()) }
    };
    for (unknown, page, expected) in [
        (
            Unknown::Deny,
            "<table><tr><th>Classe<th>Moyenne<th>Ville<tr><td>6A<td>12<td>Lyon</table>",
            "<table><tr><th>Classe<th>Moyenne<th><tr><td>6A<td>***<td></table>",
        ),
        // A first row with a personal name is one of names.
        (
            Unknown::Report,
            "<table><tr><td>Classe<td>Moyenne<tr><td>6A<td>12</table>",
            "<table><tr><td>Classe<td>Moyenne<tr><td>6A<td>***</table>",
        ),
        (
            Unknown::Deny,
            "<table><tr><th>Moyenne<td>12<tr><th>Classe<td>6A<tr><th>Total<td>3</table>",
            "<table><tr><th>Moyenne<td>***<tr><th>Classe<td>6A<tr><th>Total<td>3</table>",
        ),
        (Unknown::Report, "<table><tr><td>Moyenne<td>12</table>", "<table><tr><td>Moyenne<td>***</table>"),
    ] {
        assert_eq!(redact_for(&of_rows(unknown), page).as_deref(), Ok(expected), "{page}");
    }
}

#[test]
fn pages_in_other_charsets_leave_in_utf_8() {
    let task = task(Unknown::Deny, Audience::default());
    let latin = Charset::named("iso-8859-1").unwrap();
    let page = b"<meta charset=iso-8859-1><p>\xe9t\xe9<table><tr><th>Pr\xe9nom<tr><td>Ren\xe9</table>";
    for size in [1, 100] {
        let (result, out, _) = run(&task, latin, page, size);
        assert_eq!(result, Ok(()));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<meta charset=\"utf-8\"><p>été<table><tr><th>Prénom<tr><td>***</table>"
        );
    }
    assert!(run(&task, latin, b"<meta charset=utf-8>", 9).0.is_err());
    assert!(run(&task, Charset::Utf8, b"<p>\xe9</p>", 9).0.is_err());
}

#[test]
fn long_texts_are_looked_through_in_bounded_memory() {
    let task = task(Unknown::Deny, Audience::default());
    let line = "Une ligne de texte, <b>sans</b> fin &eacute;tendue, écris à jean@x.fr ou au 06 12 34 56 78. ";
    let page = line.repeat(4000);
    let expected = line.replace("jean@x.fr", "***").replace("06 12 34 56 78", "[…]").repeat(4000);
    let mut redactor = HtmlRedactor::new(task.clone(), Charset::Utf8);
    let (mut out, mut most) = (Vec::new(), 0);
    for chunk in page.as_bytes().chunks(1000) {
        redactor.push(chunk, &mut out).unwrap();
        most = most.max(redactor.page.capacity() + redactor.lexer.capacity());
    }
    redactor.finish(&mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(most < 512 * 1024, "{most}");
    let (result, out, _) = run(&task, Charset::Utf8, page.as_bytes(), usize::MAX);
    assert_eq!((result, String::from_utf8(out).unwrap()), (Ok(()), expected));
}
