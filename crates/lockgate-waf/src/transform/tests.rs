use proptest::prelude::*;

use super::{chain, reference, Transformation as T};
use crate::bytes::ByteSet;

fn apply(which: T, input: &[u8]) -> Vec<u8> {
    let mut out = b"kept".to_vec();
    let changed = which.apply(input, &mut out);
    assert!(out.starts_with(b"kept"), "{which:?} writes at the end");
    let made = out.split_off(4);
    if changed {
        assert_ne!(made, input, "{which:?} says that it changed {input:?}");
        made
    } else {
        assert!(made.is_empty(), "{which:?} writes what it did not change");
        input.to_vec()
    }
}

#[track_caller]
fn check(which: T, cases: &[(&str, &str)]) {
    for (input, wanted) in cases {
        let made = apply(which, input.as_bytes());
        assert_eq!(
            String::from_utf8_lossy(&made),
            *wanted,
            "{which:?} of {input:?}"
        );
    }
}

#[test]
fn names() {
    for which in T::all() {
        assert_eq!(T::named(which.name()), Some(which));
        assert_eq!(T::named(&which.name().to_uppercase()), Some(which));
    }
    assert_eq!(T::named("normalisePath"), Some(T::NormalizePath));
    assert_eq!(T::named("none"), None);
    assert_eq!(T::named(""), None);
}

#[test]
fn percent_encoding() {
    let both = [
        ("a+b%20c", "a b c"),
        ("%41%zz%4", "A%zz%4"),
        ("%", "%"),
        ("%%41", "%A"),
        ("%2541", "%41"),
        ("100%", "100%"),
    ];
    check(T::UrlDecode, &both);
    check(T::UrlDecodeUni, &both);
    check(T::UrlDecode, &[("%u0041", "%u0041")]);
    check(
        T::UrlDecodeUni,
        &[
            ("%u0041%U0042", "AB"),
            ("%uff1cscript%uFF1E", "<script>"),
            ("%uff1f%uff01%uff5e", "?!~"),
            ("%u2018%u2019%u02bc%u2032", "''''"),
            ("%u00e9%u00c9%u0142%u017a", "eElz"),
            ("%u0430%u5a27", "0'"),
            ("%u00a0%u3000", " \0"),
            ("%u004", "%u004"),
            ("%u00zz", "%u00zz"),
            ("%u%41", "%uA"),
        ],
    );
    check(
        T::UrlEncode,
        &[("a b*c-", "a+b*c%2d"), ("", ""), ("az09AZ*", "az09AZ*")],
    );
}

#[test]
fn what_html_knows() {
    check(
        T::HtmlEntityDecode,
        &[
            ("&lt;&GT;&quot;&amp;&nbspx", "<>\"&&nbspx"),
            ("&#60;&#x3c;&#X3C&#60x", "<<<<x"),
            ("&ltscript&lt script", "&ltscript< script"),
            ("&#;&#x;&#xg;&;&", "&#;&#x;&#xg;&;&"),
            ("&#0000000000000000000000000000000000000060;", "<"),
            ("&#65596;&#x1003c", "<<"),
            ("&colon;&amp;amp;", "&colon;&amp;"),
            ("&&lt;", "&<"),
        ],
    );
    assert_eq!(apply(T::HtmlEntityDecode, b"&nbsp;"), b"\xa0");
    assert_eq!(
        apply(T::HtmlEntityDecode, b"&#99999999999999999999"),
        b"\xff"
    );
}

