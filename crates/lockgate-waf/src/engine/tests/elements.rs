//! What elements of XML say that several texts make up.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::once::looking;
use super::*;
use crate::engine::members::Base;

const KIND: &str = "application/xml";

/// Values that are an attack where somebody reads all of an element, behind one that
/// spoils it for who reads all of the document.
const SPLIT: &[&str] = &[
    "x' un<b/>ion select<b/> 1,2-- -",
    "x' un<b></b>ion sel<!-- x -->ect 1,2-- -",
    "x' un<b/><![CDATA[ion select 1,2-- -]]>",
    "<b>x' un</b><b>ion select 1,2-- -</b>",
    "x' un<b>ion<i><u> select</u></i></b> 1,2-- -",
    // Its own texts alone, and all in it alone.
    "x' un<b>zzz</b>ion select 1,2-- -",
    "x' uni<b>on</b> select<b> </b>1,2-- -",
    "<c>1' or </c><b>x' un<c/>ion select<c/> 1,2-- -</b>",
];

fn split(value: &str) -> String {
    format!("<r><d>1' or </d><a>{value}</a><d>it's</d></r>")
}

fn refused(asked: &Asked) -> bool {
    inspect(&looking(), asked, 0).refusal().is_some()
}

fn part(xml: &str) -> Asked {
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: text/xml\r\n\r\n{xml}\r\n--b--\r\n"
    );
    post("multipart/form-data; boundary=b", &form)
}

#[test]
fn texts_of_an_element_are_one_value() {
    for value in SPLIT {
        let xml = split(value);
        assert!(refused(&post(KIND, &xml)), "{xml}");
        assert!(refused(&part(&xml)), "{xml}");
    }
    // Comments, instructions and sections are within a text.
    for value in [
        "x' un<!-- -->ion select 1,2-- -",
        "x' un<![CDATA[ion]]> select 1,2-- -",
        "x' un<?a b?>ion select 1,2-- -",
    ] {
        let inspection = inspect(&looking(), &post(KIND, &split(value)), 0);
        let places: Vec<_> = inspection.detected().map(|found| found.place).collect();
        assert_eq!(places, [Some("body/r/a".to_owned())], "{value}");
    }
}

#[test]
fn of_a_body_that_is_cut_off_all_open_elements_are_read() {
    let xml = "<r><d>1' or </d><a>x' un<b/>ion select<b/> 1,2-- -";
    let mut inspection = inspect_head(&looking(), &post(KIND, xml));
    while inspection.body(xml.as_bytes(), false) == Progress::More {}
    while inspection.request_body() == Progress::More {}
    assert!(inspection.refusal().is_some());
}

#[test]
fn what_is_found_in_an_element_counts_once() {
    let attack = "x' un<b/>ion select<b/> 1,2-- -";
    let xml = format!("<r>a <s>b <t>c <u>{attack}</u> d</t> e</s> f</r>");
    let inspection = inspect(&looking(), &post(KIND, &xml), 0);
    let found = inspection
        .detected()
        .filter(|found| found.detector == "sql-injection");
    let places: Vec<_> = found.map(|found| found.place).collect();
    assert_eq!(places, [Some("body/r/s/t/u".to_owned())]);
}

