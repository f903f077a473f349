#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::sample::{country, database, network, Datum};
use super::*;

fn read(bytes: Vec<u8>, kind: Kind) -> Named {
    Named::Read(Arc::new(Database::read(bytes, kind).unwrap()))
}

fn geo() -> Geo {
    let flat = Datum::Map(vec![
        ("country_code", Datum::Text("fr")),
        ("latitude", Datum::Real(48.85)),
        ("longitude", Datum::Real(2.35)),
    ]);
    let registered = Datum::Map(vec![(
        "registered_country",
        Datum::Map(vec![("iso_code", Datum::Text("JP"))]),
    )]);
    let city = Datum::Map(vec![
        ("continent", Datum::Map(vec![("code", Datum::Text("EU"))])),
        ("country", Datum::Map(vec![("iso_code", Datum::Text("DE"))])),
        (
            "registered_country",
            Datum::Map(vec![("iso_code", Datum::Text("US"))]),
        ),
        (
            "location",
            Datum::Map(vec![
                ("latitude", Datum::Real(52.5)),
                ("longitude", Datum::Real(13.4)),
            ]),
        ),
    ]);
    let text = Datum::Map(vec![
        ("country", Datum::Text("United States")),
        ("country_code", Datum::Text("US")),
        ("asn", Datum::Text("AS64501")),
        ("as_name", Datum::Text("Sample")),
    ]);
    let countries = [
        ("192.0.2.0/24", city),
        ("198.51.100.0/24", flat),
        ("203.0.113.0/25", registered),
        ("203.0.113.128/25", text.clone()),
        ("2001:db8::/32", country("NO")),
    ];
    let networks = [("192.0.2.0/24", network(64500)), ("203.0.113.128/25", text)];
    Geo {
        countries: read(database("Sample-City", &countries), Kind::Countries),
        networks: read(database("Sample-ASN", &networks), Kind::Networks),
    }
}

#[test]
fn each_makers_way_of_saying_it_is_read() {
    let geo = geo();
    let place = |address: &str| geo.place(&address.parse().unwrap());
    let code = |address: &str| place(address).country.map(|country| country.to_string());
    for (address, expected) in [
        ("192.0.2.1", Some("DE")),
        ("::ffff:192.0.2.1", Some("DE")),
        ("198.51.100.9", Some("FR")),
        ("203.0.113.1", Some("JP")),
        ("203.0.113.200", Some("US")),
        ("2001:db8:1::1", Some("NO")),
        ("2001:db9::1", None),
        // Who comes by a translator, or over 6to4, is where that is.
        ("64:ff9b::c000:201", Some("DE")),
        ("2002:c000:201::1", Some("DE")),
        ("64:ff9b:1::c000:201", None),
        ("127.0.0.1", None),
        ("10.0.0.1", None),
        ("0.0.0.0", None),
    ] {
        assert_eq!(code(address).as_deref(), expected, "{address}");
    }
    assert_eq!(place("192.0.2.1").location, Some((52.5, 13.4)));
    assert_eq!(place("198.51.100.9").location, Some((48.85, 2.35)));
    assert_eq!(place("203.0.113.1").location, None);
    let owned = place("192.0.2.1");
    assert_eq!(
        (owned.network, owned.organization.as_deref()),
        (Some(64500), Some("Example"))
    );
    let owned = place("203.0.113.200");
    assert_eq!(
        (owned.network, owned.organization.as_deref()),
        (Some(64501), Some("Sample"))
    );
    assert_eq!(place("198.51.100.9").network, None);
}

#[test]
fn what_is_not_named_tells_nothing_and_what_cannot_be_read_says_so() {
    let address = IpAddr::from([192, 0, 2, 1]);
    assert_eq!(Geo::default().place(&address), Place::default());
    let unread = Geo {
        countries: Named::Unread,
        ..geo()
    };
    let place = unread.place(&address);
    assert_eq!((place.country, place.countries_unread), (None, true));
    assert_eq!((place.network, place.networks_unread), (Some(64500), false));
}

#[test]
fn a_file_of_another_kind_is_refused_with_what_to_name_instead() {
    let networks = database("Sample-ASN", &[("192.0.2.0/24", network(64500))]);
    let told = Database::read(networks, Kind::Countries).unwrap_err();
    assert!(
        told.contains("`Sample-ASN`, and tells no countries; name"),
        "{told}"
    );
    let countries = database("Sample-Country", &[("192.0.2.0/24", country("DE"))]);
    let told = Database::read(countries.clone(), Kind::Networks).unwrap_err();
    assert!(told.contains("tells no networks"), "{told}");
    for bytes in [
        Vec::new(),
        b"countries".to_vec(),
        countries[..countries.len() / 2].to_vec(),
    ] {
        let told = Database::read(bytes, Kind::Countries).unwrap_err();
        assert!(told.contains("download it again"), "{told}");
    }
}

#[test]
fn a_tree_that_goes_in_circles_is_refused() {
    let mut bytes = database("Sample", &[("192.0.2.0/24", country("DE"))]);
    // The first node leads to itself, both ways.
    bytes[..6].fill(0);
    let told = Database::read(bytes, Kind::Countries).unwrap_err();
    assert!(told.contains("damaged"), "{told}");
}

#[test]
fn codes_are_two_letters() {
    for (text, expected) in [
        ("de", Some("DE")),
        ("DE", Some("DE")),
        ("D", None),
        ("DEU", None),
        ("", None),
        ("D1", None),
        ("ß", None),
    ] {
        assert_eq!(
            Country::read(text).map(|code| code.to_string()).as_deref(),
            expected
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// A damaged database is refused, or tells something; it neither ends the process nor runs for ever.
    #[test]
    fn a_damaged_database_never_panics(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        address in any::<u32>(),
    ) {
        let mut bytes = database(
            "Sample-City",
            &[("192.0.2.0/24", country("DE")), ("198.51.100.0/24", network(64500)), ("2001:db8::/32", country("NO"))],
        );
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for kind in [Kind::Countries, Kind::Networks] {
            if let Ok(database) = Database::read(bytes.clone(), kind) {
                let geo = Geo { countries: Named::Read(Arc::new(database)), networks: Named::No };
                for address in [Ipv4Addr::from(address), Ipv4Addr::new(192, 0, 2, 1)] {
                    for address in [address.into(), address.to_ipv6_compatible().into()] {
                        let place = geo.place(&address);
                        prop_assert!(place.code().is_none_or(|code| code.len() == 2));
                        prop_assert!(!place.networks_unread);
                    }
                }
            }
        }
    }
}

#[test]
fn a_database_of_one_kind_of_addresses_is_refused() {
    let mut bytes = database("Test", &[("192.0.2.0/24", country("DE"))]);
    // In the metadata, the last one there is: a number of two bytes.
    let key = b"ip_version";
    let at = bytes
        .windows(key.len())
        .rposition(|part| part == key)
        .unwrap()
        + key.len();
    let value = bytes[at..].iter().position(|byte| *byte == 6).unwrap() + at;
    bytes[value] = 4;
    let error = Database::read(bytes, Kind::Countries).unwrap_err();
    assert!(error.contains("IPv4 alone"), "{error}");
}
