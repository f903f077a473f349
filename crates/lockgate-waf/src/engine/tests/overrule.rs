//! What rules find counts for nothing where detectors that judge it found nothing.

use super::*;
use crate::rule::Severity;

/// Each rule adds 5, and 5 refuse.
fn counting(rules: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "SecAction \"id:1,phase:1,nolog,pass,setvar:tx.inbound_anomaly_score_pl1=0\"\n",
    );
    for (number, (rule, tags)) in (10..).zip(rules) {
        let tags: String = tags.split(' ').map(|tag| format!(",tag:{tag}")).collect();
        text += &format!(
            "{rule} \"id:{number},phase:2,log,pass{tags},setvar:tx.inbound_anomaly_score_pl1=+5\"\n"
        );
    }
    text + "SecRule TX:inbound_anomaly_score_pl1 \"@ge 5\" \"id:99,phase:2,deny,log\""
}

fn engine(rules: &[(&str, &str)], overrules: bool) -> Arc<Engine> {
    let native = Detectors {
        detectors: detect::ALL.to_vec(),
        exclusions: Vec::new(),
        threshold: None,
        adds_to: Some(b"inbound_anomaly_score_pl1"[..].into()),
        overrules,
    };
    let options = Options {
        native: Some(native),
        ..Options::default()
    };
    with(&counting(rules), &options)
}

/// Whether it was refused, and which rules were overruled.
fn said(engine: &Arc<Engine>, asked: &Asked) -> (bool, Vec<u64>) {
    let inspection = inspect(engine, asked, 0);
    let overruled = inspection.matched().filter(|rule| rule.added().overruled);
    let overruled = overruled.map(|rule| rule.id()).collect();
    (inspection.refusal().is_some(), overruled)
}

const UNION: (&str, &str) = ("SecRule ARGS \"@rx (?i)union.*select\"", "attack-sqli");
const PROSE: &str = "/?q=the%20union%20will%20select%20a%20speaker";
const ATTACK: &str = "/?q=1%27%20UNION%20SELECT%20password%20FROM%20users--%20";

#[test]
fn a_rule_counts_nothing_where_its_judge_found_nothing() {
    let engine = engine(&[UNION], true);
    assert_eq!(said(&engine, &get(PROSE)), (false, vec![10]));
    assert_eq!(said(&engine, &get(ATTACK)), (true, vec![]));
}

#[test]
fn it_is_told_with_what_it_would_have_added() {
    let engine = engine(&[UNION], true);
    let inspection = inspect(&engine, &get(PROSE), 0);
    let rule = inspection.matched().next().unwrap();
    assert_eq!(
        (rule.id(), rule.added().score, rule.added().level),
        (10, 5, 1)
    );
    assert_eq!(inspection.score().0, 0);
}

#[test]
fn without_overruling_it_counts() {
    let engine = engine(&[UNION], false);
    assert_eq!(said(&engine, &get(PROSE)), (true, vec![]));
}

#[test]
fn who_found_something_anywhere_in_the_request_overrules_nothing() {
    let engine = engine(&[UNION], true);
    let asked = get(&format!("{PROSE}&other=1%27%20OR%20%271%27%3D%271"));
    assert_eq!(said(&engine, &asked), (true, vec![]));
}

/// It scores nothing, is told nowhere, and takes no room from what is.
#[test]
fn what_may_be_an_attack_leaves_rules_their_say() {
    let rule = ("SecRule ARGS \"@rx select\"", "attack-sqli");
    let asked = get("/?q=id%20in%20(select%20name%20from%20users)");
    let engines = [engine(&[rule], true), engine(&[], true)];
    let [both, alone] = engines.map(|engine| inspect(&engine, &asked, 0));
    assert!(both.refusal().is_some() && alone.refusal().is_none());
    assert_eq!((both.detected().count(), alone.detected().count()), (0, 0));
}

