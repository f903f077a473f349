//! How long values take that want to take long: all rules of a folder at a level
//! (`LEVEL` in the environment, else 4) and all detectors, on a megabyte of each.
//!
//! `cargo run --release -p lockgate-waf --example hostile_values -- FOLDER ENTRY…`, the
//! entries as they are named in the folder: `crs-setup.conf rules/*.conf`. Tells the
//! values that took longest, in milliseconds of this thread's processor time, and the
//! detectors that did; a value that takes more than its length explains is told as
//! such. All pieces are judged short; of these the worst, and each that took more than
//! its length explains, long. With `PIECE` in the environment that piece alone is judged, for `perf`; with
//! `RANDOM` so many random pieces are, beside the usual ones.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lockgate_waf::detect;
use lockgate_waf::engine::{Detectors, Engine, Inspection, Options, Progress, RequestHead};
use lockgate_waf::seclang::{read, Folder, Limits};
use rustix::time::{clock_gettime, ClockId};

/// Bytes of a value when all are looked through (twice: more than four times the time
/// is more than the length explains), then when the worst of these are, and at last.
const SHORT: [usize; 2] = [1 << 10, 1 << 12];
const FIRST: usize = 1 << 14;
const WHOLE: usize = 1 << 20;

/// One in so many pieces is judged at [`FIRST`] bytes, the worst by what they took short.
const KEPT: usize = 20;

/// Beyond so many times what it takes a quarter of the value, a value takes more than
/// its length explains.
const STEEP: u64 = 8;

/// How many of the worst are told.
const WORST: usize = 40;

/// What the rules are told first, of this level of paranoia.
fn setup(level: u8) -> String {
    format!(
        "SecRequestBodyAccess On\n\
         SecAction \"id:1,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level},\
         setvar:tx.detection_paranoia_level={level},setvar:tx.crs_setup_version=4250,\
         setvar:tx.inbound_anomaly_score_threshold=10000\"\n"
    )
}

type Failure = Box<dyn std::error::Error>;

/// How a value arrives.
#[derive(Clone, Copy, Debug)]
enum Way {
    Part,
    Json,
    Form,
    Xml,
    Plain,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let Some(root) = arguments.next() else {
        eprintln!("usage: hostile_values FOLDER ENTRY…");
        return Ok(());
    };
    let entries: Vec<String> = arguments.collect();
    let mut folder = Folder::default();
    let mut texts = Vec::new();
    fill(&mut folder, &mut texts, Path::new(&root), Path::new(&root))?;
    let level = std::env::var("LEVEL").map_or(Ok(4), |level| level.parse())?;
    folder.insert("level.conf", setup(level).as_bytes());
    let mut names = vec!["level.conf"];
    names.extend(entries.iter().map(String::as_str));
    let rules = read(&folder, &names, &Limits::default());
    let rules =
        rules.map_err(|errors| format!("{} errors, the first: {}", errors.len(), errors[0]))?;
    let options = Options {
        native: Some(Detectors {
            detectors: detect::ALL.to_vec(),
            exclusions: Vec::new(),
            threshold: None,
            adds_to: None,
            overrules: false,
        }),
        ..Options::default()
    };
    let without_rules = Options {
        native: options.native.clone(),
        ..Options::default()
    };
    let both = Arc::new(Engine::new(&rules, &options)?);
    let core = Arc::new(Engine::new(&rules, &Options::default())?);
    let empty = read(&Folder::default(), &[], &Limits::default()).unwrap_or_default();
    let native = Arc::new(Engine::new(&empty, &without_rules)?);

