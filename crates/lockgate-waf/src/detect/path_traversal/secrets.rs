//! Files and folders that nobody has to ask for.

use crate::bytes::ByteSet;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secret {
    /// Nothing of the kind.
    None,
    /// The system's own.
    System,
    /// What a site keeps to itself.
    Site,
    /// Logs and states of programs: read, or filled with code to be run.
    Log,
}

/// Folders and files below a root.
const SYSTEM: [&[u8]; 12] = [
    b"etc/",
    b"proc/",
    b"windows/",
    b"winnt/",
    b"boot.ini",
    b"autoexec.bat",
    b"inetpub/",
    b"private/etc/",
    b"usr/local/etc/",
    b"usr/local/apache",
    b"var/run/secrets/",
    b"root/.",
];

/// The same, where programs write.
const LOGS: [&[u8]; 7] = [
    b"var/log/",
    b"var/adm/",
    b"var/spool/",
    b"var/lib/php",
    b"var/mail/",
    b"root/",
    b"sys/",
];

/// Names that are secret in every folder.
const SITE: [&[u8]; 35] = [
    b".aws",
    b".bash_history",
    b".bash_profile",
    b".bashrc",
    b".docker",
    b".dockercfg",
    b".ds_store",
    b".env",
    b".git",
    b".git-credentials",
    b".hg",
    b".htaccess",
    b".htpasswd",
    b".kube",
    b".my.cnf",
    b".mysql_history",
    b".netrc",
    b".node_repl_history",
    b".pgpass",
    b".psql_history",
    b".pypirc",
    b".python_history",
    b".ssh",
    b".svn",
    b".zsh_history",
    b".zshrc",
    b"authorized_keys",
    b"id_dsa",
    b"id_ecdsa",
    b"id_ed25519",
    b"id_rsa",
    b"meta-inf",
    b"web-inf",
    b"web.config",
    b"wp-config.php",
];

/// How the names begin that are secret in every folder.
const BEGIN: ByteSet = {
    let mut begin = ByteSet::NONE;
    let mut at = 0;
    while at < SITE.len() {
        begin = begin.union(&ByteSet::of(SITE[at].split_at(1).0));
        at += 1;
    }
    begin
};

/// Whether a segment of a path may be one of these names, by how it begins.
pub(super) fn may_begin(segment: &[u8]) -> bool {
    let [first, second, ..] = segment else {
        return false;
    };
    let begin = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
    BEGIN.contains(begin[0]) && SITE.iter().any(|name| name.starts_with(&begin))
}

/// Files that are asked for after a climb, wherever they lie.
const FILES: [&[u8]; 12] = [
    b"passwd",
    b"shadow",
    b"hosts",
    b"win.ini",
    b"boot.ini",
    b"system.ini",
    b"httpd.conf",
    b"php.ini",
    b"my.cnf",
    b"environ",
    b"access.log",
    b"cmd.exe",
];

/// What a path names: `kept` is what stands after its last step up, in lower
/// case, with slashes. `root`: it stands at a root; `climbed`: it went up.
pub(super) fn named(kept: &[u8], root: bool, climbed: bool) -> Secret {
    let kept = kept.strip_prefix(b"/").unwrap_or(kept);
    if kept.is_empty() {
        return Secret::None;
    }
    let below = |begin: &&[u8]| kept.starts_with(begin);
    let longer =
        |begin: &&[u8]| below(begin) && (kept.len() > begin.len() || !begin.ends_with(b"/"));
    if (root || climbed) && SYSTEM.iter().any(longer) {
        return Secret::System;
    }
    if (root || climbed) && LOGS.iter().any(longer) {
        // Logs of what answers strangers are filled by them.
        let served = [
            "apache", "httpd", "nginx", "access", "auth.log", "mail", "vsftpd", "sshd",
        ];
        return if served
            .iter()
            .any(|name| memchr::memmem::find(kept, name.as_bytes()).is_some())
        {
            Secret::System
        } else {
            Secret::Log
        };
    }
    let last = kept.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    if climbed && FILES.contains(&last) {
        return Secret::System;
    }
    let mut segments = kept.split(|byte| *byte == b'/');
    let begins = |segment: &[u8]| segment.first().is_some_and(|first| BEGIN.contains(*first));
    if segments.any(|segment| begins(segment) && SITE.binary_search(&segment).is_ok()) {
        return Secret::Site;
    }
    Secret::None
}

#[cfg(test)]
mod tests;
