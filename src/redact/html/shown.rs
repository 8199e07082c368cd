//! What the class of an element, its `id`, or the address behind it say of the text that it shows: `class="user-email"`,
//! `id="id_full_name"`, a link to a person's page, a person's picture.

use std::collections::HashMap;

use super::attributes::value_of;
use super::page::Page;
use super::tag::Tag;
use crate::policy::set::CategoryId;

/// Classes that are remembered.
const MOST: usize = 1024;
/// Words of a class that are read, from its end.
const MAX_WORDS: usize = 6;

/// Words in a class that say that the element is about a value and does not show it.
const ABOUT: &str = " action actions add alert badge bi btn button change check clear col column control delete display edit \
    error fa fas far feedback filter form glyphicon group has header help hide hint icon ico invalid invite is js label legend \
    link material menu message no nav new not placeholder remove reset search select send share show sort sortable tab th \
    title toggle tooltip update validate verify without wrapper write ";

/// Words at the end of a class that say nothing of what is shown.
const PLAIN: &str = " cell content data display field info item line show text val value ";

/// Names that are more often those of a part of the page: a place to log in is no account.
const PARTS: &str =
    " login password passwd mail search contact title copie redaction referrer bulletin notes ";

/// Classes of pictures that show persons, and what charters call these.
const PICTURES: [&str; 8] = [
    "userpicture",
    "userinitials",
    "avatar",
    "gravatar",
    "profilepicture",
    "profileimage",
    "profilephoto",
    "userphoto",
];
const PICTURE: [&str; 8] = [
    "avatar",
    "photo",
    "picture",
    "profile_image",
    "profile_image_url",
    "avatar_url",
    "user_picture",
    "photographie",
];

/// What charters call the name of a person.
const PERSON: [&str; 9] = [
    "full_name",
    "nom_complet",
    "display_name",
    "name",
    "nom",
    "last_name",
    "first_name",
    "username",
    "user_name",
];

fn is_one_of(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

/// An element that names what it shows, and its lines to its end or to what is no text.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    name: Vec<u8>,
    depth: usize,
    pub(super) category: CategoryId,
}

impl Scope {
    pub(super) fn new(name: &[u8], category: CategoryId) -> Self {
        Self { name: name.to_vec(), depth: 1, category }
    }

    /// Whether it goes on behind a start tag.
    pub(super) fn goes_on_behind(&mut self, tag: &Tag) -> bool {
        let name = &tag.name[..];
        if name == self.name {
            // A paragraph ends where the next one begins.
            self.depth += 1;
            return !matches!(name, b"p" | b"li" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6");
        }
        tag.element.is_inline
            || matches!(name, b"div" | b"p" | b"br" | b"img" | b"ul" | b"ol" | b"li" | b"address")
    }

    /// Whether it goes on behind an end tag.
    pub(super) fn goes_on_after(&mut self, tag: &Tag) -> bool {
        let name = &tag.name[..];
        if name == self.name {
            self.depth -= 1;
            return self.depth > 0;
        }
        tag.element.is_inline || matches!(name, b"div" | b"p" | b"br" | b"ul" | b"ol" | b"li" | b"address")
    }
}

/// What classes were found to name, whether it is hidden or not.
#[derive(Default)]
pub(super) struct Classes(HashMap<Box<str>, Vec<CategoryId>>);

impl Page {
    /// The category of what an element shows, where its class or `id` says so and it is hidden.
    pub(super) fn named_by_class(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        if !self.hides {
            return None;
        }
        [&b"class"[..], b"id"].into_iter().find_map(|name| {
            let text = value_of(tag, raw, name)?;
            text.split_whitespace().find_map(|token| self.hidden_class(token))
        })
    }

    fn hidden_class(&mut self, token: &str) -> Option<CategoryId> {
        // Where words begin with a capital, a name may begin within one.
        if !token.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())
            && !self.place.may_name(token)
        {
            return None;
        }
        let visible = self.visible;
        let hidden = |found: &Vec<CategoryId>| found.iter().copied().find(|one| !visible.contains(*one));
        if let Some(found) = self.classes.0.get(token) {
            return hidden(found);
        }
        let found = self.categories_of(token);
        let category = hidden(&found);
        if self.classes.0.len() >= MOST {
            self.classes.0.clear();
        }
        self.classes.0.insert(token.into(), found);
        category
    }

