//! The same rules, asked of every value and asked by way of the sieve: the same
//! verdicts, the same rules, the same scores.

use std::sync::Arc;

use proptest::prelude::*;

use super::{get, inspect, Asked};
use crate::engine::{AnswerHead, Engine, Inspection, Options, Progress, RequestHead};
use crate::seclang::tests::core_rules::{self, Exchange};

const SCORES: [&str; 7] = [
    "blocking_inbound_anomaly_score",
    "detection_inbound_anomaly_score",
    "inbound_anomaly_score_pl1",
    "inbound_anomaly_score_pl2",
    "sql_injection_score",
    "xss_score",
    "rce_score",
];

/// Words that rules look for, and what stands between them.
const WORDS: &[&str] = &[
    "union",
    "select",
    "1",
    "or",
    "'",
    "\"",
    "--",
    "<script>",
    "alert(1)",
    "onerror=",
    "<img",
    "../",
    "etc/passwd",
    ";",
    "|",
    "cat",
    "$(id)",
    "`",
    "%0a",
    "%00",
    "%27",
    "%253c",
    "+",
    " ",
    "/*!*/",
    "a",
    "hello",
    "O'Brien",
    "http://127.0.0.1/",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "\\x41",
    "\\u003c",
    "&lt;",
    "&#x3c;",
    "PHNjcmlwdD4=",
    "é",
    "\u{ff1c}",
    "php://input",
    "<?php",
    "O:8:\"stdClass\"",
    "rO0ABQ",
    "sleep(5)",
    "waitfor delay",
    "xp_cmdshell",
    "document.cookie",
    "javascript:",
    "fetch(",
    "System.",
    "Content-Type:",
    "\r\nSet-Cookie: a=b",
    "eval(",
    "base64_decode",
    "/bin/sh",
    "cmd.exe",
    "powershell",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(WORDS), 0..6).prop_map(|words| words.concat()),
        1 => "[ -~]{0,24}",
        1 => "[a-zA-Z0-9 _.,@-]{0,40}",
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let pairs = prop::collection::vec((text(), text()), 0..4);
    (text(), pairs, text(), text(), 0..4_u8).prop_map(|(path, pairs, agent, cookie, kind)| {
        let mut asked = get(&format!("/{}", path.replace(['\r', '\n', ' '], "")));
        asked
            .headers
            .push(("user-agent".into(), agent.replace(['\r', '\n'], "")));
        asked.headers.push((
            "cookie".into(),
            format!("c={}", cookie.replace(['\r', '\n'], "")),
        ));
        let joined = |separator: &str| {
            let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(separator)
        };
        match kind {
            0 => asked
                .target
                .push_str(&format!("?{}", joined("&").replace(['\r', '\n', ' '], "+"))),
            1 => {
                let kind = "application/x-www-form-urlencoded";
                asked.headers.push(("content-type".into(), kind.into()));
                asked.body = joined("&").into_bytes();
            }
            2 => {
                asked
                    .headers
                    .push(("content-type".into(), "application/json".into()));
                let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
                let members = pairs.iter().enumerate();
                let members = members.map(|(number, (name, value))| {
                    format!("\"{number}{}\": \"{}\"", quoted(name), quoted(value))
                });
                let members: Vec<String> = members.collect();
                asked.body = format!("{{{}}}", members.join(",")).into_bytes();
            }
            _ => {
                asked
                    .headers
                    .push(("content-type".into(), "text/xml".into()));
                asked.body =
                    format!("<a b='1'>{}</a>", joined(" ").replace(['<', '&'], "")).into_bytes();
            }
        }
        asked.method = if asked.body.is_empty() { "GET" } else { "POST" };
        asked
    })
}

/// The same rules at a level, with their sieve and without; what scores as much as `threshold` is refused.
fn both(rules: &crate::rule::Rules, level: &str, threshold: &str) -> [Arc<Engine>; 2] {
    [false, true].map(|plain| {
        let said = [
            ("blocking_paranoia_level", level),
            ("inbound_anomaly_score_threshold", threshold),
            ("outbound_anomaly_score_threshold", threshold),
        ];
        let variables = said.map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()));
        let variables = variables.to_vec();
        let options = Options {
            variables,
            plain,
            ..Options::default()
        };
        Arc::new(Engine::new(rules, &options).unwrap())
    })
}

/// What an engine says: the rules, with what they write down of the values that they matched; whether it refuses; the scores.
fn said(inspection: &Inspection) -> impl PartialEq + std::fmt::Debug {
    let refusal = inspection.refusal().map(|refusal| refusal.status);
    let found: Vec<_> = inspection
        .matched()
        .map(|matched| {
            (
                matched.id(),
                matched.message().to_vec(),
                matched.data().to_vec(),
            )
        })
        .collect();
    let scores = SCORES.map(|score| inspection.variable(score));
    (found, refusal, scores)
}

/// Whether requests are judged alike, each after `before` was done with the first engine.
fn say_the_same([sieved, plain]: [Arc<Engine>; 2], cases: u32, before: impl Fn(&Arc<Engine>)) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let same = |asked: Asked| {
        before(&sieved);
        let (one, other) = (inspect(&sieved, &asked, 0), inspect(&plain, &asked, 0));
        prop_assert_eq!(said(&one), said(&other));
        Ok(())
    };
    runner.run(&asked(), same).unwrap();
}

