//! Follows elements through the plan: tags balance, one root, and every name means what the policy says of it.

use std::sync::Arc;

use super::lexer::{Lexer, Pieces};
use super::name::{MAX_NAME, blank, decoded, local};
use super::tag::{Attribute, Tag};
use crate::redact::place::{Field, Place};
use crate::redact::plan::Plan;
use crate::redact::{MAX_DEPTH, RedactError};

/// Attributes whose value names what the element holds: `<Attribute Name="mail">`, `<property name="email" value="…"/>`.
const NAMING: [&[u8]; 6] = [b"name", b"friendlyname", b"key", b"id", b"property", b"field"];

/// Attributes beside them that say how a value is written.
const FORM: [&[u8]; 3] = [b"nameformat", b"type", b"format"];

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A member of its element.
    Plain,
    /// Its value is a name that the policy knows, and so no person's.
    Names,
    /// A member that says how its element is written (`NameFormat`), and is no value of it.
    Form,
    /// Namespaces, types and languages: grammar, never judged.
    Grammar,
}

/// An attribute with what the plan says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) attribute: &'a Attribute,
    pub(super) field: Field,
    pub(super) role: Role,
}

/// An element that begins.
pub(super) struct Element<'a> {
    pub(super) tag: Tag<'a>,
    /// What the plan says of its own name.
    pub(super) field: Field,
    /// What the plan says of the names that its attributes give to its content.
    pub(super) named: &'a [Field],
    /// As many of them name it as if it stood beside itself; the others, as a member of itself.
    pub(super) beside: usize,
    members: &'a [(Field, Role)],
}

impl Element<'_> {
    pub(super) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let attributes = self.tag.attributes.iter().zip(self.members);
        attributes.map(|(attribute, &(field, role))| Member { attribute, field, role })
    }

    /// The value of an attribute as it is written.
    pub(super) fn raw(&self, attribute: &Attribute) -> &[u8] {
        &self.tag.raw[attribute.value.clone()]
    }
}

/// Who learns what is met.
pub(super) trait Visit {
    fn start(&mut self, element: &Element<'_>) -> Result<(), RedactError>;

    /// The end of the innermost open element, its tag (nothing for an empty element) and the place behind it.
    fn end(&mut self, raw: &[u8], behind: u64) -> Result<(), RedactError>;

    /// A piece of text as it is written, and what it means.
    fn text(&mut self, raw: &[u8], text: &[u8]) -> Result<(), RedactError>;

    /// White space between the root and the ends of the document.
    fn around(&mut self, raw: &[u8]);
}

/// See the module.
pub(super) struct Walker {
    lexer: Lexer,
    tree: Tree,
}

struct Tree {
    place: Place,
    /// Names of the open elements, one behind the other, and where each begins.
    names: Vec<u8>,
    starts: Vec<usize>,
    ended: bool,
    plan: Arc<Plan>,
    /// The text of an element that names its neighbour.
    key: Option<Vec<u8>>,
    named: Vec<Field>,
    members: Vec<(Field, Role)>,
    room: Vec<u8>,
}

impl Walker {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let mut place = Place::new(Arc::clone(&plan));
        let root = place.root();
        place.enter(root, true);
        let tree = Tree {
            place,
            names: Vec::new(),
            starts: Vec::new(),
            ended: false,
            plan,
            key: None,
            named: Vec::new(),
            members: Vec::new(),
            room: Vec::new(),
        };
        Self { lexer: Lexer::new(), tree }
    }

    /// Bytes taken.
    pub(super) fn position(&self) -> u64 {
        self.lexer.position()
    }

    /// Bytes in front of the tag that is not complete yet.
    pub(super) fn settled(&self) -> u64 {
        self.lexer.settled()
    }

    pub(super) fn walk(&mut self, input: &[u8], visit: &mut impl Visit) -> Result<(), RedactError> {
        self.lexer.push(input, &mut Pass { tree: &mut self.tree, visit })
    }

    pub(super) fn finish(&self) -> Result<(), RedactError> {
        if self.tree.ended && self.lexer.may_end() { Ok(()) } else { Err(RedactError::Truncated) }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let tree = &self.tree;
        self.lexer.capacity()
            + tree.names.capacity()
            + tree.room.capacity()
            + (tree.starts.capacity() + tree.named.capacity() + tree.members.capacity()) * size_of::<usize>()
    }
}

struct Pass<'a, V> {
    tree: &'a mut Tree,
    visit: &'a mut V,
}

