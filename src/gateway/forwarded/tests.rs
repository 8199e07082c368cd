use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn found(peer: &str, fields: &[&str]) -> (String, Vec<String>) {
    let trusted = ["10.0.0.0/8", "192.168.1.1/32", "fd00::/8"].map(|net| net.parse().unwrap());
    let fields: Vec<_> = fields.iter().map(|value| ("X-Forwarded-For", *value)).collect();
    let client = client_address(peer.parse().unwrap(), &trusted, &map(&fields));
    (client.address.to_string(), client.via.iter().map(ToString::to_string).collect())
}

#[test]
fn one_look_finds_what_a_name_begins_as() {
    for list in [&X_PREFIXES[..], &PREFIXES] {
        // In order, and none begins as the one before: so neither does any after it.
        assert!(list.windows(2).all(|pair| pair[0] < pair[1] && !pair[1].starts_with(pair[0])));
        let around = |prefix: &str| [prefix.to_owned(), format!("{prefix}z"), prefix[1..].to_owned()];
        for name in list.iter().flat_map(|prefix| around(prefix)) {
            let expected = list.iter().any(|prefix| name.starts_with(prefix));
            assert_eq!(begins_as_one_of(list, &name), expected, "{name}");
        }
    }
    assert!(X_NAMES.is_sorted() && NAMES.is_sorted());
}

#[test]
fn the_client_is_found_from_the_right() {
    for (peer, fields, address, via) in [
        ("198.51.100.7:1", &[][..], "198.51.100.7", &[][..]),
        ("198.51.100.7:1", &["203.0.113.9"], "198.51.100.7", &[]),
        ("10.0.0.1:1", &[], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["203.0.113.9"], "203.0.113.9", &["10.0.0.1"]),
        ("10.0.0.1:1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9", &["10.0.0.1"]),
        ("10.0.0.1:1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9", &["10.0.0.1"]),
        ("10.0.0.1:1", &["203.0.113.9, 10.2.3.4"], "203.0.113.9", &["10.2.3.4", "10.0.0.1"]),
        (
            "10.0.0.1:1",
            &["203.0.113.9", "192.168.1.1, 10.2.3.4"],
            "203.0.113.9",
            &["192.168.1.1", "10.2.3.4", "10.0.0.1"],
        ),
        ("10.0.0.1:1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9", &["10.2.3.4", "10.0.0.1"]),
        ("10.0.0.1:1", &["203.0.113.9:5555"], "203.0.113.9", &["10.0.0.1"]),
        ("10.0.0.1:1", &["2001:db8::1"], "2001:db8::1", &["10.0.0.1"]),
        ("10.0.0.1:1", &["[2001:db8::1]"], "2001:db8::1", &["10.0.0.1"]),
        ("10.0.0.1:1", &["[2001:db8::1]:443"], "2001:db8::1", &["10.0.0.1"]),
        ("10.0.0.1:1", &["::ffff:203.0.113.9"], "203.0.113.9", &["10.0.0.1"]),
        ("[::ffff:10.0.0.1]:1", &["203.0.113.9"], "203.0.113.9", &["10.0.0.1"]),
        ("[fd00::2]:1", &["203.0.113.9"], "203.0.113.9", &["fd00::2"]),
        ("10.0.0.1:1", &["203.0.113.9,, "], "203.0.113.9", &["10.0.0.1"]),
        // Garbage: the last trusted hop, never what stands behind it.
        ("10.0.0.1:1", &["203.0.113.9, unknown"], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["203.0.113.9, garbage, 10.2.3.4"], "10.2.3.4", &["10.0.0.1"]),
        ("10.0.0.1:1", &["203.0.113.009"], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["fe80::1%eth0"], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["\"203.0.113.9\""], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["[203.0.113.9]"], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["203.0.113.9 10.2.3.4"], "10.0.0.1", &[]),
        ("10.0.0.1:1", &["caf\u{e9}"], "10.0.0.1", &[]),
    ] {
        let via: Vec<_> = via.iter().map(ToString::to_string).collect();
        assert_eq!(found(peer, fields), (address.to_owned(), via), "{peer} {fields:?}");
    }
}

#[test]
fn a_long_chain_ends_at_a_trusted_hop() {
    let chain = format!("203.0.113.9, {}", ["10.1.1.1"; 100].join(", "));
    let (address, via) = found("10.0.0.1:1", &[&chain]);
    assert_eq!((address.as_str(), via.len()), ("10.1.1.1", HOPS_MAX));
}

/// The fields that are left, but for those that the gateway writes.
fn cleaned(fields: &[(&str, &str)]) -> Result<Vec<String>, Nominated> {
    let mut headers = map(fields);
    let client = ClientAddress { address: "203.0.113.9".parse().unwrap(), via: vec![] };
    let host = HeaderValue::from_static("ecole.example.fr");
    clean_request(&mut headers, &Forwarding { client: &client, host: &host, port: None, tls: true })?;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "ecole.example.fr"),
        ("x-forwarded-port", "443"),
        ("forwarded", "for=203.0.113.9;host=\"ecole.example.fr\";proto=https"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value]);
        headers.remove(name);
    }
    let mut left: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect();
    left.sort();
    Ok(left)
}

