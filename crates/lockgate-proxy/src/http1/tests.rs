#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn lines(fields: &str) -> Lines {
    Lines::of(&format!("GET / HTTP/1.1\r\n{fields}\r\n").into(), 16)
}

#[test]
fn fields_are_told_line_by_line() {
    let lines = lines("Host: a\r\nX-Empty:\r\nx:y:z\r\n");
    let told: Vec<(&[u8], &[u8])> = lines.iter().collect();
    let wanted: [(&[u8], &[u8]); 3] = [
        (b"Host", b"Host: a\r\n"),
        (b"X-Empty", b"X-Empty:\r\n"),
        (b"x", b"x:y:z\r\n"),
    ];
    assert_eq!(told, wanted);
    assert_eq!(
        super::Lines::of(&Bytes::from_static(b"x\r\n\r\n"), 3)
            .iter()
            .count(),
        0
    );
}

#[test]
fn a_map_has_what_the_lines_have() {
    let (headers, marks) = lines("Host: a\r\nX-A: \t1 \r\nx-a:2\r\n")
        .map(HeaderMap::new())
        .unwrap();
    let all: Vec<_> = headers.get_all("x-a").iter().collect();
    assert_eq!(
        (all.len(), all[0], all[1]),
        (
            2,
            &HeaderValue::from_static("1"),
            &HeaderValue::from_static("2")
        )
    );
    assert_eq!(headers["host"], "a");
    assert!(marks.coding.is_none() && marks.persistent(false) && !marks.persistent(true));
}

#[test]
fn the_marks_are_the_same_from_lines_and_from_a_map() {
    for fields in [
        "Content-Length: 7\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: Close\r\n",
        "connection: keep-alive, x-b ,\r\nConnection: upgrade\r\n",
        "Expect: 100-continue\r\nTE: gzip, Trailers\r\n",
    ] {
        let lines = lines(fields);
        let (_, marks) = lines.map(HeaderMap::new()).unwrap();
        assert_eq!(format!("{marks:?}"), format!("{:?}", lines.marks()));
    }
    assert!(
        !lines("connection: keep-alive, , close\r\n")
            .marks()
            .nominates
    );
    assert!(lines("connection: close, x-a\r\n").marks().nominates);
    assert_eq!(
        lines("content-length:  7 \r\n").marks().coding,
        Some(Coding::Length(7))
    );
}

#[test]
fn what_is_taken_whole_leaves_no_memory() {
    let mut inbox = BytesMut::from("hello");
    assert_eq!(take(&mut inbox, 2), "he");
    assert_eq!(take(&mut inbox, 3), "llo");
    assert_eq!(inbox.capacity(), 0);
}

#[test]
fn a_body_is_taken_to_its_end_and_no_further() {
    let mut inbox = BytesMut::from("hello");
    let mut coding = Coding::Length(3);
    assert!(matches!(coding.next(&mut inbox), Some(Piece::Data(data)) if data == "hel"));
    assert!(matches!(coding.next(&mut inbox), Some(Piece::End)) && coding.is_over());
    assert_eq!((coding.left(), &inbox[..]), (Some(0), &b"lo"[..]));
    let mut until_close = Coding::UntilClose;
    assert!(matches!(until_close.next(&mut inbox), Some(Piece::Data(data)) if data == "lo"));
    assert!(until_close.next(&mut inbox).is_none() && !until_close.is_over());
}

#[test]
fn a_map_that_was_used_is_empty_for_the_next_and_a_large_one_is_let_go() {
    let spare = SpareMap::default();
    let (headers, _) = lines("Host: a\r\nX-A: 1\r\nX-A: 2\r\n")
        .map(spare.take(3))
        .unwrap();
    let room = headers.capacity();
    spare.give_back(headers);
    let again = spare.take(1);
    assert_eq!((again.len(), again.capacity()), (0, room));
    assert_eq!(
        spare.take(0).capacity(),
        0,
        "there is one, and it was taken"
    );
    spare.give_back(HeaderMap::with_capacity(1000));
    assert_eq!(spare.take(0).capacity(), 0);
}
