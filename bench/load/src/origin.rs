//! The upstream of every subject: one JSON answer, as cheaply as a socket allows.

use crate::args::Args;
use crate::http::Message;
use crate::poller::Poller;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const LISTENER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;

/// Bytes that a request may have; what the benchmark sends is far below.
const REQUEST_BYTES: usize = 64 * 1024;

struct Peer {
    stream: TcpStream,
    pending: Vec<u8>,
}

/// Serves until standard input closes, so that it never outlives who started it.
pub fn run(args: &Args) -> Result<(), String> {
    let answer = canned(args.value("body-bytes")?)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    println!("{}", listener.local_addr().map_err(|error| error.to_string())?);

    let mut poller = Poller::new()?;
    poller.watch(&listener, LISTENER)?;
    poller.watch(std::io::stdin(), STDIN)?;
    let mut peers: HashMap<u64, Peer> = HashMap::new();
    let mut next = 0;
    let mut ready = Vec::new();
    let mut buffer = vec![0; REQUEST_BYTES];
    loop {
        poller.wait(Duration::from_secs(3600), &mut ready)?;
        for &number in &ready {
            match number {
                STDIN => return Ok(()),
                LISTENER => {
                    while let Ok((stream, _)) = listener.accept() {
                        let nodelay = stream.set_nodelay(true);
                        if nodelay.is_ok() && stream.set_nonblocking(true).is_ok() {
                            poller.watch(&stream, next)?;
                            peers.insert(next, Peer { stream, pending: Vec::new() });
                            next += 1;
                        }
                    }
                }
                peer => {
                    let open =
                        peers.get_mut(&peer).is_some_and(|peer| serve(peer, &mut buffer, &answer));
                    if !open {
                        peers.remove(&peer);
                    }
                }
            }
        }
    }
}

/// Answers what has arrived; false once the peer is to be let go.
fn serve(peer: &mut Peer, buffer: &mut [u8], answer: &[u8]) -> bool {
    let count = match peer.stream.read(buffer) {
        Ok(0) => return false,
        Ok(count) => count,
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    };
    // Nearly always one whole request in one read: nothing is copied then.
    if peer.pending.is_empty() {
        if let Ok(Some(message)) = Message::read(&buffer[..count]) {
            if message.total() == count {
                return peer.stream.write_all(answer).is_ok();
            }
        }
    }
    peer.pending.extend_from_slice(&buffer[..count]);
    loop {
        match Message::read(&peer.pending) {
            Ok(Some(message)) if message.total() <= peer.pending.len() => {
                peer.pending.drain(..message.total());
                if peer.stream.write_all(answer).is_err() {
                    return false;
                }
            }
            Ok(_) => return peer.pending.len() < REQUEST_BYTES,
            Err(_) => return false,
        }
    }
}

/// An answer whose body is a JSON object of exactly so many bytes.
fn canned(body_bytes: usize) -> Result<Vec<u8>, String> {
    const BEFORE: &str = "{\"id\":\"ord_1017\",\"note\":\"";
    const AFTER: &str = "\"}";
    let filling = body_bytes
        .checked_sub(BEFORE.len() + AFTER.len())
        .ok_or_else(|| format!("--body-bytes: at least {}", BEFORE.len() + AFTER.len()))?;
    let filling = "x".repeat(filling);
    Ok(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n{BEFORE}{filling}{AFTER}"
    )
    .into_bytes())
}
