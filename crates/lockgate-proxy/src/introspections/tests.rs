#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;
const GOOD: &[u8] = br#"{"active":true,"sub":"ann"}"#;

fn question(number: usize) -> Question {
    let mut mark = Mark::default();
    mark[8..16].copy_from_slice(&number.to_be_bytes());
    Question {
        room: "introspection",
        source: None,
        issuer: "company".into(),
        iss: "https://a.example".into(),
        mark,
        token: number.to_string().into_bytes().into(),
        believed_ms: (60_000, 10_000),
        timeout_ms: 1_000,
    }
}

fn hearing(asking: &Introspections, number: usize, now: Instant) -> Hearing<Heard> {
    match asking.begin(question(number), 0, NOW_MS, now) {
        Begun::Under(hearing) => hearing,
        Begun::Over(heard) => panic!("{heard:?}"),
    }
}

fn over(begun: Begun) -> Heard {
    match begun {
        Begun::Over(heard) => heard,
        Begun::Under(_) => panic!("it is under way"),
    }
}

fn answer(asking: &Introspections, number: usize, told: Told) {
    asking.answered("company", &question(number).mark, told, NOW_MS);
}

#[test]
fn a_token_is_asked_about_once_for_all_who_wait() {
    let asking = Introspections::new().unwrap();
    let now = Instant::now();
    let waiting: Vec<_> = (0..1_000).map(|_| hearing(&asking, 1, now)).collect();
    let told = asking.questions();
    assert_eq!(told, [question(1)]);
    assert!(asking.questions().is_empty(), "each is told once");
    answer(&asking, 1, Told::Answer(GOOD.to_vec()));
    for hearing in &waiting {
        assert!(matches!(&*hearing.borrow(), Some(Heard::Active(_))));
    }
    // Who comes as the answer does, and had found nothing before, finds it.
    let heard = over(asking.begin(question(1), 0, NOW_MS, now));
    assert!(matches!(heard, Heard::Active(_)));
    // But not who believes nothing that was said before.
    let anew = Question {
        believed_ms: (0, 0),
        ..question(1)
    };
    assert!(matches!(
        asking.begin(anew, 0, NOW_MS, now),
        Begun::Under(_)
    ));
}

#[test]
fn what_nobody_asked_is_nobodys_answer() {
    let asking = Introspections::new().unwrap();
    answer(&asking, 1, Told::Answer(GOOD.to_vec()));
    let _waiting = hearing(&asking, 1, Instant::now());
    asking.answered(
        "other",
        &question(1).mark,
        Told::Answer(GOOD.to_vec()),
        NOW_MS,
    );
    answer(&asking, 2, Told::Answer(GOOD.to_vec()));
    assert_eq!(asking.known.counts().0.tokens, 0);
}

#[test]
fn what_is_no_answer_is_not_remembered() {
    let asking = Introspections::new().unwrap();
    for (number, told) in [
        Told::Answer(b"{}".to_vec()),
        Told::Answer(b"<html>".to_vec()),
        Told::Unavailable(9),
        Told::Busy,
    ]
    .into_iter()
    .enumerate()
    {
        let waiting = hearing(&asking, number, Instant::now());
        answer(&asking, number, told);
        assert!(matches!(
            &*waiting.borrow(),
            Some(Heard::Unavailable(_) | Heard::Busy)
        ));
    }
    let (active, inactive) = asking.known.counts();
    assert_eq!((active.tokens, inactive.tokens), (0, 0));
    let mut text = String::new();
    asking.write(&mut text);
    let line =
        r#"lockgate_introspection_questions_total{issuer="company",outcome="unavailable"} 3"#;
    assert!(text.contains(line), "{text}");
}

#[test]
fn a_flood_is_bounded_for_each_issuer_and_for_all() {
    let asking = Introspections::new().unwrap();
    let now = Instant::now();
    for number in 0..UNDER_WAY {
        let _ = hearing(&asking, number, now);
    }
    let busy = |number, now| over(asking.begin(question(number), 0, NOW_MS, now));
    assert_eq!(busy(UNDER_WAY, now), Heard::Busy);
    let _ = hearing(&asking, 0, now); // Who joins takes no room.
    let other = Question {
        issuer: "other".into(),
        ..question(0)
    };
    assert!(matches!(
        asking.begin(other, 0, NOW_MS, now),
        Begun::Under(_)
    ));
    // Those that nobody answered make room once their time is over.
    let later = now + patience(&question(0));
    let _ = hearing(&asking, UNDER_WAY, later);
    asking.waiting.store(WAITING, Ordering::Relaxed);
    assert_eq!(busy(UNDER_WAY, later), Heard::Busy, "also who would join");
}

#[test]
fn nobody_is_asked_while_the_control_process_is_away_and_all_again_once_it_is_there() {
    let asking = Introspections::new().unwrap();
    let now = Instant::now();
    let silent = asking.begin(question(1), SILENCE_MS + 1, NOW_MS, now);
    assert_eq!(over(silent), Heard::Unavailable(RETRY_S));
    let _waiting = hearing(&asking, 2, now);
    assert_eq!(asking.questions().len(), 1);
    asking.bell.silence();
    asking.untold();
    assert!(asking.bell.silence(), "it rings");
    assert_eq!(asking.questions(), [question(2)]);
    answer(&asking, 2, Told::Answer(br#"{"active":false}"#.to_vec()));
    asking.untold();
    assert!(!asking.bell.silence(), "there is nothing to tell");
}

#[test]
fn who_does_not_wait_is_told_to_look_again() {
    let asking = Introspections::new().unwrap();
    assert_eq!(asking.renew(question(1), 0, NOW_MS), Heard::Later);
    assert_eq!(asking.questions().len(), 1);
    answer(&asking, 1, Told::Answer(br#"{"active":false}"#.to_vec()));
    assert_eq!(
        asking.renew(question(1), 0, NOW_MS),
        Heard::Inactive(NOW_MS)
    );
}
