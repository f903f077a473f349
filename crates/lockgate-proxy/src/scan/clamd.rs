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

/// Sends a file and hears what comes back. Before all of it was sent that can be a
/// virus or an error, and nothing better. Behind that it is heard to the end of the
/// connection: whoever closes it with bytes of the file unread resets it.
async fn talk(
    mut read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    content: &[u8],
) -> io::Result<Scanned> {
    let mut said = Vec::new();
    let sent = {
        let early = pin!(hear(&mut read, &mut said, is_answer));
        let send = pin!(send(write, content));
        tokio::select! {
            biased;
            heard = early => heard.map(|()| false),
            sent = send => sent.map(|()| true),
        }
    };
    let silent = said.is_empty();
    let ended = match sent {
        Ok(true) => hear(&mut read, &mut said, Scanned::is_found).await,
        Ok(false) => Ok(()),
        // Who wants no more of it may have said why.
        Err(error) => hear(&mut read, &mut said, is_answer).await.and(Err(error)),
    };
    let whole = silent && ended.is_ok();
    match ended {
        Err(error) if !said.contains(&0) => Err(error),
        _ => Ok(Scanned::answered(&said, whole)),
    }
}

async fn send(mut write: impl AsyncWrite + Unpin, content: &[u8]) -> io::Result<()> {
    write.write_all(COMMAND).await?;
    for piece in content.chunks(PIECE) {
        let length = u32::try_from(piece.len()).unwrap_or_default();
        write.write_all(&length.to_be_bytes()).await?;
        write.write_all(piece).await?;
    }
    // What came back by now is heard before the end is sent.
    tokio::task::yield_now().await;
    write.write_all(&0_u32.to_be_bytes()).await
}

fn is_answer(said: &[u8]) -> bool {
    said.contains(&0)
}

/// Hears on until it is enough, to the end of the connection, or to more than an answer
/// can be.
async fn hear(
    read: &mut (impl AsyncRead + Unpin),
    said: &mut Vec<u8>,
    is_enough: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    while said.len() < MAX_ANSWER_BYTES && !is_enough(said) {
        let mut piece = [0; 256];
        let length = read.read(&mut piece).await?;
        if length == 0 {
            break;
        }
        said.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    Ok(())
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
