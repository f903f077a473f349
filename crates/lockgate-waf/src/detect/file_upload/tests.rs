use super::find;
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn name(name: &[u8]) -> Option<Severity> {
    find(&Value {
        bytes: name,
        stood: Where::FileName,
        name: b"file",
        declared: None,
    })
    .and_then(|found| found.severity)
}

fn content(bytes: &[u8], name: &str, declared: Option<&str>) -> Option<Severity> {
    find(&Value {
        bytes,
        stood: Where::FileContent,
        name: name.as_bytes(),
        declared: declared.map(str::as_bytes),
    })
    .and_then(|found| found.severity)
}

/// A zip of entries with their names, sizes as packed and as they were.
fn zip(entries: &[(&str, u32, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, packed, unpacked) in entries {
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let sizes = [packed.to_le_bytes(), unpacked.to_le_bytes()].concat();
        let head = [
            &[20, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &sizes,
            &length,
            &[0, 0],
        ]
        .concat();
        let at = u32::try_from(out.len()).unwrap().to_le_bytes();
        directory.extend(
            [
                &b"PK\x01\x02"[..],
                &[20, 0],
                &head,
                &[0; 10],
                &at,
                name.as_bytes(),
            ]
            .concat(),
        );
        out.extend([&b"PK\x03\x04"[..], &head, name.as_bytes()].concat());
        out.extend(vec![b'x'; *packed as usize]);
    }
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    out.extend(directory);
    out.extend(
        [
            &b"PK\x05\x06"[..],
            &[0; 4],
            &count,
            &count,
            &size,
            &at,
            &[0, 0],
        ]
        .concat(),
    );
    out
}

#[test]
fn names_that_servers_obey_are_found() {
    for text in [
        &b"shell.php"[..],
        b"shell.PhP5",
        b"a.phtml",
        b"a.php.jpg",
        b"a.jpg.php",
        b"a.php.",
        b"a.php ",
        b"a.php...  ",
        b"a.php::$DATA",
        b"a.asp;.jpg",
        b"a.aspx",
        b"a.jsp",
        b"a.php\0.jpg",
        b".htaccess",
        b"WEB.CONFIG",
        b"photo\xE2\x80\xAEgpj.exe",
        b"invoice.pdf.exe",
        b"..\\..\\a.php",
        b"a.php%00.jpg",
    ] {
        assert_eq!(
            name(text),
            Some(Severity::Critical),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
    assert_eq!(name(b"setup.exe"), Some(Severity::Warning));
}

#[test]
fn names_of_people_pass() {
    for text in [
        "photo.jpg",
        "My holiday (2).JPG",
        "report.v2.final.pdf",
        "archive.tar.gz",
        "a.py",
        "jquery.min.js",
        "README",
        ".gitignore",
        "php",
        "about php.txt",
        "asp.net notes.docx",
        "résumé.pdf",
        "日本.png",
        "deploy.sh",
        "a.b.c.d.e",
        "notes.",
        "3.14.txt",
        "v1.2.3",
        "C:\\fakepath\\photo.jpg",
        "Mr. Smith.doc",
    ] {
        assert_eq!(name(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn files_that_are_something_else_are_found() {
    let mut program = vec![0; 256];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x80;
    program[0x80..0x82].copy_from_slice(b"PE");
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;";
    let with = |more: &[u8]| [&gif[..], more].concat();
    let twofold = with(&zip(&[("a.class", 4, 4)]));
    let eicar = [
        &br"X5O!P%@AP[4\PZX54(P^)7CC)7}"[..],
        b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat();
    for (bytes, name, declared) in [
        (&program[..], "photo.jpg", None),
        (&program, "a.pdf", Some("application/pdf")),
        (b"\x7FELF\x02\x01", "a.png", None),
        (b"#!/bin/sh\nid\n", "photo.png", None),
        (b"<?php echo 1;", "photo.jpg", None),
        (b"<html><script>alert(1)</script>", "photo.gif", None),
        (&with(b"<?php system($_GET['c']); ?>"), "a.gif", Some("image/gif")),
        (&with(b"<?=`$_GET[c]`?>"), "a.gif", None),
        (&with(b"<script>alert(1)</script>"), "a.gif", None),
        (&with(b"<%@ page language=\"java\" %>"), "a.gif", None),
        (&twofold, "a.gif", None),
        (&eicar, "a.txt", None),
        (b"<svg xmlns='x'><script>alert(1)</script></svg>", "a.svg", None),
        (b"<svg onload=alert(1)>", "a.svg", None),
        (b"<svg><a href=\"javascript:alert(1)\"/></svg>", "a.svg", None),
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>", "a.svg", None),
        (b"%PDF-1.4 /OpenAction << /S /Launch /F (cmd.exe) >>", "a.pdf", None),
        (b"{\\rtf1\\object\\objupdate{\\objdata 0105}}", "a.rtf", None),
        (&zip(&[("../../etc/cron.d/a", 1, 1)]), "a.zip", None),
        (&zip(&[("C:\\a", 1, 1)]), "a.zip", None),
        (&zip(&[("a", 1000, 1 << 30)]), "a.zip", None),
        (&zip(&[("word/vbaProject.bin", 1, 1)]), "a.docx", None),
        (&zip(&[("../a", 1, 1)])[..40], "a.zip", None),
    ] {
        assert_eq!(
            content(bytes, name, declared),
            Some(Severity::Critical),
            "{name} {:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(
        content(&program, "setup.exe", None),
        Some(Severity::Warning)
    );
    assert_eq!(
        content(&zip(&[("word/vbaProject.bin", 1, 1)]), "a.docm", None),
        Some(Severity::Warning)
    );
    let bomb = [
        &b"\x1F\x8B\x08"[..],
        &vec![0; 1 << 19],
        &(1u32 << 28).to_le_bytes(),
    ]
    .concat();
    assert_eq!(content(&bomb, "a.gz", None), Some(Severity::Critical));
}

#[test]
fn files_that_are_what_they_say_pass() {
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;";
    for (bytes, name, declared) in [
        (&gif[..], "a.gif", Some("image/gif")),
        (gif, "a.png", Some("image/png")),
        (
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x10\x00\x00\x00\x10\x00",
            "a.png",
            None,
        ),
        (
            b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj",
            "a.pdf",
            None,
        ),
        (
            b"<svg xmlns='x'><path d='M0 0'/><text font-size=\"12\">only=text</text></svg>",
            "a.svg",
            None,
        ),
        (
            b"<html><body onload=\"x()\"><script>1</script></body></html>",
            "page.html",
            Some("text/html"),
        ),
        (b"<?xml version='1.0'?><a/>", "a.xml", None),
        (b"#!/bin/sh\nid\n", "deploy.sh", None),
        (b"#!/usr/bin/env python3\n", "a.py", None),
        (b"a,b,c\n1,2,3\n", "a.csv", Some("text/csv")),
        (b"MZ is a text", "a.txt", None),
        (b"BM or not", "a.txt", None),
        (
            &zip(&[("word/document.xml", 10, 100), ("a/b..c", 1, 1)]),
            "a.docx",
            None,
        ),
        (&zip(&[("big", 2000, 200_000)]), "a.zip", None),
        (
            b"\x1F\x8B\x08\x00\x00\x00\x00\x00\x10\x00\x00\x00",
            "a.gz",
            None,
        ),
        (b"", "empty", None),
        (b"<?php echo 1;", "a.php", None),
        (
            b"Some text with <b>tags</b> and <script> in it",
            "a.txt",
            None,
        ),
    ] {
        assert_eq!(content(bytes, name, declared), None, "{name}");
    }
}

#[test]
fn what_a_pdf_does_as_it_is_opened_is_found() {
    let verdict = |text: &str| content(text.as_bytes(), "a.pdf", Some("application/pdf"));
    for script in [
        "/JavaScript",
        "/JS",
        "/#4aavaScript",
        "/J#53",
        "/Java#53cript",
    ] {
        for opens in [
            "/OpenAction << ",
            "/OpenAction 5 0 R",
            "/Open#41ction 7 0 R",
        ] {
            let text = format!("%PDF-1.4\n1 0 obj <</Type/Catalog {opens} /S {script} (app.x())>>");
            assert_eq!(verdict(&text), Some(Severity::Critical), "{text}");
        }
        // It begins at a page, and a field of a form reckons.
        let place = format!("%PDF-1.4 /OpenAction [3 0 R /Fit] /AA << /C << /S {script} >> >>");
        assert_eq!(verdict(&place), Some(Severity::Warning), "{place}");
        let form = format!("%PDF-1.4 /S {script} (x)");
        assert_eq!(verdict(&form), Some(Severity::Notice), "{form}");
    }
    for acts in ["/OpenAction 5 0 R", "/AA <<", "/#4fpenAction<<"] {
        let text = format!("%PDF-1.4 {acts} /S /La#75nch /F (a.exe)");
        assert_eq!(verdict(&text), Some(Severity::Critical), "{text}");
    }
    for text in [
        "%PDF-1.7 /OpenAction [3 0 R /Fit] /Type /Catalog",
        "%PDF-1.7 /OpenAction 3 0 R /JavaScriptless /JSON /Launcher",
    ] {
        assert_eq!(verdict(text), None, "{text}");
    }
}

#[test]
fn markup_in_utf_16_is_read_as_every_reader_of_xml_does() {
    let text =
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>";
    let good = "<svg xmlns='x'><path d='M0 0'/></svg>";
    let units = |text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let mark = mark.then_some(0xFEFF);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    };
    for mark in [true, false] {
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let found = content(&units(text, mark, bytes), "a.svg", None);
            assert_eq!(found, Some(Severity::Critical));
            assert_eq!(content(&units(good, mark, bytes), "a.svg", None), None);
        }
    }
}
