//! An answer being packed, piece by piece.

use std::io::{self, Write};

use brotli::enc::writer::CompressorWriterCustomAlloc;
use brotli::Allocator;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::counted::{Counted, Counting};
use super::{Coding, PIECE};

/// Windows of brotli and zstd as a power of two: 256 KiB. Their own defaults,
/// 4 MiB and 2 MiB, would be paid for every answer under way.
const WINDOW_BITS: u32 = 18;

/// zstd sizes its tables by the level alone where it is not told a length: at
/// level 19 they would be a hundred times the window. Two entries for each of
/// its bytes are all that can be looked at.
const ZSTD_TABLE_BITS: u32 = WINDOW_BITS + 1;

/// From here on zstd's own tables would be larger than that.
const ZSTD_LARGE_FROM: u32 = 7;

const KIB: usize = 1024;

/// What zlib-rs takes at every level, for a window of 32 KiB: twice the window,
/// its chains and hashes, and what is to come out; and a piece of ours.
const ZLIB_HOLDS: usize = 400 * KIB;

/// Most that brotli takes, by level, KiB; `most_is_an_upper_estimate` measures it.
const BR_KIB: [usize; 12] = [
    256, 160, 1792, 1792, 2816, 2304, 3328, 11264, 20480, 40960, 4096, 4096,
];

/// The same of zstd, from level 1 on.
const ZSTD_KIB: [usize; 19] = [
    1152, 1344, 1920, 3200, 3712, 3712, 3712, 3712, 3712, 3712, 3712, 3712, 5376, 5376, 5376, 5504,
    5504, 6144, 6144,
];

/// What brotli packs in about a millisecond, by level, KiB: measured in a release with
/// random digits and with JSON. Level 11 takes 2 to 4 ms for its share.
const BR_TURN_KIB: [usize; 12] = [128, 128, 64, 64, 64, 16, 16, 16, 8, 8, 4, 4];

/// The same of zstd, from level 1 on.
const ZSTD_TURN_KIB: [usize; 19] = [
    128, 128, 128, 64, 64, 64, 64, 64, 64, 64, 64, 32, 16, 16, 16, 8, 8, 8, 8,
];

/// The same of zlib, from level 1 on.
const ZLIB_TURN_KIB: [usize; 9] = [64, 64, 64, 64, 64, 64, 64, 16, 16];

/// brotli collects 64 KiB and more before it begins, and from this level on takes long for
/// them: it is flushed at each turn.
const BR_FLUSHED_FROM: u32 = 5;

/// The same of zstd, which collects 128 KiB.
const ZSTD_FLUSHED_FROM: u32 = 4;

/// How hard each coding tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// 1 to 9.
    pub gzip: u32,
    /// 0 to 11.
    pub br: u32,
    /// 1 to 19.
    pub zstd: u32,
}

/// Packs one body.
pub struct Packer {
    kind: Kind,
    /// Something was put in since the last time all came out.
    owed: bool,
    /// See [`Packer::turn`].
    turn: usize,
    /// What is left of the turn, where what was put in has to come out with its end.
    left: Option<usize>,
}

enum Kind {
    Zlib(Compress),
    /// No writer once it is over.
    Br(Option<Box<BrWriter>>, Counting),
    Zstd(CCtx<'static>),
}

type BrWriter = CompressorWriterCustomAlloc<Vec<u8>, Counted<u8>, Counting>;

impl Packer {
    /// Begins a body in `coding`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(coding: Coding, levels: Levels) -> io::Result<Self> {
        let kind = match coding {
            Coding::Gzip => Kind::Zlib(Compress::new_gzip(Compression::new(levels.gzip), 15)),
            Coding::Deflate => Kind::Zlib(Compress::new(Compression::new(levels.gzip), true)),
            Coding::Br => {
                let mut counting = Counting::default();
                let piece = counting.alloc_cell(PIECE);
                let writer =
                    BrWriter::new(Vec::new(), piece, counting.clone(), levels.br, WINDOW_BITS);
                Kind::Br(Some(Box::new(writer)), counting)
            }
            Coding::Zstd => {
                let level = i32::try_from(levels.zstd).unwrap_or(i32::MAX);
                let mut encoder = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                let mut set = |parameter| encoder.set_parameter(parameter).map_err(failed);
                set(CParameter::CompressionLevel(level))?;
                set(CParameter::WindowLog(WINDOW_BITS))?;
                if levels.zstd >= ZSTD_LARGE_FROM {
                    set(CParameter::HashLog(ZSTD_TABLE_BITS))?;
                    set(CParameter::ChainLog(ZSTD_TABLE_BITS))?;
                }
                Kind::Zstd(encoder)
            }
        };
        let flushed = match coding {
            Coding::Gzip | Coding::Deflate => false,
            Coding::Br => levels.br >= BR_FLUSHED_FROM,
            Coding::Zstd => levels.zstd >= ZSTD_FLUSHED_FROM,
        };
        let turn = Self::turn_of(coding, levels);
        Ok(Self {
            kind,
            owed: false,
            turn,
            left: flushed.then_some(turn),
        })
    }

    /// Most bytes to be put in before others have a turn: about a millisecond's work.
    #[must_use]
    pub fn turn_of(coding: Coding, levels: Levels) -> usize {
        match coding {
            Coding::Gzip | Coding::Deflate => kib(&ZLIB_TURN_KIB, levels.gzip.saturating_sub(1)),
            Coding::Br => kib(&BR_TURN_KIB, levels.br),
            Coding::Zstd => kib(&ZSTD_TURN_KIB, levels.zstd.saturating_sub(1)),
        }
    }

