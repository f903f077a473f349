//! A connection to a server of a group, for what is carried there unread.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use lockgate_policy::ReasonRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::forward::{
    await_name, await_services, enter, is_of_connecting, turned_away, Lease, MAX_CONNECTS,
};
use super::group::{Group, Member, Nobody, Wish};
use super::socket::Socket;
use super::spoken::Spoken;
use super::state::UpstreamCounts;
use super::target::{At, Target};
use super::{Failure, Pools};
use crate::net::ConnectionState;
use crate::reasons;
use crate::snapshot::CompiledUpstream;
use crate::tls::reasons::PASSTHROUGH_TO_ITSELF;

/// Where a connection led.
#[derive(Debug, Clone, Copy)]
pub enum Led<'a> {
    /// From this end to the other.
    Network(SocketAddr, SocketAddr),
    /// To a socket in the file system.
    Path(&'a Path),
}

/// Whether it led to the gate itself.
type Own<'a> = dyn Fn(Led<'_>) -> bool + 'a;

fn led<'a>(target: &'a Target, socket: &Socket) -> Option<Led<'a>> {
    if let At::Unix(path) = target.at() {
        return Some(Led::Path(path));
    }
    let (here, there) = socket.ends()?;
    Some(Led::Network(here, there))
}

/// A connection to a server, with its place under the breaker.
pub struct Raw {
    socket: Socket,
    lease: Box<Lease>,
    group: Arc<Group>,
}

impl Raw {
    /// The server.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.lease.member.target
    }

    /// What is counted of its upstream.
    fn counts(&self) -> &UpstreamCounts {
        &self.group.state.counts
    }

    /// Counts bytes of the client, and for it.
    pub fn count(&self, came: u64, went: u64) {
        let counts = self.counts();
        counts.carried_in.fetch_add(came, Ordering::Relaxed);
        counts.carried_out.fetch_add(went, Ordering::Relaxed);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.counts().carrying.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Raw {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.socket.poll_read(cx, read)
    }
}

impl AsyncWrite for Raw {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.socket.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.socket.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Pools {
    /// A connection to a server of an upstream that takes no requests, for a client
    /// that asked for `name`. `own` tells by where it led whether it is the gate itself
    /// that took it: then nothing is said there.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn raw(
        &self,
        upstream: &CompiledUpstream,
        state: &ConnectionState,
        name: &str,
        own: &Own<'_>,
    ) -> Result<Raw, Failure> {
        let Some(group) = upstream.group.as_ref().filter(|group| group.rules.raw) else {
            return Err(Failure {
                reason: Some(&reasons::CONNECT_FAILED),
                target: None,
                retry_after_s: None,
                why: None,
            });
        };
        let permit = enter(group).await?;
        let wish = group.wish(&HeaderMap::new(), "", state.source.peer);
        let said = |version| Spoken::carried(version, state, name);
        let spoken = upstream.proxy_protocol.map(said);
        let mut tried = Vec::new();
        let mut failure = None;
        for _ in 0..MAX_CONNECTS {
            let member = match group.pick(&wish, &tried, self.clock.coarse_ms()) {
                Ok(member) => member,
                Err(Nobody::Tried) => break,
                Err(Nobody::Unresolved) => {
                    await_services(group, upstream).await?;
                    continue;
                }
                Err(Nobody::Unhealthy) => {
                    let counts = &group.state.counts;
                    counts.unavailable.fetch_add(1, Ordering::Relaxed);
                    return Err(turned_away(group, &reasons::UNHEALTHY));
                }
            };
            tried.push(Arc::clone(&member.state));
            match self
                .reach_raw((group, upstream), member, &wish, (spoken.as_ref(), own))
                .await
            {
                Ok((socket, mut lease)) => {
                    lease.permit = permit;
                    let counts = &group.state.counts;
                    counts.carried.fetch_add(1, Ordering::Relaxed);
                    counts.carrying.fetch_add(1, Ordering::Relaxed);
                    return Ok(Raw {
                        socket,
                        lease,
                        group: Arc::clone(group),
                    });
                }
                Err(other) => failure = Some(other),
            }
        }
        Err(failure.unwrap_or_else(|| turned_away(group, &reasons::NAME_UNRESOLVED)))
    }

    async fn reach_raw(
        &self,
        (group, upstream): (&Arc<Group>, &CompiledUpstream),
        member: Member,
        wish: &Wish,
        (spoken, own): (Option<&Spoken>, &Own<'_>),
    ) -> Result<(Socket, Box<Lease>), Failure> {
        let lease = Lease::new(group, member, wish);
        let member = &lease.member;
        let found = match await_name(member, upstream).await {
            Ok(()) => {
                let addresses = member.addresses();
                let socket = self.socket(&member.target, &addresses, upstream, None);
                match socket.await {
                    Ok(socket) if led(&member.target, &socket).is_some_and(own) => {
                        Err(Failure::new(&PASSTHROUGH_TO_ITSELF, &member.target))
                    }
                    Ok(socket) => introduce(socket, spoken, member, upstream).await,
                    Err(failure) => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        };
        // How a server is shows in whether it takes a connection, and in nothing else: what comes after
        // the first byte of a client is that client's doing as well, and may be a stranger's.
        let now_ms = self.clock.coarse_ms();
        match found {
            Ok(socket) => {
                lease.succeeded(now_ms);
                Ok((socket, lease))
            }
            Err(failure) => {
                // That the gate has no descriptor left is not the server's fault.
                if let Some(reason) = failure.reason.filter(|reason| fails(reason)) {
                    lease.failed(now_ms, reason);
                }
                Err(failure)
            }
        }
    }
}

/// Whether it is the server's fault, or that of where it is said to be.
fn fails(reason: ReasonRef) -> bool {
    is_of_connecting(reason) || reason == &PASSTHROUGH_TO_ITSELF
}

/// Says for whom it speaks, where that is wanted.
async fn introduce(
    mut socket: Socket,
    spoken: Option<&Spoken>,
    member: &Member,
    upstream: &CompiledUpstream,
) -> Result<Socket, Failure> {
    let Some(spoken) = spoken else {
        return Ok(socket);
    };
    let within = Duration::from_millis(u64::from(upstream.timeouts.connect_ms));
    let header = spoken.header();
    match tokio::time::timeout(within, socket.write_all(&header)).await {
        Ok(Ok(())) => Ok(socket),
        Ok(Err(_)) => Err(Failure::new(&reasons::CONNECT_FAILED, &member.target)),
        Err(_) => Err(Failure::new(&reasons::CONNECT_TIMEOUT, &member.target)),
    }
}
