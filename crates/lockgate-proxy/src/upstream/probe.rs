//! One question to a server: how are you? Asked over a connection of its own,
//! and answered by a status.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use http::header::{HOST, USER_AGENT};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::group::{Member, Rules};
use super::http2::{Http2, Shared};
use super::socket::Socket;
use super::spoken;
use super::target::At;
use crate::body::RequestBody;
use crate::bundle::{HealthCheck, Protocol};

/// Bytes of an answer's head over HTTP/2.
const MAX_HEAD: u32 = 64 * 1024;

/// Bytes of an answer in which its status must stand.
const MAX_BYTES: usize = 64;

/// Asks a server how it is.
///
/// # Errors
/// What is wrong with it, in a few words.
pub async fn probe(check: &HealthCheck, member: &Member, rules: &Rules) -> Result<(), String> {
    let within = Duration::from_millis(u64::from(check.timeout_ms));
    if check.path.is_empty() {
        // Of what is not understood no more can be asked.
        return match tokio::time::timeout(within, connect(member, rules)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} ms", check.timeout_ms)),
        };
    }
    let status = match tokio::time::timeout(within, ask(check, member, rules)).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no answer within {} ms", check.timeout_ms)),
    };
    let expected = |range: &crate::bundle::StatusRange| (range.low..=range.high).contains(&status);
    if check.expect.iter().any(expected) {
        Ok(())
    } else {
        Err(format!("status {status}"))
    }
}

async fn ask(check: &HealthCheck, member: &Member, rules: &Rules) -> io::Result<u16> {
    let host = check
        .host
        .clone()
        .unwrap_or_else(|| member.target.authority());
    let mut socket = connect(member, rules).await?;
    if rules.protocol == Protocol::Http2 {
        return ask_http2(socket, &host, check, rules).await;
    }
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: lockgate-health\r\naccept: */*\r\nconnection: close\r\n\r\n",
        check.path
    );
    status(&mut socket, request.as_bytes()).await
}

async fn connect(member: &Member, rules: &Rules) -> io::Result<Socket> {
    let preamble = rules.proxy_protocol.map(spoken::own).unwrap_or_default();
    if let At::Unix(path) = member.target.at() {
        return Socket::unix(path, &preamble).await;
    }
    let addresses = member.addresses();
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "DNS has no address for it",
        ));
    }
    match &rules.tls {
        Some(tls) => Socket::tls(&addresses, &preamble, tls, &member.target).await,
        // Never in the clear where TLS is wanted.
        None if rules.secure => Err(io::Error::other("its certificates could not be read")),
        None => Socket::tcp(&addresses, &preamble).await,
    }
}

async fn ask_http2(
    socket: Socket,
    host: &str,
    check: &HealthCheck,
    rules: &Rules,
) -> io::Result<u16> {
    let connection = Shared::open(socket, MAX_HEAD, rules.tls.clone())
        .await
        .map_err(|error| io::Error::other(format!("it does not speak HTTP/2: {error}")))?;
    let request = Request::builder()
        .uri(&check.path)
        .header(HOST, host)
        .header(USER_AGENT, "lockgate-health")
        .body(RequestBody::empty())
        .map_err(io::Error::other)?;
    let mut stream = Http2::new(connection, 0);
    stream.begin(request, &[]);
    match poll_fn(|cx| stream.poll_head(cx)).await {
        Ok(head) => Ok(head.status.as_u16()),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it closed without an answer",
        )),
    }
}

async fn status<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    stream: &mut S,
    request: &[u8],
) -> io::Result<u16> {
    stream.write_all(request).await?;
    let mut bytes = [0; MAX_BYTES];
    let mut length = 0;
    loop {
        if let Some(status) = parse(&bytes[..length]) {
            return status.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "what it says is not HTTP/1")
            });
        }
        let read = stream.read(&mut bytes[length..]).await?;
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it closed without an answer",
            ));
        }
        length += read;
    }
}

/// The status in the first line; `None` while that is not there, `Some(None)` if it cannot come.
fn parse(bytes: &[u8]) -> Option<Option<u16>> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let known = bytes.len().min(BEGIN.len());
    if bytes[..known] != BEGIN[..known] {
        return Some(None);
    }
    // `HTTP/1.1 200` and a byte behind it.
    let line = bytes.get(..13)?;
    let code = std::str::from_utf8(&line[9..12]).ok();
    let whole = line[8] == b' ' && matches!(line[12], b' ' | b'\r' | b'\n');
    Some(code.filter(|_| whole).and_then(|code| code.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_soon_as_it_is_there() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"HTTP/1.1 20"), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), Some(Some(200)));
        assert_eq!(parse(b"HTTP/1.0 503\r\n"), Some(Some(503)));
        for nonsense in [
            &b"SSH-2.0"[..],
            b"HTTP/2 200 OK\r\n",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 xyz OK",
        ] {
            assert_eq!(parse(nonsense), Some(None), "{nonsense:?}");
        }
    }
}
