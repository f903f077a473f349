#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::*;
use crate::bundle::{Credential, Listener};
use crate::events;
use crate::testing::{api, bundle, key_fact, prefix, server, surroundings, Dir};

/// An installation: a state folder and a key that signs.
struct House {
    dir: Dir,
    key: Ed25519KeyPair,
}

impl House {
    fn new() -> Self {
        Self {
            dir: Dir::new(),
            key: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn start(&self) -> Result<Gate, GateError> {
        self.start_so(false)
    }

    fn start_so(&self, closed: bool) -> Result<Gate, GateError> {
        Gate::start(Settings {
            state_dir: self.dir.to_path_buf(),
            pepper: crate::testing::PEPPER.to_vec(),
            public_key: self.key.public_key().as_ref().to_vec(),
            workers: 1,
            handed: Vec::new(),
            accounts: Arc::new(|_, _| None),
            plugin_command: Vec::new(),
            closed,
        })
    }

    fn gate(&self) -> Gate {
        self.start().unwrap()
    }

    fn signed(&self, bundle: &Bundle) -> Vec<u8> {
        sign(&self.key, &serde_json::to_string(bundle).unwrap())
    }

    /// The codes of the system events that were written down.
    fn events(&self, gate: Gate) -> Vec<String> {
        drop(gate);
        let mut reader = events::Reader::new(&self.dir.join("gate/events"), None);
        let page = reader.page(&events::Filter::default(), 100).unwrap();
        let codes = page
            .events
            .into_iter()
            .filter_map(|event| match event.body {
                events::Body::System(system) => Some(system.code),
                _ => None,
            });
        codes.collect()
    }
}

fn sign(key: &Ed25519KeyPair, text: &str) -> Vec<u8> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    serde_json::to_vec(&serde_json::json!({
        "bundle": text,
        "key_id": "0123456789abcdef",
        "signature": hex(key.sign(text.as_bytes()).as_ref()),
    }))
    .unwrap()
}

fn numbered(sequence: u64) -> Bundle {
    let mut bundle = bundle(vec![api("shop", &[prefix("/")])]);
    bundle.sequence = sequence;
    bundle
}

fn listener(name: &str, address: &str) -> Listener {
    let mut listener = numbered(1).listeners.remove(0);
    listener.name = name.to_owned();
    listener.address = address.to_owned();
    listener
}

/// Whether somebody answers at the gate's only listener.
fn answers(gate: &Gate) -> bool {
    let addresses = gate.addresses();
    assert_eq!(addresses.len(), 1);
    speaks(TcpStream::connect(addresses[0].1.network().unwrap()).unwrap())
}

fn speaks(mut stream: impl Read + Write) -> bool {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 ")
}

#[test]
fn a_signed_bundle_is_put_to_work_and_kept() {
    let house = House::new();
    let gate = house.gate();
    assert_eq!(gate.bundle(), None);
    assert!(!gate.stats().ready && gate.addresses().is_empty());
    let signed = house.signed(&numbered(7));
    let loaded = gate.load(&signed).unwrap();
    assert_eq!(loaded.sequence, 7);
    assert_eq!(gate.bundle(), Some((7, loaded.hash.clone())));
    let text = serde_json::to_string(&numbered(7)).unwrap();
    assert_eq!(loaded.hash, hash(&text));
    assert_eq!(loaded.hash.len(), 16);
    assert!(gate.stats().ready && gate.alive());
    assert!(answers(&gate));
    let kept = house.dir.join("gate/bundle.json");
    assert_eq!(fs::read(&kept).unwrap(), signed);
    let mode = fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!house.dir.join("gate/bundle.new").exists());
}

