//! `charter.categories.NAME.otherwise` → [`Action`].

use super::context::{At, Context};
use crate::policy::{
    document::{ActionDocument, GeneraliseDocument, MaskDocument, PseudonymDocument, WordOr},
    set::{Action, Generalisation, Shape, Shown},
};

/// Most characters that a mask may leave on one side: more would be a name, not a hint.
const SHOWN_MOST: u64 = 8;
/// Most bounds of bands.
const BOUNDS_MOST: usize = 32;
/// Most decimals of a coordinate: the third is a street's length.
const DECIMALS_MOST: u64 = 3;

const FORMS: &str = "write one of `{ mask: { first: 1 } }`, `{ replace: \"…\" }`, `{ pseudonym: { as: alias } }` \
                     and `{ generalise: year }`";

/// What stands for the values of a category; `None` where the message is there.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: &WordOr<ActionDocument>,
) -> Option<Action> {
    let document = match written {
        WordOr::Word(word) => return plain(context, at, word),
        WordOr::Mapping(document) => document,
    };
    match document {
        ActionDocument { mask: Some(shown), replace: None, pseudonym: None, generalise: None } => {
            mask(context, &at.key("mask"), shown)
        }
        ActionDocument { mask: None, replace: Some(text), pseudonym: None, generalise: None } => {
            Some(Action::Replace(text.clone()))
        }
        ActionDocument { mask: None, replace: None, pseudonym: Some(how), generalise: None } => {
            pseudonym(context, &at.key("pseudonym"), how)
        }
        ActionDocument { mask: None, replace: None, pseudonym: None, generalise: Some(how) } => {
            generalise(context, &at.key("generalise"), how).map(Action::Generalise)
        }
        _ if ["mask", "replace", "pseudonym", "generalise"]
            .iter()
            .any(|key| context.dropped(&at.key(key))) =>
        {
            None
        }
        _ => {
            context.error(at, "one action is needed", FORMS);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Plain {
    Mask,
    Remove,
    Null,
    Pseudonym,
    Tokenise,
}

fn plain(context: &mut Context<'_>, at: &At, word: &str) -> Option<Action> {
    let table = [
        ("mask", Plain::Mask),
        ("remove", Plain::Remove),
        ("null", Plain::Null),
        ("pseudonym", Plain::Pseudonym),
        ("tokenise", Plain::Tokenise),
    ];
    if matches!(word, "replace" | "generalise") {
        let sample = if word == "replace" { "{ replace: \"…\" }" } else { "{ generalise: year }" };
        let help = format!("write `otherwise: {sample}`");
        context.error(at, format!("`{word}` needs to be told how"), help);
        return None;
    }
    Some(match context.choice(at, "an action", word, &table)? {
        Plain::Mask => Action::Mask,
        Plain::Remove => Action::Remove,
        Plain::Null => Action::Null,
        Plain::Pseudonym => Action::Pseudonym,
        Plain::Tokenise => Action::Tokenise,
    })
}

fn mask(context: &mut Context<'_>, at: &At, written: &MaskDocument) -> Option<Action> {
    let mut shown = |field: &str, count: Option<u64>| {
        let at = at.key(field);
        match count {
            Some(count) if count > SHOWN_MOST => {
                let help = format!("at most {SHOWN_MOST}: whoever sees more sees the value");
                context.error(&at, format!("a mask that shows {count} characters hides nothing"), help);
                None
            }
            count => Some(count.unwrap_or_default() as u8),
        }
    };
    let (first, last) = (shown("first", written.first), shown("last", written.last));
    let domain = match &written.domain {
        None => Some(context.dropped(&at.key("domain"))),
        Some(word) => context.choice(&at.key("domain"), "a way to treat domains", word, &[("keep", true)]),
    };
    let shown = Shown { first: first?, last: last?, domain: domain? };
    if shown == Shown::default() && !["first", "last"].iter().any(|key| context.dropped(&at.key(key))) {
        context.error(at, "this mask shows nothing", "write `otherwise: mask`");
        return None;
    }
    Some(Action::MaskPart(shown))
}

fn pseudonym(context: &mut Context<'_>, at: &At, written: &PseudonymDocument) -> Option<Action> {
    let help = "the format: `as: email`, or the plain word `pseudonym` for that of each value";
    let word = context.text(at, "as", &written.shape, help)?;
    let table = [
        ("auto", None),
        ("token", Some(Shape::Token)),
        ("email", Some(Shape::Email)),
        ("uuid", Some(Shape::Uuid)),
        ("alias", Some(Shape::Alias)),
        ("number", Some(Shape::Number)),
    ];
    let shape = context.choice(&at.key("as"), "a format of pseudonyms", word, &table)?;
    Some(shape.map_or(Action::Pseudonym, Action::PseudonymAs))
}

fn generalise(
    context: &mut Context<'_>,
    at: &At,
    written: &WordOr<GeneraliseDocument>,
) -> Option<Generalisation> {
    match written {
        WordOr::Word(word) if matches!(word.as_str(), "score" | "coordinate") => {
            let sample = if word == "score" { "{ score: [5, 10, 15] }" } else { "{ coordinate: 1 }" };
            let help = format!("write `generalise: {sample}`");
            context.error(at, format!("`{word}` needs to be told how"), help);
            None
        }
        WordOr::Word(word) => {
            let table = [
                ("year", &Generalisation::Year),
                ("month", &Generalisation::Month),
                ("age_band", &Generalisation::AgeBand),
                ("ip", &Generalisation::Ip),
                ("postal_code", &Generalisation::PostalCode),
            ];
            context.choice(at, "a generalisation", word, &table).cloned()
        }
        WordOr::Mapping(GeneraliseDocument { score: Some(bounds), coordinate: None }) => {
            score(context, &at.key("score"), bounds)
        }
        WordOr::Mapping(GeneraliseDocument { score: None, coordinate: Some(decimals) }) => {
            let decimals = context.within(&at.key("coordinate"), *decimals, 0..=DECIMALS_MOST);
            Some(Generalisation::Coordinate(u8::try_from(decimals).unwrap_or_default()))
        }
        WordOr::Mapping(_) if ["score", "coordinate"].iter().any(|key| context.dropped(&at.key(key))) => None,
        WordOr::Mapping(_) => {
            let help = "write `{ score: [5, 10, 15] }` or `{ coordinate: 1 }`";
            context.error(at, "one generalisation is needed", help);
            None
        }
    }
}

fn score(context: &mut Context<'_>, at: &At, written: &[Option<f64>]) -> Option<Generalisation> {
    let mut bounds: Vec<f64> = Vec::new();
    for (index, bound) in written.iter().enumerate() {
        let (Some(bound), at) = (*bound, at.item(index)) else { continue };
        if !bound.is_finite() {
            context.error(&at, "this is not a number", "bands begin at numbers, such as `[5, 10, 15]`");
        } else if let Some(before) = bounds.last().copied().filter(|before| bound <= *before) {
            context.error(
                &at,
                format!("{bound} does not come after {before}"),
                "bands ascend: `[5, 10, 15]`",
            );
        }
        bounds.push(bound);
    }
    match written.len() {
        0 => {
            context.error(at, "no band is named", "where bands begin, such as `[5, 10, 15]`");
        }
        count if count > BOUNDS_MOST => {
            let help = format!("at most {BOUNDS_MOST}: narrow bands are the value itself");
            context.error(at, format!("{count} bounds of bands"), help);
        }
        _ => {}
    }
    Some(Generalisation::Score(bounds))
}
