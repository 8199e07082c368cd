//! Names beside values in XML and HTML that stand in a text.
//!
//! Nothing is read to the letter here: a piece of a page need not balance, and one reader's error is another's tag. So it is
//! enough that a tag, an attribute or the text of a heading is a hidden name and a value follows.

use super::lenient::unescaped;
use crate::redact::sniff::is_html;

/// Attributes whose value names what an element holds.
const NAMING: [&str; 9] =
    ["name", "friendlyname", "key", "id", "property", "field", "itemprop", "data-field", "autocomplete"];
/// Attributes of HTML that a charter may have as a field's name too, and that then mean something else.
const STANDARD: &str = " abbr accept action align alt charset cite class code color cols content coords data date datetime \
    dir face form frame headers height high href hreflang icon kind label lang language link list low max media method \
    min name number object open optimum pattern picture ping placeholder poster profile rel role rows scope shape size \
    sizes span src start step style summary target text title type usemap value version width ";
/// Elements of a form, which have a value of their own.
const FIELDS: [&str; 8] = ["input", "textarea", "select", "button", "output", "option", "meta", "param"];
/// In so much of its content a choice is looked for.
const OPTIONS: usize = 1024;
/// Elements whose text may be a name, and the value in the next one.
const HEADINGS: [&str; 8] = ["th", "td", "dt", "key", "name", "label", "header", "field"];

/// Whether a hidden name stands beside a value. Linear.
pub(super) fn name_somebody(text: &str, hides: &dyn Fn(&str) -> bool) -> bool {
    let hides = |name: &str| {
        let name = unescaped(name.trim().trim_end_matches(':').trim());
        name.len() > 1
            && (hides(&name)
                || name
                    .rsplit([':', '/', '#', '.', '['])
                    .next()
                    .is_some_and(|last| hides(last.trim_end_matches(']'))))
    };
    // A heading that is a hidden name: its value is in what follows.
    let mut awaited = false;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        // `List<nom>` is a type.
        let is_type = rest[..at].ends_with(char::is_alphanumeric);
        rest = &rest[at + 1..];
        let Some(tag) = Tag::read(rest) else { continue };
        let behind = &rest[tag.length..];
        let content = behind.split('<').next().unwrap_or_default().trim();
        rest = behind;
        if tag.is_end {
            continue;
        }
        let html = is_html(tag.name);
        let local = tag.name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
        let is_field = FIELDS.contains(&&*local);
        let has_content =
            has_value(content) || (!tag.is_empty && behind.trim_start().starts_with("<![CDATA["));
        if awaited && has_content {
            return true;
        }
        awaited |= HEADINGS.contains(&&*local) && hides(content);
        // An element that is a hidden field, with a text, elements or attributes in it. `<nom>, bonjour` has a place for one.
        let next = behind.find('<').map(|at| &behind[at..]);
        let closes =
            next.map_or(!is_type && !content.contains(char::is_whitespace), |next| next.starts_with("</"));
        let holds = (has_content && closes)
            || tag.attributes.iter().any(|(name, value)| !name.starts_with("xmlns") && has_value(value))
            || (!tag.is_empty
                && behind.trim_start().strip_prefix('<').is_some_and(|next| !next.starts_with('/')));
        if !html && holds && hides(tag.name) {
            return true;
        }
        let mut names = false;
        let mut value = false;
        for (name, content) in &tag.attributes {
            let lower = name.to_ascii_lowercase();
            let plain = lower.rsplit(':').next().unwrap_or_default();
            let bare = plain.strip_prefix("data-").unwrap_or(plain);
            let is_standard = html && STANDARD.split_ascii_whitespace().any(|known| known == plain);
            if has_value(content) && !is_standard && hides(bare) {
                return true;
            }
            let counts = match plain {
                "id" | "name" | "key" | "autocomplete" => !html || is_field,
                _ => true,
            };
            if counts && NAMING.contains(&plain) {
                names |= hides(content);
            } else {
                value |= has_value(content)
                    && matches!(bare, "value" | "content" | "checked" | "data" | "datetime" | "href" | "src");
            }
        }
        let text = has_content && !matches!(&*local, "button" | "option");
        let options = local == "select"
            && memchr::memmem::find(&behind.as_bytes()[..behind.len().min(OPTIONS)], b"selected").is_some();
        if names && (value || text || options || (!html && holds_inside(behind, tag.is_empty))) {
            return true;
        }
    }
    false
}

