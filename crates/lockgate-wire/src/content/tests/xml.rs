use proptest::prelude::*;

use super::{code, sliced, Outcome};
use crate::content::xml::{Limits, Reader};

fn read_by(body: &[u8], size: usize) -> Outcome {
    let mut reader = Reader::new(Limits::default());
    sliced(|size, sink| reader.run(body, size, sink), size)
}

fn read(body: &[u8]) -> Outcome {
    read_by(body, usize::MAX)
}

#[test]
fn texts_and_attributes_are_told() {
    let body = b"<?xml version=\"1.0\" encoding='UTF-8'?>\n<!-- c --><a:o x='1' y=\"&lt;&#x41;&#66;\"\n>one<b/>two \
        &amp; <![CDATA[<raw>]]><!-- in --> end<c  ></c ><?pi some?></a:o>\n";
    let (lines, outcome) = read(body);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(
        lines,
        [
            " Comment  c ",
            "/a:o/@x Attribute 1",
            "/a:o/@y Attribute <AB",
            "/a:o Text one",
            "/a:o Comment  in ",
            "/a:o Text two & <raw> end",
            "/a:o Instruction pi some",
        ]
    );
}

#[test]
fn what_is_no_xml_is_refused_with_its_place() {
    for (body, wanted) in [
        (&b""[..], ("xml-end", 0)),
        (b"<a>", ("xml-end", 3)),
        (b"<a", ("xml-end", 2)),
        (b"<a x='1", ("xml-end", 6)),
        (b"<a><b></a></b>", ("xml-syntax", 6)),
        (b"</a>", ("xml-syntax", 0)),
        (b"x<a/>", ("xml-syntax", 0)),
        (b"<a/>x", ("xml-trailing", 4)),
        (b"<a/><b/>", ("xml-trailing", 4)),
        (b"<a x=1/>", ("xml-syntax", 5)),
        (b"<a x='1'y='2'/>", ("xml-syntax", 8)),
        (b"<a x='<'/>", ("xml-syntax", 6)),
        (b"<a x/>", ("xml-syntax", 4)),
        (b"<1/>", ("xml-syntax", 1)),
        (b"<a>]]></a>", ("xml-syntax", 3)),
        (b"<a><!-- -- --></a>", ("xml-syntax", 3)),
        (b"<a><!-- --->", ("xml-syntax", 3)),
        (b"<a><?xml version='1.0'?></a>", ("xml-syntax", 3)),
        (b"<a x='1' x='2'/>", ("xml-duplicate-attribute", 9)),
        (
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            ("xml-doctype", 0),
        ),
        (b"<!doctype a><a/>", ("xml-doctype", 0)),
        (b"<a>&b;</a>", ("xml-entity", 3)),
        (b"<a>& b</a>", ("xml-end", 3)),
        (b"<a>& b, this is no reference</a>", ("xml-entity", 3)),
        (b"<a>&#x;</a>", ("xml-entity", 3)),
        (b"<a>&#99999999999;</a>", ("xml-entity", 3)),
        (b"<a>&#0;</a>", ("xml-character", 3)),
        (b"<a>&#xD800;</a>", ("xml-character", 3)),
        (b"<a>x\x01</a>", ("xml-character", 4)),
        (b"<a>x\xff</a>", ("xml-character", 4)),
        (b"<a>\xef\xbf\xbe</a>", ("xml-character", 3)),
        (b"\xff\xfe<\0a\0/\0>\0", ("xml-encoding", 0)),
        (b"\0<\0a\0/\0>", ("xml-encoding", 0)),
        (b"<\0a\0/\0>\0", ("xml-encoding", 0)),
        (
            b"<?xml version='1.0' encoding='UTF-7'?><a/>",
            ("xml-encoding", 0),
        ),
        (
            b"<?xml version='1.0' encoding='iso-8859-1'?><a/>",
            ("xml-encoding", 0),
        ),
        (b"<?xml encoding='UTF-8'?><a/>", ("xml-syntax", 0)),
        (
            b"<?xml version='1.0' standalone='yes' encoding='utf-7'?><a/>",
            ("xml-syntax", 0),
        ),
        (b" <?xml version='1.0'?><a/>", ("xml-syntax", 1)),
    ] {
        assert_eq!(code(&read(body)), Some(wanted), "{}", body.escape_ascii());
    }
    assert_eq!(code(&read(b"\xef\xbb\xbf<a>\xc3\xa9</a>")), None);
}

#[test]
fn limits_hold() {
    let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    assert_eq!(code(&read(deep(128).as_bytes())), None);
    assert_eq!(code(&read(deep(129).as_bytes())), Some(("xml-depth", 384)));
    let attributes = |count: usize| {
        let all: String = (0..count).map(|number| format!(" a{number}=''")).collect();
        format!("<a{all}/>")
    };
    assert_eq!(code(&read(attributes(256).as_bytes())), None);
    let too_many = code(&read(attributes(257).as_bytes())).map(|flaw| flaw.0);
    assert_eq!(too_many, Some("xml-too-many"));
    let long = format!("<{}/>", "n".repeat(9000));
    assert_eq!(code(&read(long.as_bytes())), Some(("xml-name-too-long", 1)));
    let limits = Limits {
        nodes: 2,
        ..Limits::default()
    };
    let mut reader = Reader::new(limits);
    let outcome = sliced(|size, sink| reader.run(b"<a><b/><b/></a>", size, sink), 1);
    assert_eq!(code(&outcome).map(|flaw| flaw.0), Some("xml-too-many"));
}

const PIECES: &[&str] = &[
    "<a>",
    "</a>",
    "<b x='1' y=\"2\">",
    "</b>",
    "<c/>",
    "text",
    "&amp;",
    "&#x41;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?p ",
    "?>",
    " ",
    "<",
    ">",
    "'",
    "é",
    "x",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn slices_make_no_difference(picks in prop::collection::vec(0..PIECES.len(), 0..20), size in 1_usize..20) {
        let inner: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let body = format!("<a>{inner}</a>");
        prop_assert_eq!(read_by(body.as_bytes(), size), read_by(body.as_bytes(), usize::MAX));
    }
}
