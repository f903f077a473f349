//! Listening, and who gets a connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
const SHARDS: usize = 16;

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
    socket.bind(&bound.into())?;
    socket.listen(BACKLOG)?;
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

/// Counts a listener's connections, in all and by address, for all workers.
#[derive(Debug, Default)]
pub struct Admission {
    all: AtomicU32,
    by_address: [Mutex<HashMap<IpAddr, u32, RandomState>>; SHARDS],
}

/// The right to one connection; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// Whose it is, where that is counted.
    holder: Option<IpAddr>,
}

impl Admission {
    /// Admits a connection from `address`, unless there are too many.
    /// `most_by_address` is `None` for whom that bound is not meant: a trusted
    /// proxy's connections are those of many.
    #[must_use]
    pub fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        most: u32,
        most_by_address: Option<u32>,
    ) -> Option<Permit> {
        if self.all.fetch_add(1, Ordering::Relaxed) >= most {
            self.all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let holder = most_by_address.map(|_| holder(address));
        if let (Some(holder), Some(most)) = (holder, most_by_address) {
            let mut shard = self.shard(holder);
            let count = shard.entry(holder).or_default();
            if *count >= most {
                self.all.fetch_sub(1, Ordering::Relaxed);
                return None;
            }
            *count += 1;
        }
        Some(Permit {
            admission: Arc::clone(self),
            holder,
        })
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.all.load(Ordering::Relaxed)
    }

    fn shard(
        &self,
        address: IpAddr,
    ) -> std::sync::MutexGuard<'_, HashMap<IpAddr, u32, RandomState>> {
        let last = match address {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[7],
        };
        self.by_address[usize::from(last) % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is counted as one: an IPv6 client has a whole /64 to itself (RFC 6177).
fn holder(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.all.fetch_sub(1, Ordering::Relaxed);
        let Some(holder) = self.holder else { return };
        let mut shard = self.admission.shard(holder);
        if let Some(count) = shard.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&holder);
            }
        }
    }
}

#[cfg(test)]
mod tests;
