//! What rules do, one thing at a time; and that the sieve and what is decided at
//! load change nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bodies;
mod elements;
mod known;
mod once;
mod overrule;
mod parts;
mod prove;
mod raw;
mod same;
mod uploads;

use std::sync::Arc;

use super::*;
use crate::detect;
use crate::rule::Which;
use crate::seclang::{self, Folder, Limits};

/// A request, as a test says it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn get(target: &str) -> Asked {
    Asked {
        method: "GET",
        target: target.into(),
        headers: vec![("host".into(), "a.example".into())],
        body: Vec::new(),
    }
}

pub fn post(kind: &str, body: &str) -> Asked {
    let mut asked = get("/");
    asked.method = "POST";
    asked.headers.push(("content-type".into(), kind.into()));
    asked.body = body.as_bytes().to_vec();
    asked
}

fn read(text: &str) -> crate::rule::Rules {
    let mut files = Folder::default();
    files.insert("rules.conf", text.as_bytes());
    match seclang::read(&files, &["rules.conf"], &Limits::default()) {
        Ok(rules) => rules,
        Err(errors) => panic!(
            "{}",
            errors.iter().map(ToString::to_string).collect::<String>()
        ),
    }
}

pub fn with(text: &str, options: &Options) -> Arc<Engine> {
    Arc::new(Engine::new(&read(text), options).unwrap())
}

/// Of the rules as they are, and as they are with nothing decided at load.
fn both(text: &str) -> [Arc<Engine>; 2] {
    let plain = Options {
        plain: true,
        ..Options::default()
    };
    [with(text, &Options::default()), with(text, &plain)]
}

fn arrived(engine: &Arc<Engine>, asked: &Asked, now_ms: u64) -> Inspection {
    let head = RequestHead {
        method: asked.method.as_bytes(),
        target: asked.target.as_bytes(),
        path: asked
            .target
            .split('?')
            .next()
            .unwrap_or_default()
            .as_bytes(),
        protocol: b"HTTP/1.1",
        remote: "192.0.2.7:4000".parse().unwrap(),
        server: "192.0.2.1:443".parse().unwrap(),
        id: b"an-id",
        now_ms,
    };
    let headers = asked.headers.iter();
    engine.begin(
        &head,
        headers.map(|(name, value)| (name.as_bytes(), value.as_bytes())),
    )
}

fn begun(engine: &Arc<Engine>, asked: &Asked, now_ms: u64) -> Inspection {
    let mut inspection = arrived(engine, asked, now_ms);
    while inspection.request_head() == Progress::More {}
    inspection
}

fn inspect_head(engine: &Arc<Engine>, asked: &Asked) -> Inspection {
    begun(engine, asked, 0)
}

pub fn inspect(engine: &Arc<Engine>, asked: &Asked, now_ms: u64) -> Inspection {
    let mut inspection = begun(engine, asked, now_ms);
    while inspection.body(&asked.body, true) == Progress::More {}
    while inspection.request_body() == Progress::More {}
    inspection
}

pub fn ids(inspection: &Inspection) -> Vec<u64> {
    inspection.matched().map(|matched| matched.id()).collect()
}

/// The rules that match, by both engines alike.
fn matched(text: &str, asked: &Asked) -> Vec<u64> {
    let [sieved, plain] = both(text).map(|engine| ids(&inspect(&engine, asked, 0)));
    assert_eq!(sieved, plain, "{text}");
    sieved
}

fn variable(text: &str, asked: &Asked, name: &str) -> Option<i64> {
    let [sieved, plain] = both(text).map(|engine| inspect(&engine, asked, 0).variable(name));
    assert_eq!(sieved, plain, "{text}");
    sieved
}

