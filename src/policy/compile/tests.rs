//! The language as its users meet it: shipped policies, bad inputs with their reports, and laws.

mod oidc;
mod overload;
mod resilience;
mod transport;

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{Options, compile, inspect};
use crate::policy::{
    report::Report,
    set::{
        Action, CategoryId, FieldRule, HostPattern, KeySource, Located, PersonalData, Place, PolicySet, Step,
        Store, TokenSource, Unknown,
    },
    source::{self, Sources},
};

mod callers;
mod certificates;

const CHECK: Options = Options { absent_files_pass: true, now: None };

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn shipped() -> Vec<(String, Vec<u8>)> {
    let sources = Sources::read(&folder("policies")).unwrap();
    sources.policy_files().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

/// A self-signed certificate and its key, in PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["ecole.example.fr".into()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A sound policy of three files, with one change.
fn small(file: &str, from: &str, to: &str) -> (Option<PolicySet>, Report) {
    small_twice(file, &[(from, to)])
}

/// The same, with several changes in one file.
fn small_twice(file: &str, changes: &[(&str, &str)]) -> (Option<PolicySet>, Report) {
    let changes: Vec<_> = changes.iter().map(|(from, to)| (file, *from, *to)).collect();
    small_in(&changes)
}

/// The same, with changes in several files.
fn small_in(changes: &[(&str, &str, &str)]) -> (Option<PolicySet>, Report) {
    let charter = "charter:
  title: Charte
  version: 2025-09-10
  purposes: { account: { basis: contract, article: '1', retention: 36 months } }
  categories:
    name: { article: '2', fields: [nom, full_name], otherwise: mask }
    birth: { article: '2', fields: [birth_date], otherwise: { generalise: year } }
  recipients:
    learner: { sees: { own: [name] } }
    administrator: { sees: { any: all } }
    anonymous: { sees: {} }
  cookies: [{ name: sso, class: session, article: '8.2' }]
";
    let gateway = "gateway:
  listen: { https: '[::]:8443', admin: '127.0.0.1:9090' }
  certificates: [{ names: [ecole.example.fr], chain: tls.crt, key: tls.key }]
  secret: { file: secret }
  identity:
    - name: sso
      jwt: { issuer: 'https://sso.example.fr', audience: rempart, jwks: { file: jwks.json } }
      claims: { subject: sub, role: '$.roles[*]' }
      roles: { student: learner }
  upstreams: { platform: { endpoints: 'http://platform:8080' } }
";
    let routes = "routes:
  - name: all
    owner: team
    match: { host: ecole.example.fr, path: '/{*rest}' }
    upstream: platform
    purpose: account
";
    let change = |name: &str, text: &str| {
        let changes = changes.iter().filter(|(file, ..)| name == *file);
        changes.fold(text.to_owned(), |text, (file, from, to)| {
            assert!(text.contains(from), "{from} is not in {file}");
            text.replacen(from, to, 1)
        })
    };
    let (chain, key) = certificate();
    let sources = Sources::from_memory([
        ("charter.yaml", change("charter.yaml", charter)),
        ("gateway.yaml", change("gateway.yaml", gateway)),
        ("routes/all.yaml", change("routes/all.yaml", routes)),
        ("tls.crt", chain),
        ("tls.key", key),
        ("secret", "0123456789abcdef0123456789abcdef".into()),
        ("short", "0123456789abcdef".into()),
        ("jwks.json", r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}]}"#.into()),
        ("symmetric.json", r#"{"keys":[{"kty":"oct","k":"AA"}]}"#.into()),
        ("private.json", r#"{"keys":[{"kty":"EC","d":"AA"}]}"#.into()),
        ("other.key", certificate().1),
    ]);
    inspect(&sources, &CHECK)
}

#[track_caller]
fn sound(file: &str, from: &str, to: &str) -> PolicySet {
    let (set, report) = small(file, from, to);
    set.unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn the_shipped_policies_are_sound() {
    let (set, report) = source::inspect(&folder("policies"), &CHECK);
    let set = set.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(set.charter.recipients[set.charter.anonymous.index()].name, "anonymous");
    let secret = set.charter.categories.iter().position(|category| category.name == "secret").unwrap();
    assert_eq!(set.charter.categories[secret].otherwise, Action::Remove);
    for recipient in set.charter.recipients.iter().filter(|recipient| recipient.name != "administrator") {
        let sees = recipient.sees;
        let all = sees.any.union(sees.own).union(sees.group).union(sees.ward);
        assert!(!all.contains(CategoryId(secret as u8)), "{} sees passwords", recipient.name);
    }
    let learners = set.routes.iter().find(|route| route.name == "learners").unwrap();
    assert_eq!(
        learners.matches.paths,
        ["/api/auth/facilityuser/{*rest}", "/api/auth/facilityuser/"],
        "an empty remainder belongs to its route"
    );
}

#[test]
fn a_gateway_refuses_what_a_check_lets_pass() {
    let report = source::load(&folder("policies")).unwrap_err();
    assert!(report.errors.iter().all(|error| error.message.contains("cannot be read")), "{report}");
    assert!(!report.errors.is_empty());
}

#[test]
fn several_listeners_may_take_whatever_port_is_free() {
    let listen =
        "listen: { https: ['127.0.0.1:0', '127.0.0.1:0'], http: '127.0.0.1:0', admin: '127.0.0.1:0' }";
    let set = sound("gateway.yaml", "listen: { https: '[::]:8443', admin: '127.0.0.1:9090' }", listen);
    assert_eq!((set.gateway.listen.https.len(), set.gateway.listen.http.len()), (2, 1));
}

#[test]
fn listeners_say_who_connects_to_them() {
    let listens = |https: &str| {
        let listen = format!("listen: {{ https: {https}, admin: '127.0.0.1:9090' }}");
        sound("gateway.yaml", "listen: { https: '[::]:8443', admin: '127.0.0.1:9090' }", &listen)
            .gateway
            .listen
    };
    let from = |listener: &crate::policy::set::Listener| -> Option<Vec<String>> {
        Some(listener.balancers.as_ref()?.iter().map(ToString::to_string).collect())
    };
    let plain = listens("'[::]:8443'");
    assert!(!plain.https[0].ipv6_only && plain.https[0].balancers.is_none());
    let one = listens("{ address: '[::]:8443', proxy_protocol: { from: [10.1.0.0/16, 'fd00::7'] } }");
    assert_eq!(from(&one.https[0]).unwrap(), ["10.1.0.0/16", "fd00::7/128"]);
    let mapped = listens("{ address: '[::]:8443', proxy_protocol: { from: '::ffff:10.1.0.0/112' } }");
    assert_eq!(from(&mapped.https[0]).unwrap(), ["10.1.0.0/16"]);
    let two = listens("[{ address: '[::]:8443', ipv6_only: true }, '0.0.0.0:8443']");
    assert!(two.https[0].ipv6_only && from(&two.https[1]).is_none());
    for loopback in ["127.0.0.1:0", "[::1]:0"] {
        let local = listens(&format!("{{ address: '{loopback}', proxy_protocol: {{}} }}"));
        assert_eq!(from(&local.https[0]).unwrap(), ["127.0.0.0/8", "::1/128"]);
    }
    let listens_on = listens("'[fe80::1%2]:8443'").https[0].address;
    assert!(matches!(listens_on, std::net::SocketAddr::V6(v6) if v6.scope_id() == 2));
}

#[test]
fn a_small_policy_compiles_to_what_it_says() {
    let set = sound("", "", "");
    assert_eq!(set.digest.len(), 64);
    assert_eq!(set.charter.categories[0].fields, ["nom", "fullname"]);
    assert!(set.charter.recipients[1].sees.any.contains(CategoryId(1)));
    assert!(matches!(set.gateway.store, Store::Memory));
    assert!(set.gateway.secret.is_some());
    let route = &set.routes[0];
    assert_eq!(route.matches.host, HostPattern::Exact("ecole.example.fr".into()));
    assert_eq!(route.matches.paths, ["/{*rest}", "/"]);
    assert_eq!(route.identity.len(), 1, "every provider is asked unless the route says otherwise");
    assert!(matches!(route.personal_data, PersonalData::Undeclared));
}

#[test]
fn places_are_told_in_names_of_the_policy_and_of_standards() {
    let set = sound(
        "routes/all.yaml",
        "purpose: account",
        "purpose: account\n    personal_data: { record: '$.roster[*]', subject: whose, fields: { a.own_name: name } }",
    );
    let PersonalData::Declared(data) = &set.routes[0].personal_data else { panic!("declared") };
    for name in ["roster", "whose", "a", "own_name", "mbox_sha1sum", "results"] {
        assert_ne!(data.lexicon.step(name.as_bytes()), Step::UNKNOWN, "{name}");
    }
    for name in ["mdupont", "Jean", "jean", "", "#", "Results", "*", "?"] {
        assert_eq!(data.lexicon.step(name.as_bytes()), Step::UNKNOWN, "{name}");
    }
}

#[test]
fn defaults_never_weaken() {
    let set = sound(
        "routes/all.yaml",
        "purpose: account",
        "purpose: account\n    personal_data: { fields: { a: name } }",
    );
    let PersonalData::Declared(data) = &set.routes[0].personal_data else { panic!("declared") };
    assert_eq!(data.unknown, Unknown::Deny);
    assert_eq!(data.records.len(), 2);
    let hsts = set.gateway.hsts;
    assert!(hsts.max_age.as_secs() >= 365 * 86_400 && hsts.include_subdomains);
}

#[test]
fn a_tilde_speaks_of_the_names_of_members() {
    let set = sound(
        "routes/all.yaml",
        "purpose: account",
        "purpose: account\n    personal_data: { fields: { $.a.~: name, '~': birth, $..~: not_personal, \"['~']\": name, $.a: birth } }",
    );
    let PersonalData::Declared(data) = &set.routes[0].personal_data else { panic!("declared") };
    let paths = |rules: &[FieldRule]| rules.iter().map(|rule| rule.path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(&data.keys), ["$.a", "", "$.."]);
    assert_eq!(paths(&data.fields), ["~", "$.a"]);
}

#[test]
fn an_address_of_keys_becomes_an_upstream() {
    let set = sound(
        "gateway.yaml",
        "jwks: { file: jwks.json }",
        "cookie: token, jwks: { url: 'https://sso.example.fr/keys?x=1' }",
    );
    let crate::policy::set::ProviderKind::Jwt(jwt) = &set.gateway.providers[0].kind else { panic!("jwt") };
    let KeySource::Remote { place: Located::Fixed(Place { upstream, path, .. }), .. } = &jwt.keys else {
        panic!("remote")
    };
    let upstream = &set.gateway.upstreams[usize::from(upstream.0)];
    assert_eq!((path.as_str(), upstream.name.as_str()), ("/keys?x=1", "sso.keys"));
    assert_eq!((upstream.endpoints[0].host.as_str(), upstream.endpoints[0].port), ("sso.example.fr", 443));
    assert!(upstream.tls.is_some());
    assert_eq!(jwt.token, TokenSource::Cookie("token".into()));
    assert_eq!(jwt.algorithms.len(), 9);
}

/// One change to a sound policy, and the one message that it must cause.
#[test]
fn every_mistake_is_named() {
    let gateway = "gateway.yaml";
    let charter = "charter.yaml";
    let routes = "routes/all.yaml";
    for (file, from, to, message) in [
        (routes, "purpose: account", "purpose: acount", "there is no purpose `acount`"),
        (routes, "    purpose: account\n", "", "`purpose` is missing"),
        (routes, "    owner: team\n", "", "`owner` is missing"),
        (routes, "owner: team", "owner: ''", "`owner` is empty"),
        (routes, "upstream: platform", "upstream: platfrom", "there is no upstream `platfrom`"),
        (routes, "name: all", "name: 'tout à fait'", "`tout à fait` cannot be a name"),
        (routes, "'/{*rest}'", "'/{*rest}/x'", "is not a template"),
        (routes, "'/{*rest}'", "'api'", "does not start with `/`"),
        (routes, "'/{*rest}'", "'/a/../b'", "not in its shortest form"),
        (routes, "'/{*rest}'", "'/%61'", "never matched"),
        (routes, "'/{*rest}'", "['/a', '/a']", "is listed twice"),
        (routes, "'/{*rest}'", "['/a/{x}', '/a/{y}']", "cannot stand beside"),
        (routes, "'/{*rest}'", "[]", "takes no path"),
        (routes, "ecole.example.fr", "'https://ecole.example.fr'", "is not a host"),
        (routes, "ecole.example.fr", "'ecole.example.fr:8443'", "is not a host"),
        (routes, "path:", "methods: [get], path:", "`get` is not a method"),
        (routes, "path:", "methods: [CONNECT], path:", "is never let through"),
        (routes, "path:", "plain_http: true, path:", "does not travel without TLS"),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: true\n    personal_data: {}",
            "WebSocket cannot be opened unread",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: redact\n    personal_data: { exempt: files }",
            "messages are not read",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: redact\n    personal_data: { formats: [graphql] }",
            "where GraphQL is spoken",
        ),
        (routes, "purpose: account", "purpose: account\n    websocket: read", "not a way to treat messages"),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: { binary: pass }",
            "`messages` is missing",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: { messages: redact, binary: allow }",
            "not a way to treat binary messages",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    websocket: { messages: redact, message_bytes: 1 GiB }",
            "1 GiB",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { formats: [graphl] }",
            "not a format that must be named",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { secret: password }",
            "`account` is missing",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, failure: [99] }",
            "99 is not the status",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: { failures: 6 } }",
            "a wait after 5 failures in a row at most",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: { delay: 60 s } }",
            "more than a minute after five failures",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: { per_day: 26 } }",
            "25 failures in 24 hours at most",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: { preset: cnil-block, failures: 11 } }",
            "a block after 10 failures in a row at most",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: { preset: cnil-block, delay: 2 min } }",
            "`delay` means nothing here",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, per_account: cnil-backof }",
            "`cnil-backof` is not a preset",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, device_cookie: __Host-device }",
            "the charter does not list the cookie `__Host-device`",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, device_cookie: device }",
            "cannot be named `device`",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { kind: second_factor }",
            "nothing says whose second factor",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { kind: registration, per_account: cnil-block }",
            "there is no account yet",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { kind: reset, account: u, failure: [401] }",
            "every request counts here",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { kind: reset, account: u, lifts: all }",
            "anybody could end the wait",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { kind: reset, account: u, secret: t, lifts: logn }",
            "no route `logn` protects accounts",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, failure: { location: login } }",
            "does not begin with `/`",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, failure: { body: {} } }",
            "nothing of the body is looked for",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    authentication: { account: u, uniform: https://x.example/ }",
            "is no answer",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    identity: [ssso]",
            "there is no identity provider `ssso`",
        ),
        (routes, "purpose: account", "purpose: account\n    relaxed_paths: [dots]", "not an ambiguity"),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { record: 'results[*]' }",
            "has no place",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { subject: $.id }",
            "starts at the document's root",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { fields: { 'a[': name } }",
            "is not a JSON path",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { fields: { a: nam } }",
            "there is no category `nam`",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { fields: { $.a.~: free_text } }",
            "a name is no free text",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { fields: { $.a.~: name, '$.a.~ ': birth } }",
            "is the same field",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { exempt: x, unknown: deny }",
            "declares nothing",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { exempt: x, preset: scim }",
            "declares nothing",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: xapy }",
            "`xapy` is not a preset",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: [] }",
            "no preset is named",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: { categories: {} } }",
            "`name` is missing",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: xapi-documents }",
            "the preset `xapi-documents` needs `work`, which the charter does not declare",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: { name: xapi-documents, categories: { work: nome } } }",
            "there is no category `nome`",
        ),
        (
            routes,
            "purpose: account",
            "purpose: account\n    personal_data: { preset: { name: xapi-documents, categories: { work: name, wrk: name } } }",
            "has no category `wrk`",
        ),
        (routes, "purpose: account", "purpose: account\n    body_bytes: 10 KB", "is not a unit of size"),
        (routes, "purpose: account", "purpose: account\n    priority: high", "`high` is not a priority"),
        (routes, "purpose: account", "purpose: account\n    purpos: account", "`purpos` is not a field here"),
        (charter, "article: '1', ", "", "`article` is missing"),
        (charter, "{ article: '2', fields: [nom", "{ fields: [nom", "`article` is missing"),
        (charter, ", article: '8.2'", "", "`article` is missing"),
        (charter, "article: '8.2'", "exempt: CNIL", "must be shown to the officer"),
        (charter, "class: session", "class: session, max_age: 1 h", "a session cookie has no `max_age`"),
        (charter, "class: session", "class: seesion", "is not a class of cookies"),
        (charter, "name: sso", "name: '*'", "would let every cookie pass"),
        (
            charter,
            "anonymous: { sees: {} }",
            "anonymous: { sees: { any: [name] } }",
            "`anonymous` sees personal data",
        ),
        (charter, "    anonymous: { sees: {} }\n", "", "`anonymous` is missing"),
        (charter, "learner: { sees: { own: [name] } }", "learner: {}", "`sees` is missing"),
        (charter, "own: [name]", "own: [nome]", "there is no category `nome`"),
        (
            charter,
            "fields: [birth_date]",
            "fields: [fullName]",
            "means the same field as `full_name`, which belongs to `name` already (charter.yaml:6:41)",
        ),
        (charter, "otherwise: mask", "otherwise: hide", "`hide` is not an action"),
        (charter, "otherwise: mask", "otherwise: generalise", "needs to be told how"),
        (charter, "generalise: year", "generalise: decade", "is not a generalisation"),
        (charter, "basis: contract", "basis: contrat", "is not a legal basis"),
        (charter, "36 months", "36", "has no unit"),
        (charter, "2025-09-10", "september", "is not a date"),
        (charter, "title: Charte", "title: Charte\n  title: Autre", "`title` is written twice"),
        (charter, "title: Charte", "title:", "nothing is written here"),
        (charter, "title: Charte", "title: !x Charte", "the tag `!x` means nothing"),
        (charter, "title: Charte", "title: 12", "found integer `12`, expected a text"),
        (charter, "title: Charte", "title: [a", "this is not YAML"),
        (gateway, "127.0.0.1:9090", "localhost:9090", "is not an address"),
        (gateway, "127.0.0.1:9090", "[::]:8443", "is a public listener already"),
        (gateway, "https: '[::]:8443'", "https: ['[::]:8443', '0.0.0.0:8443']", "are one"),
        (
            gateway,
            "https: '[::]:8443'",
            "https: '0.0.0.0:8443', http: '[::]:8443'",
            "is a TLS listener already",
        ),
        (gateway, "https: '[::]:8443'", "https: ['[::]:8443', { address: '[::]:8443' }]", "is listed twice"),
        (gateway, "https: '[::]:8443'", "https: '[fe80::1]:8443'", "is another address on each interface"),
        (gateway, "https: '[::]:8443'", "https: { addres: '[::]:8443' }", "`addres` is not a field here"),
        (gateway, "https: '[::]:8443'", "https: { ipv6_only: true }", "`address` is missing"),
        (gateway, "https: '[::]:8443'", "https: 8443", "expected an address, a mapping or a list of them"),
        (
            gateway,
            "https: '[::]:8443'",
            "https: { address: '0.0.0.0:8443', ipv6_only: true }",
            "the address is one of IPv4",
        ),
        (
            gateway,
            "https: '[::]:8443'",
            "https: { address: '[::]:8443', proxy_protocol: {} }",
            "`from` is missing",
        ),
        (
            gateway,
            "https: '[::]:8443'",
            "https: { address: '[::]:8443', proxy_protocol: { from: [] } }",
            "nobody could connect",
        ),
        (
            gateway,
            "https: '[::]:8443'",
            "https: { address: '[::]:8443', proxy_protocol: { from: 0.0.0.0/0 } }",
            "would let every client choose its own address",
        ),
        (
            gateway,
            "https: '[::]:8443'",
            "https: [{ address: '[::]:8443', proxy_protocol: { from: [balancer] } }]",
            "`balancer` is not a network",
        ),
        (
            gateway,
            "https: '[::]:8443'",
            "https: { address: '127.0.0.1:8443', proxy_protocol: true }",
            "expected a mapping",
        ),
        (gateway, "chain: tls.crt", "chain: tls.pem", "cannot be read"),
        (gateway, "chain: tls.crt", "chain: tls.key", "holds no certificate"),
        (gateway, "key: tls.key", "key: tls.crt", "holds no private key"),
        (gateway, "key: tls.key", "key: other.key", "is not the certificate's"),
        (gateway, "file: secret", "file: short", "the secret has 16 bytes"),
        (gateway, "jwks.json", "symmetric.json", "holds a symmetric key"),
        (gateway, "jwks.json", "private.json", "holds a private key"),
        (gateway, "jwks.json", "secret", "is not JSON"),
        (gateway, "audience: rempart, ", "", "`audience` is missing"),
        (gateway, "audience: rempart", "audience: rempart, algorithms: [HS256]", "`HS256` is refused"),
        (gateway, "audience: rempart", "audience: rempart, algorithms: [none]", "`none` is refused"),
        (gateway, "audience: rempart", "audience: rempart, skew: 1 h", "is out of bounds"),
        (gateway, "student: learner", "student: lerner", "there is no recipient `lerner`"),
        (gateway, "role: '$.roles[*]'", "groups: a", "`role` is missing"),
        (gateway, "http://platform:8080", "platform:8080", "is not an endpoint"),
        (gateway, "http://platform:8080", "http://platform:8080/x", "is not an endpoint"),
        (gateway, "'http://platform:8080'", "['http://a', 'https://b']", "is not of the kind"),
        (gateway, "secret:", "hsts: { max_age: 30 days }\n  secret:", "HSTS under a year"),
        (gateway, "secret:", "trusted_proxies: [10.0.0.0/33]\n  secret:", "is not a network"),
        (gateway, "secret:", "trusted_proxies: [10.1.0.0/8]\n  secret:", "has bits behind its prefix"),
        (gateway, "secret:", "trusted_proxies: ['::/0']\n  secret:", "would believe every client"),
        (gateway, "secret:", "trusted_proxies: ['::ffff:0:0/96']\n  secret:", "would believe every client"),
        (
            gateway,
            "secret:",
            "trusted_proxies: ['::ffff:10.1.0.0/104']\n  secret:",
            "has bits behind its prefix",
        ),
        (gateway, "secret:", "store: redis\n  secret:", "is not a store"),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'redis://:hunter2@r', replicas: 1 } }\n  secret:",
            "a password does not belong",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'redis://r:6379/0' } }\n  secret:",
            "`replicas` is missing",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'redis://r', sentinel: { master: m, nodes: [s:26379] }, replicas: 1 } }\n  secret:",
            "`url` and `sentinel` exclude each other",
        ),
        (gateway, "secret:", "store: { redis: { replicas: 1 } }\n  secret:", "`url` is missing"),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'rediss://r/#insecure', replicas: 1 } }\n  secret:",
            "is not understood",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'redis://r', replicas: 1, tls: {} } }\n  secret:",
            "the address is not `rediss://`",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'redis://r', replicas: 1, user: u } }\n  secret:",
            "`user` has no password",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'rediss://r', replicas: 1, tls: { ca: tls.key } } }\n  secret:",
            "holds no trusted roots",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'rediss://r', replicas: 1, tls: { certificate: tls.crt } } }\n  secret:",
            "stands without `key`",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { url: 'rediss://r', replicas: 1, tls: { certificate: tls.crt, key: other.key } } }\n  secret:",
            "is not the key of",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { sentinel: { master: m, nodes: [] }, replicas: 1 } }\n  secret:",
            "no node is named",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { sentinel: { nodes: [s:26379] }, replicas: 1 } }\n  secret:",
            "`master` is missing",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { cluster: [redis], replicas: 1 } }\n  secret:",
            "is not a node",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { cluster: ['a:hunter2@r:6379'], replicas: 1 } }\n  secret:",
            "a password does not belong",
        ),
        (
            gateway,
            "secret:",
            "store: { redis: { cluster: [r:6379, r:6379], replicas: 1 } }\n  secret:",
            "is listed twice",
        ),
        (gateway, "secret:", "quotas: { api: { count: 5, per: 1 min } }\n  secret:", "`by` is missing"),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: adress, count: 5, per: 1 min } }\n  secret:",
            "`adress` is not something to count by",
        ),
        (gateway, "secret:", "quotas: { api: { by: address } }\n  secret:", "the quota limits nothing"),
        (gateway, "secret:", "quotas: { api: { by: address, count: 5 } }\n  secret:", "`per` is missing"),
        (gateway, "secret:", "quotas: { api: { by: address, per: 1 min } }\n  secret:", "`count` is missing"),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: address, count: 0, per: 1 min } }\n  secret:",
            "0 is out of bounds",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: address, count: 5, per: 1 min, burst: 0 } }\n  secret:",
            "0 is out of bounds",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: address, burst: 5, concurrency: 2 } }\n  secret:",
            "`count` is missing",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: claim, count: 5, per: 1 min } }\n  secret:",
            "no identity provider says what to count by",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: { header: 'a b' }, count: 5, per: 1 min } }\n  secret:",
            "is not the name of a header",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: { header: Cookie }, count: 5, per: 1 min } }\n  secret:",
            "does not say whose request it is",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: address, count: 5, per: 1 min, exempt: [0.0.0.0/0] } }\n  secret:",
            "would exempt everybody",
        ),
        (
            gateway,
            "secret:",
            "quotas: { api: { by: address, count: 5, per: 1 min, exempt: [10.1.0.0/8] } }\n  secret:",
            "has bits behind its prefix",
        ),
        (
            gateway,
            "secret:",
            "quotas: { 'a b': { by: address, count: 5, per: 1 min } }\n  secret:",
            "cannot be a name",
        ),
        (gateway, "secret:", "timeouts: { idle: 0 s }\n  secret:", "is out of bounds"),
        (gateway, "secret:", "limits: { header_count: 3 }\n  secret:", "3 is out of bounds"),
        (gateway, "secret:", "journal: { to: { file: access.log } }\n  secret:", "is relative"),
        (gateway, "secret:", "lisen: {}\n  secret:", "`lisen` is not a field here"),
    ] {
        let (set, report) = small(file, from, to);
        assert!(set.is_none(), "{to} is accepted");
        let [error] = report.errors.as_slice() else { panic!("one error is due for {to}\n{report}") };
        assert!(error.message.contains(message), "{message} is due for {to}\n{report}");
        assert_eq!(error.file, file, "{report}");
        assert!(!report.to_string().contains("hunter2"), "{report}");
    }
}

