//! Queries: which personal data is asked for by name, and whether the caller may.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Denied, RequestPlan, Sender, beside::Beside, document::Node, names::words};
use crate::{
    policy::set::{CategoryId, FieldClass, fold_field_name},
    redact::{TOKEN_MARK, json::Part},
    secret::Sensitive,
};

/// Parameters whose values name fields or compare them: sorting, grouping, and whole expressions (OData, SCIM, RSQL, JSON).
const EXPRESSIONS: [&str; 38] = [
    "ordering",
    "order",
    "orderby",
    "ordercolumn",
    "orderfield",
    "sort",
    "sortby",
    "sorting",
    "sorts",
    "sortfield",
    "sortkey",
    "sortcolumn",
    "sortorder",
    "sortproperty",
    "groupby",
    "group",
    "distinct",
    "filter",
    "filters",
    "where",
    "conditions",
    "criteria",
    "having",
    "apply",
    "compute",
    "rql",
    "fiql",
    "rsql",
    "predicate",
    "criterion",
    "searchfield",
    "searchfields",
    "searchby",
    "filterfield",
    "filterby",
    "orderings",
    "sidx",
    "by",
];
/// Words behind a field's name that compare or sort.
const BEHIND_FIELD: [&str; 18] = [
    "asc",
    "desc",
    "ascending",
    "descending",
    "eq",
    "ne",
    "gt",
    "ge",
    "lt",
    "le",
    "co",
    "sw",
    "ew",
    "pr",
    "in",
    "like",
    "is",
    "between",
];

/// What a sorted field is given as its value.
const DIRECTIONS: [&str; 6] = ["asc", "desc", "ascending", "descending", "1", "-1"];