/// A notice about one form of a value takes no doubt about another from it.
#[test]
fn a_doubt_beside_a_notice_is_a_doubt() {
    let engine = engine(&[("SecRule ARGS \"@rx <s\"", "attack-xss")], true);
    for (value, refused) in [
        ("x%2522%3Cstyle%3Ep", false),
        ("x%2522%253E%3Cstyle%3Ep", true),
    ] {
        let inspection = inspect(&engine, &get(&format!("/?q={value}")), 0);
        let mut found = inspection.detected().map(|found| found.severity);
        assert!(found.all(|found| found == Severity::Notice), "{value}");
        assert_eq!(inspection.refusal().is_some(), refused, "{value}");
    }
}

#[test]
fn an_exclusion_of_the_judge_does_not_make_its_silence_count() {
    let native = Detectors {
        detectors: detect::ALL.to_vec(),
        exclusions: vec![NativeExclusion {
            detector: Some("sql-injection".into()),
            at: None,
            on: None,
            until_ms: u64::MAX,
        }],
        threshold: None,
        adds_to: Some(b"inbound_anomaly_score_pl1"[..].into()),
        overrules: true,
    };
    let options = Options {
        native: Some(native),
        ..Options::default()
    };
    let engine = with(&counting(&[UNION]), &options);
    assert_eq!(said(&engine, &get(ATTACK)), (true, vec![]));
    assert_eq!(said(&engine, &get(PROSE)), (false, vec![10]));
}

#[test]
fn what_has_no_judge_or_was_not_read_counts() {
    for rule in [
        // Nobody judges that kind.
        ("SecRule ARGS \"@rx union\"", "attack-fixation"),
        ("SecRule ARGS \"@rx union\"", "a-site"),
        // Or not all of it.
        ("SecRule ARGS \"@rx union\"", "attack-sqli attack-fixation"),
        // No detector reads these.
        ("SecRule REQUEST_LINE \"@rx union\"", "attack-sqli"),
        ("SecRule QUERY_STRING \"@rx union\"", "attack-sqli"),
        ("SecRule REQUEST_METHOD \"@rx GET\"", "attack-sqli"),
        ("SecRule &ARGS \"@ge 1\"", "attack-sqli"),
        (
            "SecRule ARGS|REQUEST_METHOD \"@rx union|GET\"",
            "attack-sqli",
        ),
        ("SecAction", "attack-sqli"),
    ] {
        let engine = engine(&[rule], true);
        assert_eq!(said(&engine, &get(PROSE)), (true, vec![]), "{rule:?}");
    }
}

#[test]
fn every_place_that_detectors_read_is_theirs_to_judge() {
    let value = "the union will select a speaker";
    let form = post("application/x-www-form-urlencoded", &format!("q={value}"));
    let mut field = get("/");
    field.headers.push(("x-note".into(), value.into()));
    let mut cookie = get("/");
    cookie.headers.push(("cookie".into(), format!("q={value}")));
    let path = get("/the%20union%20will%20select");
    for (target, asked) in [
        ("ARGS_NAMES", get("/?the%20union%20will%20select=1")),
        ("ARGS_POST", form.clone()),
        (
            "ARGS",
            post("application/json", &format!("{{\"q\":\"{value}\"}}")),
        ),
        ("REQUEST_HEADERS", field),
        ("REQUEST_COOKIES", cookie),
        ("REQUEST_FILENAME", path.clone()),
        ("REQUEST_BASENAME", path),
        ("XML:/*", post("text/xml", &format!("<a>{value}</a>"))),
    ] {
        let rule = format!("SecRule {target} \"@rx union.*select\"");
        let engine = engine(&[(&rule, "attack-sqli")], true);
        assert_eq!(said(&engine, &asked), (false, vec![10]), "{target}");
    }
}

#[test]
fn what_a_limit_hides_overrules_nothing() {
    let engine = engine(&[UNION], true);
    let shallow = get("/?q=the%2520union%20will%20select");
    assert_eq!(said(&engine, &shallow), (false, vec![10]));
    // More layers within each other than are taken off; also from what is known of it.
    let deep = get(&format!(
        "/?q=the%{}20union%20will%20select",
        "25".repeat(10)
    ));
    for _ in 0..2 {
        assert_eq!(said(&engine, &deep), (true, vec![]));
    }
}

