#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use super::{ClientHello, Ja4, Parts, Progress, Reader, MAX_MESSAGE};

/// Texts and the beginnings of their SHA-256, computed apart from this code
/// (Python's hashlib) and equal to those in the published fingerprints below.
/// The last one is made up.
const HASHES: [(&str, [u8; 6]); 8] = [
    (CHROME_CIPHERS, [0x8d, 0xaa, 0xf6, 0x15, 0x27, 0x71]),
    (
        "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601",
        [0xe5, 0x62, 0x7e, 0xfa, 0x2a, 0xb1],
    ),
    (
        "0005,000a,000b,000d,0012,0017,001b,0023,002b,002d,0033,44cd,fe0d,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601",
        [0xd8, 0xa2, 0xda, 0x3f, 0x94, 0xcd],
    ),
    (
        "002f,0035,009c,009d,1301,1302,1303,c009,c00a,c013,c014,c027,c02b,c02c,c02f,c030,cca8,cca9",
        [0x5d, 0x04, 0x28, 0x1c, 0x60, 0x31],
    ),
    (
        "000a,000b,000d,0017,0023,002b,002d,0033,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601,0201",
        [0x78, 0xe6, 0xac, 0xa7, 0x44, 0x9b],
    ),
    ("1301,1302,1303", [0x55, 0xb3, 0x75, 0xc5, 0xd2, 0x2e]),
    (
        "000a,000d,001b,002b,002d,0033,0039,4469_0403,0804,0401,0503,0805,0501,0806,0601,0201",
        [0xcd, 0x85, 0xd2, 0xd8, 0x89, 0x18],
    ),
    ("000a,000b", [1, 2, 3, 4, 5, 0xff]),
];

const CHROME_CIPHERS: &str =
    "002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9";

fn sha256(text: &[u8]) -> [u8; 32] {
    let known = HASHES.iter().find(|(known, _)| known.as_bytes() == text);
    let (_, start) = known.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(text)));
    let mut hash = [0; 32];
    hash[..6].copy_from_slice(start);
    hash
}

fn be(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

fn vector(length_bytes: usize, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[4 - length_bytes..], body].concat()
}

/// What a client offers; the extensions get bodies of their kind.
#[derive(Debug, Clone, Default)]
struct Offer {
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    versions: Vec<u16>,
    algorithms: Vec<u16>,
    alpn: Vec<u8>,
}

