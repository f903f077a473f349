#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::SocketAddr;

use proptest::prelude::*;

use super::{crc32c, parse, write_v1, Addresses, Header, Progress, MAX_HEADER, V2};

fn done(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Ok(Progress::Done(header)) => header,
        other => panic!("{other:?} for {:?}", String::from_utf8_lossy(bytes)),
    }
}

fn refused(bytes: &[u8]) -> &'static str {
    parse(bytes).expect_err(&format!("{bytes:?}")).code
}

fn pair(source: &str, destination: &str) -> Option<Addresses> {
    Some(Addresses {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    })
}

#[test]
fn version_1_is_read() {
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n";
    let header = done(line);
    assert_eq!(
        header.addresses,
        pair("192.0.2.1:56324", "198.51.100.7:443")
    );
    assert_eq!(&line[header.consumed..], b"GET / HTTP/1.1\r\n");
    let six = done(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n");
    assert_eq!(six.addresses, pair("[2001:db8::1]:1", "[::1]:65535"));
    // An IPv4 address in IPv6's clothes.
    let mapped = done(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 80\r\n");
    assert_eq!(mapped.addresses, pair("192.0.2.1:0", "[::1]:80"));
    let longest = [&b"PROXY UNKNOWN ffff:f...f:ffff"[..], &[b'f'; 76], b"\r\n"].concat();
    for unknown in [
        &b"PROXY UNKNOWN\r\n"[..],
        b"PROXY UNKNOWN what ever\r\n",
        &longest,
    ] {
        let header = done(unknown);
        assert_eq!((header.addresses, header.consumed), (None, unknown.len()));
    }
    assert_eq!(longest.len(), 107);
}

#[test]
fn version_1_is_read_strictly() {
    for line in [
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
        "PROXY TCP4 192.0.2.1  198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 +5 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7  443\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.7 1 443\r\n",
        "PROXY TCP4 ::1 ::1 1 443\r\n",
        "PROXY TCP6 192.0.2.1 ::1 1 443\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n",
        "PROXY unknown\r\n",
        "PROXY \r\n",
    ] {
        assert_eq!(
            refused(line.as_bytes()),
            "proxy-protocol-malformed",
            "{line}"
        );
    }
    let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 93]].concat();
    assert!(matches!(parse(&long[..106]), Ok(Progress::Need(107))));
    assert_eq!(refused(&long), "proxy-protocol-too-long");
    assert_eq!(
        refused(b"PROXY UNKNOWN \xff\r\n"),
        "proxy-protocol-malformed"
    );
}

#[test]
fn what_is_no_header_is_told_at_once() {
    for bytes in [&b"G"[..], b"PROXY\t", b"\x16\x03\x01", b"\r\n\r\nG", b"P "] {
        assert_eq!(refused(bytes), "proxy-protocol-missing");
    }
    assert_eq!(parse(b""), Ok(Progress::Need(15)));
    assert_eq!(parse(b"P"), Ok(Progress::Need(15)));
    assert_eq!(parse(b"\r\n"), Ok(Progress::Need(16)));
}

/// A header of version 2, from its thirteenth byte on.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        body,
    ]
    .concat()
}

const FOUR: &[u8; 12] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, value].concat()
}

fn with(additions: &[Vec<u8>]) -> Vec<u8> {
    v2(0x21, 0x11, &[&FOUR[..], &additions.concat()].concat())
}

#[test]
fn version_2_is_read() {
    let stream = [v2(0x21, 0x11, FOUR), b"GET".to_vec()].concat();
    let header = done(&stream);
    assert_eq!(
        header.addresses,
        pair("192.0.2.1:56324", "198.51.100.7:443")
    );
    assert_eq!(header.consumed, 28);
    assert_eq!(
        done(&v2(0x21, 0x12, FOUR)).addresses,
        header.addresses,
        "over UDP"
    );
    for end in 1..28 {
        let due = if end < 16 { 16 } else { 28 };
        assert_eq!(parse(&stream[..end]), Ok(Progress::Need(due)), "{end}");
    }
    let mut six = [0; 36];
    (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
    assert_eq!(
        done(&v2(0x21, 0x21, &six)).addresses,
        pair("[::1]:3", "[::2]:4")
    );
}

#[test]
fn what_has_no_addresses_is_local() {
    // LOCAL must be taken whatever else is in it.
    for header in [
        v2(0x20, 0, b""),
        v2(0x20, 0x11, FOUR),
        v2(0x20, 0xff, b"junk"),
        v2(0x21, 0, b""),
        v2(0x21, 0, b"unknown"),
        v2(0x21, 0x10, FOUR),
        v2(0x21, 0x31, &[0; 216]),
    ] {
        let read = done(&header);
        assert_eq!((read.addresses, read.consumed), (None, header.len()));
    }
}

#[test]
fn version_2_is_read_strictly() {
    for header in [
        v2(0x11, 0x11, FOUR),
        v2(0x22, 0x11, FOUR),
        v2(0x21, 0x13, FOUR),
        v2(0x21, 0x41, FOUR),
        v2(0x21, 0x11, &FOUR[..11]),
        v2(0x21, 0x21, &[0; 35]),
        v2(0x21, 0x31, &[0; 215]),
        with(&[vec![4, 0]]),
        with(&[vec![4, 0, 1]]),
        with(&[tlv(2, b"\xff")]),
        with(&[tlv(3, b"abc")]),
        with(&[tlv(5, &[0; 129])]),
        with(&[tlv(0x20, &[1, 0, 0, 0])]),
        with(&[tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9])]),
    ] {
        assert_eq!(refused(&header), "proxy-protocol-malformed", "{header:?}");
    }
    let long = v2(0x21, 0x11, &[0; 2049]);
    assert_eq!(refused(&long[..16]), "proxy-protocol-too-long");
    let most = with(&[tlv(4, &[0; 2048 - 12 - 3])]);
    assert_eq!(done(&most).consumed, MAX_HEADER);
}