/// Text in so many layers of base64.
fn in_base64(text: &str, layers: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..layers).fold(text.to_owned(), |text, _| {
        let bits: Vec<u8> = text
            .bytes()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
            .collect();
        let letter = |six: &[u8]| {
            let value = six
                .iter()
                .fold(0, |value, bit| value << 1 | usize::from(*bit));
            char::from(LETTERS[value << (6 - six.len())])
        };
        bits.chunks(6).map(letter).collect()
    })
}

#[test]
fn layers_of_base64_are_seen_through_and_too_many_are_a_doubt() {
    let any = ("SecRule ARGS \"@rx ^[A-Za-z0-9_-]{16}\"", "attack-sqli");
    let engine = engine(&[any], true);
    let ask = |text: &str, layers| get(&format!("/?q={}", in_base64(text, layers)));
    for layers in 1..=8 {
        // What is seen is judged: prose overrules the rule, and an attack does not.
        let prose = ask("the union will select a speaker", layers);
        assert_eq!(said(&engine, &prose), (false, vec![10]), "{layers}");
        let attack = inspect(
            &engine,
            &ask("1' UNION SELECT password FROM users-- ", layers),
            0,
        );
        assert_eq!(
            attack.detected().next().map(|found| found.detector),
            Some("sql-injection"),
            "{layers}"
        );
    }
    let hidden = ask("the union will select a speaker", 9);
    assert_eq!(said(&engine, &hidden), (true, vec![]));
}

#[test]
fn a_narrower_tag_decides() {
    let rule = (
        "SecRule ARGS \"@rx (?:http/1|<html)\"",
        "attack-protocol capec/1000/210/272/220/34",
    );
    let engine = engine(&[rule], true);
    assert_eq!(said(&engine, &get("/?q=%3Chtml%3E")), (false, vec![10]));
    let split = "/?q=x%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a%3Chtml%3E";
    assert_eq!(said(&engine, &get(split)), (true, vec![]));
}

#[test]
fn every_judge_is_a_detector() {
    for (tag, names) in crate::engine::overrule::JUDGES {
        for name in *names {
            let known = detect::ALL.iter().any(|detector| detector.name == *name);
            assert!(known, "{name} of {tag}");
        }
    }
}

#[test]
fn many_clean_values_do_not_hide_one_that_was_not_read() {
    let many = PROSE.to_owned() + &"&q=the%20union%20will%20select".repeat(40);
    let read = "SecRule ARGS \"@rx union.*select\"";
    assert!(!said(&engine(&[(read, "attack-sqli")], true), &get(&many)).0);
    let more = "SecRule ARGS|REQUEST_METHOD \"@rx union|GET\"";
    assert!(said(&engine(&[(more, "attack-sqli")], true), &get(&many)).0);
}

#[test]
fn a_name_that_leads_to_what_runs_counts_though_it_is_no_program() {
    let rule = ("SecRule ARGS|ARGS_NAMES \"@rx classLoader\"", "attack-rce");
    let engine = engine(&[rule], true);
    for target in ["/?class.module.classLoader.x=1", "/?a[class.classLoader]=1"] {
        assert!(said(&engine, &get(target)).0, "{target}");
    }
    for target in ["/?q=the%20classLoader", "/?on%20the%20classLoader=1"] {
        assert!(!said(&engine, &get(target)).0, "{target}");
    }
}

