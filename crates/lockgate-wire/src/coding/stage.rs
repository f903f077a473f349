//! One coding being taken off: bytes in, at most a piece out.

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::counted::Counting;
use super::{reasons, Coding, PIECE};
use crate::reason::ReasonRef;

/// `ZSTD_error_frameParameter_windowTooLarge` of `zstd_errors.h`, stable since
/// 1.3.1; errors are told as negative numbers.
const ZSTD_WINDOW: usize = 0_usize.wrapping_sub(16);

/// What zlib-rs takes for a window of 32 KiB, and to know where it is.
const ZLIB_HOLDS: usize = 48 * 1024;

/// The smallest window that zstd's decoder can be held to, as a power of two.
const ZSTD_LEAST: u32 = 10;

/// What a step came to.
pub(super) struct Step {
    /// Bytes taken in.
    pub taken: usize,
    /// Bytes put out.
    pub given: usize,
    /// The coding's own end was reached.
    pub ended: bool,
}

/// What takes one coding off.
pub(super) enum Stage {
    Zlib(Decompress),
    Br(Box<Brotli>),
    Zstd(DCtx<'static>),
}

pub(super) struct Brotli {
    state: BrotliState<Counting, Counting, Counting>,
    counting: Counting,
    begun: bool,
    window: u64,
    total: usize,
}

impl Stage {
    /// Takes `coding` off with at most `window` bytes to look back at.
    pub fn new(coding: Coding, window: u64) -> Result<Self, ReasonRef> {
        Ok(match coding {
            Coding::Gzip => Self::Zlib(Decompress::new_gzip(15)),
            Coding::Deflate => Self::Zlib(Decompress::new(true)),
            Coding::Br => {
                let counting = Counting::default();
                let alloc = || counting.clone();
                Self::Br(Box::new(Brotli {
                    // Strict: no windows beyond RFC 7932.
                    state: BrotliState::new_strict(alloc(), alloc(), alloc()),
                    counting,
                    begun: false,
                    window,
                    total: 0,
                }))
            }
            Coding::Zstd => {
                let mut context = DCtx::try_create().ok_or(&reasons::WINDOW)?;
                let log = window.checked_ilog2().unwrap_or(0).max(ZSTD_LEAST);
                context
                    .set_parameter(DParameter::WindowLogMax(log))
                    .map_err(|_| &reasons::WINDOW)?;
                Self::Zstd(context)
            }
        })
    }

    /// Bytes of memory that it holds at the moment: the window as it was set up,
    /// whether it is full yet or not, since memory that comes back is not always
    /// given back to the system.
    pub fn holds(&self) -> usize {
        match self {
            Self::Zlib(_) => ZLIB_HOLDS,
            // Many codes besides the window: a body may name 256 trees of three kinds.
            Self::Br(brotli) => size_of::<Brotli>() + brotli.counting.bytes(),
            Self::Zstd(context) => context.sizeof(),
        }
    }

    /// Takes some of `input`, and gives at most a piece.
    pub fn step(&mut self, input: &[u8], out: &mut [u8; PIECE]) -> Result<Step, ReasonRef> {
        match self {
            Self::Zlib(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder
                    .decompress(input, out, FlushDecompress::None)
                    .map_err(|_| &reasons::MALFORMED)?;
                // Both are at most the lengths of slices.
                let taken = usize::try_from(decoder.total_in() - before.0).unwrap_or(usize::MAX);
                let given = usize::try_from(decoder.total_out() - before.1).unwrap_or(usize::MAX);
                Ok(Step {
                    taken,
                    given,
                    ended: status == Status::StreamEnd,
                })
            }
            Self::Br(brotli) => brotli.step(input, out),
            Self::Zstd(context) => {
                let mut from = InBuffer::around(input);
                let mut into = OutBuffer::around(&mut out[..]);
                let left = context
                    .decompress_stream(&mut into, &mut from)
                    .map_err(|code| match code {
                        ZSTD_WINDOW => &reasons::WINDOW,
                        _ => &reasons::MALFORMED,
                    })?;
                Ok(Step {
                    taken: from.pos(),
                    given: into.pos(),
                    ended: left == 0,
                })
            }
        }
    }
}

impl Brotli {
    fn step(&mut self, input: &[u8], out: &mut [u8; PIECE]) -> Result<Step, ReasonRef> {
        if let (false, Some(first)) = (self.begun, input.first()) {
            self.begun = true;
            if brotli_window(*first).is_some_and(|window| window > self.window) {
                return Err(&reasons::WINDOW);
            }
        }
        let (mut left, mut taken) = (input.len(), 0);
        let (mut room, mut given) = (out.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            input,
            &mut room,
            &mut given,
            out,
            &mut self.total,
            &mut self.state,
        );
        let ended = match result {
            BrotliResult::ResultSuccess => true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => false,
            BrotliResult::ResultFailure => return Err(&reasons::MALFORMED),
        };
        Ok(Step {
            taken,
            given,
            ended,
        })
    }
}

/// The window that a brotli stream's first bits ask for (RFC 7932 section 9.1);
/// none for what the decoder will refuse.
const fn brotli_window(first: u8) -> Option<u64> {
    let bits = match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return None,
        (_, 0, low) => 8 + low as u32,
        (_, high, _) => 17 + high as u32,
    };
    Some(1 << bits)
}
