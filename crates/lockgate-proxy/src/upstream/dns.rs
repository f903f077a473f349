//! Looking names up: a small resolver of our own, which knows how long an
//! answer holds and asks for services too; the system's `getaddrinfo` does
//! neither. See docs/decisions/0040-our-own-stub-resolver.md.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

mod message;
mod system;

pub use message::read_answer;
pub use message::Kind;

use message::{query, Answer, Record};

use super::target::{At, Target};

/// How long one server may take; the usual `options timeout` is 5 s, which nobody waits for twice.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often each server is asked, since UDP loses packets.
const ROUNDS: usize = 2;
/// Name servers that are asked; resolv.conf(5) reads 3.
pub const MAX_SERVERS: usize = 8;
/// Addresses of one name; the rest is left out.
pub const MAX_ADDRESSES: usize = 64;
/// Longest message over UDP without EDNS (RFC 1035 section 4.2.1), with room for those who send more.
const UDP_BYTES: usize = 4096;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// None for the system's.
    servers: Vec<SocketAddr>,
}

/// What DNS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The answer.
    pub what: Vec<T>,
    /// For how long it holds, milliseconds.
    pub ttl_ms: u64,
    /// How many were too many, and left out.
    pub over: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failed {
    /// There is no such name, or nothing of this kind under it.
    Nothing,
    /// No name server answered, or none as it should.
    Unreachable(String),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("DNS has nothing under this name"),
            Self::Unreachable(why) => write!(f, "no name server gave an answer ({why})"),
        }
    }
}

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Lower ones first.
    pub priority: u16,
    /// As DNS says it.
    pub weight: u16,
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Service {
    /// Where it is.
    #[must_use]
    pub fn target(&self) -> Target {
        At::Name(self.host.clone(), self.port).into()
    }

    /// Its share, 1 to 100: RFC 2782 gives a weight of 0 a small chance.
    #[must_use]
    pub fn share(&self) -> u16 {
        let weight = u32::from(self.weight);
        let share = if weight <= 100 {
            weight
        } else {
            weight * 100 / 65_535
        };
        u16::try_from(share.clamp(1, 100)).unwrap_or(1)
    }
}

impl Resolver {
    /// Asks these servers, or the system's where there are none.
    #[must_use]
    pub const fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// The addresses of a host, both families in turn (RFC 8305 section 4).
    ///
    /// # Errors
    /// Why there are none.
    pub async fn addresses(&self, host: &str) -> Result<Found<IpAddr>, Failed> {
        let system = system::Settings::read();
        if self.servers.is_empty() {
            let fixed = system.hosts(host);
            if !fixed.is_empty() {
                return Ok(bounded(fixed, 0));
            }
        }
        let mut failed = Failed::Nothing;
        for name in self.candidates(host, &system) {
            let (v6, v4) = tokio::join!(
                self.ask(&name, Kind::Aaaa, &system),
                self.ask(&name, Kind::A, &system)
            );
            let mut ttl = u32::MAX;
            let mut families = [Vec::new(), Vec::new()];
            let mut broken = None;
            for (family, answer) in families.iter_mut().zip([v6, v4]) {
                match answer {
                    Ok(answer) => {
                        for record in answer.records {
                            if let Record::Address(address) = record.what {
                                ttl = ttl.min(record.ttl);
                                family.push(address);
                            }
                        }
                    }
                    // Some servers deny the whole name where it has no address of one family.
                    Err(Failed::Nothing) => {}
                    Err(why) => broken = Some(why),
                }
            }
            let [v6, v4] = families;
            let both = interleaved(v6, v4);
            match broken {
                // One family is enough to go on, but it is asked again soon.
                Some(_) if !both.is_empty() => return Ok(bounded(both, 0)),
                Some(why) => failed = why,
                None if !both.is_empty() => return Ok(bounded(both, ttl)),
                None => {}
            }
        }
        Err(failed)
    }

    /// The servers of a service (RFC 2782).
    ///
    /// # Errors
    /// Why there are none.
    pub async fn services(&self, name: &str) -> Result<Found<Service>, Failed> {
        let system = system::Settings::read();
        let answer = self.ask(name, Kind::Srv, &system).await?;
        let mut ttl = u32::MAX;
        let mut what: Vec<Service> = Vec::new();
        for record in answer.records {
            if let Record::Service(service) = record.what {
                ttl = ttl.min(record.ttl);
                // A dot says that the service is decidedly not there.
                if !service.host.is_empty() && service.port != 0 {
                    what.push(service);
                }
            }
        }
        if what.is_empty() {
            return Err(Failed::Nothing);
        }
        what.sort();
        what.dedup();
        let over = super::group::bounded(&mut what);
        Ok(Found {
            what,
            ttl_ms: u64::from(ttl) * 1000,
            over,
        })
    }

    /// The full names that a name may stand for.
    fn candidates(&self, host: &str, system: &system::Settings) -> Vec<String> {
        if self.servers.is_empty() {
            system.candidates(host)
        } else {
            vec![host.to_owned()]
        }
    }

    async fn ask(
        &self,
        name: &str,
        kind: Kind,
        system: &system::Settings,
    ) -> Result<Answer, Failed> {
        let servers = if self.servers.is_empty() {
            &system.servers
        } else {
            &self.servers
        };
        let mut why = "there is none".to_owned();
        for _ in 0..ROUNDS {
            for server in servers.iter().take(MAX_SERVERS) {
                match tokio::time::timeout(PATIENCE, ask_one(*server, name, kind)).await {
                    Ok(Ok(Ok(answer))) => return Ok(answer),
                    Ok(Ok(Err(code))) if code == message::NO_SUCH_NAME => {
                        return Err(Failed::Nothing)
                    }
                    Ok(Ok(Err(code))) => why = format!("{server} said error {code}"),
                    Ok(Err(error)) => why = format!("{server}: {error}"),
                    Err(_) => why = format!("{server} did not answer in time"),
                }
            }
        }
        Err(Failed::Unreachable(why))
    }
}

/// What one server says: an answer, or a code that says that it has none.
async fn ask_one(server: SocketAddr, name: &str, kind: Kind) -> io::Result<Result<Answer, u8>> {
    let mut random = [0; 2];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    let id = u16::from_be_bytes(random);
    let asked = query(id, name, kind)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no name"))?;
    let any: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    // The system gives each question a port of its own, and lets in the server's packets alone.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&asked).await?;
    let mut bytes = vec![0; UDP_BYTES];
    loop {
        let length = socket.recv(&mut bytes).await?;
        match read_answer(&bytes[..length], id, name, kind) {
            Some(Ok(answer)) if answer.cut_off => break,
            Some(said) => return Ok(said),
            // An answer to another question, or none at all: somebody is guessing.
            None => {}
        }
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).unwrap_or(u16::MAX);
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&asked).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    read_answer(&bytes, id, name, kind)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no answer"))
}

fn bounded(mut what: Vec<IpAddr>, ttl: u32) -> Found<IpAddr> {
    let over = what.len().saturating_sub(MAX_ADDRESSES);
    what.truncate(MAX_ADDRESSES);
    Found {
        what,
        ttl_ms: u64::from(ttl) * 1000,
        over,
    }
}

fn interleaved(first: Vec<IpAddr>, second: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut both = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let before = both.len();
        both.extend(first.next());
        both.extend(second.next());
        if both.len() == before {
            both.dedup();
            return both;
        }
    }
}