#[test]
fn a_closed_gate_lets_nobody_in_before_it_is_said_by_which_bundle() {
    let house = House::new();
    house.gate().load(&house.signed(&numbered(7))).unwrap();
    let known = |gate: &Gate| gate.bundle().map(|(sequence, _)| sequence);
    // The last good one, once somebody says that this is it.
    let gate = house.start_so(true).unwrap();
    assert_eq!(known(&gate), Some(7));
    assert!(gate.addresses().is_empty() && !gate.stats().ready);
    assert!(!gate.renew_secrets().unwrap());
    assert!(gate.let_in().unwrap() && answers(&gate) && gate.stats().ready);
    assert!(!gate.let_in().unwrap(), "it is open");
    drop(gate);
    // Or another, unless it cannot be served; and none from before.
    let gate = house.start_so(true).unwrap();
    let mut bad = numbered(8);
    bad.listeners[0].address = "nowhere".to_owned();
    gate.load(&house.signed(&bad)).unwrap_err();
    gate.load(&house.signed(&numbered(6))).unwrap_err();
    assert!(gate.addresses().is_empty());
    gate.load(&house.signed(&numbered(9))).unwrap();
    assert_eq!(known(&gate), Some(9));
    assert!(answers(&gate) && !gate.let_in().unwrap());
    drop(gate);
    // Where there is none, nothing is waited for.
    let house = House::new();
    let gate = house.start_so(true).unwrap();
    assert!(!gate.let_in().unwrap());
    gate.load(&house.signed(&numbered(1))).unwrap();
    assert!(answers(&gate));
}

#[test]
fn a_panic_costs_one_request_and_is_told() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(1))).unwrap();
    let mut stream = TcpStream::connect(gate.addresses()[0].1.network().unwrap()).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nhost: a\r\n\r\n", crate::testing::PANICS);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains("\"reason\":\"internal-panic\""), "{answer}");
    assert!(answers(&gate), "the worker serves on");
    assert!(gate.alive());
    assert!(
        gate.metrics().contains("lockgate_panics_total 1"),
        "{}",
        gate.metrics()
    );
    drop(gate);
    let mut reader = events::Reader::new(&house.dir.join("gate/events"), None);
    let page = reader.page(&events::Filter::default(), 100).unwrap();
    let reasons: Vec<String> = page
        .events
        .into_iter()
        .filter_map(|event| match event.body {
            events::Body::Security(request) | events::Body::Access(request) => request.reason,
            _ => None,
        })
        .collect();
    assert_eq!(reasons, ["internal-panic", "upstream-connect-failed"]);
}

#[test]
fn a_worker_that_cannot_accept_is_dead_and_told() {
    let house = House::new();
    let gate = house.gate();
    let mut crippled = numbered(1);
    crippled.listeners = vec![listener(crate::testing::PANICS, "127.0.0.1:0")];
    gate.load(&house.signed(&crippled)).unwrap();
    let begun = std::time::Instant::now();
    while gate.alive() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert!(!gate.alive(), "the process has to start anew");
}

#[test]
fn a_bundle_kept_before_with_an_open_mode_is_closed() {
    let house = House::new();
    let gate = house.gate();
    let kept = house.dir.join("gate/bundle.json");
    fs::write(&kept, "{}").unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o644)).unwrap();
    gate.load(&house.signed(&numbered(1))).unwrap();
    let mode = fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_last_good_bundle_serves_after_a_restart() {
    let house = House::new();
    let gate = house.gate();
    let loaded = gate.load(&house.signed(&numbered(7))).unwrap();
    gate.load(b"nonsense").unwrap_err();
    drop(gate);
    let gate = house.gate();
    assert_eq!(gate.bundle(), Some((7, loaded.hash)));
    assert!(answers(&gate));
    // And the order of bundles goes on from there.
    let error = gate.load(&house.signed(&numbered(6))).unwrap_err();
    assert_eq!(error.code(), "bundle-sequence");
}

#[test]
fn a_kept_bundle_that_no_longer_holds_waits_for_the_control_process() {
    let house = House::new();
    drop(house.gate());
    let other = Ed25519KeyPair::generate().unwrap();
    let text = serde_json::to_string(&numbered(1)).unwrap();
    fs::write(house.dir.join("gate/bundle.json"), sign(&other, &text)).unwrap();
    let gate = house.gate();
    assert_eq!(gate.bundle(), None);
    gate.load(&house.signed(&numbered(1))).unwrap();
    assert_eq!(house.events(gate), ["last-bundle-refused"]);
}

