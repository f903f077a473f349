#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use lockgate_policy::ip_filter;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::CertificateDer;

use super::*;
use crate::bundle::{PemFiles, UnknownRevocation};

/// An authority that issues what a test wants.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate's DER and PEM, and its key.
    fn issue(&self, names: &[&str], serial: u64) -> (CertificateDer<'static>, String, String) {
        self.issue_until(names, serial, 4096)
    }

    fn issue_until(
        &self,
        names: &[&str],
        serial: u64,
        end: i32,
    ) -> (CertificateDer<'static>, String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.0).unwrap();
        (made.der().clone(), made.pem(), key.serialize_pem())
    }

    fn revoked(&self, serials: &[u64]) -> String {
        let day = |day| rcgen::date_time_ymd(2026, 1, day);
        let list = CertificateRevocationListParams {
            this_update: day(1),
            next_update: rcgen::date_time_ymd(2099, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: day(2),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// Files in memory, and what was told of them.
#[derive(Default)]
struct Disk {
    kept: Kept,
    files: RefCell<HashMap<String, Vec<u8>>>,
    told: RefCell<Vec<String>>,
}

impl Disk {
    fn write(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files
            .borrow_mut()
            .insert(path.to_owned(), bytes.into());
    }

    fn put(&self, name: &str, (_, chain, key): &(CertificateDer<'static>, String, String)) {
        self.write(&format!("{name}.pem"), chain.as_str());
        self.write(&format!("{name}.key"), key.as_str());
    }

    fn made(&self, wanted: &bundle::Tls, strict: bool) -> Result<Arc<Tls>, Vec<ConfigError>> {
        self.made_after(wanted, strict, true)
    }

    fn made_after(
        &self,
        wanted: &bundle::Tls,
        strict: bool,
        first: bool,
    ) -> Result<Arc<Tls>, Vec<ConfigError>> {
        let source = Source {
            kept: &self.kept,
            file: &|path: &Path, _| {
                let name = path.to_str().unwrap();
                let found = self.files.borrow().get(name).cloned();
                found.ok_or_else(|| io::ErrorKind::NotFound.into())
            },
            managed: &|_| None,
            strict,
            first,
            unfit: &|words| self.told.borrow_mut().push(words),
        };
        source.tls("127.0.0.1:443", wanted, &[Protocol::Http2, Protocol::Http1])
    }
}

fn files(name: &str) -> bundle::Certificate {
    bundle::Certificate::Files(PemFiles {
        chain: format!("{name}.pem"),
        key: format!("{name}.key"),
    })
}

fn wanted(names: &[&str]) -> bundle::Tls {
    bundle::Tls {
        certificates: names.iter().map(|name| files(name)).collect(),
        minimum: TlsVersion::Tls12,
        clients: None,
        hosts: Vec::new(),
        hsts: None,
        passthrough: Vec::new(),
    }
}

fn secured(tls: &Arc<Tls>, name: Option<&str>, chain: &[CertificateDer<'static>]) -> Secured {
    Secured::for_tests(tls, name, chain)
}

#[test]
fn what_was_verified_is_good_for_a_minute() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example"], 1));
    let tls = disk.made(&wanted(&["a"]), true).unwrap();
    let mut newer = wanted(&["a"]);
    newer.minimum = TlsVersion::Tls13;
    let other = disk.made(&newer, true).unwrap();
    let secured = secured(&tls, None, &[]);
    let now_ms = crate::clock::wall_ms();
    assert!(secured.was_good_by(&tls, now_ms));
    assert!(!secured.was_good_by(&other, now_ms), "other rules");
    assert!(
        !secured.was_good_by(&tls, now_ms + 60_000),
        "a list may have run out"
    );
    secured.is_good_by(&other, now_ms + 60_000);
    assert!(secured.was_good_by(&other, now_ms + 119_999));
    assert!(!secured.was_good_by(&other, now_ms + 120_000));
}

#[test]
fn a_name_gets_the_certificate_that_is_good_for_it() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example", "127.0.0.1"], 1));
    disk.put("b", &authority.issue(&["b.example", "*.b.example"], 2));
    let tls = disk.made(&wanted(&["a", "b"]), true).unwrap();
    let certificate = |name| tls.place(name).map(|place| place.certificate);
    assert_eq!(certificate(None), Some(0));
    assert_eq!(certificate(Some("a.example")), Some(0));
    assert_eq!(certificate(Some("x.b.example")), Some(1));
    assert_eq!(certificate(Some("b.example")), Some(1));
    // A wildcard stands for one label.
    assert_eq!(certificate(Some("y.x.b.example")), None);
    assert_eq!(certificate(Some("c.example")), None);
}

#[test]
fn a_connection_carries_what_its_certificate_and_rules_are_for() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put(
        "a",
        &authority.issue(&["a.example", "b.example", "s.example"], 1),
    );
    disk.put("c", &authority.issue(&["c.example"], 2));
    disk.write("ca.pem", authority.pem());
    let mut wanted = wanted(&["a", "c"]);
    wanted.hosts.push(bundle::TlsHost {
        names: vec!["s.example".to_owned()],
        clients: Some(bundle::Clients {
            trust: vec!["ca.pem".to_owned()],
            require: true,
            crl: Vec::new(),
            unknown_revocation: UnknownRevocation::Allow,
            ocsp: None,
        }),
    });
    let tls = disk.made(&wanted, true).unwrap();
    let serves = |name, host| tls.serves(&secured(&tls, name, &[]), host);
    assert!(serves(Some("a.example"), "a.example"));
    assert!(serves(Some("a.example"), "A.EXAMPLE.:443"));
    assert!(
        serves(Some("a.example"), "b.example"),
        "the same certificate"
    );
    assert!(!serves(Some("a.example"), "c.example"), "another one");
    assert!(
        !serves(Some("a.example"), "s.example"),
        "other rules for clients"
    );
    assert!(!serves(Some("a.example"), "unknown.example"));
    assert!(!serves(Some("a.example"), "10.0.0.1"));
    assert!(
        serves(None, "10.0.0.1"),
        "asked for by address, without a name"
    );
    assert!(serves(None, "a.example"));
    assert!(!serves(None, "c.example"));
    assert!(!serves(None, "s.example"));
    assert!(!serves(Some("s.example"), "a.example"));
    assert!(
        serves(Some("a.example"), "not a host"),
        "told by the normal form"
    );
}

#[test]
fn a_spoiled_file_leaves_the_last_good_certificate() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example"], 1));
    let wanted = wanted(&["a"]);
    let first = disk.made(&wanted, true).unwrap();
    assert!(
        Arc::ptr_eq(&first, &disk.made(&wanted, true).unwrap()),
        "nothing has changed"
    );
    disk.write("a.pem", "-----BEGIN CERTIFICATE-----\nspoiled");
    let second = disk.made(&wanted, true).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(disk.told.borrow()[0].contains("the last good one serves on"));
    disk.put("a", &authority.issue(&["a.example"], 2));
    let third = disk.made(&wanted, true).unwrap();
    assert!(!Arc::ptr_eq(&first, &third));
    assert_ne!(
        first.certificates()[0].fingerprint,
        third.certificates()[0].fingerprint
    );
}

#[test]
fn what_never_was_good_is_refused_or_told_of() {
    let disk = Disk::default();
    let errors = disk.made(&wanted(&["a"]), true).unwrap_err();
    assert_eq!(errors[0].code, "certificate-unfit");
    let tls = disk.made(&wanted(&["a"]), false).unwrap();
    assert!(tls.place(None).is_none() && tls.place(Some("a.example")).is_none());
    assert_eq!(disk.told.borrow().len(), 1);
}

#[test]
fn one_that_ran_out_takes_no_other_host_down() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example"], 1));
    let past = 2020;
    disk.put(
        "old",
        &authority.issue_until(&["old.example", "*.old.example"], 2, past),
    );
    let tls = disk.made(&wanted(&["old", "a"]), true).unwrap();
    assert!(tls.place(Some("a.example")).is_some());
    assert_eq!(tls.certificates().len(), 1);
    for name in ["old.example", "x.old.example"] {
        assert!(tls.place(Some(name)).is_none(), "never shown anew");
        assert_eq!(tls.lacks(Some(name)), Lack::Expired);
    }
    assert_eq!(tls.lacks(Some("b.example")), Lack::Unknown);
    assert!(disk.told.borrow()[0].contains("the certificate expired"));
    // Alone it is no beginning; where something serves already, it holds up no change.
    let errors = disk.made(&wanted(&["old"]), true).unwrap_err();
    assert!(errors[0].message.contains("the certificate expired"));
    let tls = disk.made_after(&wanted(&["old"]), true, false).unwrap();
    assert!(tls.place(None).is_none());
    assert_eq!(tls.lacks(None), Lack::Expired);
    disk.put("old", &authority.issue(&["old.example"], 3));
    let renewed = disk.made(&wanted(&["old"]), true).unwrap();
    assert!(renewed.place(Some("old.example")).is_some());
}

