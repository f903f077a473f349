//! Which server gets a request: pure choices over what is known of them.

use std::net::IpAddr;

use http::HeaderMap;
use lockgate_wire::headers::cookies::cookies;

use crate::bundle::{HashKey, HashKind};

/// Longest period of turns: 100 times as many as there may be servers of one rank.
const MAX_TURNS: usize = 25_600;

/// The order in which servers take turns: each as often as its weight says,
/// as far from its last turn as can be. `weights` are of one rank.
#[must_use]
pub fn turns(weights: &[u16]) -> Vec<u16> {
    let divisor = weights
        .iter()
        .copied()
        .filter(|weight| *weight > 0)
        .fold(0, gcd);
    if divisor == 0 {
        return Vec::new();
    }
    let shares: Vec<i64> = weights
        .iter()
        .map(|weight| i64::from(weight / divisor))
        .collect();
    let total: i64 = shares.iter().sum();
    let period = usize::try_from(total).unwrap_or(MAX_TURNS).min(MAX_TURNS);
    // Smooth weighted round robin: whoever is owed most is next, and pays the whole round.
    let mut owed = vec![0; shares.len()];
    (0..period)
        .filter_map(|_| {
            for (owed, share) in owed.iter_mut().zip(&shares) {
                *owed += share;
            }
            let (next, most) = owed
                .iter_mut()
                .enumerate()
                .rev()
                .max_by_key(|(_, owed)| **owed)?;
            *most -= total;
            u16::try_from(next).ok()
        })
        .collect()
}

fn gcd(a: u16, b: u16) -> u16 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// A number of which every bit depends on every bit of `seed` (the finalizer
/// of splitmix64). Good enough to choose by; no secret depends on it.
#[must_use]
pub const fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A hash that is the same in every process and version: gates must agree on
/// whose server is whose (FNV-1a, then mixed).
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mixed(hash)
}

/// How much a server wants a key: the one that wants it most gets it
/// (rendezvous hashing with weights). A server that goes leaves its own keys
/// alone to others, and one that comes takes its share from all alike.
#[must_use]
pub fn want(key: u64, server: u64, weight: u16) -> f64 {
    // 53 bits make a fraction between 0 and 1, neither included.
    #[allow(clippy::cast_precision_loss)]
    let fraction = ((mixed(key ^ server) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / fraction.ln()
}

/// The hash of what `key` names; `None` where the request has none.
#[must_use]
pub fn key_of(key: &HashKey, headers: &HeaderMap, path: &str, client: IpAddr) -> Option<u64> {
    match key.kind {
        HashKind::Header => headers
            .get(&key.name)
            .map(|value| stable_hash(value.as_bytes())),
        HashKind::Cookie => cookies(headers, &key.name).next().map(stable_hash),
        HashKind::Client => Some(match client {
            IpAddr::V4(address) => stable_hash(&address.octets()),
            IpAddr::V6(address) => stable_hash(&address.octets()),
        }),
        HashKind::Path => Some(stable_hash(path.as_bytes())),
    }
}

#[cfg(test)]
mod tests;
