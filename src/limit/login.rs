//! Protection of accounts on routes that check a credential (charter 6; CNIL 2022-100; OWASP ASVS 6.3).
//!
//! [`peek`] learns from the (bounded, complete) request which account is tried; [`super::Limits::admit`] counts the attempt
//! against the account and the address; [`super::Attempt::settle`] gives it back unless the platform's answer means a failed
//! guess. So thirty pupils who sign in behind one address cost that address nothing, and an attempt that is never
//! settled (a cut connection, a crash) stays counted.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    account::{self, Answers},
    multipart,
};
use crate::{policy::set::Authentication, secret::Sensitive};

/// Everything of a request in which a platform may look for a credential.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// Header fields, as the platform will get them.
    pub headers: &'a HeaderMap,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The whole body, at most [`Authentication::peek_bytes`] long.
    pub body: &'a [u8],
}

/// What a submission is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The account tried, folded; `None` when the request names none, and the address alone is counted.
    pub account: Option<Sensitive<String>>,
    /// Whether there is a secret: without one it is a probe, not a guess, and nothing is counted.
    pub has_secret: bool,
}

/// Why a submission is refused before the platform sees it. Carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    /// Longer than the route reads.
    #[error("the body is longer than this route reads")]
    TooLong,
    /// A body of a type that cannot be read, or of none.
    #[error("the body is neither JSON nor a form")]
    MediaType,
    /// Not what its type says, compressed, or with a field that is no text.
    #[error("the body cannot be read")]
    Unreadable,
    /// Two readers could see two accounts.
    #[error("the account is named more than once")]
    Ambiguous,
}

impl PeekError {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unreadable | Self::Ambiguous => StatusCode::BAD_REQUEST,
        }
    }
}

/// Which account a request tries, and whether it is a guess at all.
///
/// # Errors
/// A [`PeekError`] for whatever cannot be read in exactly one way: what the gateway cannot count does not pass.
pub fn peek(auth: &Authentication, submission: &Submission<'_>) -> Result<Peek, PeekError> {
    let Submission { headers, query, body } = *submission;
    if body.len() > auth.peek_bytes {
        return Err(PeekError::TooLong);
    }
    let mut has_secret = auth.secret.is_empty();
    let mut account: Option<String> = None;
    for source in [
        basic(auth, headers)?,
        query.map_or_else(|| Ok(Answers::default()), |query| account::of_form(auth, query.as_bytes()))?,
        of_body(auth, headers, body)?,
    ] {
        // Within one source a second account is a second guess, even at the same one.
        if source.accounts.len() > 1 && !all_alternatives(auth, &source.accounts) {
            return Err(PeekError::Ambiguous);
        }
        has_secret |= source.has_secret;
        for found in source.accounts.into_iter().filter(|found| !found.is_empty()) {
            match &account {
                Some(known) if *known != found => return Err(PeekError::Ambiguous),
                _ => account = Some(found),
            }
        }
    }
    Ok(Peek { account: account.map(Sensitive::new), has_secret })
}

/// Whether several accounts are one, given under several of the names that the route lists (`username` and `email`).
fn all_alternatives(auth: &Authentication, accounts: &[String]) -> bool {
    accounts.len() <= auth.account.len() && accounts.windows(2).all(|pair| pair[0] == pair[1])
}

fn of_body(auth: &Authentication, headers: &HeaderMap, body: &[u8]) -> Result<Answers, PeekError> {
    if body.is_empty() {
        return Ok(Answers::default());
    }
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(PeekError::Unreadable);
    }
    let content_type =
        single(headers, header::CONTENT_TYPE, PeekError::MediaType)?.ok_or(PeekError::MediaType)?;
    let content_type = content_type.as_bytes();
    let essence =
        content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let charset = multipart::parameter(content_type, b"charset")?;
    if charset.is_some_and(|it| !it.eq_ignore_ascii_case(b"utf-8") && !it.eq_ignore_ascii_case(b"utf8")) {
        return Err(PeekError::Unreadable);
    }
    match essence.as_slice() {
        b"application/x-www-form-urlencoded" => account::of_form(auth, body),
        b"multipart/form-data" => {
            account::of_fields(auth, multipart::fields(content_type, body)?.into_iter())
        }
        json if json == b"application/json" || json == b"text/json" || json.ends_with(b"+json") => {
            account::of_json(auth, body)
        }
        _ => Err(PeekError::MediaType),
    }
}

/// `Authorization: Basic` (RFC 7617) names an account too; other schemes do not.
fn basic(auth: &Authentication, headers: &HeaderMap) -> Result<Answers, PeekError> {
    let Some(value) = single(headers, header::AUTHORIZATION, PeekError::Ambiguous)? else {
        return Ok(Answers::default());
    };
    let value = value.as_bytes().trim_ascii();
    let scheme_end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, token) = value.split_at(scheme_end);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(Answers::default());
    }
    let decoded = BASE64_STANDARD.decode(token.trim_ascii()).map_err(|_| PeekError::Unreadable)?;
    let colon = memchr::memchr(b':', &decoded).ok_or(PeekError::Unreadable)?;
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    // Kolibri's user-id is a query string: `username=…&facility=…`, in any order.
    let mut answers =
        account::of_form(auth, user).ok().filter(|inside| !inside.accounts.is_empty()).unwrap_or_else(|| {
            Answers { accounts: vec![account::fold(&String::from_utf8_lossy(user))], has_secret: false }
        });
    answers.has_secret = !password.is_empty();
    Ok(answers)
}

/// The only field of this name.
fn single(
    headers: &HeaderMap,
    name: header::HeaderName,
    several: PeekError,
) -> Result<Option<&HeaderValue>, PeekError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(several) } else { Ok(first) }
}

#[cfg(test)]
pub(in crate::limit) mod tests;