#[test]
fn one_that_runs_out_at_work_is_shown_until_there_is_another() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example"], 1));
    let first = disk.made(&wanted(&["a"]), true).unwrap();
    let past = 2020;
    disk.put("a", &authority.issue_until(&["a.example"], 2, past));
    assert!(Arc::ptr_eq(
        &first,
        &disk.made(&wanted(&["a"]), true).unwrap()
    ));
    assert!(disk.told.borrow()[0].contains("the last good one serves on"));
}

#[test]
fn certificates_that_would_not_serve_are_told_apart() {
    let authority = Authority::new("A");
    let (_, chain, key) = authority.issue(&["a.example"], 1);
    let (_, other, other_key) = authority.issue(&["b.example"], 2);
    let why =
        |chain: &str, key: &str| Certificate::read(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(why(&chain, &other_key).contains("do not belong together"));
    assert!(why(&chain, "").contains("private key"));
    assert!(why("", &key).contains("no certificate"));
    assert!(why(&format!("{chain}{other}"), &key).contains("did not issue"));
    let whole = format!("{chain}{}", authority.pem());
    let read = Certificate::read(whole.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(read.names, ["a.example"]);
    assert!(read.valid_at(read.not_after).is_ok());
    assert!(read
        .valid_at(read.not_after + 1)
        .unwrap_err()
        .contains("expired"));
    assert!(read
        .valid_at(read.not_before - 1)
        .unwrap_err()
        .contains("not valid yet"));
}

#[test]
fn a_revoked_client_is_not_trusted_any_more() {
    let (authority, stranger) = (Authority::new("A"), Authority::new("B"));
    let disk = Disk::default();
    disk.put("a", &authority.issue(&["a.example"], 1));
    disk.write("ca.pem", authority.pem());
    disk.write("crl.pem", authority.revoked(&[7]));
    let mut wanted = wanted(&["a"]);
    wanted.clients = Some(bundle::Clients {
        trust: vec!["ca.pem".to_owned()],
        require: true,
        crl: vec!["crl.pem".to_owned()],
        unknown_revocation: UnknownRevocation::Allow,
        ocsp: None,
    });
    let tls = disk.made(&wanted, true).unwrap();
    let chain = |authority: &Authority, serial| authority.issue(&["client.example"], serial).0;
    let says = |tls: &Arc<Tls>, chain: &[CertificateDer<'static>]| {
        let said = tls.still_trusts(&secured(tls, Some("a.example"), chain));
        said.err().map(|reason| reason.code)
    };
    let eight = [chain(&authority, 8)];
    assert_eq!(says(&tls, &eight), None);
    assert_eq!(
        says(&tls, &[chain(&authority, 7)]),
        Some("tls-client-certificate-revoked")
    );
    assert_eq!(
        says(&tls, &[chain(&stranger, 8)]),
        Some("tls-client-certificate-refused")
    );
    assert_eq!(says(&tls, &[]), Some("tls-client-certificate-missing"));
    disk.write("crl.pem", authority.revoked(&[7, 8]));
    let renewed = disk.made(&wanted, true).unwrap();
    assert_eq!(
        says(&renewed, &eight),
        Some("tls-client-certificate-revoked")
    );
}

#[test]
fn hosts_with_other_rules_have_other_tickets() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&["a.example", "s.example"], 1));
    disk.write("ca.pem", authority.pem());
    let mut wanted = wanted(&["a"]);
    wanted.hosts.push(bundle::TlsHost {
        names: vec!["s.example".to_owned()],
        clients: Some(bundle::Clients {
            trust: vec!["ca.pem".to_owned()],
            require: true,
            crl: Vec::new(),
            unknown_revocation: UnknownRevocation::Allow,
            ocsp: None,
        }),
    });
    let tls = disk.made(&wanted, true).unwrap();
    let ticket = tls.rules[0].config.ticketer.encrypt(b"a session").unwrap();
    assert!(tls.rules[0].config.ticketer.decrypt(&ticket).is_some());
    assert!(tls.rules[1].config.ticketer.decrypt(&ticket).is_none());
}