impl Offer {
    fn message(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        for kind in &self.extensions {
            let body = match kind {
                0 => vector(2, &[&[0][..], &vector(2, b"example.com")].concat()),
                13 => vector(2, &be(&self.algorithms)),
                16 => vector(2, &[vector(1, &self.alpn), vector(1, b"other")].concat()),
                43 => vector(1, &be(&self.versions)),
                _ => b"whatever".to_vec(),
            };
            extensions.extend(kind.to_be_bytes());
            extensions.extend(vector(2, &body));
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(vector(1, &[9; 32]));
        body.extend(vector(2, &be(&self.ciphers)));
        body.extend(vector(1, &[0]));
        body.extend(vector(2, &extensions));
        [&[1][..], &vector(3, &body)].concat()
    }

    fn ja4(&self, quic: bool) -> Ja4 {
        let message = self.message();
        Ja4::new(&ClientHello::parse(&message).unwrap().parts(quic))
    }
}

const CHROME_ALGORITHMS: [u16; 8] = [
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
];

/// In Chrome's order, with GREASE.
fn chrome(extensions: &[u16]) -> Offer {
    Offer {
        ciphers: vec![
            0xfafa, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        extensions: extensions.to_vec(),
        versions: vec![0x0a0a, 0x0304, 0x0303],
        algorithms: CHROME_ALGORITHMS.to_vec(),
        alpn: b"h2".to_vec(),
    }
}

#[test]
fn what_is_offered_may_be_too_old() {
    let older = |versions: &[u16]| {
        let extensions = if versions.is_empty() {
            &[][..]
        } else {
            &[43][..]
        };
        let mut offer = chrome(extensions);
        offer.versions = versions.to_vec();
        let message = offer.message();
        ClientHello::parse(&message).unwrap().is_older_than(0x0303)
    };
    // The version beside the random is 1.2.
    assert!(!older(&[]));
    assert!(older(&[0x0302, 0x0301]));
    assert!(older(&[0x0a0a, 0x0302]), "GREASE is no version");
    assert!(!older(&[0x0302, 0x0303]));
    assert!(!older(&[0x0304]));
}

/// FoxIO's own example (`ja4__insta@chrome-cloudflare-quic-with-secrets`).
#[test]
fn chrome_over_tcp() {
    let offer = chrome(&[
        0x2a2a, 0, 23, 0xff01, 10, 11, 35, 16, 5, 13, 18, 51, 45, 43, 27, 0x4469, 0xbaba, 21,
    ]);
    let ja4 = offer.ja4(false);
    assert_eq!(
        ja4.fingerprint(sha256),
        "t13d1516h2_8daaf6152771_e5627efa2ab1"
    );
    assert!(ja4.raw().starts_with("t13d1516h2_002f,0035,"));
}

/// Chrome 143 as browserleaks.com shows it, in the order of its `ja4_ro`.
#[test]
fn chrome_with_a_shuffled_order() {
    let offer = chrome(&[
        0x2d, 0x33, 0x10, 0xfe0d, 0x17, 0x44cd, 0, 0x0b, 0x0a, 0x2b, 0xff01, 0x23, 0x12, 5, 0x0d,
        0x1b,
    ]);
    assert_eq!(
        offer.ja4(false).fingerprint(sha256),
        "t13d1516h2_8daaf6152771_d8a2da3f94cd"
    );
}

/// The QUIC stream of the same example of FoxIO's.
#[test]
fn chrome_over_quic() {
    let offer = Offer {
        ciphers: vec![0x1301, 0x1302, 0x1303],
        extensions: vec![0x39, 0x0d, 0x10, 0x1b, 0x2b, 0x33, 0x2d, 0, 0x4469, 0x0a],
        versions: vec![0x0304],
        algorithms: [&CHROME_ALGORITHMS[..], &[0x0201]].concat(),
        alpn: b"h3".to_vec(),
    };
    assert_eq!(
        offer.ja4(true).fingerprint(sha256),
        "q13d0310h3_55b375c5d22e_cd85d2d88918"
    );
}

/// A client without ALPN, with its published JA3 text as the order:
/// `771,4865-4866-…,0-23-65281-10-11-35-13-51-45-43,29-23-24,0`.
#[test]
fn a_client_without_alpn() {
    let offer = Offer {
        ciphers: vec![
            4865, 4866, 4867, 49199, 49195, 49200, 49196, 49191, 52393, 52392, 49161, 49171, 49162,
            49172, 156, 157, 47, 53,
        ],
        extensions: vec![0, 23, 65281, 10, 11, 35, 13, 51, 45, 43],
        versions: vec![0x0304, 0x0303],
        algorithms: [&CHROME_ALGORITHMS[..], &[0x0201]].concat(),
        alpn: Vec::new(),
    };
    assert_eq!(
        offer.ja4(false).fingerprint(sha256),
        "t13d181000_5d04281c6031_78e6aca7449b"
    );
}

const EMPTY: Parts<'static> = Parts {
    quic: false,
    legacy_version: 0x0303,
    versions: &[],
    ciphers: &[],
    extensions: &[],
    server_name: false,
    alpn: None,
    signature_algorithms: &[],
};

#[test]
fn what_is_missing_is_zeroes() {
    let none = Ja4::new(&EMPTY);
    assert_eq!(
        none.fingerprint(sha256),
        "t12i000000_000000000000_000000000000"
    );
    // Without signature algorithms there is no underscore in what is hashed.
    let parts = Parts {
        extensions: &[11, 10],
        ..EMPTY
    };
    assert_eq!(
        Ja4::new(&parts).fingerprint(sha256),
        "t12i000200_000000000000_0102030405ff"
    );
    let parts = Parts {
        extensions: &[16, 0],
        server_name: true,
        ..EMPTY
    };
    assert_eq!(
        Ja4::new(&parts).fingerprint(sha256),
        "t12d000200_000000000000_000000000000"
    );
}

/// The cases of the specification, and FoxIO's own.
#[test]
fn alpn_is_shown_by_two_characters() {
    let start = |alpn| {
        Ja4::new(&Parts {
            alpn: Some(alpn),
            ..EMPTY
        })
        .start
    };
    let cases: [(&[u8], &str); 11] = [
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"b", "bb"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"-a", "21"),
        (&[0x0a, 0x0a], "0a"),
    ];
    for (alpn, shown) in cases {
        assert_eq!(start(alpn), format!("t12i0000{shown}"), "{alpn:?}");
    }
}

