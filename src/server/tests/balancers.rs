//! Behind a balancer that speaks the PROXY protocol, and on both families of addresses.

use std::net::Ipv6Addr;

use tokio::io::BufStream;

use super::*;
use crate::policy::set::Listener;

/// A text header, one for IPv6, and binary ones, with the address that `/about` must tell; of the balancer where it speaks
/// for itself.
fn headers() -> Vec<(Vec<u8>, &'static str)> {
    let binary = |command: u8, family: u8, rest: &[u8]| {
        let head = [b"\r\n\r\n\0\r\nQUIT\n", &[command, family, 0, u8::try_from(rest.len()).unwrap()][..]];
        [&head.concat()[..], rest].concat()
    };
    let four = [198, 51, 100, 7, 127, 0, 0, 1, 0x12, 0x34, 1, 187];
    let mut six = [0; 36];
    six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    // More than is read at first, and nearly the most that is.
    let (length, field) = (4096u16 - 16, 4096u16 - 16 - 12 - 3);
    let long = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..],
        &length.to_be_bytes(),
        &four,
        &[4],
        &field.to_be_bytes(),
        &vec![0; usize::from(field)],
    ]
    .concat();
    vec![
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::9 ::1 4711 443\r\n".to_vec(), "2001:db8::9"),
        (b"PROXY TCP6 ::ffff:192.0.2.8 ::1 4711 443\r\n".to_vec(), "192.0.2.8"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (binary(0x21, 0x11, &four), "198.51.100.7"),
        (binary(0x21, 0x21, &six), "2001:db8::7"),
        (binary(0x21, 0x11, &[&four[..], &[4, 0, 2, 0, 0]].concat()), "198.51.100.7"),
        (binary(0x20, 0x00, &[]), "127.0.0.1"),
        (long, "198.51.100.7"),
    ]
}

/// Both kinds of listeners for balancers of this network.
fn behind(network: &str, timeouts: Timeouts) -> Running {
    let (mut config, notes, tickets) = config(limits(), timeouts);
    let one = Listener { balancers: Some([network.parse().unwrap()].into()), ..Listener::from(LOCAL) };
    config.listen.https = vec![one.clone()];
    config.listen.http = vec![one];
    launch(config, notes, tickets)
}

fn listening(listener: Listener) -> Running {
    let (mut config, notes, tickets) = config(limits(), timeouts());
    config.listen.https = vec![listener.clone()];
    config.listen.http = vec![listener];
    launch(config, notes, tickets)
}

const REQUEST: &[u8] = b"GET /about HTTP/1.0\r\n\r\n";

#[tokio::test]
async fn the_client_is_whom_the_balancer_names() {
    let running = behind("127.0.0.0/8", timeouts());
    let connector = TlsConnector::from(Arc::new(trusting_client()));
    for (header, address) in headers() {
        // In one segment with what follows it, and in one of its own.
        for alone in [false, true] {
            let mut stream = BufStream::new(running.plain().await);
            stream.write_all(&header).await.unwrap();
            if alone {
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.write_all(REQUEST).await.unwrap();
            stream.flush().await.unwrap();
            let answer = until_closed(&mut stream).await;
            assert!(answer.ends_with(&format!("{address} false - HTTP/1.0")), "{header:?}: {answer}");

            let mut stream = BufStream::new(TcpStream::connect(running.https()).await.unwrap());
            stream.write_all(&header).await.unwrap();
            if alone {
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            let name = ServerName::try_from("ecole.example.fr").unwrap();
            let mut stream = within(connector.connect(name, stream)).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            stream.flush().await.unwrap();
            let answer = until_closed(&mut stream).await;
            assert!(answer.ends_with(&format!("{address} true ecole.example.fr HTTP/1.0")), "{answer}");
        }
    }
    assert_eq!(running.notes.count("refused proxy_header"), 0);
    running.stop();
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let running = behind("127.0.0.1/32", timeouts());
    for (header, address) in headers() {
        let mut stream = running.plain().await;
        stream.set_nodelay(true).unwrap();
        for byte in header.iter().chain(REQUEST) {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let answer = until_closed(&mut stream).await;
        assert!(answer.ends_with(&format!("{address} false - HTTP/1.0")), "{header:?}: {answer}");
    }
    running.stop();
}

#[tokio::test]
async fn without_a_header_nobody_is_served() {
    let running = behind("127.0.0.0/8", timeouts());
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    let twice = b"PROXY TCP4 192.0.2.7 127.0.0.1 1 443\r\nPROXY TCP4 192.0.2.8 127.0.0.1 1 443\r\n";
    let mut refused = 0;
    for sent in [
        REQUEST,
        &hello,
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 443\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ] {
        for address in [running.http(), running.https()] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(sent).await;
            assert_eq!(until_closed(&mut stream).await, "", "{sent:?}");
            refused += 1;
        }
    }
    // The end in the middle of one is one more; a probe that sends nothing is none.
    for start in ["PROXY TC", ""] {
        let mut stream = running.plain().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(until_closed(&mut stream).await, "");
        refused += usize::from(!start.is_empty());
    }
    // Only the first is the balancer's; another is the client's, and no HTTP.
    let mut stream = running.plain().await;
    stream.write_all(twice).await.unwrap();
    assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 400"));
    assert_eq!(running.notes.count("refused proxy_header"), refused);
    running.stop();
}

#[tokio::test]
async fn a_header_that_does_not_come_is_cut_like_a_handshake() {
    let running = behind("127.0.0.0/8", Timeouts { handshake: SHORT, ..timeouts() });
    for address in [running.http(), running.https()] {
        for start in ["", "PROXY TCP4 ", "PROXY UNKNOWN\r\n"] {
            // On the plain listener a request may come at leisure behind the header.
            if address == running.http() && start.ends_with('\n') {
                continue;
            }
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(start.as_bytes()).await.unwrap();
            assert_eq!(until_closed(&mut stream).await, "", "{start:?}");
        }
    }
    assert_eq!(running.notes.count("timed out handshake"), 5);
    assert_eq!(running.notes.count("refused proxy_header"), 0);
    running.stop();
}

#[tokio::test]
async fn a_header_from_elsewhere_is_not_even_read() {
    let running = behind("10.0.0.0/8", timeouts());
    for address in [running.http(), running.https()] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"PROXY TCP4 10.0.0.1 127.0.0.1 1 443\r\nGET / HTTP/1.0\r\n\r\n").await;
        assert_eq!(until_closed(&mut stream).await, "");
    }
    running.notes.hears("refused untrusted").await;
    assert_eq!(running.notes.count("refused untrusted"), 2);
    running.stop();
}