/// Rules see the texts of XML as one, detectors each by itself.
#[test]
fn what_detectors_did_not_read_as_one_is_read_where_a_rule_found_something() {
    let rule = ("SecRule XML:/* \"@rx (?i)or.*1\"", "attack-sqli");
    let engine = engine(&[rule], true);
    for (attack, good) in [
        (
            "<a><b>' OR 1</b><b>=1 -- </b></a>",
            "<a><b>for</b><b>10</b></a>",
        ),
        (
            "<a><b>x' OR</b><c>'1'='1</c></a>",
            "<a><b>O'Brien or</b><c> 1 other</c></a>",
        ),
    ] {
        assert_eq!(said(&engine, &post("text/xml", attack)), (true, vec![]));
        let good = said(&engine, &post("text/xml", good));
        assert_eq!(good, (false, vec![10]));
    }
    // Also in a part of a form, and behind a part that was read.
    let part = |name: &str, xml: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: text/xml\r\n\r\n{xml}\r\n")
    };
    let form = part("x", "<a><b>for</b><b>10</b></a>")
        + &part("y", "<a><b>' OR 1</b><b>=1 -- </b></a>")
        + "--b--\r\n";
    let form = post("multipart/form-data; boundary=b", &form);
    assert_eq!(said(&engine, &form), (true, vec![]));
}

/// A notice in one text is no reason to take all of them for read.
#[test]
fn a_notice_in_a_text_does_not_hide_what_all_of_them_say() {
    let rule = ("SecRule XML:/* \"@rx (?i)or.*1\"", "attack-sqli");
    let engine = engine(&[rule], true);
    let attack = "<a>x <b>2 = 2 or 3 = 4</b>, <b>x' U</b><b>NION SELECT a FROM t</b>or1</a>";
    let inspection = inspect(&engine, &post("text/xml", attack), 0);
    let found: Vec<_> = inspection.detected().map(|found| found.severity).collect();
    assert_eq!(found, [Severity::Warning]);
    assert!(inspection.refusal().is_some());
}

/// Detectors read what each element says, and overrule nothing where that is too much.
#[test]
fn a_text_of_xml_is_read_where_all_its_elements_are() {
    let rule = ("SecRule XML:/* \"@rx (?i)un.*select\"", "attack-sqli");
    let engine = engine(&[rule], true);
    let attack = "<r><d>1' or </d><a>x' un<b/>ion select<b/> 1,2-- -</a></r>";
    assert_eq!(said(&engine, &post("text/xml", attack)), (true, vec![]));
    let nested = |text: &str| {
        let around = format!("<a>{text}").repeat(100);
        let xml = format!("{around}the union will select{}", "</a>".repeat(100));
        said(&engine, &post("text/xml", &xml))
    };
    assert_eq!(nested("a few words "), (false, vec![10]));
    assert_eq!(nested(&"many words ".repeat(100)), (true, vec![]));
}

/// ASP.NET and Express join what has one name by commas.
#[test]
fn halves_of_an_attack_under_one_name_are_read_as_one() {
    let rule = ("SecRule ARGS \"@rx coalesce\"", "attack-sqli");
    let engine = engine(&[rule], true);
    let halves = ["id", "coalesce(a)"];
    let prose = ["they", "coalesce%20(all)"];
    let query = |names: [&str; 2], [one, two]: [&str; 2]| {
        format!("z=1&{}={one}&y=2&{}={two}", names[0], names[1])
    };
    let form = "application/x-www-form-urlencoded";
    for names in [["q", "q"], ["q[]", "q[]"], ["q[0]", "q[1]"], ["q", "q[]"]] {
        for (values, refused) in [(halves, true), (prose, false)] {
            let query = query(names, values);
            let asked = [get(&format!("/?{query}")), post(form, &query)];
            for asked in asked {
                let overruled = if refused { vec![] } else { vec![10] };
                assert_eq!(said(&engine, &asked), (refused, overruled), "{query}");
            }
        }
    }
    // Other names are other values.
    let apart = format!("/?{}", query(["q", "p"], halves));
    assert!(!said(&engine, &get(&apart)).0);
    let list = |one: &str, two: &str| format!(r#"{{"q": ["{one}", "{two}"], "p": ["x"]}}"#);
    let attack = list("id", "coalesce(a)");
    let prose = list("they", "coalesce now");
    assert!(said(&engine, &post("application/json", &attack)).0);
    assert!(!said(&engine, &post("application/json", &prose)).0);
    // Behind more values than are kept of a match.
    let many = format!(
        "/?{}{}",
        "a=coalesce&".repeat(40),
        query(["q", "q"], halves)
    );
    assert!(said(&engine, &get(&many)).0);
}
