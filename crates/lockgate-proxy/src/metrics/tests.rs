#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::compile::{compile, Surroundings};
use crate::reasons::{NO_ROUTE, RESET};
use crate::snapshot::Snapshot;
use crate::testing::{api, bundle, prefix, surroundings};

/// Metrics of two workers, and a bundle that has two APIs with odd names.
fn two() -> (Arc<Metrics>, Snapshot) {
    let metrics = Metrics::new(2);
    let around = Surroundings {
        state: std::path::Path::new(""),
        tls: None,
        metrics: Arc::clone(&metrics),
        ..surroundings()
    };
    let apis = vec![
        api("shop", &[prefix("/")]),
        api("a\"b\\c\nd", &[prefix("/b")]),
    ];
    let snapshot = compile(bundle(apis), "hash", &around).unwrap();
    (metrics, snapshot)
}

fn text(metrics: &Metrics) -> String {
    let mut out = String::new();
    metrics.write(&mut out);
    out
}

/// A sample: its metric and labels, and its value.
type Samples = BTreeMap<(String, Vec<(String, String)>), f64>;

/// Reads the text format as strictly as Prometheus does.
fn parsed(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut labelled: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (metric, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(metric), "{metric} is explained twice");
            assert!(help.ends_with('.'));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (metric, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            assert!(helped.contains(metric) && kinds.insert(metric, kind).is_none());
        } else if let Some(rest) = line.strip_prefix("# LABELS ") {
            let (metric, labels) = rest.split_once(' ').unwrap();
            assert!(kinds.contains_key(metric));
            labelled.insert(metric, labels.split(' ').collect());
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (metric, labels) = series.split_once('{').unwrap_or((series, "}"));
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| metric.strip_suffix(end))
                .filter(|family| kinds.get(family) == Some(&"histogram"))
                .unwrap_or(metric);
            assert!(kinds.contains_key(family), "{metric} has no type");
            let key = (
                metric.to_owned(),
                labels_of(labels.strip_suffix('}').unwrap()),
            );
            let said: Vec<_> = key.1.iter().map(|(name, _)| name.as_str()).collect();
            let mut told = labelled.get(family).cloned().unwrap_or_default();
            if !metric.ends_with("_bucket") {
                told.retain(|label| *label != "le");
            }
            assert_eq!(said, told, "{metric} has the labels that are told of it");
            let before = samples.insert(key, value.parse().unwrap());
            assert_eq!(before, None, "{series} stands there twice");
        }
    }
    samples
}

