//! Closed loop: each connection sends its next request when it has its answer.
//! Shows cost at saturation; its latencies hide queueing and are not to be quoted.

use crate::args::Args;
use crate::client::{connect_all, report, PATIENCE};
use crate::histogram::Histogram;
use crate::http;
use crate::poller::Poller;
use std::time::{Duration, Instant};

/// Runs for `--seconds` or until `--count` requests are sent, whichever is first, and waits for the last answers.
pub fn run(args: &Args) -> Result<(), String> {
    let body_bytes = args.value("body-bytes")?;
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let length = args.seconds()?;
    let wanted: u64 = args.optional("count")?.unwrap_or(u64::MAX);
    let mut clients = connect_all(args.target()?, args.connections()?, body_bytes)?;
    let mut poller = Poller::new()?;
    for (number, client) in clients.iter().enumerate() {
        poller.watch(&client.stream, number as u64)?;
    }

    let mut turn = requests.iter().cycle();
    let mut latency = Histogram::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut ready = Vec::new();
    let (mut sent, mut answered) = (0u64, 0u64);
    let start = Instant::now();
    let end = start + length;
    for client in &mut clients {
        if let (true, Some(request)) = (sent < wanted, turn.next()) {
            client.send(request, Instant::now())?;
            sent += 1;
        }
    }
    let mut last = start;
    while answered < sent {
        poller.wait(Duration::from_millis(100), &mut ready)?;
        let mut now = Instant::now();
        if now > end + PATIENCE {
            return Err(format!(
                "{} of {sent} requests had no answer {PATIENCE:?} after the end",
                sent - answered
            ));
        }
        for &number in &ready {
            let client = &mut clients[number as usize];
            let Some(due) = client.receive(&mut buffer)? else { continue };
            now = Instant::now();
            latency.record(now - due);
            answered += 1;
            last = now;
            if let (true, Some(request)) = (now < end && sent < wanted, turn.next()) {
                client.send(request, now)?;
                sent += 1;
            }
        }
    }
    report(answered, (last - start).as_secs_f64(), &latency.json(), "null");
    Ok(())
}
