//! One keep-alive connection with at most one request on its way.

use crate::http::answer;
use crate::stage::Stage;
pub use crate::wire::PATIENCE;
use crate::wire::{Dialer, Wire};
use std::time::{Duration, Instant};

/// A connection to the subject.
pub struct Client {
    /// What it speaks over.
    pub wire: Wire,
    /// When the request on its way was due; `None` while free.
    pub due: Option<Instant>,
    /// Says whether an answer is whole, and refuses a wrong one.
    pub whole: Whole,
    received: Vec<u8>,
    body_bytes: usize,
}

/// Reads an answer: what has come, and how long its body is to be.
pub type Whole = fn(&[u8], usize) -> Result<Option<usize>, String>;

impl Client {
    /// Connects, waiting for it.
    pub fn connect(dialer: &Dialer, body_bytes: usize) -> Result<Self, String> {
        Ok(Self {
            wire: dialer.dial()?,
            due: None,
            whole: answer,
            received: Vec::new(),
            body_bytes,
        })
    }

    /// Sends a request that was due at the given time.
    pub fn send(&mut self, request: &[u8], due: Instant) -> Result<(), String> {
        self.due = Some(due);
        self.wire.send(request)
    }

    /// Reads once; gives when the answered request was due, once its answer is whole.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Instant>, String> {
        let Some(count) = self.wire.receive(buffer)? else { return Ok(None) };
        let whole = if self.received.is_empty() {
            let whole = (self.whole)(&buffer[..count], self.body_bytes)?;
            if whole.is_none() {
                self.received.extend_from_slice(&buffer[..count]);
            }
            whole
        } else {
            self.received.extend_from_slice(&buffer[..count]);
            (self.whole)(&self.received, self.body_bytes)?
        };
        if whole.is_none() {
            return Ok(None);
        }
        self.received.clear();
        self.due.take().map(Some).ok_or_else(|| "an answer that nobody asked for".to_owned())
    }
}

/// Sends one request, and waits for its answer.
pub fn ask(
    stage: &mut Stage,
    client: &mut Client,
    number: usize,
    request: &[u8],
) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    let mut ready = Vec::new();
    client.send(request, Instant::now())?;
    while Instant::now() < end {
        stage.poll(Duration::ZERO, &mut ready)?;
        if ready.contains(&number) && client.receive(&mut stage.buffer)?.is_some() {
            return Ok(());
        }
    }
    Err(format!("no answer within {PATIENCE:?}"))
}

/// Connects as many as wanted, or says why not.
pub fn connect_all(
    stage: &Stage,
    dialer: &Dialer,
    connections: usize,
) -> Result<Vec<Client>, String> {
    (0..connections)
        .map(|number| {
            let client = Client::connect(dialer, stage.body_bytes)?;
            stage.watch(&client.wire.stream, number)?;
            Ok(client)
        })
        .collect()
}

/// A run's result. There is no count of errors: the first one ends the run, for its numbers would mean nothing.
pub fn report(requests: u64, seconds: f64, latency: &str, late: &str) -> String {
    format!(
        "{{\"requests\":{requests},\"seconds\":{seconds:.6},\"latency_us\":{latency},\"generator_late_us\":{late}}}"
    )
}
