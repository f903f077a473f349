//! Where an address is: its country and its network, by databases in
//! `MaxMind`'s format. They are held in memory, each once for all who ask.

mod record;

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader, WithinOptions};

use record::Record;

/// The largest database, bytes. `MaxMind`'s own with cities have some 130 MB.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Longest name of an organization that is kept, bytes.
const MAX_NAME: usize = 256;

/// A country's code of two capital letters, as ISO 3166-1 has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads a code; `None` for what is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let code = letters.map(|letter| letter.to_ascii_uppercase());
        code.iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(code))
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of where an address is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The country that it is in, or is registered in where that is all that is known.
    pub country: Option<Country>,
    /// The number of the autonomous system that it belongs to.
    pub network: Option<u32>,
    /// Who runs that.
    pub organization: Option<Box<str>>,
    /// Latitude and longitude, degrees; only databases with cities tell them.
    pub location: Option<(f64, f64)>,
    /// Whether the database of countries could not be read, so that nothing follows from its silence.
    pub countries_unread: bool,
    /// The same of the database of networks.
    pub networks_unread: bool,
}

impl Place {
    /// The country's two letters.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.country.as_ref().map(Country::as_str)
    }
}

/// What a database is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Countries, and locations where it has them.
    Countries,
    /// Networks, that is autonomous systems.
    Networks,
}

impl Kind {
    /// What it is a database of.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Countries => "countries",
            Self::Networks => "networks",
        }
    }
}

/// A database that was looked through, and is in memory.
pub struct Database {
    reader: Reader<Vec<u8>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.reader.metadata();
        write!(f, "{} of {}", told.database_type, told.build_epoch)
    }
}

impl Database {
    /// Takes a whole file, and looks through every record of it: what cannot be read is told
    /// now, and not with some request.
    ///
    /// # Errors
    /// What is wrong with it and what to do, in words.
    pub fn read(bytes: Vec<u8>, kind: Kind) -> Result<Self, String> {
        let damaged = |error: MaxMindDbError| {
            format!("it is no database in MaxMind's format (.mmdb), or it is damaged; download it again, and unpack it ({error})")
        };
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        if reader.metadata().ip_version != 6 {
            // Else all that comes by IPv6 would pass what denies a country.
            return Err("it knows addresses of IPv4 alone; name one that has both".to_owned());
        }
        if tells(&reader, kind).map_err(damaged)? {
            return Ok(Self { reader });
        }
        let other = match kind {
            Kind::Countries => "a database of countries or cities, such as GeoLite2-Country",
            Kind::Networks => "a database of autonomous systems, such as GeoLite2-ASN",
        };
        Err(format!(
            "it is of the type `{}`, and tells no {}; name {other}",
            reader.metadata().database_type.escape_debug(),
            kind.name()
        ))
    }

    fn record(&self, address: IpAddr) -> Result<Record, MaxMindDbError> {
        let found = self.reader.lookup(address)?.decode()?;
        Ok(found.unwrap_or_default())
    }
}

/// Whether a database, all of which can be read, has anything of a kind.
fn tells(reader: &Reader<Vec<u8>>, kind: Kind) -> Result<bool, MaxMindDbError> {
    // A tree has one leaf more than it has nodes, and twice as many records; one that goes in
    // circles would have leaves without end.
    let mut left = 3 * u64::from(reader.metadata().node_count) + 2;
    let mut told = false;
    let mut seen = HashSet::new();
    let every = WithinOptions::default().include_networks_without_data();
    for found in reader.networks(every)? {
        left = left
            .checked_sub(1)
            .ok_or_else(|| MaxMindDbError::invalid_database("its tree goes in circles"))?;
        let found = found?;
        if found.offset().is_none_or(|offset| !seen.insert(offset)) {
            continue;
        }
        let record: Record = found.decode()?.unwrap_or_default();
        told |= match kind {
            Kind::Countries => record.country.is_some(),
            Kind::Networks => record.network.is_some(),
        };
    }
    Ok(told)
}

/// A database that the configuration may name.
#[derive(Debug, Clone, Default)]
pub enum Named {
    /// It names none.
    #[default]
    No,
    /// It names one that could not be read.
    Unread,
    /// It names this one.
    Read(Arc<Database>),
}

impl Named {
    /// Whether one is named.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        !matches!(self, Self::No)
    }

    /// What it tells of an address, and whether that could not be read.
    fn of(&self, address: IpAddr) -> (Record, bool) {
        match self {
            Self::No => (Record::default(), false),
            Self::Unread => (Record::default(), true),
            Self::Read(database) => match database.record(address) {
                Ok(record) => (record, false),
                Err(_) => (Record::default(), true),
            },
        }
    }
}

/// The databases of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Geo {
    /// Of countries.
    pub countries: Named,
    /// Of networks.
    pub networks: Named,
}

impl Geo {
    /// Whether there is any.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        self.countries.is_said() || self.networks.is_said()
    }

    /// Where an address is, if there is any database.
    #[must_use]
    pub fn ask(&self, address: &IpAddr) -> Option<Place> {
        self.is_said().then(|| self.place(address))
    }

    /// Where an address is, by two walks down a tree at most.
    #[must_use]
    pub fn place(&self, address: &IpAddr) -> Place {
        let address = embedded(address.to_canonical());
        let (there, countries_unread) = self.countries.of(address);
        let (owned, networks_unread) = self.networks.of(address);
        Place {
            country: there.country,
            network: owned.network,
            organization: owned.organization,
            location: there.location,
            countries_unread,
            networks_unread,
        }
    }
}

/// The address of IPv4 that one of IPv6 stands for: who comes by a translator (NAT64, RFC 6052) or over
/// 6to4 (RFC 3056) is where that is.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let bits = six.to_bits();
    let four: u128 = match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => bits,
        [0x2002, ..] => bits >> 80,
        _ => return address,
    };
    let [.., a, b, c, d] = four.to_be_bytes();
    Ipv4Addr::new(a, b, c, d).into()
}

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;
