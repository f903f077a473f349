//! One gate takes the place of another without losing a connection.
//!
//! The new gate gets the very sockets of the old one, so connections that wait
//! in their queues belong to whoever accepts first. The old one gives up its
//! files first (events, facts), serves on meanwhile, and retires only once the
//! new one serves; where that fails, it takes its files back and nothing has
//! happened.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use socket2::{SockRef, Type};

use super::{Gate, GateError};
use crate::bundle::UnixSocket;
use crate::net::{self, bind_unix, Door, Endpoint, ListeningSocket, SocketFile};
use crate::snapshot::CompiledListener;
use crate::worker::Command;

/// Sockets of one listener, from one gate to the next.
#[derive(Debug)]
pub struct Handed {
    /// As the configuration says it.
    pub address: Endpoint,
    /// What it really is.
    pub bound: Endpoint,
    /// One for each worker of the gate that opened them.
    pub sockets: Vec<ListeningSocket>,
    /// Those of UDP, where the listener speaks HTTP/3.
    pub datagrams: Vec<UdpSocket>,
}

/// What a name on this machine is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// A user.
    User,
    /// A group.
    Group,
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
        })
    }
}

/// Tells the number of a user or group of this machine; none where there is no such name.
pub type Accounts = Arc<dyn Fn(Account, &str) -> Option<u32> + Send + Sync>;

/// A listener's sockets, one for each worker.
pub(super) struct Sockets {
    pub bound: Endpoint,
    pub sockets: Vec<ListeningSocket>,
    /// Its file, where it is in the file system.
    pub file: Option<(SocketFile, Door)>,
    /// Whether the file is there since now.
    pub made: bool,
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
                let sockets = opened.sockets.iter().map(ListeningSocket::try_clone);
                Ok(Handed {
                    address: address.clone(),
                    bound: opened.bound.clone(),
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
        // Those of sockets are the other gate's as well, until it is known that there is none.
        self.released.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes the files back: the other gate did not come to serve.
    ///
    /// # Errors
    /// If a file cannot be opened; the gate serves on, and keeps in memory what it is told.
    pub fn reclaim(&self) -> Result<(), GateError> {
        self.released.store(false, Ordering::Release);
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

    /// Sockets of a listener: those that were handed over, or new ones.
    pub(super) fn sockets_for(&self, listener: &CompiledListener) -> io::Result<Sockets> {
        let address = match &listener.address {
            Endpoint::Network(address) => *address,
            Endpoint::Path(path) => return self.sockets_at(path, listener),
        };
        let (bound, mut sockets) = match self.handed_to(&listener.address) {
            Some((Endpoint::Network(bound), sockets)) => (bound, sockets),
            _ => {
                let (bound, sockets) = net::bind(address, self.workers.len())?;
                let sockets = sockets.into_iter().map(ListeningSocket::Tcp);
                (bound, sockets.collect())
            }
        };
        while sockets.len() < self.workers.len() {
            sockets.push(ListeningSocket::Tcp(net::share(bound)?));
        }
        Ok(Sockets {
            bound: bound.into(),
            sockets,
            file: None,
            made: false,
        })
    }

    /// As [`Self::sockets_for`], in the file system: one socket, from which all workers accept.
    fn sockets_at(&self, path: &Arc<Path>, listener: &CompiledListener) -> io::Result<Sockets> {
        let door = self.door(&listener.socket)?;
        let handed = self.handed_to(&listener.address);
        // Of one whose file is gone nobody knows any more.
        let found = SocketFile::at(path)?;
        let handed = handed.and_then(|(_, mut sockets)| sockets.pop());
        let (made, socket, file) = match (handed, found) {
            // Its rights are set when everything else is known to work.
            (Some(socket), Some(file)) => (false, socket, file),
            _ => {
                let (socket, file) = bind_unix(path, &door)?;
                (true, ListeningSocket::Unix(socket), file)
            }
        };
        let mut sockets = vec![socket];
        while sockets.len() < self.workers.len() {
            sockets.push(sockets[0].try_clone()?);
        }
        Ok(Sockets {
            bound: listener.address.clone(),
            sockets,
            file: Some((file, door)),
            made,
        })
    }

    /// What was handed over of the listener at `address`; given out once.
    fn handed_to(&self, address: &Endpoint) -> Option<(Endpoint, Vec<ListeningSocket>)> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = handed
            .iter()
            .position(|each| each.address == *address && !each.sockets.is_empty())?;
        let each = &mut handed[at];
        let found = (each.bound.clone(), std::mem::take(&mut each.sockets));
        if each.datagrams.is_empty() {
            handed.swap_remove(at);
        }
        Some(found)
    }

    /// Whose a socket in the file system is to be, by numbers.
    pub(super) fn door(&self, socket: &UnixSocket) -> io::Result<Door> {
        let number = |account: Account, name: &Option<String>| {
            let Some(name) = name else { return Ok(None) };
            let known = name.parse().ok().or_else(|| (self.accounts)(account, name));
            let missing = || {
                let told =
                    format!("this machine has no {account} `{name}`; make it, or name another");
                io::Error::new(io::ErrorKind::InvalidInput, told)
            };
            known.map(Some).ok_or_else(missing)
        };
        Ok(Door {
            mode: socket.mode,
            owner: number(Account::User, &socket.owner)?,
            group: number(Account::Group, &socket.group)?,
        })
    }

    /// UDP sockets beside a listener on `address`: those that were handed over, or new ones.
    pub(super) fn datagrams_for(
        &self,
        address: &Endpoint,
        bound: SocketAddr,
    ) -> io::Result<Vec<UdpSocket>> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let at = handed
            .iter()
            .position(|each| each.address == *address && !each.datagrams.is_empty());
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
