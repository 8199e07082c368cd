//! Names and values side by side in a text: parameters of addresses, lines of a log, lines of properties.

use percent_encoding::percent_decode_str;

use super::lenient::unescaped;

/// Whether a name is hidden, or a step of it (`user.email`, `user[email]`).
fn is_hidden(name: &str, hides: &dyn Fn(&str) -> bool) -> bool {
    let name = name.trim_matches(|char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '`'));
    let name = unescaped(name);
    !name.is_empty() && (hides(&name) || name.split(['.', '[', ']', '/', ':']).any(|step| hides(step.trim())))
}

/// A text in which the hidden parameters of addresses have no value; `None` where there are none. What stands behind `?`,
/// `&`, `#` or `;` without any white space is one.
pub(super) fn without_parameters(text: &str, hides: &dyn Fn(&str) -> bool) -> Option<String> {
    let bytes = text.as_bytes();
    let mut left = String::new();
    let mut copied = 0;
    let (mut looked, mut in_address) = (0, false);
    for equals in memchr::memchr_iter(b'=', bytes) {
        if equals < copied {
            continue;
        }
        // `&amp;` is how pages write it.
        let is_front = |byte: &u8| byte.is_ascii_whitespace() || b"?&#;\"'<>(=".contains(byte);
        let Some(front) = bytes[..equals].iter().rposition(is_front) else { continue };
        if !b"?&#;".contains(&bytes[front]) {
            continue;
        }
        // The address that it is of: a sentence may have these signs.
        for byte in &bytes[looked..=front] {
            in_address = !byte.is_ascii_whitespace() && (in_address || b"?#/".contains(byte));
        }
        looked = front + 1;
        if !in_address {
            continue;
        }
        let name = percent_decode_str(&text[front + 1..equals]).decode_utf8_lossy();
        if !is_hidden(&name.replace('+', " "), hides) {
            continue;
        }
        let value = &bytes[equals + 1..];
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"&#\"<>".contains(byte);
        let length = value.iter().position(is_end).unwrap_or(value.len());
        // What is left of one that lost its value holds nothing.
        if text[equals + 1..equals + 1 + length].contains(char::is_alphanumeric) {
            left.push_str(&text[copied..=equals]);
            copied = equals + 1 + length;
        }
    }
    (copied > 0).then(|| left + &text[copied..])
}

/// Whether a line is one of a log, `level=info email=a@b`, or how a program shows an object, `User(email=a@b)`: at least
/// half of its words are pairs, and one is hidden.
pub(super) fn is_log(text: &str, hides: &dyn Fn(&str) -> bool) -> bool {
    // Tags are read as such.
    text.lines().filter(|line| !line.contains('<') && !is_group(line)).any(|line| {
        let (mut words, mut pairs, mut hidden) = (0, 0, false);
        for word in words_of(line) {
            words += 1;
            let Some((name, value)) = word.split_once('=') else { continue };
            let value = value.split('&').next().unwrap_or_default().trim_matches(['"', '\'', ')', '}']);
            // Parameters of addresses lost their values, and segments of paths are none.
            if value.is_empty() || value.starts_with(['=', '>']) || name.contains(['/', '?', '#']) {
                continue;
            }
            pairs += 1;
            let is_between = |char: char| !(char.is_alphanumeric() || matches!(char, '_' | '-' | '.'));
            let last = name.rsplit(is_between).next().unwrap_or_default();
            hidden |= is_hidden(name, hides) || is_hidden(last, hides);
        }
        hidden && 2 * pairs >= words
    })
}

/// Whether a line is the distinguished name (RFC 4514) of a group, `cn=6a,ou=groups,dc=ecole`: no person's, though people have
/// a `cn` as well.
pub(super) fn is_group(line: &str) -> bool {
    let mut names = line.split(',');
    let is_first = names.next().is_some_and(|name| name.starts_with("cn="));
    is_first
        && names.next().is_some_and(|name| matches!(name.trim(), "ou=groups" | "ou=group" | "ou=groupes"))
}

/// Words of a line; what is quoted behind an equals sign is one.
fn words_of(line: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut last = ' ';
    line.split(move |char: char| {
        match quote {
            None if last == '=' && matches!(char, '"' | '\'') => quote = Some(char),
            Some(open) if open == char => quote = None,
            _ => {}
        }
        last = char;
        quote.is_none() && (char.is_whitespace() || matches!(char, ',' | ';'))
    })
    .filter(|word| !word.is_empty())
}

