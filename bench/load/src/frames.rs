//! As much of WebSocket (RFC 6455) as an echo of one short message takes.

use crate::http::begins;
use std::ops::ControlFlow;

/// Bytes of a message; below the 126 that would need a longer head.
const MESSAGE: [u8; 64] = [b'm'; 64];
/// A client's frames must be masked, with whatever mask (RFC 6455, 5.3).
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// One binary message in one frame.
const BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
const HEAD: usize = 2;

/// What makes a request one for a WebSocket. The key is RFC 6455's own example (1.3), and so is what accepts it.
const ASKS: &[u8] = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// What an origin answers it.
pub const ACCEPTS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The same request, asking for a WebSocket.
pub fn opening(request: &[u8]) -> Vec<u8> {
    let head = request.strip_suffix(b"\r\n").unwrap_or(request);
    [head, ASKS].concat()
}

/// Whether a request asks for a WebSocket.
pub fn is_opening(head: &[u8]) -> bool {
    let lower = head.to_ascii_lowercase();
    lower.windows(18).any(|part| part == b"upgrade: websocket")
}

/// Whether an answer opens a WebSocket; as [`crate::http::answer`].
pub fn opened(bytes: &[u8], _body_bytes: usize) -> Result<Option<usize>, String> {
    begins(bytes, b"HTTP/1.1 101")?;
    Ok(bytes.ends_with(b"\r\n\r\n").then_some(bytes.len()))
}

/// What a client sends.
pub fn message() -> Vec<u8> {
    let masked = MESSAGE.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [BINARY, MASKED | MESSAGE.len() as u8].into_iter().chain(MASK).chain(masked).collect()
}

/// Whether the message came back; as [`crate::http::answer`].
pub fn echoed(bytes: &[u8], _body_bytes: usize) -> Result<Option<usize>, String> {
    let whole = HEAD + MESSAGE.len();
    if bytes.len() < whole {
        return Ok(None);
    }
    let right = bytes.len() == whole
        && bytes[..HEAD] == [BINARY, MESSAGE.len() as u8]
        && bytes[HEAD..] == MESSAGE;
    right.then_some(Some(whole)).ok_or_else(|| "another message than the one sent".to_owned())
}

/// Sends the messages of a client back unmasked; gives how many bytes of them are whole, and breaks off at what is none.
pub fn echo(bytes: &[u8], out: &mut Vec<u8>) -> ControlFlow<(), usize> {
    let mut done = 0;
    while let [first, second, mask @ ..] = &bytes[done..] {
        let length = usize::from(second & !MASKED);
        if *first != BINARY || second & MASKED == 0 || length > 125 {
            return ControlFlow::Break(());
        }
        let Some((mask, rest)) = mask.split_first_chunk::<4>() else { break };
        let Some(sent) = rest.get(..length) else { break };
        out.extend([BINARY, *second & !MASKED]);
        out.extend(sent.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        done += HEAD + mask.len() + length;
    }
    ControlFlow::Continue(done)
}

#[cfg(test)]
mod tests {
    use super::{echo, echoed, is_opening, message, opening};
    use std::ops::ControlFlow;

    #[test]
    fn a_message_comes_back_unmasked_and_what_is_cut_off_waits() {
        let mut sent = message().repeat(2);
        sent.truncate(message().len() + 7);
        let mut back = Vec::new();
        assert_eq!(echo(&sent, &mut back), ControlFlow::Continue(message().len()));
        assert_eq!(echoed(&back, 0), Ok(Some(back.len())));
        assert_eq!(echo(b"\x82\x01a", &mut back), ControlFlow::Break(()));
    }

    #[test]
    fn a_request_asks_for_a_websocket_only_with_the_header() {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(!is_opening(request));
        assert!(is_opening(&opening(request)));
    }
}