#[test]
fn escapes() {
    check(
        T::JsDecode,
        &[
            ("\\u003c\\x3c\\74", "<<<"),
            ("\\uff1c\\uFF41", "<a"),
            ("\\n\\t\\a\\b\\f\\r\\v", "\n\t\x07\x08\x0c\r\x0b"),
            ("\\'\\\"\\\\\\?\\q", "'\"\\?q"),
            ("\\477", "'7"),
            ("\\u00\\x4", "u00x4"),
            ("\\X41", "X41"),
            ("end\\", "end\\"),
        ],
    );
    assert_eq!(apply(T::JsDecode, b"\\377"), b"\xff");
    check(
        T::EscapeSeqDecode,
        &[
            ("\\x3c\\X3C\\74", "<<<"),
            ("\\n\\t\\\\\\'\\\"\\?", "\n\t\\'\"?"),
            ("\\477", "?"),
            ("\\xg1\\q", "xg1q"),
            ("\\u0041", "u0041"),
            ("end\\", "end\\"),
        ],
    );
    check(
        T::CssDecode,
        &[
            ("\\3c  x", "< x"),
            ("\\0003c\\00003cz", "<<z"),
            ("\\61\\6c\\65rt", "alert"),
            ("\\FF41\\0ff41\\00ff41\\1ff41", "aaaA"),
            ("ja\\vas\\cript", "javas\x0cript"),
            ("java\\\nscript", "javascript"),
            ("end\\", "end"),
            ("\\\\", "\\"),
        ],
    );
}

#[test]
fn unicode() {
    check(
        T::Utf8ToUnicode,
        &[
            ("é＜", "%u00e9%uff1c"),
            ("a\0b", "ab"),
            ("😀", "%u1f600"),
            ("plain", "plain"),
        ],
    );
    assert_eq!(apply(T::Utf8ToUnicode, b"\xc0\xaf"), b"%u002f\xc0");
    assert_eq!(apply(T::Utf8ToUnicode, b"\xe0\x80\xaf"), b"%u002f\xe0");
    assert_eq!(apply(T::Utf8ToUnicode, b"\xed\xa0\x80"), b"%ud800\xed");
    assert_eq!(apply(T::Utf8ToUnicode, b"\xc3("), b"(");
    assert_eq!(apply(T::Utf8ToUnicode, b"\x80\xff"), b"\x80\xff");
    assert_eq!(apply(T::Utf8ToUnicode, b"a\xe2\x82"), b"a\x82");
}

#[test]
fn comments() {
    check(
        T::ReplaceComments,
        &[
            ("a/*b*/c", "a c"),
            ("a/*b", "a "),
            ("a/*/b*/c", "a c"),
            ("/**//**/", "  "),
            ("*/a", "*/a"),
            ("a//*b", "a/ "),
        ],
    );
    check(
        T::RemoveCommentsChar,
        &[
            ("a/*b*/c", "abc"),
            ("<!--x-->y--z#w", "xyzw"),
            ("/*/", "/"),
            ("//**", "/*"),
            ("-/*-", "--"),
            ("<!-", "<!-"),
        ],
    );
    check(
        T::RemoveComments,
        &[
            ("a/*b*/c", "ac"),
            ("a<!--b-->c", "ac"),
            ("a/*b-->c", "ac"),
            ("a--b", "a"),
            ("a#b", "a"),
            ("a/*b", "a "),
            ("a*/b", "a*/b"),
            ("a/**/#b", "a#b"),
            ("a/*b*/", "a"),
        ],
    );
}

#[test]
fn white_space() {
    check(
        T::CompressWhitespace,
        &[
            ("a  b\t\nc", "a b c"),
            ("a b", "a b"),
            ("a\tb", "a b"),
            ("  ", " "),
        ],
    );
    check(T::RemoveWhitespace, &[(" a\u{a0}b\t\x0b\x0cc\r\n", "abc")]);
    assert_eq!(apply(T::RemoveWhitespace, b"a\xa0b"), b"ab");
    check(T::Trim, &[(" \ta b\n ", "a b"), ("   ", ""), ("", "")]);
    check(T::TrimLeft, &[(" a ", "a ")]);
    check(T::TrimRight, &[(" a ", " a")]);
    check(
        T::CmdLine,
        &[
            ("C^md.exe \"/c\"", "cmd.exe/c"),
            ("a,;\t b", "a b"),
            ("l\\s  -l (x", "ls -l(x"),
            (" x", " x"),
            ("a \" b", "a b"),
            ("a (b) /c", "a(b)/c"),
        ],
    );
}

