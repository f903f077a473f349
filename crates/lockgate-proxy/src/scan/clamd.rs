//! A talk with ClamAV's `clamd`: one command, and one answer.

use std::io::{self, Read, Write};
use std::net;
use std::os::unix::net as net_unix;
use std::pin::pin;
use std::time::Duration;

use lockgate_policy::waf::{Clamd, Scanned, COMMAND, MAX_ANSWER_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Bytes of a file that are sent as one piece.
const PIECE: usize = 64 * 1024;

/// Scans a file.
pub async fn scan(clamd: &Clamd, content: &[u8]) -> Scanned {
    let scanned = match clamd {
        Clamd::Network(address) => match TcpStream::connect(address).await {
            Ok(mut stream) => {
                // Only a matter of speed.
                let _ = stream.set_nodelay(true);
                let (read, write) = stream.split();
                talk(read, write, content).await
            }
            Err(error) => Err(error),
        },
        Clamd::Path(path) => match UnixStream::connect(path).await {
            Ok(mut stream) => {
                let (read, write) = stream.split();
                talk(read, write, content).await
            }
            Err(error) => Err(error),
        },
    };
    scanned.unwrap_or_else(|error| Scanned::Failed(format!("clamd at {clamd}: {error}")))
}

/// Sends a file and hears what comes back, which may be before all of it was sent.
async fn talk(
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    content: &[u8],
) -> io::Result<Scanned> {
    let mut hear = pin!(answer(read));
    let send = pin!(send(write, content));
    tokio::select! {
        biased;
        sent = send => {
            // Who wants no more of it may have said why.
            let whole = sent.is_ok();
            match (hear.await, sent) {
                (Ok(line), _) => Ok(Scanned::answered(&line, whole)),
                (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
            }
        }
        line = &mut hear => Ok(Scanned::answered(&line?, false)),
    }
}

async fn send(mut write: impl AsyncWrite + Unpin, content: &[u8]) -> io::Result<()> {
    write.write_all(COMMAND).await?;
    for piece in content.chunks(PIECE) {
        let length = u32::try_from(piece.len()).unwrap_or_default();
        write.write_all(&length.to_be_bytes()).await?;
        write.write_all(piece).await?;
    }
    write.write_all(&0_u32.to_be_bytes()).await
}

/// An answer, up to the zero that ends it.
async fn answer(read: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut read = read.take(MAX_ANSWER_BYTES as u64);
    let mut line = Vec::new();
    loop {
        let mut piece = [0; 256];
        let length = read.read(&mut piece).await?;
        let here = piece.get(..length).unwrap_or_default();
        if let Some(end) = memchr::memchr(0, here) {
            line.extend_from_slice(&here[..end]);
            return Ok(line);
        }
        if here.is_empty() {
            let told = match line.len() {
                0 => "it closed without an answer",
                MAX_ANSWER_BYTES.. => "its answer has no end",
                _ => "it closed within its answer",
            };
            return Err(io::Error::other(told));
        }
        line.extend_from_slice(here);
    }
}

/// How long a scanner has for a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks whether it is there, and waits for that. Not for a worker's thread.
///
/// # Errors
/// If it is not, or is something else.
pub fn ping(clamd: &Clamd) -> io::Result<()> {
    match clamd {
        Clamd::Network(address) => {
            let stream = net::TcpStream::connect_timeout(address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            is_clamd(stream)
        }
        Clamd::Path(path) => {
            let stream = net_unix::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            is_clamd(stream)
        }
    }
}

fn is_clamd(mut stream: impl Read + Write) -> io::Result<()> {
    const ANSWER: &[u8] = b"PONG\0";
    stream.write_all(b"zPING\0")?;
    let mut said = [0; ANSWER.len()];
    stream.read_exact(&mut said)?;
    match said == ANSWER {
        true => Ok(()),
        false => Err(io::Error::other("its answer is none of clamd's")),
    }
}