#[test]
fn what_a_client_says_about_itself_is_removed() {
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert",
        "Forwarded",
        "Forwarded-For",
        "X-Real-IP",
        "Client-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Cluster-Client-IP",
        "X-Originating-IP",
        "X-Client-Cert",
        "X-Client-Cert-DN",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Remote-User",
        "Remote-User",
        "Remote-Groups",
        "X-User",
        "X-User-Id",
        "X-Username",
        "X-Userinfo",
        "X-Role",
        "X-Roles",
        "X-Groups",
        "X-Authenticated-User",
        "X-Authenticated-Userid",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-Webauth-User",
        "X-Amzn-Oidc-Identity",
        "X-Goog-Iap-Jwt-Assertion",
        "X-Ms-Client-Principal-Name",
        "Cf-Access-Jwt-Assertion",
        "X-SSL-Client-DN",
        "Ssl-Client-Cert",
        "X-TLS-Client",
        "Oidc-Claim-Sub",
        "Shib-Session-Id",
        "Eppn",
        "Iv-User",
        "SM-User",
        "Impersonate-User",
        "X-Original-URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Host",
        "X-Middleware-Subrequest",
        "Proxy",
        "Cookie2",
        // Aliases.
        "X_Forwarded_For",
        "X-Forwarded_For",
        "X.Forwarded.For",
        "X.Authenticated.User",
        "x_remote_user",
        "Remote_User",
        "HTTP_HOST",
        "Content_Length",
        "Transfer.Encoding",
        "Anything_Else",
        "a!b",
        "a~b",
        // Hop by hop.
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "TE",
    ] {
        let fields = [(name, "a"), ("Accept", "b"), (name, "c")];
        assert_eq!(cleaned(&fields).unwrap(), ["accept: b"], "{name}");
    }
}

#[test]
fn what_belongs_to_the_exchange_stays() {
    for name in [
        "Accept",
        "Accept-Language",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Content-Length",
        "Host",
        "Origin",
        "Referer",
        "User-Agent",
        "X-Requested-With",
        "X-CSRFToken",
        "X-Auth-Token",
        "X-Api-Key",
        "X-Experience-API-Version",
        "Sec-Fetch-Site",
        "Sec-WebSocket-Key",
        "If-None-Match",
        "Traceparent",
        "Trailer",
        "Via",
    ] {
        let left = cleaned(&[(name, "v")]).unwrap();
        assert_eq!(left, [format!("{}: v", name.to_ascii_lowercase())]);
    }
}

#[test]
fn connection_takes_what_it_nominates_but_nothing_that_matters() {
    assert_eq!(
        cleaned(&[("Connection", "close, X-Hop"), ("x-hop", "1"), ("accept", "b")]).unwrap(),
        ["accept: b"]
    );
    assert_eq!(
        cleaned(&[("connection", "keep-alive"), ("Connection", "x-hop , ,@"), ("x-hop", "1")]).unwrap(),
        [""; 0]
    );
    // What the gateway writes itself is written afterwards (Traefik GHSA-62c8-mh53-4cqv).
    assert_eq!(cleaned(&[("Connection", "X-Forwarded-For, Forwarded, X-Real-IP")]).unwrap(), [""; 0]);
    for name in ["Host", "content-length", "COOKIE", "Authorization", "Range", "Content-Type"] {
        assert_eq!(cleaned(&[("Connection", &format!("close,{name}"))]), Err(Nominated), "{name}");
    }
}

#[test]
fn only_trailers_are_left_of_te() {
    assert_eq!(cleaned(&[("TE", "gzip;q=0.5, Trailers")]).unwrap(), ["te: trailers"]);
    assert_eq!(cleaned(&[("Connection", "TE"), ("TE", "trailers")]).unwrap(), ["te: trailers"]);
    assert_eq!(cleaned(&[("TE", "gzip")]).unwrap(), [""; 0]);
}

#[test]
fn values_are_bytes() {
    let mut headers = HeaderMap::new();
    headers.insert("x-name", HeaderValue::from_bytes(b"Lyc\xe9e").unwrap());
    clean_response(&mut headers);
    assert_eq!(headers["x-name"].as_bytes(), b"Lyc\xe9e");
}

#[test]
fn the_platform_is_told_the_trusted_chain() {
    let mut headers =
        map(&[("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1"), ("x-forwarded-proto", "gopher")]);
    let client = ClientAddress {
        address: "2001:db8::7".parse().unwrap(),
        via: vec!["10.2.3.4".parse().unwrap(), "fd00::2".parse().unwrap()],
    };
    let host = HeaderValue::from_static("[2001:db8::1]:8443");
    let forwarding = Forwarding { client: &client, host: &host, port: Some(8443), tls: false };
    clean_request(&mut headers, &forwarding).unwrap();
    assert_eq!(headers.len(), 5);
    assert_eq!(headers["x-forwarded-for"], "2001:db8::7, 10.2.3.4, fd00::2");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "[2001:db8::1]:8443");
    assert_eq!(headers["x-forwarded-port"], "8443");
    assert_eq!(
        headers["forwarded"],
        "for=\"[2001:db8::7]\", for=10.2.3.4, for=\"[fd00::2]\";host=\"[2001:db8::1]:8443\";proto=http"
    );
}

#[test]
fn a_platform_cannot_take_its_answers_meaning_away() {
    let mut headers = map(&[
        ("connection", "close, x-hop, content-type, Set-Cookie"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authenticate", "Basic"),
        ("x-hop", "1"),
        ("content-type", "text/html"),
        ("set-cookie", "a=b"),
        ("trailer", "x"),
    ]);
    clean_response(&mut headers);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-type", "set-cookie", "trailer"]);
}
