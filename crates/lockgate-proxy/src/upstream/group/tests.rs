use std::collections::HashMap;

use super::*;
use crate::bundle::{BalanceBy, HashKind, StatusRange, StickyCookie};

const NOW: u64 = 1_800_000_000_000;

fn rules(choice: Choice) -> Rules {
    Rules {
        proxy_protocol: None,
        protocol: crate::bundle::Protocol::Http1,
        secure: false,
        raw: false,
        tls: None,
        choice,
        health: None,
        passive: Passive {
            failures: 3,
            eject_ms: 1_000,
            eject_most_ms: 4_000,
            ..Passive::default()
        },
        slow_start_ms: 0,
        retry: None,
        breaker: None,
        dns: Dns::default(),
    }
}

fn checked(choice: Choice) -> Rules {
    let health = HealthCheck {
        path: "/".to_owned(),
        host: None,
        every_ms: 1,
        timeout_ms: 1,
        expect: vec![StatusRange {
            low: 200,
            high: 200,
        }],
        unhealthy_after: 1,
        healthy_after: 1,
    };
    Rules {
        health: Some(health),
        ..rules(choice)
    }
}

/// A group of servers with these weights and priorities, on the ports from 1 on.
fn group(rules: Rules, servers: &[(u16, u16)]) -> Arc<Group> {
    let places = servers
        .iter()
        .zip(1..)
        .map(|((weight, priority), port)| Place {
            target: Arc::new(At::Localhost(port).into()),
            weight: *weight,
            priority: *priority,
        });
    Group::new("shop".into(), rules, places.collect(), None, Arc::default())
}

fn port(member: &Member) -> u16 {
    match member.target.at() {
        At::Localhost(port) => *port,
        _ => 0,
    }
}

fn member(group: &Group, number: u16) -> Member {
    let ranks = group.ranks();
    let mut all = ranks.iter().flat_map(|rank| &rank.members);
    all.find(|member| port(member) == number)
        .expect("it is there")
        .clone()
}

fn pick(group: &Group) -> u16 {
    let picked = group.pick(&Wish::default(), &[], NOW);
    port(&picked.expect("there is one"))
}

fn shares(group: &Group, picks: usize) -> HashMap<u16, usize> {
    let mut shares = HashMap::new();
    for _ in 0..picks {
        *shares.entry(pick(group)).or_default() += 1;
    }
    shares
}

#[test]
fn turns_are_taken_by_weight_and_missing_servers_turns_go_to_all() {
    let group = group(rules(Choice::RoundRobin), &[(3, 0), (1, 0), (0, 0)]);
    assert_eq!(shares(&group, 400), HashMap::from([(1, 300), (2, 100)]));
    let even = super::tests::group(checked(Choice::RoundRobin), &[(1, 0); 4]);
    even.checked(&member(&even, 1), Err("ill".to_owned()), NOW);
    let shares = shares(&even, 300);
    assert_eq!(shares, HashMap::from([(2, 100), (3, 100), (4, 100)]));
}

#[test]
fn the_less_busy_of_two_is_chosen() {
    let group = group(rules(Choice::LeastRequests), &[(1, 0), (1, 0)]);
    member(&group, 1)
        .state
        .in_flight
        .store(5, Ordering::Relaxed);
    assert_eq!(shares(&group, 100), HashMap::from([(2, 100)]));
    let many = super::tests::group(rules(Choice::LeastRequests), &[(1, 0); 10]);
    let busy = member(&many, 4);
    busy.state.in_flight.store(1_000, Ordering::Relaxed);
    let shares = shares(&many, 2_000);
    assert!(!shares.contains_key(&4), "of any two it is the busier one");
    assert_eq!(shares.len(), 9);
}

#[test]
fn weights_count_among_the_busy() {
    let group = group(rules(Choice::LeastRequests), &[(4, 0), (1, 0)]);
    member(&group, 1)
        .state
        .in_flight
        .store(5, Ordering::Relaxed);
    member(&group, 2)
        .state
        .in_flight
        .store(2, Ordering::Relaxed);
    // (5 + 1) / 4 is less than (2 + 1) / 1.
    assert_eq!(pick(&group), 1);
}

#[test]
fn a_key_keeps_its_server_until_that_is_gone_and_comes_back_to_it() {
    let key = HashKey {
        kind: HashKind::Header,
        name: "x-tenant".to_owned(),
    };
    let group = group(checked(Choice::Hash(key)), &[(1, 0); 5]);
    let owner = |group: &Group, tenant: u32| {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", tenant.into());
        let wish = group.wish(&headers, "/", [127, 0, 0, 1].into());
        port(&group.pick(&wish, &[], NOW).expect("there is one"))
    };
    let before: Vec<u16> = (0..500).map(|tenant| owner(&group, tenant)).collect();
    let gone = member(&group, 3);
    group.checked(&gone, Err("ill".to_owned()), NOW);
    for (tenant, owned) in (0..).zip(&before) {
        let now = owner(&group, tenant);
        assert!(now != 3 && (*owned == 3 || now == *owned));
    }
    group.checked(&gone, Ok(()), NOW);
    let after: Vec<u16> = (0..500).map(|tenant| owner(&group, tenant)).collect();
    assert_eq!(before, after);
    // Those without the key take turns.
    let none: std::collections::HashSet<u16> = (0..10).map(|_| pick(&group)).collect();
    assert_eq!(none.len(), 5);
}

