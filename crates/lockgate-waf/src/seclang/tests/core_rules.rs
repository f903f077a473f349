//! The Core Rule Set, read whole, and the requests of its own cases: of the folders
//! that `LOCKGATE_CRS` names (parted by `:`), as `conformance.crs.stages` prints
//! them and `make test-rust` has them.

use std::path::{Path, PathBuf};

use crate::rule::{Item, Operator, Rules};
use crate::seclang::{read, Code, Folder, Limits};

/// The folders of all versions.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("LOCKGATE_CRS").unwrap_or_default();
    let folders = std::env::split_paths(&named);
    let folders: Vec<_> = folders.filter(|path| path != Path::new("")).collect();
    if folders.is_empty() {
        eprintln!("not run: LOCKGATE_CRS names no Core Rule Set, as `make test-rust` has it");
    }
    folders
}

/// The folders of the rules of all versions.
pub(crate) fn versions() -> Vec<PathBuf> {
    let rules = folders().into_iter().map(|folder| folder.join("rules"));
    rules
        .inspect(|rules| assert!(rules.join("@owasp_crs").is_dir(), "{}", rules.display()))
        .collect()
}

/// A request of the rules' own cases, and what is answered to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub protocol: Vec<u8>,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
    pub status: u16,
    pub answer_fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub answer: Vec<u8>,
}

impl Exchange {
    /// What a line says.
    fn read(line: &str) -> Self {
        let mut words = line.split(' ').map(unhex);
        let mut next = || words.next().unwrap();
        let number = |word: Vec<u8>| String::from_utf8(word).unwrap().parse::<u16>().unwrap();
        let fields = |next: &mut dyn FnMut() -> Vec<u8>| {
            let count = number(next());
            (0..count).map(|_| (next(), next())).collect()
        };
        Self {
            method: next(),
            target: next(),
            protocol: next(),
            fields: fields(&mut next),
            body: next(),
            status: number(next()),
            answer_fields: fields(&mut next),
            answer: next(),
        }
    }
}

fn unhex(word: &str) -> Vec<u8> {
    let digits = word.trim_matches('-').as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The exchanges of each version's cases, with its rules.
pub(crate) fn exchanges() -> Vec<(PathBuf, Vec<Exchange>)> {
    let read = |folder: PathBuf| {
        let mut file = folder.clone().into_os_string();
        file.push(".stages");
        let text = std::fs::read_to_string(&file).unwrap();
        (
            folder.join("rules"),
            text.lines().map(Exchange::read).collect(),
        )
    };
    folders().into_iter().map(read).collect()
}

/// All files under a folder, by their names in it.
fn folder(path: &Path) -> Folder {
    let mut folder = Folder::default();
    let mut left = vec![path.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                left.push(entry);
            } else {
                let name = entry.strip_prefix(path).unwrap().to_str().unwrap();
                assert!(folder.insert(name, std::fs::read(&entry).unwrap()));
            }
        }
    }
    folder
}

pub(crate) fn loaded(path: &Path, entries: &[&str]) -> Rules {
    match read(&folder(path), entries, &Limits::default()) {
        Ok(rules) => rules,
        Err(errors) => {
            let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}:\n{}", path.display(), told.join("\n"));
        }
    }
}

/// How often a line of the rule files begins with `start`, after white space.
fn lines_with(path: &Path, start: &str) -> usize {
    let files = std::fs::read_dir(path.join("@owasp_crs")).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts
        .map(|text| {
            text.lines()
                .filter(|l| l.trim_start().starts_with(start))
                .count()
        })
        .sum()
}

/// How often `part` stands in lines of the rule files that are no comments.
fn parts_with(path: &Path, part: &str) -> usize {
    let files = std::fs::read_dir(path.join("@owasp_crs")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|file| file.extension().is_some_and(|e| e == "conf"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .map(|text| {
            let lines = text.lines().filter(|l| !l.trim_start().starts_with('#'));
            lines.map(|l| l.matches(part).count()).sum::<usize>()
        })
        .sum()
}

#[test]
fn every_version_is_read_whole() {
    for path in versions() {
        let rules = loaded(&path, &["@crs-setup.conf.example", "@owasp_crs/*.conf"]);
        let found: Vec<_> = rules
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Rule(rule) => Some(rule),
                Item::Marker(_) => None,
            })
            .collect();
        let links: Vec<_> = found.iter().flat_map(|rule| &rule.links).collect();
        let count =
            |is: fn(&Operator) -> bool| links.iter().filter(|link| is(&link.test.operator)).count();

        let said = lines_with(&path, "SecRule ") + lines_with(&path, "SecAction");
        assert!(said > 600, "{}", path.display());
        let of_setup = links.len() - said;
        assert_eq!(of_setup, 1, "crs-setup.conf.example sets its version");
        assert_eq!(
            rules.items.len() - found.len(),
            lines_with(&path, "SecMarker")
        );
        let named = parts_with(&path, "@rx ");
        assert_eq!(count(|o| matches!(o, Operator::Rx(_))), named);
        assert_eq!(
            count(|o| matches!(o, Operator::Pm(_))),
            parts_with(&path, "@pm ") + parts_with(&path, "@pmFromFile ")
        );
        assert_eq!(
            count(|o| matches!(o, Operator::Lt(_))),
            parts_with(&path, "@lt ")
        );
        assert_eq!(
            links.iter().map(|link| link.effects.len()).sum::<usize>(),
            ["setvar:", "ctl:", "initcol:"]
                .iter()
                .map(|action| parts_with(&path, action))
                .sum::<usize>()
                + 1,
        );
        assert_eq!(
            found.iter().map(|rule| rule.tags.len()).sum::<usize>(),
            parts_with(&path, "tag:'") + 1,
        );
        assert!(found.iter().all(|rule| rule.id >= 900_000));
    }
}

#[test]
fn recommended_settings_are_read() {
    for path in versions() {
        let name = "@coraza.conf-recommended";
        let text = std::fs::read_to_string(path.join(name)).unwrap();
        // The file of 4.22 lacks a quotation mark; ModSecurity refuses it as well.
        let fault = text.lines().position(|line| {
            line.ends_with("msg:'Multipart request body failed strict validation.\"")
        });
        if let Some(line) = fault {
            let errors = read(&folder(&path), &[name], &Limits::default()).unwrap_err();
            let places: Vec<_> = errors.iter().map(|e| (e.code, e.line as usize)).collect();
            assert_eq!(places, [(Code::UnclosedQuote, line + 1)]);
            continue;
        }
        let rules = loaded(&path, &[name]);
        let said = text
            .lines()
            .filter(|line| line.starts_with("SecRule "))
            .count();
        assert_eq!(rules.items.len(), said);
        assert!(rules.settings.engine.is_some());
        assert!(rules.notices.len() >= 5, "{:?}", rules.notices);
    }
}
