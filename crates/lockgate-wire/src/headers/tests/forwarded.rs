use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::{
    super::{
        forwarded::{client_address, Told},
        forwarding::{Hop, WRITTEN},
    },
    lines, map,
};

/// 10.0.0.0/8 and fd00::/8 are the trusted proxies of these tests.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

fn client(peer: &str, sent: &[&str]) -> Result<String, &'static str> {
    client_address(&map(sent), peer.parse().unwrap(), is_trusted)
        .map(|address| address.to_string())
        .map_err(|reason| reason.code)
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    let sent = ["X-Forwarded-For: 10.0.0.9", "Forwarded: for=192.0.2.7"];
    assert_eq!(client("198.51.100.1", &sent), Ok("198.51.100.1".into()));
    assert_eq!(
        client("::ffff:198.51.100.1", &[]),
        Ok("198.51.100.1".into())
    );
}

#[test]
fn the_list_is_walked_from_the_right() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "10.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.1"], "192.0.2.1"),
        (&["X-Forwarded-For: 1.1.1.1, 192.0.2.1"], "192.0.2.1"),
        (
            &["X-Forwarded-For: 1.1.1.1,192.0.2.1 ,10.0.0.2"],
            "192.0.2.1",
        ),
        (
            &["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.1"],
            "192.0.2.1",
        ),
        (
            &[
                "X-Forwarded-For: 192.0.2.1",
                "X-Forwarded-For: 10.0.0.2, 10.0.0.3",
            ],
            "192.0.2.1",
        ),
        (&["X-Forwarded-For: 10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&["X-Forwarded-For: 192.0.2.1:4711"], "192.0.2.1"),
        (&["X-Forwarded-For: 2001:db8::1"], "2001:db8::1"),
        (&["X-Forwarded-For: [2001:db8::1]:4711"], "2001:db8::1"),
        (&["X-Forwarded-For: ::ffff:192.0.2.1"], "192.0.2.1"),
        (&["X-Forwarded-For: ::ffff:10.0.0.2"], "10.0.0.2"),
        // Unreadable where a trusted proxy speaks: the walk ends there.
        (&["X-Forwarded-For: 192.0.2.1, unknown"], "10.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.1,"], "10.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
        (&["X-Forwarded-For: 192.0.2.1:x y"], "10.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.999"], "10.0.0.1"),
        (&["X-Forwarded-For: 192.0.2.1%eth0"], "10.0.0.1"),
    ];
    for (sent, expected) in cases {
        assert_eq!(client("10.0.0.1", sent), Ok((*expected).into()), "{sent:?}");
    }
}

#[test]
fn rfc_7239_is_read_with_its_quotation_marks() {
    let cases: &[(&str, &str)] = &[
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1;Proto=https; by=10.0.0.1", "192.0.2.1"),
        ("proto=https;for=\"192.0.2.1:80\"", "192.0.2.1"),
        ("for=1.1.1.1, for=\"[2001:db8::1]:80\"", "2001:db8::1"),
        ("for=\"[2001:db8::1]\";host=\"a,b;c\"", "2001:db8::1"),
        ("for=192.0.2.1;host=\"a\\\",for=10.0.0.2\"", "10.0.0.1"),
        ("for=192.0.2.1, for=10.0.0.2;host=x", "192.0.2.1"),
        // What stands left of the client has no effect, open quotes included.
        ("for=\"evil, for=192.0.2.1", "192.0.2.1"),
        ("\\\", for=192.0.2.1", "192.0.2.1"),
        // Known to the proxy alone, or to nobody.
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
        ("for=", "10.0.0.1"),
        ("for", "10.0.0.1"),
        ("by=192.0.2.1", "10.0.0.1"),
        ("for=\"192.0.2.1", "10.0.0.1"),
        ("for=\"192.0.2.1\"x", "10.0.0.1"),
    ];
    for (value, expected) in cases {
        let sent = format!("Forwarded: {value}");
        assert_eq!(
            client("10.0.0.1", &[&sent]),
            Ok((*expected).into()),
            "{value}"
        );
    }
}