#[test]
fn a_cookie_keeps_its_server_and_says_nothing_of_it() {
    let cookie = StickyCookie {
        name: "lg".to_owned(),
        max_age_s: 60,
    };
    let pepper = hmac_key();
    let choice = || {
        Choice::Sticky(Box::new(super::super::sticky::Sticky::new(
            &cookie, &pepper,
        )))
    };
    let group = group(checked(choice()), &[(1, 0), (1, 0), (0, 0)]);
    let first = group
        .pick(&Wish::default(), &[], NOW)
        .expect("there is one");
    let set = first
        .cookie(&Wish::default(), &group.rules.choice)
        .expect("it is new");
    let set = set.to_str().expect("it is text");
    assert!(
        set.starts_with("lg=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=60")
    );
    assert!(!set.contains("localhost"));
    let mut headers = HeaderMap::new();
    let pair = set.split(';').next().expect("it has a pair").to_owned();
    headers.insert(
        "cookie",
        HeaderValue::try_from(format!("a=b; {pair}")).expect("it fits"),
    );
    let wish = group.wish(&headers, "/", [127, 0, 0, 1].into());
    for _ in 0..20 {
        let kept = group.pick(&wish, &[], NOW).expect("there is one");
        assert_eq!(port(&kept), port(&first));
        assert!(
            kept.cookie(&wish, &group.rules.choice).is_none(),
            "it has it already"
        );
    }
    // An ill server is left, and the cookie renewed.
    group.checked(&first, Err("ill".to_owned()), NOW);
    let other = group.pick(&wish, &[], NOW).expect("there is one");
    assert_ne!(port(&other), port(&first));
    assert!(other.cookie(&wish, &group.rules.choice).is_some());
    // A cookie that the gate did not make leads nowhere.
    headers.insert(
        "cookie",
        HeaderValue::from_static("lg=00000000000000000000000000000000"),
    );
    let wish = group.wish(&headers, "/", [127, 0, 0, 1].into());
    assert!(group
        .pick(&wish, &[], NOW)
        .expect("there is one")
        .cookie(&wish, &group.rules.choice)
        .is_some());
}

fn hmac_key() -> aws_lc_rs::hmac::Key {
    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"pepper")
}

#[test]
fn lower_priorities_come_first_and_the_next_when_none_is_left() {
    let group = group(checked(Choice::RoundRobin), &[(1, 0), (1, 0), (1, 5)]);
    assert!(!shares(&group, 50).contains_key(&3));
    group.checked(&member(&group, 1), Err("ill".to_owned()), NOW);
    assert_eq!(shares(&group, 50), HashMap::from([(2, 50)]));
    group.checked(&member(&group, 2), Err("ill".to_owned()), NOW);
    assert_eq!(shares(&group, 50), HashMap::from([(3, 50)]));
    group.checked(&member(&group, 3), Err("ill".to_owned()), NOW);
    assert_eq!(
        group.pick(&Wish::default(), &[], NOW).err(),
        Some(Nobody::Unhealthy)
    );
    group.checked(&member(&group, 1), Ok(()), NOW);
    assert_eq!(pick(&group), 1);
}

#[test]
fn failures_in_a_row_put_a_server_out_for_longer_each_time() {
    let group = group(rules(Choice::RoundRobin), &[(1, 0), (1, 0)]);
    let bad = member(&group, 1);
    let fail = |now_ms| group.failed(&bad, now_ms, "status 503");
    fail(NOW);
    fail(NOW);
    group.succeeded(&bad, NOW);
    fail(NOW);
    fail(NOW);
    assert!(!bad.state.is_ejected(NOW), "not in a row");
    fail(NOW);
    assert!(bad.state.is_ejected(NOW + 999) && !bad.state.is_ejected(NOW + 1_000));
    assert_eq!(shares(&group, 20), HashMap::from([(2, 20)]));
    // Once it is back, one failure is enough.
    fail(NOW + 1_000);
    assert!(bad.state.is_ejected(NOW + 2_999) && !bad.state.is_ejected(NOW + 3_000));
    fail(NOW + 3_000);
    fail(NOW + 8_000);
    assert!(
        !bad.state.is_ejected(NOW + 12_000),
        "never for longer than that"
    );
    group.succeeded(&bad, NOW + 20_000);
    for _ in 0..3 {
        fail(NOW + 20_000);
    }
    assert!(!bad.state.is_ejected(NOW + 21_000), "what was is forgotten");
}

