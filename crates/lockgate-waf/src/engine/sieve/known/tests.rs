use super::{Hits, Known, HITS, LONG};

fn keep(known: &mut Known, kind: u32, value: &[u8]) -> bool {
    match known.find(kind, value) {
        Err(Some(place)) => {
            known.keep(place, kind, value, Hits::default());
            true
        }
        _ => false,
    }
}

#[test]
fn what_was_kept_is_known_and_nothing_else() {
    let mut known = Known::default();
    known.clear();
    for value in [&b""[..], b"a", &[b'x'; 40], &[b'x'; 41], &[b'y'; LONG.1]] {
        assert!(keep(&mut known, 1, value), "{}", value.len());
        assert!(known.find(1, value).is_ok());
        assert!(known.find(2, value).is_err());
        let mut other = value.to_vec();
        other.push(b'x');
        assert!(known.find(1, &other).is_err());
    }
    assert!(matches!(known.find(1, &[b'z'; LONG.1 + 1]), Err(None)));
    known.clear();
    assert!(known.find(1, b"a").is_err());
}

#[test]
fn what_matches_is_kept_with_a_value() {
    let mut known = Known::default();
    known.clear();
    let most: Vec<usize> = (0..HITS).map(|number| number * 300).collect();
    for (kind, patterns) in [(1, vec![]), (2, vec![7]), (3, most)] {
        let Err(Some(place)) = known.find(kind, b"GET") else {
            panic!("{kind}: it was not kept yet, and has a place");
        };
        let hits = Hits::of(patterns.iter().copied()).expect("so many are kept");
        known.keep(place, kind, b"GET", hits);
        let found = known.find(kind, b"GET").map(|hits| hits.iter().collect());
        assert_eq!(found.ok(), Some(patterns), "{kind}");
    }
    assert!(Hits::of(0..=HITS).is_none());
    assert!(Hits::of(std::iter::once(1 << 16)).is_none());
}

#[test]
fn values_that_share_a_place_are_told_apart() {
    let mut known = Known::default();
    known.clear();
    let values: Vec<Vec<u8>> = (0..40_000_u32)
        .map(|number| number.to_string().into())
        .collect();
    let mut grown = 0;
    for value in &values {
        assert!(keep(&mut known, 7, value));
        grown += usize::from(known.find(7, value).is_err());
    }
    // 64 slots become 16,384 by four times as many at a time.
    assert_eq!(grown, 4);
    let left = values.iter().filter(|value| known.find(7, value).is_ok());
    assert!((8_000..=16_384).contains(&left.count()));
}

#[test]
fn two_that_share_a_place_are_both_kept() {
    let mut known = Known::default();
    known.clear();
    let pair = |known: &Known, value: &[u8]| match known.find(7, value) {
        Err(Some(place)) => Some(place.0 / 2),
        _ => None,
    };
    let first = pair(&known, b"first");
    assert!(keep(&mut known, 7, b"first"));
    let mut others = (0..10_000_u32).map(|number| number.to_string().into_bytes());
    let other = others.find(|other| pair(&known, other) == first);
    let other = other.expect("one in 32 does");
    assert!(keep(&mut known, 7, &other));
    assert!(known.find(7, b"first").is_ok() && known.find(7, &other).is_ok());
}
