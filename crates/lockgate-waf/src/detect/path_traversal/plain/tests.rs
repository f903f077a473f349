use super::super::{
    secrets, spelling,
    walk::{Room, Walk},
};
use super::{skip, CLASSES};

#[test]
fn borders_and_odd_signs_are_those_of_a_walk() {
    for byte in 0..=u8::MAX {
        let class = CLASSES[usize::from(byte)];
        let (sign, ..) = spelling::read(&[byte], 0).unwrap();
        assert_eq!(
            class == super::BORDER,
            sign == spelling::Sign::Border,
            "{byte}"
        );
    }
}

#[test]
fn what_is_skipped_leads_nowhere() {
    let pieces: [&[u8]; 20] = [
        b"a",
        b"..",
        b".",
        b"/",
        b"\\",
        b" ",
        b"x",
        b"0x2e",
        b":",
        b"c",
        b".git",
        b"id_rsa",
        b"WEB-INF",
        b"%2e",
        b";",
        b"etc",
        b"=",
        b"\0",
        b"file",
        b"\xC0\xAE",
    ];
    let mut state = 7_u32;
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..6 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.extend_from_slice(pieces[(state >> 16) as usize % pieces.len()]);
        }
        let end = skip(&text, 0);
        let mut at = 0;
        let mut room = Room::default();
        while let Some(walk) = Walk::next(text.get(..end).unwrap(), at, &mut room) {
            at = walk.end;
            let plain = walk.ups == 0 && walk.stripped == 0 && !walk.cut && !walk.share;
            let none = plain && walk.secret() == secrets::Secret::None;
            assert!(
                !walk.tells() || none,
                "{:?}",
                String::from_utf8_lossy(&text)
            );
        }
    }
}