#[test]
fn never_are_too_many_put_out() {
    let group = group(rules(Choice::RoundRobin), &[(1, 0); 5]);
    for number in 1..=5 {
        for _ in 0..10 {
            group.failed(&member(&group, number), NOW, "reset");
        }
    }
    let out = (1..=5)
        .filter(|number| member(&group, *number).state.is_ejected(NOW))
        .count();
    assert_eq!(out, 2, "half of five");
    let alone = super::tests::group(rules(Choice::RoundRobin), &[(1, 0), (0, 0)]);
    for _ in 0..10 {
        alone.failed(&member(&alone, 1), NOW, "reset");
    }
    assert_eq!(pick(&alone), 1, "the only one that takes requests stays");
}

#[test]
fn a_server_that_failed_of_late_is_better_than_an_ill_one() {
    let group = group(checked(Choice::RoundRobin), &[(1, 0), (1, 0)]);
    for _ in 0..3 {
        group.failed(&member(&group, 1), NOW, "reset");
    }
    assert_eq!(pick(&group), 2);
    group.checked(&member(&group, 2), Err("ill".to_owned()), NOW);
    assert_eq!(pick(&group), 1);
}

#[test]
fn what_failed_a_request_is_not_asked_again_while_another_is_there() {
    let group = group(rules(Choice::RoundRobin), &[(1, 0), (1, 0), (1, 9)]);
    let mut tried = Vec::new();
    let mut asked = Vec::new();
    while let Ok(member) = group.pick(&Wish::default(), &tried, NOW) {
        asked.push(port(&member));
        tried.push(member.state);
    }
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 3]);
    assert_eq!(
        group.pick(&Wish::default(), &tried, NOW).err(),
        Some(Nobody::Tried)
    );
}

#[test]
fn a_server_that_comes_back_gets_its_share_by_and_by() {
    let slow = Rules {
        slow_start_ms: 10_000,
        ..checked(Choice::RoundRobin)
    };
    let group = group(slow, &[(1, 0), (1, 0)]);
    let back = member(&group, 1);
    group.checked(&back, Err("ill".to_owned()), NOW - 1);
    group.checked(&back, Ok(()), NOW);
    let share = |now_ms: u64| {
        let picks = (0..1_000).filter_map(|_| group.pick(&Wish::default(), &[], now_ms).ok());
        picks.filter(|member| port(member) == 1).count()
    };
    let (cold, warmer, warm) = (share(NOW), share(NOW + 5_000), share(NOW + 10_000));
    assert!(
        (20..=180).contains(&cold),
        "a tenth of its half or so: {cold}"
    );
    assert!(cold < warmer && warmer < 480, "{warmer}");
    assert_eq!(warm, 500);
}

#[test]
fn what_happens_is_told_once() {
    let registry = Arc::<Registry>::default();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    registry.tell_to(move |code, message| {
        assert!(message.contains("shop"), "{message}");
        lock(&heard).push(code);
    });
    let places = vec![Place {
        target: Arc::new(At::Localhost(1).into()),
        weight: 1,
        priority: 0,
    }];
    let group = Group::new(
        "shop".into(),
        checked(Choice::RoundRobin),
        places,
        None,
        registry,
    );
    let only = member(&group, 1);
    for found in [Ok(()), Err("ill"), Err("ill"), Ok(()), Ok(())] {
        group.checked(&only, found.map_err(str::to_owned), NOW);
    }
    assert_eq!(
        *lock(&told),
        [
            "upstream-target-unhealthy",
            "upstream-down",
            "upstream-target-healthy",
            "upstream-up"
        ]
    );
}

#[test]
fn services_of_dns_are_servers_and_their_priorities_count() {
    let registry = Arc::<Registry>::default();
    let places = vec![Place {
        target: Arc::new(At::Srv("_http._tcp.shop".to_owned()).into()),
        weight: 1,
        priority: 0,
    }];
    let group = Group::new(
        "shop".into(),
        rules(Choice::RoundRobin),
        places,
        None,
        registry,
    );
    assert_eq!(
        group.pick(&Wish::default(), &[], NOW).err(),
        Some(Nobody::Unresolved)
    );
    let service = |priority, weight, host: &str| Service {
        priority,
        weight,
        host: host.to_owned(),
        port: 80,
    };
    let told = vec![service(1, 10, "a"), service(1, 0, "b"), service(2, 10, "c")];
    group.services()[0].1.services.store(Arc::new(told));
    group.rebuild();
    let ranks = group.ranks();
    let all: Vec<(u16, u16, String)> = ranks
        .iter()
        .flat_map(|rank| {
            rank.members
                .iter()
                .map(|one| (rank.priority, one.weight, one.target.to_string()))
        })
        .collect();
    assert_eq!(
        all,
        [
            (1, 10, "a:80".to_owned()),
            (1, 1, "b:80".to_owned()),
            (2, 10, "c:80".to_owned())
        ]
    );
    let mut names = Vec::new();
    group.each_name(|host, _| names.push(host.to_owned()));
    assert_eq!(names, ["a", "b", "c"]);
    // Unused here, but a bundle's default must stay what it is.
    assert_eq!(BalanceBy::default(), BalanceBy::RoundRobin);
}
