//! The vectors of `tests/vectors/framing.yaml`, as bytes.

use lockgate_wire::framing::{Expect, HeadLimits, Phase, RequestGuard, ResponseGuard};
use serde::Deserialize;

pub mod hyper_alone;

const VECTORS: &str = include_str!("../../../../tests/vectors/framing.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    pub requests: Vec<Case>,
    pub answers: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub rfc: String,
    pub expect: String,
    #[serde(default)]
    pub after: After,
    bytes: Pieces,
}

/// Where an accepted case leaves the guard.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum After {
    #[default]
    Idle,
    Head,
    Body,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Pieces {
    One(String),
    Many(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Repeated { repeat: String, times: usize },
}

impl Case {
    pub fn bytes(&self) -> Vec<u8> {
        let text = match &self.bytes {
            Pieces::One(text) => text.clone(),
            Pieces::Many(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Repeated { repeat, times } => repeat.repeat(*times),
                })
                .collect(),
        };
        text.chars()
            .map(|byte| u8::try_from(u32::from(byte)).expect("a byte each"))
            .collect()
    }
}

pub fn vectors() -> Vectors {
    let vectors: Vectors = serde_saphyr::from_str(VECTORS).expect("readable vectors");
    assert!(vectors.requests.len() >= 70, "the vectors must not vanish");
    assert!(vectors.answers.len() >= 20, "the vectors must not vanish");
    vectors
}

/// What a guard made of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub released: Vec<u8>,
    pub verdict: Result<Phase, &'static str>,
    pub heads: u64,
}

/// Feeds a request guard piece by piece.
pub fn feed_request<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut guard = RequestGuard::new(HeadLimits::default());
    let mut released = Vec::new();
    let mut verdict = Ok(());
    for piece in pieces {
        verdict = guard.feed(piece, &mut |run| released.extend_from_slice(run));
    }
    let verdict = verdict
        .map(|()| guard.phase())
        .map_err(|reason| reason.code);
    Outcome {
        released,
        verdict,
        heads: guard.heads(),
    }
}

/// Feeds an answer to a GET.
pub fn feed_answer<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut guard = ResponseGuard::new(HeadLimits::default());
    guard.expect(Expect::Body);
    let mut released = Vec::new();
    let mut verdict = Ok(());
    for piece in pieces {
        verdict = guard.feed(piece, &mut |run| released.extend_from_slice(run));
    }
    let verdict = verdict
        .map(|()| guard.phase())
        .map_err(|reason| reason.code);
    Outcome {
        released,
        verdict,
        heads: guard.heads(),
    }
}
