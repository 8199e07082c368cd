//! How an identification ended: closed enums, so that the journal and the metrics cannot carry a personal value.

/// How an identification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No provider found a credential of its kind.
    Absent,
    /// A provider knows the caller and at least one of their roles.
    Accepted,
    /// A credential was there and is not good; nobody further was asked.
    Rejected(RejectReason),
    /// A credential was there and could not be checked: keys, session or introspection endpoint out of reach, or answering nonsense.
    Unavailable,
}

impl Outcome {
    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Accepted => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Why a credential was not accepted: for the journal and for metrics, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// The same header or cookie twice: the platform might read the other one.
    DuplicateCredential,
    /// Bytes that no credential of this kind can have.
    MalformedCredential,
    /// Longer than [`super::TOKEN_BYTES`] or [`super::SESSION_BYTES`].
    CredentialTooLong,
    /// Not a compact JWS (RFC 7515 §7.1) with a JSON object as header and payload, members unique.
    MalformedToken,
    /// `alg` is `none`, symmetric or unknown.
    UnsupportedAlgorithm,
    /// A `crit` header: an extension that the gateway does not understand (RFC 7515 §4.1.11).
    CriticalHeader,
    /// No key of the set fits.
    UnknownKey,
    /// Several keys of the set fit.
    AmbiguousKey,
    /// The key is pinned to another algorithm.
    AlgorithmMismatch,
    /// The signature does not verify.
    BadSignature,
    /// `iss` is not the provider's.
    WrongIssuer,
    /// `aud` names nobody that the provider's settings accept.
    WrongAudience,
    /// No `exp`.
    MissingExpiry,
    /// `exp`, `nbf` or `iat` is not a number.
    MalformedTime,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come.
    NotYetValid,
    /// Claims that cannot be one caller: several subjects, too many values, too long ones.
    MalformedClaims,
    /// The platform says that the session is not one (401 or 403).
    SessionRefused,
    /// The issuer says that the token is not active: revoked, expired, never issued.
    InactiveToken,
    /// A token that is bound to a key, or none that its bearer may use.
    WrongTokenType,
    /// A certificate that cannot be read in one way.
    MalformedCertificate,
    /// A certificate that no authority of the listener vouches for, or not for a client.
    UntrustedCertificate,
    /// A certificate that has ended, or not yet begun.
    ExpiredCertificate,
    /// A certificate that its authority took back.
    RevokedCertificate,
    /// A certificate of another SPIFFE trust domain, or of none.
    ForeignTrustDomain,
    /// Authentic, but no role that the charter knows: the least view.
    NoKnownRole,
}

impl RejectReason {
    /// Every reason, for metrics that are declared in advance.
    pub const ALL: [Self; 26] = [
        Self::DuplicateCredential,
        Self::MalformedCredential,
        Self::CredentialTooLong,
        Self::MalformedToken,
        Self::UnsupportedAlgorithm,
        Self::CriticalHeader,
        Self::UnknownKey,
        Self::AmbiguousKey,
        Self::AlgorithmMismatch,
        Self::BadSignature,
        Self::WrongIssuer,
        Self::WrongAudience,
        Self::MissingExpiry,
        Self::MalformedTime,
        Self::Expired,
        Self::NotYetValid,
        Self::MalformedClaims,
        Self::SessionRefused,
        Self::InactiveToken,
        Self::WrongTokenType,
        Self::MalformedCertificate,
        Self::UntrustedCertificate,
        Self::ExpiredCertificate,
        Self::RevokedCertificate,
        Self::ForeignTrustDomain,
        Self::NoKnownRole,
    ];

    /// The word in the journal and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DuplicateCredential => "duplicate_credential",
            Self::MalformedCredential => "malformed_credential",
            Self::CredentialTooLong => "credential_too_long",
            Self::MalformedToken => "malformed_token",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::CriticalHeader => "critical_header",
            Self::UnknownKey => "unknown_key",
            Self::AmbiguousKey => "ambiguous_key",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::MissingExpiry => "missing_expiry",
            Self::MalformedTime => "malformed_time",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::MalformedClaims => "malformed_claims",
            Self::SessionRefused => "session_refused",
            Self::InactiveToken => "inactive_token",
            Self::WrongTokenType => "wrong_token_type",
            Self::MalformedCertificate => "malformed_certificate",
            Self::UntrustedCertificate => "untrusted_certificate",
            Self::ExpiredCertificate => "expired_certificate",
            Self::RevokedCertificate => "revoked_certificate",
            Self::ForeignTrustDomain => "foreign_trust_domain",
            Self::NoKnownRole => "no_known_role",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_unique() {
        let words: HashSet<_> = RejectReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), RejectReason::ALL.len());
    }
}