    let all = [Arc::clone(&both), Arc::clone(&core), Arc::clone(&native)];
    if let Ok(piece) = std::env::var("PIECE") {
        // For `perf`: one piece, again and again.
        let filler = |name: &str| std::env::var(name).ok()?.parse().ok();
        let filler = match (filler("BEFORE"), filler("BEHIND")) {
            (Some(byte), _) => Filler::Before(byte),
            (_, Some(byte)) => Filler::Behind(byte),
            _ => Filler::None,
        };
        let bytes = piece.into_bytes();
        let value = Piece { bytes, filler }.value(WHOLE);
        let wanted = std::env::var("ENGINE").ok();
        let engines = ["both", "rules", "native"].into_iter().zip(&all);
        for (name, engine) in engines {
            if wanted.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            let took: Vec<String> = (0..10)
                .map(|_| format!("{:.1}", ms(judge(engine, Way::Part, &value))))
                .collect();
            println!("{name}: {}", took.join(" "));
        }
        for detector in detect::ALL {
            print!("{} {:.1}; ", detector.name, ms(alone(detector, &value)));
        }
        println!();
        return Ok(());
    }
    let pieces = pieces(&texts);
    println!("{} pieces", pieces.len());
    for (what, engine) in [("rules", &core), ("detectors", &native)] {
        let mut took = worst_of(&pieces, what, engine);
        took.sort_unstable_by_key(|(nanos, _)| std::cmp::Reverse(*nanos));
        let median = took.get(took.len() / 2).map_or(0, |(nanos, _)| *nanos);
        println!(
            "{what}: of the worst the median of {FIRST} bytes takes {:.2} ms; the worst, of {WHOLE}:",
            ms(median)
        );
        println!("  both    rules   native  growth  piece");
        let mut lines: Vec<(u64, String)> = took
            .iter()
            .take(WORST)
            .map(|worst| line(worst, &all))
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.0));
        lines.iter().for_each(|(_, line)| println!("{line}"));
    }
    for (name, way, body) in bodies() {
        let (all, rules, ours) = (
            judge(&both, way, &body),
            judge(&core, way, &body),
            judge(&native, way, &body),
        );
        println!(
            "{:6.1}  {:6.1}  {:6.1}  {:8} bytes  {name}",
            ms(all),
            ms(rules),
            ms(ours),
            body.len()
        );
    }
    Ok(())
}

/// The pieces that take longest, with what they take at [`FIRST`] bytes.
fn worst_of<'a>(pieces: &'a [Piece], what: &str, engine: &Arc<Engine>) -> Vec<(u64, &'a Piece)> {
    let took = |piece: &Piece, bytes| judge(engine, Way::Part, &piece.value(bytes));
    let mut short: Vec<(u64, &Piece)> = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        if number % 10_000 == 0 {
            eprintln!("{what}: {number} of {} pieces", pieces.len());
        }
        let [little, more] = SHORT.map(|bytes| took(piece, bytes));
        let steep = more > STEEP * little;
        short.push((if steep { u64::MAX } else { more }, piece));
    }
    short.sort_unstable_by_key(|(nanos, _)| std::cmp::Reverse(*nanos));
    let steep = short.iter().filter(|(nanos, _)| *nanos == u64::MAX).count();
    let kept = short.iter().take(steep + pieces.len() / KEPT);
    kept.map(|(_, piece)| (took(piece, FIRST), *piece))
        .collect()
}

/// What is told of a piece that took so long.
fn line(worst: &(u64, &Piece), [both, core, native]: &[Arc<Engine>; 3]) -> (u64, String) {
    let (first, piece) = worst;
    let shown = piece.shown();
    let more = piece.value(4 * FIRST);
    let more = judge(core, Way::Part, &more).max(judge(native, Way::Part, &more));
    if more > STEEP * first {
        let told = format!(
            "NOT LINEAR: {:.1} ms, then {:.1}: {shown}",
            ms(*first),
            ms(more)
        );
        return (u64::MAX, told);
    }
    let value = piece.value(WHOLE);
    let of = |engine| judge(engine, Way::Part, &value);
    let (whole, rules, ours) = (of(both), of(core), of(native));
    let larger = rules.max(ours) as f64 / (*first).max(1) as f64;
    let growth = larger / (WHOLE / FIRST) as f64;
    let mut detectors: Vec<(u64, &str)> = detect::ALL
        .iter()
        .map(|one| (alone(one, &value), one.name))
        .collect();
    detectors.sort_unstable_by_key(|(nanos, _)| std::cmp::Reverse(*nanos));
    let [first, second] = [0, 1].map(|place| {
        let (nanos, name) = detectors.get(place).copied().unwrap_or_default();
        format!("{name} {:.1}", ms(nanos))
    });
    let told = format!(
        "{:6.1}  {:6.1}  {:6.1}  {growth:6.2}  {shown:40}  {first}, {second}",
        ms(whole),
        ms(rules),
        ms(ours)
    );
    (whole, told)
}

/// What one detector takes for a value by itself, without layers of encodings.
fn alone(detector: &detect::Detector, value: &[u8]) -> u64 {
    let value = detect::Value {
        bytes: value,
        stood: detect::Where::Parameter,
        name: b"q",
        declared: None,
    };
    let start = spent();
    std::hint::black_box(detect::look(detector, &value));
    spent() - start
}

/// Nanoseconds of the processor that this thread had.
fn spent() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn repeated(piece: &[u8], bytes: usize) -> Vec<u8> {
    piece.iter().copied().cycle().take(bytes).collect()
}

/// Before a part of JSON, as browsers send a `Blob`.
const PART: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"blob\"\r\n\
    Content-Type: application/json";

