use proptest::prelude::*;

use super::*;

/// A binary header: version and command, family and protocol, what follows the length.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

fn block(source: SocketAddr) -> (u8, Vec<u8>) {
    let port = source.port().to_be_bytes();
    match source.ip() {
        IpAddr::V4(ip) => (0x11, [&ip.octets()[..], &[192, 0, 2, 9], &port, &[1, 187]].concat()),
        IpAddr::V6(ip) => {
            (0x21, [&ip.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &port, &[1, 187]].concat())
        }
    }
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// The header with the right checksum in the field that stands last.
fn summed(mut header: Vec<u8>) -> Vec<u8> {
    let at = header.len() - 4;
    let sum = crc32c([&header, &[], &[]]);
    header[at..].copy_from_slice(&sum.to_be_bytes());
    header
}

fn client_of(header: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let read = read(header)?.expect("a whole header");
    assert_eq!(read.length, header.len());
    Ok(read.client)
}

#[test]
fn a_line_of_text_names_the_client() {
    for (line, client) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some("192.0.2.1:56324")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 0 0\r\n", Some("192.0.2.1:0")),
        ("PROXY TCP6 2001:db8::1 ::1 4124 443\r\n", Some("[2001:db8::1]:4124")),
        ("PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 4124 443\r\n", Some("[2001:db8::1]:4124")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 4124 443\r\n", Some("[::ffff:192.0.2.1]:4124")),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
        ("PROXY UNKNOWN who  knows\r\n", None),
    ] {
        assert_eq!(client_of(line.as_bytes()), Ok(client.map(|text| text.parse().unwrap())), "{line:?}");
    }
}

#[test]
fn any_other_line_is_refused() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "proxy TCP4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY  TCP4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY TCP4 192.0.2.1  198.51.100.1 1 443\r\n",
        "PROXY TCP4\t192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 443 x\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 443\r\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 01 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.1 1 443\r\n",
        "PROXY TCP4 192.0.2 198.51.100.1 1 443\r\n",
        "PROXY TCP4 0xc0000201 198.51.100.1 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n",
        "PROXY TCP6 2001:db8::1 192.0.2.1 1 443\r\n",
        "PROXY TCP6 [2001:db8::1] ::1 1 443\r\n",
        "PROXY TCP6 fe80::1%1 ::1 1 443\r\n",
        "PROXY TCP4 192.0.2.1\0 198.51.100.1 1 443\r\n",
        "PROXY TCP4 example.fr 198.51.100.1 1 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN a\rb\r\n",
        "PROXY UNKNOWN a\nb\r\n",
        "PROXY TCP4 \u{661}.0.2.1 198.51.100.1 1 443\r\n",
    ] {
        assert_eq!(read(line.as_bytes()), Err(Malformed), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(TEXT_MAX - 15));
    assert_eq!((long.len(), read(long.as_bytes())), (TEXT_MAX + 1, Err(Malformed)));
    assert_eq!(read(&long.as_bytes()[..TEXT_MAX - 1]), Ok(None));
    assert_eq!(read(&long.as_bytes()[..TEXT_MAX]), Err(Malformed), "no line end can come in time");
}

#[test]
fn what_cannot_become_a_header_is_refused_at_its_first_wrong_byte() {
    for start in [&b"G"[..], b"\x16", b"PROXx", b"\r\n\r\n\r", b"\r\n\r\n\0\r\nQUIX"] {
        assert_eq!(read(start), Err(Malformed), "{start:?}");
        assert_eq!(read(&start[..start.len() - 1]), Ok(None), "{start:?}");
    }
}

#[test]
fn a_binary_header_names_the_client() {
    for source in ["192.0.2.1:56324", "[2001:db8::1]:4124", "[::ffff:192.0.2.1]:1", "0.0.0.0:0"] {
        let source: SocketAddr = source.parse().unwrap();
        let (family, block) = block(source);
        for fields in [
            Vec::new(),
            field(0x04, &[0; 7]),
            [field(0x01, b"h2"), field(0x02, b"ecole.example.fr"), field(0xea, b"\x01vpce-1")].concat(),
            field(0x20, &[0; 900]),
        ] {
            let header = v2(0x21, family, &[&block[..], &fields].concat());
            assert_eq!(client_of(&header), Ok(Some(source)), "{fields:?}");
        }
    }
    for own in [v2(0x20, 0x00, &[]), v2(0x20, 0x11, &[0; 12]), v2(0x20, 0x31, &[7; 40]), v2(0x21, 0x00, &[])]
    {
        assert_eq!(client_of(&own), Ok(None), "{own:?}");
    }
    assert_eq!(client_of(&v2(0x21, 0x00, &field(0x04, b"x"))), Ok(None));
}

