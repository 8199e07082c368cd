//! Which settings a provider's memory depends on: if none of them changed, a reload keeps it.
//!
//! The role table and the charter are not among them: they are applied to each exchange. Upstreams count by what they
//! are, not by their place in the list, which a reload may shift.

use crate::{
    policy::set::{
        ClientAuthentication, IdentityProvider, JsonPath, KeySource, Located, Place, PolicySet, ProviderKind,
        RelationSource, TokenSource, UpstreamId,
    },
    secret::DomainKey,
};

/// The fingerprints of all that a provider's answers depend on, and of what its key set alone depends on.
///
/// Keyed, so that fixed headers and cookies cannot be guessed from it, and so that another secret means another memory.
pub(super) fn fingerprint(
    policy: &PolicySet,
    provider: &IdentityProvider,
    key: &DomainKey,
) -> ([u8; 32], [u8; 32]) {
    let mut keys = Parts::default();
    let mut all = Parts::default();
    all.text(&provider.name);
    let paths = &provider.claims;
    for path in [&paths.subject, &paths.role, &paths.groups, &paths.wards, &paths.quota] {
        all.text(&path.as_ref().map(JsonPath::to_string).unwrap_or_default());
    }
    match &provider.kind {
        ProviderKind::Jwt(jwt) => {
            match &jwt.keys {
                KeySource::Inline(bytes) => keys.text("inline").bytes(bytes),
                KeySource::Remote { place, renewal } => keys
                    .text("remote")
                    .located(policy, place)
                    .bytes(&renewal.refresh.as_nanos().to_be_bytes())
                    .bytes(&renewal.expires.as_nanos().to_be_bytes()),
            };
            keys.list(jwt.algorithms.iter());
            all.text("jwt").bytes(&keys.tag(key)).text(&jwt.issuer).list(jwt.audience.iter());
            all.token(&jwt.token);
        }
        ProviderKind::Introspection(endpoint) => {
            all.text("introspection").located(policy, &endpoint.endpoint);
            match &endpoint.client {
                ClientAuthentication::Basic { id, secret } => {
                    all.text("basic").text(id).text(secret.expose())
                }
                ClientAuthentication::Post { id, secret } => all.text("post").text(id).text(secret.expose()),
                ClientAuthentication::Bearer(token) => all.text("bearer").text(token.expose()),
            };
            all.token(&endpoint.token)
                .list(endpoint.issuer.iter())
                .list(endpoint.audience.iter())
                .bytes(&endpoint.skew.as_nanos().to_be_bytes())
                .bytes(&(endpoint.cache_entries as u64).to_be_bytes())
                .bytes(&endpoint.cache.as_nanos().to_be_bytes());
        }
        ProviderKind::ForwardAuth(endpoint) => {
            all.text("forward-auth")
                .upstream(policy, endpoint.upstream)
                .text(endpoint.method.as_str())
                .text(&endpoint.path)
                .list(endpoint.cookies.iter())
                .list(endpoint.headers.iter())
                .list(endpoint.fixed_headers.iter().map(|(name, _)| name))
                .list(endpoint.fixed_headers.iter().map(|(_, value)| value))
                .list(endpoint.fixed_cookies.iter().map(|(name, _)| name))
                .list(endpoint.fixed_cookies.iter().map(|(_, value)| value))
                .list(endpoint.body.iter())
                .bytes(&(endpoint.cache_entries as u64).to_be_bytes())
                .bytes(&endpoint.cache.as_nanos().to_be_bytes());
        }
        // It remembers nothing.
        ProviderKind::ClientCertificate(_) => {
            all.text("client-certificate");
        }
    }
    (all.tag(key), keys.tag(key))
}

/// The fingerprint of all that a relation source's answers depend on.
pub(super) fn of_relations(policy: &PolicySet, source: &RelationSource, key: &DomainKey) -> [u8; 32] {
    let mut all = Parts::default();
    let path = |path: &Option<JsonPath>| path.as_ref().map(JsonPath::to_string).unwrap_or_default();
    all.text("relations").text(&source.name).upstream(policy, source.upstream).list(source.path.iter());
    all.text(&path(&source.groups))
        .text(&path(&source.wards))
        .text(&path(&source.next))
        .list(source.cookies.iter())
        .list(source.headers.iter())
        .list(source.fixed_headers.iter().map(|(name, _)| name))
        .list(source.fixed_headers.iter().map(|(_, value)| value))
        .list(source.fixed_cookies.iter().map(|(name, _)| name))
        .list(source.fixed_cookies.iter().map(|(_, value)| value))
        .bytes(&(source.cache_entries as u64).to_be_bytes());
    all.tag(key)
}

/// Parts of what is hashed; every list is preceded by its length.
#[derive(Default)]
struct Parts(Vec<Vec<u8>>);

impl Parts {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(bytes.to_vec());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn list<T: AsRef<[u8]>>(&mut self, list: impl ExactSizeIterator<Item = T>) -> &mut Self {
        self.bytes(&(list.len() as u64).to_be_bytes());
        for one in list {
            self.bytes(one.as_ref());
        }
        self
    }

    fn token(&mut self, source: &TokenSource) -> &mut Self {
        match source {
            TokenSource::Authorization => self.text("authorization"),
            TokenSource::Cookie(name) => self.text("cookie").text(name),
        }
    }

    fn place(&mut self, policy: &PolicySet, place: &Place) -> &mut Self {
        self.upstream(policy, place.upstream).text(&place.path).list(place.host.iter())
    }

    fn located(&mut self, policy: &PolicySet, located: &Located) -> &mut Self {
        match located {
            Located::Fixed(place) => self.text("fixed").place(policy, place),
            Located::Discovered(discovery) => {
                self.text("discovered").text(&discovery.issuer).place(policy, &discovery.document);
                self.list(
                    discovery.origins.iter().map(|one| format!("{} {}:{}", one.tls, one.host, one.port)),
                );
                for origin in &discovery.origins {
                    self.upstream(policy, origin.upstream);
                }
                self
            }
        }
    }

    fn upstream(&mut self, policy: &PolicySet, id: UpstreamId) -> &mut Self {
        let Some(upstream) = policy.gateway.upstreams.get(usize::from(id.0)) else {
            return self.text("nowhere");
        };
        self.text(&upstream.name).text(if upstream.tls.is_some() { "https" } else { "http" });
        self.list(upstream.endpoints.iter().map(|endpoint| format!("{}:{}", endpoint.host, endpoint.port)));
        if let Some(tls) = &upstream.tls {
            self.list(tls.server_name.iter());
            self.list(tls.ca.iter().flatten().collect::<Vec<_>>().into_iter());
        }
        self
    }

    fn tag(&self, key: &DomainKey) -> [u8; 32] {
        key.tag(&self.0.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}
