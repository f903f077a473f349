//! As much of HTTP/1.1 as a benchmark must read to know that an answer is
//! whole and the right one.

/// Where a message ends, from its head and `Content-Length`.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Bytes of the head, the empty line included.
    pub head: usize,
    /// Bytes of the body.
    pub body: usize,
}

impl Message {
    /// Bytes of the whole message.
    pub fn total(&self) -> usize {
        self.head + self.body
    }

    /// Reads a head, if it is all there. A message without `Content-Length` has no body.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let mut body = 0;
        for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                body = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or("a Content-Length that is no number")?;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Err("a chunked message; the origin sends Content-Length".to_owned());
            } else if name.eq_ignore_ascii_case(b"connection")
                && value.eq_ignore_ascii_case(b"close")
            {
                return Err(
                    "Connection: close; every subject must keep connections alive".to_owned()
                );
            }
        }
        Ok(Some(Self { head: end + 4, body }))
    }
}

/// Refuses an answer that does not begin like this, as far as it is there.
pub fn begins(bytes: &[u8], expected: &[u8]) -> Result<(), String> {
    let seen = bytes.len().min(expected.len());
    if bytes[..seen] == expected[..seen] {
        return Ok(());
    }
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(format!("answered {:?}", String::from_utf8_lossy(line)))
}

/// Reads an answer, if it is all there, and refuses any but a 200 of the right length.
pub fn answer(bytes: &[u8], body_bytes: usize) -> Result<Option<usize>, String> {
    begins(bytes, b"HTTP/1.1 200")?;
    match Message::read(bytes)? {
        None => Ok(None),
        Some(message) if message.body != body_bytes => {
            Err(format!("a body of {} bytes, not {body_bytes}", message.body))
        }
        Some(message) if bytes.len() > message.total() => {
            Err("more bytes than one answer".to_owned())
        }
        Some(message) if bytes.len() == message.total() => Ok(Some(message.total())),
        Some(_) => Ok(None),
    }
}

/// Splits a file of requests, one after the other, into each request's bytes.
pub fn requests(file: &str) -> Result<Vec<Vec<u8>>, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
    let mut rest = bytes.as_slice();
    let mut requests = Vec::new();
    while !rest.is_empty() {
        let total = Message::read(rest)?.map_or(usize::MAX, |message| message.total());
        if total > rest.len() {
            return Err(format!("{file}: request {} is cut off", requests.len() + 1));
        }
        let (request, after) = rest.split_at(total);
        requests.push(request.to_vec());
        rest = after;
    }
    if requests.is_empty() {
        return Err(format!("{file}: no request"));
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::{answer, Message};

    #[test]
    fn a_head_is_whole_only_with_its_empty_line() {
        assert_eq!(Message::read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), Ok(None));
        assert_eq!(
            Message::read(b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n"),
            Ok(Some(Message { head: 37, body: 2 }))
        );
    }

    #[test]
    fn an_answer_must_be_a_200_of_the_expected_length() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(answer(whole, 2), Ok(Some(whole.len())));
        assert_eq!(answer(&whole[..whole.len() - 1], 2), Ok(None));
        assert!(answer(whole, 3).is_err());
        assert!(answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 2).is_err());
        assert!(answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0)
            .is_err());
    }
}
