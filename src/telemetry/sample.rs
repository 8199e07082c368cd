//! A small policy for tests of what reads names out of one.

use std::{path::Path, sync::Arc, time::Duration};

use crate::policy::set::{
    Action, AddressMode, Category, Charter, ClaimPaths, ClientLimits, GatewaySettings, HostHeader,
    HostPattern, Hsts, IdentityProvider, JournalSettings, JournalTarget, JwtSettings, KeySource, LegalBasis,
    Listen, PersonalData, PolicySet, Protocol, ProviderId, ProviderKind, Purpose, PurposeId, Recipient,
    RecipientId, RelaxedPaths, RouteId, RouteMatch, RoutePolicy, Sees, Store, Timeouts, TokenSource,
    Upstream, UpstreamId, WayBack,
};

const SECOND: Duration = Duration::from_secs(1);

/// One route `learners` to the upstream `kolibri`; recipients `anonymous`, `learner`, `teacher`; categories `name`,
/// `email`; one provider `sessions`. The journal goes to `journal`.
pub(crate) fn policy(journal: &Path) -> Arc<PolicySet> {
    Arc::new(PolicySet {
        digest: "0123456789abcdef".repeat(4),
        gateway: gateway(journal),
        charter: charter(),
        routes: vec![Arc::new(route())],
    })
}

fn charter() -> Charter {
    let category = |name: &str| Category {
        name: name.to_owned(),
        article: "2".to_owned(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: vec![name.to_owned()],
        otherwise: Action::Mask,
    };
    let recipient = |name: &str| Recipient { name: name.to_owned(), article: None, sees: Sees::default() };
    Charter {
        title: "Charte".to_owned(),
        version: "2025-09-10".to_owned(),
        purposes: vec![Purpose {
            name: "account".to_owned(),
            basis: LegalBasis::Contract,
            article: "1".to_owned(),
            retention_months: 36,
        }],
        categories: ["name", "email"].map(category).into(),
        recipients: ["anonymous", "learner", "teacher"].map(recipient).into(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn route() -> RoutePolicy {
    RoutePolicy {
        id: RouteId(0),
        name: "learners".to_owned(),
        owner: "vie-scolaire".to_owned(),
        matches: RouteMatch {
            host: HostPattern::Any,
            paths: vec!["/api/users/{id}".to_owned()],
            methods: Vec::new(),
            plain_http: false,
        },
        upstream: UpstreamId(0),
        purpose: PurposeId(0),
        identity: vec![ProviderId(0)],
        identity_unavailable: crate::policy::set::IdentityUnavailable::Anonymous,
        require_identity: false,
        require_relations: false,
        personal_data: PersonalData::Undeclared,
        presets: Vec::new(),
        way_back: WayBack::default(),
        authentication: None,
        quotas: Vec::new(),
        priority: crate::policy::set::Priority::Normal,
        relaxed_paths: RelaxedPaths::default(),
        websocket: crate::policy::set::WebSocket::Closed,
        body_bytes: None,
        response_timeout: None,
    }
}

fn gateway(journal: &Path) -> GatewaySettings {
    GatewaySettings {
        listen: Listen {
            https: Vec::new(),
            http: Vec::new(),
            admin: ([127, 0, 0, 1], 0).into(),
            public_https_port: 443,
        },
        workers: None,
        certificates: Vec::new(),
        client_certificates: None,
        ticket_keys: Vec::new(),
        hsts: Hsts { max_age: 31_536_000 * SECOND, include_subdomains: false },
        trusted_proxies: Vec::new(),
        limits: ClientLimits {
            header_count: 100,
            header_bytes: 16_384,
            uri_bytes: 8_192,
            body_bytes: 1 << 20,
            body_rate: 0,
            connections: 100,
            connections_per_address: 100,
            handshakes: 100,
            handshakes_per_address: 100,
            requests_per_connection: None,
            exchanges: 100,
            h2_streams: 100,
            h2_continuations: 5,
            h2_frames: crate::policy::set::FrameRates::all(1000),
            decoded_bytes: 1 << 30,
        },
        timeouts: Timeouts {
            handshake: SECOND,
            headers: SECOND,
            idle: SECOND,
            body: SECOND,
            connection: None,
            queue: Duration::ZERO,
            drain: SECOND,
            drain_delay: Duration::ZERO,
        },
        providers: vec![IdentityProvider {
            name: "sessions".to_owned(),
            kind: ProviderKind::Jwt(JwtSettings {
                issuer: "https://issuer.example".to_owned(),
                audience: Vec::new(),
                keys: KeySource::Inline(Vec::new()),
                token: TokenSource::Authorization,
                skew: SECOND,
                algorithms: Vec::new(),
            }),
            claims: ClaimPaths::default(),
            roles: Vec::new(),
            relations: Vec::new(),
        }],
        relations: Vec::new(),
        store: Store::Memory,
        quotas: Vec::new(),
        secret: None,
        journal: JournalSettings {
            to: JournalTarget::File(journal.to_owned()),
            queue: 1024,
            address: AddressMode::Pseudonym,
        },
        resolver: Vec::new(),
        upstreams: vec![Upstream {
            name: "kolibri".to_owned(),
            endpoints: Vec::new(),
            tls: None,
            protocol: Protocol::Http1,
            host: HostHeader::Preserve,
            connect_timeout: SECOND,
            response_timeout: SECOND,
            idle_connections: 1,
            idle_timeout: SECOND,
            country: None,
            resilience: crate::policy::set::Resilience::default(),
        }],
    }
}
