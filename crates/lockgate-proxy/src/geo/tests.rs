#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::cell::RefCell;
use std::net::IpAddr;

use super::*;
use crate::tls::Kept as TlsKept;

// Not every test has values of every kind.
#[allow(dead_code)]
#[path = "../../../lockgate-policy/src/geo/sample.rs"]
mod sample;

use sample::{country, database, network};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn wanted() -> bundle::Geo {
    bundle::Geo {
        countries: Some("/countries.mmdb".to_owned()),
        networks: None,
    }
}

/// Reads as a gate does, from what lies there; and what it complains of.
fn take(
    kept: &TlsKept,
    strict: bool,
    there: Option<Vec<u8>>,
    wanted: Option<&bundle::Geo>,
) -> (Result<Geo, Vec<ConfigError>>, Vec<String>) {
    let unfit = RefCell::new(Vec::new());
    let source = Source {
        kept,
        file: &|_, most| {
            assert_eq!(most, MAX_BYTES);
            there.clone().ok_or(io::ErrorKind::NotFound.into())
        },
        managed: &|_| None,
        strict,
        first: true,
        unfit: &|words| unfit.borrow_mut().push(words),
    };
    let made = read(wanted, &source);
    (made, unfit.into_inner())
}

fn code(geo: &Geo) -> Option<String> {
    geo.place(&CLIENT)
        .country
        .map(|country| country.to_string())
}

fn database_of(geo: &Geo) -> &Arc<Database> {
    match &geo.countries {
        Named::Read(database) => database,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_holds_what_it_held_is_the_same_database() {
    let kept = TlsKept::default();
    let germany = database("Sample", &[("192.0.2.0/24", country("DE"))]);
    let france = database("Sample", &[("192.0.2.0/24", country("FR"))]);
    let wanted = wanted();
    let made = |bytes: &Vec<u8>| {
        take(&kept, true, Some(bytes.clone()), Some(&wanted))
            .0
            .unwrap()
    };
    let first = made(&germany);
    assert_eq!(code(&first).as_deref(), Some("DE"));
    let again = made(&germany);
    assert!(Arc::ptr_eq(database_of(&first), database_of(&again)));
    let next = made(&france);
    assert_eq!(code(&next).as_deref(), Some("FR"));
    // Whoever began with the one before ends with it.
    assert_eq!(code(&first).as_deref(), Some("DE"));
}

#[test]
fn a_spoiled_file_does_not_take_away_what_was_good() {
    let kept = TlsKept::default();
    let wanted = wanted();
    let good = database("Sample", &[("192.0.2.0/24", country("DE"))]);
    take(&kept, true, Some(good), Some(&wanted)).0.unwrap();
    let networks = database("Sample-ASN", &[("192.0.2.0/24", network(64500))]);
    for there in [None, Some(b"cut".to_vec()), Some(networks)] {
        let (made, unfit) = take(&kept, true, there, Some(&wanted));
        assert_eq!(code(&made.unwrap()).as_deref(), Some("DE"));
        assert!(unfit[0].contains("the last good one is asked"), "{unfit:?}");
    }
}

#[test]
fn what_never_could_be_read_is_refused_or_lets_nobody_in() {
    let wanted = wanted();
    let (made, _) = take(&TlsKept::default(), true, None, Some(&wanted));
    let errors = made.expect_err("there is none");
    assert_eq!(
        (errors[0].code, &*errors[0].pointer),
        ("geo-unfit", "/geo/countries")
    );
    assert!(errors[0].message.contains("/countries.mmdb"));
    let (made, unfit) = take(&TlsKept::default(), false, None, Some(&wanted));
    assert!(made.unwrap().place(&CLIENT).countries_unread);
    assert!(unfit[0].contains("nobody is let in by it"), "{unfit:?}");
}

#[test]
fn what_is_not_named_any_more_is_not_kept() {
    let kept = TlsKept::default();
    let wanted = wanted();
    let good = database("Sample", &[("192.0.2.0/24", country("DE"))]);
    take(&kept, true, Some(good), Some(&wanted)).0.unwrap();
    let (made, _) = take(&kept, true, None, None);
    assert!(!made.unwrap().is_said());
    assert!(kept.geo.0.lock().unwrap().is_empty());
}

#[test]
fn without_a_gate_what_cannot_be_read_is_unread() {
    let good = database("Sample", &[("192.0.2.0/24", country("DE"))]);
    let wanted = wanted();
    let read: ReadFile<'_> = &|_, _| Ok(good.clone());
    let lacks: ReadFile<'_> = &|_, _| Err(io::ErrorKind::NotFound.into());
    assert_eq!(
        code(&offline(Some(&wanted), Some(read))).as_deref(),
        Some("DE")
    );
    for file in [None, Some(lacks)] {
        assert!(offline(Some(&wanted), file).place(&CLIENT).countries_unread);
    }
    assert!(!offline(None, Some(read)).is_said());
}
