//! `--name value` pairs, each read once into the type that is wanted.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// A soak takes an hour; one over a night is somebody's slip.
const LONGEST_SECONDS: f64 = 14_400.0;

/// The options of one run.
pub struct Args {
    values: HashMap<String, String>,
}

impl Args {
    /// Reads the words after the mode.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| format!("expected --option, found {word:?}"))?;
            let value = words.next().ok_or_else(|| format!("--{name} wants a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self { values })
    }

    /// A value that must be there.
    pub fn value<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.optional(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    /// A value that may be left out.
    pub fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.values
            .get(name)
            .map(|text| text.parse().map_err(|_| format!("--{name}: {text:?} cannot be read")))
            .transpose()
    }

    /// `--seconds`, bounded so that no mistake keeps a machine busy.
    pub fn seconds(&self) -> Result<Duration, String> {
        let seconds: f64 = self.value("seconds")?;
        if seconds > 0.0 && seconds <= LONGEST_SECONDS {
            Ok(Duration::from_secs_f64(seconds))
        } else {
            Err(format!("--seconds: between 0 and {LONGEST_SECONDS}"))
        }
    }

    /// `--connections`, bounded by what one address has ports for.
    pub fn connections(&self) -> Result<usize, String> {
        let connections: usize = self.value("connections")?;
        if (1..=25_000).contains(&connections) {
            Ok(connections)
        } else {
            Err("--connections: between 1 and 25000".to_owned())
        }
    }

    /// `--target`: loopback only, for this is no tool to aim at others.
    pub fn target(&self) -> Result<SocketAddr, String> {
        let target: SocketAddr = self.value("target")?;
        match target.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ok(target),
            other => Err(format!("--target: {other} is not in 127.0.0.0/8")),
        }
    }
}
