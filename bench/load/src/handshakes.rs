//! New connections, one after the other: each shakes hands, does one request
//! and goes. What a handshake costs a subject is its CPU time over all of them.

use crate::args::Args;
use crate::client::{report, Client, PATIENCE};
use crate::histogram::Histogram;
use crate::http;
use crate::stage::Stage;
use crate::wire::Dialer;
use std::time::{Duration, Instant};

/// Connects for `--seconds`; with `--resume yes` each goes on with the session of the one before.
pub fn run(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let resume = args.value::<String>("resume")? == "yes";
    let dialer = Dialer::new(args)?;
    let dialer = if resume { dialer } else { dialer.forgetful() };
    let mut latency = Histogram::new();
    let mut ready = Vec::new();
    let mut made = 0u64;
    let start = Instant::now();
    let end = start + args.seconds()?;
    let request = requests.first().ok_or("no request")?;
    while Instant::now() < end {
        let begun = Instant::now();
        let mut client = Client::connect(&dialer, stage.body_bytes)?;
        if resume && made > 0 && !client.wire.resumed() {
            return Err("a session was not resumed".to_owned());
        }
        stage.watch(&client.wire.stream, 0)?;
        client.send(request, begun)?;
        loop {
            stage.poll(Duration::ZERO, &mut ready)?;
            if !ready.is_empty() && client.receive(&mut stage.buffer)?.is_some() {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("no answer within {PATIENCE:?}"));
            }
        }
        latency.record(begun.elapsed());
        made += 1;
    }
    Ok(report(made, start.elapsed().as_secs_f64(), &latency.json(), "null"))
}
