use proptest::prelude::*;

use super::{sliced, Told};
use crate::content::{cookies, form, Progress};

fn read(body: &[u8], separator: u8) -> Vec<String> {
    let mut told = Told::default();
    assert_eq!(form::read(body, separator, &mut told), Progress::Done);
    told.lines
}

#[test]
fn pairs_are_decoded() {
    assert_eq!(
        read(b"a=1&b=x+y%20z&c&=d&&e=f=g&%41%=%zz%4&h=%00;i=2", b'&'),
        [
            "a=1",
            "b=x y z",
            "c=",
            "=d",
            "e=f=g",
            "A%=%zz%4",
            r"h=\x00;i=2"
        ]
    );
    assert_eq!(read(b"a=1;b=2&c", b';'), ["a=1", "b=2&c"]);
    assert_eq!(read(b"", b'&'), [""; 0]);
}

#[test]
fn a_broken_escape_is_noted() {
    for (body, broken) in [(&b"a=%41&b=+"[..], false), (b"a=%4", true), (b"%=1", true)] {
        let mut reader = form::Reader::default();
        reader.run(body, b'&', usize::MAX, &mut Told::default());
        assert_eq!(reader.has_broken_escape(), broken);
    }
}

#[test]
fn cookies_are_split_as_rules_have_them() {
    let read = |field: &[u8]| {
        let mut told = Told::default();
        cookies::read(field, &mut told);
        told.lines
    };
    assert_eq!(
        read(b"a=1; b=\"x y\" ;c; ;=d;e=f=g%20;  h=i \t"),
        ["a=1", r#"b=\"x y\" "#, "c=", "=d", "e=f=g%20", "h=i"]
    );
    assert_eq!(read(b""), [""; 0]);
    assert_eq!(read(b" ; "), [""; 0]);
}

/// The same, byte by byte.
fn plainly(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match (bytes[at], hex) {
            (b'%', Some(hex)) => {
                out.push(u8::from_str_radix(hex, 16).expect("digits"));
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
        at += 1;
    }
    super::text(&out)
}

proptest! {
    #[test]
    fn agrees_with_a_plain_reader_however_sliced(body in "([a-c=&;%+é]|%[0-9a-f]{2}){0,40}", size in 1_usize..20) {
        let wanted: Vec<String> = body
            .split('&')
            .filter(|text| !text.is_empty())
            .map(|text| {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                format!("{}={}", plainly(name), plainly(value))
            })
            .collect();
        let mut reader = form::Reader::default();
        let run = |size, sink: &mut Told| Ok(reader.run(body.as_bytes(), b'&', size, sink));
        prop_assert_eq!(sliced(run, size).0, wanted);
    }
}