#[test]
fn findings_refuse_nothing() {
    for (file, from, to, message) in [
        (
            "charter.yaml",
            "class: session, article: '8.2'",
            "class: security, exempt: CNIL, finding: true",
            "exempt by the CNIL",
        ),
        ("charter.yaml", "class: session", "class: interface", "is of another class"),
        ("gateway.yaml", "  secret: { file: secret }\n", "", "there is no `secret`"),
        ("gateway.yaml", "file: secret", "file: /nowhere/secret", "is not readable here"),
        ("gateway.yaml", "{ file: jwks.json }", "{ url: 'http://sso/keys' }", "without encryption"),
        (
            "routes/all.yaml",
            "purpose: account",
            "purpose: account\n    personal_data: { exempt: static files }",
            "is exempt",
        ),
        (
            "routes/all.yaml",
            "purpose: account",
            "purpose: account\n    personal_data: { unknown: pass }",
            "nobody classified",
        ),
        ("routes/all.yaml", "purpose: account", "purpose: account\n    websocket: true", "not looked at"),
        (
            "routes/all.yaml",
            "purpose: account",
            "purpose: account\n    websocket: { messages: redact, binary: pass, message_bytes: 64 KiB }",
            "binary messages pass unread",
        ),
    ] {
        let (set, report) = small(file, from, to);
        assert!(set.is_some(), "{report}");
        assert!(
            report.findings.iter().any(|finding| finding.message.contains(message)),
            "{message}\n{report}"
        );
    }
}

