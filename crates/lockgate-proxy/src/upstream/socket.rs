//! The stream under a link, over TCP or in the file system, and how it is opened.

use std::borrow::Cow;
use std::fs::File;
use std::future::{poll_fn, Future};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::TlsConnector;

use super::target::Target;
use crate::net::acknowledge;
use crate::tls::Outbound;

/// How long one address may keep the next waiting (RFC 8305 section 5 recommends 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Longest path of a socket everywhere: `sun_path` has 104 bytes on macOS, one of them the final zero.
const NAME_BYTES: usize = 103;

/// A connected stream.
#[derive(Debug)]
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// In the file system.
    Unix(UnixStream),
    /// Over TCP, with TLS. In a box, so that others do not carry its size.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Connects to a socket in the file system, and says what goes before all else.
    pub async fn unix(path: &Path, preamble: &[u8]) -> io::Result<Self> {
        let (short, _folder) = short_name(path)?;
        let mut stream = UnixStream::connect(&short).await.map_err(plainly)?;
        stream.write_all(preamble).await?;
        Ok(Self::Unix(stream))
    }

    /// Connects to whichever address takes the connection first. Each is given
    /// a start over the next.
    pub async fn tcp(addresses: &[SocketAddr], preamble: &[u8]) -> io::Result<Self> {
        Ok(Self::Tcp(connect(addresses, preamble).await?))
    }

    /// Connects as [`Self::tcp`], and shakes hands.
    ///
    /// # Errors
    /// The socket's, or of kind `InvalidData` where the handshake failed.
    pub async fn tls(
        addresses: &[SocketAddr],
        preamble: &[u8],
        tls: &Outbound,
        target: &Target,
    ) -> io::Result<Self> {
        let nameless = || io::Error::new(io::ErrorKind::InvalidData, "it has no name to ask for");
        let name = tls.name_of(target).ok_or_else(nameless)?;
        let stream = connect(addresses, preamble).await?;
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// This end and the other, over TCP.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            Self::Unix(_) => return None,
        };
        Some((stream.local_addr().ok()?, stream.peer_addr().ok()?))
    }

    /// The other end, over TCP.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// See [`acknowledge`].
    pub fn acknowledge(&self) {
        match self {
            Self::Tcp(stream) => acknowledge(stream),
            Self::Tls(stream) => acknowledge(stream.get_ref().0),
            Self::Unix(_) => {}
        }
    }

    /// As [`AsyncRead`] has it.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, read),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, read),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, read),
        }
    }

    /// As [`AsyncWrite`] has it.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// As [`AsyncWrite`] has it. Only TLS holds anything back.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Self::poll_read(self.get_mut(), cx, read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(self.get_mut(), cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Why there is no connection to a socket in the file system, and what to do.
fn plainly(error: io::Error) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such socket; see that the API runs, and that the path is right"
        }
        io::ErrorKind::PermissionDenied => {
            "the gate's user may not connect; let it write to the socket and search its folders, best by a group that both are in"
        }
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there: what made the socket is gone; see that the API runs"
        }
        // EAGAIN: only sockets in the file system have it.
        io::ErrorKind::WouldBlock => {
            "its queue is full: the API takes its connections too slowly, or has a short backlog"
        }
        // As it is: whether descriptors ran out has to be seen.
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

async fn connect(addresses: &[SocketAddr], preamble: &[u8]) -> io::Result<TcpStream> {
    let mut stream = match addresses {
        [address] => TcpStream::connect(address).await?,
        several => race(several).await?,
    };
    stream.set_nodelay(true)?;
    if !preamble.is_empty() {
        stream.write_all(preamble).await?;
    }
    Ok(stream)
}

/// A name that fits into a socket's address, good while the folder is open: of one that
/// is longer the kernel follows the folder's descriptor, so that only its last part counts.
fn short_name(path: &Path) -> io::Result<(Cow<'_, Path>, Option<File>)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok((path.into(), None));
    };
    if path.as_os_str().len() <= NAME_BYTES || !cfg!(target_os = "linux") {
        return Ok((path.into(), None));
    }
    let folder = File::open(folder)?;
    let number = folder.as_raw_fd();
    let short = PathBuf::from(format!("/proc/self/fd/{number}")).join(name);
    Ok((short.into(), Some(folder)))
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut next = addresses.iter();
    let mut running: Vec<Connecting> = Vec::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = next.next() {
            running.push(Box::pin(TcpStream::connect(*address)));
        } else if running.is_empty() {
            return Err(failed);
        }
        let more = !next.as_slice().is_empty();
        let mut pause = Box::pin(tokio::time::sleep(STAGGER));
        let ended = poll_fn(|cx| {
            for at in 0..running.len() {
                if let Poll::Ready(result) = running[at].as_mut().poll(cx) {
                    drop(running.swap_remove(at));
                    return Poll::Ready(Some(result));
                }
            }
            if more && pause.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        });
        match ended.await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
