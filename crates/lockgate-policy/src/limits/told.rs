//! What answers tell of limits: `Retry-After` (RFC 9110 section 10.2.3),
//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers),
//! and on request the older `X-RateLimit-*`.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};

use super::config::Tell;
use super::counters::{Charge, Take};
use super::key::CounterKey;
use super::limit::Limit;
use super::SECOND_NS;
use crate::{Denial, Edit, Edits};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEGACY: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// Most seconds that somebody is told to wait longer than needed.
const SPREAD_MOST_S: u64 = 300;

/// Whole seconds to wait. Up to a quarter more than needed (a second at least,
/// five minutes at most), so that those who were refused together do not come
/// back together.
pub(crate) fn retry_after(key: CounterKey, wait_ns: u64, now_ns: u64) -> u64 {
    let wait_s = wait_ns.div_ceil(SECOND_NS).max(1);
    // Not for secrets: it spreads callers, and one caller's further tries.
    let mut spread = key.0 ^ now_ns.rotate_left(17);
    spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    wait_s + (spread ^ (spread >> 31)) % (wait_s / 4 + 2).min(SPREAD_MOST_S + 1)
}

/// The field of the limits' quotas; they do not change from answer to answer.
pub(super) fn policies<'l>(limits: impl Iterator<Item = &'l Limit>) -> Option<HeaderValue> {
    let items: Vec<&str> = limits.map(|limit| limit.policy.as_str()).collect();
    value(items.join(", ")).filter(|_| !items.is_empty())
}

/// The fields of an answer to a request that was let through.
pub(super) fn always(
    edits: &mut Edits,
    limits: &[Limit],
    take: &Take,
    policies_of_all: Option<&HeaderValue>,
    now_ns: u64,
) {
    let told = || charged(limits, take).filter(|(_, limit)| limit.tell == Tell::Always);
    let policies = match policies_of_all {
        Some(policies) => Some(policies.clone()),
        None => policies(told().map(|(_, limit)| limit)),
    };
    let (Some(policies), Some(state)) = (policies, state(told(), None, now_ns)) else {
        return;
    };
    edits.answer.reserve_exact(2);
    edits.answer.push(Edit::Add(RATE_LIMIT_POLICY, policies));
    edits.answer.push(Edit::Add(RATE_LIMIT, state));
    for (name, value) in legacy(told(), None, now_ns) {
        edits.answer.push(Edit::Set(name, value));
    }
}

/// The fields of a refusal.
pub(super) fn refusal(
    denial: &mut Denial,
    limits: &[Limit],
    take: &Take,
    retry_s: u64,
    now_ns: u64,
) {
    let told = || charged(limits, take).filter(|(_, limit)| limit.tell != Tell::Never);
    denial.headers.push((RETRY_AFTER, number(retry_s)));
    let refused = take.refused.map(|(place, _)| (place, retry_s));
    if let Some(policies) = policies(told().map(|(_, limit)| limit)) {
        denial.headers.push((RATE_LIMIT_POLICY, policies));
    }
    if let Some(state) = state(told(), refused, now_ns) {
        denial.headers.push((RATE_LIMIT, state));
    }
    denial.headers.extend(legacy(told(), refused, now_ns));
}

/// A refusal that only says how long to wait.
pub(crate) fn waiting(denial: Denial, retry_s: u64) -> Denial {
    denial.header(RETRY_AFTER, number(retry_s))
}

/// Each charge with its number and its limit.
fn charged<'t>(
    limits: &'t [Limit],
    take: &'t Take,
) -> impl Iterator<Item = ((usize, &'t Charge), &'t Limit)> + Clone {
    let charges = take.charges.iter().enumerate();
    charges.filter_map(|(place, charge)| Some(((place, charge), limits.get(charge.limit)?)))
}

fn state<'t>(
    told: impl Iterator<Item = ((usize, &'t Charge), &'t Limit)>,
    refused: Option<(usize, u64)>,
    now_ns: u64,
) -> Option<HeaderValue> {
    // Written without `core::fmt`, which takes longer than all else that limits do.
    let (mut left_digits, mut reset_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut text = String::with_capacity(128);
    for ((place, charge), limit) in told {
        let (left, reset_s) = standing(place, charge, refused, now_ns);
        // Names of limits are letters, digits and `_-.`: nothing to escape in an sf-string.
        text.extend([
            if text.is_empty() { "\"" } else { ", \"" },
            &*limit.name,
            "\";r=",
            left_digits.format(left),
            ";t=",
            reset_digits.format(reset_s),
        ]);
    }
    value(text)
}

/// What can be taken at once, and the seconds until that is everything. Of a
/// limit that refused, until it takes the next: the draft wants it to agree
/// with `Retry-After`.
fn standing(
    place: usize,
    charge: &Charge,
    refused: Option<(usize, u64)>,
    now_ns: u64,
) -> (u64, u64) {
    match refused {
        Some((refusing, retry_s)) if refusing == place => (0, retry_s),
        _ => (
            charge.quota.left(charge.due_ns, now_ns),
            charge.due_ns.saturating_sub(now_ns).div_ceil(SECOND_NS),
        ),
    }
}

/// The older fields have room for one limit: the one of which least is left.
fn legacy<'t>(
    told: impl Iterator<Item = ((usize, &'t Charge), &'t Limit)>,
    refused: Option<(usize, u64)>,
    now_ns: u64,
) -> Vec<(HeaderName, HeaderValue)> {
    let scarcest = told
        .filter(|(_, limit)| limit.legacy)
        .map(|((place, charge), limit)| (standing(place, charge, refused, now_ns), limit))
        .min_by_key(|((left, reset_s), _)| (*left, u64::MAX - reset_s));
    let Some(((left, reset_s), limit)) = scarcest else {
        return Vec::new();
    };
    let values = [limit.quota.burst(), left, reset_s].map(number);
    LEGACY.into_iter().zip(values).collect()
}

fn number(number: u64) -> HeaderValue {
    HeaderValue::from(number)
}

/// A field's value; none for no text.
fn value(text: String) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}
