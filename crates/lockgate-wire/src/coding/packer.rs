//! An answer being packed, piece by piece.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, Encoder, Operation};
use zstd::zstd_safe::OutBuffer;

use super::{Coding, PIECE};

/// Windows of brotli and zstd as a power of two: 256 KiB. Their own defaults,
/// 4 MiB and 2 MiB, would be paid for every answer under way.
const WINDOW_BITS: u32 = 18;

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
}

enum Kind {
    Zlib(Compress),
    /// None once it is over.
    Br(Option<Box<CompressorWriter<Vec<u8>>>>),
    Zstd(Encoder<'static>),
}

impl Packer {
    /// Begins a body in `coding`.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(coding: Coding, levels: Levels) -> io::Result<Self> {
        let kind = match coding {
            Coding::Gzip => Kind::Zlib(Compress::new_gzip(Compression::new(levels.gzip), 15)),
            Coding::Deflate => Kind::Zlib(Compress::new(Compression::new(levels.gzip), true)),
            Coding::Br => Kind::Br(Some(Box::new(CompressorWriter::new(
                Vec::new(),
                PIECE,
                levels.br,
                WINDOW_BITS,
            )))),
            Coding::Zstd => {
                let level = i32::try_from(levels.zstd).unwrap_or(i32::MAX);
                let mut encoder = Encoder::new(level)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW_BITS))?;
                Kind::Zstd(encoder)
            }
        };
        Ok(Self { kind, owed: false })
    }

    /// Whether something was put in that has not come out.
    #[must_use]
    pub const fn owes(&self) -> bool {
        self.owed
    }

    /// Puts a piece in; what is ready is put behind `out`.
    ///
    /// # Errors
    /// If the coding fails, which it does for want of memory alone.
    pub fn put(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.owed |= !piece.is_empty();
        match &mut self.kind {
            Kind::Zlib(zlib) => {
                while !piece.is_empty() {
                    let taken = deflate(zlib, piece, out, FlushCompress::None)?.0;
                    piece = &piece[taken..];
                }
            }
            Kind::Br(writer) => {
                let writer = writer.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
                writer.write_all(piece)?;
                out.append(writer.get_mut());
            }
            Kind::Zstd(encoder) => {
                while !piece.is_empty() {
                    let mut into = vec![0; PIECE];
                    let status = encoder.run_on_buffers(piece, &mut into)?;
                    piece = &piece[status.bytes_read..];
                    out.extend_from_slice(&into[..status.bytes_written]);
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
        match &mut self.kind {
            Kind::Zlib(zlib) => {
                // Room that is left over says that all came out.
                while deflate(zlib, &[], out, FlushCompress::Sync)?.1 == PIECE {}
            }
            Kind::Br(writer) => {
                let writer = writer.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?;
                writer.flush()?;
                out.append(writer.get_mut());
            }
            Kind::Zstd(encoder) => drain(out, |into| encoder.flush(into))?,
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
            Kind::Br(writer) => {
                if let Some(writer) = writer.take() {
                    out.append(&mut writer.into_inner());
                }
            }
            Kind::Zstd(encoder) => drain(out, |into| encoder.finish(into, true))?,
        }
        Ok(())
    }
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
    mut step: impl FnMut(&mut OutBuffer<'_, [u8]>) -> io::Result<usize>,
) -> io::Result<()> {
    let mut room = vec![0; PIECE];
    loop {
        let mut into = OutBuffer::around(&mut room[..]);
        let left = step(&mut into)?;
        let given = into.pos();
        out.extend_from_slice(&room[..given]);
        if left == 0 {
            return Ok(());
        }
    }
}
