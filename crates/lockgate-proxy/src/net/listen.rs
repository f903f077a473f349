//! Listening, and who gets a connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Bytes that the kernel takes for a client beyond what the network has room for. More of them do
/// not make a download faster, and one that is not read would hold 4 MiB of the machine's memory
/// (`tcp_wmem`), fetched from the upstream and copied in one go.
const UNSENT: u32 = 128 * 1024;

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;
const SHARDS: usize = 16;
/// Bytes that wait to be read on a UDP socket: some 700 packets, 10 ms at 1 Gbit/s.
const DATAGRAM_BYTES: usize = 1024 * 1024;

/// A socket on which a gate listens.
#[derive(Debug)]
pub enum ListeningSocket {
    /// On the network.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixListener),
}

impl ListeningSocket {
    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }
}

impl TryFrom<OwnedFd> for ListeningSocket {
    type Error = io::Error;

    fn try_from(descriptor: OwnedFd) -> io::Result<Self> {
        let address = SockRef::from(&descriptor).local_addr()?;
        Ok(if address.domain() == Domain::UNIX {
            Self::Unix(descriptor.into())
        } else {
            Self::Tcp(descriptor.into())
        })
    }
}

impl From<ListeningSocket> for OwnedFd {
    fn from(socket: ListeningSocket) -> Self {
        match socket {
            ListeningSocket::Tcp(socket) => socket.into(),
            ListeningSocket::Unix(socket) => socket.into(),
        }
    }
}

/// Opens as many listeners on `address` as there are workers; the kernel
/// spreads connections over them. Port 0 takes a free one, the same for all.
///
/// # Errors
/// If the address is taken by another program, or not ours to take.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    // Sharing a port would let a second gate take half the requests unnoticed:
    // a socket that does not share finds out whether somebody listens there.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    probe.listen(1)?;
    let bound = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    Ok((
        bound,
        (0..workers)
            .map(|_| share(bound))
            .collect::<io::Result<_>>()?,
    ))
}

