use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use http::HeaderMap;
use lockgate_policy::decide::{Around, Config, Decide, Way};
use lockgate_policy::roles::Book;
use lockgate_policy::{Answers, Need, RequestView, Verdict};

use super::*;

/// A question about this path.
fn question(path: &str, cache_ms: u32) -> Question {
    let config = Config {
        upstream: "opa".into(),
        way: Way::Opa {
            path: "/v1/data/a".into(),
        },
        deadline_ms: 10_000,
        cache_ms,
        headers: Vec::new(),
        to_upstream: Vec::new(),
    };
    let policy = Decide::new(&config, 0, &Arc::new(Book::default()), (&[], &[])).unwrap();
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path,
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let around = Around {
        identity: None,
        client: Ipv4Addr::LOCALHOST.into(),
        place: None,
        device: None,
        risk: None,
        secure: false,
        authority: "a.example",
    };
    match policy
        .decide(&view, &around, &Answers::None)
        .unwrap()
        .verdict
    {
        Verdict::Need(Need::Decision(question)) => *question,
        other => panic!("{other:?}"),
    }
}

fn yes() -> Arc<Said> {
    Arc::new(Said::Allow {
        reason: None,
        fields: Vec::new(),
    })
}

#[test]
fn so_many_questions_are_under_way_and_no_more() {
    let decisions = Decisions::default();
    for number in 0..UNDER_WAY {
        let begun = decisions.begin(&question(&format!("/{number}"), 0), 0, 0);
        assert!(matches!(begun, Begun::New(_)), "{number}");
    }
    assert_eq!(OVERLOADED.code, "decision-overloaded");
    assert!(matches!(
        decisions.begin(&question("/more", 0), 0, 0),
        Begun::Full
    ));
    // Who asks the same waits for the same.
    assert!(matches!(
        decisions.begin(&question("/7", 0), 0, 0),
        Begun::Joined(_)
    ));
}

#[test]
fn an_answer_is_believed_for_as_long_as_was_said() {
    let decisions = Decisions::default();
    let asked = question("/a", 1_000);
    decisions.keep(&asked.mark, &asked.point, &yes(), (5_000, 5_000));
    for (most_ms, now_ms, known) in [
        (1_000, 5_999, true),
        (1_000, 6_000, false),
        (2_000, 6_000, true),
        (0, 5_000, false),
    ] {
        assert_eq!(
            decisions.find(&asked.mark, most_ms, now_ms).is_some(),
            known
        );
    }
    let other = question("/b", 1_000);
    assert!(decisions.find(&other.mark, 1_000, 5_000).is_none());
}

#[test]
fn memory_for_answers_is_bounded() {
    let decisions = Decisions::default();
    let value = http::HeaderValue::from_bytes(&[b'a'; 8192]).unwrap();
    let said = Arc::new(Said::Allow {
        reason: None,
        fields: vec![(HOST, value); 64],
    });
    let asked = question("/a", 1_000);
    let marks: BTreeSet<Mark> = (0..256_u16)
        .map(|number| {
            let mut mark = asked.mark;
            mark[..2].copy_from_slice(&number.to_be_bytes());
            mark
        })
        .collect();
    for mark in &marks {
        decisions.keep(mark, &asked.point, &said, (0, 0));
    }
    let kept = marks
        .iter()
        .filter(|mark| decisions.find(mark, 1_000, 0).is_some());
    assert!(kept.count() * said.weight() <= KNOWN_BYTES);
}