    /// The last words of a class are a name, and those in front of them do not say that it is about one.
    fn categories_of(&mut self, token: &str) -> Vec<CategoryId> {
        let words = words(token);
        let mut words = &words[..];
        while let [rest @ .., last] = words
            && !rest.is_empty()
            && is_one_of(PLAIN, last)
        {
            words = rest;
        }
        if words.iter().any(|word| is_one_of(ABOUT, word)) {
            return Vec::new();
        }
        let least = words.len().saturating_sub(MAX_WORDS);
        let names = (least..words.len()).map(|from| words[from..].join("_"));
        let names = names.filter(|name| !is_one_of(PARTS, name));
        names.filter_map(|name| self.place.resolve(&name).field.category()).collect()
    }

    /// The category of a picture of a person, where it is hidden.
    pub(super) fn pictures(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        if !self.hides || tag.name != b"img" {
            return None;
        }
        let class = value_of(tag, raw, b"class")?;
        let is_picture = class.split_whitespace().any(|token| {
            let words = words(token);
            (0..words.len()).any(|from| PICTURES.contains(&&*words[from..].concat()))
        });
        PICTURE.iter().chain(&PERSON).filter(|_| is_picture).find_map(|name| self.hidden(name))
    }

    /// The category of a person's name, where it is hidden and an element is a link to that person's page.
    pub(super) fn links_to_person(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        if !self.hides || tag.name != b"a" {
            return None;
        }
        let address = value_of(tag, raw, b"href")?;
        PERSON.iter().filter(|_| is_of_person(&address)).find_map(|name| self.hidden(name))
    }
}

/// The words of a class: `user-email`, `userEmail`, `card__email--big`.
fn words(token: &str) -> Vec<String> {
    let token = token.split("--").next().unwrap_or_default();
    let mut words = vec![String::new()];
    let mut was_small = false;
    for char in token.chars() {
        if !char.is_alphanumeric() || (was_small && char.is_uppercase()) {
            words.push(String::new());
        }
        if char.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(char.to_lowercase());
        }
        was_small = char.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether an address is that of one person's page: `/user/view.php?id=3`, `/u/jean`, `/users/17`.
fn is_of_person(address: &str) -> bool {
    const PLACES: [&str; 20] = [
        "u",
        "user",
        "users",
        "profile",
        "profiles",
        "profil",
        "profils",
        "member",
        "members",
        "membre",
        "membres",
        "learner",
        "learners",
        "student",
        "students",
        "eleve",
        "eleves",
        "utilisateur",
        "utilisateurs",
        "people",
    ];
    let address = address.trim().to_ascii_lowercase();
    let address = address.split('#').next().unwrap_or_default();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    if path.ends_with("/user/view.php") || path.ends_with("/user/profile.php") {
        return query.split(['&', ';']).any(|pair| pair.starts_with("id="));
    }
    let mut steps = path.rsplit('/').filter(|step| !step.is_empty());
    let (Some(last), Some(place)) = (steps.next(), steps.next()) else { return false };
    place == "u" || (PLACES.contains(&place) && last.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Whether a link's text is no name: `Voir le profil`.
pub(super) fn is_invitation(text: &str) -> bool {
    const WORDS: &str = " voir le la les profil profile profils view my mon ma mes edit modifier details détails détail page user \
        users settings messages message see full more plus afficher show consulter fiche complet complete de du l élève \
        élèves student students utilisateur open ouvrir go to compte account préférences preferences et and this ce ";
    let mut words = text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.all(|word| is_one_of(WORDS, &word.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_persons_are_known_by_their_addresses() {
        for address in [
            "/user/view.php?id=3&course=1",
            "https://moodle.example/user/profile.php?id=3",
            "/u/jean.dupont",
            "/users/17/",
            "../students/L1#top",
        ] {
            assert!(is_of_person(address), "{address}");
        }
        for address in [
            "/user/profile.php",
            "/users/",
            "/users/new",
            "/u",
            "/course/view.php?id=3",
            "",
            "/users/3/grades",
        ] {
            assert!(!is_of_person(address), "{address}");
        }
        assert!(is_invitation("Voir le profil") && !is_invitation("Voir Jean"));
    }

    #[test]
    fn classes_are_words() {
        for (class, expected) in [
            ("user-email", "user email"),
            ("userEmail", "user email"),
            ("card__e-mail--big", "card e mail"),
            ("FULLNAME", "fullname"),
            ("--x", ""),
        ] {
            assert_eq!(words(class).join(" "), expected);
        }
    }
}