#[test]
fn versions_and_counts_are_bounded() {
    let start = |versions: &[u16]| Ja4::new(&Parts { versions, ..EMPTY }).start;
    for (version, shown) in [
        (0x0304, "13"),
        (0x0302, "11"),
        (0x0301, "10"),
        (0x0300, "s3"),
        (0x7f1c, "00"),
    ] {
        assert_eq!(start(&[0x0a0a, version]), format!("t{shown}i000000"));
    }
    let many: Vec<u16> = (0x2000..0x2100).collect();
    let parts = Parts {
        ciphers: &many,
        extensions: &many,
        ..EMPTY
    };
    assert_eq!(Ja4::new(&parts).start, "t12i999900");
}

#[test]
fn the_fields_are_read() {
    let offer = chrome(&[0, 13, 16, 43]);
    let message = offer.message();
    let hello = ClientHello::parse(&message).unwrap();
    assert_eq!(hello.server_name, Some(&b"example.com"[..]));
    assert_eq!(hello.alpn, Some(&b"h2"[..]));
    assert_eq!(hello.extensions, [0, 13, 16, 43]);
    assert_eq!((hello.legacy_version, hello.versions.len()), (0x0303, 3));
    // Nothing shorter is a message, and neither is anything longer.
    for end in 0..message.len() {
        assert_eq!(ClientHello::parse(&message[..end]), None, "{end}");
    }
    assert_eq!(ClientHello::parse(&[&message[..], &[0]].concat()), None);
    // TLS 1.2 without any extensions.
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &vector(2, &be(&[0x002f])),
        &[1, 0],
    ]
    .concat();
    let old = [&[1][..], &vector(3, &body)].concat();
    assert_eq!(ClientHello::parse(&old).unwrap().ciphers, [0x002f]);
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| [&[22, 3, 1][..], &vector(2, piece)].concat();
    message.chunks(size).flat_map(record).collect()
}

#[test]
fn a_message_is_collected_from_records() {
    let message = chrome(&[0, 13, 16, 43]).message();
    for size in [message.len(), 100, 4, 3] {
        let mut stream = records(&message, size);
        stream.extend(b"\x14\x03\x03\x00\x01\x01");
        let mut reader = Reader::default();
        assert_eq!(reader.feed(&stream), Progress::Done(&message), "{size}");
        assert_eq!(reader.feed(&stream), Progress::Done(&message), "again");
        let mut reader = Reader::default();
        let whole = stream.len() - 6;
        for byte in &stream[..whole - 1] {
            assert_eq!(reader.feed(&[*byte]), Progress::Need);
        }
        assert_eq!(
            reader.feed(&stream[whole - 1..whole]),
            Progress::Done(&message)
        );
    }
}