#[test]
fn sixty_four_categories_fit_and_sixty_five_do_not() {
    let with = |count: usize| {
        let more: String =
            (2..count).map(|n| format!("    c{n}: {{ article: '2', otherwise: mask }}\n")).collect();
        small("charter.yaml", "  recipients:\n", &format!("{more}  recipients:\n"))
    };
    let (set, report) = with(64);
    let set = set.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(set.charter.recipients[1].sees.any.0, u64::MAX);
    let (_, report) = with(65);
    assert!(report.to_string().contains("at most 64"), "{report}");
}

#[test]
fn aliases_and_merges_work_and_bombs_do_not() {
    let set = sound(
        "charter.yaml",
        "name: { article: '2', fields: [nom, full_name], otherwise: mask }",
        "name: &n { article: '2', otherwise: mask }\n    more: { <<: *n, otherwise: remove }",
    );
    assert_eq!(set.charter.categories[1].otherwise, Action::Remove);
    assert_eq!(set.charter.categories[1].article, "2");

    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..9 {
        let last = format!("*a{}", n - 1);
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![last; 10].join(", ")));
    }
    let deep = format!("charter: {}{}", "[".repeat(5000), "]".repeat(5000));
    let long = format!("charter: '{}'", "x".repeat(2 << 20));
    for text in [bomb, deep, long, "a: &a [*a]".into(), "a: *b".into(), "--- 1\n--- 2".into()] {
        let sources = Sources::from_memory([("charter.yaml", text)]);
        assert!(compile(&sources).is_err());
    }
}

