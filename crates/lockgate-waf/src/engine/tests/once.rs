//! One value counts once, wherever it is read from; and each has a place.

use super::bodies::field;
use super::*;

const ATTACK: &str = "1' OR '1'='1";

pub fn looking() -> Arc<Engine> {
    with_native("")
}

fn with_native(rules: &str) -> Arc<Engine> {
    let native = Detectors {
        detectors: detect::ALL.to_vec(),
        exclusions: Vec::new(),
        threshold: Some(5),
        adds_to: None,
        overrules: false,
    };
    let options = Options {
        native: Some(native),
        ..Options::default()
    };
    with(rules, &options)
}

/// What is found of injected SQL, and where.
fn places(asked: &Asked) -> Vec<String> {
    let inspection = inspect(&looking(), asked, 0);
    let found = inspection.detected();
    let sql = found.filter(|found| found.detector == "sql-injection");
    sql.map(|found| found.place.unwrap_or_default()).collect()
}

fn cookie(text: &str) -> Asked {
    let mut asked = get("/");
    asked.headers.push(("cookie".into(), text.into()));
    asked
}

fn bytes(kind: &str, body: Vec<u8>) -> Asked {
    let mut asked = post(kind, "");
    asked.body = body;
    asked
}

#[test]
fn cookies_are_looked_at_one_by_one() {
    let two = format!("a=b; id={ATTACK}; c=d");
    assert_eq!(places(&cookie(&two)), ["cookie/id"]);
    let name = format!("{ATTACK}; c=d");
    assert_eq!(places(&cookie(&name)).len(), 1);
    // Some readers go on to the closing quote: for them this is one value.
    let quoted = "id=\"1' OR/*;*/ '1'='1\"";
    assert!(places(&cookie(quoted)).contains(&"header/cookie".to_owned()));
}

#[test]
fn forms_are_looked_at_by_their_members() {
    let kind = "application/x-www-form-urlencoded";
    let form = "a=b&id=1%27+OR+%271%27%3D%271&c=d";
    assert_eq!(places(&post(kind, form)), ["body/id"]);
    // What some take for JSON whatever it says is looked at as one text too.
    let odd = "{\"id\": \"x';DROP TABLE users;-- \"}";
    assert!(places(&post(kind, odd)).contains(&"body".to_owned()));
    let plain = post("text/plain", ATTACK);
    assert_eq!(places(&plain), ["body"]);
}

