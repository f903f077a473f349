#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::plugins::FAILED;
use serde_json::json;

use super::*;
use crate::bundle::PluginSource;

fn set() -> PluginSet {
    PluginSet {
        folder: "/".to_owned(),
        digest: String::new(),
        memory_bytes: 1 << 30,
        plugins: vec![PluginSource {
            name: "checks:Tenant".to_owned(),
            options: "{}".to_owned(),
        }],
    }
}

fn launch(command: &[&str]) -> Launch {
    Launch {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        state: PathBuf::new(),
        processes: 1,
        tell: Arc::new(|_, _| {}),
    }
}

fn refused(command: &[&str]) -> String {
    let errors = Pool::start(&set(), &launch(command), &Ledger::default()).unwrap_err();
    let [error] = &errors[..] else {
        panic!("{errors:?}");
    };
    assert_eq!(error.code, "plugins-unavailable");
    error.message.clone()
}

fn call() -> Call {
    Call {
        plugin: 0,
        deadline_ms: 10_000,
        hook: "request",
        heads: json!({ "request": {} }),
    }
}

#[test]
fn a_pool_that_cannot_be_started_says_why() {
    assert!(refused(&[]).contains("without a way to run plugins"));
    assert!(refused(&["/does/not/exist"]).contains("cannot be started"));
    assert!(refused(&["true"]).contains("has ended"));
    // It stays until it has heard: with what was said unread, its end would be a reset.
    assert!(refused(&["sh", "-c", "echo hello >&0; cat >&2"]).contains("answered"));
}

#[test]
fn code_that_is_not_what_was_checked_does_not_start() {
    // `cat` answers what it is told: without a digest, and without anything wrong.
    let other = PluginSet {
        digest: "another".to_owned(),
        ..set()
    };
    let errors = Pool::start(
        &other,
        &launch(&["sh", "-c", "cat >&0"]),
        &Ledger::default(),
    );
    let errors = errors.unwrap_err();
    assert!(errors[0].message.contains("changed since"), "{errors:?}");
}

#[test]
fn what_makes_no_sense_fails_and_is_counted_and_a_new_process_is_asked_next() {
    let ledger = Ledger::default();
    let pool = Pool::start(&set(), &launch(&["sh", "-c", "cat >&0"]), &ledger).unwrap();
    assert!(pool.runs(&set()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for count in 1..=3 {
        let silent = runtime.block_on(pool.ask(call())).unwrap_err();
        assert_eq!(silent.reason, &FAILED);
        assert_eq!(silent.cause, "its process answered what makes no sense");
        let [cost] = &ledger.costs()[..] else {
            panic!("one plugin");
        };
        assert_eq!((cost.calls, cost.failed, cost.denied), (count, count, 0));
        assert!(cost.mean_us <= cost.longest_us);
    }
    let mut metrics = String::new();
    ledger.write(&mut metrics);
    let line = r#"lockgate_plugin_calls_total{plugin="checks:Tenant",outcome="failed"} 3"#;
    assert!(metrics.contains(line), "{metrics}");
}