/// What of a value is one byte again and again; the rest is the piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Filler {
    None,
    Before(u8),
    Behind(u8),
}

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    bytes: Vec<u8>,
    filler: Filler,
}

impl Piece {
    fn value(&self, bytes: usize) -> Vec<u8> {
        let half = bytes / 2;
        match self.filler {
            Filler::None => repeated(&self.bytes, bytes),
            Filler::Before(byte) => [vec![byte; half], repeated(&self.bytes, half)].concat(),
            Filler::Behind(byte) => [repeated(&self.bytes, half), vec![byte; half]].concat(),
        }
    }

    fn shown(&self) -> String {
        let shown = String::from_utf8_lossy(&self.bytes);
        let shown: String = shown.escape_debug().take(40).collect();
        match self.filler {
            Filler::None => shown,
            filler => format!("{shown} {filler:?}"),
        }
    }
}

/// Bodies of other shapes than one long value.
fn bodies() -> Vec<(&'static str, Way, Vec<u8>)> {
    let joined =
        |count: usize, one: &dyn Fn(usize) -> String| -> String { (0..count).map(one).collect() };
    let keys = joined(60_000, &|number| format!("\"k{number}\":\"v'{number}\","));
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let deep: Vec<&str> = std::iter::repeat_n(deep.as_str(), 8_000).collect();
    let layers = |text: &str| {
        let mut text = text.to_owned();
        for _ in 0..4 {
            text = text.replace('%', "%25");
        }
        text
    };
    let parts = joined(12_000, &|number| {
        format!("--b\r\nContent-Disposition: form-data; name=\"n{number}\"\r\n\r\nx'{number}\r\n")
    });
    let prose = "It's a good day, and we said: \"select what you like\" - from 5 to 7 (or later). ";
    vec![
        (
            "JSON, 60,000 keys",
            Way::Json,
            format!("{{{keys}\"z\":1}}").into_bytes(),
        ),
        (
            "JSON, lists 60 deep",
            Way::Json,
            format!("[{}]", deep.join(",")).into_bytes(),
        ),
        (
            "form, 90,000 names",
            Way::Form,
            joined(90_000, &|number| format!("n{number}=%27{number}&")).into_bytes(),
        ),
        (
            "form, layers of encodings",
            Way::Form,
            format!("a={}", layers("%27%20or%201").repeat(30_000)).into_bytes(),
        ),
        (
            "multipart, 12,000 parts",
            Way::Plain,
            format!("{parts}--b--\r\n").into_bytes(),
        ),
        (
            "JSON in a part, 60,000 keys",
            Way::Plain,
            format!("{PART}\r\n\r\n{{{keys}\"z\":1}}\r\n--b--\r\n").into_bytes(),
        ),
        (
            "JSON in 1,000 parts",
            Way::Plain,
            format!(
                "{}--b--\r\n",
                format!("{PART}\r\n\r\n{{\"a\":[{}1]}}\r\n", "\"x'\",".repeat(90)).repeat(1_000)
            )
            .into_bytes(),
        ),
        (
            "XML, 60,000 elements",
            Way::Xml,
            format!(
                "<r>{}</r>",
                joined(60_000, &|n| format!("<a b='{n}'>x{n}</a>"))
            )
            .into_bytes(),
        ),
        ("prose, 1 MiB", Way::Part, repeated(prose.as_bytes(), WHOLE)),
        (
            "prose, 10 MiB",
            Way::Part,
            repeated(prose.as_bytes(), 10 * WHOLE),
        ),
        ("quotes, 10 MiB", Way::Part, repeated(b"'", 10 * WHOLE)),
        (
            "escapes in JSON, 1 MiB",
            Way::Json,
            format!("{{\"a\":\"{}\"}}", "\\u0027\\u003c".repeat(WHOLE / 12)).into_bytes(),
        ),
        (
            "plain text, prose, 1 MiB",
            Way::Plain,
            repeated(prose.as_bytes(), WHOLE),
        ),
    ]
}

/// What fills a value before or behind its pieces.
const FILLERS: &[u8] = b". a/\\'&%\n(";

/// What random pieces are made of.
const WORDS: &[&str] = &[
    "x=", "$(", "${", "$x", "<(", "id", "cat ", "sudo ", "/etc/", "../", "..", "0x2e", "%2e",
    "%25", "%u002e", "\\x41", "&#", "&lt", "<a ", "<!--", "-->", "/*", "*/", "--", "or ",
    "select ", "union ", "1=1", "@@", "http://", "//", "a.b", "file:", "${jndi:", "O:1:", "a:1:{",
    "{{", "}}", "<%", "%>", "\r\n", ": ", "(|", "(&", ")(", "*)", "system(", "if ", "for ", "in ",
    "\\", "\u{e9}", "\u{ff0e}", "rO0AB", "SGVsbG8", "..;/", "\0", "`", "'", "\"", "=", ";", "|",
    "&", ">", "<", "(", ")", "[", "]", "{", "}", "$", "%", "/", ".", ":", "#", "@", "!", "*", "-",
    "+", ",", "~", "^", "?", " ", "\n", "\t", "a", "1",
];