#[test]
fn what_is_refused_leaves_the_old_bundle_at_work() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(5))).unwrap();
    let (before, addresses) = (gate.bundle(), gate.addresses());
    let kept = fs::read(house.dir.join("gate/bundle.json")).unwrap();

    let text = serde_json::to_string(&numbered(6)).unwrap();
    let other = Ed25519KeyPair::generate().unwrap();
    let mut changed: serde_json::Value = serde_json::from_slice(&sign(&house.key, &text)).unwrap();
    changed["bundle"] = text.replace("\"shop\"", "\"ship\"").into();
    let mut unsigned = changed.clone();
    unsigned["signature"] = "".into();
    let mut odd = changed.clone();
    odd["signature"] = "zz".into();
    let mut short = changed.clone();
    short["signature"] = "0".into();
    let mut wrong = numbered(6);
    wrong.apis[0].upstream = Some("nowhere".to_owned());
    let mut newer = numbered(6);
    newer.bundle_version = 2;

    let refusals: Vec<(Vec<u8>, &str)> = vec![
        (b"{".to_vec(), "bundle-malformed"),
        (b"{}".to_vec(), "bundle-malformed"),
        (text.clone().into_bytes(), "bundle-malformed"),
        (sign(&house.key, "{}"), "bundle-malformed"),
        (
            sign(&house.key, &text.replace("sequence", "sequences")),
            "bundle-malformed",
        ),
        (sign(&other, &text), "bundle-signature"),
        (changed.to_string().into_bytes(), "bundle-signature"),
        (unsigned.to_string().into_bytes(), "bundle-signature"),
        (odd.to_string().into_bytes(), "bundle-signature"),
        (short.to_string().into_bytes(), "bundle-signature"),
        (house.signed(&numbered(4)), "bundle-sequence"),
        (house.signed(&wrong), "bundle-config"),
        (house.signed(&newer), "bundle-config"),
    ];
    let codes: Vec<&str> = refusals.iter().map(|(_, code)| *code).collect();
    for (signed, code) in &refusals {
        let error = gate.load(signed).unwrap_err();
        assert_eq!(error.code(), *code, "{error}");
        assert_eq!(gate.bundle(), before);
        assert_eq!(gate.addresses(), addresses);
        assert_eq!(fs::read(house.dir.join("gate/bundle.json")).unwrap(), kept);
    }
    assert!(answers(&gate));
    let metrics = gate.metrics();
    assert!(metrics.contains("\nlockgate_bundles_loaded_total 1\n"));
    assert!(metrics.contains(&format!(
        "\nlockgate_bundles_refused_total {}\n",
        codes.len()
    )));
    assert_eq!(house.events(gate), codes);
}

#[test]
fn the_same_sequence_is_taken_again() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(5))).unwrap();
    gate.load(&house.signed(&numbered(5))).unwrap();
    assert_eq!(gate.bundle().unwrap().0, 5);
}

#[test]
fn errors_say_what_to_do_next() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(5))).unwrap();
    let mut wrong = numbered(6);
    wrong.apis[0].upstream = Some("nowhere".to_owned());
    wrong.upstreams[0].targets = vec![server("ftp://a")];
    let told = gate.load(&house.signed(&wrong)).unwrap_err().to_string();
    assert!(
        told.contains("nowhere") && told.contains("ftp://a"),
        "{told}"
    );
    let told = gate
        .load(&house.signed(&numbered(4)))
        .unwrap_err()
        .to_string();
    assert!(told.contains('4') && told.contains('5'), "{told}");
    let other = Ed25519KeyPair::generate().unwrap();
    let told = gate.load(&sign(&other, "{}")).unwrap_err().to_string();
    assert!(told.contains("0123456789abcdef"), "{told}");
}

#[test]
fn a_port_in_use_refuses_the_bundle_whole() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(1))).unwrap();
    let before = (gate.bundle(), gate.addresses());

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut two = numbered(2);
    two.listeners = vec![listener("free", "127.0.0.2:0"), listener("taken", &address)];
    let error = gate.load(&house.signed(&two)).unwrap_err();
    assert_eq!(error.code(), "listen-failed");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!((gate.bundle(), gate.addresses()), before);
    assert!(answers(&gate));

    // Once the port is free, the same bundle is taken.
    drop(taken);
    gate.load(&house.signed(&two)).unwrap();
    let mut names: Vec<String> = gate.addresses().into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, ["free", "taken"]);
}

#[test]
fn a_kept_bundle_whose_port_is_taken_stops_the_start() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wanted = numbered(1);
    wanted.listeners[0].address = taken.local_addr().unwrap().to_string();
    drop(house.gate());
    fs::write(house.dir.join("gate/bundle.json"), house.signed(&wanted)).unwrap();
    let error = house.start().err().expect("the port is taken");
    assert_eq!(error.code(), "listen-failed");
}