#[test]
fn additions_are_read() {
    let ssl = [
        &[7, 0, 0, 0, 0][..],
        &tlv(0x21, b"TLSv1.3"),
        &tlv(0x22, b"client.example"),
        &tlv(0x25, b"RSA2048"),
    ]
    .concat();
    let header = done(&with(&[
        tlv(1, b"h2"),
        tlv(2, b"api.example.com"),
        tlv(4, b"filling"),
        tlv(5, b"id-1"),
        tlv(0x20, &ssl),
        tlv(0xea, b"\x01vpce-1"),
    ]));
    assert_eq!(header.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(header.authority.as_deref(), Some("api.example.com"));
    assert_eq!(header.unique_id.as_deref(), Some(&b"id-1"[..]));
    let read = header.ssl.unwrap();
    assert!(read.used && read.verified);
    assert_eq!(read.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(read.common_name.as_deref(), Some("client.example"));
    // Zero alone is no certificate, and a number is a failure.
    let verified = |start: [u8; 5]| done(&with(&[tlv(0x20, &start)])).ssl.unwrap().verified;
    assert!(!verified([1, 0, 0, 0, 0]));
    assert!(!verified([7, 0, 0, 0, 18]));
    assert!(verified([5, 0, 0, 0, 0]), "in the session before");
}

/// RFC 3720, B.4, and the catalogue's check value.
#[test]
fn checksums_are_castagnolis() {
    assert_eq!(crc32c::checksum(&[b"123456789"]), 0xe306_9283);
    assert_eq!(crc32c::checksum(&[&[0; 20], &[0; 12]]), 0x8a91_36aa);
    assert_eq!(crc32c::checksum(&[&[0xff; 32]]), 0x62a8_ab43);
}

#[test]
fn a_checksum_must_fit() {
    let addresses = pair("192.0.2.1:56324", "198.51.100.7:443");
    let written = V2 {
        addresses: addresses.as_ref(),
        authority: Some("a.example"),
        checksum: true,
        ..V2::default()
    };
    let good = written.write();
    assert_eq!(done(&good).addresses, addresses);
    for at in 16..good.len() - 7 {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let code = parse(&bad).err().map(|reason| reason.code);
        assert!(code.is_some(), "{at}");
    }
    let mut twice = good.clone();
    twice.extend(tlv(3, &[0; 4]));
    twice[15] += 7;
    assert_ne!(parse(&twice).err(), None);
}

#[test]
fn what_is_written_has_its_form() {
    let addresses = pair("192.0.2.1:56324", "198.51.100.7:443");
    let line = write_v1(addresses.as_ref());
    assert_eq!(line, "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
    assert_eq!(write_v1(None), "PROXY UNKNOWN\r\n");
    let mixed = pair("192.0.2.1:1", "[2001:db8::1]:2");
    let line = write_v1(mixed.as_ref());
    assert_eq!(line, "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
    let plain = V2 {
        addresses: addresses.as_ref(),
        ..V2::default()
    };
    assert_eq!(plain.write(), v2(0x21, 0x11, FOUR));
    let own = V2 { own: true, ..plain };
    assert_eq!(own.write(), v2(0x20, 0, b""));
    assert_eq!(V2::default().write(), v2(0x21, 0, b""));
    let long = "x".repeat(256);
    let without = V2 {
        authority: Some(&long),
        alpn: Some(long.as_bytes()),
        unique_id: Some(&long.as_bytes()[..129]),
        ..plain
    };
    assert_eq!(without.write(), plain.write());
    let most = V2 {
        addresses: mixed.as_ref(),
        own: false,
        authority: Some(&long[1..]),
        alpn: Some(&long.as_bytes()[1..]),
        unique_id: Some(&long.as_bytes()[..128]),
        checksum: true,
    };
    assert_eq!(most.write().len(), 16 + 36 + 258 + 258 + 131 + 7);
    assert_eq!(done(&most.write()).authority.as_deref(), Some(&long[1..]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        source: SocketAddr,
        destination: SocketAddr,
        id in prop::collection::vec(any::<u8>(), 0..128),
        checksum: bool,
    ) {
        let addresses = Addresses::new(
            (source.ip(), source.port()),
            (destination.ip(), destination.port()),
        );
        let line = write_v1(Some(&addresses));
        prop_assert!(line.len() <= 107);
        prop_assert_eq!(done(line.as_bytes()).addresses, Some(addresses));
        let header = V2 {
            addresses: Some(&addresses),
            unique_id: Some(&id),
            checksum,
            ..V2::default()
        };
        let read = done(&header.write());
        prop_assert_eq!(read.addresses, Some(addresses));
        prop_assert_eq!(read.unique_id, Some(id));
    }

    /// More bytes never change a verdict, and a need is never met by fewer.
    #[test]
    fn what_is_certain_stays(
        start in prop::sample::select(vec![&b""[..], b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let stream = [start, &bytes].concat();
        let whole = parse(&stream);
        let mut need = 0;
        for end in 0..stream.len() {
            match parse(&stream[..end]) {
                Ok(Progress::Need(count)) => {
                    prop_assert!(count > end && count <= MAX_HEADER && count >= need);
                    need = count;
                }
                certain => {
                    prop_assert!(end >= need || certain.is_err());
                    prop_assert_eq!(&certain, &whole);
                }
            }
        }
    }
}
