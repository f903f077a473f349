//! A worker's UDP socket. Packets of another worker's connection, or of one of a
//! process that this one takes the place of, go to whose it is.
//!
//! The kernel spreads packets over the workers' sockets by their addresses. A
//! client whose address changes would reach another worker; and while one gate
//! takes the place of another, both read from the same sockets.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{ready, Context, Poll};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;

use super::cids::{self, Keys, Owner};
use crate::metrics::Metrics;

/// What stands before a packet that is passed on: address, port, ECN, and the
/// address that it came to.
const HEADER: usize = 16 + 2 + 1 + 1 + 16;
/// A packet that is passed on: what a UDP datagram can hold at most.
const PASSED: usize = HEADER + 65_536;
/// Reads of packets in a row, from the socket and from others, before the worker looks
/// what else there is to do. Some 100 µs of first packets, which cost most.
const TURN: usize = 16;

/// Where the workers of all processes of a gate are found.
#[derive(Debug)]
pub struct Exchange {
    folder: PathBuf,
    /// Held, so that names of any length can be reached through it.
    handle: std::fs::File,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    process: u32,
    /// The number of the next endpoint.
    next: AtomicU16,
    /// Where this process has sockets, once for each.
    bound: Mutex<Vec<SocketAddr>>,
}

impl Exchange {
    /// In this folder, which is made.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(
        folder: &Path,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        process: u32,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let exchange = Self {
            handle: std::fs::File::open(folder)?,
            folder: folder.to_owned(),
            keys,
            metrics,
            process,
            next: AtomicU16::new(0),
            bound: Mutex::default(),
        };
        exchange.sweep();
        Ok(exchange)
    }

    /// Whether this process has sockets there, and be it for connections that end.
    pub fn holds(&self, address: SocketAddr) -> bool {
        self.bound().contains(&address)
    }

    fn bound(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a worker's socket; short, however long the folder's is.
    fn name(&self, owner: Owner) -> PathBuf {
        let file = format!("{:08x}-{}", owner.process, owner.endpoint);
        if cfg!(target_os = "linux") {
            format!("/proc/self/fd/{}/{file}", self.handle.as_raw_fd()).into()
        } else {
            self.folder.join(file)
        }
    }

    /// Takes away what processes left that are gone.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(owner) = name.to_str().and_then(owner_of) else {
                continue;
            };
            let gone = UnixDatagram::unbound()
                .and_then(|socket| socket.connect(self.name(owner)))
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if gone {
                // Another gate may have been quicker.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn bind(&self, owner: Owner) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::bind(self.name(owner))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

fn owner_of(name: &str) -> Option<Owner> {
    let (process, endpoint) = name.split_once('-')?;
    Some(Owner {
        process: u32::from_str_radix(process, 16).ok()?,
        endpoint: endpoint.parse().ok()?,
    })
}

/// A UDP socket of a worker.
#[derive(Debug)]
pub struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    /// What comes in by way of others.
    passed: tokio::net::UnixDatagram,
    /// What goes to others.
    passing: UnixDatagram,
    exchange: Arc<Exchange>,
    bound: SocketAddr,
    owner: Owner,
    /// Another process reads the socket now.
    deaf: AtomicBool,
    /// Something was read since the worker has looked what else has come.
    read: AtomicBool,
}