#[test]
fn ordinary_documents_are_none() {
    let item = |at: u32| {
        format!("\n    <item>\n      <id>{at}</id>\n      <name>Conor O'Brien</name>\n      <q>5 or 6</q>\n    </item>")
    };
    let items: String = (0..20).map(item).collect();
    let list = format!("<?xml version=\"1.0\"?>\n<order>\n  <list>{items}\n  </list>\n</order>");
    let page = "<html><body><p>Some <b>bold</b> text, and it's <i>as <b>long</b></i> as a <a href=\"/b\">\
                union</a> select committee; <br/>drop by the table.</p>\n<p>Don't <b>or</b> do.</p></body></html>";
    for xml in [&list, &list.replace(['\n', ' '], ""), page] {
        let inspection = inspect(&looking(), &post(KIND, xml), 0);
        let found: Vec<_> = inspection.detected().map(|found| found.what).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Detectors, of which one leaves a place alone.
pub fn leaving_out(at: &str) -> Arc<Engine> {
    let native = Detectors {
        detectors: detect::ALL.to_vec(),
        exclusions: vec![NativeExclusion {
            detector: Some("sql-injection".into()),
            at: Some(At::read(at).unwrap()),
            on: None,
            until_ms: u64::MAX,
        }],
        threshold: Some(5),
        adds_to: None,
        overrules: false,
    };
    let options = Options {
        native: Some(native),
        ..Options::default()
    };
    with("", &options)
}

#[test]
fn what_an_exclusion_leaves_alone_it_leaves_alone_in_elements_around() {
    let whole = "<r>it is <s><note>1' OR '1'='1</note><at>y</at></s></r>";
    let pieces = "<r>it is <s><note>1' OR<b/> '1'='1</note><at>y</at></s></r>";
    for xml in [whole, pieces] {
        for (at, left) in [
            ("body/r/s/note", true),
            ("body/r/**", true),
            ("body/r/s/at", false),
            ("body/r/s/not", false),
            ("body/r/s/note/b", false),
        ] {
            let inspection = inspect(&leaving_out(at), &post(KIND, xml), 0);
            assert_eq!(inspection.refusal().is_none(), left, "{at} {xml}");
        }
    }
    // And nowhere else.
    let other = "<r><s><note>1' OR '1'='1</note></s><t>1' OR<b/> '1'='1</t></r>";
    let inspection = inspect(&leaving_out("body/r/s/note"), &post(KIND, other), 0);
    assert!(inspection.refusal().is_some());
}

/// What detectors look at of a document beside single texts.
fn looked_at(xml: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut asked = post(KIND, "");
    asked.body = xml.to_vec();
    let inspection = inspect(&looking(), &asked, 0);
    assert_eq!(inspection.body_unfit(), None);
    let tx = &inspection.tx;
    let members = [Base::XmlElements, Base::XmlText].map(|base| tx.members.of(base));
    let members = members.into_iter().flatten();
    let looked_at = members.filter(|member| !member.parted);
    let all = looked_at.map(|member| tx.arena.get(member.value).to_vec());
    (all.collect(), tx.reading.has_unread_elements())
}

/// An element in a test.
#[derive(Debug, Clone)]
enum Part {
    Text(&'static str),
    Element(Vec<Part>),
}

impl Part {
    fn write(&self, xml: &mut String) {
        match self {
            Self::Text(text) => *xml += text,
            Self::Element(parts) => {
                *xml += "<a>";
                parts.iter().for_each(|part| part.write(xml));
                *xml += "</a>";
            }
        }
    }

    /// The texts in it, or directly in it.
    fn texts(&self, deep: bool, out: &mut Vec<String>) {
        let Self::Element(parts) = self else { return };
        // What an element parts is two texts, else one.
        let mut open = false;
        for part in parts {
            match part {
                Self::Text(text) if open => out.last_mut().unwrap().push_str(text),
                Self::Text(text) => out.push((*text).to_owned()),
                Self::Element(_) if deep => part.texts(true, out),
                Self::Element(_) => {}
            }
            open = matches!(part, Self::Text(_));
        }
    }

    /// What is to be looked at, without blanks around.
    fn wanted(&self, out: &mut BTreeSet<String>) {
        let Self::Element(parts) = self else { return };
        for deep in [false, true] {
            let mut texts = Vec::new();
            self.texts(deep, &mut texts);
            if texts.iter().filter(|text| !text.trim().is_empty()).count() > 1 {
                out.insert(texts.concat().trim().to_owned());
            }
        }
        parts.iter().for_each(|part| part.wanted(out));
    }
}

fn parts() -> impl Strategy<Value = Part> {
    let text = prop::sample::select(&["a", "b c", " ", "\n  ", "d"][..]).prop_map(Part::Text);
    let element = |part| prop::collection::vec(part, 0..5).prop_map(Part::Element);
    let deep = text.prop_recursive(5, 60, 5, element);
    prop::collection::vec(deep, 0..5).prop_map(Part::Element)
}

proptest! {
    /// All that an element says is looked at, if several texts make it up, and nothing else.
    #[test]
    fn what_is_looked_at_is_what_elements_say(root in parts()) {
        let (mut xml, mut wanted) = (String::new(), BTreeSet::new());
        root.write(&mut xml);
        root.wanted(&mut wanted);
        let (looked_at, exceeded) = looked_at(xml.as_bytes());
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).trim().to_owned();
        let told: BTreeSet<String> = looked_at.iter().map(text).collect();
        prop_assert_eq!(told, wanted, "{}", xml);
        prop_assert!(!exceeded);
    }
}

/// A document of about these many bytes, with a text at each of 100 levels, and what
/// stands at the innermost.
fn nested(bytes: usize, innermost: &str) -> Vec<u8> {
    let text = "abcd ".repeat(bytes / 500);
    let mut xml = format!("<a>{text}").repeat(100);
    xml += innermost;
    xml += &"</a>".repeat(100);
    xml.into_bytes()
}

#[test]
fn elements_within_each_other_cost_no_more_than_their_allowance() {
    for bytes in [1_000, 30_000, 1_000_000] {
        let xml = nested(bytes, "<a>x' un<b/>ion select<b/> 1,2-- -</a>");
        let (values, exceeded) = looked_at(&xml);
        let sum: usize = values.iter().map(Vec::len).sum();
        assert!(sum <= 6 * xml.len() + (256 << 10), "{bytes} {sum}");
        assert_eq!(exceeded, bytes > 10_000, "{bytes}");
        // The short ones come first, wherever they stand.
        let mut asked = post(KIND, "");
        asked.body = xml;
        assert!(refused(&asked), "{bytes}");
    }
}
