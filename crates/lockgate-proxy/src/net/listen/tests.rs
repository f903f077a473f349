#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use super::*;

/// How many of these addresses are admitted, where each may have `each`.
fn admitted(addresses: &[&str], most: u32, each: Option<u32>) -> usize {
    let admission = Arc::new(Admission::default());
    let permits: Vec<_> = addresses
        .iter()
        .filter_map(|address| {
            let each = each.map(|open| Each {
                open,
                per_second: 0,
            });
            admission
                .admit(address.parse().unwrap(), most, each, 0)
                .ok()
        })
        .collect();
    assert_eq!(admission.count() as usize, permits.len());
    permits.len()
}

#[test]
fn each_address_has_its_share_and_all_together_theirs() {
    assert_eq!(admitted(&["10.0.0.1"; 5], 100, Some(2)), 2);
    assert_eq!(
        admitted(&["10.0.0.1", "10.0.0.2", "10.0.0.1"], 100, Some(1)),
        2
    );
    assert_eq!(admitted(&["10.0.0.1"; 5], 3, Some(100)), 3);
}

#[test]
fn a_trusted_proxy_is_bounded_by_what_all_may_have() {
    assert_eq!(admitted(&["10.0.0.1"; 5], 4, None), 4);
}

#[test]
fn a_network_of_64_bits_counts_as_one_client() {
    assert_eq!(admitted(&["2001:db8::1", "2001:db8::2"], 9, Some(1)), 1);
    assert_eq!(admitted(&["2001:db8::1", "2001:db8:0:1::1"], 9, Some(1)), 2);
}

#[test]
fn what_is_given_back_can_be_had_again() {
    let admission = Arc::new(Admission::default());
    let address = "2001:db8::1".parse().unwrap();
    let each = Some(Each {
        open: 1,
        per_second: 0,
    });
    for _ in 0..3 {
        let permit = admission.admit(address, 1, each, 0).expect("there is room");
        assert_eq!(
            admission.admit(address, 2, each, 0).unwrap_err(),
            Full::Address
        );
        assert_eq!(
            admission.admit(address, 1, each, 0).unwrap_err(),
            Full::Listener
        );
        drop(permit);
    }
    assert!(admission.shard(holder(address)).held.is_empty());
    assert_eq!(admission.count(), 0);
}

#[test]
fn new_connections_of_an_address_have_a_rate() {
    let admission = Arc::new(Admission::default());
    let each = Some(Each {
        open: 1_000,
        per_second: 10,
    });
    let made = |address: &str, now_ms| {
        let address = address.parse().unwrap();
        let admit = || admission.admit(address, u32::MAX, each, now_ms);
        std::iter::repeat_with(admit)
            .take(1_000)
            .take_while(Result::is_ok)
            .count()
    };
    assert_eq!(made("10.0.0.1", 1_000), 50, "at once");
    assert_eq!(made("10.0.0.1", 1_000), 0);
    assert_eq!(made("10.0.0.2", 1_000), 50, "each by itself");
    assert_eq!(made("10.0.0.1", 2_000), 10, "what a second earns");
    assert_eq!(made("10.0.0.1", 60_000), 50, "and no more than the burst");
}

#[test]
fn addresses_that_hold_nothing_are_forgotten() {
    let admission = Arc::new(Admission::default());
    let each = Some(Each {
        open: 1,
        per_second: 10,
    });
    for number in 0..40_000_u32 {
        let address = Ipv4Addr::from_bits(number << 8).into();
        let now_ms = u64::from(number);
        let connection = admission.admit(address, u32::MAX, each, now_ms).unwrap();
        // Streams look for what can be forgotten as well.
        let wide = Some(Each {
            open: 9,
            per_second: 10,
        });
        let stream = admission.admit_stream(address, u32::MAX, wide, now_ms);
        drop((connection, stream.unwrap()));
    }
    assert!(admission.shard(Ipv4Addr::UNSPECIFIED.into()).held.len() < 4 * FORGET_FROM);
}

#[test]
fn a_further_request_takes_the_place_of_a_connection_and_costs_no_new_one() {
    let admission = Arc::new(Admission::default());
    let address = "10.0.0.1".parse().unwrap();
    let each = Some(Each {
        open: 3,
        per_second: 1,
    });
    let _connection = admission.admit(address, 9, each, 1_000).unwrap();
    let streams: Vec<_> = (0..9)
        .map_while(|_| admission.admit_stream(address, 9, each, 1_000).ok())
        .collect();
    assert_eq!(streams.len(), 2);
    assert_eq!(
        admission.admit(address, 9, each, 1_000).unwrap_err(),
        Full::Address
    );
    drop(streams);
    assert!(admission.admit_stream(address, 9, each, 1_000).is_ok());
    assert_eq!(
        admission.admit_stream(address, 1, each, 1_000).unwrap_err(),
        Full::Listener
    );
}

#[test]
fn a_flood_costs_as_much_as_many_new_connections() {
    let admission = Arc::new(Admission::default());
    let address = "10.0.0.1".parse().unwrap();
    let each = Each {
        open: 9,
        per_second: 20,
    };
    let admit = |now_ms| admission.admit(address, 9, Some(each), now_ms).map(drop);
    admit(1_000).unwrap();
    for _ in 0..3 {
        admission.charge(address, each, 1_000);
    }
    assert_eq!(admit(1_000), Err(Full::Rate));
    assert_eq!(admit(3_500), Err(Full::Rate));
    assert_eq!(
        admit(3_550),
        Ok(()),
        "what is owed is never more than the burst and one flood"
    );
    admission.charge(address, each, 3_550);
    assert_eq!(
        admit(6_000),
        Err(Full::Rate),
        "who floods again waits as long as for fifty connections"
    );
    assert_eq!(admit(6_100), Ok(()));
    admission.charge("10.0.0.2".parse().unwrap(), each, 6_100);
    let none = Each {
        per_second: 0,
        ..each
    };
    admission.charge(address, none, 9_000);
    assert_eq!(admit(9_000), Ok(()));
}

#[test]
fn the_kernel_holds_little_for_who_reads_nothing() {
    let (bound, listening) = bind((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap();
    let _client = std::net::TcpStream::connect(bound).unwrap();
    listening[0].set_nonblocking(false).unwrap();
    let (accepted, _) = listening[0].accept().unwrap();
    let unsent = SockRef::from(&accepted).tcp_notsent_lowat().unwrap();
    assert_eq!(
        unsent, UNSENT,
        "who is accepted has it without a call of its own"
    );
}