/// `a="b",c="d"`, its values with the escapes taken off.
fn labels_of(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("a label ends") {
                (at, '"') => break at,
                (_, '\\') => value.push(match characters.next().unwrap().1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        rest = after[end + 1..].trim_start_matches(',');
    }
    labels
}

fn value(samples: &Samples, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    samples.get(&(metric.to_owned(), labels.collect())).copied()
}

#[test]
fn a_gate_that_has_done_nothing_says_so_in_whole() {
    let (metrics, _) = two();
    let samples = parsed(&text(&metrics));
    assert!(samples.values().all(|value| *value == 0.0));
    assert_eq!(value(&samples, "lockgate_panics_total", &[]), Some(0.0));
    // Every reason is there from the start, so that an alert may ask for it.
    for reason in crate::reasons() {
        let labels = [("reason", reason.code), ("room", reason.room)];
        let count = value(&samples, "lockgate_refusals_total", &labels);
        assert_eq!(count, Some(0.0), "{}", reason.code);
    }
}

#[test]
fn what_workers_count_is_added_up() {
    let (metrics, snapshot) = two();
    let shop = &snapshot.apis[0];
    for number in [0, 1] {
        let worker = WorkerMetrics::new(Arc::clone(&metrics), number);
        worker.request(Some(shop), 200, None, 400, 10, 20);
        worker.request(Some(shop), 502, Some(&RESET), 2_000_000, 1, 2);
        worker.request(None, 404, Some(&NO_ROUTE), 501, 0, 3);
    }
    assert_eq!(metrics.requests(), 6);
    let samples = parsed(&text(&metrics));
    for (metric, labels, wanted) in [
        (
            "lockgate_requests_total",
            vec![("api", "shop"), ("status", "2xx")],
            2.0,
        ),
        (
            "lockgate_requests_total",
            vec![("api", "shop"), ("status", "5xx")],
            2.0,
        ),
        (
            "lockgate_requests_total",
            vec![("api", ""), ("status", "4xx")],
            2.0,
        ),
        ("lockgate_request_bytes_total", vec![("api", "shop")], 22.0),
        ("lockgate_response_bytes_total", vec![("api", "shop")], 44.0),
        ("lockgate_response_bytes_total", vec![("api", "")], 6.0),
        (
            "lockgate_refusals_total",
            vec![("reason", "upstream-reset"), ("room", "upstream")],
            2.0,
        ),
        (
            "lockgate_refusals_total",
            vec![("reason", "no-route"), ("room", "route")],
            2.0,
        ),
        (
            "lockgate_request_duration_seconds_count",
            vec![("api", "shop")],
            4.0,
        ),
        (
            "lockgate_request_duration_seconds_sum",
            vec![("api", "shop")],
            4.0008,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", "shop"), ("le", "0.0005")],
            2.0,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", "shop"), ("le", "1")],
            2.0,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", "shop"), ("le", "2.5")],
            4.0,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", "shop"), ("le", "+Inf")],
            4.0,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", ""), ("le", "0.0005")],
            0.0,
        ),
        (
            "lockgate_request_duration_seconds_bucket",
            vec![("api", ""), ("le", "0.001")],
            2.0,
        ),
    ] {
        assert_eq!(
            value(&samples, metric, &labels),
            Some(wanted),
            "{metric} {labels:?}"
        );
    }
    // A class of statuses that never came is no series.
    let none = [("api", "shop"), ("status", "3xx")];
    assert_eq!(value(&samples, "lockgate_requests_total", &none), None);
}

#[test]
fn odd_names_are_escaped() {
    let (metrics, snapshot) = two();
    let worker = WorkerMetrics::new(Arc::clone(&metrics), 0);
    worker.request(Some(&snapshot.apis[1]), 200, None, 1, 0, 0);
    let samples = parsed(&text(&metrics));
    let labels = [("api", "a\"b\\c\nd"), ("status", "2xx")];
    assert_eq!(
        value(&samples, "lockgate_requests_total", &labels),
        Some(1.0)
    );
}

#[test]
fn an_answer_that_never_came_has_a_class_of_its_own() {
    let (metrics, _) = two();
    let worker = WorkerMetrics::new(Arc::clone(&metrics), 0);
    worker.request(None, 0, None, 1, 0, 0);
    worker.request(None, 999, None, 1, 0, 0);
    let samples = parsed(&text(&metrics));
    for status in ["none", "5xx"] {
        let labels = [("api", ""), ("status", status)];
        assert_eq!(
            value(&samples, "lockgate_requests_total", &labels),
            Some(1.0)
        );
    }
}

#[test]
fn a_worker_that_nobody_made_counts_nothing_and_breaks_nothing() {
    let (metrics, _) = two();
    let stranger = WorkerMetrics::new(Arc::clone(&metrics), 2);
    stranger.request(None, 404, Some(&NO_ROUTE), 1, 1, 1);
    assert_eq!(metrics.requests(), 0);
    assert!(parsed(&text(&metrics)).values().all(|value| *value == 0.0));
}

proptest! {
    #[test]
    fn buckets_grow_and_end_with_the_count(times in prop::collection::vec(0..20_000_000_u64, 0..50)) {
        let (metrics, _) = two();
        let worker = WorkerMetrics::new(Arc::clone(&metrics), 1);
        for took_us in &times {
            worker.request(None, 200, None, *took_us, 0, 0);
        }
        let samples = parsed(&text(&metrics));
        for edge in EDGES_US {
            let le = (edge as f64 / 1e6).to_string();
            let labels = [("api", ""), ("le", le.as_str())];
            let within = times.iter().filter(|took_us| **took_us <= edge).count();
            let told = value(&samples, "lockgate_request_duration_seconds_bucket", &labels);
            prop_assert_eq!(told, Some(within as f64));
        }
        let sum = value(&samples, "lockgate_request_duration_seconds_sum", &[("api", "")]).unwrap();
        prop_assert!((sum - times.iter().sum::<u64>() as f64 / 1e6).abs() < 1e-3);
    }

    #[test]
    fn any_label_reads_back(text in "[\\PC\n\\\\\"]{0,20}") {
        let mut out = String::new();
        line(&mut out, "m", &[("a", &text), ("b", "c")], 7);
        let labels = out.strip_prefix("m{").unwrap().strip_suffix("} 7\n").unwrap();
        let wanted = vec![("a".to_owned(), text), ("b".to_owned(), "c".to_owned())];
        prop_assert_eq!(labels_of(labels), wanted);
    }
}