#[test]
fn any_other_binary_header_is_refused() {
    let (_, four) = block("192.0.2.1:1".parse().unwrap());
    let (_, six) = block("[2001:db8::1]:1".parse().unwrap());
    let with = |rest: &[u8]| v2(0x21, 0x11, &[&four, rest].concat());
    for header in [
        // version 1, 3; commands 2 and 15
        v2(0x11, 0x11, &four),
        v2(0x31, 0x11, &four),
        v2(0x22, 0x11, &four),
        v2(0x2f, 0x11, &four),
        v2(0x01, 0x11, &four),
        // UDP, UNIX, half of a family, unknown ones
        v2(0x21, 0x12, &four),
        v2(0x21, 0x22, &six),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x21, 0x32, &[0; 216]),
        v2(0x21, 0x01, &four),
        v2(0x21, 0x10, &four),
        v2(0x21, 0x41, &six),
        // addresses that are not there whole
        v2(0x21, 0x11, &four[..11]),
        v2(0x21, 0x11, &[]),
        v2(0x21, 0x21, &six[..35]),
        v2(0x21, 0x21, &four),
        // fields that run over the end, or stop in their head
        with(&[4]),
        with(&[4, 0]),
        with(&[4, 0, 1]),
        with(&[4, 0xff, 0xff, 0]),
        with(&[field(4, b"x"), vec![4, 0, 2, 0]].concat()),
        v2(0x21, 0x00, &[1, 2]),
        // checksums: wrong, of another length, twice
        with(&field(3, &[1, 2, 3, 4])),
        with(&field(3, &[])),
        with(&field(3, &[0; 8])),
        summed(with(&[field(3, &[0; 4]), field(3, &[0; 4])].concat())),
        with(&[0; BINARY_MAX - 27]),
        v2(0x20, 0x00, &[0; BINARY_MAX]),
    ] {
        assert_eq!(read(&header), Err(Malformed), "{:?}", &header[FIXED..header.len().min(64)]);
    }
    // Before the whole of it came: a length that nobody reads to its end.
    assert_eq!(read(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat()), Err(Malformed));
}

#[test]
fn checksums_are_checked() {
    // The check value of CRC-32C, as published with its polynomial.
    assert_eq!(crc32c([b"1234", b"", b"56789"]), 0xe306_9283);
    let (_, four) = block("192.0.2.1:1".parse().unwrap());
    for before in [Vec::new(), field(0x02, b"ecole.example.fr")] {
        let header = summed(v2(0x21, 0x11, &[&four[..], &before, &field(3, &[0; 4])].concat()));
        assert_eq!(client_of(&header), Ok(Some("192.0.2.1:1".parse().unwrap())));
        // A field that is no checksum any more asks for nothing.
        let kind = header.len() - 7;
        for at in (FIXED..header.len()).filter(|at| *at != kind) {
            for bit in 0..8 {
                let mut other = header.clone();
                other[at] ^= 1 << bit;
                assert_eq!(read(&other), Err(Malformed), "byte {at}, bit {bit}");
            }
        }
    }
}

/// A header with a client, and the client.
fn headers() -> impl Strategy<Value = (Vec<u8>, Option<SocketAddr>)> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        any::<[u8; 4]>().prop_map(|ip| IpAddr::from(Ipv4Addr::from(ip).to_ipv6_mapped())),
    ];
    let fields = prop::collection::vec((4u8.., prop::collection::vec(any::<u8>(), 0..40)), 0..4);
    (address, any::<u16>(), 0..4, fields).prop_map(|(ip, port, kind, fields)| {
        let client = SocketAddr::new(ip, port);
        let (family, mut rest) = block(client);
        rest.extend(fields.iter().flat_map(|(kind, value)| field(*kind, value)));
        let other = if ip.is_ipv4() { "192.0.2.9" } else { "2001:db8::9" };
        match kind {
            0 => {
                let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
                (format!("PROXY {family} {ip} {other} {port} 443\r\n").into_bytes(), Some(client))
            }
            1 => (v2(0x20, family, &rest), None),
            2 => {
                rest.extend(field(3, &[0; 4]));
                (summed(v2(0x21, family, &rest)), Some(client))
            }
            _ => (v2(0x21, family, &rest), Some(client)),
        }
    })
}

proptest! {
    #[test]
    fn every_header_is_read_however_it_comes((header, client) in headers(), behind in prop::collection::vec(any::<u8>(), 0..80)) {
        for length in 0..header.len() {
            prop_assert_eq!(read(&header[..length]), Ok(None));
        }
        let whole = [&header[..], &behind].concat();
        prop_assert_eq!(read(&whole), Ok(Some(Header { client, length: header.len() })));
    }

    #[test]
    fn nothing_is_read_beyond_what_is_there(
        start in prop_oneof![Just(Vec::new()), Just(TEXT.to_vec()), Just(SIGNATURE.to_vec()), Just([SIGNATURE, &[0x21, 0x11]].concat())],
        rest in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let bytes = [start, rest].concat();
        if let Ok(Some(header)) = read(&bytes) {
            prop_assert!(header.length <= bytes.len() && header.length <= BINARY_MAX);
            prop_assert_eq!(read(&bytes[..header.length]), Ok(Some(header)));
        }
    }
}
