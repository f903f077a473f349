use super::{Clean, LONG};

fn keep(clean: &mut Clean, kind: u32, value: &[u8]) -> bool {
    match clean.knows(kind, value) {
        Err(Some(place)) => {
            clean.keep(place, kind, value);
            true
        }
        _ => false,
    }
}

#[test]
fn what_was_kept_is_known_and_nothing_else() {
    let mut clean = Clean::default();
    clean.clear();
    for value in [&b""[..], b"a", &[b'x'; 40], &[b'x'; 41], &[b'y'; LONG.1]] {
        assert!(keep(&mut clean, 1, value), "{}", value.len());
        assert!(clean.knows(1, value).is_ok());
        assert!(clean.knows(2, value).is_err());
        let mut other = value.to_vec();
        other.push(b'x');
        assert!(clean.knows(1, &other).is_err());
    }
    assert!(matches!(clean.knows(1, &[b'z'; LONG.1 + 1]), Err(None)));
    clean.clear();
    assert!(clean.knows(1, b"a").is_err());
}

#[test]
fn values_that_share_a_place_are_told_apart() {
    let mut clean = Clean::default();
    clean.clear();
    let values: Vec<Vec<u8>> = (0..40_000_u32)
        .map(|number| number.to_string().into())
        .collect();
    let mut grown = 0;
    for value in &values {
        assert!(keep(&mut clean, 7, value));
        grown += usize::from(clean.knows(7, value).is_err());
    }
    // 64 slots become 16,384 by four times as many at a time.
    assert_eq!(grown, 4);
    let left = values.iter().filter(|value| clean.knows(7, value).is_ok());
    assert!((8_000..=16_384).contains(&left.count()));
}
