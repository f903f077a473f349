//! Reads rule files and tells what they hold, or what is wrong with them.
//!
//! `cargo run --release --example check_rules -- FOLDER ENTRY…`, the entries as
//! they are named in the folder: `crs-setup.conf rules/*.conf`.

use std::path::Path;
use std::time::Instant;

use lockgate_waf::rule::Item;
use lockgate_waf::seclang::{read, Folder, Limits};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(root) = arguments.next() else {
        eprintln!("usage: check_rules FOLDER ENTRY…");
        return Ok(());
    };
    let entries: Vec<String> = arguments.collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let mut folder = Folder::default();
    fill(&mut folder, Path::new(&root), Path::new(&root))?;
    let start = Instant::now();
    match read(&folder, &entries, &Limits::default()) {
        Ok(rules) => {
            let took = start.elapsed();
            let links: usize = rules
                .items
                .iter()
                .map(|item| match item {
                    Item::Rule(rule) => rule.links.len(),
                    Item::Marker(_) => 0,
                })
                .sum();
            for notice in &rules.notices {
                let file = rules.files.get(notice.place.file as usize);
                let (file, line) = (file.map_or("", |file| file), notice.place.line);
                println!("{file}:{line}: {}: {}", notice.directive, notice.instead);
            }
            println!(
                "{} files, {} items, {links} links, read in {took:?}",
                rules.files.len(),
                rules.items.len()
            );
        }
        Err(errors) => {
            for error in &errors {
                println!("{error}");
            }
            println!("{} errors", errors.len());
        }
    }
    Ok(())
}

fn fill(folder: &mut Folder, root: &Path, at: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_dir() {
            fill(folder, root, &path)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            folder.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
}
