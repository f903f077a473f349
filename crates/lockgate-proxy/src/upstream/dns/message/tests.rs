use proptest::prelude::*;

use super::*;

/// An answer to `query(7, "a.b", …)` whose records are these bytes.
fn reply(kind: Kind, count: u8, records: &[u8]) -> Vec<u8> {
    let mut bytes = query(7, "a.b", kind).expect("it is a name");
    bytes[2..4].copy_from_slice(&[0x81, 0x80]);
    bytes[7] = count;
    bytes.extend_from_slice(records);
    bytes
}

fn read(bytes: &[u8], kind: Kind) -> Option<Result<Answer, u8>> {
    read_answer(bytes, 7, "A.b.", kind)
}

/// A record whose owner is the question's name, by a pointer to it.
fn record(kind: u8, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 12, 0, kind, 0, 1];
    bytes.extend_from_slice(&ttl.to_be_bytes());
    bytes.extend_from_slice(
        &u16::try_from(data.len())
            .expect("it is short")
            .to_be_bytes(),
    );
    bytes.extend_from_slice(data);
    bytes
}

fn records(bytes: &[u8], kind: Kind) -> Vec<Held> {
    read(bytes, kind)
        .expect("it is an answer")
        .expect("it is no error")
        .records
}

#[test]
fn addresses_are_read() {
    let bytes = reply(
        Kind::A,
        2,
        &[record(1, 60, &[10, 0, 0, 1]), record(1, 5, &[10, 0, 0, 2])].concat(),
    );
    let address = |last, ttl| Held {
        ttl,
        what: Record::Address([10, 0, 0, last].into()),
    };
    assert_eq!(records(&bytes, Kind::A), [address(1, 60), address(2, 5)]);
    let six = record(28, 1, &[0; 16]);
    assert_eq!(records(&reply(Kind::Aaaa, 1, &six), Kind::Aaaa).len(), 1);
    assert!(
        records(&reply(Kind::A, 1, &six), Kind::A).is_empty(),
        "not what was asked for"
    );
}

#[test]
fn services_are_read() {
    let data = [&[0, 1, 0, 5, 0x1f, 0x90][..], b"\x01x\xc0\x0c"].concat();
    let found = records(&reply(Kind::Srv, 1, &record(33, 9, &data)), Kind::Srv);
    let service = Service {
        priority: 1,
        weight: 5,
        port: 8080,
        host: "x.a.b".to_owned(),
    };
    assert_eq!(
        found,
        [Held {
            ttl: 9,
            what: Record::Service(service)
        }]
    );
    let none = records(
        &reply(Kind::Srv, 1, &record(33, 9, &[0, 0, 0, 0, 0, 0, 0])),
        Kind::Srv,
    );
    assert!(matches!(&none[0].what, Record::Service(service) if service.host.is_empty()));
}

#[test]
fn names_stand_for_others_and_hold_no_longer() {
    let alias = record(5, 30, b"\x01c\x01d\x00");
    let mut address = record(1, 60, &[10, 0, 0, 9]);
    address.splice(0..2, *b"\x01c\x01d\x00");
    let found = records(&reply(Kind::A, 2, &[alias, address].concat()), Kind::A);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].ttl, 30);
}

#[test]
fn names_that_stand_for_themselves_end() {
    let round = record(5, 30, b"\xc0\x0c");
    assert!(records(&reply(Kind::A, 1, &round), Kind::A).is_empty());
    let mut back = record(5, 30, b"\xc0\x0c");
    back.splice(0..2, *b"\x01c\x00");
    let there = record(5, 30, b"\x01c\x00");
    assert!(records(&reply(Kind::A, 2, &[there, back].concat()), Kind::A).is_empty());
}

#[test]
fn pointers_that_lead_nowhere_or_round_are_no_message() {
    // A pointer to itself, one ahead, and one beyond the end.
    for pointer in [b"\xc0\x15", b"\xc0\x40", b"\xff\xff"] {
        let mut wrong = record(1, 60, &[10, 0, 0, 1]);
        wrong.splice(0..2, *pointer);
        assert_eq!(read(&reply(Kind::A, 1, &wrong), Kind::A), None);
    }
}

#[test]
fn records_of_others_are_left_alone() {
    let mut other = record(1, 60, &[10, 0, 0, 1]);
    other.splice(0..2, *b"\x04evil\x00");
    assert!(records(&reply(Kind::A, 1, &other), Kind::A).is_empty());
}

#[test]
fn answers_to_other_questions_are_none() {
    let good = reply(Kind::A, 0, b"");
    assert!(read(&good, Kind::A).is_some());
    assert_eq!(
        read_answer(&good, 8, "a.b", Kind::A),
        None,
        "another number"
    );
    assert_eq!(read_answer(&good, 7, "a.c", Kind::A), None, "another name");
    assert_eq!(read(&good, Kind::Aaaa), None, "another kind");
    let mut question = good;
    question[2] = 0x01;
    assert_eq!(read(&question, Kind::A), None, "no answer but a question");
}

#[test]
fn codes_and_what_is_cut_off_are_told() {
    let mut bytes = reply(Kind::A, 0, b"");
    bytes[3] = 0x83;
    assert_eq!(read(&bytes, Kind::A), Some(Err(NO_SUCH_NAME)));
    bytes[2..4].copy_from_slice(&[0x83, 0x80]);
    assert!(matches!(
        read(&bytes, Kind::A),
        Some(Ok(Answer { cut_off: true, .. }))
    ));
}

#[test]
fn what_cannot_be_a_name_is_not_asked_for() {
    assert_eq!(query(1, "a..b", Kind::A), None);
    assert_eq!(query(1, &"a".repeat(64), Kind::A), None);
    assert_eq!(query(1, &["abcdefg"; 40].join("."), Kind::A), None);
    assert!(query(1, &"a".repeat(63), Kind::A).is_some());
}

#[test]
fn thousands_of_records_are_read_and_no_more() {
    let many: Vec<u8> = (0..200)
        .flat_map(|last| record(1, 60, &[10, 0, 0, last]))
        .collect();
    assert_eq!(records(&reply(Kind::A, 200, &many), Kind::A).len(), 200);
    let mut short = reply(Kind::A, 0, &many);
    short[6..8].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(read(&short, Kind::A), None, "it promises more than it has");
}

proptest! {
    #[test]
    fn nothing_that_arrives_is_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
            let _ = read(&bytes, kind);
            let _ = read(&reply(kind, 40, &bytes), kind);
        }
    }
}
