//! Open loop: requests are due at a fixed rate, whether or not earlier ones
//! have been answered, and each is timed from when it was due. A subject that
//! stalls is thus charged for every request that would have come meanwhile
//! (no "coordinated omission").

use crate::args::Args;
use crate::client::{connect_all, report, PATIENCE};
use crate::histogram::Histogram;
use crate::http;
use crate::stage::Stage;
use crate::wire::Dialer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sends `--rate` requests a second for `--seconds`, and waits for the last answers.
pub fn run(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let rate: f64 = args.value("rate")?;
    if !(1.0..=200_000.0).contains(&rate) {
        return Err("--rate: between 1 and 200000 a second".to_owned());
    }
    let wanted = (rate * args.seconds()?.as_secs_f64()).round() as u64;
    let mut clients = connect_all(stage, &Dialer::new(args)?, args.connections()?)?;

    // In turn, so that none rests for longer than a subject lets it.
    let mut free: VecDeque<usize> = (0..clients.len()).collect();
    let mut turn = requests.iter().cycle();
    let (mut latency, mut late) = (Histogram::new(), Histogram::new());
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
        // With no connection free a request waits, and its time runs on.
        while sent < wanted && due_of(sent) <= now {
            let (Some(number), Some(request)) = (free.pop_front(), turn.next()) else { break };
            let due = due_of(sent);
            late.record(now - due);
            clients[number].send(request, due)?;
            sent += 1;
            now = Instant::now();
        }
        stage.poll(Duration::ZERO, &mut ready)?;
        for &number in &ready {
            let Some(due) = clients[number].receive(&mut stage.buffer)? else { continue };
            last = Instant::now();
            latency.record(last - due);
            answered += 1;
            free.push_back(number);
        }
    }
    Ok(report(answered, (last - start).as_secs_f64(), &latency.json(), &late.json()))
}
