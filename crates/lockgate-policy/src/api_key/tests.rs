#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashSet;

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::limits::Quota;
use crate::Grant;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

const KEY: &str = "lg_live_D2kZvfLZVaKrVKsJeMWNdFjcsYpCQixp2vb49Y";

fn view(headers: &HeaderMap) -> RequestView<'_> {
    RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    }
}

fn denied(verdict: Verdict) -> Denial {
    match verdict {
        Verdict::Deny(denial) => denial,
        other => panic!("{other:?}"),
    }
}

fn policy() -> ApiKey {
    let config = Config {
        header: "X-API-Key".to_owned(),
        environments: Vec::new(),
        imported: false,
    };
    ApiKey::new(&config, pepper(b"some pepper")).unwrap()
}

fn key_header(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::try_from(text).unwrap());
    headers
}

#[test]
fn a_key_and_its_digest_stay_what_they_are() {
    // Made by an earlier version: a change of the form would lock every holder out.
    let pepper = pepper(b"a pepper of vectors, 32 bytes !!");
    for (key, expected) in [
        (
            KEY,
            "4e1b2eafbc8e44e84966cfd46a09def5a9eee74317019135e5057f8d39c9a9b1",
        ),
        (
            "lg_test_d2X5zoApzV4QlrJ6zEb6xmW3oYEyUsEU3y2JWF",
            "b08ad85caa96ba372bb9b69346eaf2714c6ef01402251d52fea68b981ffd281b",
        ),
        (
            "lg_abcdefghijklmnop_1FAKq2rroV0RNpslBJomkpS8hWDkgoSZ1SpHtS",
            "38bd713de22d47b9edf764b69888af1a6414475d007aa95c949b9ff8b1ef0d2e",
        ),
        (
            "lg_x_G9awJcS5nVoo2b4UD4Lvs6sgpwkoN6sU2lLq9H",
            "d2e2ee74b79ea7a1def49dca796ced8990750627f103df5d94e81f0d65316573",
        ),
    ] {
        let checked = checked(key.as_bytes()).expect("a well-formed key");
        assert_eq!(digest(&pepper, checked).to_hex(), expected, "{key}");
    }
}

#[test]
fn a_header_that_can_carry_no_key_is_refused() {
    for (header, code) in [
        ("X API Key", "not-a-header"),
        ("", "not-a-header"),
        ("X-Key:", "not-a-header"),
        ("Host", "header-reserved"),
        ("content-length", "header-reserved"),
        ("Transfer-Encoding", "header-reserved"),
        ("Proxy-Authorization", "header-reserved"),
        ("X_Request_Id", "header-reserved"),
        ("X-User-Key", "header-reserved"),
    ] {
        let config = Config {
            header: header.to_owned(),
            environments: Vec::new(),
            imported: false,
        };
        let error = ApiKey::new(&config, pepper(b"")).expect_err(header);
        let told = (error.code, error.pointer.as_str());
        assert_eq!(told, (code, "/header"), "{header}");
        let name = header.to_ascii_lowercase();
        assert!(
            error.message.to_ascii_lowercase().contains(&name),
            "{error}"
        );
    }
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
    assert_eq!(REASONS.len(), 14);
}

#[test]
fn stale_facts_say_so() {
    let key = mint("live").unwrap();
    let verdict = policy()
        .decide(&view(&key_header(&key)), CLIENT, &Answers::Stale, 0)
        .unwrap();
    let denial = denied(verdict);
    assert_eq!(
        (denial.reason.code, denial.reason.status),
        ("facts-stale", 503)
    );
}

#[test]
fn a_record_that_only_looks_alike_is_not_the_keys() {
    // The look-up goes by a part of the digest: the answer may be somebody else's record.
    let policy = policy();
    let key = mint("live").unwrap();
    let asked = digest(&pepper(b"some pepper"), key.as_bytes());
    let mut other = asked;
    other.0[31] ^= 1;
    let grant = Grant {
        owner: "tests".into(),
        terms: Arc::default(),
    };
    let record = KeyRecord::new(other, "key_other", Arc::new(grant));
    let answers = Answers::Key(asked, Some(Arc::new(record)));
    let verdict = policy
        .decide(&view(&key_header(&key)), CLIENT, &answers, 0)
        .unwrap();
    assert_eq!(denied(verdict).reason, &UNKNOWN);
}

#[test]
fn a_key_with_a_limit_of_its_own_takes_from_one_counter() {
    let (policy, key) = (policy(), mint("live").unwrap());
    let asked = digest(&pepper(b"some pepper"), key.as_bytes());
    let rate = Quota::new(1, 1_000_000_000, 1);
    let grant = |api: Option<&str>| Grant {
        owner: "tests".into(),
        terms: Arc::new(Terms {
            apis: api.map(|api| [api.into()].into()),
            rate,
            ..Terms::default()
        }),
    };
    let headers = key_header(&key);
    let said = |id: &str, api| {
        let record = Arc::new(KeyRecord::new(asked, id, Arc::new(grant(api))));
        let answers = Answers::Key(asked, Some(record));
        policy.decide(&view(&headers), CLIENT, &answers, 0).unwrap()
    };
    let spend = |id| match said(id, None) {
        Verdict::Need(Need::Spend(spend)) => spend,
        other => panic!("{other:?}"),
    };
    let (one, other) = (spend("key_one"), spend("key_other"));
    assert_ne!(one.take.charges[0].key, other.take.charges[0].key);
    assert_eq!(one.take, spend("key_one").take);
    // What it does not open costs it nothing.
    assert_eq!(denied(said("key_one", Some("other"))).reason, &NOT_FOR_API);
    let after = |refused| {
        let mut spend = one.clone();
        spend.take.refused = refused;
        let answers = Answers::Spent(spend);
        policy.decide(&view(&headers), CLIENT, &answers, 0).unwrap()
    };
    assert!(matches!(after(None), Verdict::Identify(who) if &*who.credential == "key_one"));
    let refused = denied(after(Some((0, 1_500_000_000))));
    assert_eq!((refused.reason, refused.status()), (&RATE_LIMITED, 429));
    assert_eq!(&*refused.known.unwrap().credential, "key_one");
    let (name, wait) = &refused.headers[0];
    assert_eq!(name, http::header::RETRY_AFTER);
    assert!(wait.to_str().unwrap().parse::<u64>().unwrap() >= 2);
}

