//! Messages of gRPC that are packed, unpacked within bounds to be looked at;
//! what goes on is as it came.

use bytes::Bytes;
use lockgate_policy::waf::{Longer, TOO_LONG};
use lockgate_policy::Denial;
use lockgate_wire::coding::{Bounds, Coding, Inflater};

use super::full;
use crate::memory::Charge;

/// How far a coding may look back: as `inflate` allows by itself.
pub(super) const WINDOW: u64 = 8 << 20;

/// A message, or its beginning.
pub(super) struct Unpacked {
    /// What is looked at.
    pub bytes: Bytes,
    /// Whether that is all.
    pub whole: bool,
}

/// What a packed message is, up to so many bytes.
///
/// # Errors
/// If it is not what it says, or more than is looked at.
pub(super) fn unpacked(
    coding: Coding,
    message: &Unpacked,
    (most, longer): (usize, Longer),
    charge: Option<&mut Charge>,
) -> Result<Unpacked, Denial> {
    let bounds = Bounds {
        // What comes out is bounded by itself.
        ratio: u64::MAX,
        window: WINDOW,
    };
    let mut inflater = Inflater::new(&[coding], bounds)?;
    let mut charge = charge;
    let mut charged = |bytes: usize| charge.as_mut().is_none_or(|charge| charge.grow_to(bytes));
    let packed = message.bytes.len();
    inflater.take(message.bytes.clone())?;
    let mut out = Vec::new();
    while let Some(piece) = inflater.unpack()? {
        out.extend_from_slice(&piece);
        if !charged(packed + out.len() + inflater.holds()) {
            return Err(full());
        }
        if out.len() > most {
            if longer == Longer::Refuse {
                return Err(Denial::new(&TOO_LONG));
            }
            out.truncate(most);
            return Ok(Unpacked {
                bytes: out.into(),
                whole: false,
            });
        }
    }
    if message.whole {
        inflater.end()?;
    }
    Ok(Unpacked {
        bytes: out.into(),
        whole: message.whole,
    })
}
