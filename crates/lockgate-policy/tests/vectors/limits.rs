//! Every case of `tests/vectors/limits.yaml` against the policy itself, with a
//! store that is no more than a table. Python runs the same cases against the
//! whole engine and its store.

use std::collections::HashMap;
use std::net::IpAddr;

use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method};
use lockgate_policy::limits::{
    Asked, By, Charge, Config, Count, CounterKey, Limits, Penalty, PenaltyConfig, Record, Seed,
    Take, Tell,
};
use lockgate_policy::only::{Only, PathPattern};
use lockgate_policy::{api_key, Answers, Edit, Edits, Identity, Need, RequestView, Span, Verdict};
use serde::Deserialize;
use serde_json::Value;

const START_MS: u64 = 1_800_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    limits: Vec<Said>,
    requests: Vec<Request>,
}

/// A limit as the configuration says it; what Python makes of it, made here again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    name: String,
    by: Option<Value>,
    allow: String,
    burst: Option<u64>,
    ipv4_prefix: Option<u8>,
    exempt: Option<Vec<String>>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    paths: Vec<Value>,
    mode: Option<String>,
    penalty: Option<HashMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    client: Option<String>,
    #[serde(default)]
    wrong: bool,
    address: Option<IpAddr>,
    method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    times: Option<usize>,
    #[serde(default)]
    at_ms: u64,
    verdict: String,
    reason: Option<String>,
    left: Option<u64>,
    wait: Option<u64>,
}

fn duration_ms(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => panic!("{text}"),
    };
    unit * number.parse::<u64>().unwrap_or(1)
}

impl Said {
    fn config(&self) -> Config {
        let failures = self.name == "failed-authentication";
        let (allow, per) = self.allow.split_once('/').unwrap();
        let allow: u64 = allow.parse().unwrap();
        let by = match self.by.clone().unwrap_or(Value::from("address")) {
            Value::Array(several) => several,
            one => vec![one],
        };
        let by = by.into_iter().map(|part| match part {
            Value::Object(named) if named.contains_key("header") => {
                By::Header(named["header"].as_str().unwrap().to_owned())
            }
            other => serde_json::from_value(other).unwrap(),
        });
        let of_this_machine = || vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()];
        let times = |name: &str, default: u64| {
            let said = self.penalty.as_ref().and_then(|penalty| penalty.get(name));
            said.map_or(default, |text| duration_ms(text.as_str().unwrap()))
        };
        Config {
            name: self.name.clone(),
            scope: "apis/shop".into(),
            count: if failures {
                Count::Failures
            } else {
                Count::Requests
            },
            by: by.collect(),
            allow,
            per_ms: duration_ms(per),
            burst: self.burst.unwrap_or(allow),
            ipv4_prefix: self.ipv4_prefix.unwrap_or(32),
            ipv6_prefix: 64,
            exempt: self.exempt.clone().unwrap_or_else(|| {
                if failures {
                    of_this_machine()
                } else {
                    vec![]
                }
            }),
            only: Only {
                methods: self.methods.clone(),
                operations: Vec::new(),
                paths: self.paths.iter().map(path).collect(),
            },
            tell: Tell::Always,
            legacy: false,
            penalty: failures.then(|| PenaltyConfig {
                first_ms: times("first", 5_000),
                longest_ms: times("longest", 900_000),
                absent: self
                    .penalty
                    .as_ref()
                    .is_some_and(|penalty| penalty.contains_key("absent")),
            }),
        }
    }
}

fn path(said: &Value) -> PathPattern {
    match said {
        Value::String(prefix) => PathPattern::Prefix(prefix.clone()),
        other => serde_json::from_value(other.clone()).unwrap(),
    }
}

/// Counters in two tables: nothing of shards, room or locks.
#[derive(Default)]
struct Table {
    counters: HashMap<CounterKey, u64>,
    failing: HashMap<CounterKey, Record>,
}

impl Table {
    fn take(&mut self, mut take: Take, now_ns: u64) -> Take {
        for (place, charge) in take.charges.iter_mut().enumerate() {
            charge.due_ns = self.counters.get(&charge.key).copied().unwrap_or(0);
            if let Err(wait) = charge.quota.take(charge.due_ns, now_ns, charge.cost) {
                if take.refused.is_none_or(|(_, longest)| longest < wait) {
                    take.refused = Some((place, wait));
                }
            }
        }
        if take.refused.is_some() {
            for back in &take.back {
                let due = self.counters.get_mut(&back.key).unwrap();
                *due = back.quota.give_back(*due, back.cost);
            }
        } else {
            for charge in &mut take.charges {
                charge.due_ns = charge.quota.take(charge.due_ns, now_ns, 1).unwrap();
                self.counters.insert(charge.key, charge.due_ns);
            }
        }
        take
    }
}

/// One place of the order: limits that are observed, or not.
struct Step {
    limits: Limits,
    shadow: bool,
}

struct Shop {
    penalties: Vec<(Penalty, bool)>,
    early: Vec<Step>,
    late: Vec<Step>,
    table: Table,
}

impl Shop {
    fn of(case: &Case) -> Self {
        let seed = Seed::of(&api_key::pepper(b"pepper"));
        let on = case
            .limits
            .iter()
            .filter(|said| said.mode.as_deref() != Some("off"));
        let all: Vec<(Config, bool)> = on
            .map(|said| (said.config(), said.mode.is_some()))
            .collect();
        let step = |early: bool, shadow: bool| {
            let configs: Vec<(&Config, Span)> = all
                .iter()
                .filter(|(config, seen)| {
                    config.count == Count::Requests && (config.is_early(), *seen) == (early, shadow)
                })
                .map(|(config, _)| (config, Span::default()))
                .collect();
            let limits = Limits::new(&configs, seed).unwrap();
            (!configs.is_empty()).then_some(Step { limits, shadow })
        };
        let failures = all
            .iter()
            .filter(|(config, _)| config.count == Count::Failures);
        Self {
            penalties: failures
                .map(|(config, shadow)| (Penalty::new(config, seed).unwrap(), *shadow))
                .collect(),
            early: [step(true, true), step(true, false)]
                .into_iter()
                .flatten()
                .collect(),
            late: [step(false, true), step(false, false)]
                .into_iter()
                .flatten()
                .collect(),
            table: Table::default(),
        }
    }

