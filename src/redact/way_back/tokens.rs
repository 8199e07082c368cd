//! Tokens in the path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Denied, RequestPlan};
use crate::{
    policy::set::{CategoryId, FieldClass},
    redact::{TOKEN_MARK, action},
    secret::{DomainKey, Sensitive},
};

/// RFC 3986 2.3: what never needs an escape.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl RequestPlan {
    /// The path with the values of its tokens, where it has any: `template` is the route's, and names the segments.
    ///
    /// # Errors
    /// [`Denied::Token`] for a token that is none, that stands where the route expects nothing of its category, or whose
    /// value would be more than one segment.
    pub fn path(
        &self,
        key: &DomainKey,
        template: &str,
        path: &str,
    ) -> Result<Option<Sensitive<String>>, Denied> {
        if !path.contains(TOKEN_MARK) {
            return Ok(None);
        }
        let mut out = String::with_capacity(path.len());
        let names: Vec<&str> = template.split('/').collect();
        let mut restored = false;
        for (place, segment) in path.split('/').enumerate() {
            if place > 0 {
                out.push('/');
            }
            // Behind the last name is what `{*rest}` takes.
            let name =
                names.get(place).or(names.last()).and_then(|name| name.strip_prefix('{')?.strip_suffix('}'));
            let decoded = percent_decode_str(segment).decode_utf8_lossy();
            match self.segment(key, name.map(|name| name.trim_start_matches('*')), &decoded)? {
                Some(value) => {
                    restored = true;
                    out.extend(utf8_percent_encode(value.expose(), RESERVED));
                }
                None => out.push_str(segment),
            }
        }
        Ok(restored.then(|| Sensitive::new(out)))
    }

    fn segment(
        &self,
        key: &DomainKey,
        name: Option<&str>,
        text: &str,
    ) -> Result<Option<Sensitive<String>>, Denied> {
        if !text.starts_with(TOKEN_MARK) {
            return Ok(None);
        }
        let class = name.and_then(|name| self.names.parameter(name).or_else(|| self.names.field(&[name])));
        let Some(FieldClass::Category(category)) = class else {
            return if self.is_token(key, text) { Err(Denied::Token) } else { Ok(None) };
        };
        let Some(value) = self.restored(key, category, text)? else { return Ok(None) };
        // One segment, which no server can read as another.
        let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | '%' | ';' | '?' | '#');
        let is_segment =
            !matches!(value.expose().as_str(), "" | "." | "..") && value.expose().chars().all(plain);
        if is_segment { Ok(Some(value)) } else { Err(Denied::Token) }
    }

    /// The value of a text that is a token of this category; `None` where the category has no tokens or it is none.
    pub(super) fn restored(
        &self,
        key: &DomainKey,
        category: CategoryId,
        text: &str,
    ) -> Result<Option<Sensitive<String>>, Denied> {
        let Some(name) = self.tokenised(category) else {
            return if self.is_token(key, text) { Err(Denied::Token) } else { Ok(None) };
        };
        let restored = action::restore(key, name, text).map_err(|_| Denied::Token)?;
        Ok(restored.map(|restored| restored.value))
    }
}
