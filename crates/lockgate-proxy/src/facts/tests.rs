#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::testing::Dir;

/// A digest that `tag` stands for.
fn digest(tag: u64) -> Digest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&tag.to_be_bytes());
    Digest(bytes)
}

fn put(seq: u64, id: &str, tag: u64) -> Vec<u8> {
    put_with(seq, id, tag, "")
}

fn put_with(seq: u64, id: &str, tag: u64, more: &str) -> Vec<u8> {
    let digest = digest(tag).to_hex();
    let key = format!(r#"{{"id":"{id}","digest":"{digest}","name":"n","owner":"ann"{more}}}"#);
    fact(seq, &format!(r#""kind":"key.put","key":{key}"#))
}

fn revoke(seq: u64, id: &str) -> Vec<u8> {
    fact(seq, &format!(r#""kind":"key.revoke","id":"{id}""#))
}

fn begin(seq: u64) -> Vec<u8> {
    fact(seq, r#""kind":"reset.begin""#)
}

fn end(seq: u64) -> Vec<u8> {
    fact(seq, r#""kind":"reset.end""#)
}

fn fact(seq: u64, rest: &str) -> Vec<u8> {
    format!(r#"{{"seq":{seq},"at_ms":5,{rest}}}"#).into_bytes()
}

fn told(facts: &[Vec<u8>]) -> FactStore {
    let store = FactStore::in_memory();
    store.apply(facts).unwrap();
    store
}

/// The id of the live key with this digest.
fn live(store: &FactStore, tag: u64) -> Option<String> {
    let record = store.key(&digest(tag)).filter(|record| !record.revoked);
    record.map(|record| record.id.to_string())
}

#[test]
fn a_key_is_known_as_it_was_told() {
    let more = r#","apis":["shop","blog"],"expires_ms":9"#;
    let store = told(&[put_with(3, "key_1", 1, more), put(4, "key_2", 2)]);
    let record = store.key(&digest(1)).unwrap();
    assert_eq!((&*record.id, &*record.grant.owner), ("key_1", "ann"));
    assert_eq!(record.digest, digest(1));
    assert_eq!((record.expires_ms, record.revoked), (9, false));
    let apis = record.grant.terms.apis.as_deref().unwrap();
    assert_eq!(apis, ["shop".into(), "blog".into()]);
    let plain = store.key(&digest(2)).unwrap();
    assert_eq!((plain.expires_ms, &plain.grant.terms.apis), (0, &None));
    assert!(store.key(&digest(3)).is_none());
    assert_eq!((store.keys(), store.sequence()), (2, 4));
}

#[test]
fn a_revoked_key_is_remembered_as_such() {
    let store = told(&[put(1, "key_1", 1), put(2, "key_2", 2), revoke(3, "key_1")]);
    assert!(store.key(&digest(1)).unwrap().revoked);
    assert!(!store.key(&digest(2)).unwrap().revoked);
    assert_eq!((store.keys(), store.sequence()), (2, 3));
    // What nobody knows can be revoked; nothing comes of it.
    store.apply(&[revoke(4, "key_9")]).unwrap();
    assert_eq!((store.keys(), store.sequence()), (2, 4));
}

#[test]
fn a_record_that_somebody_holds_does_not_change_under_them() {
    let store = told(&[put(1, "key_1", 1)]);
    let held = store.key(&digest(1)).unwrap();
    store.apply(&[revoke(2, "key_1")]).unwrap();
    assert!(!held.revoked);
    assert!(store.key(&digest(1)).unwrap().revoked);
}

#[test]
fn a_rolled_key_keeps_its_id_and_its_old_digest_opens_nothing() {
    let store = told(&[put(1, "key_1", 1), put(2, "key_1", 2)]);
    assert!(store.key(&digest(1)).is_none());
    assert_eq!(live(&store, 2).as_deref(), Some("key_1"));
    assert_eq!(store.keys(), 1);
    // And back again; a revocation finds the one of today.
    store
        .apply(&[put(3, "key_1", 1), revoke(4, "key_1")])
        .unwrap();
    assert!(store.key(&digest(2)).is_none());
    assert!(store.key(&digest(1)).unwrap().revoked);
}

#[test]
fn putting_a_key_again_changes_it() {
    let store = told(&[put(1, "key_1", 1), revoke(2, "key_1")]);
    store
        .apply(&[put_with(3, "key_1", 1, r#","expires_ms":4"#)])
        .unwrap();
    let record = store.key(&digest(1)).unwrap();
    assert_eq!((record.expires_ms, record.revoked), (4, false));
    assert_eq!(store.keys(), 1);
}

#[test]
fn what_is_known_already_is_passed_over() {
    let store = told(&[put(5, "key_1", 1)]);
    let again = [put(5, "key_2", 2), revoke(4, "key_1"), put(6, "key_3", 3)];
    assert_eq!(store.apply(&again).unwrap(), 6);
    assert_eq!(live(&store, 1).as_deref(), Some("key_1"));
    assert!(store.key(&digest(2)).is_none());
    assert_eq!(live(&store, 3).as_deref(), Some("key_3"));
}

#[test]
fn a_replacement_counts_at_once_and_at_its_end_only() {
    let store = told(&[put(1, "key_1", 1), put(2, "key_2", 2)]);
    for step in [
        begin(9),
        put(9, "key_2", 22),
        put(9, "key_3", 3),
        revoke(9, "key_3"),
    ] {
        store.apply(&[step]).unwrap();
        assert_eq!(live(&store, 1).as_deref(), Some("key_1"));
        assert_eq!(live(&store, 2).as_deref(), Some("key_2"));
        assert!(store.key(&digest(3)).is_none());
        assert_eq!(store.sequence(), 2);
    }
    assert_eq!(store.apply(&[end(9)]).unwrap(), 9);
    assert!(store.key(&digest(1)).is_none());
    assert!(store.key(&digest(2)).is_none());
    assert_eq!(live(&store, 22).as_deref(), Some("key_2"));
    assert!(store.key(&digest(3)).unwrap().revoked);
    assert_eq!(store.keys(), 2);
}

#[test]
fn a_replacement_may_go_back_in_the_order_of_facts() {
    // A control process restored from a copy knows fewer facts than its gate.
    let store = told(&[put(100, "key_1", 1)]);
    let steps = [begin(40), put(40, "key_2", 2), end(40)];
    assert_eq!(store.apply(&steps).unwrap(), 40);
    assert_eq!((live(&store, 1), store.keys()), (None, 1));
    assert_eq!(store.apply(&[put(41, "key_3", 3)]).unwrap(), 41);
    assert_eq!(store.keys(), 2);
}

#[test]
fn a_replacement_that_begins_again_forgets_what_it_said() {
    let store = told(&[put(1, "key_1", 1), begin(5), put(5, "key_2", 2)]);
    store
        .apply(&[begin(6), put(6, "key_3", 3), end(6)])
        .unwrap();
    assert_eq!(live(&store, 3).as_deref(), Some("key_3"));
    assert_eq!(store.keys(), 1);
}

#[test]
fn a_replacement_that_was_broken_off_swallows_nothing_that_comes_later() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    let steps = [
        put(1, "key_1", 1),
        put(2, "key_2", 2),
        begin(9),
        put(9, "key_3", 3),
    ];
    store.apply(&steps).unwrap();
    drop(store);
    let store = FactStore::open(&path).unwrap();
    for store in [store, told(&steps)] {
        assert_eq!(store.apply(&[revoke(10, "key_1")]).unwrap(), 10);
        assert!(store.key(&digest(1)).unwrap().revoked);
        assert_eq!(live(&store, 2).as_deref(), Some("key_2"));
        assert!(store.key(&digest(3)).is_none());
    }
    let again = FactStore::open(&path).unwrap();
    assert!(again.key(&digest(1)).unwrap().revoked);
    assert_eq!((again.keys(), again.sequence()), (2, 10));
}

#[test]
fn an_empty_replacement_leaves_nothing() {
    let store = told(&[put(1, "key_1", 1), begin(1), end(1)]);
    assert_eq!((store.keys(), store.sequence()), (0, 1));
    assert!(store.key(&digest(1)).is_none());
}

#[test]
fn an_end_without_a_beginning_changes_nothing() {
    let store = told(&[put(1, "key_1", 1), end(2)]);
    assert_eq!((store.keys(), store.sequence()), (1, 2));
}

#[test]
fn what_is_no_fact_is_refused_and_those_before_it_hold() {
    for odd in [
        &b"{"[..],
        b"[]",
        br#"{"seq":2,"at_ms":1}"#,
        br#"{"seq":2,"at_ms":1,"kind":"key.lend"}"#,
        br#"{"seq":-2,"at_ms":1,"kind":"reset.end"}"#,
        br#"{"seq":2,"at_ms":1,"kind":"key.put","key":{"id":"key_2"}}"#,
        b"\xff\xfe",
    ] {
        let store = FactStore::in_memory();
        let all = [put(1, "key_1", 1), odd.to_vec(), put(3, "key_3", 3)];
        let error = store.apply(&all).unwrap_err();
        assert!(matches!(error, FactError::Malformed(_)), "{error}");
        assert_eq!((store.keys(), store.sequence()), (1, 1));
    }
}

#[test]
fn a_key_whose_digest_is_none_is_refused() {
    let store = FactStore::in_memory();
    for odd in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
        let key = format!(r#"{{"id":"k","digest":"{odd}","owner":"o"}}"#);
        let error = store.apply(&[fact(1, &format!(r#""kind":"key.put","key":{key}"#))]);
        assert!(matches!(error, Err(FactError::Malformed(_))), "{odd}");
        assert_eq!((store.keys(), store.sequence()), (0, 0));
    }
}

#[test]
fn hearing_of_the_control_process_is_noted() {
    let store = FactStore::in_memory();
    assert_eq!(store.heard_ms(), 0);
    store.heard(17);
    assert_eq!(store.heard_ms(), 17);
}

#[test]
fn a_store_begins_with_what_it_last_knew() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    let steps = [
        put(1, "key_1", 1),
        put(2, "key_2", 2),
        put(3, "key_1", 11),
        revoke(4, "key_2"),
    ];
    store.apply(&steps).unwrap();
    drop(store);
    let store = FactStore::open(&path).unwrap();
    assert_eq!((store.keys(), store.sequence()), (2, 4));
    assert!(store.key(&digest(1)).is_none());
    assert_eq!(live(&store, 11).as_deref(), Some("key_1"));
    assert!(store.key(&digest(2)).unwrap().revoked);
    // What it goes on to hear is there the next time, behind the rest.
    store
        .apply(&[begin(9), put(9, "key_5", 5), end(9)])
        .unwrap();
    drop(store);
    let store = FactStore::open(&path).unwrap();
    assert_eq!((store.keys(), store.sequence()), (1, 9));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_passed_over_is_not_written_down() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    store.apply(&[put(1, "key_1", 1)]).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    for _ in 0..10 {
        store.apply(&[put(1, "key_1", 1)]).unwrap();
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
}

#[test]
fn a_fact_that_is_too_long_to_be_kept_is_refused() {
    let dir = Dir::new();
    let store = FactStore::open(&dir.join("facts.log")).unwrap();
    let long = put_with(
        1,
        "key_1",
        1,
        &format!(r#","note":"{}""#, "x".repeat(64 * 1024)),
    );
    let error = store.apply(&[long]).unwrap_err();
    assert!(matches!(error, FactError::Log(_)), "{error}");
    assert_eq!((store.keys(), store.sequence()), (0, 0));
}

#[test]
fn a_log_torn_at_any_byte_gives_the_facts_before_it_and_goes_on() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let facts: Vec<Vec<u8>> = (1..=4).map(|n| put(n, &format!("key_{n}"), n)).collect();
    FactStore::open(&path).unwrap().apply(&facts).unwrap();
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = facts
        .iter()
        .scan(0, |end, fact| {
            *end += fact.len() + 8;
            Some(*end)
        })
        .collect();
    assert_eq!(ends.last(), Some(&whole.len()));
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let store = FactStore::open(&path).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(store.sequence(), kept, "cut at {cut}");
        assert_eq!(store.keys() as u64, kept);
        // The control process sends again from there.
        store.apply(&facts).unwrap();
        drop(store);
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_log_with_any_byte_changed_gives_nothing_that_was_not_said() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let facts: Vec<Vec<u8>> = (1..=3).map(|n| put(n, &format!("key_{n}"), n)).collect();
    FactStore::open(&path).unwrap().apply(&facts).unwrap();
    let whole = fs::read(&path).unwrap();
    let frame = facts[0].len() + 8;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x41;
        fs::write(&path, &changed).unwrap();
        let store = FactStore::open(&path).unwrap();
        let sound = (at / frame) as u64;
        assert_eq!(
            (store.sequence(), store.keys() as u64),
            (sound, sound),
            "byte {at}"
        );
    }
}

#[test]
fn what_keys_have_in_common_is_kept_once() {
    let store = told(&[
        put_with(1, "key_1", 1, r#","apis":["shop"]"#),
        put_with(2, "key_2", 2, r#","apis":["shop"]"#),
        put(3, "key_3", 3),
    ]);
    let grants = [1, 2, 3].map(|tag| Arc::clone(&store.key(&digest(tag)).unwrap().grant));
    assert!(Arc::ptr_eq(&grants[0], &grants[1]));
    assert_ne!(grants[0], grants[2]);
    // Each is held by its keys, by the list of them, and here.
    assert_eq!(grants.map(|grant| Arc::strong_count(&grant)), [5, 4, 3]);
}

fn rolled(seq: u64, tag: u64, before: u64, until_ms: u64, more: &str) -> Vec<u8> {
    let before = digest(before).to_hex();
    let more = format!(r#","previous":{{"digest":"{before}","until_ms":{until_ms}}}{more}"#);
    put_with(seq, "key_1", tag, &more)
}

#[test]
fn a_key_has_its_secret_and_the_one_before() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    let facts = [put(1, "key_1", 1), rolled(2, 2, 1, 900, "")];
    store.apply(&facts).unwrap();
    let of = |store: &FactStore, tag| {
        let record = store.key(&digest(tag))?;
        Some((record.id.to_string(), record.replaced_ms, record.revoked))
    };
    let key = |until_ms, revoked| Some(("key_1".to_owned(), until_ms, revoked));
    for store in [&store, &FactStore::open(&path).unwrap()] {
        assert_eq!(
            (of(store, 1), of(store, 2)),
            (key(900, false), key(0, false))
        );
        assert_eq!(store.keys(), 1, "it is one key");
    }
    // Its end is brought forward; then there is a third secret, and the first opens nothing.
    store.apply(&[rolled(3, 2, 1, 0, "")]).unwrap();
    assert_eq!(of(&store, 1), key(1, false), "over, and not the newest");
    store.apply(&[rolled(4, 3, 2, 950, "")]).unwrap();
    assert_eq!((of(&store, 1), of(&store, 2)), (None, key(950, false)));
    store.apply(&[revoke(5, "key_1")]).unwrap();
    assert_eq!(
        (of(&store, 2), of(&store, 3)),
        (key(950, true), key(0, true))
    );
    // Nothing is said of the one before any more.
    store.apply(&[put(6, "key_1", 3)]).unwrap();
    assert_eq!((of(&store, 2), of(&store, 3)), (None, key(0, false)));
}

#[test]
fn what_a_key_may_be_used_for_is_read_once() {
    let more =
        r#","environment":"test","methods":["GET"],"networks":["10.0.0.0/8"],"scopes":["a","b:c"]"#;
    let store = told(&[put_with(1, "key_1", 1, more), put(2, "key_2", 2)]);
    let terms = |tag| Arc::clone(&store.key(&digest(tag)).unwrap().grant.terms);
    let (ruled, plain) = (terms(1), terms(2));
    assert_eq!(&*ruled.environment, "test");
    assert_eq!(ruled.methods.as_deref(), Some(&[http::Method::GET][..]));
    let networks = ruled.networks.as_ref().unwrap();
    assert!(networks.contains([10, 1, 2, 3].into()) && !networks.contains([11, 1, 2, 3].into()));
    assert_eq!(ruled.claims.as_ref().unwrap()["scope"], "a b:c");
    assert_eq!(plain, usual_terms());
    for wrong in [
        r#","networks":["10.0.0.1/8"]"#,
        r#","methods":["G T"]"#,
        r#","rate":{"allow":0,"per_ms":1000,"burst":1}"#,
        r#","previous":{"digest":"12","until_ms":1}"#,
    ] {
        assert!(
            store.apply(&[put_with(3, "key_3", 3, wrong)]).is_err(),
            "{wrong}"
        );
    }
    assert_eq!(store.keys(), 2);
}

#[test]
fn a_suspended_key_shuts_out_who_uses_it() {
    let store = told(&[put(1, "key_1", 1)]);
    let who = Identity {
        proved_by: api_key::NAME,
        credential: "key_1".into(),
        owner: "ann".into(),
        app: None,
        claims: None,
    };
    assert!(!store.shuts_out(&who, 1));
    let before = store.shut();
    store
        .apply(&[put_with(2, "key_1", 1, r#","suspended":true"#)])
        .unwrap();
    assert!(store.shuts_out(&who, 1) && store.shut() != before);
    store.apply(&[put(3, "key_1", 1)]).unwrap();
    assert!(!store.shuts_out(&who, 1));
}

#[test]
fn a_use_is_told_once_an_hour_and_of_each_secret() {
    const HOUR: u64 = 3_600_000;
    let store = told(&[put(1, "key_1", 1), put(2, "key_2", 2)]);
    assert!(store.uses(10).is_empty());
    let mark = |tag, at_ms| store.key(&digest(tag)).unwrap().used.mark(at_ms);
    let uses = || {
        let told = store.uses(10).into_iter();
        let mut told: Vec<_> = told
            .map(|used| (used.id.to_string(), used.at_ms, used.previous))
            .collect();
        told.sort();
        told
    };
    let used = |id: &str, at_ms, previous| (id.to_owned(), at_ms, previous);
    mark(1, 7 * HOUR + 5);
    assert_eq!(uses(), [used("key_1", 7 * HOUR, false)]);
    mark(1, 7 * HOUR + 9);
    assert_eq!(uses(), []);
    // It keeps its hour when it changes, and a clock that goes back changes nothing.
    store.apply(&[rolled(3, 3, 1, 900, "")]).unwrap();
    mark(1, 6 * HOUR);
    mark(1, 7 * HOUR);
    assert_eq!(uses(), []);
    mark(1, 8 * HOUR);
    mark(2, 8 * HOUR);
    mark(3, 8 * HOUR);
    assert_eq!(store.uses(0), []);
    let told = [
        used("key_1", 8 * HOUR, false),
        used("key_1", 8 * HOUR, true),
        used("key_2", 8 * HOUR, false),
    ];
    assert_eq!(uses(), told);
    mark(1, 9 * HOUR);
    mark(2, 9 * HOUR);
    assert_eq!(
        store.uses(1).len() + store.uses(1).len(),
        2,
        "the rest comes later"
    );
    assert!(store.uses(1).is_empty());
}

/// What happens to a store: (kind, which key, which digest).
fn steps() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0..8_u8, 0..4_u64, 0..1000_u64), 0..40)
}

type Model = BTreeMap<u64, (u64, bool)>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The store against a map from id to digest, in memory and after a restart.
    #[test]
    fn the_store_says_what_a_plain_map_says(steps in steps()) {
        let dir = Dir::new();
        let path = dir.join("facts.log");
        let store = FactStore::open(&path).unwrap();
        let (mut live, mut staged): (Model, Option<Model>) = Default::default();
        let mut used = Vec::new();
        let mut seq = 0;
        for (kind, key, tag) in steps {
            // The facts of a replacement have its number; any other ends it.
            if staged.is_none() || matches!(kind, 5 | 7) {
                seq += 1;
            }
            if kind == 7 {
                staged = None;
            }
            // A digest belongs to one key for ever, as HMACs of random keys do.
            let tag = key * 1000 + tag;
            let id = format!("key_{key}");
            let map = staged.as_mut().unwrap_or(&mut live);
            let fact = match kind {
                0..=2 | 7 => {
                    used.push(tag);
                    map.insert(key, (tag, false));
                    put(seq, &id, tag)
                }
                3 | 4 => {
                    if let Some(known) = map.get_mut(&key) {
                        known.1 = true;
                    }
                    revoke(seq, &id)
                }
                5 => {
                    staged = Some(Model::new());
                    begin(seq)
                }
                _ => {
                    if let Some(new) = staged.take() {
                        live = new;
                    }
                    end(seq)
                }
            };
            store.apply(&[fact]).unwrap();
        }
        drop(staged);
        let again = FactStore::open(&path).unwrap();
        for store in [&store, &again] {
            prop_assert_eq!(store.keys(), live.len());
            for tag in &used {
                let expected = live.iter().find(|(_, (known, _))| known == tag);
                let expected = expected.map(|(key, (_, revoked))| (format!("key_{key}"), *revoked));
                let record = store.key(&digest(*tag));
                let found = record.map(|record| (record.id.to_string(), record.revoked));
                prop_assert_eq!(found, expected);
            }
        }
    }
}

fn key_set(seq: u64, issuer: &str, source: &str, kid: &str, confirmed_ms: u64) -> Vec<u8> {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    format!(
        r#"{{"seq":{seq},"at_ms":1,"kind":"keyset.put","keyset":{{"issuer":"{issuer}","source":"{source}","confirmed_ms":{confirmed_ms},"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}]}}}}"#
    )
    .into_bytes()
}

fn confirm(seq: u64, issuer: &str, source: &str, confirmed_ms: u64) -> Vec<u8> {
    format!(
        r#"{{"seq":{seq},"at_ms":1,"kind":"keyset.confirm","issuer":"{issuer}","source":"{source}","confirmed_ms":{confirmed_ms}}}"#
    )
    .into_bytes()
}

#[test]
fn key_sets_are_put_confirmed_and_forgotten() {
    let store = FactStore::in_memory();
    assert!(store.issuer("company").keys.is_none());
    store
        .apply(&[key_set(1, "company", "url:a", "k", 7)])
        .unwrap();
    let first = store.issuer("company").keys.unwrap();
    assert_eq!((first.len(), first.confirmed_ms), (1, 7));

    store
        .apply(&[
            confirm(2, "company", "url:b", 8),
            confirm(3, "nobody", "url:a", 8),
        ])
        .unwrap();
    assert_eq!(
        store.issuer("company").keys.unwrap().confirmed_ms,
        7,
        "another source's word"
    );
    store.apply(&[confirm(4, "company", "url:a", 9)]).unwrap();
    let later = store.issuer("company").keys.unwrap();
    assert_eq!(
        (later.confirmed_ms, later.generation),
        (9, first.generation)
    );

    store
        .apply(&[key_set(5, "company", "url:a", "other", 9)])
        .unwrap();
    assert_ne!(
        store.issuer("company").keys.unwrap().generation,
        first.generation
    );
    let forget = br#"{"seq":6,"at_ms":1,"kind":"keyset.forget","issuer":"company"}"#;
    store.apply(&[forget]).unwrap();
    assert_eq!(store.key_sets(), 0);
}

#[test]
fn key_sets_outlive_a_restart_and_are_replaced_whole() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    let facts = [
        key_set(1, "a", "url:a", "k", 7),
        key_set(2, "b", "url:b", "k", 7),
    ];
    store.apply(&facts).unwrap();
    drop(store);
    let store = FactStore::open(&path).unwrap();
    assert_eq!(store.key_sets(), 2);
    let begin = br#"{"seq":9,"at_ms":1,"kind":"reset.begin"}"#.to_vec();
    let end = br#"{"seq":9,"at_ms":1,"kind":"reset.end"}"#.to_vec();
    store
        .apply(&[begin, key_set(9, "b", "url:b", "k", 9)])
        .unwrap();
    assert_eq!(store.key_sets(), 2, "until the end all is as it was");
    store.apply(&[end]).unwrap();
    assert!(store.issuer("a").keys.is_none());
    assert_eq!(store.issuer("b").keys.unwrap().confirmed_ms, 9);
}

fn token_revoke(seq: u64, by: &str, value: &str) -> Vec<u8> {
    let meant = format!(r#""issuer":"https://a","by":"{by}","value":"{value}""#);
    fact(
        seq,
        &format!(r#""kind":"token.revoke",{meant},"before_ms":100000,"until_ms":900000"#),
    )
}

/// Whether a token of `https://a` that says this was revoked.
fn revoked(store: &FactStore, claims: &str) -> bool {
    let claims = serde_json::from_str(claims).unwrap();
    let facts = store.issuer("company");
    facts.revoked.refuses("https://a", &claims, 1).is_some()
}

#[test]
fn revocations_of_tokens_outlive_a_restart_and_are_replaced_whole() {
    let dir = Dir::new();
    let path = dir.join("facts.log");
    let store = FactStore::open(&path).unwrap();
    let (ann, bob) = (r#"{"sub":"ann","iat":99}"#, r#"{"sub":"bob","iat":99}"#);
    let facts = [
        token_revoke(1, "subject", "ann"),
        token_revoke(2, "subject", "bob"),
    ];
    store.apply(&facts).unwrap();
    assert!(!revoked(&store, r#"{"sub":"ann","iat":101}"#));
    let restore = r#""kind":"token.restore","issuer":"https://a","by":"subject","value":"bob""#;
    store.apply(&[fact(3, restore)]).unwrap();
    drop(store);
    let store = FactStore::open(&path).unwrap();
    assert!(revoked(&store, ann) && !revoked(&store, bob));
    assert_eq!(store.revocations(), 1);
    store
        .apply(&[begin(9), token_revoke(9, "subject", "bob")])
        .unwrap();
    assert!(
        revoked(&store, ann) && !revoked(&store, bob),
        "until the end all is as it was"
    );
    store.apply(&[end(9)]).unwrap();
    assert!(!revoked(&store, ann) && revoked(&store, bob));
    for wrong in [
        r#""kind":"token.revoke","issuer":"https://a","by":"colour","value":"red""#,
        r#""kind":"token.revoke","by":"subject","value":"ann""#,
    ] {
        assert!(store.apply(&[fact(10, wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn a_key_set_that_is_none_is_refused() {
    let store = FactStore::in_memory();
    let fact = String::from_utf8(key_set(1, "a", "s", "k", 7)).unwrap();
    let broken = fact.replace(r#"[{"kty""#, r#"[7,{"kty""#);
    assert!(store.apply(&[broken.as_bytes()]).is_err());
    assert_eq!(store.sequence(), 0);
}
