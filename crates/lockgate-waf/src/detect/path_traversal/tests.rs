use super::find;
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn severity(text: &[u8], stood: Where) -> Option<Severity> {
    find(&Value {
        bytes: text,
        stood,
        name: b"file",
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len() && found.at.start <= found.at.end);
        found.severity
    })
}

#[test]
fn paths_that_leave_are_found() {
    for text in [
        "../../etc/passwd",
        "..\\..\\windows\\win.ini",
        "../../../../../../../etc/hosts",
        "../../../../foo",
        "images/../../../../etc/shadow",
        "/var/www/images/../../../etc/passwd",
        "/etc/passwd",
        "@/etc/passwd",
        "file=@/etc/passwd",
        "/etc/passwd\0.jpg",
        "../../etc/passwd\0",
        "c:\\windows\\win.ini",
        "C:/boot.ini",
        "file:///etc/passwd",
        "/proc/self/environ",
        "..;/..;/manager/html",
        "....//....//etc/passwd",
        "....\\/....\\/etc/passwd",
        "..././..././etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..%2fetc/passwd",
        "..%252f..%252fetc/passwd",
        "..%c0%af..%c0%afetc/passwd",
        "%c0%ae%c0%ae/%c0%ae%c0%ae/x",
        "..%u2215..%u2215etc",
        "．．／．．／etc",
        "x=../../etc/passwd&y=1",
        "<img src=\"../../../../etc/passwd\">",
        "php://filter/convert.base64-encode/resource=../../etc/passwd",
        "load_file('/etc/passwd')",
        "/..//..//..//etc/passwd",
        "/./.././.././etc/passwd",
        "../../.ssh/id_rsa",
        "../WEB-INF/web.xml",
    ] {
        assert_eq!(
            severity(text.as_bytes(), Where::Parameter),
            Some(Severity::Critical),
            "{text:?}"
        );
    }
    for text in [
        "/a/../../etc/passwd",
        "/static/../../x",
        "/.git/config",
        "/WEB-INF/web.xml",
        "/..;/admin",
        "/.env",
        "/x/..%2f..%2fy",
    ] {
        assert_eq!(
            severity(text.as_bytes(), Where::Path),
            Some(Severity::Critical),
            "{text:?}"
        );
    }
    for text in [
        &b"..\xC0\xAF..\xC0\xAFetc/passwd"[..],
        b"\xC0\xAE\xC0\xAE/\xC0\xAE\xC0\xAE/x",
    ] {
        assert_eq!(
            severity(text, Where::Parameter),
            Some(Severity::Critical),
            "{text:?}"
        );
    }
}

#[test]
fn one_step_up_is_a_warning() {
    assert_eq!(
        severity(b"../images/a", Where::Parameter),
        Some(Severity::Warning)
    );
}

#[test]
fn parts_of_pages_and_programs_are_named_from_beside() {
    for text in [
        "../images/a.png",
        "../../lib/index.mjs",
        "../../../docs/guide.md",
    ] {
        assert_eq!(
            severity(text.as_bytes(), Where::Parameter),
            None,
            "{text:?}"
        );
        assert!(severity(text.as_bytes(), Where::Path).is_some(), "{text:?}");
    }
    for text in [
        "../../config/database.yml",
        "%2e%2e/%2e%2e/index.js",
        "../../../../a.js",
    ] {
        let found = severity(text.as_bytes(), Where::Parameter);
        assert_eq!(found, Some(Severity::Critical), "{text:?}");
    }
}

#[test]
fn paths_within_the_one_that_was_asked_for_are_read() {
    for root in ["//", "/C:/", "/c:\\", "/\\"] {
        for file in ["etc/hosts", "windows\\win.ini", "proc/self/environ"] {
            let text = format!("/items{root}{file}");
            let found = severity(text.as_bytes(), Where::Path);
            assert_eq!(found, Some(Severity::Critical), "{text:?}");
        }
    }
    assert_eq!(severity(b"/items//page", Where::Path), None);
}

#[test]
fn dots_and_slashes_alone_hide_a_step() {
    for text in ["....//", "..../\\", "....\\/....\\/", "....\\\\"] {
        let found = severity(text.as_bytes(), Where::Parameter);
        assert_eq!(found, Some(Severity::Critical), "{text:?}");
    }
    assert_eq!(severity(b"and so on ... /", Where::Parameter), None);
}

#[test]
fn files_of_a_home_and_a_site_are_nobodys_business() {
    for text in [
        "/srv/a/.bashrc",
        "/app/.env",
        ".git/config",
        "C:\\Users\\a\\.ssh\\id_rsa",
    ] {
        let found = severity(text.as_bytes(), Where::Parameter);
        assert_eq!(found, Some(Severity::Critical), "{text:?}");
    }
    for text in [
        "put it into ~/.bashrc or ~/.zshrc then",
        "see .git/config for it please",
    ] {
        let found = severity(text.as_bytes(), Where::Parameter);
        assert_ne!(found, Some(Severity::Critical), "{text:?}");
    }
}

#[test]
fn paths_of_people_pass() {
    for text in [
        "/home/user1/photo.jpg",
        "C:\\Users\\me\\Documents\\a.docx",
        "![a picture](../images/a.png) and text",
        "see [the guide](../../docs/guide.md) for more",
        "import x from '../lib/x'",
        "a/b/../c",
        "./a/b",
        "https://example.com/a/../b",
        "go test ./... && echo",
        "edit /etc/hosts and restart the machine then",
        "the file /etc/passwd holds the users of it",
        "and/or, he/she, 1/2, 24/7",
        "n/a",
        "...",
        "wait... what/how",
        "text/html; charset=utf-8",
        "50%/60%",
        "100%2",
        "é/ü ‥ …",
        "/api/v1/users/12",
        ".github/workflows/ci.yml",
        "etc/",
        "and so on, etc/ and more",
        "\\frac{1}{2} \\alpha",
        "2024/05/01 10:00",
        "a\\nb",
    ] {
        assert_eq!(
            severity(text.as_bytes(), Where::Parameter),
            None,
            "{text:?}"
        );
    }
    for text in [
        "/api/v1/users/12",
        "/",
        "/a/.well-known/x",
        "/etc/x",
        "/~me/x.y/",
    ] {
        assert_eq!(severity(text.as_bytes(), Where::Path), None, "{text:?}");
    }
}