#[test]
fn a_certificate_without_names_serves_no_host() {
    let (authority, disk) = (Authority::new("A"), Disk::default());
    disk.put("a", &authority.issue(&[], 1));
    let errors = disk.made(&wanted(&["a"]), true).unwrap_err();
    assert!(errors[0].message.contains("Subject Alternative Name"));
}

fn carrying(hosts: &[&str], ended: &[&str]) -> bundle::Passthrough {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    bundle::Passthrough {
        ip_filter: ip_filter::Config::default(),
        hosts: owned(hosts),
        ended: owned(ended),
        upstream: "legacy".to_owned(),
        idle_ms: 1_000,
    }
}

#[test]
fn the_most_precise_pattern_says_who_is_carried_on() {
    let (disk, authority) = (Disk::default(), Authority::new("one"));
    disk.put(
        "shop",
        &authority.issue(&["*.example", "api.old.example"], 1),
    );
    let mut wanted = wanted(&["shop"]);
    wanted.passthrough = vec![
        carrying(
            &["*.old.example"],
            &["api.old.example", "*.own.old.example"],
        ),
        carrying(&["db.example", "deep.own.old.example"], &[]),
    ];
    let tls = disk.made(&wanted, true).unwrap();
    for (name, entry) in [
        ("db.example", Some(1)),
        ("a.old.example", Some(0)),
        ("a.b.old.example", Some(0)),
        ("deep.own.old.example", Some(1)),
        ("old.example", None),
        ("api.old.example", None),
        ("a.own.old.example", None),
        ("shop.example", None),
        ("x.db.example", None),
    ] {
        assert_eq!(tls.carries(name), entry, "{name}");
    }
    assert_eq!(
        tls.place(Some("db.example")),
        None,
        "whatever certificate would fit"
    );
    assert!(tls.place(Some("shop.example")).is_some());
    assert!(tls.place(Some("api.old.example")).is_some());
    assert!(tls.place(None).is_some());
}