impl<V: Visit> Pieces for Pass<'_, V> {
    fn start(&mut self, tag: Tag<'_>) -> Result<(), RedactError> {
        let tree = &mut *self.tree;
        if tree.ended {
            return Err(RedactError::Malformed);
        }
        if tree.starts.len() == MAX_DEPTH {
            return Err(RedactError::TooDeep);
        }
        tree.starts.push(tree.names.len());
        tree.names.extend_from_slice(tag.name());
        tree.key = tree.names_its_neighbour().then(Vec::new);
        let (field, beside) = tree.enter(&tag)?;
        let element = Element { tag, field, named: &tree.named, beside, members: &tree.members };
        self.visit.start(&element)
    }

    fn end(&mut self, raw: &[u8], name: Option<&[u8]>, at: u64) -> Result<(), RedactError> {
        let tree = &mut *self.tree;
        let start = tree.starts.pop().ok_or(RedactError::Malformed)?;
        if name.is_some_and(|name| tree.names[start..] != *name) {
            return Err(RedactError::Malformed);
        }
        if let Some(key) = tree.key.take() {
            let key = String::from_utf8_lossy(&key);
            // What stands beside it is personal, and no word for the place of it.
            if tree.plan.charter_category(key.trim()).is_some() {
                return Err(RedactError::Opaque);
            }
        }
        tree.names.truncate(start);
        tree.place.leave();
        tree.ended = tree.starts.is_empty();
        self.visit.end(raw, at + raw.len() as u64)
    }

    fn text(&mut self, raw: &[u8], text: &[u8]) -> Result<(), RedactError> {
        if let Some(key) = self.tree.key.as_mut().filter(|key| key.len() < MAX_NAME) {
            key.extend_from_slice(text);
        }
        if !self.tree.starts.is_empty() {
            return self.visit.text(raw, text);
        }
        if !blank(raw) {
            return Err(RedactError::Malformed);
        }
        self.visit.around(raw);
        Ok(())
    }
}

impl Tree {
    /// Whether the innermost element is a name whose value is the element behind it: property lists, XML-RPC, maps as Java
    /// writes them.
    fn names_its_neighbour(&self) -> bool {
        let [.., outer, inner] = self.starts[..] else { return false };
        if !(self.names.ends_with(b"key") || self.names.ends_with(b"name")) {
            return false;
        }
        let outer = local(&self.names[outer..inner]);
        let inner = local(&self.names[inner..]);
        matches!((outer, inner), (b"dict", b"key") | (b"member", b"name") | (b"entry", b"key"))
    }

    /// Goes into an element: what the plan says of its name and of its attributes, and how many of those stand beside it.
    fn enter(&mut self, tag: &Tag<'_>) -> Result<(Field, usize), RedactError> {
        let Self { place, named, members, room, .. } = self;
        named.clear();
        members.clear();
        let value_of = |attribute: &Attribute| &tag.raw[attribute.value.clone()];
        // As if the element had the other name; before its own, whose state must be the last one taken here.
        let mut naming = false;
        for attribute in tag.attributes {
            let mut role = role(&tag.raw[attribute.name.clone()]);
            if role == Role::Names {
                naming = true;
                let before = named.len();
                let value = decoded(value_of(attribute), room);
                if is_misread(value) {
                    return Err(RedactError::Malformed);
                }
                named.extend(names_in(value).map(|name| place.member(name)));
                if !named[before..].iter().any(tells) {
                    role = Role::Plain;
                }
            }
            members.push((Field::default(), role));
        }
        let beside = named.iter().filter(|field| tells(field)).count();
        let field = place.member(local(tag.name()));
        place.enter(field, true);
        for (attribute, member) in tag.attributes.iter().zip(members) {
            let name = &tag.raw[attribute.name.clone()];
            if naming && role(name) == Role::Names {
                // Its own name may stand between: `$.user.attribute.mail`.
                let before = named.len();
                named.extend(names_in(decoded(value_of(attribute), room)).map(|name| place.member(name)));
                if named[before..].iter().any(tells) {
                    member.1 = Role::Names;
                }
            }
            member.0 = place.member(local(name));
        }
        // A name that the plan does not know says nothing.
        named.retain(tells);
        Ok((field, beside))
    }
}

/// Whether the policy knows a name.
fn tells(field: &Field) -> bool {
    field.is_known() || field.relates()
}

/// What an attribute is by its name alone.
fn role(name: &[u8]) -> Role {
    match name {
        b"xmlns" | b"xml:lang" | b"xml:space" => Role::Grammar,
        b"xsi:type" | b"xsi:nil" | b"xsi:schemaLocation" | b"xsi:noNamespaceSchemaLocation" => Role::Grammar,
        _ if name.starts_with(b"xmlns:") => Role::Grammar,
        _ => {
            let local = local(name);
            let is_one_of = |names: &[&[u8]]| names.iter().any(|name| name.eq_ignore_ascii_case(local));
            match () {
                () if is_one_of(&NAMING) => Role::Names,
                () if is_one_of(&FORM) => Role::Form,
                () => Role::Plain,
            }
        }
    }
}

/// A name as it is given, and the last part of it where it is an address (`urn:oid:…`, `http://…/claims/emailaddress`).
pub(super) fn names_in(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let value = super::name::trim(value);
    let last = value.iter().rposition(|byte| matches!(byte, b'/' | b':' | b'#' | b'.'));
    [Some(value), last.map(|last| &value[last + 1..])].into_iter().flatten()
}

/// Whether a name looks like UTF-8 that was read as Latin-1 (`prÃ©nom`): a declaration that lies, behind which a reader
/// who believes the `Content-Type` would find another name. In names of elements and attributes no such character may stand.
fn is_misread(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| {
        let mut pairs = name.chars().zip(name.chars().skip(1));
        pairs.any(|(first, second)| matches!((first, second), ('Â' | 'Ã', '\u{80}'..='\u{bf}')))
    })
}