/// Whether anything could be somebody's: punctuation is not.
fn has_value(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// Whether an element has an element in it.
fn holds_inside(behind: &str, is_empty: bool) -> bool {
    !is_empty && behind.trim_start().strip_prefix('<').is_some_and(|next| !next.starts_with('/'))
}

/// A tag without its opening bracket.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    is_end: bool,
    is_empty: bool,
    /// Up to behind its closing bracket.
    length: usize,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let is_end = text.starts_with('/');
        let body = text.strip_prefix('/').unwrap_or(text);
        if !body.starts_with(|char: char| char.is_alphabetic() || char == '_') {
            return None;
        }
        let ends = |char: char| char.is_whitespace() || matches!(char, '/' | '>' | '<' | '=');
        let name = &body[..body.find(ends).unwrap_or(body.len())];
        let mut rest = &body[name.len()..];
        let (mut attributes, mut is_empty) = (Vec::new(), false);
        loop {
            rest = rest.trim_start_matches(|char: char| char.is_whitespace());
            match rest.chars().next() {
                None | Some('<') => break,
                Some('>') => {
                    rest = &rest[1..];
                    break;
                }
                Some('/') => {
                    is_empty = true;
                    rest = &rest[1..];
                    continue;
                }
                Some('=') => rest = &rest[1..],
                Some(_) => {}
            }
            let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
            rest = rest[name.len()..].trim_start();
            let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { continue };
            let value = match value.chars().next() {
                Some(quote @ ('"' | '\'')) if value[1..].contains(quote) => {
                    let (inside, behind) = value[1..].split_once(quote).unwrap_or_default();
                    rest = behind;
                    inside
                }
                _ => {
                    let end = value.find(|char: char| char.is_whitespace() || char == '>');
                    let (bare, behind) = value.split_at(end.unwrap_or(value.len()));
                    rest = behind;
                    bare
                }
            };
            attributes.push((name, value));
            is_empty = false;
        }
        Some(Self { name, attributes, is_end, is_empty, length: text.len() - rest.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_values_are_seen() {
        let hides = |name: &str| matches!(name.to_lowercase().as_str(), "email" | "nom" | "title" | "label");
        for text in [
            "<user><email>a@b</email></user>",
            "<x:user><x:nom>Jean</x:nom></x:user>",
            "<user email='a@b'/>",
            "<user><nom><first>J</first></nom></user>",
            "<user><nom v='J'/></user>",
            "<email><![CDATA[a@b]]></email>",
            "<a>x</a> got <email>a@b",
            "<property name=\"email\" value=\"a@b\"/>",
            "<property name=\"email\"><v>a@b</v></property>",
            "<Attribute Name='urn:x:email'><V>a</V></Attribute>",
            "<dict><key>email</key><string>a@b</string></dict>",
            "<input name=email value=a@b>",
            "<INPUT VALUE='a@b' NAME='user[email]'>",
            "<input id=\"email\" type=email value=\"a@b\" />",
            "<textarea name=nom>Jean</textarea>",
            "<select name=nom><option selected>Jean</select>",
            "<p itemprop='email'>a@b</p>",
            "<p data-email='a@b'>x</p>",
            "<table><tr><th>id<th>Email<tr><td>1<td>a@b</table>",
            "<a b='>x<email>a@b</email>",
            "<table><tr><td>Nom :</td><td>Jean</td></tr></table>",
            "<dl><dt>Nom</dt><dd>Jean</dd></dl>",
        ] {
            assert!(name_somebody(text, &hides), "{text}");
        }
        for text in [
            "<p>Bonjour <b>nom</b>, mon email : x</p>",
            "a < b, nom > c",
            "<email></email>",
            "<email/>",
            "<input name=email type=email placeholder=\"Votre email\">",
            "<label for=email>Email</label> <input name=email>",
            "<h2 id=\"email\">Email</h2><a name=nom>x</a>",
            "<a title=\"x\" href=/nom>nom</a><label>x</label><title>x</title>",
            "<p class=nom>x</p>",
            "List<nom> x; Map<String, nom> y; List<nom> z",
            "Bonjour <nom>, votre compte est prêt",
            "<",
            "</nom>",
            "<1 nom=2>",
        ] {
            assert!(!name_somebody(text, &hides), "{text}");
        }
    }
}
