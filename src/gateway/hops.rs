//! How far a request has come, and how far it may still go: `Via` and `Max-Forwards` (RFC 9110 7.6.2, 7.6.3).

use http::{HeaderMap, HeaderValue, Method, Version, header};

/// How the gateway calls itself: a pseudonym, no host and no version (RFC 9110 7.6.3).
const NAME: &[u8] = b"rempart";

/// How often one request may pass gateways of this name. Two in a row are usual, for a region and for a site.
const PASSES: usize = 4;

/// Whether a request runs in a circle.
pub(super) fn has_looped(headers: &HeaderMap) -> bool {
    let hops = headers.get_all(header::VIA).iter().flat_map(|via| via.as_bytes().split(|&byte| byte == b','));
    hops.filter(|hop| is_ours(hop)).count() >= PASSES
}

/// Whether an element of `Via` (`[protocol/]version name [comment]`) is one that [`pass`] wrote.
fn is_ours(hop: &[u8]) -> bool {
    let mut words = hop.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

/// Says that the request came here, in which version.
pub(super) fn pass(headers: &mut HeaderMap, version: Version) {
    headers.append(
        header::VIA,
        HeaderValue::from_static(match version {
            Version::HTTP_2 => "2.0 rempart",
            Version::HTTP_10 => "1.0 rempart",
            _ => "1.1 rempart",
        }),
    );
}

/// What is left of the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It may go on.
    Way,
    /// It ends here.
    Nothing,
}

/// `Max-Forwards` is not one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclear;

/// Takes one step off `Max-Forwards`, which counts for OPTIONS alone: TRACE ends here anyway.
///
/// # Errors
/// [`Unclear`].
pub(super) fn step(method: &Method, headers: &mut HeaderMap) -> Result<Left, Unclear> {
    const MAX_FORWARDS: header::HeaderName = header::MAX_FORWARDS;
    if *method != Method::OPTIONS {
        return Ok(Left::Way);
    }
    let mut values = headers.get_all(MAX_FORWARDS).iter();
    let Some(value) = values.next() else { return Ok(Left::Way) };
    let digits = value.as_bytes();
    if values.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Unclear);
    }
    // More than fits is as good as no bound.
    let left: u32 =
        std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX);
    let Some(left) = left.checked_sub(1) else { return Ok(Left::Nothing) };
    headers.insert(MAX_FORWARDS, HeaderValue::from(left));
    Ok(Left::Way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_circle_is_seen_and_a_row_of_gateways_is_none() {
        for (values, expected) in [
            (&[][..], false),
            (&["1.1 rempart"], false),
            (&["1.1 rempart, 1.1 rempart", "2.0 rempart"], false),
            (&["1.1 rempart, 1.1 rempart", "2.0 Rempart , HTTP/1.1 rempart (x)"], true),
            (&["1.1 a, 1.1 b, 1.1 c, 1.1 d, 1.1 e"], false),
            (&["rempart, rempart, rempart, rempart, rempart"], false),
            (&["1.1 rempart:443, 1.1 rempart.fr, 1.1 xrempart, 1.1 x rempart"], false),
        ] {
            assert_eq!(has_looped(&map(header::VIA, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn a_request_says_where_it_came_from_last() {
        let mut headers = map(header::VIA, &["1.0 fred"]);
        pass(&mut headers, Version::HTTP_2);
        let values: Vec<_> = headers.get_all(header::VIA).iter().collect();
        assert_eq!(values, ["1.0 fred", "2.0 rempart"]);
        for _ in 0..4 {
            pass(&mut headers, Version::HTTP_11);
        }
        assert!(has_looped(&headers));
    }

    #[test]
    fn each_step_counts_for_options_alone() {
        for (values, left, after) in [
            (&[][..], Ok(Left::Way), None),
            (&["0"], Ok(Left::Nothing), Some("0")),
            (&["1"], Ok(Left::Way), Some("0")),
            (&["010"], Ok(Left::Way), Some("9")),
            (&["99999999999999999999"], Ok(Left::Way), Some("4294967294")),
            (&[""], Err(Unclear), Some("")),
            (&["+1"], Err(Unclear), Some("+1")),
            (&["1, 2"], Err(Unclear), Some("1, 2")),
            (&["1", "0"], Err(Unclear), Some("1")),
        ] {
            let mut headers = map(header::MAX_FORWARDS, values);
            assert_eq!(step(&Method::OPTIONS, &mut headers), left, "{values:?}");
            let got = headers.get(header::MAX_FORWARDS).map(HeaderValue::as_bytes);
            assert_eq!(got, after.map(str::as_bytes), "{values:?}");
            let mut headers = map(header::MAX_FORWARDS, values);
            assert_eq!(step(&Method::GET, &mut headers), Ok(Left::Way), "{values:?}");
            assert_eq!(headers, map(header::MAX_FORWARDS, values));
        }
    }
}
