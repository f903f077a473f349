//! TLS towards clients: which certificate a name gets, and by which rules.
//!
//! All of it is made when a bundle or a file changes. Sessions are resumed
//! under the rules that they began with and no others: each set of rules has
//! its own tickets.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use lockgate_policy::{ConfigError, ReasonRef};
use lockgate_wire::target::normalize_host;
use quinn_proto::crypto::rustls::QuicServerConfig;
use rustls::crypto::{aws_lc_rs, CryptoProvider};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::bundle::{self, Protocol, TlsVersion};
use crate::ocsp::Asking;

mod accept;
mod certificate;
mod clients;
mod kept;
mod managed;
mod outbound;
mod quic;
pub mod reasons;
mod revocation;

pub use accept::{accept, give_up, part, turn_away, Carried, Failed, Handshake, Hello, Secured};
pub use certificate::{Certificate, NAMELESS};
pub use clients::read_client_certificate;
pub use clients::Clients;
pub use kept::{Found, Kept, Pem, Source};
pub use managed::Managed;
pub use outbound::Outbound;
pub use quic::{failure as quic_failure, Quic, Said};

/// TLS tickets that a client gets with a handshake; it may come back over as
/// many connections at once. OpenSSL's default.
const TICKETS: usize = 2;

/// How a listener speaks TLS.
#[derive(Debug)]
pub struct Tls {
    certificates: Arc<Names>,
    /// For which names there is one that ran out, so that it is not shown.
    expired: Patterns,
    /// Whether there is none yet for a place that wants one.
    waits: bool,
    /// What the bundle says of them, and what each has come to; none where there is none yet.
    said: Vec<(bundle::Certificate, Option<Arc<Certificate>>)>,
    /// The listener's own first, then those of hosts that have others.
    rules: Vec<Rules>,
    /// Which hosts have rules other than the first.
    hosts: Patterns,
    /// Which names are carried on unread.
    carried: Patterns,
    /// Value of `Strict-Transport-Security`.
    pub hsts: Option<HeaderValue>,
}

/// By what a handshake goes.
struct Rules {
    config: Arc<ServerConfig>,
    /// The same within QUIC, where it is spoken.
    quic: Option<Arc<QuicServerConfig>>,
    clients: Option<Arc<Clients>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("clients", &self.clients)
            .finish_non_exhaustive()
    }
}

/// Which certificate and which rules hold for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    certificate: usize,
    rules: usize,
}

/// Why there is no certificate for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// None that is there is good for it.
    Unknown,
    /// The one that would be ran out.
    Expired,
    /// There is none yet, and this name may get one.
    Waiting,
}

/// Certificates by the names that they are good for.
#[derive(Debug)]
pub struct Names {
    all: Vec<Arc<Certificate>>,
    patterns: Patterns,
}

/// Numbers by host: its own name before `*.` and what follows its first label.
#[derive(Debug, Default)]
struct Patterns {
    exact: HashMap<Box<str>, usize>,
    below: HashMap<Box<str>, usize>,
}

impl Patterns {
    /// Adds a name, unless it is there already: the first one said holds.
    fn add(&mut self, name: &str, number: usize) {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) => self.below.entry(parent.into()).or_insert(number),
            None => self.exact.entry(name.into()).or_insert(number),
        };
    }

    /// All names, in order.
    fn names(&self) -> Vec<String> {
        let below = self.below.keys().map(|parent| format!("*.{parent}"));
        let mut names: Vec<String> = self.exact.keys().map(ToString::to_string).collect();
        names.extend(below);
        names.sort_unstable();
        names
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// The number of a name in lower case. A wildcard stands for one label
    /// (RFC 9525 section 6.3).
    fn find(&self, name: &str) -> Option<usize> {
        let below = || {
            let (_, parent) = name.split_once('.')?;
            self.below.get(parent)
        };
        self.exact.get(name).or_else(below).copied()
    }
}

/// Stands in [`Tls::carried`] for names that are ended here, though a wildcard has them.
const ENDED: usize = usize::MAX;

impl Patterns {
    /// As [`Self::find`], where `*.` stands for any number of labels, as it does
    /// for an API's hosts; the longest pattern holds.
    fn find_below(&self, name: &str) -> Option<usize> {
        let mut parent = name;
        self.exact.get(name).copied().or_else(|| loop {
            let (_, rest) = parent.split_once('.')?;
            if let Some(number) = self.below.get(rest) {
                return Some(*number);
            }
            parent = rest;
        })
    }
}