impl RequestPlan {
    /// Judges a query; what is to be sent on, where a token in it became a value again.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn query(&self, sender: Sender<'_>, query: &str) -> Result<Option<Sensitive<String>>, Denied> {
        let fields: Vec<_> = query
            .split(['&', ';'])
            .filter_map(|piece| form_urlencoded::parse(piece.as_bytes()).next())
            .collect();
        let beside = self.beside(fields.iter().map(|(name, value)| (&**name, &**value)));
        let mut out = String::new();
        let mut restored = false;
        for (place, piece) in query.split('&').enumerate() {
            if place > 0 {
                out.push('&');
            }
            match self.pair(sender, piece, &beside)? {
                Some(value) => {
                    restored = true;
                    out.push_str(piece.split_once('=').map_or("", |(name, _)| name));
                    out.push('=');
                    out.extend(utf8_percent_encode(value.expose(), NON_ALPHANUMERIC));
                }
                None => out.push_str(piece),
            }
            // Some platforms end a parameter at `;` as well: it must be harmless in that reading, too.
            if piece.contains(';') {
                for part in piece.split(';') {
                    if self.pair(sender, part, &beside)?.is_some() {
                        return Err(Denied::Token);
                    }
                }
            }
        }
        Ok(restored.then(|| Sensitive::new(out)))
    }

    /// Judges one parameter; its value, if it is a token.
    fn pair(
        &self,
        sender: Sender<'_>,
        piece: &str,
        beside: &Beside,
    ) -> Result<Option<Sensitive<String>>, Denied> {
        let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() else { return Ok(None) };
        let (category, exact) = match self.names.parameter(&name) {
            Some(FieldClass::NotPersonal | FieldClass::FreeText) => return Ok(None),
            Some(FieldClass::Category(category)) => (Some(category), true),
            None => match self.names.asked(&[], &name) {
                Some(named) => (Some(named.category), named.exact),
                None => (None, false),
            },
        };
        let Some(category) = category else {
            if value.starts_with(TOKEN_MARK) && self.is_token(sender.key, &value) {
                return Err(Denied::Token);
            }
            if beside
                .named(&name)
                .any(|named| !self.may_ask(sender, named) && !sender.is_known(named, &value))
            {
                return Err(Denied::Query);
            }
            return self.expression(sender, &name, &value).map(|()| None);
        };
        if value.starts_with(TOKEN_MARK)
            && let Some(value) = self.restored(sender.key, category, &value)?
        {
            return Ok(Some(value));
        }
        if sender.sees(category) {
            return Ok(None);
        }
        if self.query.contains(category) {
            return if self.is_stand_in(sender, category, &value) { Err(Denied::StandIn) } else { Ok(None) };
        }
        // An empty field of a search form asks for nothing.
        if sender.is_known(category, &value) || (exact && value.is_empty()) {
            Ok(None)
        } else {
            Err(Denied::Query)
        }
    }

    pub(super) fn may_ask(&self, sender: Sender<'_>, category: CategoryId) -> bool {
        sender.sees(category) || self.query.contains(category)
    }

    /// Judges the value of a parameter that names no field itself.
    fn expression(&self, sender: Sender<'_>, name: &str, value: &str) -> Result<(), Denied> {
        let value = value.trim();
        if value.starts_with(['{', '['])
            && let Some(node) = Node::read(value.as_bytes())
        {
            return self.lookup(sender, &[], &node, is_expression(name));
        }
        if is_expression(name) { self.mentions(sender, &[], value) } else { Ok(()) }
    }

    /// JSON as a parameter (xAPI's `agent`, MongoDB's filters): its names are asked for.
    fn lookup(&self, sender: Sender<'_>, path: &[&str], node: &Node, expression: bool) -> Result<(), Denied> {
        match node {
            Node::Null | Node::Scalar => Ok(()),
            Node::Text(text) if expression => self.mentions(sender, path, text),
            Node::Text(_) => Ok(()),
            Node::List(nodes) => {
                nodes.iter().try_for_each(|node| self.lookup(sender, path, node, expression))
            }
            Node::Object(members) => members.iter().try_for_each(|(key, value)| {
                if let Some(named) = self.names.asked(path, key) {
                    let known = matches!(value, Node::Text(text) if sender.is_known(named.category, text));
                    if !known && !self.may_ask(sender, named.category) {
                        return Err(Denied::Query);
                    }
                }
                let below: Vec<&str> = path.iter().copied().chain(words(key)).collect();
                self.lookup(sender, &below, value, expression)
            }),
        }
    }

    /// The value of a member that sorts or filters, in a body: names of fields, and what compares them, but no sentence in
    /// which such a word stands.
    pub(super) fn ordered(&self, sender: Sender<'_>, around: &[&str], value: &Node) -> Result<(), Denied> {
        match value {
            Node::List(nodes) => nodes.iter().try_for_each(|node| self.ordered(sender, around, node)),
            Node::Text(text) => text.split([',', ';', '&', '|', '(', ')']).try_for_each(|piece| {
                let mut words = piece.split_whitespace();
                let (Some(field), behind) = (words.next(), words.next()) else { return Ok(()) };
                let compares = behind.is_none_or(|word| {
                    word.starts_with(['=', '<', '>', '!', '~'])
                        || BEHIND_FIELD.iter().any(|known| known.eq_ignore_ascii_case(word))
                });
                if compares { self.mentions(sender, around, field) } else { Ok(()) }
            }),
            Node::Object(members) => members.iter().try_for_each(|(key, value)| match value {
                Node::Text(text) if DIRECTIONS.iter().any(|known| known.eq_ignore_ascii_case(text)) => {
                    self.mentions(sender, around, key)
                }
                Node::Text(_) if !Part::of(key).is_name() && !is_expression(key) => Ok(()),
                _ => self.ordered(sender, around, value),
            }),
            Node::Null | Node::Scalar => Ok(()),
        }
    }

    /// Every word of an expression that is a field's name is taken for one, quoted or not: dialects quote differently.
    pub(super) fn mentions(&self, sender: Sender<'_>, around: &[&str], text: &str) -> Result<(), Denied> {
        let apart = |c: char| {
            c.is_whitespace()
                || matches!(c, ',' | ';' | '|' | '(' | ')' | '"' | '\'' | '=' | '<' | '>' | '!' | '~' | '&')
        };
        let asked = |word: &str| {
            let asks = |word: &str| self.names.asked(around, word);
            let named = asks(word).or_else(|| asks(&undirected(word)?));
            named.is_some_and(|named| !self.may_ask(sender, named.category))
        };
        if text.split(apart).any(asked) { Err(Denied::Query) } else { Ok(()) }
    }
}

/// A member of a body by whose value somebody sorts or filters; `group` and the like say other things there.
pub(super) fn is_order(name: &str) -> bool {
    is_expression(name)
        && !words(name).iter().any(|word| {
            matches!(&*fold_field_name(word), "group" | "apply" | "compute" | "conditions" | "by")
        })
}

/// `birth_year_desc`, `BIRTH_YEAR_ASC_NULLS_LAST` without the direction, folded.
fn undirected(word: &str) -> Option<String> {
    let folded = fold_field_name(word);
    let nulls =
        ["nullsfirst", "nullslast"].iter().find_map(|end| folded.strip_suffix(end)).unwrap_or(&folded);
    let bare = ["ascending", "descending", "asc", "desc"].iter().find_map(|end| nulls.strip_suffix(end));
    let bare = bare.unwrap_or(nulls);
    (!bare.is_empty() && bare.len() < folded.len()).then(|| bare.to_owned())
}

/// `sort`, `$orderby`, `sort[0]`, `page.sort`, `filter[]`.
pub(super) fn is_expression(name: &str) -> bool {
    words(name).iter().any(|word| EXPRESSIONS.contains(&fold_field_name(word).as_str()))
}
