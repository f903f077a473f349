#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn asking(unknown: UnknownRevocation) -> Asking {
    let wanted = Ocsp {
        rules: "listeners.public.tls.client_certificates".to_owned(),
        responder: None,
        timeout_ms: 2_000,
        max_age_ms: 60_000,
    };
    Asking::new(&wanted, unknown)
}

fn key(number: usize) -> Key {
    let mut key = Key::default();
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn told(standing: Standing, again: Instant, until: Instant) -> Told {
    Told {
        standing,
        again,
        until,
    }
}

/// Puts a question as a request does.
fn put(inquiries: &Inquiries, number: usize, now: Instant) -> Option<Hearing> {
    let chain: [Box<[u8]>; 1] = [number.to_be_bytes().into()];
    let by = asking(UnknownRevocation::Allow);
    inquiries.question(&by, key(number), &chain, 0, now)
}

fn standing(inquiries: &Inquiries, number: usize) -> Option<Standing> {
    let known = inquiries.table().known.get(&key(number)).copied();
    known.map(|told| told.standing_at(Instant::now()))
}

#[test]
fn what_is_not_known_is_let_in_or_not() {
    let (soft, hard) = (
        asking(UnknownRevocation::Allow),
        asking(UnknownRevocation::Deny),
    );
    let now = Instant::now();
    let later = now + HOUR;
    let code = |by: &Asking, told: Option<Told>, at| by.refuses(told, at).map(|reason| reason.code);
    let revoked = Some("tls-client-certificate-revoked");
    let unknown = Some("tls-client-certificate-status-unknown");
    let good = Some(told(Standing::Good, now, later));
    for (at, softly, hardly) in [(now, None, None), (later, None, unknown)] {
        assert_eq!(
            (code(&soft, good, at), code(&hard, good, at)),
            (softly, hardly)
        );
    }
    assert_eq!(
        (code(&soft, None, now), code(&hard, None, now)),
        (None, unknown)
    );
    let nothing = Some(told(Standing::Unknown, later, later));
    assert_eq!(
        (code(&soft, nothing, now), code(&hard, nothing, now)),
        (None, unknown)
    );
    // However long ago that was said.
    for (said, wanted) in [(Standing::Revoked, revoked), (Standing::Refused, unknown)] {
        let gone = Some(told(said, now, now));
        assert_eq!(
            (code(&soft, gone, later), code(&hard, gone, later)),
            (wanted, wanted)
        );
    }
}

#[test]
fn a_certificate_is_asked_about_once_for_all_who_wait() {
    let inquiries = Inquiries::new().unwrap();
    let now = Instant::now();
    let mut first = put(&inquiries, 1, now).unwrap();
    let mut second = put(&inquiries, 1, now).unwrap();
    let questions = inquiries.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!((questions[0].key, questions[0].chain.len()), (key(1), 1));
    assert!(inquiries.questions().is_empty(), "each is told once");
    assert!(!first.has_changed().unwrap());
    inquiries.answered(&key(1), Standing::Good, HOUR, HOUR);
    assert_eq!(standing(&inquiries, 1), Some(Standing::Good));
    // The sender is gone with the question, and what it said last is there.
    for waiting in [&mut first, &mut second] {
        let heard = waiting.borrow_and_update().map(|told| told.standing);
        assert_eq!(heard, Some(Standing::Good));
    }
    // What was not asked, or is answered twice, is nobody's answer.
    inquiries.answered(&key(1), Standing::Unknown, HOUR, HOUR);
    inquiries.answered(&key(2), Standing::Good, HOUR, HOUR);
    assert_eq!(standing(&inquiries, 1), Some(Standing::Good));
    assert_eq!(standing(&inquiries, 2), None);
    assert_eq!(inquiries.counts(), (1, 0, 1));
}

#[test]
fn silence_brings_nobody_back_and_shuts_nobody_out() {
    let inquiries = Inquiries::new().unwrap();
    let now = Instant::now();
    for (number, said) in [(1, Standing::Revoked), (2, Standing::Good)] {
        let _ = put(&inquiries, number, now).unwrap();
        inquiries.answered(&key(number), said, Duration::ZERO, HOUR);
        // The control process gives no answer.
        let _ = put(&inquiries, number, now).unwrap();
        let later = now + Duration::from_secs(3);
        inquiries.table().unanswered(key(number), later);
        assert_eq!(standing(&inquiries, number), Some(said));
        let again = inquiries.table().known[&key(number)].again;
        assert!(again > later, "and is left in peace for a while");
        assert!(inquiries.table().flights.len() == 0);
    }
    // No way is shown any more: who was revoked stays so.
    let _ = put(&inquiries, 1, now).unwrap();
    inquiries.answered(&key(1), Standing::Refused, HOUR, HOUR);
    // It knows nothing: what was revoked stays so, what was good does not.
    for (number, wanted) in [(1, Standing::Revoked), (2, Standing::Unknown)] {
        let _ = put(&inquiries, number, now).unwrap();
        inquiries.answered(&key(number), Standing::Unknown, HOUR, HOUR);
        assert_eq!(standing(&inquiries, number), Some(wanted));
    }
    // Until its issuer says otherwise.
    let _ = put(&inquiries, 1, now).unwrap();
    inquiries.answered(&key(1), Standing::Good, HOUR, HOUR);
    assert_eq!(standing(&inquiries, 1), Some(Standing::Good));
    inquiries.table().unanswered(key(3), now);
    assert_eq!(standing(&inquiries, 3), Some(Standing::Unknown));
}

#[test]
fn nobody_is_asked_while_the_control_process_is_away_or_too_many_wait() {
    let inquiries = Inquiries::new().unwrap();
    let now = Instant::now();
    let by = asking(UnknownRevocation::Deny);
    assert!(inquiries
        .question(&by, key(0), &[], SILENCE_MS + 1, now)
        .is_none());
    for number in 0..UNDER_WAY {
        assert!(put(&inquiries, number, now).is_some());
    }
    assert!(put(&inquiries, UNDER_WAY, now).is_none());
    assert!(put(&inquiries, 0, now).is_some(), "who joins takes no room");
    assert_eq!(inquiries.counts(), (UNDER_WAY as u64, 2, 0));
    // Those that nobody answered make room once their time is over.
    assert!(put(&inquiries, UNDER_WAY, now + by.patience).is_some());
    assert_eq!(inquiries.table().flights.len(), 1);
    inquiries.waiting.store(WAITING, Ordering::Relaxed);
    assert!(put(&inquiries, 1, now).is_none());
}

#[test]
fn what_is_remembered_is_bounded_and_the_revoked_go_last() {
    let mut table = Table::default();
    let now = Instant::now();
    for number in 0..100 {
        table.remember(key(number), told(Standing::Revoked, now, now), now);
    }
    for number in 100..2 * KNOWN {
        table.remember(
            key(number),
            told(Standing::Good, now + HOUR, now + HOUR),
            now,
        );
        assert!(table.known.len() <= KNOWN);
    }
    let revoked = |table: &Table| {
        let all = table.known.values();
        all.filter(|told| told.standing == Standing::Revoked)
            .count()
    };
    assert_eq!(revoked(&table), 100);
    assert!(table.known.len() > KNOWN / 4);
    for number in 0..2 * KNOWN {
        table.remember(key(number), told(Standing::Revoked, now, now), now);
        assert!(table.known.len() <= KNOWN);
    }
    // Once all are revoked, none is forgotten for a new one, and each can be brought back.
    assert_eq!(revoked(&table), KNOWN);
    table.remember(
        key(9 * KNOWN),
        told(Standing::Good, now + HOUR, now + HOUR),
        now,
    );
    assert!((0..KNOWN).all(|number| table.known.contains_key(&key(number))));
    table.remember(key(7), told(Standing::Good, now + HOUR, now + HOUR), now);
    assert_eq!(revoked(&table), KNOWN - 1);
}

#[test]
fn what_there_is_no_room_for_is_heard_by_who_waits() {
    let inquiries = Inquiries::new().unwrap();
    let now = Instant::now();
    for number in 0..KNOWN {
        inquiries
            .table()
            .remember(key(number), told(Standing::Revoked, now, now), now);
    }
    let waiting = put(&inquiries, KNOWN, now).unwrap();
    inquiries.answered(&key(KNOWN), Standing::Revoked, HOUR, HOUR);
    assert_eq!(standing(&inquiries, KNOWN), None);
    let heard = waiting.borrow().map(|told| told.standing);
    assert_eq!(heard, Some(Standing::Revoked));
}

#[test]
fn what_is_shown_besides_makes_no_other_certificate() {
    let by = asking(UnknownRevocation::Allow);
    let chain =
        |parts: &[&[u8]]| -> Vec<Box<[u8]>> { parts.iter().map(|part| (*part).into()).collect() };
    let alone = by.key(&chain(&[b"leaf"]));
    assert_eq!(by.key(&chain(&[b"leaf", b"between", b"anything"])), alone);
    assert_ne!(by.key(&chain(&[b"other", b"leaf"])), alone);
    let mut others = asking(UnknownRevocation::Allow);
    others.terms.push(b' ');
    assert_ne!(others.key(&chain(&[b"leaf"])), alone, "by other rules");
}
