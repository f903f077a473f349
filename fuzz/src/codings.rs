//! Promises of what takes content codings off bodies.

use bytes::Bytes;
use lockgate_wire::coding::{Bounds, Coding, Inflater, Levels, Packer, PIECE};

use crate::guards::cut;

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];
const RATIO: u64 = 50;
const WINDOW: u64 = 64 * 1024;
/// What may come out before the ratio is looked at.
const GRACE: u64 = 64 * 1024;
/// What one layer takes besides its window: trees of brotli, tables and blocks of zstd.
const LAYER: usize = 6 * 1024 * 1024;

/// Whatever a body holds, no more than a piece comes out at once, no more than the
/// ratio in all, and memory is bounded; and what comes out does not depend on how the
/// body was cut.
pub fn inflate(picks: &[u8], body: &[u8], cuts: &[u16]) {
    let codings: Vec<Coding> = picks
        .iter()
        .take(2)
        .map(|pick| CODINGS[usize::from(pick % 4)])
        .collect();
    if codings.is_empty() {
        return;
    }
    let whole = inflated(&codings, &[body]);
    let pieces = inflated(&codings, &cut(body, cuts));
    match (&whole, &pieces) {
        (Some(whole), Some(pieces)) => assert_eq!(whole, pieces),
        // The ratio is looked at as bytes come: few of them allow less.
        (Some(whole), None) => assert!(whole.len() as u64 > GRACE, "refused when it was cut"),
        (None, _) => {}
    }
}

/// What was packed is there again.
pub fn there_and_back(picks: &[u8], content: &[u8], cuts: &[u16]) {
    for pick in picks.iter().take(2) {
        let coding = CODINGS[usize::from(pick % 4)];
        let levels = Levels {
            gzip: u32::from(pick / 4 % 9) + 1,
            br: u32::from(pick / 4 % 7),
            zstd: u32::from(pick / 4 % 9) + 1,
        };
        let Ok(mut packer) = Packer::new(coding, levels) else {
            return;
        };
        let mut packed = Vec::new();
        for piece in cut(content, cuts) {
            assert!(packer.put(piece, &mut packed).is_ok());
            assert!(packer.flush(&mut packed).is_ok());
            assert!(packer.holds() <= Packer::most(coding, levels));
        }
        assert!(packer.end(&mut packed).is_ok());
        let bounds = Bounds {
            ratio: u64::MAX,
            window: 1 << 24,
        };
        assert_eq!(
            taken_off(&[coding], bounds, &[&packed]).as_deref(),
            Some(content)
        );
    }
}

/// The same for a body that was right before some of its bytes were changed.
pub fn edited(picks: &[u8], content: &[u8], edits: &[(u16, u8)], cuts: &[u16]) {
    let Some(pick) = picks.first() else { return };
    let coding = CODINGS[usize::from(pick % 4)];
    let levels = Levels {
        gzip: 6,
        br: 5,
        zstd: 3,
    };
    let Ok(mut packer) = Packer::new(coding, levels) else {
        return;
    };
    let mut body = Vec::new();
    // Repeated, so that there is something to look back at.
    assert!(packer.put(&content.repeat(20), &mut body).is_ok());
    assert!(packer.end(&mut body).is_ok());
    for (at, byte) in edits.iter().take(4) {
        let at = usize::from(*at) % body.len().max(1);
        if let Some(there) = body.get_mut(at) {
            *there = *byte;
        }
    }
    inflate(&[*pick], &body, cuts);
}

fn inflated(codings: &[Coding], pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let bounds = Bounds {
        ratio: RATIO,
        window: WINDOW,
    };
    taken_off(codings, bounds, pieces)
}

/// None where it is refused.
fn taken_off(codings: &[Coding], bounds: Bounds, pieces: &[&[u8]]) -> Option<Vec<u8>> {
    let mut inflater = Inflater::new(codings, bounds).ok()?;
    let most = codings.len() * (bounds.window as usize + LAYER);
    let (mut came, mut out) = (0_u64, Vec::new());
    for piece in pieces {
        came += piece.len() as u64;
        inflater.take(Bytes::copy_from_slice(piece)).ok()?;
        while let Some(piece) = inflater.unpack().ok()? {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            assert!(inflater.holds() <= most, "{} of {most}", inflater.holds());
            out.extend_from_slice(&piece);
            let allowed = came.saturating_mul(bounds.ratio).saturating_add(GRACE);
            assert!(out.len() as u64 <= allowed);
        }
    }
    inflater.end().ok()?;
    Some(out)
}
