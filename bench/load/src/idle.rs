//! Connections that did one request each and then stay: what keep-alive costs in memory.

use crate::args::Args;
use crate::client::{Client, PATIENCE};
use crate::http;
use crate::poller::Poller;
use std::io::Read;
use std::time::Instant;

/// Opens them one by one, says `ready`, and holds them until standard input closes.
pub fn run(args: &Args) -> Result<(), String> {
    let (target, connections) = (args.target()?, args.connections()?);
    let body_bytes = args.value("body-bytes")?;
    let requests = http::requests(&args.value::<String>("requests")?)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut held = Vec::with_capacity(connections);
    for request in requests.iter().cycle().take(connections) {
        let mut client = Client::connect(target, body_bytes)?;
        client.send(request, Instant::now())?;
        wait_for_answer(&mut client, &mut buffer)?;
        held.push(client);
    }
    println!("ready");
    let _ = std::io::stdin().read(&mut buffer).map_err(|error| error.to_string())?;
    let closed = held.iter().filter(|client| !still_open(client)).count();
    println!("{{\"connections\":{connections},\"closed_by_peer\":{closed}}}");
    Ok(())
}

fn wait_for_answer(client: &mut Client, buffer: &mut [u8]) -> Result<(), String> {
    let mut poller = Poller::new()?;
    poller.watch(&client.stream, 0)?;
    let end = Instant::now() + PATIENCE;
    let mut ready = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer within {PATIENCE:?}"));
        }
        poller.wait(left, &mut ready)?;
        if client.receive(buffer)?.is_some() {
            return Ok(());
        }
    }
}

/// A connection with nothing to read is open; one at its end reads as zero bytes.
fn still_open(client: &Client) -> bool {
    matches!(client.stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
