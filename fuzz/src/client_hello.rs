//! Promises of the reader of a TLS client's first message.

use lockgate_wire::client_hello::{ClientHello, Ja4, Progress, Reader, MAX_MESSAGE};

use crate::guards::cut;

/// A stream is read alike however it is cut, and no more is kept than allowed.
pub fn stream(input: &[u8], cuts: &[u16]) {
    let run = |pieces: &[&[u8]]| {
        let mut reader = Reader::default();
        for piece in pieces {
            reader.feed(piece);
        }
        match reader.feed(b"") {
            Progress::Done(message) => Ok(message.to_vec()),
            other => Err(other == Progress::Need),
        }
    };
    let whole = run(&[input]);
    assert_eq!(whole, run(&cut(input, cuts)));
    assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
    if let Ok(hello) = whole {
        assert!(hello.len() <= MAX_MESSAGE);
        message(&hello);
    }
}

/// Whatever is taken for a message has a fingerprint of the right form.
pub fn message(input: &[u8]) {
    let Some(hello) = ClientHello::parse(input) else {
        return;
    };
    if let Some(host) = hello.host() {
        let said = hello.server_name.map(<[u8]>::to_ascii_lowercase);
        assert_eq!(Some(host.as_bytes()), said.as_deref());
        assert!(host.len() <= 253 && !host.contains(char::is_whitespace));
    }
    for quic in [false, true] {
        let ja4 = Ja4::new(&hello.parts(quic));
        let text = ja4.fingerprint(|_| [0xab; 32]);
        assert_eq!(text.len(), 36);
        assert!(text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(ja4.raw().len() <= 200 + 3 * input.len());
    }
}
