//! Frames, good and damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn framed(class: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, class, |out| {
        out.extend_from_slice(payload);
        Ok::<(), ()>(())
    })
    .unwrap();
    out
}

#[test]
fn a_frame_reads_back() {
    for payload in [&b""[..], b"x", &[0xE7; 1000], &vec![7; PAYLOAD_MAX]] {
        let mut bytes = framed(3, payload);
        let size = bytes.len();
        assert_eq!(size, HEADER_BYTES + payload.len());
        bytes.extend_from_slice(b"what follows");
        assert_eq!(parse(&bytes), Parsed::Good(size));
        let frame = Frame::of(&bytes[..size]);
        assert_eq!(
            (frame.class(), frame.payload()),
            (Some(Class::Audit), payload)
        );
    }
}

#[test]
fn every_beginning_of_a_frame_is_short_and_no_more() {
    let bytes = framed(1, b"payload");
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Parsed::Short, "at {end}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let good = framed(1, b"a payload of some bytes");
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(parse(&bytes), Parsed::Good(_)), "bit {bit}");
    }
}

#[test]
fn zeros_as_a_power_loss_leaves_them_are_no_frame() {
    assert_eq!(parse(&[0; 64]), Parsed::Bad);
}

#[test]
fn what_is_too_large_or_fails_leaves_the_buffer_as_it_was() {
    let mut out = b"before".to_vec();
    let too_large = append(&mut out, 1, |out| {
        out.resize(out.len() + PAYLOAD_MAX + 1, 0);
        Ok::<(), ()>(())
    });
    assert_eq!((too_large, out.as_slice()), (None, &b"before"[..]));
    let failed = append(&mut out, 1, |out| {
        out.push(1);
        Err(())
    });
    assert_eq!((failed, out.as_slice()), (None, &b"before"[..]));
}

#[test]
fn the_search_after_damage_stops_where_a_frame_may_begin() {
    let mut bytes = vec![b'x'; 37];
    bytes.extend_from_slice(&framed(2, b"found"));
    assert_eq!(skip_to_candidate(&bytes), 37);
    // The checksum may be all that the window holds of the next frame.
    assert_eq!(skip_to_candidate(&bytes[..41]), 37);
    assert_eq!(skip_to_candidate(b"xyz"), 1);
}
