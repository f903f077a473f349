//! Databases of countries and networks, as they come from disk: read whole, so
//! that a file which is cut short meanwhile does no harm, and kept as long as
//! they hold what they held.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{digest, SHA256};
use lockgate_policy::geo::{Database, Geo, Kind, Named, MAX_BYTES};
use lockgate_policy::ConfigError;

use crate::bundle;
use crate::tls::Source;

/// Reads a file of at most so many bytes.
pub type ReadFile<'a> = &'a dyn Fn(&Path, u64) -> io::Result<Vec<u8>>;

/// A database, and the SHA-256 of its file.
type Good = (Vec<u8>, Arc<Database>);

/// Databases that were good last, for the whole of a gate's life; one for all workers.
#[derive(Debug, Default)]
pub struct Kept(Mutex<HashMap<(Kind, String), Good>>);

/// Reads the databases that a gate is told of. One that was spoiled does not take away what it
/// told before.
///
/// # Errors
/// Each that cannot be read and never could, where somebody waits for that news.
pub fn read(wanted: Option<&bundle::Geo>, source: &Source<'_>) -> Result<Geo, Vec<ConfigError>> {
    let kept = source.kept.geo.0.lock();
    let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
    let named = names(wanted);
    kept.retain(|(kind, path), _| named.contains(&(*kind, Some(path))));
    let mut errors = Vec::new();
    let mut made = named.map(|(kind, path)| {
        let Some(path) = path else { return Named::No };
        let key = (kind, path.clone());
        let before = kept.get(&key).cloned();
        let good = (source.file)(Path::new(path), MAX_BYTES)
            .map_err(|error| error.to_string())
            .and_then(|bytes| {
                let print = digest(&SHA256, &bytes).as_ref().to_vec();
                match before.as_ref().filter(|(same, _)| *same == print) {
                    Some((_, database)) => Ok((print, Arc::clone(database))),
                    None => Ok((print, Arc::new(Database::read(bytes, kind)?))),
                }
            });
        let told = |cause: &str| format!("the database of {}, {path}: {cause}", kind.name());
        match (good, before) {
            (Ok((print, database)), _) => {
                kept.insert(key, (print, Arc::clone(&database)));
                Named::Read(database)
            }
            (Err(cause), Some((_, database))) => {
                let told = told(&cause);
                (source.unfit)(format!("{told}; the last good one is asked"));
                Named::Read(database)
            }
            (Err(cause), None) if source.strict => {
                let place = format!("/geo/{}", kind.name());
                errors.push(ConfigError::new("geo-unfit", place, told(&cause)));
                Named::Unread
            }
            (Err(cause), None) => {
                let told = told(&cause);
                (source.unfit)(format!("{told}; nobody is let in by it"));
                Named::Unread
            }
        }
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(geo(&mut made))
}

/// Reads them where there is no gate: what cannot be read, or is not to be, tells nothing.
#[must_use]
pub fn offline(wanted: Option<&bundle::Geo>, file: Option<ReadFile<'_>>) -> Geo {
    let mut made = names(wanted).map(|(kind, path)| {
        let Some(path) = path else { return Named::No };
        let bytes = file.and_then(|file| file(Path::new(path), MAX_BYTES).ok());
        let database = bytes.and_then(|bytes| Database::read(bytes, kind).ok());
        database.map_or(Named::Unread, |database| Named::Read(Arc::new(database)))
    });
    geo(&mut made)
}

fn names(wanted: Option<&bundle::Geo>) -> [(Kind, Option<&String>); 2] {
    [
        (
            Kind::Countries,
            wanted.and_then(|geo| geo.countries.as_ref()),
        ),
        (Kind::Networks, wanted.and_then(|geo| geo.networks.as_ref())),
    ]
}

fn geo([countries, networks]: &mut [Named; 2]) -> Geo {
    Geo {
        countries: std::mem::take(countries),
        networks: std::mem::take(networks),
    }
}

#[cfg(test)]
mod tests;
