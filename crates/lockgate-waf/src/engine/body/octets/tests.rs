#![allow(clippy::unwrap_used, missing_docs)]

use super::texts;

#[test]
fn what_is_mostly_text_is_looked_at_as_one() {
    let text = b"it's \xff 1 OR 1";
    assert_eq!(texts(text), [text]);
}

#[test]
fn runs_of_text_are_found_between_other_bytes() {
    let bytes = b"\0\x01\xfe\xffshort\0\x02\xff\xfe\x03\xc0\xc1\x00a text that is long enough\n\xff\xff\xff\0\0\0\0\0\0";
    assert_eq!(texts(bytes), [b"a text that is long enough\n"]);
    assert_eq!(texts(&[0xff; 100]), Vec::<&[u8]>::new());
}