#[test]
fn values_are_found_where_they_stand() {
    let asked = get("/a/b.txt?x=1&y=%3Cb%3E");
    for (target, value) in [
        ("ARGS:x", "1"),
        ("ARGS:Y", "<b>"),
        ("ARGS_NAMES", "y"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_FILENAME", "/a/b.txt"),
        ("REQUEST_BASENAME", "b.txt"),
        ("QUERY_STRING", "x=1&y=%3Cb%3E"),
        ("REQUEST_URI", "/a/b.txt?x=1&y=%3Cb%3E"),
        ("REQUEST_LINE", "GET /a/b.txt?x=1&y=%3Cb%3E HTTP/1.1"),
        ("REQUEST_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_HEADERS:Host", "a.example"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("UNIQUE_ID", "an-id"),
        ("&ARGS", "2"),
        ("ARGS_COMBINED_SIZE", "6"),
    ] {
        let rule = format!("SecRule {target} \"@streq {value}\" \"id:1,phase:2,log,pass\"");
        assert_eq!(matched(&rule, &asked), [1], "{target}");
        let rule = format!("SecRule {target} \"@streq {value}x\" \"id:1,phase:2,log,pass\"");
        assert!(matched(&rule, &asked).is_empty(), "{target}");
    }
}

#[test]
fn bodies_are_read_as_they_say_they_are() {
    let json = post("application/json", r#"{"a": {"b": [1, "x y"]}}"#);
    let form = post("application/x-www-form-urlencoded", "a=1&b=x+y");
    let xml = post("text/xml", "<a c=\"z\"><b>x y</b></a>");
    let multipart = post(
        "multipart/form-data; boundary=B",
        "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"n.txt\"\r\n\r\nx y\r\n--B--\r\n",
    );
    for (asked, target, value) in [
        (&json, "ARGS:json.a.b.array_1", "x y"),
        (&json, "REQBODY_PROCESSOR", "JSON"),
        (&form, "ARGS:b", "x y"),
        (&form, "ARGS_POST:b", "x y"),
        (&form, "REQUEST_BODY", "a=1&b=x+y"),
        (&xml, "XML:/*", "x y"),
        (&xml, "XML://@*", "z"),
        (&multipart, "FILES", "n.txt"),
        (&multipart, "FILES_NAMES", "f"),
        (&multipart, "FILES_SIZES", "3"),
        (&multipart, "MULTIPART_STRICT_ERROR", "0"),
    ] {
        let rule = format!("SecRule {target} \"@streq {value}\" \"id:1,phase:2,log,pass\"");
        assert_eq!(matched(&rule, asked), [1], "{target}");
    }
    assert!(matched(
        "SecRule REQUEST_BODY \"@rx .\" \"id:1,phase:2,log,pass\"",
        &json
    )
    .is_empty());
}

#[test]
fn a_body_that_cannot_be_read_says_so() {
    let [engine, _] = both("SecRule REQBODY_ERROR \"!@eq 0\" \"id:1,phase:2,log,pass\"");
    let asked = post("application/json", "{\"a\": ");
    let inspection = inspect(&engine, &asked, 0);
    assert_eq!(ids(&inspection), [1]);
    assert_eq!(inspection.body_unfit().unwrap().code, "json-end");
    let good = inspect(&engine, &post("application/json", "{\"a\": 1}"), 0);
    assert_eq!(good.body_unfit(), None);
}

#[test]
fn each_match_counts() {
    let rule = "SecRule ARGS \"@contains x\" \"id:1,phase:2,pass,setvar:tx.n=+5\"";
    assert_eq!(variable(rule, &get("/?a=x&b=x&c=y"), "n"), Some(10));
}

#[test]
fn all_links_of_a_chain_have_to_match() {
    let rule = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:2,log,pass,chain\"\n\
                SecRule ARGS:b \"@streq 2\" \"setvar:tx.n=1\"";
    assert_eq!(matched(rule, &get("/?a=1&b=2")), [1]);
    assert!(matched(rule, &get("/?a=1&b=3")).is_empty());
    assert_eq!(variable(rule, &get("/?a=1&b=2"), "n"), Some(1));
    assert_eq!(variable(rule, &get("/?a=1&b=3"), "n"), None);
}

#[test]
fn what_matched_goes_to_the_next_link() {
    let rule = "SecRule ARGS \"@rx ^x\" \"id:1,phase:2,log,pass,chain\"\n\
                SecRule MATCHED_VARS_NAMES \"@streq ARGS:b\" \"chain\"\n\
                SecRule &ARGS \"@eq 2\"";
    assert_eq!(matched(rule, &get("/?a=1&b=x")), [1]);
    assert!(matched(rule, &get("/?a=x&b=1")).is_empty());
}

#[test]
fn groups_are_caught() {
    let rule = "SecRule ARGS:a \"@rx (b+)(c)?\" \"id:1,phase:2,pass,nolog,capture,setvar:tx.n=%{tx.1}|%{tx.2}\"\n\
                SecRule TX:n \"@streq bb|\" \"id:2,phase:2,log,pass\"";
    assert_eq!(matched(rule, &get("/?a=abbd")), [2]);
}

#[test]
fn transformations_come_first_and_multi_match_asks_after_each() {
    let rule =
        "SecRule ARGS \"@streq abc\" \"id:1,phase:2,log,pass,t:lowercase,t:removeWhitespace\"";
    assert_eq!(matched(rule, &get("/?a=A+B+C")), [1]);
    let rule = "SecRule ARGS \"@rx ^a b$\" \"id:1,phase:2,log,pass,t:lowercase,t:removeWhitespace,multiMatch\"";
    assert_eq!(matched(rule, &get("/?a=A+B")), [1]);
}

#[test]
fn case_is_changed_before_what_minds_it() {
    // `\N` is an N; in lower case it is a line break.
    let rule = "SecRule ARGS \"@rx ^\\x0a$\" \"id:1,phase:2,log,pass,t:lowercase,t:jsDecode\"";
    assert_eq!(matched(rule, &get("/?a=%5cN")), [1]);
    let rule = "SecRule ARGS \"@rx ^abc$\" \"id:1,phase:2,log,pass,t:base64Decode,t:lowercase\"";
    assert_eq!(matched(rule, &get("/?a=QUJD")), [1]);
    let rule = "SecRule ARGS \"@rx ^abc$\" \"id:1,phase:2,log,pass,t:lowercase,t:base64Decode\"";
    assert!(matched(rule, &get("/?a=YWJj")).is_empty());
}

#[test]
fn rules_are_skipped() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:2,pass,nolog,skipAfter:END\"\n\
                 SecAction \"id:2,phase:2,log,pass\"\n\
                 SecMarker END\n\
                 SecAction \"id:3,phase:2,log,pass\"";
    assert_eq!(matched(rules, &get("/?a=1")), [3]);
    assert_eq!(matched(rules, &get("/?a=2")), [2, 3]);
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:2,pass,nolog,skip:1\"\n\
                 SecAction \"id:2,phase:2,log,pass\"\n\
                 SecAction \"id:3,phase:2,log,pass\"";
    assert_eq!(matched(rules, &get("/?a=1")), [3]);
}

#[test]
fn what_the_configuration_says_is_decided_at_load() {
    let rules = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.level=1\"\n\
                 SecRule TX:level \"@lt 2\" \"id:2,phase:2,nolog,pass,skipAfter:END\"\n\
                 SecRule ARGS \"@contains x\" \"id:3,phase:2,log,pass\"\n\
                 SecMarker END\n\
                 SecRule ARGS \"@contains y\" \"id:4,phase:2,log,pass\"";
    let [engine, plain] = both(rules);
    assert_eq!((engine.rules(), plain.rules()), ((4, 1), (4, 4)));
    assert_eq!(matched(rules, &get("/?a=xy")), [4]);
    let raised = Options {
        variables: vec![(b"other"[..].into(), b"1"[..].into())],
        ..Options::default()
    };
    let rules = rules.replace("SecAction", "SecRule &TX:other \"@eq 0\"");
    assert_eq!(
        ids(&inspect(&with(&rules, &raised), &get("/?a=xy"), 0)),
        [3, 4]
    );
}

#[test]
fn what_a_request_may_change_is_not_decided_at_load() {
    let rules = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.level=1\"\n\
                 SecRule ARGS:a \"@streq 2\" \"id:2,phase:1,nolog,pass,setvar:tx.level=2\"\n\
                 SecRule TX:level \"@eq 2\" \"id:3,phase:2,log,pass\"\n\
                 SecRule ARGS:b \"@rx .\" \"id:4,phase:2,nolog,pass,setvar:tx.made_%{MATCHED_VAR}=1\"\n\
                 SecRule TX:made_z \"@eq 1\" \"id:5,phase:2,log,pass\"";
    assert_eq!(matched(rules, &get("/?a=2")), [3]);
    assert!(matched(rules, &get("/?a=1")).is_empty());
    assert_eq!(matched(rules, &get("/?b=z")), [5]);
}

#[test]
fn rules_are_removed_for_a_request() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:1,nolog,pass,ctl:ruleRemoveByTag=mine\"\n\
                 SecRule ARGS:a \"@streq 2\" \"id:2,phase:1,nolog,pass,ctl:ruleRemoveTargetById=3;ARGS:b\"\n\
                 SecRule ARGS|REQUEST_FILENAME \"@contains x\" \"id:3,phase:2,log,pass,tag:mine\"";
    assert_eq!(matched(rules, &get("/?a=0&b=x")), [3]);
    assert!(matched(rules, &get("/?a=1&b=x")).is_empty());
    assert!(matched(rules, &get("/?a=2&b=x")).is_empty());
    assert_eq!(matched(rules, &get("/x?a=2&b=x")), [3]);
}

#[test]
fn a_jump_is_not_taken_that_is_removed() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:1,nolog,pass,ctl:ruleRemoveById=2\"\n\
                 SecAction \"id:2,phase:2,nolog,pass,skipAfter:END\"\n\
                 SecAction \"id:3,phase:2,log,pass\"\n\
                 SecMarker END";
    assert_eq!(matched(rules, &get("/?a=1")), [3]);
    assert!(matched(rules, &get("/?a=0")).is_empty());
}

