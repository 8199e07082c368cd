//! Whether a request came on a connection that was opened for another site (RFC 9110 7.4).
//!
//! Clients share a connection among all names of the certificate that they were shown (RFC 9113 9.1.1), and only among those.
//! So the name in the handshake and the host of a request may differ, as long as one certificate speaks for both.

use crate::policy::set::Certificate;

/// Whether the host has a certificate, and the connection was opened for a name of another one that does not speak for it.
///
/// Names without a certificate of their own are not judged here: what answers for them is the first one, whoever asks.
pub(super) fn is_misdirected(certificates: &[Certificate], server_name: &str, host: &str) -> bool {
    if server_name == host {
        return false;
    }
    let mut speaks_for_host = false;
    let mut speaks_for_name = false;
    for certificate in certificates {
        let (host, name) = (speaks_for(certificate, host), speaks_for(certificate, server_name));
        if host && name {
            return false;
        }
        speaks_for_host |= host;
        speaks_for_name |= name;
    }
    speaks_for_host && speaks_for_name
}

/// Whether a certificate is for this name; `*` stands for one label.
fn speaks_for(certificate: &Certificate, name: &str) -> bool {
    certificate.names.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(suffix) => name.find('.').is_some_and(|dot| dot > 0 && &name[dot..] == suffix),
        None => pattern == name,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;
    use crate::secret::Sensitive;

    #[test]
    fn one_certificate_must_speak_for_both() {
        let certificates: Vec<_> = [&["a.fr", "b.fr"][..], &["*.c.fr", "c.fr"], &["b.fr"], &["x.c.fr"]]
            .iter()
            .map(|names| Certificate {
                names: names.iter().map(|name| (*name).into()).collect(),
                chain: Vec::new(),
                key: Sensitive::new(Arc::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(vec![])))),
                expires: std::time::SystemTime::UNIX_EPOCH,
            })
            .collect();
        for (server_name, host, expected) in [
            ("a.fr", "a.fr", false),
            // Shared by the first.
            ("a.fr", "b.fr", false),
            ("b.fr", "a.fr", false),
            ("a.fr", "c.fr", true),
            ("c.fr", "y.c.fr", false),
            ("y.c.fr", "z.c.fr", false),
            // The wildcard speaks for it as well.
            ("y.c.fr", "x.c.fr", false),
            ("x.c.fr", "a.fr", true),
            ("x.c.fr", "c.fr", false),
            ("c.fr", "y.y.c.fr", false),
            // Nobody speaks for one of them.
            ("nobody.fr", "a.fr", false),
            ("a.fr", "nobody.fr", false),
            ("a.fr", "[::1]", false),
        ] {
            assert_eq!(is_misdirected(&certificates, server_name, host), expected, "{server_name} {host}");
        }
    }
}
