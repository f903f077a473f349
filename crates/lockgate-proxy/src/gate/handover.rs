//! One gate takes the place of another without losing a connection.
//!
//! The new gate gets the very sockets of the old one, so connections that wait
//! in their queues belong to whoever accepts first. The old one gives up its
//! files first (events, facts), serves on meanwhile, and retires only once the
//! new one serves; where that fails, it takes its files back and nothing has
//! happened.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use socket2::{SockRef, Type};

use super::{Gate, GateError};
use crate::net;
use crate::worker::Command;

/// Sockets of one listener, from one gate to the next.
#[derive(Debug)]
pub struct Handed {
    /// As the configuration says it.
    pub address: SocketAddr,
    /// What it really is.
    pub bound: SocketAddr,
    /// One for each worker of the gate that opened them.
    pub sockets: Vec<TcpListener>,
    /// Those of UDP, where the listener speaks HTTP/3.
    pub datagrams: Vec<UdpSocket>,
}

/// Whether a socket that was handed over is one of UDP.
///
/// # Errors
/// If it is no socket.
pub fn is_datagram(socket: &OwnedFd) -> io::Result<bool> {
    Ok(SockRef::from(socket).r#type()? == Type::DGRAM)
}

impl Gate {
    /// The listening sockets once more, for the gate that comes after.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn sockets(&self) -> Result<Vec<Handed>, GateError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let handed: io::Result<Vec<_>> = open
            .iter()
            .map(|(address, opened)| {
                let sockets = opened.sockets.iter().map(TcpListener::try_clone);
                Ok(Handed {
                    address: *address,
                    bound: opened.bound,
                    sockets: sockets.collect::<io::Result<_>>()?,
                    datagrams: opened
                        .datagrams
                        .iter()
                        .flat_map(|(_, kept)| kept)
                        .map(UdpSocket::try_clone)
                        .collect::<io::Result<_>>()?,
                })
            })
            .collect();
        handed.map_err(GateError::State)
    }

    /// Lets go of the files that only one gate may write, and serves on: events
    /// go to a folder beside, facts are remembered in memory.
    ///
    /// # Errors
    /// If the event log cannot move; then nothing has changed.
    pub fn release(&self) -> Result<(), GateError> {
        let log = &self.shared.log;
        log.leave()
            .map_err(|error| GateError::State(io::Error::other(error)))?;
        self.shared.facts.detach();
        Ok(())
    }

    /// Takes the files back: the other gate did not come to serve.
    ///
    /// # Errors
    /// If a file cannot be opened; the gate serves on, and keeps in memory what it is told.
    pub fn reclaim(&self) -> Result<(), GateError> {
        let facts = self.shared.facts.attach(&self.folder.join("facts.log"));
        let log = &self.shared.log;
        log.come_back()
            .map_err(|error| GateError::State(io::Error::other(error)))?;
        facts.map_err(GateError::State)
    }

    /// Stops accepting, tells every client that its next answer is the last,
    /// and waits for the connections to end: those that rest may do so for
    /// `rest`, all others `within` all in all. False if some were cut off.
    ///
    /// A client that sends a request just as its connection is closed would
    /// lose it; hence the time in which resting connections are only told.
    #[must_use]
    pub fn retire(&self, rest: Duration, within: Duration) -> bool {
        self.shared.draining.store(true, Ordering::Release);
        self.shared.facts.leave_log();
        for worker in &self.workers {
            // A worker that is gone has nobody to tell.
            let _ = worker.commands.blocking_send(Command::Retire);
        }
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        if self.shared.wait_until_over(rest.min(within)) {
            let _ = self.shared.log.flush();
            return true;
        }
        self.drain(within.saturating_sub(rest))
    }

    /// Takes the events that a gate before this one wrote while it retired;
    /// whether there is none left that still writes.
    ///
    /// # Errors
    /// If they cannot be moved; they are tried again at the next start.
    pub fn adopt(&self) -> Result<bool, GateError> {
        let adopted = self.shared.log.adopt();
        adopted.map_err(|error| GateError::State(io::Error::other(error)))
    }

    /// Sockets that listen on `address`: those that were handed over, or new ones.
    pub(super) fn sockets_for(
        &self,
        address: SocketAddr,
    ) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = handed
            .iter()
            .position(|each| each.address == address && !each.sockets.is_empty());
        let Some(at) = at else {
            return net::bind(address, self.workers.len());
        };
        let each = &mut handed[at];
        let (bound, mut sockets) = (each.bound, std::mem::take(&mut each.sockets));
        if each.datagrams.is_empty() {
            handed.swap_remove(at);
        }
        while sockets.len() < self.workers.len() {
            sockets.push(net::share(bound)?);
        }
        Ok((bound, sockets))
    }

    /// UDP sockets beside a listener on `address`: those that were handed over, or new ones.
    pub(super) fn datagrams_for(
        &self,
        address: SocketAddr,
        bound: SocketAddr,
    ) -> io::Result<Vec<UdpSocket>> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = handed
            .iter()
            .position(|each| each.address == address && !each.datagrams.is_empty());
        let Some(at) = at else {
            // Connections from before HTTP/3 was turned off may still end there.
            return if self.shared.quic.holds(bound) {
                let workers = 0..self.workers.len();
                workers.map(|_| net::share_datagrams(bound)).collect()
            } else {
                net::bind_datagrams(bound, self.workers.len())
            };
        };
        let mut sockets = handed.swap_remove(at).datagrams;
        while sockets.len() < self.workers.len() {
            sockets.push(net::share_datagrams(bound)?);
        }
        Ok(sockets)
    }
}
