//! Open loop: requests are due at a fixed rate, whether or not earlier ones
//! have been answered, and each is timed from when it was due. A subject that
//! stalls is thus charged for every request that would have come meanwhile
//! (no "coordinated omission").

use crate::args::Args;
use crate::client::{connect_all, report, PATIENCE};
use crate::histogram::Histogram;
use crate::http;
use crate::poller::Poller;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Sends `--rate` requests a second for `--seconds`, and waits for the last answers.
pub fn run(args: &Args) -> Result<(), String> {
    let body_bytes = args.value("body-bytes")?;
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let rate: f64 = args.value("rate")?;
    if !(1.0..=200_000.0).contains(&rate) {
        return Err("--rate: between 1 and 200000 a second".to_owned());
    }
    let wanted = (rate * args.seconds()?.as_secs_f64()).round() as u64;
    let mut clients = connect_all(args.target()?, args.connections()?, body_bytes)?;
    let mut poller = Poller::new()?;
    for (number, client) in clients.iter().enumerate() {
        poller.watch(&client.stream, number as u64)?;
    }
    // Threads are woken up to 50 µs late unless they ask for better.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
        .map_err(|error| error.to_string())?;

    let mut free: Vec<usize> = (0..clients.len()).rev().collect();
    let mut turn = requests.iter().cycle();
    let (mut latency, mut late) = (Histogram::new(), Histogram::new());
    let mut buffer = vec![0; 64 * 1024];
    let mut ready = Vec::new();
    let (mut sent, mut answered) = (0u64, 0u64);
    // The first request is due a little after now, so that none starts late.
    let start = Instant::now() + Duration::from_millis(5);
    let due_of = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
    let end = due_of(wanted);
    let mut last = start;
    while answered < wanted {
        let mut now = Instant::now();
        if now > end + PATIENCE {
            return Err(format!(
                "{} of {wanted} requests had no answer {PATIENCE:?} after the end",
                wanted - answered
            ));
        }
        while sent < wanted && due_of(sent) <= now {
            let (Some(number), Some(request)) = (free.pop(), turn.next()) else { break };
            let due = due_of(sent);
            late.record(now - due);
            clients[number].send(request, due)?;
            sent += 1;
            now = Instant::now();
        }
        // With no connection free, only an answer can help; the request's time runs on.
        let pause = if sent < wanted && !free.is_empty() {
            due_of(sent).saturating_duration_since(now)
        } else {
            Duration::from_millis(100)
        };
        poller.wait(pause, &mut ready)?;
        for &number in &ready {
            let Some(due) = clients[number as usize].receive(&mut buffer)? else { continue };
            last = Instant::now();
            latency.record(last - due);
            answered += 1;
            free.push(number as usize);
        }
    }
    report(answered, (last - start).as_secs_f64(), &latency.json(), &late.json());
    Ok(())
}
