//! The cases of libinjection, as its port to Go carries them
//! (github.com/corazawaf/libinjection-go). They are read from Go's module cache and
//! are no part of this repository.

use std::path::PathBuf;
use std::process::Command;

use super::super::html::{Context, Html, Piece};
use super::super::sql::Sql;
use super::super::token::Token;
use super::super::{sqli, xss};
use super::Folding;

const MODULE: &str = "github.com/corazawaf/libinjection-go@v0.3.5/tests";
/// How many there are.
const CASES: usize = 494;

fn folder() -> Option<PathBuf> {
    let told = std::env::var_os("GOMODCACHE").map(PathBuf::from);
    let asked = || {
        let answer = Command::new("go")
            .args(["env", "GOMODCACHE"])
            .output()
            .ok()?;
        let path = String::from_utf8(answer.stdout).ok()?;
        Some(PathBuf::from(path.trim()))
    };
    told.or_else(asked)
        .map(|cache| cache.join(MODULE))
        .filter(|folder| folder.is_dir())
}

struct Case {
    name: String,
    input: Vec<u8>,
    expected: String,
}

fn cases(folder: &PathBuf) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let content = std::fs::read(&path).unwrap();
        let cut = |from: &[u8], at: &str| -> (Vec<u8>, Vec<u8>) {
            let at = format!("--{at}--\n");
            let found = memchr::memmem::find(from, at.as_bytes())
                .unwrap_or_else(|| panic!("{name}: no {at}"));
            (
                from[..found].trim_ascii_end().to_vec(),
                from[found + at.len()..].trim_ascii_end().to_vec(),
            )
        };
        let (_, rest) = cut(&content, "INPUT");
        let (input, expected) = cut(&[&rest[..], b"\n"].concat(), "EXPECTED");
        let expected = String::from_utf8_lossy(&expected).into_owned();
        cases.push(Case {
            name,
            input,
            expected,
        });
    }
    cases
}

fn token(token: Token, input: &[u8]) -> String {
    let mut line = vec![token.kind(), b' '];
    if token.kind() == b'v' {
        line.extend_from_slice(&b"@@"[..token.ats()]);
    }
    let marked = matches!(token.kind(), b's' | b'v');
    if marked && token.opened() != 0 {
        line.push(token.opened());
    }
    line.extend_from_slice(token.text(input));
    if marked && token.closed() != 0 {
        line.push(token.closed());
    }
    String::from_utf8_lossy(&line)
        .trim_end_matches(['\n', '\r'])
        .to_owned()
}

fn tokens(input: &[u8], mysql: bool) -> Vec<String> {
    let mut sql = Sql::new(input, 0, mysql);
    std::iter::from_fn(|| sql.next())
        .map(|found| token(found, input))
        .collect()
}

fn pieces(input: &[u8]) -> Vec<String> {
    let mut html = Html::new(input, Context::Text);
    std::iter::from_fn(|| html.next())
        .map(|piece| {
            let (name, text) = match piece {
                Piece::Text(text) => ("DATA_TEXT", text),
                Piece::Tag(text) => ("TAG_NAME_OPEN", text),
                Piece::TagEnd(text) => ("TAG_NAME_CLOSE", text),
                Piece::SelfClosing(text) => ("TAG_NAME_SELFCLOSE", text),
                Piece::Closing(text) => ("TAG_CLOSE", text),
                Piece::Name(text) => ("ATTR_NAME", text),
                Piece::Value(text) => ("ATTR_VALUE", text),
                Piece::Comment(text) => ("TAG_COMMENT", text),
                Piece::Doctype(text) => ("DOCTYPE", text),
            };
            format!("{name},{},{}", text.len(), String::from_utf8_lossy(text))
        })
        .collect()
}

#[test]
fn libinjections_own_cases_pass() {
    let Some(folder) = folder() else {
        println!("skipped: {MODULE} is not in Go's module cache (`go mod download` puts it there)");
        return;
    };
    let cases = cases(&folder);
    let mut failed = Vec::new();
    for case in &cases {
        let kind = case
            .name
            .trim_start_matches("test-")
            .split('-')
            .next()
            .unwrap_or_default();
        let found = match kind {
            "sqli" => sqli(&case.input)
                .map(|found| found.to_string())
                .unwrap_or_default(),
            "folding" => {
                let mut folding = Folding::new(&case.input, 0, false);
                folding
                    .fold()
                    .iter()
                    .map(|found| token(*found, &case.input))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
            "tokens" => tokens(&case.input, false).join("\n"),
            "tokens_mysql" => tokens(&case.input, true).join("\n"),
            "html5" => pieces(&case.input).join("\n"),
            "xss" => u8::from(xss(&case.input)).to_string(),
            other => panic!("{}: what is {other}?", case.name),
        };
        // Of a phrase the table's spelling is kept, which is in upper case.
        if !found.trim().eq_ignore_ascii_case(case.expected.trim()) {
            failed.push(format!("{}: {found:?}, not {:?}", case.name, case.expected));
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(cases.len() >= CASES, "only {} cases were run", cases.len());
    println!("{} cases passed", cases.len());
}
