use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use super::*;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    listener().1
}

#[tokio::test]
async fn an_address_that_refuses_costs_nothing() {
    let (_kept, open) = listener();
    let begun = Instant::now();
    let socket = Socket::tcp(&[closed(), closed(), open], b"")
        .await
        .expect("one listens");
    assert_eq!(socket.peer(), Some(open));
    assert!(begun.elapsed() < STAGGER);
}

#[tokio::test]
async fn an_address_that_says_nothing_keeps_the_next_waiting_for_a_moment_only() {
    // A backlog that is full takes no connection and refuses none.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .expect("there is a socket");
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    silent.bind(&any.into()).expect("a port is free");
    silent.listen(0).expect("it listens");
    let full = silent
        .local_addr()
        .ok()
        .and_then(|own| own.as_socket())
        .expect("it is bound");
    let fillers: Vec<_> = (0..4)
        .map(|_| {
            let filler = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                .expect("a socket");
            filler.set_nonblocking(true).expect("it is a socket");
            let _ = filler.connect(&full.into());
            filler
        })
        .collect();
    let (_kept, open) = listener();
    let socket = Socket::tcp(&[full, open], b"").await.expect("one listens");
    assert_eq!(socket.peer(), Some(open));
    drop(fillers);
}

#[tokio::test]
async fn the_last_refusal_is_told() {
    let error = Socket::tcp(&[closed(), closed()], b"")
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(Socket::tcp(&[], b"").await.is_err());
}

#[tokio::test]
async fn what_keeps_a_path_from_being_reached_is_told_plainly() {
    let dir = crate::testing::Dir::new();
    let path = dir.join("app.sock");
    let why = |path: &std::path::Path| {
        let path = path.to_owned();
        async move { Socket::unix(&path, b"").await.expect_err("nobody listens") }
    };
    let missing = why(&path).await;
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(missing.to_string().contains("no such socket"), "{missing}");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("the folder is ours"));
    let gone = why(&path).await;
    assert_eq!(gone.kind(), io::ErrorKind::ConnectionRefused);
    assert!(gone.to_string().contains("nobody listens"), "{gone}");
    // Who runs as root is let in everywhere, so the system is not asked.
    let closed = plainly(io::ErrorKind::PermissionDenied.into());
    assert!(closed.to_string().contains("may not connect"), "{closed}");
    let other = io::Error::from_raw_os_error(24);
    assert_eq!(plainly(other).raw_os_error(), Some(24), "it is seen to");
}

#[tokio::test]
async fn what_goes_first_goes_first() {
    use std::io::Read;
    let (listener, open) = listener();
    let socket = Socket::tcp(&[open], b"PROXY UNKNOWN\r\n").await;
    drop(socket.expect("one listens"));
    let mut said = String::new();
    let (mut stream, _) = listener.accept().expect("it has come");
    stream.read_to_string(&mut said).expect("it is text");
    assert_eq!(said, "PROXY UNKNOWN\r\n");
}