/// What `/about` tells over a plain connection; `None` where nobody listens.
async fn about(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(REQUEST).await.unwrap();
    until_closed(&mut stream).await.lines().last().map(str::to_owned)
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// These tests need a machine with IPv6, and fail on one without: what they show is shown nowhere else.
#[tokio::test]
async fn one_socket_serves_both_families_unless_told_otherwise() {
    for only in [false, true] {
        let running = listening(Listener { ipv6_only: only, ..ANY.into() });
        let (four, six) = (
            SocketAddr::from(([127, 0, 0, 1], running.http().port())),
            SocketAddr::new(Ipv6Addr::LOCALHOST.into(), running.http().port()),
        );
        assert_eq!(about(six).await.as_deref(), Some("::1 false - HTTP/1.0"));
        let expected = (!only).then_some("127.0.0.1 false - HTTP/1.0");
        assert_eq!(about(four).await.as_deref(), expected, "an IPv4 client is never written as an IPv6 one");
        let tls = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), running.https().port());
        let mut stream = tls_client(tls, &[b"http/1.1"], "ecole.example.fr").await;
        stream.write_all(REQUEST).await.unwrap();
        assert!(until_closed(&mut stream).await.ends_with("::1 true ecole.example.fr HTTP/1.0"));
        running.stop();
    }
}

#[tokio::test]
async fn a_balancer_of_ipv4_is_known_on_a_socket_for_both() {
    let network: ipnet::IpNet = "127.0.0.0/8".parse().unwrap();
    let running = listening(Listener { balancers: Some([network].into()), ..ANY.into() });
    for (ip, expected) in [("127.0.0.1", "192.0.2.7 false - HTTP/1.0"), ("::1", "")] {
        let mut stream = TcpStream::connect((ip.parse::<std::net::IpAddr>().unwrap(), running.http().port()))
            .await
            .unwrap();
        let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 1 443\r\n";
        let _ = stream.write_all(&[header, REQUEST].concat()).await;
        let answer = until_closed(&mut stream).await;
        assert_eq!(answer.lines().last().unwrap_or_default(), expected, "{ip}");
    }
    running.notes.hears("refused untrusted").await;
    running.stop();
}

#[tokio::test]
async fn two_listeners_of_one_port_each_serve_their_family() {
    let (mut config, notes, tickets) = config(limits(), timeouts());
    let free = std::net::TcpListener::bind(ANY).unwrap().local_addr().unwrap().port();
    let six = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), free);
    config.listen.http = vec![
        Listener { ipv6_only: true, ..six.into() },
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, free)).into(),
    ];
    let running = launch(config, notes, tickets);
    for ip in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(ip.parse().unwrap(), free);
        assert_eq!(about(address).await, Some(format!("{ip} false - HTTP/1.0")));
    }
    running.stop();
}
