//! What must hold for any bytes at all: the cuts do not matter, and hyper
//! understands what the guard releases, as the guard does.

use crate::support::{feed_answer, feed_request, hyper_alone, vectors};
use http::{HeaderName, HeaderValue, Method, Uri};
use lockgate_wire::framing::{HeadLimits, Phase, RequestGuard};
use proptest::prelude::*;

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

/// Panics unless hyper's parser and the types of `http` take a head.
fn assert_parses(head: &[u8]) {
    let shown = String::from_utf8_lossy(head);
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let status = httparse::ParserConfig::default().parse_request(&mut request, head);
    assert_eq!(
        status,
        Ok(httparse::Status::Complete(head.len())),
        "{shown}"
    );
    Method::from_bytes(request.method.unwrap().as_bytes()).expect(&shown);
    let uri = Uri::try_from(request.path.unwrap()).expect(&shown);
    assert!(!uri.to_string().contains('#'), "{shown}");
    for field in request.headers.iter() {
        HeaderName::from_bytes(field.name.as_bytes()).expect(&shown);
        HeaderValue::from_bytes(field.value).expect(&shown);
    }
}

fn assert_sound(input: &[u8]) {
    let whole = feed_request([input]);
    assert!(
        input.starts_with(&whole.released),
        "what is released is a prefix"
    );
    assert_eq!(
        whole,
        feed_request(input.chunks(1)),
        "{:?}",
        String::from_utf8_lossy(input)
    );
    let heads = heads(input);
    assert_eq!(heads.len() as u64, whole.heads);
    heads.iter().for_each(|head| assert_parses(head));
}

/// Panics unless a hyper server finds as many whole requests in what the
/// guard released as the guard did.
fn assert_hyper_agrees(input: &[u8]) {
    let outcome = feed_request([input]);
    let served = hyper_alone::serve(&outcome.released);
    let shown = String::from_utf8_lossy(&outcome.released).into_owned();
    // After `Connection: close`, and in HTTP/1.0, hyper rightly stops early.
    let may_stop = shown.contains("HTTP/1.0") || shown.to_ascii_lowercase().contains("close");
    match outcome.verdict {
        Ok(Phase::Idle | Phase::Head) if !may_stop => {
            assert_eq!(served.whole as u64, outcome.heads, "{shown:?}: {served:?}");
        }
        _ => assert!(
            served.whole as u64 <= outcome.heads,
            "{shown:?}: {served:?}"
        ),
    }
    assert!(
        served
            .statuses
            .iter()
            .filter(|status| *status != "200")
            .count()
            == 0
            || outcome.verdict != Ok(Phase::Idle),
        "{shown:?}: {served:?}"
    );
}

/// Bytes that mean something to some reader.
const TELLING: &[u8] = b"\0\t\n\r \"#%,-./0159:;<>?@AFG[\\]^_afghx{|}\x0b\x7f\x80\xff";

/// Vectors longer than this are about size, and too slow to mutate byte by byte.
const MUTATED: usize = 400;

#[test]
fn no_single_mistake_leads_past_the_guard() {
    let mut inputs = 0_u64;
    for case in vectors().requests {
        let bytes = case.bytes();
        if bytes.len() > MUTATED {
            continue;
        }
        for at in 0..bytes.len() {
            let mut shorter = bytes.clone();
            shorter.remove(at);
            assert_sound(&shorter);
            for telling in TELLING {
                let mut changed = bytes.clone();
                changed[at] = *telling;
                assert_sound(&changed);
                let mut longer = bytes.clone();
                longer.insert(at, *telling);
                assert_sound(&longer);
                inputs += 2;
            }
        }
    }
    assert!(inputs > 100_000, "only {inputs} inputs were tried");
}

#[test]
fn hyper_finds_the_same_requests_in_every_case() {
    for case in vectors().requests {
        assert_hyper_agrees(&case.bytes());
    }
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just("Host: a.example"),
        Just("Host: [::1]:80"),
        Just("Content-Length: 3"),
        Just("Content-Length: 0"),
        Just("Transfer-Encoding: chunked"),
        Just("Transfer-Encoding: gzip"),
        Just("Connection: keep-alive"),
        Just("Connection: close"),
        Just("Expect: 100-continue"),
        Just("X-Odd!#$%&'*+-.^_`|~:\t\"x\" "),
        Just(" folded"),
        Just("nameless"),
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (field, end).prop_map(|(field, end)| format!("{field}{end}").into_bytes())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        6 => Just("GET / HTTP/1.1\r\n"),
        3 => Just("POST /a?b HTTP/1.1\r\n"),
        1 => Just("POST http://a.example/ HTTP/1.1\r\n"),
        1 => Just("OPTIONS * HTTP/1.1\r\n"),
        1 => Just("GET / HTTP/1.0\r\n"),
        1 => Just("\r\n"),
    ];
    let host = prop_oneof![9 => Just("Host: a.example\r\n"), 1 => Just("")];
    let body = prop_oneof![
        4 => Just(""),
        2 => Just("abc"),
        2 => Just("3\r\nabc\r\n0\r\n\r\n"),
        1 => Just("3\r\nabc\r\n0\r\nX: y\r\n\r\n"),
        1 => Just("3;x\r\nabc\r\n0\r\n\r\n"),
    ];
    (start, host, prop::collection::vec(line(), 0..4), body).prop_map(
        |(start, host, lines, body)| {
            [
                start.as_bytes(),
                host.as_bytes(),
                &lines.concat(),
                b"\r\n",
                body.as_bytes(),
            ]
            .concat()
        },
    )
}

/// A few messages one after the other, with some bytes changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let slips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(message(), 1..4), slips).prop_map(|(messages, slips)| {
        let mut bytes = messages.concat();
        for (at, byte) in slips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Cuts `input` at random places.
fn cut(input: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    places.extend([0, input.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| input[pair[0]..pair[1]].to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_judged_alike_however_they_are_cut(
        input in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        assert_sound(&input);
        let pieces = cut(&input, &cuts);
        prop_assert_eq!(feed_request([input.as_slice()]), feed_request(pieces.iter().map(Vec::as_slice)));
    }

    #[test]
    fn answers_are_judged_alike_however_they_are_cut(
        case in 0..30_usize,
        slips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let answers = vectors().answers;
        let mut input = answers[case % answers.len()].bytes();
        for (at, byte) in slips {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let pieces = cut(&input, &cuts);
        prop_assert_eq!(feed_answer([input.as_slice()]), feed_answer(pieces.iter().map(Vec::as_slice)));
    }

    #[test]
    fn hyper_finds_the_same_requests_in_any_stream(input in stream()) {
        assert_hyper_agrees(&input);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(input in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&input);
    }
}
