//! Closed loop: each connection sends its next request when it has its answer.
//! Shows cost at saturation; its latencies hide queueing and are not to be quoted.

use crate::args::Args;
use crate::client::{ask, connect_all, report, Client, PATIENCE};
use crate::frames;
use crate::histogram::Histogram;
use crate::http;
use crate::stage::Stage;
use crate::wire::Dialer;
use std::time::{Duration, Instant};

/// Runs for `--seconds` or until `--count` requests are sent, whichever is first, and waits for the last answers.
pub fn run(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let clients = connect_all(stage, &Dialer::new(args)?, args.connections()?)?;
    keep_busy(stage, args, clients, &requests)
}

/// The same with messages over WebSockets, each sent when the one before it has come back.
pub fn messages(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let opening = frames::opening(requests.first().ok_or("no request")?);
    let mut clients = connect_all(stage, &Dialer::new(args)?, args.connections()?)?;
    for (number, client) in clients.iter_mut().enumerate() {
        client.whole = frames::opened;
        ask(stage, client, number, &opening)?;
        client.whole = frames::echoed;
    }
    keep_busy(stage, args, clients, &[frames::message()])
}

fn keep_busy(
    stage: &mut Stage,
    args: &Args,
    mut clients: Vec<Client>,
    requests: &[Vec<u8>],
) -> Result<String, String> {
    let length = args.seconds()?;
    let wanted: u64 = args.optional("count")?.unwrap_or(u64::MAX);
    let mut turn = requests.iter().cycle();
    let mut latency = Histogram::new();
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
        stage.poll(Duration::ZERO, &mut ready)?;
        if ready.is_empty() && Instant::now() > end + PATIENCE {
            return Err(format!(
                "{} of {sent} requests had no answer {PATIENCE:?} after the end",
                sent - answered
            ));
        }
        for &number in &ready {
            let client = &mut clients[number];
            let Some(due) = client.receive(&mut stage.buffer)? else { continue };
            last = Instant::now();
            latency.record(last - due);
            answered += 1;
            if let (true, Some(request)) = (last < end && sent < wanted, turn.next()) {
                client.send(request, last)?;
                sent += 1;
            }
        }
    }
    Ok(report(answered, (last - start).as_secs_f64(), &latency.json(), "null"))
}