#[test]
fn a_refusal_ends_all_phases_but_the_last() {
    let rules = "SecRule ARGS \"@contains x\" \"id:1,phase:1,deny,status:418,log\"\n\
                 SecAction \"id:2,phase:2,log,pass\"\n\
                 SecAction \"id:3,phase:5,log,pass\"";
    for engine in both(rules) {
        let mut inspection = inspect(&engine, &get("/?a=x"), 0);
        while inspection.end() == Progress::More {}
        assert_eq!(ids(&inspection), [1, 3]);
        let refusal = inspection.refusal().unwrap();
        assert_eq!((refusal.rule, refusal.status), (Some(1), 418));
        assert!(inspect(&engine, &get("/?a=y"), 0).refusal().is_none());
    }
}

#[test]
fn what_is_allowed_is_not_refused() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:1,allow,nolog\"\n\
                 SecRule ARGS \"@contains x\" \"id:2,phase:2,deny,log\"";
    assert!(matched(rules, &get("/?a=1&b=x")).is_empty());
    assert_eq!(matched(rules, &get("/?a=2&b=x")), [2]);
}

#[test]
fn answers_are_seen() {
    let rules = "SecRule RESPONSE_STATUS \"@streq 500\" \"id:1,phase:3,log,pass\"\n\
                 SecRule RESPONSE_HEADERS:Server \"@contains x\" \"id:2,phase:3,log,pass\"\n\
                 SecRule RESPONSE_BODY \"@contains secret\" \"id:3,phase:4,deny,log\"";
    for engine in both(rules) {
        let mut inspection = inspect(&engine, &get("/"), 0);
        let head = AnswerHead {
            status: 500,
            protocol: b"HTTP/1.1",
        };
        inspection.answer(&head, [(&b"server"[..], &b"x/1"[..])].into_iter());
        while inspection.answer_head() == Progress::More {}
        assert!(inspection.wants_answer_body());
        inspection.answer_body(b"a secret");
        while inspection.answer_end() == Progress::More {}
        assert_eq!(ids(&inspection), [1, 2, 3]);
        assert!(inspection.refusal().is_some());
    }
}

