//! What a long list of networks costs: bytes of the process, and the time of a
//! look-up. Alone in its process. For numbers to quote:
//! `cargo test --release -p lockgate-policy --test range_cost -- --nocapture`.

// A measurement reads the clock and the process; the crate itself may not.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(target_os = "linux")]

use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use lockgate_policy::Ranges;

/// A million networks, most of them of IPv4, none beside another.
const NETWORKS: u32 = 1_000_000;
const BUDGET: u64 = 100 * 1024;
const LOOK_UPS: u32 = 2_000_000;

/// Kilobytes that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace();
    words.rev().nth(1).unwrap().parse().unwrap()
}

fn network(number: u32) -> String {
    if number % 4 == 3 {
        let high = u128::from(number) << 80;
        return format!("{}/48", Ipv6Addr::from(0x2000_u128 << 112 | high));
    }
    format!("{}/24", Ipv4Addr::from(number << 9))
}

fn look_up(ranges: &Ranges) -> f64 {
    let begun = Instant::now();
    let mut found = 0;
    for turn in 0..LOOK_UPS {
        let address = IpAddr::V4(Ipv4Addr::from(turn.wrapping_mul(2_654_435_761)));
        found += u32::from(ranges.contains(black_box(address)));
    }
    black_box(found);
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS)
}

#[test]
fn a_million_networks_take_no_more_than_their_budget() {
    let texts: Vec<String> = (0..NETWORKS).map(network).collect();
    let before = resident();
    let many = Ranges::new(&texts).unwrap();
    let took = resident().saturating_sub(before);
    let few = Ranges::new(&texts[..10]).unwrap();
    println!("{} KiB for {NETWORKS} networks", took);
    println!(
        "{:.1} ns among 10, {:.1} ns among {NETWORKS}",
        look_up(&few),
        look_up(&many)
    );
    assert!(took <= BUDGET, "{took} KiB");
    for number in [0, 3, 500_000, NETWORKS - 1] {
        let text = network(number);
        let address: IpAddr = text.split('/').next().unwrap().parse().unwrap();
        assert!(many.contains(address), "{text}");
    }
}
