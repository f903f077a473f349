//! Fuzz targets for the first bytes of a connection, and for whom its client says to be.

use bolero::check;
use lockgate_fuzz::{certificate, client_hello, proxy_protocol};

fn vector(length_bytes: usize, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&length[4 - length_bytes..], body].concat()
}

/// A ClientHello with any lists and any extensions.
fn hello(ciphers: &[u8], extensions: &[(u8, Vec<u8>)]) -> Vec<u8> {
    const KINDS: [u16; 6] = [0, 13, 16, 43, 0x0a0a, 51];
    let mut list = Vec::new();
    for (kind, body) in extensions.iter().take(40) {
        list.extend(KINDS[usize::from(*kind) % KINDS.len()].to_be_bytes());
        // Often a list in a list, as most extensions are.
        let body = match kind / 64 {
            0 => body.clone(),
            1 => vector(1, body),
            2 => vector(2, body),
            _ => vector(2, &vector(1, &body[..body.len().min(255)])),
        };
        list.extend(vector(2, &body));
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(vector(1, b"session"));
    body.extend(vector(2, &ciphers[..ciphers.len() / 2 * 2]));
    body.extend(vector(1, &[0]));
    body.extend(vector(2, &list));
    [&[1][..], &vector(3, &body)].concat()
}

#[test]
fn client_hellos() {
    check!()
        .with_type::<(Vec<u8>, Vec<(u8, Vec<u8>)>, u8, Vec<u16>)>()
        .for_each(|(ciphers, extensions, size, cuts)| {
            let message = hello(ciphers, extensions);
            client_hello::message(&message);
            let records = message.chunks(usize::from(*size) * 4 + 1);
            let stream: Vec<u8> = records
                .flat_map(|piece| [&[22, 3, 1][..], &vector(2, piece)].concat())
                .collect();
            client_hello::stream(&stream, cuts);
        });
}

#[test]
fn raw_client_hellos() {
    check!().for_each(|input: &[u8]| {
        client_hello::message(input);
        client_hello::stream(input, &[1, 5]);
        client_hello::stream(&[&[22, 3, 1][..], &vector(2, input)].concat(), &[3]);
    });
}

#[test]
fn proxy_protocol_lines() {
    const WORDS: &[&str] = &[
        "PROXY ",
        "TCP4",
        "TCP6",
        "UNKNOWN",
        " ",
        "192.0.2.1",
        "::1",
        "::ffff:1.2.3.4",
        "0",
        "443",
        "65536",
        "\r\n",
        "\n",
        "\r",
        "x",
    ];
    check!().with_type::<Vec<u8>>().for_each(|picks| {
        let words = picks
            .iter()
            .take(40)
            .map(|pick| WORDS[usize::from(*pick) % WORDS.len()]);
        let line: String = words.collect();
        proxy_protocol::header(line.as_bytes());
        proxy_protocol::header(format!("PROXY TCP4 192.0.2.1 192.0.2.2 {line}\r\n").as_bytes());
        proxy_protocol::header(format!("PROXY TCP6 ::1 {line}\r\n").as_bytes());
    });
}

#[test]
fn proxy_protocol_additions() {
    check!()
        .with_type::<(u8, u8, Vec<(u8, Vec<u8>)>)>()
        .for_each(|(command, family, additions)| {
            let family = [0x11, 0x21, 0x31, *family][usize::from(family % 4)];
            let mut body =
                vec![7; [12, 36, 216, 12][usize::from(family >> 4).saturating_sub(1) % 4]];
            for (kind, value) in additions.iter().take(20) {
                body.push([1, 2, 3, 4, 5, 0x20, 0x21, *kind][usize::from(kind % 8)]);
                body.extend(vector(2, value));
            }
            let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
            header.extend([0x20 | (command % 3), family]);
            header.extend(vector(2, &body));
            header.extend(b"GET");
            proxy_protocol::header(&header);
        });
}

#[test]
fn raw_proxy_protocol() {
    check!().for_each(|input: &[u8]| {
        proxy_protocol::header(input);
        proxy_protocol::header(&[&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], input].concat());
    });
}

#[test]
fn certificates() {
    check!()
        .with_type::<(Vec<(u8, u8, Vec<u8>)>, Vec<(u8, Vec<u8>)>, u16, u8)>()
        .for_each(|(subject, names, at, byte)| {
            let mut made = certificate::made(subject, names);
            certificate::read(&made);
            let at = usize::from(*at) % made.len();
            made[at] ^= byte;
            certificate::read(&made);
        });
}

#[test]
fn a_certificate_of_good_names_is_read() {
    let subject = [(0, 0, b"crm".to_vec())];
    let names = [
        (1, b"crm.example".to_vec()),
        (2, b"spiffe://example/crm".to_vec()),
    ];
    let made = certificate::made(&subject, &names);
    assert!(lockgate_policy::mtls::ClientCertificate::read(&[&made]).is_some());
    certificate::read(&made);
}

#[test]
fn raw_certificates() {
    check!().for_each(|input: &[u8]| certificate::read(input));
}