#[test]
fn two_stories_are_refused_and_one_told_twice_is_not() {
    let agreeing = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"];
    assert_eq!(client("10.0.0.1", &agreeing), Ok("192.0.2.1".into()));
    let spoofed = ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=1.1.1.1"];
    assert_eq!(client("10.0.0.1", &spoofed), Err("forwarded-conflict"));
    let hidden = ["X-Forwarded-For: 192.0.2.1", "Forwarded: nonsense"];
    assert_eq!(client("10.0.0.1", &hidden), Err("forwarded-conflict"));
    for (one, other) in [
        ("X-Forwarded-Proto: https", "proto=http"),
        ("X-Forwarded-Host: a.example", "host=b.example"),
        ("X-Forwarded-Host: a.example", "host=\"a.example:8443\""),
    ] {
        for list in ["X-Forwarded-For: 192.0.2.1", "X-Other: 1"] {
            let element = format!("Forwarded: for=192.0.2.1;{other}");
            let sent = [list, one, &element];
            assert_eq!(
                client("10.0.0.1", &sent),
                Err("forwarded-conflict"),
                "{sent:?}"
            );
            // Of somebody else's request nothing is compared.
            let element = format!("Forwarded: for=1.1.1.1;{other}, for=192.0.2.1");
            let sent = [list, one, &element];
            assert_eq!(
                client("10.0.0.1", &sent),
                Ok("192.0.2.1".into()),
                "{sent:?}"
            );
        }
    }
}

/// What is told besides the client's address: the way behind it, scheme, host and port.
fn told(sent: &[&str]) -> (usize, Option<bool>, Option<String>, Option<String>) {
    let told = Told::read(&map(sent), "10.0.0.1".parse().unwrap(), is_trusted);
    let told = told.map_err(|reason| reason.code).unwrap();
    let text = |value: Option<HeaderValue>| value.map(|it| it.to_str().unwrap().to_owned());
    (
        told.way.len(),
        told.secure,
        text(told.host),
        text(told.port),
    )
}

#[test]
fn scheme_and_host_are_taken_of_the_family_whose_list_is_there() {
    let some = |text: &str| Some(text.to_owned());
    let element = "Forwarded: for=192.0.2.1;PROTO=HTTPS;host=a.example";
    assert_eq!(told(&[element]), (1, Some(true), some("a.example"), None));
    // What the peer says of a client that it does not name.
    let unknown = "Forwarded: for=unknown;proto=https";
    assert_eq!(told(&[unknown]), (0, Some(true), None, None));
    // Said once more, and by the family that the proxy does not write: from outside, maybe.
    let list = "X-Forwarded-For: 192.0.2.1";
    assert_eq!(told(&[list, element]), (1, None, None, None));
    let short = "Forwarded: for=192.0.2.1";
    let own = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: A.example",
        "X-Forwarded-Port: 443",
    ];
    let all = (1, Some(true), some("A.example"), some("443"));
    assert_eq!(
        told(&[short, own[0], own[1], own[2]]),
        (1, None, None, None)
    );
    assert_eq!(told(&[list, short, own[0], own[1], own[2]]), all);
    assert_eq!(told(&[list, element, own[0], own[1], own[2]]), all);
    assert_eq!(told(&own), (0, all.1, all.2, all.3));
    // With the client, and not with the proxies behind it.
    let two = "Forwarded: for=192.0.2.1;proto=https, for=10.0.0.2;proto=http";
    assert_eq!(told(&[two]), (2, Some(true), None, None));
    assert_eq!(
        told(&["Forwarded: for=192.0.2.1;proto=http;proto=https"]).0,
        0
    );
}

