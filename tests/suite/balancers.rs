//! Behind a load balancer: the client is whom the PROXY header names, for everything that asks who the client is.

use crate::support::{
    client::{Ask, Client, Version},
    folder::{PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Upstream},
};
use serde_json::json;

const LISTEN: &str = r#"https: "127.0.0.1:0", http: "127.0.0.1:0""#;

/// A gateway whose listeners are those of balancers at these addresses.
fn start(upstream: &Upstream, listen: &str, settings: &str) -> Gateway {
    let quota =
        "quotas: { few: { by: address, count: 2, per: 1 h } }\njournal: { to: stdout, address: prefix }";
    let route = PLAIN_ROUTE.replace("purpose: account", "purpose: account\n    quotas: [few]");
    let folder = PolicyFolder::new(upstream.address, &Tokens::new())
        .gateway(quota)
        .gateway(settings)
        .routes("plain", &route);
    folder.replace("gateway.yaml", LISTEN, listen);
    Gateway::start(folder)
}

#[tokio::test]
async fn the_header_names_the_client_to_platform_quotas_and_journal() {
    let upstream = Upstream::start(|_| Answer::json(&json!({})));
    let listen = r#"https: { address: "127.0.0.1:0", proxy_protocol: {} }, http: "127.0.0.1:0""#;
    let gateway = start(&upstream, listen, "trusted_proxies: [198.51.100.0/24]");
    let client = Client::new(&gateway);
    let four = [192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x34, 1, 187];
    let binary = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &four[..]].concat();
    let ask = Ask::get("/").header("x-forwarded-for", "203.0.113.5");
    for (header, version, told, network) in [
        (&b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n"[..], Version::H2, "192.0.2.7", "192.0.2.0/24"),
        (&binary, Version::H1, "192.0.2.7", "192.0.2.0/24"),
        (b"PROXY TCP6 2001:db8:7::9 ::1 4711 443\r\n", Version::H1, "2001:db8:7::9", "2001:db8:7::/48"),
        // A proxy between balancer and client, which the policy trusts.
        (
            b"PROXY TCP4 198.51.100.9 127.0.0.1 1 443\r\n",
            Version::H2,
            "203.0.113.5, 198.51.100.9",
            "203.0.113.0/24",
        ),
    ] {
        let mut connection = client.clone().behind(header).connect(version).await;
        assert_eq!(connection.send(&ask).await.status, 200, "{told}");
        assert_eq!(upstream.last().headers("x-forwarded-for"), [told.as_bytes()]);
        let records = gateway.wait_journal(upstream.count());
        assert_eq!(records.last().unwrap()["client"], network);
    }
    // The first address has asked twice; that of the balancer, which all share, has not.
    let first = client.clone().behind(b"PROXY TCP4 192.0.2.7 127.0.0.1 4712 443\r\n");
    assert_eq!(first.send(&ask).await.status, 429);
    let other = client.clone().behind(b"PROXY TCP4 192.0.2.200 127.0.0.1 1 443\r\n");
    assert_eq!(other.send(&ask).await.status, 200);
    assert!(client.try_connect(Version::H1).await.is_err(), "no header, no handshake");
    gateway.wait_metric("rempart_connections_refused_total", &[("reason", "proxy_header")], 1.0);
    stop(gateway).await;
}

#[tokio::test]
async fn nobody_else_can_name_a_client() {
    let upstream = Upstream::start(|_| Answer::json(&json!({})));
    let listen = r#"https: { address: "127.0.0.1:0", proxy_protocol: { from: [192.0.2.0/24] } }"#;
    let gateway = start(&upstream, listen, "");
    let client = Client::new(&gateway);
    for header in [&b"PROXY TCP4 192.0.2.1 127.0.0.1 1 443\r\n"[..], b""] {
        assert!(client.clone().behind(header).try_connect(Version::H1).await.is_err());
    }
    assert_eq!(gateway.metric("rempart_connections_refused_total", &[("reason", "untrusted")]), 2.0);
    assert_eq!(upstream.count(), 0);
    stop(gateway).await;
}

/// The machine must have IPv6: this is the only test of the whole over it.
#[tokio::test]
async fn clients_of_both_families_are_served_and_told_apart() {
    let upstream = Upstream::start(|_| Answer::json(&json!({})));
    let gateway = start(&upstream, r#"https: "[::]:0", http: "[::1]:0""#, "");
    let authority = gateway.folder.authority();
    for (ip, network) in [("::1", "::/48"), ("127.0.0.1", "127.0.0.0/24")] {
        let address = std::net::SocketAddr::new(ip.parse().unwrap(), gateway.https.port());
        let client = Client::at(address, &authority);
        for version in [Version::H1, Version::H2] {
            let mut connection = client.connect(version).await;
            assert_eq!(connection.send(&Ask::get("/")).await.status, 200, "{ip}");
            assert_eq!(upstream.last().headers("x-forwarded-for"), [ip.as_bytes()]);
            assert_eq!(gateway.wait_journal(upstream.count()).last().unwrap()["client"], network);
        }
    }
    assert!(gateway.http.unwrap().is_ipv6());
    stop(gateway).await;
}