impl Tls {
    /// Makes it of what the bundle says and the files hold.
    ///
    /// # Errors
    /// What is wrong with it; the pointer begins below the listener.
    pub fn new(
        wanted: &bundle::Tls,
        protocols: &[Protocol],
        source: &Source<'_>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut all = Vec::new();
        let mut said = Vec::new();
        let mut expired = Patterns::default();
        let mut out_of_date = None;
        let mut waits = false;
        for (number, each) in wanted.certificates.iter().enumerate() {
            match source.certificate(each) {
                Ok(Found::Good(found)) if found.names.is_empty() => errors.push(ConfigError::new(
                    "certificate-unfit",
                    format!("/tls/certificates/{number}"),
                    certificate::NAMELESS,
                )),
                Ok(Found::Good(found)) => {
                    said.push((each.clone(), Some(Arc::clone(&found))));
                    all.push(found);
                }
                Ok(Found::Expired(names, cause)) => {
                    said.push((each.clone(), None));
                    for name in &names {
                        expired.add(name, number);
                    }
                    out_of_date.get_or_insert((number, cause));
                }
                Ok(Found::Missing) => {
                    said.push((each.clone(), None));
                    waits = true;
                }
                Err(cause) => errors.push(ConfigError::new(
                    "certificate-unfit",
                    format!("/tls/certificates/{number}"),
                    cause,
                )),
            }
        }
        if let (Some((number, cause)), true) = (out_of_date, source.first && all.is_empty()) {
            if source.strict && !waits {
                errors.push(ConfigError::new(
                    "certificate-unfit",
                    format!("/tls/certificates/{number}"),
                    cause,
                ));
            }
        }
        let mut patterns = Patterns::default();
        for (number, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                patterns.add(name, number);
            }
        }
        let certificates = Arc::new(Names { all, patterns });
        let mut hosts = Patterns::default();
        let own = std::iter::once((&wanted.clients, "/tls/client_certificates".to_owned()));
        let others = wanted.hosts.iter().enumerate().map(|(number, host)| {
            for name in &host.names {
                hosts.add(name, number + 1);
            }
            let place = format!("/tls/hosts/{number}/client_certificates");
            (&host.clients, place)
        });
        let mut carried = Patterns::default();
        for (number, entry) in wanted.passthrough.iter().enumerate() {
            for name in &entry.hosts {
                carried.add(name, number);
            }
            for name in &entry.ended {
                carried.add(name, ENDED);
            }
        }
        let mut clients = Vec::new();
        for (wanted, place) in own.chain(others) {
            match wanted
                .as_ref()
                .map(|wanted| source.clients(wanted))
                .transpose()
            {
                Ok(found) => clients.push(found),
                Err(cause) => {
                    errors.push(ConfigError::new("client-trust-unfit", place, cause));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let rules = clients.into_iter().map(|clients| {
            let unusable = |cause: String| {
                let told = format!("TLS cannot be set up: {cause}");
                vec![ConfigError::new("tls-unusable", "/tls", told)]
            };
            let names: Vec<_> = protocols.iter().filter_map(|one| one.alpn()).collect();
            let config = config(wanted.minimum, &names, clients.as_deref(), &certificates)
                .map_err(|cause| unusable(cause.to_string()))?;
            let quic = protocols
                .contains(&Protocol::Http3)
                .then(|| quic::config(clients.as_deref(), &certificates))
                .transpose()
                .map_err(unusable)?;
            Ok(Rules {
                config,
                quic,
                clients,
            })
        });
        let rules = rules.collect::<Result<_, Vec<ConfigError>>>()?;
        let hsts = wanted.hsts.as_deref().map(HeaderValue::from_str);
        let hsts = hsts.transpose().map_err(|_| {
            let told = "this is no value of Strict-Transport-Security";
            vec![ConfigError::new("hsts-malformed", "/tls/hsts", told)]
        })?;
        Ok(Self {
            certificates,
            expired,
            waits,
            said,
            rules,
            hosts,
            carried,
            hsts,
        })
    }

    /// The certificates that it has.
    #[must_use]
    pub fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates.all
    }

    /// What the bundle says of its certificates, and what is shown for it; none where there is none yet.
    #[must_use]
    pub fn said(&self) -> &[(bundle::Certificate, Option<Arc<Certificate>>)] {
        &self.said
    }

    /// Which certificates and authorities it was made of, by where they lie: those that have not
    /// changed are the same ones.
    fn parts(&self) -> Vec<usize> {
        let certificates = self.certificates.all.iter();
        let clients = self.rules.iter().filter_map(|rules| rules.clients.as_ref());
        certificates
            .map(|each| Arc::as_ptr(each).addr())
            .chain(clients.map(|each| Arc::as_ptr(each).addr()))
            .collect()
    }

    /// The entry of `passthrough` by which connections for a name in lower case are
    /// carried on, by the most precise of all patterns.
    #[must_use]
    pub fn carries(&self, name: &str) -> Option<usize> {
        let entry = self.carried.find_below(name);
        entry.filter(|entry| *entry != ENDED)
    }

    /// What holds for whoever asks for this name; the first certificate where
    /// no name is asked for. `None` where no certificate is good for it, or it
    /// is ended elsewhere.
    fn place(&self, name: Option<&str>) -> Option<Place> {
        if name.is_some_and(|name| self.carries(name).is_some()) {
            return None;
        }
        let certificate = match name {
            Some(name) => self.certificates.patterns.find(name)?,
            None if self.certificates.all.is_empty() => return None,
            None => 0,
        };
        Some(Place {
            certificate,
            rules: self.rules_of(name),
        })
    }

    /// Why there is no place for whoever asks for this name.
    fn lacks(&self, name: Option<&str>) -> Lack {
        let expired = match name {
            Some(name) => self.expired.find(name).is_some(),
            None => !self.expired.is_empty(),
        };
        if expired {
            Lack::Expired
        } else if self.waits && self.certificates.all.is_empty() {
            Lack::Waiting
        } else {
            Lack::Unknown
        }
    }

    fn rules_of(&self, name: Option<&str>) -> usize {
        name.and_then(|name| self.hosts.find_below(name))
            .unwrap_or(0)
    }

    /// Whether a request that names no host may come over a connection: it is
    /// let in by the listener's own rules alone, never by those of a host.
    #[must_use]
    pub fn serves_nameless(&self, secured: &Secured) -> bool {
        self.rules_of(secured.name.as_deref()) == 0
    }

    /// Whether a request for `host` may come over a connection that was made
    /// for another name, or for none: only where the same certificate and the
    /// same rules for clients hold for both (RFC 9110 section 7.4).
    #[must_use]
    pub fn serves(&self, secured: &Secured, host: &str) -> bool {
        let asked = secured.name.as_deref();
        if asked.is_some_and(|name| name == host) && self.carried.is_empty() {
            return true;
        }
        // A host that cannot be read is refused by the normal form, with a better word.
        let Ok(host) = normalize_host(host) else {
            return true;
        };
        // What is ended elsewhere is served here under no rules: also over a
        // connection from before that was said.
        if self.carries(&host.name).is_some() {
            return false;
        }
        if asked.is_some_and(|name| *name == *host.name) {
            return true;
        }
        match (self.place(asked), self.place(Some(&host.name))) {
            (Some(connection), Some(request)) => connection == request,
            // Whoever named none, such as a client that goes by address, may ask
            // for what no certificate knows.
            (Some(connection), None) if asked.is_none() => {
                connection.rules == self.rules_of(Some(&host.name))
            }
            _ => false,
        }
    }

    /// How responders are asked about the client of a connection, where they are.
    pub(crate) fn asks(&self, secured: &Secured) -> Option<&Arc<Asking>> {
        let rules = &self.rules[self.rules_of(secured.name.as_deref())];
        rules.clients.as_ref()?.ocsp.as_ref()
    }

    /// Looks again at the certificate that a client showed in its handshake, by
    /// the rules that hold now.
    ///
    /// # Errors
    /// Why it is not good any more.
    pub fn still_trusts(&self, secured: &Secured) -> Result<(), ReasonRef> {
        let rules = &self.rules[self.rules_of(secured.name.as_deref())];
        match &rules.clients {
            Some(clients) => clients.check(secured.client()),
            // Whom it was trusted by is not asked any more, so nobody vouches for the client.
            None if secured.client().is_some() => Err(&reasons::CERTIFICATE_REFUSED),
            None => Ok(()),
        }
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let number = match hello.server_name() {
            Some(name) => self.patterns.find(&name.to_ascii_lowercase())?,
            None => 0,
        };
        self.all.get(number).map(|found| Arc::clone(&found.key))
    }
}

/// The one provider of cryptography. Its own order of key exchanges begins with
/// X25519MLKEM768, which a machine that records today and computes later does
/// not break.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The versions from `minimum` on.
pub(crate) const fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    const NEW: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    match minimum {
        TlsVersion::Tls12 => BOTH,
        TlsVersion::Tls13 => NEW,
    }
}

fn config(
    minimum: TlsVersion,
    protocols: &[&[u8]],
    clients: Option<&Clients>,
    certificates: &Arc<Names>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let building = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(minimum))?;
    let building = match clients {
        Some(clients) => building.with_client_cert_verifier(clients.verifier()),
        None => building.with_no_client_auth(),
    };
    let mut config = building.with_cert_resolver(Arc::clone(certificates) as _);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    // Stateless tickets alone: nothing that a stranger's handshakes could fill up.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = TICKETS;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