#[test]
fn listeners_come_stay_and_go_with_the_bundle() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(1))).unwrap();
    let stays = gate.addresses();
    let mut two = numbered(2);
    two.listeners.push(listener("second", "127.0.0.2:0"));
    gate.load(&house.signed(&two)).unwrap();
    let both = gate.addresses();
    assert_eq!(both.len(), 2);
    assert!(both.contains(&stays[0]));
    gate.load(&house.signed(&numbered(3))).unwrap();
    assert_eq!(gate.addresses(), stays);
    assert!(answers(&gate));
}

#[test]
fn a_gate_that_goes_down_takes_no_bundle() {
    let house = House::new();
    let gate = house.gate();
    gate.load(&house.signed(&numbered(1))).unwrap();
    assert!(gate.drain(Duration::from_secs(10)));
    assert!(gate.addresses().is_empty());
    assert!(gate.stats().draining && !gate.stats().ready);
    let error = gate.load(&house.signed(&numbered(2))).unwrap_err();
    assert_eq!(error.code(), "gate-draining");
}

#[test]
fn facts_are_kept_over_a_restart() {
    let house = House::new();
    let gate = house.gate();
    assert_eq!(gate.facts_sequence(), 0);
    let facts = [key_fact(1, "key_1", "a", ""), key_fact(4, "key_2", "b", "")];
    assert_eq!(gate.apply_facts(&facts).unwrap(), 4);
    let heard_ms = gate.stats().facts_heard_ms;
    assert!(heard_ms > 0);
    let error = gate.apply_facts(&[b"nonsense"]).unwrap_err();
    assert!(matches!(error, FactError::Malformed(_)));
    drop(gate);
    let gate = house.gate();
    assert_eq!((gate.facts_sequence(), gate.stats().keys), (4, 2));
    // What it knows is as old as it was; the kernel's file times lag by a tick.
    let again_ms = gate.stats().facts_heard_ms;
    assert!(again_ms.abs_diff(heard_ms) < 1_000, "{heard_ms} {again_ms}");
    gate.contact();
    assert!(gate.stats().facts_heard_ms >= again_ms);
}

#[test]
fn the_metrics_tell_how_the_gate_is_doing() {
    let house = House::new();
    let gate = house.gate();
    assert!(gate.metrics().contains("\nlockgate_ready 0\n"));
    gate.load(&house.signed(&numbered(9))).unwrap();
    gate.apply_facts(&[key_fact(3, "key_1", "a", "")]).unwrap();
    let text = gate.metrics();
    for sample in [
        "lockgate_ready 1",
        "lockgate_bundle_sequence 9",
        "lockgate_facts_sequence 3",
        "lockgate_facts_keys 1",
        "lockgate_connections 0",
    ] {
        assert!(
            text.contains(&format!("\n{sample}\n")),
            "{sample} in {text}"
        );
    }
}

#[test]
fn a_state_folder_that_cannot_be_made_stops_the_start() {
    let house = House::new();
    fs::write(house.dir.join("gate"), "in the way").unwrap();
    let error = house.start().err().expect("the folder cannot be made");
    assert_eq!(error.code(), "state-unusable");
}

#[test]
fn secrets_are_read_from_files_and_never_kept() {
    let house = House::new();
    let place = house.dir.join("token");
    fs::write(&place, "hush-hush\n").unwrap();
    let reference = format!("file:{}", place.display());
    assert_eq!(
        secret::resolve(&reference).as_deref(),
        Some(&b"hush-hush\n"[..])
    );
    let mut wanted = numbered(1);
    wanted.upstreams[0].credential = Some(Credential {
        header: "x-gate-token".to_owned(),
        secret: reference.clone(),
    });
    let around = Surroundings {
        state: std::path::Path::new(""),
        tls: None,
        secret: &secret::resolve,
        ..surroundings()
    };
    let snapshot = compile(wanted.clone(), "h", &around).unwrap();
    let token = snapshot.upstreams[0].credential.as_ref().unwrap();
    let value = token.value.as_ref().unwrap();
    assert_eq!(value, "hush-hush");
    assert!(value.is_sensitive());
    assert!(!format!("{snapshot:?}").contains("hush-hush"));

    let gate = house.gate();
    gate.load(&house.signed(&wanted)).unwrap();
    let kept = fs::read_to_string(house.dir.join("gate/bundle.json")).unwrap();
    assert!(kept.contains(&reference) && !kept.contains("hush"));
}

