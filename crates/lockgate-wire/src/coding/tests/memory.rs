//! What packing and unpacking take is what is said of it.

use bytes::Bytes;

use crate::coding::{Bounds, Coding, Inflater, Levels, Packer};

const KIB: usize = 1024;
/// Several metablocks of brotli, and several windows.
const LONG: usize = 1536 * KIB;
/// The slowest levels pack less than a megabyte in a second.
const SHORT: usize = 640 * KIB;

/// Bytes that look random, and are the same each time (xorshift).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Text of an API, without much repetition.
fn text(length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 64);
    for number in 0_u64.. {
        if out.len() >= length {
            break;
        }
        let odd = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let line = format!("{{\"id\": {number}, \"name\": \"thing {odd:x}\"}},\n");
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(length);
    out
}

/// The most that packing takes on the way.
fn held(coding: Coding, levels: Levels, content: &[u8]) -> usize {
    let mut packer = Packer::new(coding, levels).unwrap();
    let mut most = 0;
    let mut out = Vec::new();
    for (number, piece) in content.chunks(16 * KIB).enumerate() {
        packer.put(piece, &mut out).unwrap();
        if number % 16 == 15 {
            packer.flush(&mut out).unwrap();
        }
        most = most.max(packer.holds());
        out.clear();
    }
    packer.end(&mut out).unwrap();
    most.max(packer.holds())
}

#[test]
fn most_is_an_upper_estimate_and_no_wild_one() {
    let mut wrong = Vec::new();
    for (coding, levels) in [
        (Coding::Gzip, 1..=9),
        (Coding::Br, 0..=11),
        (Coding::Zstd, 1..=19),
    ] {
        for level in levels {
            let levels = Levels {
                gzip: level,
                br: level,
                zstd: level,
            };
            let slow = coding == Coding::Br && level > 9 || coding == Coding::Zstd && level > 15;
            let length = if slow { SHORT } else { LONG };
            let contents = [noise(length), text(length), vec![0; length]];
            let held = contents.iter().map(|content| held(coding, levels, content));
            let held = held.max().unwrap();
            let most = Packer::most(coding, levels);
            if most < held || most > held * 3 / 2 {
                wrong.push((coding, level, held.div_ceil(KIB), most / KIB));
            }
        }
    }
    assert_eq!(
        wrong,
        [],
        "coding, level, KiB that it takes, KiB that are said"
    );
}

#[test]
fn what_is_packed_gives_all_back() {
    for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
        let levels = Levels {
            gzip: 4,
            br: 4,
            zstd: 3,
        };
        let mut packer = Packer::new(coding, levels).unwrap();
        let mut out = Vec::new();
        packer.put(&text(LONG), &mut out).unwrap();
        packer.end(&mut out).unwrap();
        if coding == Coding::Br {
            assert!(packer.holds() < KIB, "{}", packer.holds());
        }
        assert!(out.len() < LONG / 2);
    }
}

/// A frame of zstd that asks for a window of two to this power, and is not over.
fn zstd_head(exponent: u8) -> Bytes {
    let mut frame = b"\x28\xb5\x2f\xfd\x00".to_vec();
    frame.push((exponent - 10) << 3);
    // One raw block of a byte, not the last.
    frame.extend_from_slice(&[8, 0, 0, b'x']);
    frame.into()
}

#[test]
fn a_window_counts_as_soon_as_it_is_set_up() {
    let bounds = Bounds {
        ratio: 100,
        window: 8 << 20,
    };
    let mut inflater = Inflater::new(&[Coding::Zstd], bounds).unwrap();
    assert!(inflater.holds() < 256 * KIB, "{}", inflater.holds());
    inflater.take(zstd_head(23)).unwrap();
    while inflater.unpack().unwrap().is_some() {}
    let held = inflater.holds();
    assert!((8 << 20..9 << 20).contains(&held), "{held}");
}

#[test]
fn brotli_counts_its_window_and_its_trees() {
    let bounds = Bounds {
        ratio: 100,
        window: 8 << 20,
    };
    let levels = Levels {
        gzip: 4,
        br: 9,
        zstd: 3,
    };
    let mut packer = Packer::new(Coding::Br, levels).unwrap();
    let mut packed = Vec::new();
    packer.put(&text(LONG), &mut packed).unwrap();
    packer.end(&mut packed).unwrap();
    let mut inflater = Inflater::new(&[Coding::Br], bounds).unwrap();
    let mut most = 0;
    for piece in packed.chunks(4096) {
        inflater.take(Bytes::copy_from_slice(piece)).unwrap();
        while inflater.unpack().unwrap().is_some() {
            most = most.max(inflater.holds());
        }
    }
    inflater.end().unwrap();
    assert!((256 * KIB..1024 * KIB).contains(&most), "{most}");
}

/// Bits, the first of each number first (RFC 7932 section 1.5.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    left: u32,
}

impl Bits {
    fn put(&mut self, count: u32, value: u32) {
        for at in 0..count {
            if self.left == 0 {
                self.bytes.push(0);
                self.left = 8;
            }
            let bit = u8::from(value >> at & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (8 - self.left);
            }
            self.left -= 1;
        }
    }

    /// A number of trees or types, 256 of them (RFC 7932 section 9.2).
    fn many(&mut self) {
        self.put(1, 1);
        self.put(3, 7);
        self.put(7, 127);
    }

    /// A code of one symbol of a few (section 3.4).
    fn only(&mut self, bits: u32, symbol: u32) {
        self.put(2, 1);
        self.put(2, 0);
        self.put(bits, symbol);
    }
}

#[test]
fn a_body_of_brotli_that_names_every_tree_counts_for_them() {
    // A window of 16 bits, one metablock of 64 KiB, and 256 types of blocks of each kind.
    let mut bits = Bits::default();
    bits.put(1, 0);
    bits.put(1, 0);
    bits.put(2, 0);
    bits.put(16, 0xffff);
    bits.put(1, 0);
    for _ in 0..3 {
        bits.many();
        bits.only(9, 0);
        bits.only(5, 0);
        // The first block's length, 1 and some bits that say nothing more.
        bits.put(2, 0);
    }
    // Distances as they are; 256 modes of contexts; then trees for each of these.
    bits.put(6, 0);
    for _ in 0..256 {
        bits.put(2, 0);
    }
    for _ in 0..2 {
        bits.many();
        bits.put(1, 0);
        bits.only(8, 255);
        bits.put(1, 0);
    }
    // The codes of the trees would follow: a hundred bytes have made room for them.
    assert!(bits.bytes.len() < 120, "{}", bits.bytes.len());
    let bounds = Bounds {
        ratio: 100,
        window: 8 << 20,
    };
    let mut inflater = Inflater::new(&[Coding::Br], bounds).unwrap();
    inflater.take(bits.bytes.into()).unwrap();
    assert_eq!(inflater.unpack(), Ok(None));
    assert!(inflater.holds() > 1024 * KIB, "{}", inflater.holds());
}