#[test]
fn what_is_kept_is_kept_for_its_time() {
    let rules = "SecAction \"id:1,phase:1,nolog,pass,initcol:ip=%{REMOTE_ADDR}\"\n\
                 SecAction \"id:2,phase:1,nolog,pass,setvar:ip.n=+1,expirevar:ip.n=60\"\n\
                 SecRule IP:n \"@gt 2\" \"id:3,phase:2,log,pass\"";
    for engine in both(rules) {
        let at = |now_ms| ids(&inspect(&engine, &get("/"), now_ms));
        assert!(at(1_000).is_empty());
        assert!(at(2_000).is_empty());
        assert_eq!(at(3_000), [3]);
        assert!(at(64_000).is_empty(), "forgotten after a minute");
    }
}

#[test]
fn messages_are_written_out() {
    let rule = "SecRule ARGS \"@rx (x+)\" \"id:1,phase:2,log,pass,capture,severity:CRITICAL,tag:'t',msg:'found %{TX.1} in %{MATCHED_VAR_NAME}',logdata:'%{MATCHED_VAR} by %{rule.id}'\"";
    let [engine, _] = both(rule);
    let inspection = inspect(&engine, &get("/?a=axx"), 0);
    let found = inspection.matched().next().unwrap();
    assert_eq!(found.message(), b"found xx in ARGS:a");
    let title = found.title(|quoted| "?".repeat(quoted.len()));
    assert_eq!(title, b"found ?? in ??????");
    assert_eq!(found.data(), b"axx by 1");
    assert_eq!(found.place(), ("rules.conf", 1));
    assert_eq!(found.tags(), [Box::from("t")]);
    let subject = found.subjects().next().unwrap();
    assert_eq!(
        (subject.name(), subject.value()),
        (b"ARGS:a".to_vec(), &b"axx"[..])
    );
}

