//! Real processes that end badly: `kill -9` while writing, and a disk quota
//! that cuts a write in two.
//!
//! Each test starts this test program again with itself alone, as the process
//! that suffers; [`suffering`] tells the two apart.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

const DIR: &str = "LOCKGATE_TEST_EVENTS_DIR";

/// This program again, running only `test` of this file, in `dir`.
fn again(test: &str, dir: &Path, command: &mut Command) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    command
        .args(["--exact", &format!("{module}::{test}"), "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The directory to write into, in the process that suffers.
fn suffering() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

fn write_until_killed(dir: &Path) {
    let log = EventLog::start(dir, options()).unwrap();
    let sink = log.sink();
    for n in 0_u32.. {
        sink.access(&record(&format!("r{n}")));
        if n % 100 == 99 {
            sink.hand_over();
        }
        if n % 1000 == 999 {
            log.flush().unwrap();
            println!("durable {}", n + 1);
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_below_the_watermark() {
    if let Some(dir) = suffering() {
        return write_until_killed(&dir);
    }
    let dir = Dir::new();
    let program = std::env::current_exe().unwrap();
    let mut child = again(
        "a_killed_process_loses_nothing_below_the_watermark",
        &dir,
        &mut Command::new(program),
    );
    let mut durable = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(count) = line.unwrap().strip_prefix("durable ") {
            durable = count.parse().unwrap();
        }
        if durable >= 5000 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(durable >= 5000, "it wrote before it was killed");

    let promised = durable_until(&dir).unwrap().unwrap();
    let log = EventLog::start(&dir, options()).unwrap();
    log.close();
    let kept = std::fs::metadata(promised.name.path(&dir)).unwrap().len();
    assert!(kept >= promised.offset, "{kept} < {}", promised.offset);
    let ids = request_ids(&read_all(&dir));
    assert!(ids.len() >= durable, "{} of {durable}", ids.len());
    let expected: Vec<String> = (0..ids.len()).map(|n| format!("r{n}")).collect();
    assert_eq!(ids, expected, "without a hole, to the last whole event");
}

fn write_beyond_the_limit(dir: &Path) {
    let log = EventLog::start(dir, options()).unwrap();
    for begin in (0..2000).step_by(50) {
        let sink = log.sink();
        for n in begin..begin + 50 {
            sink.access(&record(&format!("r{n}")));
        }
    }
    assert!(log.flush().is_err());
    log.close();
    let counters = log.counters();
    assert!(
        counters.write_errors > 0 && counters.last_error.contains("large"),
        "{counters:?}"
    );
    println!(
        "\nwrote {} dropped {}",
        counters.written.total(),
        counters.dropped.total()
    );
}

/// A limit on a file's size stands for a full disk: the kernel takes part of a
/// write and refuses the rest.
#[test]
fn a_write_that_is_cut_short_leaves_whole_events_and_exact_counts() {
    if let Some(dir) = suffering() {
        return write_beyond_the_limit(&dir);
    }
    let dir = Dir::new();
    let mut shell = Command::new("sh");
    // Ignored, the signal becomes an error. 64 blocks are 32 or 64 KiB.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]);
    shell.arg(std::env::current_exe().unwrap());
    let test = "a_write_that_is_cut_short_leaves_whole_events_and_exact_counts";
    let child = again(test, &dir, &mut shell);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("wrote "))
        .expect(&told);
    let (written, dropped) = line.split_once(" dropped ").unwrap();
    let (written, dropped): (usize, usize) = (written.parse().unwrap(), dropped.parse().unwrap());

    assert!(written > 0 && dropped > 0, "{line}");
    assert_eq!(written + dropped, 2000);
    let page = super::super::super::last(&dir, &Default::default(), 10_000).unwrap();
    assert_eq!(
        (request_ids(&page.events).len(), page.damaged_bytes),
        (written, 0)
    );
    let end = page.cursor.unwrap();
    assert_eq!(
        std::fs::metadata(end.name.path(&dir)).unwrap().len(),
        end.offset,
        "no half event"
    );
}