impl Socket {
    /// Of a socket that is bound.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(socket: UdpSocket, exchange: Arc<Exchange>) -> io::Result<Self> {
        let owner = Owner {
            process: exchange.process,
            endpoint: exchange.next.fetch_add(1, Ordering::Relaxed),
        };
        let passing = UnixDatagram::unbound()?;
        passing.set_nonblocking(true)?;
        let bound = socket.local_addr()?;
        let made = Self {
            state: UdpSocketState::new((&socket).into())?,
            io: tokio::net::UdpSocket::from_std(socket)?,
            passed: tokio::net::UnixDatagram::from_std(exchange.bind(owner)?)?,
            passing,
            exchange,
            bound,
            owner,
            deaf: AtomicBool::new(false),
            read: AtomicBool::new(false),
        };
        made.exchange.bound().push(bound);
        Ok(made)
    }

    /// Whose connections come in here.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Reads no more of what comes in, but what another process passes on.
    pub fn leave(&self) {
        self.deaf.store(true, Ordering::Release);
    }

    fn poll_socket(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.deaf.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            ready!(self.io.poll_recv_ready(cx))?;
            let read = self.io.try_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), bufs, meta)
            });
            let Ok(count) = read else { continue };
            for (buf, meta) in bufs.iter_mut().zip(&mut meta[..count]) {
                self.keep_own(buf, meta);
            }
            return Poll::Ready(Ok(count));
        }
    }

    /// Passes on what is another's, and closes up the rest.
    fn keep_own(&self, buf: &mut [u8], meta: &mut RecvMeta) {
        let (mut from, mut kept) = (0, 0);
        let stride = meta.stride.max(1);
        while from < meta.len {
            let to = (from + stride).min(meta.len);
            if !self.pass_on(&buf[from..to], meta) {
                buf.copy_within(from..to, kept);
                kept += to - from;
            }
            from = to;
        }
        meta.len = kept;
    }

    /// Whether it is another's that is there, who has it now.
    fn pass_on(&self, packet: &[u8], meta: &RecvMeta) -> bool {
        let owner = cids::destination(packet).and_then(|id| self.exchange.keys.owner(id));
        let Some(owner) = owner.filter(|owner| *owner != self.owner) else {
            return false;
        };
        let mut message = Vec::with_capacity(HEADER + packet.len());
        message.extend_from_slice(&six(meta.addr.ip()).octets());
        message.extend_from_slice(&meta.addr.port().to_be_bytes());
        message.push(meta.ecn.map_or(0, |ecn| ecn as u8));
        message.push(u8::from(meta.dst_ip.is_some()));
        let to = meta.dst_ip.map_or(Ipv6Addr::UNSPECIFIED, six);
        message.extend_from_slice(&to.octets());
        message.extend_from_slice(packet);
        match self.passing.send_to(&message, self.exchange.name(owner)) {
            Ok(_) => {
                let count = &self.exchange.metrics.passed_on;
                count.fetch_add(1, Ordering::Relaxed);
                true
            }
            // It has too much to do: a lost packet is sent again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            // Its process is gone, which its client is told.
            Err(_) => false,
        }
    }

    fn poll_passed(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        ready!(self.passed.poll_recv_ready(cx))?;
        let mut message = [0; PASSED];
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta).take(TURN) {
            let Ok(length) = self.passed.try_recv(&mut message) else {
                break;
            };
            let Some((from, ecn, to, packet)) = unpack(&message[..length], self.is_v6()) else {
                break;
            };
            let Some(room) = buf.get_mut(..packet.len()) else {
                break;
            };
            room.copy_from_slice(packet);
            *meta = RecvMeta::default();
            meta.addr = from;
            meta.len = packet.len();
            meta.stride = packet.len();
            meta.ecn = ecn;
            meta.dst_ip = to;
            count += 1;
        }
        // Nothing may have come after all: then this is asked again at once.
        Poll::Ready(Ok(count))
    }

    fn is_v6(&self) -> bool {
        self.io.local_addr().is_ok_and(|address| address.is_ipv6())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What a process leaves that is killed, the next takes away.
        let _ = std::fs::remove_file(self.exchange.name(self.owner));
        let mut bound = self.exchange.bound();
        if let Some(at) = bound.iter().position(|address| *address == self.bound) {
            bound.swap_remove(at);
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable {
            socket: self,
            waiting: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || {
            self.state.send((&self.io).into(), transmit)
        })
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // A flood of packets is always ready: before more of it is read, the worker looks what
        // else has come, and everybody has a turn. The waker is called only then.
        if self.read.swap(false, Ordering::Relaxed)
            && pin!(tokio::task::yield_now()).poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        let most = bufs.len().min(meta.len()).min(TURN);
        let polled = match self.poll_socket(cx, &mut bufs[..most], &mut meta[..most]) {
            Poll::Pending => self.poll_passed(cx, bufs, meta),
            read => read,
        };
        self.read.store(polled.is_ready(), Ordering::Relaxed);
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits until something can be sent.
struct Writable {
    socket: Arc<Socket>,
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let waiting = this.waiting.get_or_insert_with(|| {
            let socket = Arc::clone(&this.socket);
            Box::pin(async move { socket.io.writable().await })
        });
        let polled = waiting.as_mut().poll(cx);
        if polled.is_ready() {
            this.waiting = None;
        }
        polled
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writable").finish_non_exhaustive()
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

type Passed<'a> = (SocketAddr, Option<EcnCodepoint>, Option<IpAddr>, &'a [u8]);

/// What another endpoint passed on; addresses as a socket of this family has them.
fn unpack(message: &[u8], v6: bool) -> Option<Passed<'_>> {
    let (header, packet) = message.split_at_checked(HEADER)?;
    let address = |bytes: &[u8]| {
        let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
        Some(if v6 {
            IpAddr::V6(six)
        } else {
            IpAddr::V6(six).to_canonical()
        })
    };
    let port = u16::from_be_bytes([header[16], header[17]]);
    let to = match header[19] {
        0 => None,
        _ => Some(address(&header[20..])?),
    };
    let from = SocketAddr::new(address(&header[..16])?, port);
    Some((from, EcnCodepoint::from_bits(header[18]), to, packet))
}
