//! The framing vectors as seeds: random bytes alone hardly ever make a head.

use serde::Deserialize;

const VECTORS: &str = include_str!("../../tests/vectors/framing.yaml");

#[derive(Deserialize)]
struct Vectors {
    requests: Vec<Case>,
    answers: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    bytes: Bytes,
}

/// Cases with repeated parts are about size, and too long to be seeds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bytes {
    One(String),
    Many(serde::de::IgnoredAny),
}

/// The streams to begin with.
pub struct Seeds {
    pub requests: Vec<Vec<u8>>,
    pub answers: Vec<Vec<u8>>,
}

/// One change of a seed: replace, insert or remove a byte, or repeat a part.
pub type Edit = (u8, u16, u8);

impl Seeds {
    /// Reads the vectors.
    ///
    /// # Panics
    /// If they cannot be read or have vanished.
    #[must_use]
    pub fn read() -> Self {
        let vectors: Vectors = serde_saphyr::from_str(VECTORS).expect("readable vectors");
        let seeds = Self {
            requests: vectors.requests.iter().filter_map(Case::bytes).collect(),
            answers: vectors.answers.iter().filter_map(Case::bytes).collect(),
        };
        assert!(
            seeds.requests.len() > 100 && seeds.answers.len() > 20,
            "the vectors must not vanish"
        );
        seeds
    }
}

impl Case {
    fn bytes(&self) -> Option<Vec<u8>> {
        match &self.bytes {
            Bytes::One(text) => text
                .chars()
                .map(|byte| u8::try_from(u32::from(byte)).ok())
                .collect(),
            Bytes::Many(_) => None,
        }
    }
}

/// Joins some seeds and makes the changes.
#[must_use]
pub fn edited(seeds: &[Vec<u8>], picks: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut stream: Vec<u8> = picks
        .iter()
        .take(3)
        .flat_map(|pick| seeds[usize::from(*pick) % seeds.len()].clone())
        .collect();
    for (kind, at, byte) in edits.iter().take(8) {
        let at = usize::from(*at) % (stream.len() + 1);
        match kind % 4 {
            0 if at < stream.len() => stream[at] = *byte,
            1 => stream.insert(at, *byte),
            2 if at < stream.len() => {
                stream.remove(at);
            }
            _ => {
                let part = stream[at..(at + usize::from(*byte)).min(stream.len())].to_vec();
                stream.extend(part);
            }
        }
    }
    stream
}
