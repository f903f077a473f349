use proptest::prelude::*;

use super::{code, sliced, Outcome};
use crate::content::protobuf::{Limits, Reader};

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn field(number: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short one");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

fn read(message: &[u8], size: usize) -> Outcome {
    let mut reader = Reader::of_message(Limits::default());
    sliced(|size, sink| reader.run(message, size, sink), size)
}

#[test]
fn texts_are_named_by_their_fields() {
    let inner = [field(2, b"' OR 1=1"), field(3, "é".as_bytes())].concat();
    let message = [
        field(1, b"name"),
        vec![0x10, 0x96, 0x01],
        vec![0x19, 1, 2, 3, 4, 5, 6, 7, 8],
        vec![0x25, 1, 2, 3, 4],
        field(15, &inner),
        field(16, &[0xff, 0xfe, 0x80]),
        field(17, b""),
        // Packed numbers, none of which is text.
        field(18, &[0x96, 0x01, 0x03, 0x8e, 0x02]),
    ]
    .concat();
    for size in [1, 7, usize::MAX] {
        let (lines, outcome) = read(&message, size);
        assert!(outcome.is_ok());
        assert_eq!(
            lines,
            ["grpc.1=name", r"grpc.15.2=\' OR 1=1", r"grpc.15.3=\xc3\xa9"]
        );
    }
}

#[test]
fn both_readings_are_told() {
    // A letter, a tab or a line end, and so on: a text that is a message too.
    let text = b"\"\tsome text";
    assert_eq!(
        read(&field(1, text), 9).0,
        [r#"grpc.1=\"\tsome text"#, "grpc.1.4=some text"]
    );
}

#[test]
fn a_call_has_messages() {
    let mut body = framed(0, &field(1, b"one"));
    body.extend(framed(1, b"packed"));
    body.extend(framed(0, b""));
    body.extend(framed(0, &field(2, b"two")));
    for size in [1, usize::MAX] {
        let mut reader = Reader::of_call(Limits::default());
        let (lines, outcome) = sliced(|size, sink| reader.run(&body, size, sink), size);
        assert!(outcome.is_ok());
        assert_eq!(lines, ["grpc.1=one", "grpc.2=two"]);
        assert_eq!(reader.compressed(), 1);
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let call = |body: &[u8]| {
        let mut reader = Reader::of_call(Limits::default());
        code(&sliced(|size, sink| reader.run(body, size, sink), 3))
    };
    let wrong = |at| Some(("grpc-not-protobuf", at));
    assert_eq!(call(b"\0\0\0"), wrong(0));
    assert_eq!(call(b"\0\0\0\0\x09x"), wrong(0));
    assert_eq!(call(b"\x02\0\0\0\0"), wrong(0));
    for message in [
        &b"\x0a\x05x"[..],
        b"\x0b",
        b"\x02\x01x",
        b"\x08",
        b"\x09\x01",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert_eq!(code(&read(message, 1)), wrong(0), "{message:?}");
    }
}

#[test]
fn limits_hold() {
    let nested = (0..40).fold(b"deep".to_vec(), |inner, _| field(1, &inner));
    assert!(read(&nested, 5).1.is_ok());
    let limits = Limits {
        fields: 3,
        ..Limits::default()
    };
    let mut reader = Reader::of_message(limits);
    let body = [0x08, 1].repeat(4);
    let outcome = sliced(|size, sink| reader.run(&body, size, sink), 1);
    assert_eq!(code(&outcome), Some(("grpc-too-many-fields", 6)));
}

proptest! {
    #[test]
    fn slices_make_no_difference(message in prop::collection::vec(0..40_u8, 0..60), size in 1_usize..20) {
        prop_assert_eq!(read(&message, size), read(&message, usize::MAX));
    }
}
