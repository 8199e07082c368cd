//! Where the gateway listens.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{ClientCertificatesDocument, Section, Texts, WordOr};

/// `gateway.listen`: addresses with ports, `[::]:8443`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListenDocument {
    /// Mandatory, one at least.
    pub(crate) https: Option<Listeners>,
    /// Default: none.
    pub(crate) http: Option<Listeners>,
    /// Metrics and probes. Mandatory.
    pub(crate) admin: Option<String>,
    /// The port under which clients reach the TLS listeners. Default: 443.
    pub(crate) public_https_port: Option<u16>,
    /// Certificates of clients. Default: none is asked for. Taken up while the gateway runs.
    pub(crate) client_certificates: Option<Section<ClientCertificatesDocument>>,
    /// Keys by which sessions resume on every replica. Default: each process has its own. Taken up while the gateway runs.
    pub(crate) ticket_keys: Option<Section<TicketKeysDocument>>,
}

/// `gateway.listen.ticket_keys`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TicketKeysDocument {
    /// One key a line, in Base64, newest first. Mandatory.
    pub(crate) file: Option<String>,
}

/// `gateway.listen.https` and `http`, where an address is not all there is to say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListenerDocument {
    /// Mandatory.
    pub(crate) address: Option<String>,
    /// Whether `[::]` leaves IPv4 alone. Default: false, it serves both.
    pub(crate) ipv6_only: Option<bool>,
    /// Balancers connect, and say for whom. Default: clients connect themselves.
    pub(crate) proxy_protocol: Option<Section<ProxyProtocolDocument>>,
}

/// `proxy_protocol`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProxyProtocolDocument {
    /// Networks of the balancers; nobody else may connect. Mandatory, but on a loopback address, where they are loopback's.
    pub(crate) from: Option<Texts>,
}

/// One listener, or a list of them.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// `None` stands for an item that was malformed.
    pub(crate) items: Vec<Option<WordOr<ListenerDocument>>>,
    /// Whether it was written as a list, which says how its items are located.
    pub(crate) list: bool,
}

impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Listeners;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, a mapping or a list of them")
            }

            fn visit_str<E>(self, text: &str) -> Result<Listeners, E> {
                Ok(Listeners { items: vec![Some(WordOr::Word(text.to_owned()))], list: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listeners, A::Error> {
                let one = ListenerDocument::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Listeners { items: vec![Some(WordOr::Mapping(one))], list: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listeners, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Listeners { items, list: true })
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