    /// The verdict's reason, `Retry-After`, and what the first `RateLimit` has left.
    fn ask(&mut self, request: &Request) -> (Option<&'static str>, Option<u64>, Option<u64>) {
        let method: Method = request.method.as_deref().unwrap_or("GET").parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let view = RequestView {
            method: &method,
            host: "a.example",
            path: request.path.as_deref().unwrap_or("/"),
            query: None,
            headers: &headers,
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        };
        let identity = request.client.as_ref().map(|client| Identity {
            proved_by: "api_key",
            credential: client.as_str().into(),
            owner: "tests".into(),
            app: None,
            claims: None,
        });
        let asked = |shadow: bool, identity| Asked {
            view: &view,
            route: "/*",
            address: request
                .address
                .unwrap_or_else(|| "127.0.0.1".parse().unwrap()),
            proxy: false,
            identity,
            shadow,
            now_ms: START_MS + request.at_ms,
        };
        let now_ns = (START_MS + request.at_ms) * 1_000_000;
        for (penalty, shadow) in &self.penalties {
            let asked = asked(*shadow, None);
            if let Verdict::Need(Need::Standing(key)) =
                penalty.decide(&asked, &Answers::None).unwrap()
            {
                let record = self.table.failing.get(&key);
                let until = record
                    .map(|record| record.until_ns)
                    .filter(|until| *until > now_ns);
                let verdict = penalty.decide(&asked, &Answers::Standing(until)).unwrap();
                if let (Some(told), false) = (refusal(&verdict), *shadow) {
                    return told;
                }
            }
        }
        let (mut taken, mut left) = (Vec::new(), None);
        let early = self.early.iter();
        for step in early {
            let asked = asked(step.shadow, None);
            if let Some(told) = run(step, &asked, &mut taken, &mut left, &mut self.table, now_ns) {
                return told;
            }
        }
        let Some(identity) = &identity else {
            for (penalty, shadow) in &self.penalties {
                if let Some(strike) = penalty.strike(&asked(*shadow, None), !request.wrong) {
                    let record = self.table.failing.entry(strike.key).or_default();
                    strike.hit(record, now_ns);
                }
            }
            let code = if request.wrong {
                "key-malformed"
            } else {
                "key-missing"
            };
            return (Some(code), None, None);
        };
        for step in &self.late {
            let asked = asked(step.shadow, Some(identity));
            if let Some(told) = run(step, &asked, &mut taken, &mut left, &mut self.table, now_ns) {
                return told;
            }
        }
        (None, None, left)
    }
}

type Told = (Option<&'static str>, Option<u64>, Option<u64>);

fn run(
    step: &Step,
    asked: &Asked<'_>,
    taken: &mut Vec<Charge>,
    left: &mut Option<u64>,
    table: &mut Table,
    now_ns: u64,
) -> Option<Told> {
    let first = step.limits.decide(asked, taken, &Answers::None).unwrap();
    let Verdict::Need(Need::Take(take)) = first else {
        return None;
    };
    let take = table.take(take, now_ns);
    let charges = take.charges.clone();
    let verdict = step
        .limits
        .decide(asked, taken, &Answers::Taken(take))
        .unwrap();
    if let Verdict::Allow(edits) = &verdict {
        taken.extend(charges);
        *left = left.or_else(|| remaining(edits));
    }
    refusal(&verdict).filter(|_| !step.shadow)
}

fn remaining(edits: &Edits) -> Option<u64> {
    let value = edits.answer.iter().find_map(|edit| match edit {
        Edit::Add(name, value) if name == "ratelimit" => value.to_str().ok(),
        _ => None,
    })?;
    let (_, rest) = value.split_once(";r=")?;
    rest.split_once(';')?.0.parse().ok()
}

fn refusal(verdict: &Verdict) -> Option<Told> {
    let Verdict::Deny(denial) = verdict else {
        return None;
    };
    let retry = denial.headers.iter().find(|(name, _)| name == RETRY_AFTER);
    let seconds = retry.unwrap().1.to_str().unwrap().parse().unwrap();
    Some((Some(denial.reason.code), Some(seconds), None))
}

#[test]
fn limits() {
    let text = include_str!("../../../../tests/vectors/limits.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 30);
    for case in vectors.cases {
        let mut shop = Shop::of(&case);
        for (number, request) in case.requests.iter().enumerate() {
            for _ in 0..request.times.unwrap_or(1) {
                let (reason, retry, left) = shop.ask(request);
                let at = format!("{}, request {number}", case.name);
                let verdict = if reason.is_some() { "deny" } else { "allow" };
                assert_eq!(
                    (verdict, reason),
                    (&*request.verdict, request.reason.as_deref()),
                    "{at}"
                );
                if let Some(wanted) = request.left {
                    assert_eq!(left, Some(wanted), "{at}");
                }
                if let Some(wait) = request.wait {
                    let retry = retry.unwrap();
                    assert!(
                        (wait..=wait + wait / 4 + 1).contains(&retry),
                        "{at}: {retry}"
                    );
                }
            }
        }
    }
}