#[test]
fn a_refusal_tells_what_to_send() {
    let none = denied(
        policy()
            .decide(&view(&HeaderMap::new()), CLIENT, &Answers::None, 0)
            .unwrap(),
    );
    let challenge = HeaderValue::from_static("ApiKey header=\"x-api-key\"");
    assert_eq!(none.headers, [(WWW_AUTHENTICATE, challenge.clone())]);
    assert!(
        none.absent,
        "another way to authenticate may have been meant"
    );
    let wrong = denied(
        policy()
            .decide(&view(&key_header("nonsense")), CLIENT, &Answers::None, 0)
            .unwrap(),
    );
    assert_eq!(wrong.headers, [(WWW_AUTHENTICATE, challenge)]);
    assert!(!wrong.absent);
    assert_eq!(wrong.detail, None, "nothing of what was sent is repeated");
}

#[test]
fn a_malformed_key_is_never_looked_up() {
    let mut text = KEY.to_owned();
    text.pop();
    let verdict = policy()
        .decide(&view(&key_header(&text)), CLIENT, &Answers::None, 0)
        .unwrap();
    assert_eq!(denied(verdict).reason, &MALFORMED);
    let verdict = policy()
        .decide(&view(&key_header(KEY)), CLIENT, &Answers::None, 0)
        .unwrap();
    assert!(
        matches!(verdict, Verdict::Need(Need::Key(_))),
        "and a well-formed one is"
    );
}

#[test]
fn two_headers_are_refused_whatever_they_say() {
    let mut twice = key_header(KEY);
    twice.append("x-api-key", HeaderValue::from_static(KEY));
    let verdict = policy()
        .decide(&view(&twice), CLIENT, &Answers::None, 0)
        .unwrap();
    assert_eq!(denied(verdict).reason, &REPEATED);
}

#[test]
fn the_key_is_taken_off() {
    let header = HeaderName::from_static("x-api-key");
    assert_eq!(policy().edits(), Edit::Remove(header));
}

#[test]
fn nothing_shows_the_pepper_or_a_digest() {
    let shown = format!(
        "{:?} {:?}",
        policy(),
        digest(&pepper(b"some pepper"), b"key")
    );
    assert!(shown.contains("x-api-key"));
    assert!(!shown.contains("some pepper"));
    assert!(shown.contains("Digest(..)"));
}

#[test]
fn another_pepper_knows_no_key() {
    let key = mint("live").unwrap();
    assert_ne!(
        digest(&pepper(b"one"), key.as_bytes()),
        digest(&pepper(b"two"), key.as_bytes())
    );
}

#[test]
fn minted_keys_are_well_formed_and_never_the_same() {
    let mut seen = HashSet::new();
    for environment in ["live", "test", "x", "abcdefghijklmnop"] {
        for _ in 0..50 {
            let key = mint(environment).unwrap();
            assert!(key.starts_with(&format!("lg_{environment}_")));
            assert!(KEY_BYTES.contains(&key.len()));
            assert_eq!(checked(key.as_bytes()), Ok(key.as_bytes()));
            assert!(seen.insert(key));
        }
    }
}

#[test]
fn an_environment_is_one_to_sixteen_small_letters() {
    for wrong in ["", "Live", "li-ve", "l1ve", "ä", "abcdefghijklmnopq"] {
        assert!(mint(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_character_of_a_key_can_be_any_of_the_alphabet() {
    // 62 letters, 200 keys of 32: each letter is expected a hundred times.
    let mut counts = [0_u32; 128];
    for _ in 0..200 {
        for byte in mint("live").unwrap().as_bytes()[8..40].iter() {
            counts[usize::from(*byte)] += 1;
        }
    }
    let used: Vec<u32> = counts.into_iter().filter(|count| *count > 0).collect();
    assert_eq!(used.len(), 62);
    assert!(
        used.iter().all(|count| (30..250).contains(count)),
        "{used:?}"
    );
}

proptest! {
    #[test]
    fn one_changed_character_is_always_noticed(at in 0_usize..46, to in 0_u8..128) {
        // CRC-32 finds every error of up to 32 bits in a row.
        let mut key = mint("live").unwrap().into_bytes();
        prop_assume!(key[at] != to);
        key[at] = to;
        prop_assert_eq!(checked(&key), Err(Malformed));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
        prop_assert_eq!(checked(&bytes), Err(Malformed));
    }

    #[test]
    fn what_looks_like_a_key_is_none_by_chance(text in "lg_[a-z]{1,16}_[0-9A-Za-z]{38}") {
        // One text in 4,294,967,296 has the right checksum.
        prop_assert_eq!(checked(text.as_bytes()), Err(Malformed));
    }

    #[test]
    fn a_digest_reads_as_it_was_written(bytes in any::<[u8; 32]>()) {
        prop_assert_eq!(Digest::from_hex(&Digest(bytes).to_hex()), Some(Digest(bytes)));
    }

    #[test]
    fn what_is_no_digest_is_none(text in "[0-9a-fg]{0,70}") {
        let right = text.len() == 64 && !text.contains('g');
        prop_assert_eq!(Digest::from_hex(&text).is_some(), right);
    }
}
