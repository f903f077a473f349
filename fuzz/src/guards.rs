//! Promises of the framing guards.

use lockgate_wire::framing::{Expect, HeadLimits, Phase, RequestGuard, ResponseGuard};

/// What a guard made of some pieces.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    released: Vec<u8>,
    verdict: Result<Phase, &'static str>,
    heads: u64,
}

/// Small, so that short inputs reach them.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 512,
    headers: 8,
    target_bytes: 64,
};

/// A request stream is judged alike however it is cut, what is released is a
/// prefix of it, and hyper's parser takes each head.
pub fn requests(input: &[u8], cuts: &[u16]) {
    for limits in [HeadLimits::default(), LIMITS] {
        let whole = request(limits, &[input]);
        assert!(input.starts_with(&whole.released));
        assert_eq!(whole, request(limits, &cut(input, cuts)));
        assert_eq!(whole, request(limits, &input.chunks(1).collect::<Vec<_>>()));
    }
    for head in heads(input) {
        parses(&head);
    }
}

/// The same for the answers to a request.
pub fn answers(input: &[u8], cuts: &[u16]) {
    for expect in [Expect::Body, Expect::NoBody, Expect::Upgrade] {
        let whole = answer(expect, &[input]);
        assert!(input.starts_with(&whole.released));
        assert_eq!(whole, answer(expect, &cut(input, cuts)));
        assert_eq!(whole, answer(expect, &input.chunks(1).collect::<Vec<_>>()));
    }
}

fn request(limits: HeadLimits, pieces: &[&[u8]]) -> Outcome {
    let mut guard = RequestGuard::new(limits);
    let mut released = Vec::new();
    let mut verdict = Ok(());
    for piece in pieces {
        verdict = guard.feed(piece, &mut |run| released.extend_from_slice(run));
        assert!(
            guard.withheld() <= limits.head_bytes,
            "more was kept than allowed"
        );
    }
    Outcome {
        released,
        verdict: verdict
            .map(|()| guard.phase())
            .map_err(|reason| reason.code),
        heads: guard.heads(),
    }
}

fn answer(expect: Expect, pieces: &[&[u8]]) -> Outcome {
    let mut guard = ResponseGuard::new(LIMITS);
    guard.expect(expect);
    let mut released = Vec::new();
    let mut verdict = Ok(());
    for piece in pieces {
        verdict = guard.feed(piece, &mut |run| released.extend_from_slice(run));
        assert!(
            guard.withheld() <= LIMITS.head_bytes,
            "more was kept than allowed"
        );
    }
    Outcome {
        released,
        verdict: verdict
            .map(|()| guard.phase())
            .map_err(|reason| reason.code),
        heads: guard.heads(),
    }
}

/// Feeds byte by byte, so that each head comes out by itself.
fn heads(input: &[u8]) -> Vec<Vec<u8>> {
    let mut guard = RequestGuard::new(HeadLimits::default());
    let mut heads = Vec::new();
    for byte in input {
        let before = guard.heads();
        let mut run = Vec::new();
        if guard
            .feed(&[*byte], &mut |released| run = released.to_vec())
            .is_err()
        {
            break;
        }
        if guard.heads() > before {
            heads.push(run);
        }
    }
    heads
}

fn parses(head: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(
        request.parse(head),
        Ok(httparse::Status::Complete(head.len()))
    );
    assert!(http::Method::from_bytes(request.method.unwrap_or_default().as_bytes()).is_ok());
    assert!(http::Uri::try_from(request.path.unwrap_or_default()).is_ok());
    for field in request.headers.iter() {
        assert!(http::HeaderName::from_bytes(field.name.as_bytes()).is_ok());
        assert!(http::HeaderValue::from_bytes(field.value).is_ok());
    }
}

pub(crate) fn cut<'a>(input: &'a [u8], cuts: &[u16]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts
        .iter()
        .take(16)
        .map(|cut| usize::from(*cut) % (input.len() + 1))
        .collect();
    places.extend([0, input.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &input[pair[0]..pair[1]])
        .collect()
}
