//! The Core Rule Set, read whole, where it is at hand: `LOCKGATE_CRS` names
//! folders (parted by `:`) in which `@owasp_crs` lies, or Go has fetched the
//! module that carries it.

use std::path::{Path, PathBuf};

use crate::rule::{Item, Operator, Rules};
use crate::seclang::{read, Code, Folder, Limits};

/// The folders of all versions that are there.
pub(crate) fn versions() -> Vec<PathBuf> {
    if let Some(folders) = std::env::var_os("LOCKGATE_CRS") {
        return std::env::split_paths(&folders).collect();
    }
    let from = |variable: &str, rest: &str| {
        std::env::var_os(variable).map(|value| PathBuf::from(value).join(rest))
    };
    let cache = from("GOMODCACHE", "")
        .or_else(|| from("GOPATH", "pkg/mod"))
        .or_else(|| from("HOME", "go/pkg/mod"));
    let module = cache.map(|cache| cache.join("github.com/corazawaf/coraza-coreruleset"));
    let entries = module.and_then(|module| std::fs::read_dir(module).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("rules")))
        .filter(|rules| rules.join("@owasp_crs").is_dir())
        .collect();
    found.sort();
    if found.is_empty() {
        eprintln!("not run: no Core Rule Set is at hand; set LOCKGATE_CRS, or let Go fetch it");
    }
    found
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