/// Runs, pairs and what stands in rules.
fn pieces(texts: &[String]) -> Vec<Piece> {
    let mut all: BTreeSet<Vec<u8>> = (0..=255_u8).map(|byte| vec![byte]).collect();
    const SIGNS: &[u8] = b"'\"`<>()[]{}$%&;|/\\.:#@!*-+=,~^? \n\t\0a1";
    for one in SIGNS {
        for other in SIGNS {
            all.insert(vec![*one, *other]);
            all.insert(vec![*one, *other, b'a']);
            all.insert(vec![*one, b'x', *other]);
            for last in SIGNS {
                all.insert(vec![*one, *other, *last]);
            }
        }
    }
    let random = std::env::var("RANDOM")
        .ok()
        .and_then(|count| count.parse().ok());
    for number in 0..random.unwrap_or(0) {
        all.insert(mixed(number));
    }
    for text in texts {
        for line in text.lines() {
            let listed = !line.contains("Sec") && line.len() < 40;
            let words = line
                .split(|letter: char| letter.is_ascii_whitespace() || "|^[]+?,".contains(letter));
            for word in words.filter(|_| listed || line.contains("@rx") || line.contains("@pm")) {
                if (3..24).contains(&word.len()) {
                    for behind in ["", " ", "(", "='", ";"] {
                        all.insert([word, behind].concat().into_bytes());
                    }
                }
            }
        }
    }
    let mut pieces: Vec<Piece> = Vec::new();
    let mut filled: BTreeSet<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
    filled.extend((0..random.unwrap_or(0) / 20).map(mixed));
    for bytes in filled {
        for filler in FILLERS
            .iter()
            .flat_map(|byte| [Filler::Before(*byte), Filler::Behind(*byte)])
        {
            let bytes = bytes.clone();
            pieces.push(Piece { bytes, filler });
        }
    }
    pieces.extend(all.into_iter().map(|bytes| Piece {
        bytes,
        filler: Filler::None,
    }));
    pieces
}

/// A piece of a few signs and words, which the number alone tells.
fn mixed(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut piece = Vec::new();
    for _ in 0..2 + next(6) {
        piece.extend_from_slice(WORDS[next(WORDS.len())].as_bytes());
    }
    piece
}

fn judge(engine: &Arc<Engine>, way: Way, value: &[u8]) -> u64 {
    let (kind, body) = match way {
        Way::Part => {
            let head = &b"--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n"[..];
            (
                "multipart/form-data; boundary=b",
                [head, value, b"\r\n--b--\r\n"].concat(),
            )
        }
        Way::Json => ("application/json", value.to_vec()),
        Way::Form => ("application/x-www-form-urlencoded", value.to_vec()),
        Way::Xml => ("application/xml", value.to_vec()),
        Way::Plain if value.starts_with(b"--b") => {
            ("multipart/form-data; boundary=b", value.to_vec())
        }
        Way::Plain => ("text/plain", value.to_vec()),
    };
    // From the second time on all that is worked out once is there, and the least is the work itself.
    let once = || {
        let mut inspection = begun(engine, kind);
        let start = spent();
        while inspection.body(&body, true) == Progress::More {}
        while inspection.request_body() == Progress::More {}
        spent() - start
    };
    once();
    once().min(once())
}

fn begun(engine: &Arc<Engine>, kind: &str) -> Inspection {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let head = RequestHead {
        method: b"POST",
        target: b"/a",
        path: b"/a",
        protocol: b"HTTP/1.1",
        remote: address,
        server: address,
        id: b"1",
        now_ms: 0,
    };
    let headers = [
        ("host", "a.example"),
        ("user-agent", "x"),
        ("accept", "*/*"),
        ("content-type", kind),
    ];
    let headers = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut inspection = engine.begin(&head, headers);
    while inspection.request_head() == Progress::More {}
    inspection
}

fn fill(
    folder: &mut Folder,
    texts: &mut Vec<String>,
    root: &Path,
    at: &Path,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_dir() {
            fill(folder, texts, root, &path)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            let bytes = std::fs::read(&path)?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
            folder.insert(name, bytes);
        }
    }
    Ok(())
}
