//! Promises of the reader of clients' certificates. TLS has verified what comes here; the names in
//! it are whatever an authority was talked into.

use lockgate_policy::mtls::{ClientCertificate, Config, KnownBy, Like, Mtls, Wanted};
use lockgate_policy::Verdict;

/// Between the times of `made`.
const NOW_MS: u64 = 1_800_000_000_000;

/// Whatever is read has names that can be written down, and is told to upstreams as it came.
pub fn read(input: &[u8]) {
    let Some(certificate) = ClientCertificate::read(&[input]) else {
        return;
    };
    assert_eq!(&*certificate.chain()[0], input);
    let told = certificate
        .client_cert()
        .expect("Base64 is a value of a field");
    assert_eq!(told.len(), input.len().div_ceil(3) * 4 + 2);
    assert!(certificate.client_cert_chain().is_none());
    for known_by in [
        KnownBy::Any,
        KnownBy::Spiffe,
        KnownBy::Uri,
        KnownBy::Dns,
        KnownBy::Email,
        KnownBy::Subject,
        KnownBy::CommonName,
        KnownBy::Spki,
    ] {
        judged(&certificate, known_by, Vec::new());
    }
    let anything = Wanted {
        dns: Some(Like::Text("**".to_owned())),
        ..Wanted::default()
    };
    judged(&certificate, KnownBy::Any, vec![anything]);
}

fn judged(certificate: &ClientCertificate, known_by: KnownBy, allow: Vec<Wanted>) {
    let policy = Mtls::new(&Config { allow, known_by }).expect("a good config");
    match policy.decide(Some(certificate), NOW_MS) {
        Verdict::Identify(identity) => {
            let (kind, name) = identity.credential.split_once(':').expect("with its kind");
            assert_eq!(name, &*identity.owner);
            assert!(!name.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()));
            assert!(
                !name.chars().any(char::is_control),
                "{name:?} drives no terminal, and makes no second line"
            );
            assert!(certificate.holds(NOW_MS));
        }
        Verdict::Deny(_) => {}
        _ => panic!("it lets in by a name, or not at all"),
    }
}

/// A certificate of these attributes of a subject and these names, each with its tag, under no
/// signature that anybody would verify.
#[must_use]
pub fn made(subject: &[(u8, u8, Vec<u8>)], names: &[(u8, Vec<u8>)]) -> Vec<u8> {
    // Common name, organization, unit, country, serial number, domain component, e-mail.
    const ATTRIBUTES: [&[u8]; 7] = [
        &[0x55, 4, 3],
        &[0x55, 4, 10],
        &[0x55, 4, 11],
        &[0x55, 4, 6],
        &[0x55, 4, 5],
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
    ];
    // UTF-8, printable, IA5, T61, BMP, universal.
    const TEXTS: [u8; 6] = [12, 19, 22, 20, 30, 28];
    let ed25519 = tlv(0x30, &tlv(6, &[0x2b, 0x65, 0x70]));
    let subject: Vec<u8> = subject
        .iter()
        .take(20)
        .flat_map(|(attribute, kind, text)| {
            let oid = tlv(6, ATTRIBUTES[usize::from(*attribute) % ATTRIBUTES.len()]);
            let text = tlv(TEXTS[usize::from(*kind) % TEXTS.len()], text);
            tlv(0x31, &tlv(0x30, &[oid, text].concat()))
        })
        .collect();
    // E-mail, DNS, URI, IP address, and the kinds that are passed over.
    const NAMES: [u8; 6] = [0x81, 0x82, 0x86, 0x87, 0xa4, 0x88];
    let names: Vec<u8> = names
        .iter()
        .flat_map(|(kind, name)| tlv(NAMES[usize::from(*kind) % NAMES.len()], name))
        .collect();
    let alternative = [tlv(6, &[0x55, 0x1d, 17]), tlv(4, &tlv(0x30, &names))].concat();
    let validity = [tlv(0x17, b"200101000000Z"), tlv(0x17, b"400101000000Z")].concat();
    let key = [&ed25519[..], &tlv(3, &[0; 33])].concat();
    let body = [
        tlv(0xa0, &tlv(2, &[2])),
        tlv(2, &[7]),
        ed25519.clone(),
        tlv(0x30, &[]),
        tlv(0x30, &validity),
        tlv(0x30, &subject),
        tlv(0x30, &key),
        tlv(0xa3, &tlv(0x30, &tlv(0x30, &alternative))),
    ]
    .concat();
    let signature = tlv(3, &[0; 65]);
    tlv(0x30, &[tlv(0x30, &body), ed25519, signature].concat())
}

/// A value of DER.
fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let head = match body.len() {
        0..=0x7f => vec![tag, length[3]],
        0x80..=0xffff => vec![tag, 0x82, length[2], length[3]],
        _ => vec![tag, 0x83, length[1], length[2], length[3]],
    };
    [head, body.to_vec()].concat()
}