/// Opens one more listener on an address that this gate has.
///
/// # Errors
/// If the system refuses it.
pub fn share(bound: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(bound)?;
    socket.set_reuse_port(true)?;
    // Whoever is accepted has it from here, without a call of its own.
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.bind(&bound.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Opens as many UDP sockets on `address`, which listens over TCP already; the
/// kernel spreads clients over them.
///
/// # Errors
/// If the address is taken by another program, or not ours to take.
pub fn bind_datagrams(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    // As with TCP: who shares would not learn that somebody has it.
    drop(UdpSocket::bind(address)?);
    (0..workers).map(|_| share_datagrams(address)).collect()
}

/// Opens one more UDP socket on an address that this gate has.
///
/// # Errors
/// If the system refuses it.
pub fn share_datagrams(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(true)?;
    // What comes while a worker is at work waits here; the kernel gives what it allows.
    socket.set_recv_buffer_size(DATAGRAM_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // Inherited by each connection, which saves a system call for every one.
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// How many times its rate an address may take at once.
const BURST: u64 = 5;

const SECOND_US: u64 = 1_000_000;

/// How many new connections a flood of frames stands for: whoever comes back
/// for another one is soon without.
const FLOOD: u64 = 50;

/// Addresses of a shard before those are forgotten that hold nothing.
const FORGET_FROM: usize = 1024;

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The listener has as many as it may.
    Listener,
    /// The address has.
    Address,
    /// The address makes too many new ones.
    Rate,
}

impl Full {
    /// Each, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Listener, Self::Address, Self::Rate];

    /// The limit's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "connections",
            Self::Address => "connections_per_ip",
            Self::Rate => "new_connections_per_ip",
        }
    }
}

/// What one address may have.
#[derive(Debug, Clone, Copy)]
pub struct Each {
    /// Open connections.
    pub open: u32,
    /// New ones in a second; 0 for no bound.
    pub per_second: u32,
}

/// What one address has.
#[derive(Debug, Default)]
struct Held {
    open: u32,
    /// When all that it took is earned again, microseconds since the epoch: a
    /// bucket told by one number (the generic cell rate algorithm).
    earned_us: u64,
}

#[derive(Debug, Default)]
struct Shard {
    held: HashMap<IpAddr, Held, RandomState>,
    /// How many addresses are borne before the next look for what can be forgotten.
    forget_at: usize,
}

/// Counts a listener's connections, in all and by address, for all workers.
#[derive(Debug, Default)]
pub struct Admission {
    all: AtomicU32,
    by_address: [Mutex<Shard>; SHARDS],
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Whether it is one of the listener's; else only of its holder's.
    listener: bool,
    /// Whose it is, where that is counted.
    holder: Option<IpAddr>,
}

impl Admission {
    /// Admits a connection from `address` at `now_ms`, unless there are too many.
    /// `each` is `None` for whom bounds by address are not meant: a trusted
    /// proxy's connections are those of many.
    ///
    /// # Errors
    /// The bound that it met.
    pub fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        most: u32,
        each: Option<Each>,
        now_ms: u64,
    ) -> Result<Permit, Full> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= most {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Listener);
        }
        // Given back when it is dropped, also by an error.
        let permit = Permit {
            admission: Arc::clone(self),
            listener: true,
            holder: None,
        };
        permit.held_by(address, each, now_ms)
    }

    /// Admits for `address` as well what was admitted for a proxy that speaks for it.
    ///
    /// # Errors
    /// The bound that it met.
    pub fn admit_also(
        self: &Arc<Self>,
        address: IpAddr,
        each: Option<Each>,
        now_ms: u64,
    ) -> Result<Permit, Full> {
        let permit = Permit {
            admission: Arc::clone(self),
            listener: false,
            holder: None,
        };
        permit.held_by(address, each, now_ms)
    }

    /// Admits one more request of a connection that has some under way: it takes
    /// a place as a connection does, so that nobody has more by multiplexing.
    ///
    /// # Errors
    /// The bound that it met.
    pub fn admit_stream(
        self: &Arc<Self>,
        address: IpAddr,
        most: u32,
        each: Option<Each>,
        now_ms: u64,
    ) -> Result<Permit, Full> {
        let each = each.map(|each| Each {
            per_second: 0,
            ..each
        });
        self.admit(address, most, each, now_ms)
    }

    /// Lets an address pay for a connection that was ended as a flood.
    pub fn charge(&self, address: IpAddr, each: Each, now_ms: u64) {
        if each.per_second == 0 {
            return;
        }
        let holder = holder(address);
        if let Some(held) = self.shard(holder).held.get_mut(&holder) {
            let now_us = now_ms * 1_000;
            let cost_us = FLOOD * SECOND_US / u64::from(each.per_second);
            let next = held.earned_us.max(now_us) + cost_us;
            // However many end at once, what is owed beyond the burst is one flood's price: who
            // shares the address is not shut out for longer, and who floods again comes no oftener.
            held.earned_us = next.min(now_us + BURST * SECOND_US + cost_us);
        }
    }

    /// How many connections there are, and requests beside the first of each.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.all.load(Ordering::Relaxed)
    }

    fn shard(&self, address: IpAddr) -> std::sync::MutexGuard<'_, Shard> {
        let last = match address {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[7],
        };
        self.by_address[usize::from(last) % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    fn held_by(mut self, address: IpAddr, each: Option<Each>, now_ms: u64) -> Result<Self, Full> {
        if let Some(each) = each {
            let holder = holder(address);
            self.admission.shard(holder).take(holder, each, now_ms)?;
            self.holder = Some(holder);
        }
        Ok(self)
    }
}

impl Shard {
    fn take(&mut self, holder: IpAddr, each: Each, now_ms: u64) -> Result<(), Full> {
        let now_us = now_ms * 1_000;
        if self.held.len() >= self.forget_at.max(FORGET_FROM) {
            self.held
                .retain(|_, held| held.open > 0 || held.earned_us > now_us);
            // So that a look over all of them is spread over as many that are new.
            self.forget_at = 2 * self.held.len();
        }
        let held = self.held.entry(holder).or_default();
        if held.open >= each.open {
            return Err(Full::Address);
        }
        if each.per_second > 0 {
            let cost_us = SECOND_US / u64::from(each.per_second);
            let next = held.earned_us.max(now_us) + cost_us;
            if next > now_us + BURST * SECOND_US {
                return Err(Full::Rate);
            }
            held.earned_us = next;
        }
        held.open += 1;
        Ok(())
    }
}

/// Who is counted as one: an IPv6 client has a whole /64 to itself (RFC 6177).
#[must_use]
pub fn holder(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.listener {
            self.admission.all.fetch_sub(1, Ordering::Relaxed);
        }
        let Some(holder) = self.holder else { return };
        let mut shard = self.admission.shard(holder);
        if let Some(held) = shard.held.get_mut(&holder) {
            held.open -= 1;
            if held.open == 0 && held.earned_us == 0 {
                shard.held.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests;
