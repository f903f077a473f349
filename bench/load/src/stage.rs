//! The one loop: the origin's sockets, the clients' and standard input.

use crate::args::Args;
use crate::origin::Origin;
use crate::poller::Poller;
use crate::{closed, handshakes, idle, open};
use std::time::Duration;

/// Beyond the numbers of clients; [`Origin`] has those above [`crate::origin::FIRST`].
const STDIN: u64 = u64::MAX - 1;

/// Where a run takes place.
pub struct Stage {
    poller: Poller,
    origin: Origin,
    ready: Vec<u64>,
    line: Vec<u8>,
    /// Bytes of the body that every answer has.
    pub body_bytes: usize,
    /// What a read is made into.
    pub buffer: Vec<u8>,
}

/// What standard input says.
enum Order {
    Line(String),
    End,
}

impl Stage {
    /// Opens the origin and prints its address.
    pub fn new(args: &Args) -> Result<Self, String> {
        let body_bytes = args.value("body-bytes")?;
        let origin = Origin::new(body_bytes)?;
        let poller = Poller::new()?;
        origin.watch(&poller)?;
        poller.watch(std::io::stdin(), STDIN)?;
        println!("{}", origin.address()?);
        let buffer = vec![0; 64 * 1024];
        Ok(Self { poller, origin, ready: Vec::new(), line: Vec::new(), body_bytes, buffer })
    }

    /// Obeys until standard input closes, so that it never outlives who started it.
    pub fn serve(mut self) -> Result<(), String> {
        while let Order::Line(line) = self.order()? {
            let mut words = line.split('\t').map(str::to_owned);
            let mode = words.next().unwrap_or_default();
            let outcome = Args::parse(words).and_then(|args| match mode.as_str() {
                "closed" => closed::run(&mut self, &args),
                "messages" => closed::messages(&mut self, &args),
                "open" => open::run(&mut self, &args),
                "handshakes" => handshakes::run(&mut self, &args),
                "idle" => idle::run(&mut self, &args),
                other => Err(format!("no order is called {other:?}")),
            });
            match outcome {
                Ok(json) => println!("{json}"),
                Err(message) => println!("{{\"error\":{message:?}}}"),
            }
        }
        Ok(())
    }

    /// Watches a client's socket.
    pub fn watch(&self, what: impl std::os::fd::AsFd, number: usize) -> Result<(), String> {
        self.poller.watch(what, number as u64)
    }

    /// Serves the origin's sockets and gives the numbers of clients that have something to read.
    pub fn poll(&mut self, timeout: Duration, clients: &mut Vec<usize>) -> Result<(), String> {
        clients.clear();
        self.poller.wait(timeout, &mut self.ready)?;
        for &number in &self.ready {
            if number == STDIN {
                continue; // What it says is read when nothing runs.
            } else if Origin::owns(number) {
                self.origin.ready(number, &self.poller, &mut self.buffer)?;
            } else {
                clients.push(number as usize);
            }
        }
        Ok(())
    }

    /// Serves the origin, sleeping while nobody wants it, until a line is there; true if it was this one.
    pub fn wait_for(&mut self, word: &str) -> Result<bool, String> {
        Ok(matches!(self.order()?, Order::Line(line) if line == word))
    }

    fn order(&mut self) -> Result<Order, String> {
        let mut clients = Vec::new();
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.line.drain(..=end).collect();
                return Ok(Order::Line(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            self.poll(Duration::from_secs(3600), &mut clients)?;
            if self.ready.contains(&STDIN) {
                let mut piece = [0; 4096];
                let count = rustix::io::read(std::io::stdin(), &mut piece)
                    .map_err(|error| error.to_string())?;
                if count == 0 {
                    return Ok(Order::End);
                }
                self.line.extend_from_slice(&piece[..count]);
            }
        }
    }
}