#[test]
fn what_a_variable_was_made_of_is_told_in_its_place() {
    let rules = r#"
SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" "id:1,phase:1,log,pass,capture,t:lowercase,setvar:'tx.name_%{tx.0}=/%{tx.0}/',chain"
    SecRule TX:/^name_/ "@within /expect/ /te/" ""
SecRule REQUEST_BASENAME "@rx \.([^.]+)$" "id:2,phase:1,log,pass,capture,setvar:'tx.ending=.%{tx.1}/',chain"
    SecRule TX:ending "@within .com/" ""
SecRule ARGS "@rx ^(.)$" "id:3,phase:2,log,pass,capture,chain"
    SecRule TX:1 "@streq x" "chain"
    SecRule REQUEST_HEADERS:host "@rx ." ""
SecRule REQUEST_HEADERS:host "@rx ." "id:4,phase:2,log,pass,chain"
    SecRule ARGS:b "@streq x" ""
"#;
    let mut asked = get("/a.com?b=x&c=yy");
    let many = (0..20).map(|number| (format!("x-{number}"), "1".to_owned()));
    asked.headers.extend(many);
    asked.headers.push(("Expect".into(), "100-continue".into()));
    for engine in both(rules) {
        let inspection = inspect(&engine, &asked, 0);
        let places: Vec<(u64, Vec<String>)> = inspection
            .matched()
            .map(|matched| {
                let mut places: Vec<String> =
                    matched.subjects().filter_map(|at| at.place()).collect();
                places.dedup();
                (matched.id(), places)
            })
            .collect();
        let told = |id: u64, places: &[&str]| {
            let places = places.iter().map(|place| (*place).to_owned());
            (id, places.collect::<Vec<_>>())
        };
        assert_eq!(
            places,
            [
                told(1, &["header/Expect"]),
                told(2, &["path"]),
                told(3, &["query/b", "header/host"]),
                told(4, &["header/host", "query/b"]),
            ]
        );
    }
}

