//! What was good last: a file that was spoiled does not take a certificate
//! away that serves.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::outbound::{Outbound, Parts};
use super::{Certificate, Clients, Tls};
use crate::bundle::{self, PemFiles, Protocol};
use crate::clock::wall_ms;
use crate::geo;

/// A chain, an authority or a key, bytes; system bundles have some 220 KiB.
const MAX_PEM: u64 = 2 * 1024 * 1024;
/// A revocation list, bytes; the largest public ones have a few MiB.
const MAX_LIST: u64 = 32 * 1024 * 1024;

/// What was good last, and what tells its files from the next ones.
type Good<T> = (Vec<u8>, Arc<T>);

/// A chain and its key.
pub type Pem = (Vec<u8>, Vec<u8>);

/// What was good last, for the whole of a gate's life.
#[derive(Debug, Default)]
pub struct Kept {
    certificates: Mutex<HashMap<bundle::Certificate, Good<Certificate>>>,
    /// Why what was read last of a certificate is not what is shown for it.
    troubles: Mutex<HashMap<bundle::Certificate, String>>,
    clients: Mutex<HashMap<bundle::Clients, Good<Clients>>>,
    tls: Mutex<HashMap<String, (Made, Arc<Tls>)>>,
    outbound: Mutex<HashMap<String, Good<Outbound>>>,
    /// Databases of countries and networks.
    pub(crate) geo: geo::Kept,
}

impl Kept {
    /// Why what is there now of a certificate is not what is `shown` for it; none where it is.
    pub fn differs(&self, said: &bundle::Certificate, shown: &Arc<Certificate>) -> Option<String> {
        if let Some(cause) = lock(&self.troubles).get(said) {
            return Some(cause.clone());
        }
        let kept = lock(&self.certificates);
        let (_, last) = kept.get(said)?;
        // It was good, and something else of its bundle was not.
        (last.fingerprint != shown.fingerprint)
            .then(|| "it came with a configuration that is refused".to_owned())
    }
}

/// What has come of a certificate.
#[derive(Debug)]
pub enum Found {
    /// It is good, or was when it was read.
    Good(Arc<Certificate>),
    /// It ran out, and was never shown: for which names, and since when in words.
    Expired(Vec<String>, String),
    /// There is none yet.
    Missing,
}

/// Of what TLS was made: if nothing of it has changed, neither do its tickets.
#[derive(Debug, PartialEq)]
struct Made {
    wanted: bundle::Tls,
    protocols: Vec<Protocol>,
    parts: Vec<usize>,
    expired: Vec<String>,
}

/// Where certificates are read from.
pub struct Source<'a> {
    /// What was good last.
    pub kept: &'a Kept,
    /// Reads a file of at most so many bytes.
    pub file: &'a dyn Fn(&Path, u64) -> io::Result<Vec<u8>>,
    /// Certificates that the control process looks after, by name: chain and key.
    pub managed: &'a dyn Fn(&str) -> Option<Pem>,
    /// Whether what cannot be read, and never could, is an error; else its place stays empty.
    pub strict: bool,
    /// Whether nothing served so far, so that a listener which could show nothing is refused.
    pub first: bool,
    /// Told what is not as it should be, in words.
    pub unfit: &'a dyn Fn(String),
}

