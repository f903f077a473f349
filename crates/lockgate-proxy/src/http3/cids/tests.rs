//! Connection IDs and where packets go.

use std::sync::Arc;

use quinn::ConnectionIdGenerator;

use super::{destination, Generator, Keys, Owner, LENGTH};

const OWNER: Owner = Owner {
    process: 0xdead_beef,
    endpoint: 513,
};

fn keys(secret: u8) -> Arc<Keys> {
    Arc::new(Keys::new(&[secret; 16]).unwrap())
}

#[test]
fn an_id_tells_its_owner_to_who_has_the_key() {
    let mut generator = Generator::new(keys(1), OWNER);
    let (one, two) = (generator.generate_cid(), generator.generate_cid());
    assert_ne!(one, two);
    assert_eq!(keys(1).owner(&one), Some(OWNER));
    assert_eq!(keys(1).owner(&two), Some(OWNER));
    assert_eq!(keys(2).owner(&one), None);
    assert!(generator.validate(&one).is_ok());
    assert!(Generator::new(keys(2), OWNER).validate(&one).is_err());
}

#[test]
fn two_ids_of_one_endpoint_have_nothing_in_common() {
    let mut generator = Generator::new(keys(1), OWNER);
    let ids: Vec<_> = (0..64).map(|_| generator.generate_cid()).collect();
    for place in 0..LENGTH {
        assert!(ids.iter().any(|id| id[place] != ids[0][place]));
    }
}

#[test]
fn others_are_nobodys() {
    for id in [&[][..], &[0; 8], &[0; 15], &[0; 17], &[0; 20]] {
        assert_eq!(keys(1).owner(id), None);
    }
}

#[test]
fn a_packets_destination_is_found_in_both_kinds_of_header() {
    let id = [9; LENGTH];
    let short = [&[0x40][..], &id, b"rest"].concat();
    assert_eq!(destination(&short), Some(&id[..]));
    let long = |length: u8, rest: &[u8]| [&[0xc0, 0, 0, 0, 1, length][..], rest].concat();
    assert_eq!(
        destination(&long(16, &[&id[..], b"rest"].concat())),
        Some(&id[..])
    );
    assert_eq!(destination(&long(8, &[&id[..], b"rest"].concat())), None);
    assert_eq!(destination(&long(16, &id[..15])), None);
    for length in 0..LENGTH {
        assert_eq!(destination(&short[..length]), None);
    }
}