#[test]
fn no_request_is_served_for_a_name_that_is_carried_on() {
    let (disk, authority) = (Disk::default(), Authority::new("one"));
    disk.put("shop", &authority.issue(&["*.example"], 1));
    let before = disk.made(&wanted(&["shop"]), true).unwrap();
    let mut after = wanted(&["shop"]);
    after.passthrough = vec![carrying(&["db.example", "*.old.example"], &[])];
    let tls = disk.made(&after, true).unwrap();
    for name in [Some("shop.example"), None] {
        let connection = secured(&tls, name, &[]);
        for host in [
            "db.example",
            "DB.example:443",
            "db.example.",
            "a.b.old.example",
        ] {
            assert!(!tls.serves(&connection, host), "{host}");
        }
        assert!(tls.serves(&connection, "shop.example"));
    }
    // Over a connection from before it was carried on.
    let connection = secured(&before, Some("db.example"), &[]);
    assert!(before.serves(&connection, "db.example"));
    assert!(!tls.serves(&connection, "db.example"));
}

#[test]
fn a_listener_may_end_nothing() {
    let mut wanted = wanted(&[]);
    wanted.passthrough = vec![carrying(&["db.example"], &[])];
    let tls = Disk::default().made(&wanted, true).unwrap();
    assert_eq!(
        tls.lacks(None),
        Lack::Unknown,
        "no certificate will ever come"
    );
    assert_eq!(
        (tls.place(None), tls.place(Some("shop.example"))),
        (None, None)
    );
}
