//! What an element is by its name alone (WHATWG HTML 13.1.2, 13.2.6). Names are in lower case here.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use super::vocabulary::Ends;

/// An element whose content is text to its own end tag, whatever stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// Code, or a document in JSON.
    Script,
    /// Rules of style.
    Style,
    /// Text with references.
    Title,
    /// The value of a form field, with references.
    Textarea,
    /// What no browser of today shows: `xmp`, `iframe`, `noembed`, `noframes`. It does not leave.
    Hollow,
}

impl Raw {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"script" => Self::Script,
            b"style" => Self::Style,
            b"title" => Self::Title,
            b"textarea" => Self::Textarea,
            b"xmp" | b"iframe" | b"noembed" | b"noframes" => Self::Hollow,
            _ => return None,
        })
    }
}

/// What an element means for where it may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Table,
    /// `thead`, `tbody`, `tfoot`
    Group,
    Row,
    Cell,
    Caption,
    /// `colgroup`, `col`
    Columns,
    List,
    Term,
    Description,
    /// `select`, `datalist`
    Select,
    /// `option`, `optgroup`
    Option,
    /// Its content is the page's without scripts, or nobody's yet: `noscript`, `template`.
    Apart,
    /// `svg`, `math`: another grammar.
    Foreign,
    /// What readers have never agreed on: `plaintext`, `frameset`, `frame`.
    Refused,
    /// Everything else.
    Plain,
}

impl Role {
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"table" => Self::Table,
            b"thead" | b"tbody" | b"tfoot" => Self::Group,
            b"tr" => Self::Row,
            b"td" | b"th" => Self::Cell,
            b"caption" => Self::Caption,
            b"colgroup" | b"col" => Self::Columns,
            b"dl" => Self::List,
            b"dt" => Self::Term,
            b"dd" => Self::Description,
            b"select" | b"datalist" => Self::Select,
            b"option" | b"optgroup" => Self::Option,
            b"noscript" | b"template" => Self::Apart,
            b"svg" | b"math" => Self::Foreign,
            b"plaintext" | b"frameset" | b"frame" => Self::Refused,
            _ => Self::Plain,
        }
    }
}

/// It has no content and no end tag.
pub(super) fn is_void(name: &[u8]) -> bool {
    matches!(
        name,
        b"area"
            | b"base"
            | b"basefont"
            | b"bgsound"
            | b"br"
            | b"col"
            | b"embed"
            | b"hr"
            | b"img"
            | b"input"
            | b"keygen"
            | b"link"
            | b"meta"
            | b"param"
            | b"source"
            | b"track"
            | b"wbr"
    )
}

/// It stands within a line: a number or an address may go on behind its tags.
pub(super) fn is_inline(name: &[u8]) -> bool {
    matches!(
        name,
        b"a" | b"abbr"
            | b"acronym"
            | b"b"
            | b"bdi"
            | b"bdo"
            | b"big"
            | b"cite"
            | b"code"
            | b"data"
            | b"del"
            | b"em"
            | b"font"
            | b"i"
            | b"ins"
            | b"kbd"
            | b"label"
            | b"mark"
            | b"nobr"
            | b"q"
            | b"s"
            | b"samp"
            | b"small"
            | b"span"
            | b"strike"
            | b"strong"
            | b"sub"
            | b"sup"
            | b"time"
            | b"tt"
            | b"u"
            | b"var"
            | b"wbr"
    )
}

/// It ends foreign content where it stands in it (13.2.6.5), so that readers part there.
pub(super) fn breaks_out(name: &[u8]) -> bool {
    matches!(
        name,
        b"b" | b"big"
            | b"blockquote"
            | b"body"
            | b"br"
            | b"center"
            | b"code"
            | b"dd"
            | b"div"
            | b"dl"
            | b"dt"
            | b"em"
            | b"embed"
            | b"font"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"head"
            | b"hr"
            | b"i"
            | b"img"
            | b"li"
            | b"listing"
            | b"menu"
            | b"meta"
            | b"nobr"
            | b"ol"
            | b"p"
            | b"pre"
            | b"ruby"
            | b"s"
            | b"small"
            | b"span"
            | b"strong"
            | b"strike"
            | b"sub"
            | b"sup"
            | b"table"
            | b"tt"
            | b"u"
            | b"ul"
            | b"var"
    )
}

/// Elements of HTML, of today and of old.
const KNOWN: &str = " a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink \
    blockquote body br button canvas caption center cite code col colgroup content data datalist dd del details dfn dialog \
    dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr \
    html i iframe image img input ins kbd keygen label legend li link listing main map mark marquee math menu menuitem meta \
    meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q rb rp \
    rt rtc ruby s samp script search section select shadow slot small source spacer span strike strong style sub summary sup \
    svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr xmp ";

/// All that an element is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) role: Role,
    pub(super) raw: Option<Raw>,
    pub(super) is_inline: bool,
    pub(super) is_void: bool,
    pub(super) is_known: bool,
}

impl Default for Element {
    fn default() -> Self {
        Self::read(b"", false)
    }
}

static ELEMENTS: LazyLock<HashMap<&'static [u8], Element, BuildHasherDefault<Ends>>> = LazyLock::new(|| {
    let names = KNOWN.split_ascii_whitespace().map(str::as_bytes);
    names.map(|name| (name, Element::read(name, true))).collect()
});

impl Element {
    pub(super) fn of(name: &[u8]) -> Self {
        ELEMENTS.get(name).copied().unwrap_or_else(|| Self::read(name, is_made_up(name)))
    }

    fn read(name: &[u8], is_known: bool) -> Self {
        Self {
            role: Role::of(name),
            raw: Raw::of(name),
            is_inline: is_inline(name),
            is_void: is_void(name),
            is_known,
        }
    }
}

/// Whether a page made it up by the rules (`x-tree`), or it is one of another vocabulary (`o:p`).
fn is_made_up(name: &[u8]) -> bool {
    name.iter().skip(1).any(|byte| matches!(byte, b'-' | b':'))
}