#[test]
fn paths() {
    let both = [
        ("/a/b/../c", "/a/c"),
        ("/a//b///c", "/a/b/c"),
        ("/a/./b/.", "/a/b"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("../../etc", "../../etc"),
        ("a/../../b", "../b"),
        ("./a", "a"),
        ("a/..", ""),
        ("/..", ""),
        ("/a/..", ""),
        ("/a/../", "/"),
        ("/a/b/", "/a/b/"),
        (".", ""),
        ("..", ".."),
        ("", ""),
        ("/", "/"),
        ("//", "/"),
        ("/a../b", "/b"),
        ("a.b/c.d", "a.b/c.d"),
        ("/.hidden/x", "/.hidden/x"),
    ];
    check(T::NormalizePath, &both);
    check(T::NormalizePathWin, &both);
    check(T::NormalizePath, &[("a\\..\\b", "a\\..\\b")]);
    check(
        T::NormalizePathWin,
        &[
            ("a\\b", "a/b"),
            ("\\a\\..\\b", "/b"),
            ("a/\\\\\\..\\c", "c"),
            ("..\\..\\x", "../../x"),
        ],
    );
}

#[test]
fn base64_and_digits() {
    check(
        T::Base64Decode,
        &[
            ("YWJj", "abc"),
            ("YWI=", "ab"),
            ("YQ==", "a"),
            ("YWI", "ab"),
            ("YWJj!ZGVm", "abc"),
            ("YW\r\nJj", "abc"),
            ("YWJj ZGVm", "abc"),
            ("!", ""),
            ("Y", ""),
        ],
    );
    check(
        T::Base64DecodeExt,
        &[("Y!W J*j", "abc"), ("YQ==", "a"), ("Y=", ""), ("Y==", "")],
    );
    assert_eq!(apply(T::Base64DecodeExt, b"-_-_"), b"\xfb\xff\xbf");
    check(
        T::Base64Encode,
        &[("abc", "YWJj"), ("ab", "YWI="), ("a", "YQ=="), ("", "")],
    );
    check(T::HexDecode, &[("414243", "ABC"), ("4142434", "ABC")]);
    check(T::HexEncode, &[("A\nz", "410a7a")]);
    check(
        T::SqlHexDecode,
        &[
            ("0x414243 x", "ABC x"),
            ("0X41x", "Ax"),
            ("0x4", "0x4"),
            ("00x41", "0A"),
            ("x41", "x41"),
        ],
    );
    check(
        T::Length,
        &[("", "0"), ("abc", "3"), ("0123456789a", "11"), ("1", "1")],
    );
}

#[test]
fn digests_are_those_of_their_rfcs() {
    let hex = |which, input: &[u8]| {
        let digest = apply(which, input);
        String::from_utf8(apply(T::HexEncode, &digest)).unwrap()
    };
    assert_eq!(hex(T::Md5, b""), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(hex(T::Md5, b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(
        hex(T::Sha1, b"abc"),
        "a9993e364706816aba3e25717850c26c9cd0d89d"
    );
}

#[test]
fn letters() {
    check(T::Lowercase, &[("AbZ[É", "abz[É"), ("abc", "abc")]);
    check(T::Uppercase, &[("aBz{é", "ABZ{é")]);
    check(T::RemoveNulls, &[("a\0\0b\0", "ab")]);
    check(T::ReplaceNulls, &[("a\0b", "a b")]);
    assert_eq!(apply(T::ParityZero7Bit, b"\xc1B"), b"AB");
    assert_eq!(apply(T::ParityEven7Bit, b"AC"), b"A\xc3");
    assert_eq!(apply(T::ParityOdd7Bit, b"AC"), b"\xc1C");
}

/// Text in which every transformation finds something to do.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "%", "%u", "%41", "%u0041", "%uff1c", "+", "&", "&#", "&#x", "&#60;", "&lt;", "&lt", "\\",
        "\\u", "\\u0041", "\\x41", "\\41", "\\477", "\\n", "/*", "*/", "<!--", "-->", "--", "#",
        "/", "//", "/.", "/..", "../", "./", ".", "..", "\\..", "0x", "0x41", "x", "4", "41", "f",
        " ", "\t", "\n", "  ", "\0", ",", ";", "(", "^", "\"", "a", "A", "=", "==", "YWJj", "YQ",
        "é", "＜", "😀", "\u{a0}", "*", "-", "!", "z",
    ])
    .prop_map(|piece| piece.as_bytes().to_vec());
    let piece = prop_oneof![
        8 => pieces,
        1 => prop::collection::vec(any::<u8>(), 1..4),
        1 => "[a-zA-Z0-9]{1,80}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_of_them() -> impl Strategy<Value = T> {
    prop::sample::select(T::all().collect::<Vec<_>>())
}

fn bytes_of(text: &[u8]) -> ByteSet {
    ByteSet::of(text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_same_as_byte_by_byte(which in any_of_them(), input in texts()) {
        let made = apply(which, &input);
        let wanted = reference::apply(which, &input);
        prop_assert_eq!(
            &made,
            &wanted,
            "{:?} of {:?}",
            which,
            String::from_utf8_lossy(&input)
        );
        prop_assert!(made.len() <= which.max_len(input.len()));
        prop_assert!(bytes_of(&made).within(&which.image(bytes_of(&input))));
        if !bytes_of(&input).meets(&which.changes()) && which.changes() != ByteSet::ALL {
            prop_assert_eq!(made, input);
        }
    }

    #[test]
    fn without_a_trigger_nothing_changes(which in any_of_them(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let triggers = which.changes();
        if triggers != ByteSet::ALL {
            let quiet: Vec<u8> = bytes.into_iter().filter(|byte| !triggers.contains(*byte)).collect();
            prop_assert!(!which.apply(&quiet, &mut Vec::new()));
        }
    }

    #[test]
    fn some_change_nothing_the_second_time(input in texts(), which in prop::sample::select(vec![
        T::CmdLine, T::CompressWhitespace, T::Lowercase, T::Uppercase,
        T::ParityZero7Bit, T::RemoveNulls, T::ReplaceNulls, T::RemoveWhitespace, T::Trim,
        T::TrimLeft, T::TrimRight, T::ReplaceComments,
    ])) {
        let once = apply(which, &input);
        prop_assert_eq!(apply(which, &once), once);
    }

    #[test]
    fn what_was_encoded_can_be_decoded(input in texts()) {
        prop_assert_eq!(&apply(T::UrlDecode, &apply(T::UrlEncode, &input)), &input);
        prop_assert_eq!(&apply(T::HexDecode, &apply(T::HexEncode, &input)), &input);
        prop_assert_eq!(&apply(T::Base64Decode, &apply(T::Base64Encode, &input)), &input);
        prop_assert_eq!(&apply(T::Base64DecodeExt, &apply(T::Base64Encode, &input)), &input);
    }

    #[test]
    fn a_chain_is_one_after_the_other(
        input in texts(),
        steps in prop::collection::vec(any_of_them(), 0..6),
    ) {
        let mut wanted = input.clone();
        for step in &steps {
            wanted = apply(*step, &wanted);
        }
        let mut scratch = b"old".to_vec();
        let mut out = b"kept".to_vec();
        let changed = chain(&steps, &input, &mut scratch, &mut out);
        prop_assert_eq!(changed, wanted != input);
        let made = out.split_off(4);
        prop_assert_eq!(out, b"kept");
        prop_assert_eq!(made, if changed { wanted } else { Vec::new() });
    }
}
