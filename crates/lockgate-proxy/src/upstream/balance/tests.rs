use http::header::COOKIE;
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

#[test]
fn turns_follow_weights_and_are_spread() {
    assert_eq!(turns(&[1, 1, 1]), [0, 1, 2]);
    assert_eq!(turns(&[10, 10]), [0, 1]);
    assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(turns(&[0, 3]), [1]);
    assert!(turns(&[0, 0]).is_empty() && turns(&[]).is_empty());
}

proptest! {
    #[test]
    fn every_server_has_its_share(weights in proptest::collection::vec(0_u16..=100, 1..12)) {
        let turns = turns(&weights);
        let total: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
        for (index, weight) in weights.iter().enumerate() {
            let share = turns.iter().filter(|turn| usize::from(**turn) == index).count();
            prop_assert_eq!(share * total, usize::from(*weight) * turns.len());
        }
    }
}

fn owner(key: u64, servers: &[(u64, u16)]) -> u64 {
    servers
        .iter()
        .max_by(|a, b| want(key, a.0, a.1).total_cmp(&want(key, b.0, b.1)))
        .expect("there are servers")
        .0
}

fn servers(count: u64) -> Vec<(u64, u16)> {
    (0..count)
        .map(|number| (stable_hash(&number.to_le_bytes()), 1))
        .collect()
}

#[test]
fn a_server_that_goes_moves_its_own_keys_alone() {
    let all = servers(10);
    let fewer = &all[1..];
    let mut moved = 0;
    for number in 0..20_000_u64 {
        let key = mixed(number);
        let before = owner(key, &all);
        if before == all[0].0 {
            moved += 1;
        } else {
            assert_eq!(owner(key, fewer), before, "its server is still there");
        }
    }
    assert!(
        (1_700..=2_300).contains(&moved),
        "a tenth of the keys moved: {moved}"
    );
}

#[test]
fn weights_are_shares_of_keys() {
    let mut weighted = servers(3);
    weighted[0].1 = 2;
    let kept = (0..40_000_u64)
        .filter(|number| owner(mixed(*number), &weighted) == weighted[0].0)
        .count();
    assert!(
        (19_000..=21_000).contains(&kept),
        "half of the keys: {kept}"
    );
    assert!(
        want(7, 8, 0) == 0.0 || want(7, 8, 0) == -0.0,
        "no weight wants nothing"
    );
}

#[test]
fn hashes_are_the_same_in_every_version() {
    // Other values would send every client elsewhere after an upgrade.
    assert_eq!(stable_hash(b""), 0xc381_7c01_6ba4_ff30);
    assert_eq!(stable_hash(b"tenant-7"), stable_hash(b"tenant-7"));
    assert_ne!(stable_hash(b"tenant-7"), stable_hash(b"tenant-8"));
}

#[test]
fn keys_come_from_what_they_name() {
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", HeaderValue::from_static("a"));
    headers.append(
        COOKIE,
        HeaderValue::from_static("xid=0; id=first ;id=second"),
    );
    let client: IpAddr = [127, 0, 0, 1].into();
    let key = |kind, name: &str| {
        let key = HashKey {
            kind,
            name: name.to_owned(),
        };
        key_of(&key, &headers, "/path", client)
    };
    assert_eq!(key(HashKind::Header, "x-tenant"), Some(stable_hash(b"a")));
    assert_eq!(key(HashKind::Header, "x-other"), None);
    assert_eq!(key(HashKind::Cookie, "id"), Some(stable_hash(b"first")));
    assert_eq!(key(HashKind::Cookie, "i"), None);
    assert_eq!(key(HashKind::Path, ""), Some(stable_hash(b"/path")));
    assert_eq!(
        key(HashKind::Client, ""),
        Some(stable_hash(&[127, 0, 0, 1]))
    );
}