#[test]
fn what_is_not_tls_is_told_at_once() {
    let not_tls = |bytes: &[u8]| Reader::default().feed(bytes) == Progress::NotTls;
    assert!(not_tls(b"G"));
    assert!(not_tls(b"PROXY TCP4"));
    assert!(not_tls(b"\x16\x02"), "SSL 2");
    assert!(not_tls(b"\x16\x03\x01\x00\x00"), "an empty record");
    assert!(
        not_tls(b"\x16\x03\x01\x40\x01"),
        "a record that is too long"
    );
    assert!(not_tls(b"\x16\x03\x01\x00\x04\x02"), "a ServerHello");
    assert!(
        not_tls(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfd"),
        "a message that is too long"
    );
    assert!(!not_tls(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"));
    let message = chrome(&[0, 13, 16, 43]).message();
    assert!(not_tls(&records(&message, 1)), "too many records");
    let mut reader = Reader::default();
    assert_eq!(reader.feed(b"x"), Progress::NotTls);
    assert_eq!(
        reader.feed(&records(&message, 500)),
        Progress::NotTls,
        "it stays so"
    );
}

#[test]
fn what_is_collected_is_bounded() {
    let mut reader = Reader::default();
    let hello = [&[1, 0, 0x3f, 0xfc][..], &[0; 60_000]].concat();
    reader.feed(&records(&hello, 1000));
    assert!(reader.message.len() <= MAX_MESSAGE);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ClientHello::parse(&bytes);
        let body = [&[3, 3][..], &[7; 32], &[0], &bytes].concat();
        let message = [&[1][..], &vector(3, &body)].concat();
        if let Some(hello) = ClientHello::parse(&message) {
            let ja4 = Ja4::new(&hello.parts(false));
            prop_assert_eq!(ja4.fingerprint(|_| [0; 32]).len(), 36);
        }
    }

    /// A client that shuffles what it offers has the same fingerprint.
    #[test]
    fn neither_order_nor_grease_matters(
        order in Just(vec![0_u16, 10, 11, 13, 16, 23, 43, 51, 0xff01]).prop_shuffle(),
        grease in 0_u16..16,
        at: prop::sample::Index,
        size in 1_usize..300,
    ) {
        let plain = chrome(&[0, 10, 11, 13, 16, 23, 43, 51, 0xff01]).ja4(false);
        let mut offer = chrome(&order);
        offer.extensions.insert(at.index(order.len() + 1), grease * 0x1010 + 0x0a0a);
        offer.ciphers.insert(at.index(5), grease * 0x1010 + 0x0a0a);
        prop_assert_eq!(offer.ja4(false), plain.clone());

        let stream = records(&offer.message(), 50);
        let mut reader = Reader::default();
        for piece in stream.chunks(size) {
            reader.feed(piece);
        }
        match reader.feed(b"") {
            Progress::Done(message) => {
                prop_assert_eq!(Ja4::new(&ClientHello::parse(message).unwrap().parts(false)), plain);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A hello whose extension for the server's name has these bytes.
fn naming(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let written = extensions
        .iter()
        .flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &vector(2, body)].concat());
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(vector(1, &[]));
    body.extend(vector(2, &be(&[0x1301])));
    body.extend(vector(1, &[0]));
    body.extend(vector(2, &written.collect::<Vec<u8>>()));
    [&[1][..], &vector(3, &body)].concat()
}

fn entry(kind: u8, name: &[u8]) -> Vec<u8> {
    [&[kind][..], &vector(2, name)].concat()
}

fn host(extensions: &[(u16, Vec<u8>)]) -> Option<String> {
    let message = naming(extensions);
    ClientHello::parse(&message)?.host()
}

#[test]
fn a_host_is_what_can_be_read_in_one_way() {
    let one = |name: &[u8]| host(&[(0, vector(2, &entry(0, name)))]);
    assert_eq!(one(b"Db.Example.com").as_deref(), Some("db.example.com"));
    assert_eq!(
        one(b"xn--bcher-kva.example").as_deref(),
        Some("xn--bcher-kva.example")
    );
    let odd: [&[u8]; 7] = [
        b"",
        b"a b",
        b"a\0b",
        b"a/b",
        b"\xff\xfe",
        b"*.example.com",
        b"a:443",
    ];
    for odd in odd {
        assert_eq!(one(odd), None, "{odd:?}");
    }
    assert_eq!(one(&[b'a'; 254]), None);
    assert_eq!(one(&[b'a'; 253]).map(|name| name.len()), Some(253));
    assert_eq!(host(&[]), None);

    let (first, second) = (entry(0, b"a.example"), entry(0, b"b.example"));
    let both = [first.clone(), second.clone()].concat();
    assert_eq!(
        host(&[(0, vector(2, &both))]),
        None,
        "two names in one list"
    );
    let twice = [(0, vector(2, &first)), (0, vector(2, &second))];
    assert_eq!(host(&twice), None, "two lists");
    let behind = [&vector(2, &first)[..], b"x"].concat();
    assert_eq!(host(&[(0, behind)]), None, "something behind the list");
    assert_eq!(
        host(&[(0, vector(2, &entry(7, b"a.example")))]),
        None,
        "no host's"
    );
}
