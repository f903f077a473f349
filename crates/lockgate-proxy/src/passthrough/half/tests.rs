#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::task::{Context, Waker};

use tokio::io::{duplex, AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Broke, Half, Passed};

/// Two ends of a pipe of so many bytes, through which a half passes to another.
struct Line {
    half: Half,
    from: DuplexStream,
    to: DuplexStream,
    scratch: Vec<u8>,
}

impl Line {
    fn turn(&mut self) -> Result<Passed, Broke> {
        let mut cx = Context::from_waker(Waker::noop());
        self.half
            .pass(&mut cx, (&mut self.from, &mut self.to), &mut self.scratch)
    }
}

fn line(room: usize) -> (Line, DuplexStream, DuplexStream) {
    let (near, from) = duplex(1 << 20);
    let (to, far) = duplex(room);
    let line = Line {
        half: Half::default(),
        from,
        to,
        scratch: vec![0; 100],
    };
    (line, near, far)
}

#[tokio::test]
async fn what_is_not_taken_is_held_and_nothing_more_is_read() {
    let (mut line, mut near, mut far) = line(64);
    near.write_all(&[7; 250]).await.unwrap();
    let passed = line.turn().unwrap();
    assert_eq!((passed.bytes, passed.moved), (100, true));
    assert!(line.half.is_held());
    assert_eq!(line.half.held.len(), 36);
    assert_eq!(line.turn().unwrap().bytes, 0, "nobody took anything");

    let mut got = Vec::new();
    while got.len() < 250 {
        let mut some = [0; 64];
        let count = far.read(&mut some).await.unwrap();
        got.extend_from_slice(&some[..count]);
        assert!(line.turn().unwrap().moved || got.len() == 250);
    }
    assert_eq!(got, [7; 250]);
    assert_eq!(line.half.held.capacity(), 0, "who rests holds no memory");
    assert!(!line.half.is_over());
}

#[tokio::test]
async fn an_end_is_passed_on_behind_all_that_came_before_it() {
    let (mut line, mut near, mut far) = line(64);
    near.write_all(&[7; 80]).await.unwrap();
    drop(near);
    line.turn().unwrap();
    assert!(!line.half.is_through() && !line.half.is_told());
    let mut got = [0; 64];
    far.read_exact(&mut got).await.unwrap();
    line.turn().unwrap();
    assert!(line.half.is_over() && line.half.is_through() && line.half.is_told());
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [7; 16]);
}

#[tokio::test]
async fn what_came_first_goes_first() {
    let (mut line, mut near, mut far) = line(64);
    line.half = Half::holding(b"hello, ".to_vec());
    near.write_all(b"server").await.unwrap();
    let passed = line.turn().unwrap();
    assert_eq!(passed.bytes, 6, "what was held was counted before");
    let mut got = [0; 13];
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hello, server");
}

#[tokio::test]
async fn it_is_told_which_side_broke() {
    let (mut line, mut near, far) = line(64);
    drop(far);
    near.write_all(b"x").await.unwrap();
    assert_eq!(line.turn().unwrap_err(), Broke::Writer);
    let mut ended = Half::ended();
    assert!(ended.is_through() && ended.is_told());
    let mut cx = Context::from_waker(Waker::noop());
    let passed = ended.pass(&mut cx, (&mut line.from, &mut line.to), &mut line.scratch);
    assert!(!passed.unwrap().moved);
}

#[tokio::test]
async fn others_have_their_turn() {
    let (mut line, mut near, _far) = line(1 << 20);
    near.write_all(&[7; 5_000]).await.unwrap();
    assert_eq!(line.turn().unwrap().bytes, 1_600);
}