#[test]
fn an_exclusion_leaves_out_what_it_names_until_its_time_is_over() {
    let excluding = |at: Option<At>| Options {
        exclusions: vec![Exclusion {
            rules: Which::Ids(vec![(1, 1)]),
            at,
            on: None,
            until_ms: 100,
        }],
        ..Options::default()
    };
    let rule = "SecRule ARGS \"@contains x\" \"id:1,phase:2,log,pass\"";
    let part = |text: &str| Some(At::read(text).unwrap());
    let json = post("application/json", r#"{"items": [{"note": "x"}]}"#);
    for (at, asked, left_out) in [
        (None, get("/?a=x"), true),
        (part("query/a"), get("/?a=x"), true),
        (part("query/A"), get("/?a=x"), false),
        (part("query/a*"), get("/?abc=x"), true),
        (part("query/b"), get("/?a=x"), false),
        (part("body/a"), get("/?a=x"), false),
        (part("body/items/*/note"), json.clone(), true),
        (part("body/items/0/note"), json.clone(), true),
        (part("body/items/1/note"), json.clone(), false),
        (part("body/*/note"), json.clone(), false),
        (part("body/**/note"), json.clone(), true),
        (part("body/json.items.array_0.note"), json, false),
    ] {
        let engine = with(rule, &excluding(at.clone()));
        assert_eq!(
            ids(&inspect(&engine, &asked, 0)).is_empty(),
            left_out,
            "{at:?}"
        );
        assert_eq!(ids(&inspect(&engine, &asked, 100)), [1], "{at:?}");
    }
}

#[test]
fn detectors_add_to_what_rules_count() {
    let rules = "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.sum=0\"\n\
                 SecRule TX:sum \"@ge 5\" \"id:2,phase:2,deny,log\"";
    let options = Options {
        native: Some(Detectors {
            detectors: detect::ALL.to_vec(),
            exclusions: Vec::new(),
            threshold: None,
            adds_to: Some(b"sum"[..].into()),
            overrules: false,
        }),
        ..Options::default()
    };
    let engine = with(rules, &options);
    let attack = get("/?id=1%27%20OR%20%271%27%3D%271");
    let inspection = inspect(&engine, &attack, 0);
    assert_eq!(inspection.refusal().unwrap().rule, Some(2));
    let found = inspection.detected().next().unwrap();
    assert_eq!(
        (found.detector, found.member),
        ("sql-injection", &b"id"[..])
    );
    assert!(inspect(&engine, &get("/?id=1"), 0).refusal().is_none());
}

#[test]
fn what_is_clean_by_one_name_is_looked_at_again_by_another() {
    let options = Options {
        native: Some(Detectors {
            detectors: detect::ALL.to_vec(),
            exclusions: Vec::new(),
            threshold: Some(5),
            adds_to: None,
            overrules: false,
        }),
        ..Options::default()
    };
    let engine = with("", &options);
    let address = "http://169.254.169.254/latest/meta-data/";
    for _ in 0..3 {
        // A page that one comes from is fetched by nobody.
        for (name, found) in [("referer", 0), ("x-callback", 1), ("x-callbac", 1)] {
            let mut asked = get("/");
            asked.headers.push((name.into(), address.into()));
            let inspection = inspect(&engine, &asked, 0);
            assert_eq!(inspection.detected().count(), found, "{name}");
        }
    }
}

#[test]
fn what_comes_in_slices_ends_the_same() {
    let rules = "SecRule ARGS \"@contains needle\" \"id:1,phase:2,log,pass\"\n\
                 SecRule ARGS_NAMES \"@streq a199999\" \"id:2,phase:2,log,pass\"";
    let pairs: Vec<String> = (0..60_000).map(|number| format!("a{number}=hay")).collect();
    let form = format!("{}&last=needle", pairs.join("&"));
    let [engine, _] = both(rules);
    let asked = post("application/x-www-form-urlencoded", &form);
    let inspection = inspect(&engine, &asked, 0);
    assert_eq!(ids(&inspection), [1]);
    assert!(!inspection.overflowed());
    let many: Vec<String> = (0..100_001).map(|number| format!("a{number}=")).collect();
    let asked = post("application/x-www-form-urlencoded", &many.join("&"));
    assert!(inspect(&engine, &asked, 0).overflowed());
}

#[test]
fn one_transaction_knows_nothing_of_the_one_before() {
    let rules = "SecRule ARGS \"@rx (x)\" \"id:1,phase:2,log,pass,capture,setvar:tx.n=+1,setvar:tx.made_%{MATCHED_VAR}=1,ctl:ruleRemoveById=2\"\n\
                 SecRule REQUEST_METHOD \"@streq GET\" \"id:2,phase:2,log,pass\"\n\
                 SecRule TX:n|TX:1|TX:made_x \"@rx .\" \"id:3,phase:1,log,pass\"";
    let [engine, _] = both(rules);
    assert_eq!(ids(&inspect(&engine, &get("/?a=x"), 0)), [1]);
    assert_eq!(ids(&inspect(&engine, &get("/?a=y"), 0)), [2]);
}