#[test]
fn no_chain_is_walked_without_end() {
    let sent = format!(
        "X-Forwarded-For: 192.0.2.1, {}10.0.0.2",
        "10.0.0.3, ".repeat(40)
    );
    assert_eq!(client("10.0.0.1", &[&sent]), Ok("10.0.0.3".into()));
    let padded = format!("X-Forwarded-For: 1.1.1.1,{}192.0.2.1", " ".repeat(600));
    assert_eq!(client("10.0.0.1", &[&padded]), Ok("10.0.0.1".into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a client writes before the entry of the proxy, the proxy's counts.
    #[test]
    fn a_client_cannot_choose_its_address(written in "[ -~]{0,60}") {
        let x = format!("X-Forwarded-For: {written}, 192.0.2.1");
        prop_assert_eq!(client("10.0.0.1", &[&x]), Ok("192.0.2.1".into()));
        let rfc = format!("Forwarded: {written}, for=192.0.2.1;proto=http");
        prop_assert_eq!(client("10.0.0.1", &[&rfc]), Ok("192.0.2.1".into()));
    }

    /// Whatever a trusted proxy sends: refused, or both families tell the upstream the same.
    #[test]
    fn both_families_say_the_same(
        x in "([0-9a-f.:, ]|10\\.0\\.0\\.2){0,40}",
        rfc in "((for|proto|host)=(192\\.0\\.2\\.1|10\\.0\\.0\\.2|https?|a|\"a:1\"|unknown)[;,] ?){0,6}",
        proto in "(https?|HTTPS|x)?",
        host in "(a|b:80|/)?",
    ) {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "own"),
            ("x-forwarded-for", &x),
            ("forwarded", &rfc),
            ("x-forwarded-proto", &proto),
            ("x-forwarded-host", &host),
        ] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let Ok(told) = Told::read(&headers, peer, is_trusted) else {
            return Ok(());
        };
        Hop::new(peer, false, 80).write(&mut headers, &told);
        let nearer: IpAddr = "10.0.0.9".parse().unwrap();
        let read = |gone: [&str; 3]| {
            let mut headers = headers.clone();
            gone.iter().for_each(|name| { headers.remove(*name); });
            let told = Told::read(&headers, nearer, is_trusted).map_err(|reason| reason.code).unwrap();
            (told.way, told.secure, told.host)
        };
        let by_x = read(["forwarded", "", ""]);
        let by_rfc = read(["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
        prop_assert_eq!(&by_x, &by_rfc);
        prop_assert_eq!(by_x.0.first().copied(), told.client().or(Some(peer)));
    }

    #[test]
    fn what_we_write_we_can_read(peer in any::<[u8; 16]>(), v4 in any::<bool>(), host in "[a-z]{1,8}(:80)?") {
        let peer: IpAddr = if v4 {
            IpAddr::from([192, peer[1], peer[2], peer[3]])
        } else {
            IpAddr::from(peer).to_canonical()
        };
        let mut headers = map(&[&format!("Host: {host}")]);
        Hop::new(peer, true, 443).write(&mut headers, &Told::default());
        let read = client_address(&headers, "10.0.0.1".parse().unwrap(), |address| {
            address == "10.0.0.1".parse::<IpAddr>().unwrap()
        });
        prop_assert_eq!(read.map_err(|reason| reason.code), Ok(peer));
    }
}

fn told_by(headers: &HeaderMap, trusted: bool, peer: &str) -> Told {
    if !trusted {
        return Told::default();
    }
    let told = Told::read(headers, peer.parse().unwrap(), is_trusted);
    told.map_err(|reason| reason.code).unwrap()
}

fn written(trusted: bool, peer: &str, sent: &[&str]) -> Vec<String> {
    let mut headers = map(sent);
    let told = told_by(&headers, trusted, peer);
    Hop::new(peer.parse().unwrap(), false, 8080).write(&mut headers, &told);
    headers.remove("host");
    assert!(headers.keys().all(|name| WRITTEN.contains(&name.as_str())));
    lines(&headers)
}

#[test]
fn an_untrusted_peers_story_is_replaced() {
    let sent = [
        "Host: shop.example.com:8080",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-For: 2.2.2.2",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 1",
        "Forwarded: for=1.1.1.1",
    ];
    assert_eq!(
        written(false, "192.0.2.1", &sent),
        [
            "forwarded: for=192.0.2.1;proto=http;host=\"shop.example.com:8080\"",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: shop.example.com:8080",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn a_request_without_host_says_none() {
    assert_eq!(
        written(false, "2001:db8::1", &["X-Forwarded-Host: evil"]),
        [
            "forwarded: for=\"[2001:db8::1]\";proto=http",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn a_trusted_peers_story_is_continued() {
    let sent = [
        "Host: shop.example.com",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-For: 10.0.0.2",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: www.example.com",
        "X-Forwarded-Port: 443",
        "Forwarded: for=192.0.2.1",
    ];
    assert_eq!(
        written(true, "10.0.0.1", &sent),
        [
            "forwarded: for=192.0.2.1;proto=https;host=www.example.com, for=10.0.0.2, for=10.0.0.1",
            "x-forwarded-for: 192.0.2.1, 10.0.0.2, 10.0.0.1",
            "x-forwarded-host: www.example.com",
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
        ]
    );
}

#[test]
fn both_families_say_what_one_was_told() {
    let by_x = [
        "Host: a",
        "X-Forwarded-For: 6.6.6.6, 2001:db8::1, 10.0.0.2",
        "X-Forwarded-Host: a:443",
    ];
    let by_rfc = [
        "Host: a",
        "Forwarded: for=6.6.6.6;host=evil, for=\"[2001:db8::1]\";host=\"a:443\", for=10.0.0.2;host=inner",
    ];
    for sent in [&by_x[..], &by_rfc[..]] {
        assert_eq!(
            written(true, "10.0.0.1", sent),
            [
                "forwarded: for=\"[2001:db8::1]\";proto=http;host=\"a:443\", for=10.0.0.2, for=10.0.0.1",
                "x-forwarded-for: 2001:db8::1, 10.0.0.2, 10.0.0.1",
                "x-forwarded-host: a:443",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: http",
            ],
            "{sent:?}"
        );
    }
}

#[test]
fn what_cannot_be_right_is_replaced_even_from_a_trusted_peer() {
    let long = format!("X-Forwarded-For: 1.1.1.1,{}", " ".repeat(600));
    let sent = [
        "Host: shop.example.com",
        &long,
        "Forwarded: for=\"evil",
        "X-Forwarded-Proto: javascript",
        "X-Forwarded-Host: a/b",
        "X-Forwarded-Port: 99 9",
    ];
    assert_eq!(
        written(true, "10.0.0.1", &sent),
        [
            "forwarded: for=10.0.0.1;proto=http;host=shop.example.com",
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-host: shop.example.com",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn a_scheme_told_twice_and_a_list_nobody_can_read_are_replaced() {
    let mut headers = map(&["X-Forwarded-Proto: https", "X-Forwarded-Proto: https"]);
    let unreadable = http::HeaderValue::from_bytes(b"192.0.2.1, caf\xe9").unwrap();
    headers.insert("x-forwarded-for", unreadable);
    let told = told_by(&headers, true, "10.0.0.1");
    Hop::new("10.0.0.1".parse().unwrap(), false, 8080).write(&mut headers, &told);
    assert_eq!(
        lines(&headers),
        [
            "forwarded: for=10.0.0.1;proto=http",
            "x-forwarded-for: 10.0.0.1",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn lines_say_what_the_map_says() {
    for (peer, host) in [
        ("203.0.113.9", Some("shop.example.com")),
        ("203.0.113.9", Some("shop.example.com:8080")),
        ("2001:db8::1", Some("[::1]:8080")),
        ("203.0.113.9", None),
    ] {
        let hop = Hop::new(peer.parse().unwrap(), false, 8080);
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert("host", host.parse().unwrap());
        }
        let mut lines = Vec::new();
        hop.write_lines(&headers, &mut lines);
        hop.write(&mut headers, &Told::default());
        headers.remove("host");
        let mut written: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        let mut lines: Vec<String> = String::from_utf8(lines)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        written.sort();
        lines.sort();
        assert_eq!(lines, written);
    }
}

#[test]
fn a_peer_without_an_address_is_not_known() {
    let hop = Hop::new("0.0.0.0".parse().unwrap(), false, 0);
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
    headers.insert("x-forwarded-port", HeaderValue::from_static("443"));
    hop.write(&mut headers, &Told::default());
    assert_eq!(headers["x-forwarded-for"], "unknown");
    assert_eq!(headers["forwarded"], "for=unknown;proto=http");
    assert!(!headers.contains_key("x-forwarded-port"));
    let mut lines = Vec::new();
    hop.write_lines(&HeaderMap::new(), &mut lines);
    assert_eq!(
        String::from_utf8(lines).unwrap(),
        "x-forwarded-for: unknown\r\nx-forwarded-proto: http\r\nforwarded: for=unknown;proto=http\r\n"
    );
}

#[test]
fn a_proxy_on_this_machine_does_not_hide_whom_it_speaks_for() {
    let hop = Hop::new("0.0.0.0".parse().unwrap(), false, 0);
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    headers.insert("forwarded", HeaderValue::from_static("for=203.0.113.7"));
    headers.insert("x-forwarded-port", HeaderValue::from_static("443"));
    let told = told_by(&headers, true, "0.0.0.0");
    hop.write(&mut headers, &told);
    assert_eq!(headers["x-forwarded-for"], "203.0.113.7");
    assert_eq!(headers["forwarded"], "for=203.0.113.7;proto=http");
    assert_eq!(headers["x-forwarded-port"], "443");
    // The gate behind this one finds the same client.
    let nearer = "10.0.0.1".parse().unwrap();
    let client = client_address(&headers, nearer, |ip| ip == nearer);
    assert_eq!(client, Ok("203.0.113.7".parse().unwrap()));
    // Nothing is said for it, or nothing that could be kept.
    for said in [None, Some("\"open")] {
        let mut headers = HeaderMap::new();
        if let Some(said) = said {
            headers.insert("forwarded", HeaderValue::from_static(said));
        }
        let told = told_by(&headers, true, "0.0.0.0");
        hop.write(&mut headers, &told);
        assert_eq!(headers["x-forwarded-for"], "unknown");
        assert_eq!(headers["forwarded"], "for=unknown;proto=http");
    }
}
