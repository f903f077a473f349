//! Fuzz targets for what looks at bytes as they pass.

use bolero::check;
use lockgate_fuzz::{grpc, watchers};

/// Frames of HTTP/2: kind, flags, stream, length, filling.
type Frame = (u8, u8, u8, u8, u8);

fn http2_frame((kind, flags, stream, length, fill): &Frame) -> Vec<u8> {
    let kind = kind % 18;
    let length = match kind {
        3 | 8 if length % 8 > 0 => 4,
        6 if length % 8 > 0 => 8,
        4 => length / 6 * 6,
        _ => *length,
    };
    let mut frame = vec![0, 0, length, kind, *flags, 0, 0, 0, stream % 4];
    frame.resize(9 + usize::from(length), *fill);
    frame
}

#[test]
fn http2() {
    check!()
        .with_type::<(Vec<Frame>, Vec<u16>)>()
        .for_each(|(frames, cuts)| {
            let settings = http2_frame(&(4, 0, 0, 12, 1));
            let frames = frames.iter().take(40).flat_map(http2_frame);
            let stream: Vec<u8> = settings.into_iter().chain(frames).collect();
            watchers::http2(&stream, cuts);
        });
}

#[test]
fn raw_http2() {
    check!().for_each(|input: &[u8]| watchers::http2(input, &[2, 11]));
}

/// Frames of HTTP/3, with field sections that begin as such.
#[test]
fn http3() {
    check!()
        .with_type::<(Vec<(u8, Vec<u8>)>, Vec<u16>)>()
        .for_each(|(frames, cuts)| {
            let mut stream = Vec::new();
            for (kind, payload) in frames.iter().take(10) {
                let kind = [1, 0, 1, 0x21][usize::from(kind % 4)];
                let head: &[u8] = if kind == 1 { &[0, 0, 0xd1, 0xd7] } else { &[] };
                let payload = [head, &payload[..payload.len().min(40)]].concat();
                stream.extend([kind, payload.len() as u8]);
                stream.extend(payload);
            }
            watchers::http3(&stream, cuts);
        });
}

#[test]
fn raw_http3() {
    check!().for_each(|input: &[u8]| watchers::http3(input, &[1, 3, 9]));
}

/// Frames of a WebSocket: first byte, payload.
fn websocket_frame(masked: bool, (first, payload): &(u8, Vec<u8>)) -> Vec<u8> {
    const FIRST: [u8; 8] = [0x81, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0xc1];
    let first = FIRST.get(usize::from(*first % 9)).unwrap_or(first);
    let payload = &payload[..payload.len().min(125)];
    let mut frame = vec![*first, payload.len() as u8];
    if masked {
        // A key of zeroes changes nothing.
        frame[1] |= 0x80;
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

#[test]
fn websocket() {
    check!()
        .with_type::<(bool, Vec<(u8, Vec<u8>)>, Vec<u16>)>()
        .for_each(|(masked, frames, cuts)| {
            let frames = frames.iter().take(20);
            let stream: Vec<u8> = frames
                .flat_map(|frame| websocket_frame(*masked, frame))
                .collect();
            watchers::websocket(&stream, cuts);
        });
}

#[test]
fn raw_websocket() {
    check!().for_each(|input: &[u8]| watchers::websocket(input, &[1, 3, 9]));
}

#[test]
fn grpc_messages() {
    check!()
        .with_type::<(Vec<(u8, Vec<u8>)>, Vec<u16>)>()
        .for_each(|(messages, cuts)| {
            let mut stream = Vec::new();
            for (flag, payload) in messages.iter().take(8) {
                stream.push([0, 1, 0x80, *flag][usize::from(flag % 4)]);
                stream.extend((payload.len() as u32).to_be_bytes());
                stream.extend(payload);
            }
            grpc::messages(&stream, cuts);
            grpc::cutter(&stream, cuts);
        });
}

#[test]
fn raw_grpc() {
    const ALPHABET: &[u8] = b"ABCxyz019+/=";
    check!().for_each(|input: &[u8]| {
        grpc::messages(input, &[1, 7]);
        grpc::cutter(input, &[1, 7]);
        grpc::text(input, &[1, 6]);
        let text = input
            .iter()
            .map(|byte| ALPHABET[usize::from(*byte) % ALPHABET.len()]);
        grpc::text(&text.collect::<Vec<_>>(), &[2, 5]);
        grpc::values(input);
    });
}