/// Whether a text is nothing but lines of a name and a value (properties, settings, heads of messages), one of them hidden.
/// One line alone says so where its name is the whole of it and its value one word: `email: a@b`.
pub(super) fn is_properties(text: &str, hides: &dyn Fn(&str) -> bool) -> bool {
    let (mut pairs, mut strict, mut hidden) = (0, false, false);
    for line in text.lines() {
        let content = line.trim();
        let is_section = content.starts_with('[') && content.ends_with(']');
        if content.is_empty() || content.starts_with(['#', '!']) || is_section || content == "---" {
            continue;
        }
        let content = content.trim_start_matches("- ");
        let Some(at) = content.find([':', '=']).filter(|&at| is_name(&content[..at])) else {
            // What goes on is indented.
            if pairs > 0 && line.starts_with([' ', '\t']) {
                continue;
            }
            return false;
        };
        pairs += 1;
        let value = content[at + 1..].trim();
        if is_hidden(&content[..at], hides) && value.contains(char::is_alphanumeric) {
            hidden = true;
            let attached = content.as_bytes()[at] == b':' && !content[..at].ends_with(char::is_whitespace);
            strict |= attached && !value.contains(char::is_whitespace);
        }
    }
    hidden && (pairs > 1 || strict)
}

/// Whether a text can be the name of a property: a few words, or steps (`user[email]`).
fn is_name(name: &str) -> bool {
    let odd = |char: char| "{}()<>;,!?/«»".contains(char);
    let words = name.split_whitespace().count();
    (1..=4).contains(&words) && name.len() <= 64 && !name.contains(odd) && !name.contains(" [")
}

/// Whether a quoted name stands in front of a colon and of what may be a value, with whatever around: a piece of JSON.
pub(super) fn has_members(text: &str, hides: &dyn Fn(&str) -> bool) -> bool {
    memchr::memchr_iter(b':', text.as_bytes()).any(|colon| {
        let front = text[..colon].trim_end();
        let Some(inside) = front.strip_suffix('"').map(|inside| inside.trim_end_matches('\\')) else {
            return false;
        };
        let Some(start) = inside.rfind('"') else { return false };
        let value = text[colon + 1..].trim_start();
        value.starts_with(|char: char| char.is_ascii_alphanumeric() || "\"\\'{[-".contains(char))
            && hides(&unescaped(&inside[start + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hides(name: &str) -> bool {
        matches!(name.to_lowercase().as_str(), "email" | "nom" | "full name" | "cn")
    }

    #[test]
    fn addresses_lose_their_hidden_parameters() {
        for (text, left) in [
            ("https://h/p?email=a%40b&n=1", Some("https://h/p?email=&n=1")),
            ("voir /p?n=1&amp;nom=Jean, merci", Some("voir /p?n=1&amp;nom= merci")),
            ("/p#user[email]=a&user.nom=b&c", Some("/p#user[email]=&user.nom=&c")),
            ("/p;email=a;nom=b", Some("/p;email=")),
            ("/p?full+name=a", Some("/p?full+name=")),
            ("/p?email=", None),
            ("/p?email=, b", None),
            ("/p?a=nom", None),
            ("est-ce nom ? x = nom", None),
            ("a && nom=b", None),
        ] {
            assert_eq!(without_parameters(text, &hides).as_deref(), left, "{text}");
        }
    }

    #[test]
    fn lines_are_told_from_prose() {
        for text in
            ["level=info email=a@b", "User(id=3, nom='Jean Dupont')", "msg=\"a b c d e f\" nom=x", "email=x"]
        {
            assert!(is_log(text, &hides), "{text}");
        }
        for text in [
            "nom = input()",
            "cn=6a,ou=groups,dc=ecole",
            "SELECT * FROM t WHERE nom='x'",
            "if nom==x",
            "email=",
            "é€=a",
            "<input email=x>",
            "la variable nom=3 est un entier",
        ] {
            assert!(!is_log(text, &hides), "{text}");
        }
        for text in [
            "id: 1\nemail: a@b",
            "[a]\nid=1\nuser.email = a b",
            "# x\nNom : Jean Dupont\nClasse : 6A\n",
            "email: a@b",
            "From: x\nEmail: a\n  b\nDate: 3",
        ] {
            assert!(is_properties(text, &hides), "{text}");
        }
        for text in [
            "Mon email : voir plus bas",
            "Nom : voir plus bas",
            "nom = input()",
            "id: 1\nemail:",
            "Bonjour,\nEmail: a@b\nMerci",
            "nom = 3\nprint(nom)",
            "Email [sic:3]",
        ] {
            assert!(!is_properties(text, &hides), "{text}");
        }
        for text in ["got \"email\": \"a\"", "\"a\":1,\"nom\":2", "\\\"email\\\":\\\"a"] {
            assert!(has_members(text, &hides), "{text}");
        }
        for text in ["le mot \"nom\" : un mot", "\"nom\"", "\"x\": nom", ": \"nom\""] {
            let expected = text.starts_with("le mot");
            assert_eq!(has_members(text, &hides), expected, "{text}");
        }
    }
}