impl Source<'_> {
    /// A certificate, as far as it can be had.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn certificate(&self, wanted: &bundle::Certificate) -> Result<Found, String> {
        let read = match wanted {
            bundle::Certificate::Files(files) => self.files(files),
            bundle::Certificate::Managed(name) => match (self.managed)(name) {
                Some(found) => Ok(found),
                None => {
                    (self.unfit)(format!("the certificate `{name}` has not been issued yet"));
                    return Ok(Found::Missing);
                }
            },
        };
        let made = |(chain, key): &Pem| Certificate::read(chain, key);
        let good = read.map(|read| (print([&read.0, &read.1]), read));
        let mut kept = lock(&self.kept.certificates);
        if let (Ok((print, _)), Some((before, found))) = (&good, kept.get(wanted)) {
            if print == before {
                lock(&self.kept.troubles).remove(wanted);
                return Ok(Found::Good(Arc::clone(found)));
            }
        }
        let mut expired = None;
        let made = good.and_then(|(print, read)| {
            let found = made(&read)?;
            let now_s = i64::try_from(wall_ms() / 1_000).unwrap_or(i64::MAX);
            if let Err(cause) = found.valid_at(now_s) {
                expired = (now_s > found.not_after).then_some(found.names);
                return Err(cause);
            }
            Ok((print, Arc::new(found)))
        });
        let mut troubles = lock(&self.kept.troubles);
        match &made {
            Ok(_) => troubles.remove(wanted),
            Err(cause) => troubles.insert(wanted.clone(), cause.clone()),
        };
        drop(troubles);
        if let (Some(names), Err(cause), false) = (expired, &made, kept.contains_key(wanted)) {
            // That it ran out is no slip in a configuration, and what else that says holds.
            (self.unfit)(format!("{wanted}: {cause}"));
            return Ok(Found::Expired(names, cause.clone()));
        }
        let found = self.fallen_back(&mut kept, wanted, made, &wanted.to_string())?;
        Ok(found.map_or(Found::Missing, Found::Good))
    }

    /// Whom clients are vouched for by.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn clients(&self, wanted: &bundle::Clients) -> Result<Arc<Clients>, String> {
        let all = |paths: &[String], most| -> Result<Vec<Vec<u8>>, String> {
            paths.iter().map(|path| self.read(path, most)).collect()
        };
        let read =
            all(&wanted.trust, MAX_PEM).and_then(|trust| Ok((trust, all(&wanted.crl, MAX_LIST)?)));
        let mut kept = lock(&self.kept.clients);
        let made = match read {
            Ok((trust, lists)) => {
                let print = print(trust.iter().chain(&lists));
                if let Some((before, found)) = kept.get(wanted) {
                    if *before == print {
                        return Ok(Arc::clone(found));
                    }
                }
                let terms = (wanted.require, wanted.unknown_revocation);
                Clients::read(&trust, &lists, terms, wanted.ocsp.as_ref())
                    .map(|clients| (print, Arc::new(clients)))
            }
            Err(cause) => Err(cause),
        };
        let files: Vec<&str> = wanted
            .trust
            .iter()
            .chain(&wanted.crl)
            .map(String::as_str)
            .collect();
        let named = files.join(", ");
        // Without authorities nobody could be let in: that is never borne.
        let found = self.fallen_back(&mut kept, wanted, made, &named)?;
        found.ok_or_else(|| format!("{named}: nothing of it could be read"))
    }

    /// TLS of the listener at `address`: the same as before where nothing has changed.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn tls(
        &self,
        address: &str,
        wanted: &bundle::Tls,
        protocols: &[Protocol],
    ) -> Result<Arc<Tls>, Vec<lockgate_policy::ConfigError>> {
        let tls = Tls::new(wanted, protocols, self)?;
        let made = Made {
            wanted: wanted.clone(),
            protocols: protocols.to_vec(),
            parts: tls.parts(),
            expired: tls.expired.names(),
        };
        let mut kept = lock(&self.kept.tls);
        if let Some((before, found)) = kept.get(address) {
            if *before == made {
                return Ok(Arc::clone(found));
            }
        }
        let tls = Arc::new(tls);
        kept.insert(address.to_owned(), (made, Arc::clone(&tls)));
        Ok(tls)
    }

    /// TLS towards an upstream; none where its parts are not there, and that is borne.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn outbound(
        &self,
        wanted: &bundle::UpstreamTls,
        protocol: Protocol,
    ) -> Result<Option<Arc<Outbound>>, String> {
        let key = serde_json::to_string(&(wanted, protocol)).map_err(|error| error.to_string())?;
        let trust: Result<Vec<Vec<u8>>, String> = wanted
            .trust
            .iter()
            .map(|path| self.read(path, MAX_PEM))
            .collect();
        let client = match &wanted.client {
            Some(client) => match self.certificate(client)? {
                Found::Good(found) => Some(found),
                // Without what it is to show, the gate would be somebody else.
                Found::Expired(..) | Found::Missing => return Ok(None),
            },
            None => None,
        };
        let mut kept = lock(&self.kept.outbound);
        let made = trust.and_then(|trust| {
            let shown = client
                .as_ref()
                .map(|client| client.fingerprint.as_bytes().to_vec());
            let print = print(trust.iter().chain(&shown));
            if let Some((before, found)) = kept.get(&key) {
                if *before == print {
                    return Ok((print, Arc::clone(found)));
                }
            }
            let pins = wanted.pins.iter().map(|pin| pin_of(pin));
            let outbound = Outbound::new(Parts {
                trust,
                pins: pins.collect::<Result<_, _>>()?,
                client,
                minimum: wanted.minimum,
                protocol,
                server_name: wanted.server_name.clone(),
                unverified: wanted.unverified.clone(),
            })?;
            Ok((print, Arc::new(outbound)))
        });
        self.fallen_back(&mut kept, &key, made, "TLS towards an upstream")
    }

    fn files(&self, files: &PemFiles) -> Result<Pem, String> {
        Ok((
            self.read(&files.chain, MAX_PEM)?,
            self.read(&files.key, MAX_PEM)?,
        ))
    }

    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, String> {
        (self.file)(Path::new(path), most).map_err(|error| format!("{path}: {error}"))
    }

    fn fallen_back<K: Clone + Eq + Hash, V>(
        &self,
        kept: &mut HashMap<K, Good<V>>,
        wanted: &K,
        made: Result<Good<V>, String>,
        named: &str,
    ) -> Result<Option<Arc<V>>, String> {
        match made {
            Ok((print, found)) => {
                kept.insert(wanted.clone(), (print, Arc::clone(&found)));
                Ok(Some(found))
            }
            Err(cause) => {
                if let Some((_, good)) = kept.get(wanted) {
                    (self.unfit)(format!("{named}: {cause}; the last good one serves on"));
                    return Ok(Some(Arc::clone(good)));
                }
                if self.strict {
                    return Err(cause);
                }
                (self.unfit)(format!("{named}: {cause}"));
                Ok(None)
            }
        }
    }
}

/// 64 hexadecimal digits.
fn pin_of(text: &str) -> Result<[u8; 32], String> {
    let mut pin = [0; 32];
    let digit = |at: usize| {
        let byte = text.as_bytes().get(at).copied();
        byte.and_then(|byte| char::from(byte).to_digit(16))
    };
    for (at, byte) in pin.iter_mut().enumerate() {
        let pair = digit(2 * at).zip(digit(2 * at + 1));
        let (high, low) = pair.ok_or_else(|| format!("`{text}` is no SHA-256"))?;
        *byte = u8::try_from(high << 4 | low).unwrap_or_default();
    }
    if text.len() == 64 {
        Ok(pin)
    } else {
        Err(format!("`{text}` is no SHA-256"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells one state of some files from the next.
fn print<'a>(parts: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}
