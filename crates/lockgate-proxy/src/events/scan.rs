//! Walks the frames of one segment, over damage where there is any, in
//! constant memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::{self, Frame, Parsed};

/// How much of a file is held at once; several times the largest frame.
const WINDOW: usize = 256 * 1024;

/// A frame and where it stands.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub frame: Frame<'a>,
    /// Where it begins in the file.
    pub begin: u64,
}

impl Found<'_> {
    /// Where it ends in the file.
    pub fn end(&self) -> u64 {
        self.begin + self.frame.size() as u64
    }
}

/// A walk through a segment.
#[derive(Debug)]
pub(crate) struct Scan {
    file: File,
    window: Vec<u8>,
    /// Where in the window the walk stands.
    at: usize,
    /// Where in the file the window begins.
    base: u64,
    /// Bytes that belong to no good frame but have one after them.
    pub damaged: u64,
}

impl Scan {
    /// Begins at `offset`, a place where a frame begins.
    pub fn open(path: &Path, offset: u64) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            window: Vec::with_capacity(WINDOW),
            at: 0,
            base: offset,
            damaged: 0,
        })
    }

    /// Where the walk stands: the end of the last frame that it gave.
    pub const fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The next good frame, or none before the end of the file as it is now.
    /// What follows the last good frame is not damage yet: it may be the
    /// beginning of a frame that is being written.
    pub fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        // Where a bad stretch began, should it lead nowhere.
        let mut bad: Option<u64> = None;
        let size = loop {
            match frame::parse(&self.window[self.at..]) {
                Parsed::Good(size) => break size,
                Parsed::Bad => {
                    bad.get_or_insert(self.base + self.at as u64);
                    self.at += frame::skip_to_candidate(&self.window[self.at..]);
                }
                Parsed::Short if self.refill()? => {}
                // The end of the file: a frame that says to be longer than the
                // file may be damaged in its length, and others hide behind.
                Parsed::Short => {
                    let rest = self.window.len() - self.at;
                    if rest <= frame::HEADER_BYTES {
                        self.rewind(bad);
                        return Ok(None);
                    }
                    bad.get_or_insert(self.base + self.at as u64);
                    self.at += frame::skip_to_candidate(&self.window[self.at..]);
                }
            }
        };
        let begin = self.at;
        self.at += size;
        if let Some(bad) = bad {
            self.damaged += self.base + begin as u64 - bad;
        }
        let frame = Frame::of(&self.window[begin..self.at]);
        Ok(Some(Found {
            frame,
            begin: self.base + begin as u64,
        }))
    }

    /// Reads on; false at the end of the file.
    fn refill(&mut self) -> io::Result<bool> {
        self.window.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let held = self.window.len();
        self.window.resize(WINDOW, 0);
        let read = read_some(
            &self.file,
            &mut self.window[held..],
            self.base + held as u64,
        );
        self.window.truncate(held + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    fn rewind(&mut self, bad: Option<u64>) {
        if let Some(bad) = bad {
            self.window.clear();
            self.at = 0;
            self.base = bad;
        }
    }
}

fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
