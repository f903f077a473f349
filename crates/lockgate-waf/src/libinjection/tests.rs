//! Cases of our own, the foreign ones, and what is promised for all bytes.

mod cases;
mod dismissal;
mod foreign;
mod hostile;

use super::fold::Folding;
use super::names::{is_event, LONGEST_EVENT};
use super::sqli::fingerprint;
use super::token::LONGEST;
use super::words::{is_attack, look_up};

/// What a value comes to, read as behind `quote`, attack or none.
fn folded(value: &[u8], quote: u8, mysql: bool) -> String {
    fingerprint(Folding::new(value, quote, mysql).fold()).to_string()
}

/// All fingerprints of attacks, in upper case.
fn attacks() -> impl Iterator<Item = &'static str> {
    include_str!("fingerprints.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split(' '))
}

#[test]
fn every_fingerprint_is_found_and_no_other() {
    let mut count = 0;
    for attack in attacks() {
        assert!(is_attack(attack.as_bytes()), "{attack}");
        assert!(
            is_attack(attack.to_ascii_lowercase().as_bytes()),
            "{attack}"
        );
        assert!(!is_attack(format!("{attack}.").as_bytes()), "{attack}.");
        count += 1;
    }
    assert_eq!(count, 8_367);
    assert!(!is_attack(b"") && !is_attack(b"n") && !is_attack(b"?") && !is_attack(b"nnnnn"));
}

#[test]
fn events_are_sorted_and_each_is_found() {
    let lines = include_str!("events.txt").lines();
    let events: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    assert_eq!(events.len(), 362);
    for pair in events.windows(2) {
        assert!(
            pair[0] < pair[1] && !pair[1].starts_with(pair[0]),
            "{pair:?}"
        );
    }
    for event in events {
        assert!(event.len() <= LONGEST_EVENT);
        let name = event.to_ascii_lowercase();
        assert!(is_event(name.as_bytes()), "{name}");
        assert!(is_event(format!("{name}zz").as_bytes()), "{name}");
        assert!(!is_event(format!("z{name}").as_bytes()), "z{name}");
        assert!(!is_event(&name.as_bytes()[..name.len() - 1]), "{name}, cut");
    }
}

/// What the table says of phrases follows from the phrases in it.
#[test]
fn words_know_their_phrases() {
    let lines = include_str!("keywords.txt").lines();
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    let phrases: Vec<String> = lines
        .iter()
        .filter(|line| !line.starts_with('-') && line[2..].contains(' '))
        .map(|line| format!("{} ", &line[2..]))
        .collect();
    assert_eq!(phrases.len(), 108);
    for word in lines.iter().map(|line| &line[2..]) {
        assert!(word.len() <= LONGEST);
        let found = look_up(word.to_ascii_lowercase().as_bytes()).unwrap();
        assert_eq!(found.text, word.as_bytes());
        let begins = format!("{word} ");
        let begins = phrases
            .iter()
            .any(|phrase| phrase.len() > begins.len() && phrase.starts_with(&begins));
        let continues = phrases
            .iter()
            .any(|phrase| phrase.contains(&format!(" {word} ")));
        assert_eq!(
            (found.begins, found.continues),
            (begins, continues),
            "{word}"
        );
    }
    for no_word in [&b"no such word"[..], b"", b"a", &[b'a'; 40]] {
        assert!(look_up(no_word).is_none());
    }
}