#[test]
fn the_core_rule_set_says_the_same_with_its_sieve_and_without() {
    for version in core_rules::versions() {
        let setup = ["@crs-setup.conf.example", "@owasp_crs/*.conf"];
        let rules = core_rules::loaded(&version, &setup);
        for level in ["1", "4"] {
            say_the_same(both(&rules, level, "5"), 300, |_| {});
        }
    }
}

/// Parameters of ever new sets of bytes, as somebody hostile would send them.
fn odd(turn: u32) -> Asked {
    let mut asked = get("/");
    let kind = "application/x-www-form-urlencoded";
    asked.headers.push(("content-type".into(), kind.into()));
    asked.method = "POST";
    let mut seed = turn.wrapping_mul(0x9e37_79b9) | 1;
    for _ in 0..2000 {
        asked.body.extend_from_slice(b"a=");
        for _ in 0..8 {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            asked
                .body
                .extend_from_slice(format!("%{:02x}", 1 + seed % 46).as_bytes());
        }
        asked.body.push(b'&');
    }
    asked
}

#[test]
fn nothing_else_is_said_where_looks_cannot_be_paid_for() {
    for version in core_rules::versions() {
        let rules = core_rules::loaded(&version, &["@crs-setup.conf.example", "@owasp_crs/*.conf"]);
        let turn = std::cell::Cell::new(0);
        let poor = std::cell::Cell::new(0);
        say_the_same(both(&rules, "2", "5"), 60, |engine| {
            turn.set(turn.get() + 1);
            inspect(engine, &odd(turn.get()), 0);
            let desks = engine.desks.lock().unwrap();
            poor.set(poor.get() + u32::from(desks.iter().any(|desk| desk.sieve.is_poor())));
        });
        assert!(poor.get() > 30, "poor {} times", poor.get());
    }
}

fn pairs(fields: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (&name[..], &value[..]))
}

/// An exchange, judged from its first line to the end of its answer.
fn judged(engine: &Arc<Engine>, asked: &Exchange) -> Inspection {
    let path = asked.target.split(|byte| *byte == b'?').next();
    let head = RequestHead {
        method: &asked.method,
        target: &asked.target,
        path: path.unwrap_or_default(),
        protocol: &asked.protocol,
        remote: "192.0.2.7:4000".parse().unwrap(),
        server: "192.0.2.1:443".parse().unwrap(),
        id: b"an-id",
        now_ms: 0,
    };
    let mut inspection = engine.begin(&head, pairs(&asked.fields));
    while inspection.request_head() == Progress::More {}
    while inspection.body(&asked.body, true) == Progress::More {}
    while inspection.request_body() == Progress::More {}
    let answer = AnswerHead {
        status: asked.status,
        protocol: b"HTTP/1.1",
    };
    inspection.answer(&answer, pairs(&asked.answer_fields));
    while inspection.answer_head() == Progress::More {}
    inspection.answer_body(&asked.answer);
    while inspection.answer_end() == Progress::More {}
    while inspection.end() == Progress::More {}
    inspection
}

/// One exchange made of several: the target of one, fields of all, the body of
/// another with what says how it is read, the answer of the last.
fn mixed([one, other, last]: [&Exchange; 3]) -> Exchange {
    let says_how = |(name, _): &&(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-type");
    let others = |from: &Exchange| {
        let fields = from.fields.clone().into_iter();
        fields.filter(|field| !says_how(&field)).collect::<Vec<_>>()
    };
    Exchange {
        method: other.method.clone(),
        body: other.body.clone(),
        fields: [
            others(one),
            others(last),
            other.fields.iter().filter(says_how).cloned().collect(),
        ]
        .concat(),
        status: last.status,
        answer_fields: last.answer_fields.clone(),
        answer: last.answer.clone(),
        ..one.clone()
    }
}

#[test]
fn the_core_rule_sets_own_cases_and_mixes_of_them_are_judged_alike() {
    for (version, exchanges) in core_rules::exchanges() {
        assert!(exchanges.len() > 4000, "{}", exchanges.len());
        let rules = core_rules::loaded(&version, &["@crs-setup.conf.example", "@owasp_crs/*.conf"]);
        let [sieved, plain] = both(&rules, "4", "1000000");
        let same = |asked: &Exchange| {
            let (one, other) = (judged(&sieved, asked), judged(&plain, asked));
            assert_eq!(said(&one), said(&other), "{asked:?}");
            usize::from(one.matched().count() > 0)
        };
        let found: usize = exchanges.iter().map(same).sum();
        assert!(
            found > exchanges.len() / 2,
            "{found} of {}",
            exchanges.len()
        );
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 4 * ProptestConfig::default().cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let three = prop::sample::select(exchanges);
        let asked = (three.clone(), three.clone(), three);
        let all_same = |(one, other, last): (Exchange, Exchange, Exchange)| {
            same(&mixed([&one, &other, &last]));
            Ok(())
        };
        runner.run(&asked, all_same).unwrap();
    }
}