#[test]
fn a_key_counts_once_however_much_is_below_it() {
    let key = format!(r#"{{"a": {{"{ATTACK}": [1, 2, 3]}}}}"#);
    assert_eq!(places(&post("application/json", &key)).len(), 1);
    let two = format!(r#"{{"a": "{ATTACK}", "b": "{ATTACK}"}}"#);
    assert_eq!(
        places(&post("application/json", &two)),
        ["body/a", "body/b"]
    );
}

#[test]
fn documents_of_graphql_are_looked_at_by_their_texts() {
    let body = format!(r#"{{"query": "{{ user(name: \"{ATTACK}\") {{ id }} }}"}}"#);
    let json = post("application/json", &body);
    assert_eq!(places(&json), ["body/graphql.user.name"]);
    // A search may take what looks like a document for a text.
    let body = format!(r##"{{"query": "{{ user }} #{ATTACK}"}}"##);
    assert_eq!(places(&post("application/json", &body)), ["body/query"]);
}

#[test]
fn texts_of_xml_are_looked_at_one_by_one() {
    let kind = "application/xml";
    let data = format!("<order id=\"7\"><note>x</note><by>{ATTACK}</by><at>y</at></order>");
    assert_eq!(places(&post(kind, &data)), ["body/order/by"]);
    let attribute = format!("<order id=\"{ATTACK}\"><note>x</note></order>");
    assert_eq!(places(&post(kind, &attribute)), ["body/order/@id"]);
    // Some read all text of an element as one.
    let apart = "<order><note>1' OR</note><note> '1'='1</note></order>";
    assert_eq!(places(&post(kind, apart)), ["body"]);
    let mixed = "<order><note>1' OR<b/> '1'='1</note></order>";
    assert_eq!(places(&post(kind, mixed)), ["body/order/note"]);
    let mixed = "<order><note><b>1' OR</b> '1'='1</note></order>";
    assert_eq!(places(&post(kind, mixed)), ["body/order/note"]);
    let mixed = format!("<order>x<note>{ATTACK}</note></order>");
    assert_eq!(places(&post(kind, &mixed)), ["body/order/note"]);
    let commented = "<order><note>1' OR<!-- --> '1'='1</note></order>";
    assert_eq!(places(&post(kind, commented)), ["body/order/note"]);
}

#[test]
fn rules_know_the_text_of_xml_as_one() {
    let rules = "SecRule XML:/* \"@streq ab\" \"id:1,phase:2,log,pass\"\n\
                 SecRule &XML:/* \"!@eq 1\" \"id:2,phase:2,log,pass\"";
    let [engine, plain] = both(rules);
    let asked = post("application/xml", "<r><a>a</a><b>b</b></r>");
    for engine in [&engine, &plain] {
        assert_eq!(ids(&inspect(engine, &asked, 0)), [1]);
    }
}

#[test]
fn messages_are_looked_at_by_their_texts_and_bytes() {
    let binary =
        |text: &[u8]| [&[0xff, 0, 1, 0xfe, 2, 3, 4, 0xfd][..], text, &[0, 0xff, 6]].concat();
    let long = format!("{ATTACK} and so on");
    let kind = "application/x-protobuf";
    let text = bytes(kind, field(2, ATTACK.as_bytes()));
    assert_eq!(places(&text), ["body/protobuf.2"]);
    let within = bytes(kind, field(3, &binary(long.as_bytes())));
    assert_eq!(places(&within), ["body/protobuf.3"]);
    let broken = bytes(kind, field(3, &[ATTACK.as_bytes(), b"\xff"].concat()));
    assert_eq!(places(&broken), ["body/protobuf.3"]);
    let object = bytes(
        kind,
        field(1, b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\xff"),
    );
    let inspection = inspect(&looking(), &object, 0);
    let found: Vec<&str> = inspection.detected().map(|found| found.detector).collect();
    assert_eq!(found, ["deserialisation"]);
    let picture: Vec<u8> = (0..40_u32).map(|at| (at * 151 + 7) as u8).collect();
    let good = bytes(kind, field(1, &picture));
    assert_eq!(inspect(&looking(), &good, 0).detected().count(), 0);
    // Several messages, each with its length before it, are one text.
    let kind = "application/x-protobuf; delimited=true";
    assert_eq!(places(&bytes(kind, ATTACK.into())), ["body"]);
}

#[test]
fn what_is_packed_again_is_found_wherever_it_stands() {
    // Base64 of the attack, as a segment of the path; and a value in which
    // something weaker is to be seen before it is unpacked.
    let packed = get("/items/MScgT1IgJzEnPScx/x");
    assert_eq!(places(&packed).len(), 1);
    let inspection = inspect(&looking(), &get("/?q=%253Cscript%253Ealert(1)"), 0);
    let whats: Vec<_> = inspection.detected().map(|found| found.what).collect();
    assert!(whats.contains(&"opens a script"), "{whats:?}");
    assert!(inspection.refusal().is_some());
    // A word of base64's letters is a word.
    assert!(places(&get("/items/Backpacks2024/blue")).is_empty());
}

#[test]
fn a_file_without_a_name_is_a_field_to_some() {
    let kind = "multipart/form-data; boundary=b";
    let part = |file: &str, content: &str| {
        let disposition =
            format!("Content-Disposition: form-data; name=\"a\"; filename=\"{file}\"");
        post(
            kind,
            &format!("--b\r\n{disposition}\r\n\r\n{content}\r\n--b--\r\n"),
        )
    };
    assert_eq!(places(&part("", ATTACK)), ["body/a"]);
    assert_eq!(places(&part("a.txt", ATTACK)).len(), 0);
    // As browsers send it, where no file was chosen.
    assert_eq!(inspect(&looking(), &part("", ""), 0).detected().count(), 0);
}

#[test]
fn names_of_fields_with_files_are_looked_at() {
    let kind = "multipart/form-data; boundary=b";
    let disposition = "Content-Disposition: form-data; name=\"__proto__[a]\"; filename=\"a.txt\"";
    let asked = post(kind, &format!("--b\r\n{disposition}\r\n\r\nx\r\n--b--\r\n"));
    let inspection = inspect(&looking(), &asked, 0);
    let found: Vec<_> = inspection.detected().collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].detector, "prototype-pollution");
    assert_eq!(found[0].collection, crate::rule::Collection::FilesNames);
    assert!(found[0].place.as_deref().unwrap().starts_with("file/"));
}

#[test]
fn cookies_that_python_reads_are_read() {
    assert_eq!(
        places(&cookie("id=\"1\\047 OR \\0471\\047=\\0471\"")),
        ["cookie/id"]
    );
}

#[test]
fn bodies_in_which_ascii_is_something_else_are_refused() {
    let kinds = [
        ("application/x-www-form-urlencoded", "a=b"),
        ("application/json", "{}"),
        ("application/x-ndjson", "{}\n"),
        ("text/xml", "<a/>"),
        ("application/graphql", "{a}"),
    ];
    let parameters = [
        ("", false),
        ("; charset=UTF-8", false),
        ("; charset=\"iso-8859-1\"", false),
        (";charset = windows-1252", false),
        ("; charset=utf-16le", true),
        ("; charset=IBM037", true),
        ("; charset=utf-7", true),
        ("; charset=\"utf\\-7\"", true),
        ("; charset=utf-8; charset=ibm500", true),
        ("; charset=", true),
    ];
    let all = kinds
        .iter()
        .flat_map(|kind| parameters.iter().map(move |said| (kind, said)));
    for ((kind, body), (parameters, refused)) in all {
        let kind = format!("{kind}{parameters}");
        let inspection = inspect(&looking(), &post(&kind, body), 0);
        let unfit = inspection.body_unfit().map(|reason| reason.code);
        assert_eq!(unfit, refused.then_some("multipart-charset"), "{kind}");
    }
}

#[test]
fn a_text_that_says_it_is_in_ebcdic_is_refused() {
    for (said, refused) in [
        ("IBM037", true),
        ("ibm500", true),
        ("\"cp1140\"", true),
        ("ibm-1047", true),
        ("ebcdic-us", true),
        ("x-IBM1047-foo", true),
        ("ibm850", false),
        ("cp932", false),
        ("shift_jis", false),
        ("gb18030", false),
        ("utf-8", false),
    ] {
        for kind in ["text/plain", "application/octet-stream"] {
            let kind = format!("{kind}; charset={said}");
            let inspection = inspect(&looking(), &post(&kind, "a text"), 0);
            let unfit = inspection.body_unfit().map(|reason| reason.code);
            assert_eq!(unfit, refused.then_some("multipart-charset"), "{kind}");
        }
    }
}

#[test]
fn a_mark_before_xml_in_a_form_hides_nothing() {
    let script = "<a><q>&#60;script&#62;alert(1)&#60;/script&#62;</q></a>";
    for body in [
        script.to_owned(),
        format!("\u{feff}{script}"),
        format!("\u{feff} {script}"),
    ] {
        let asked = post("application/x-www-form-urlencoded", &body);
        assert!(
            inspect(&looking(), &asked, 0).detected().count() > 0,
            "{body}"
        );
    }
}

#[test]
fn detectors_refuse_nothing_where_rules_may_not() {
    let attack = get("/?id=1%27%20OR%20%271%27%3D%271");
    for (rules, refused, found) in [
        ("", true, 1),
        (
            "SecAction \"id:1,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly\"",
            false,
            1,
        ),
        (
            "SecAction \"id:1,phase:2,nolog,pass,ctl:ruleEngine=DetectionOnly\"",
            false,
            1,
        ),
        (
            "SecAction \"id:1,phase:1,nolog,pass,ctl:ruleEngine=On\"",
            true,
            1,
        ),
        (
            "SecAction \"id:1,phase:1,nolog,pass,ctl:ruleEngine=Off\"",
            false,
            1,
        ),
    ] {
        let engine = with_native(rules);
        let inspection = inspect(&engine, &attack, 0);
        assert_eq!(inspection.refusal().is_some(), refused, "{rules}");
        assert_eq!(inspection.detected().count(), found, "{rules}");
    }
}

#[test]
fn elements_of_a_list_have_one_name_for_detectors() {
    let json = |body: &str| post("application/json", body);
    // Each is judged by what it is, however many like it were harmless.
    let listed = |last: &str| {
        let harmless = r#"{"note":"one"},{"note":"two"},"#.repeat(20);
        json(&format!(r#"{{"lines":[{harmless}{last}]}}"#))
    };
    let value = format!(r#"{{"note":"{ATTACK}"}}"#);
    assert_eq!(places(&listed(&value)), ["body/lines/40/note"]);
    let name = format!(r#"{{"{ATTACK}":1}}"#);
    assert_eq!(places(&listed(&name)), [format!("body/lines/40/{ATTACK}")]);
    // What only looks like an element's number is left as it is where it is none.
    assert_eq!(
        places(&json(&format!(r#"{{"a.array_x{ATTACK}":1}}"#))).len(),
        1
    );
}

#[test]
fn a_notice_in_one_text_of_xml_hides_nothing_in_all() {
    // The text behind the empty element is a notice by itself.
    for attack in [
        "<a>1' or <b/>1=1-- -</a>",
        "<a>x' un<b/>ion select<b/> 1,2-- -</a>",
    ] {
        let asked = post("application/xml", attack);
        assert!(
            inspect(&looking(), &asked, 0).refusal().is_some(),
            "{attack}"
        );
    }
    // What one text tells by itself counts once.
    let whole = format!("<a>{ATTACK}<b/></a>");
    assert_eq!(places(&post("application/xml", &whole)).len(), 1);
}