#[test]
fn what_is_no_secret_is_none() {
    let dir = Dir::new();
    let empty = dir.join("empty");
    fs::write(&empty, "").unwrap();
    for reference in [
        format!("file:{}", empty.display()),
        format!("file:{}", dir.join("missing").display()),
        format!("file:{}", dir.display()),
        "file:/dev/zero".to_owned(),
        "env:LOCKGATE_NO_SUCH_NAME".to_owned(),
        "plain".to_owned(),
        String::new(),
    ] {
        assert_eq!(secret::resolve(&reference), None, "{reference}");
    }
    // The environment of a test that cargo runs has this one.
    let name = std::env::var("CARGO_PKG_NAME").unwrap();
    assert_eq!(
        secret::resolve("env:CARGO_PKG_NAME"),
        Some(name.into_bytes())
    );
}

/// A bundle whose listener is at this path.
fn at_path(sequence: u64, path: &Path) -> Bundle {
    let mut bundle = numbered(sequence);
    bundle.listeners = vec![listener("public", &format!("unix:{}", path.display()))];
    bundle
}

fn answers_at(path: &Path) -> bool {
    speaks(UnixStream::connect(path).unwrap())
}

#[test]
fn a_socket_in_the_file_system_is_made_and_taken_away() {
    let house = House::new();
    let gate = house.gate();
    let path = house.dir.join("gate.sock");
    gate.load(&house.signed(&at_path(1, &path))).unwrap();
    assert!(answers_at(&path));
    assert_eq!(
        gate.addresses()[0].1.to_string(),
        format!("unix:{}", path.display())
    );
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    // It stays, with other rights, where the bundle says so.
    let inode = fs::metadata(&path).unwrap().ino();
    let mut wider = at_path(2, &path);
    wider.listeners[0].socket.mode = 0o600;
    gate.load(&house.signed(&wider)).unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.mode() & 0o777, found.ino()), (0o600, inode));
    gate.load(&house.signed(&numbered(3))).unwrap();
    assert!(!path.exists(), "no bundle speaks of it any more");
    gate.load(&house.signed(&at_path(4, &path))).unwrap();
    assert!(answers_at(&path));
    assert!(gate.drain(Duration::from_secs(10)));
    assert!(!path.exists());
}

#[test]
fn a_bundle_that_is_refused_leaves_no_socket_behind() {
    let house = House::new();
    let gate = house.gate();
    let path = house.dir.join("gate.sock");
    let mut both = at_path(1, &path);
    let none = house.dir.join("none/gate.sock");
    both.listeners
        .push(listener("other", &format!("unix:{}", none.display())));
    let refused = gate.load(&house.signed(&both)).unwrap_err();
    assert_eq!(refused.code(), "listen-failed");
    assert!(
        refused.to_string().contains("its folder is not there"),
        "{refused}"
    );
    assert!(!path.exists());
    let mut stranger = at_path(2, &path);
    stranger.listeners[0].socket.group = Some("nobody-of-this-machine".to_owned());
    let refused = gate.load(&house.signed(&stranger)).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("no group `nobody-of-this-machine`"),
        "{refused}"
    );
    assert!(!path.exists());
}

#[test]
fn the_gate_that_follows_has_the_file() {
    let (house, follower) = (House::new(), House::new());
    let gate = house.gate();
    let path = house.dir.join("gate.sock");
    gate.load(&house.signed(&at_path(1, &path))).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    let handed = gate.sockets().unwrap();
    let descriptors: Vec<std::os::fd::OwnedFd> = handed
        .into_iter()
        .flat_map(|each| each.sockets)
        .map(Into::into)
        .collect();
    gate.release().unwrap();
    let address: Endpoint = format!("unix:{}", path.display()).parse().unwrap();
    let sockets = descriptors
        .into_iter()
        .map(|one| ListeningSocket::try_from(one).unwrap());
    let next = Gate::start(Settings {
        state_dir: follower.dir.to_path_buf(),
        pepper: crate::testing::PEPPER.to_vec(),
        public_key: house.key.public_key().as_ref().to_vec(),
        workers: 2,
        handed: vec![Handed {
            bound: address.clone(),
            address,
            sockets: sockets.collect(),
            datagrams: Vec::new(),
        }],
        accounts: Arc::new(|_, _| None),
        plugin_command: Vec::new(),
        closed: false,
    });
    // It had no bundle, so what was handed over is closed; the file is the first one's still.
    drop(next.unwrap());
    assert!(answers_at(&path));
    gate.reclaim().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    gate.release().unwrap();
    assert!(gate.drain(Duration::from_secs(10)));
    assert!(path.exists(), "another gate may have it");
}
