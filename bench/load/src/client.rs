//! One keep-alive connection with at most one request on its way.

use crate::http::answer;
use crate::stage::Stage;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a connection may take to open, and to answer where it is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to the subject.
pub struct Client {
    /// The socket, non-blocking.
    pub stream: TcpStream,
    /// When the request on its way was due; `None` while free.
    pub due: Option<Instant>,
    received: Vec<u8>,
    body_bytes: usize,
}

impl Client {
    /// Connects, waiting for it.
    pub fn connect(target: SocketAddr, body_bytes: usize) -> Result<Self, String> {
        let open = || -> std::io::Result<TcpStream> {
            let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let stream = open().map_err(|error| format!("cannot connect to {target}: {error}"))?;
        Ok(Self { stream, due: None, received: Vec::new(), body_bytes })
    }

    /// Sends a request that was due at the given time.
    pub fn send(&mut self, request: &[u8], due: Instant) -> Result<(), String> {
        self.due = Some(due);
        self.stream.write_all(request).map_err(|error| format!("cannot send: {error}"))
    }

    /// Reads once; gives when the answered request was due, once its answer is whole.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<Instant>, String> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err("the connection was closed".to_owned()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(format!("cannot receive: {error}")),
        };
        let whole = if self.received.is_empty() {
            let whole = answer(&buffer[..count], self.body_bytes)?;
            if whole.is_none() {
                self.received.extend_from_slice(&buffer[..count]);
            }
            whole
        } else {
            self.received.extend_from_slice(&buffer[..count]);
            answer(&self.received, self.body_bytes)?
        };
        if whole.is_none() {
            return Ok(None);
        }
        self.received.clear();
        self.due.take().map(Some).ok_or_else(|| "an answer that nobody asked for".to_owned())
    }
}

/// Connects as many as wanted, or says why not.
pub fn connect_all(
    stage: &Stage,
    target: SocketAddr,
    connections: usize,
) -> Result<Vec<Client>, String> {
    (0..connections)
        .map(|number| {
            let client = Client::connect(target, stage.body_bytes)?;
            stage.watch(&client.stream, number)?;
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