/// Each folder under `tests/policies/` is a policy with its report beside it.
#[test]
fn bad_inputs_get_their_golden_reports() {
    let (chain, key) = certificate();
    let mut seen = 0;
    for entry in fs::read_dir(folder("tests/policies")).unwrap() {
        let dir = entry.unwrap().path();
        let sources = Sources::read(&dir).unwrap();
        let mut files: Vec<(String, Vec<u8>)> =
            sources.policy_files().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        files.push(("tls.crt".into(), chain.clone().into_bytes()));
        files.push(("tls.key".into(), key.clone().into_bytes()));
        let (set, report) = inspect(&Sources::from_memory(files), &CHECK);
        assert!(set.is_none(), "{} is accepted", dir.display());
        let golden = dir.join("report.txt");
        let text = report.to_string();
        if std::env::var_os("REMPART_BLESS").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&golden).unwrap(), "{}", golden.display());
        seen += 1;
    }
    assert!(seen >= 5, "{seen} folders of bad inputs");
}

fn assert_positions(report: &Report, files: &[(String, Vec<u8>)]) {
    for diagnostic in report.errors.iter().chain(&report.findings) {
        let text = files.iter().find(|(name, _)| *name == diagnostic.file).map(|(_, bytes)| bytes.as_slice());
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        let line = text.split('\n').nth(diagnostic.line - 1);
        assert!(line.is_some() || diagnostic.line == 1, "{diagnostic:?}");
        let width = line.unwrap_or_default().chars().count() + 1;
        assert!((1..=width.max(1)).contains(&diagnostic.column), "{diagnostic:?}");
    }
    let text = report.to_string();
    assert!(text.contains(&report.summary()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), which in 0usize..3) {
        let name = ["charter.yaml", "gateway.yaml", "routes/a.yaml"][which];
        let files = vec![(name.to_owned(), bytes)];
        let report = compile(&Sources::from_memory(files.clone())).unwrap_err();
        assert_positions(&report, &files);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "([a-z\"'{}\\[\\]:,&*<|>!%#?@ \n-]|charter: |routes:\n|  - |é|\u{2028}|\u{85}|\r\n|\t){0,80}") {
        let files = vec![("charter.yaml".to_owned(), text.into_bytes())];
        let report = compile(&Sources::from_memory(files.clone())).unwrap_err();
        assert_positions(&report, &files);
    }

    #[test]
    fn a_mutated_policy_compiles_or_says_where(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
                                               cut in 0usize..12, put in "[a-zé{}:\\[\\] \n'*&-]{0,6}") {
        let mut files = shipped();
        let place = which.index(files.len());
        let mut text = String::from_utf8(std::mem::take(&mut files[place].1)).unwrap();
        let from = text.floor_char_boundary(at.index(text.len()));
        let to = text.floor_char_boundary((from + cut).min(text.len())).max(from);
        text.replace_range(from..to, &put);
        files[place].1 = text.into_bytes();
        let (set, report) = inspect(&Sources::from_memory(files.clone()), &CHECK);
        prop_assert_eq!(set.is_some(), report.errors.is_empty());
        assert_positions(&report, &files);
    }
}