    /// [`Self::turn_of`] of what it was made with.
    #[must_use]
    pub const fn turn(&self) -> usize {
        self.turn
    }

    /// Most bytes of memory that packing one body takes, whatever is in it.
    #[must_use]
    pub fn most(coding: Coding, levels: Levels) -> usize {
        match coding {
            Coding::Gzip | Coding::Deflate => ZLIB_HOLDS + PIECE,
            Coding::Br => kib(&BR_KIB, levels.br),
            Coding::Zstd => kib(&ZSTD_KIB, levels.zstd.saturating_sub(1)),
        }
    }

    /// Bytes of memory that it holds at the moment.
    #[must_use]
    pub fn holds(&self) -> usize {
        let coding = match &self.kind {
            Kind::Zlib(_) => ZLIB_HOLDS,
            Kind::Br(writer, counting) => {
                counting.bytes() + writer.as_deref().map_or(0, size_of_val)
            }
            Kind::Zstd(encoder) => encoder.sizeof() + PIECE,
        };
        size_of::<Self>() + coding
    }

    /// Whether something was put in that has not come out.
    #[must_use]
    pub const fn owes(&self) -> bool {
        self.owed
    }

    /// Puts a piece in; what is ready is put behind `out`. No work of more than
    /// [`Self::turn`] is ever left for one call.
    ///
    /// # Errors
    /// If the coding fails, which it does for want of memory alone.
    pub fn put(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while let Some(left) = self.left {
            if piece.len() < left {
                self.left = Some(left - piece.len());
                break;
            }
            let (now, later) = piece.split_at(left);
            self.add(now, out)?;
            self.flush(out)?;
            piece = later;
        }
        self.add(piece, out)
    }

    fn add(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.owed |= !piece.is_empty();
        match &mut self.kind {
            Kind::Zlib(zlib) => {
                while !piece.is_empty() {
                    let taken = deflate(zlib, piece, out, FlushCompress::None)?.0;
                    piece = &piece[taken..];
                }
            }
            Kind::Br(writer, _) => {
                let writer = writer.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
                writer.write_all(piece)?;
                out.append(writer.get_mut());
            }
            Kind::Zstd(encoder) => {
                let mut room = vec![0; PIECE];
                let mut from = InBuffer::around(piece);
                while from.pos() < piece.len() {
                    let mut into = OutBuffer::around(&mut room[..]);
                    encoder
                        .compress_stream(&mut into, &mut from)
                        .map_err(failed)?;
                    let given = into.pos();
                    out.extend_from_slice(&room[..given]);
                }
            }
        }
        Ok(())
    }

    /// Lets out all that was put in, so that whoever waits for it can read it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.owed = false;
        self.left = self.left.map(|_| self.turn);
        match &mut self.kind {
            Kind::Zlib(zlib) => {
                // Room that is left over says that all came out.
                while deflate(zlib, &[], out, FlushCompress::Sync)?.1 == PIECE {}
            }
            Kind::Br(writer, _) => {
                let writer = writer.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
                writer.flush()?;
                out.append(writer.get_mut());
            }
            Kind::Zstd(encoder) => drain(out, |into| encoder.flush_stream(into))?,
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.owed = false;
        match &mut self.kind {
            Kind::Zlib(zlib) => while !deflate(zlib, &[], out, FlushCompress::Finish)?.2 {},
            Kind::Br(writer, _) => {
                if let Some(writer) = writer.take() {
                    out.append(&mut writer.into_inner());
                }
            }
            Kind::Zstd(encoder) => drain(out, |into| encoder.end_stream(into))?,
        }
        Ok(())
    }
}

/// What a table has for a level, or for its last.
fn kib(table: &[usize], level: u32) -> usize {
    let at = (level as usize).min(table.len() - 1);
    table[at] * KIB
}

/// One step of zlib: bytes taken, bytes given, and whether that was the end.
fn deflate(
    zlib: &mut Compress,
    piece: &[u8],
    out: &mut Vec<u8>,
    flush: FlushCompress,
) -> io::Result<(usize, usize, bool)> {
    let before = (zlib.total_in(), zlib.total_out());
    let mut room = [0; PIECE];
    let status = zlib.compress(piece, &mut room, flush)?;
    let given = usize::try_from(zlib.total_out() - before.1).unwrap_or(usize::MAX);
    let taken = usize::try_from(zlib.total_in() - before.0).unwrap_or(usize::MAX);
    out.extend_from_slice(&room[..given.min(PIECE)]);
    if status == Status::BufError && flush == FlushCompress::Finish {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    Ok((taken, given, status == Status::StreamEnd))
}

/// Runs a step of zstd until nothing is left to come out.
fn drain(
    out: &mut Vec<u8>,
    mut step: impl FnMut(&mut OutBuffer<'_, [u8]>) -> Result<usize, usize>,
) -> io::Result<()> {
    let mut room = vec![0; PIECE];
    loop {
        let mut into = OutBuffer::around(&mut room[..]);
        let left = step(&mut into).map_err(failed)?;
        let given = into.pos();
        out.extend_from_slice(&room[..given]);
        if left == 0 {
            return Ok(());
        }
    }
}

/// zstd fails for want of memory alone.
fn failed(_: usize) -> io::Error {
    io::ErrorKind::OutOfMemory.into()
}
