//! Why a document was refused.

/// Why a body is not passed on. No variant holds anything of the document: the error may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// Not what its format's standard writes, or readers would disagree on what it says.
    #[error("the document is malformed or ambiguous")]
    Malformed,
    /// The document ends before its root value does; an empty body too.
    #[error("the document ends too early")]
    Truncated,
    /// More than [`super::MAX_DEPTH`] nested arrays and objects.
    #[error("the document is nested too deeply")]
    TooDeep,
    /// Not UTF-8 (RFC 8259, section 8.1), nor the charset that was stated, where another may be.
    #[error("the document is not in its charset")]
    NotUtf8,
    /// A `\u` escape of half a surrogate pair: readers disagree on what it means, so a name could hide behind it.
    #[error("the document escapes half a surrogate pair")]
    LoneSurrogate,
    /// A key, a number or the white space of one member beyond its bound ([`super::MAX_KEY`], [`super::MAX_NUMBER`],
    /// [`super::MAX_HELD`]).
    #[error("a key, a number or a run of white space is too long")]
    TooLong,
    /// A part of it is in no format that is read, and the route declared its personal data.
    #[error("a part of the document cannot be read")]
    Opaque,
    /// It answers another question than the one that was asked, or in parts.
    #[error("the document is no answer to its request")]
    Unasked,
    /// The end of the document was announced already.
    #[error("the document was finished already")]
    Finished,
}