#[test]
fn a_device_cookie_needs_its_line_in_the_charter_and_check_says_which() {
    let route = "purpose: account\n    authentication: { account: u, device_cookie: __Host-device }";
    let (_, report) = small("routes/all.yaml", "purpose: account", route);
    let help = report.errors[0].help.clone().unwrap();
    let line = help.split('`').nth(1).unwrap();
    // With that line it compiles, before a pattern that matches it too, and the officer is told.
    let mut files = shipped();
    let charter = files.iter_mut().find(|(name, _)| name == "charter.yaml").unwrap();
    let text = String::from_utf8(charter.1.clone()).unwrap();
    let text = text.replace(
        "  cookies:\n",
        &format!(
            "  cookies:\n    - {{ name: \"__Host-*\", class: session, article: \"8.2\" }}\n    {line}\n"
        ),
    );
    charter.1 = text.into_bytes();
    files.push(("routes/more.yaml".into(), format!("routes:\n  - name: more\n    owner: team\n    match: {{ host: more.example.fr, path: /login }}\n    upstream: platform\n    {route}\n").into_bytes()));
    let (set, report) = inspect(&Sources::from_memory(files), &CHECK);
    let set = set.unwrap_or_else(|| panic!("{report}"));
    assert!(report.findings.iter().any(|found| found.message.contains("`__Host-device`")), "{report}");
    let rule = set.charter.cookies.iter().find(|rule| rule.pattern.matches(b"__Host-device")).unwrap();
    assert!(rule.own && rule.finding, "the gateway's own comes first");
    let cookie = set.routes.iter().find(|route| route.name == "more").unwrap();
    let cookie = cookie.authentication.as_ref().unwrap().device_cookie.as_ref().unwrap();
    assert_eq!(
        (cookie.life.as_secs(), cookie.same_site),
        (90 * 86_400, crate::policy::set::SameSite::Strict)
    );
}

