//! One question to a server: how are you? Asked over a connection of its own,
//! and answered by a status.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::group::{Member, Rules};
use super::target::Target;
use crate::bundle::HealthCheck;

/// Bytes of an answer in which its status must stand.
const MAX_BYTES: usize = 64;

/// Asks a server how it is.
///
/// # Errors
/// What is wrong with it, in a few words.
pub async fn probe(check: &HealthCheck, member: &Member, rules: &Rules) -> Result<(), String> {
    let within = Duration::from_millis(u64::from(check.timeout_ms));
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
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: lockgate-health\r\naccept: */*\r\nconnection: close\r\n\r\n",
        check.path
    );
    if let Target::Unix(path) = &*member.target {
        let mut stream = UnixStream::connect(path).await?;
        return status(&mut stream, request.as_bytes()).await;
    }
    let addresses = member.addresses();
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "DNS has no address for it",
        ));
    }
    let mut stream = TcpStream::connect(&addresses[..]).await?;
    if !rules.secure {
        return status(&mut stream, request.as_bytes()).await;
    }
    let unfit = || io::Error::other("its certificates could not be read");
    let tls = rules.tls.as_ref().ok_or_else(unfit)?;
    let name = tls.name_of(&member.target).ok_or_else(unfit)?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let mut stream = connector.connect(name, stream).await?;
    status(&mut stream, request.as_bytes()).await
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
