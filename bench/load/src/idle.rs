//! Connections that did one request each and then stay: what keep-alive costs in memory.

use crate::args::Args;
use crate::client::{Client, PATIENCE};
use crate::http;
use crate::stage::Stage;
use crate::wire::Dialer;
use std::time::{Duration, Instant};

/// Opens them one by one, says `ready`, holds them until `release`, and says how many are still open.
pub fn run(stage: &mut Stage, args: &Args) -> Result<String, String> {
    let (dialer, connections) = (Dialer::new(args)?, args.connections()?);
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let mut held = Vec::with_capacity(connections);
    for (number, request) in requests.iter().cycle().take(connections).enumerate() {
        let mut client = Client::connect(&dialer, stage.body_bytes)?;
        stage.watch(&client.wire.stream, number)?;
        client.send(request, Instant::now())?;
        wait_for_answer(stage, &mut client, number)?;
        held.push(client);
    }
    println!("{{\"ready\":{connections}}}");
    if !stage.wait_for("release")? {
        return Err("`release` was expected".to_owned());
    }
    let closed = held.iter().filter(|client| !client.wire.is_silent()).count();
    Ok(format!("{{\"connections\":{connections},\"closed_by_peer\":{closed}}}"))
}

fn wait_for_answer(stage: &mut Stage, client: &mut Client, number: usize) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    let mut ready = Vec::new();
    while Instant::now() < end {
        stage.poll(Duration::ZERO, &mut ready)?;
        if ready.contains(&number) && client.receive(&mut stage.buffer)?.is_some() {
            return Ok(());
        }
    }
    Err(format!("no answer within {PATIENCE:?}"))
}