#[test]
fn a_burst_is_what_may_come_at_once() {
    let quotas = |written: &str| {
        let written = format!("quotas: {{ api: {{ by: address, {written} }} }}\n  secret:");
        let (set, report) = small("gateway.yaml", "secret:", &written);
        set.unwrap_or_else(|| panic!("{report}")).gateway.quotas.swap_remove(0)
    };
    for (written, count, millis) in [
        ("count: 600, per: 1 min", 600, 60_000),
        ("count: 600, per: 1 min, burst: 100", 100, 10_000),
        ("count: 5, per: 1 h, burst: 10", 10, 7_200_000),
    ] {
        let rate = quotas(written).rate.unwrap();
        assert_eq!((rate.count, rate.per.as_millis()), (count, millis), "{written}");
    }
    let quota = quotas("concurrency: 3, shadow: true, exempt: [10.0.0.0/8, 192.0.2.1]");
    assert!(quota.rate.is_none() && quota.concurrency == Some(3) && quota.shadow);
    for (address, exempt) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
        ("::1", false),
    ] {
        assert_eq!(quota.exempts(address.parse().unwrap()), exempt, "{address}");
    }
}

#[test]
fn routes_name_quotas_that_are_there() {
    let (gateway, route) = ("gateway.yaml", "routes/all.yaml");
    let files = |quotas: &str| {
        let charter = include_str!("../../demo/policies/charter.yaml").to_owned();
        let written = "gateway:
  listen: { https: '[::]:8443', admin: '127.0.0.1:9090' }
  certificates: [{ names: [ecole.example.fr], chain: /tls.crt, key: /tls.key }]
  quotas:
    keys: { by: { header: X-Api-Key }, count: 5, per: 1 min }
    api: { by: address, count: 5, per: 1 min }
  upstreams: { platform: { endpoints: 'http://platform:8080' } }
";
        let routes = format!(
            "routes:
  - {{ name: all, owner: team, match: {{ host: '*', path: / }}, upstream: platform, purpose: account, quotas: {quotas} }}
"
        );
        let files = [
            ("charter.yaml".to_owned(), charter),
            (gateway.into(), written.to_owned()),
            (route.into(), routes),
        ];
        inspect(&Sources::from_memory(files), &CHECK)
    };
    let (set, _) = files("[api, keys]");
    assert_eq!(set.unwrap().routes[0].quotas.iter().map(|id| id.0).collect::<Vec<_>>(), [1, 0]);
    for (quotas, message) in [
        ("[ape]", "there is no quota `ape`"),
        ("[api, api]", "`api` is listed twice"),
        ("api", "found the text"),
    ] {
        let (set, report) = files(quotas);
        assert!(
            set.is_none() && report.errors.iter().any(|error| error.message.contains(message)),
            "{report}"
        );
        assert!(report.errors.iter().all(|error| error.file == route && error.line > 0), "{report}");
    }
    let (set, report) = files("[keys]");
    let finding = |text: &str| report.findings.iter().any(|finding| finding.message.contains(text));
    assert!(set.is_some() && finding("makes up another value"), "{report}");
}

#[test]
fn every_kind_of_redis_is_understood() {
    for written in [
        "{ url: 'redis://redis:6379/0', replicas: 2 }",
        "{ url: 'rediss://redis', tls: { ca: tls.crt, certificate: tls.crt, key: tls.key }, user: rempart, \
         password_file: secret, replicas: 2 }",
        "{ sentinel: { master: m, nodes: ['s-0:26379', '[::1]:26379'], user: s, password_file: secret }, tls: {}, \
         replicas: 2 }",
        "{ cluster: 'redis:6379', password_file: secret, replicas: 2 }",
    ] {
        let written = format!("store: {{ redis: {written} }}\n  secret:");
        let (set, report) = small("gateway.yaml", "secret:", &written);
        let set = set.unwrap_or_else(|| panic!("{report}"));
        assert!(matches!(set.gateway.store, Store::Redis(_)), "{written}");
        let shown = format!("{:?}", set.gateway.store);
        assert!(!shown.contains("0123456789") && !shown.contains("PRIVATE"), "{shown}");
    }
}
