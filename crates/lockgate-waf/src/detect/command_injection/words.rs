//! Names of programs, as words: what a word in a command's place may be.

/// What a program's name is like, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No word of any language but the shell's.
    Name,
    /// A word or a common abbreviation too: it needs an argument as a shell has it.
    Word,
    /// A word too; it tells something without being given anything.
    Probe,
    /// A word too; it takes a number.
    Number,
    /// A word too; it takes a host.
    Host,
    /// It runs what it is given.
    Shell,
    /// It prints whatever follows.
    Echo,
    /// The next word is the command.
    Prefix,
    /// No name that is known.
    Unknown,
    /// People who build software write of it all day.
    Tool,
}

use Kind::{Echo, Host, Name, Number, Prefix, Probe, Shell, Tool, Word};

/// Programs and built-in commands of POSIX systems and Windows, in order.
static NAMES: &[(&[u8], Kind)] = &[
    (b"adduser", Name),
    (b"alias", Word),
    (b"ansible", Tool),
    (b"apk", Tool),
    (b"apropos", Word),
    (b"apt", Tool),
    (b"apt-get", Tool),
    (b"arch", Word),
    (b"arp", Probe),
    (b"arping", Host),
    (b"ash", Word),
    (b"assoc", Word),
    (b"attrib", Name),
    (b"awk", Name),
    (b"base32", Name),
    (b"base64", Word),
    (b"basename", Name),
    (b"bash", Shell),
    (b"bc", Word),
    (b"bcdedit", Name),
    (b"bg", Word),
    (b"bitsadmin", Name),
    (b"blkid", Name),
    (b"builtin", Prefix),
    (b"bunzip2", Name),
    (b"busybox", Prefix),
    (b"bzcat", Name),
    (b"bzip2", Name),
    (b"cacls", Name),
    (b"cal", Word),
    (b"calc", Word),
    (b"capsh", Name),
    (b"cargo", Tool),
    (b"cat", Word),
    (b"cc", Word),
    (b"cd", Word),
    (b"certutil", Name),
    (b"chattr", Name),
    (b"chgrp", Name),
    (b"chmod", Name),
    (b"choice", Word),
    (b"chown", Name),
    (b"chpasswd", Name),
    (b"chroot", Name),
    (b"cksum", Name),
    (b"cmd", Shell),
    (b"cmdkey", Name),
    (b"cmstp", Name),
    (b"column", Word),
    (b"comm", Word),
    (b"command", Prefix),
    (b"composer", Tool),
    (b"copy", Word),
    (b"cp", Name),
    (b"cpio", Name),
    (b"crontab", Name),
    (b"cscript", Name),
    (b"csh", Shell),
    (b"csplit", Name),
    (b"curl", Name),
    (b"cut", Word),
    (b"dash", Shell),
    (b"date", Word),
    (b"dd", Word),
    (b"declare", Word),
    (b"del", Word),
    (b"deno", Tool),
    (b"df", Probe),
    (b"diff", Word),
    (b"dig", Host),
    (b"dir", Probe),
    (b"dircolors", Name),
    (b"dirname", Name),
    (b"dmesg", Name),
    (b"dmidecode", Name),
    (b"do", Prefix),
    (b"docker", Tool),
    (b"dpkg", Tool),
    (b"driverquery", Name),
    (b"dscl", Name),
    (b"dsquery", Name),
    (b"du", Word),
    (b"echo", Echo),
    (b"ed", Word),
    (b"egrep", Name),
    (b"env", Probe),
    (b"eval", Prefix),
    (b"ex", Word),
    (b"exec", Prefix),
    (b"expect", Word),
    (b"explorer", Word),
    (b"export", Word),
    (b"expr", Name),
    (b"factor", Word),
    (b"fdisk", Name),
    (b"fg", Word),
    (b"fgrep", Name),
    (b"file", Word),
    (b"find", Word),
    (b"findstr", Name),
    (b"fish", Word),
    (b"fmt", Word),
    (b"forfiles", Name),
    (b"fping", Host),
    (b"fsutil", Name),
    (b"ftp", Word),
    (b"gawk", Name),
    (b"gcc", Tool),
    (b"gdb", Tool),
    (b"getent", Name),
    (b"git", Tool),
    (b"gpresult", Name),
    (b"gradle", Tool),
    (b"grep", Name),
    (b"groupadd", Name),
    (b"gunzip", Name),
    (b"gzip", Word),
    (b"head", Word),
    (b"helm", Tool),
    (b"hexdump", Name),
    (b"history", Word),
    (b"host", Host),
    (b"hostid", Name),
    (b"hostname", Probe),
    (b"hostnamectl", Name),
    (b"icacls", Name),
    (b"iconv", Name),
    (b"id", Probe),
    (b"iex", Shell),
    (b"ifconfig", Name),
    (b"ifup", Name),
    (b"installutil", Name),
    (b"ip", Word),
    (b"ipconfig", Name),
    (b"iptables", Name),
    (b"iwconfig", Name),
    (b"java", Tool),
    (b"jobs", Word),
    (b"journalctl", Name),
    (b"jq", Tool),
    (b"kill", Number),
    (b"killall", Name),
    (b"ksh", Shell),
    (b"kubectl", Tool),
    (b"last", Word),
    (b"lastlog", Name),
    (b"launchctl", Name),
    (b"ldapsearch", Name),
    (b"less", Word),
    (b"ln", Word),
    (b"locate", Word),
    (b"loginctl", Name),
    (b"logname", Name),
    (b"look", Word),
    (b"ls", Name),
    (b"lsattr", Name),
    (b"lsb_release", Name),
    (b"lsblk", Name),
    (b"lscpu", Name),
    (b"lsmod", Name),
    (b"lsof", Name),
    (b"lspci", Name),
    (b"lsusb", Name),
    (b"lua", Word),
    (b"lwp-download", Name),
    (b"mail", Word),
    (b"make", Tool),
    (b"mawk", Name),
    (b"md", Word),
    (b"md5sum", Name),
    (b"mkdir", Name),
    (b"mkfifo", Name),
    (b"mknod", Name),
    (b"mkpasswd", Name),
    (b"mktemp", Name),
    (b"more", Word),
    (b"mount", Word),
    (b"move", Word),
    (b"msbuild", Tool),
    (b"mshta", Name),
    (b"msiexec", Name),
    (b"mstsc", Name),
    (b"mtr", Host),
    (b"mv", Name),
    (b"mvn", Tool),
    (b"mysql", Tool),
    (b"mysqldump", Name),
    (b"nano", Word),
    (b"nawk", Name),
    (b"nbtstat", Name),
    (b"nc", Host),
    (b"ncat", Name),
    (b"net", Word),
    (b"net1", Word),
    (b"netcat", Name),
    (b"netsh", Name),
    (b"netstat", Name),
    (b"nft", Name),
    (b"nice", Word),
    (b"nl", Word),
    (b"nltest", Name),
    (b"nmap", Name),
    (b"node", Tool),
    (b"nodejs", Tool),
    (b"nohup", Prefix),
    (b"notepad", Word),
    (b"npm", Tool),
    (b"nproc", Name),
    (b"nsenter", Name),
    (b"nslookup", Name),
    (b"ntpdate", Name),
    (b"numfmt", Name),
    (b"od", Word),
    (b"odbcconf", Name),
    (b"openssl", Tool),
    (b"osascript", Name),
    (b"passwd", Word),
    (b"paste", Word),
    (b"pathping", Name),
    (b"perl", Word),
    (b"pg_dump", Name),
    (b"pgrep", Name),
    (b"php", Word),
    (b"php-cgi", Name),
    (b"pidof", Name),
    (b"ping", Host),
    (b"ping6", Host),
    (b"pip", Tool),
    (b"pkill", Name),
    (b"pnpm", Tool),
    (b"powershell", Shell),
    (b"pr", Word),
    (b"print", Word),
    (b"printenv", Name),
    (b"printf", Echo),
    (b"proot", Name),
    (b"ps", Name),
    (b"psql", Tool),
    (b"pstree", Name),
    (b"pwd", Name),
    (b"pwsh", Shell),
    (b"python", Word),
    (b"python2", Name),
    (b"python3", Word),
    (b"qprocess", Name),
    (b"quser", Name),
    (b"qwinsta", Name),
    (b"rd", Word),
    (b"read", Word),
    (b"readlink", Name),
    (b"readonly", Word),
    (b"realpath", Name),
    (b"reboot", Word),
    (b"redis-cli", Name),
    (b"reg", Word),
    (b"regedit", Name),
    (b"regsvr32", Name),
    (b"ren", Word),
    (b"rename", Word),
    (b"rev", Word),
    (b"rlwrap", Name),
    (b"rm", Name),
    (b"rmdir", Name),
    (b"robocopy", Name),
    (b"route", Word),
    (b"rsync", Name),
    (b"ruby", Word),
    (b"runas", Name),
    (b"rundll32", Name),
    (b"sc", Word),
    (b"schtasks", Name),
    (b"scp", Name),
    (b"script", Word),
    (b"sed", Name),
    (b"seq", Word),
    (b"service", Word),
    (b"sestatus", Name),
    (b"set", Word),
    (b"setsid", Prefix),
    (b"setx", Name),
    (b"sftp", Word),
    (b"sh", Shell),
    (b"sha1sum", Name),
    (b"sha256sum", Name),
    (b"sha512sum", Name),
    (b"shuf", Name),
    (b"shutdown", Word),
    (b"sleep", Number),
    (b"smbclient", Name),
    (b"socat", Name),
    (b"sort", Word),
    (b"source", Word),
    (b"split", Word),
    (b"sqlite3", Tool),
    (b"ss", Word),
    (b"ssh", Word),
    (b"sshpass", Name),
    (b"start", Word),
    (b"start-sleep", Number),
    (b"stat", Word),
    (b"strace", Name),
    (b"strings", Word),
    (b"stty", Name),
    (b"su", Word),
    (b"sudo", Prefix),
    (b"sw_vers", Name),
    (b"sync", Word),
    (b"sysctl", Name),
    (b"systemctl", Name),
    (b"systeminfo", Name),
    (b"tac", Word),
    (b"tail", Word),
    (b"takeown", Name),
    (b"tar", Word),
    (b"taskkill", Name),
    (b"tasklist", Name),
    (b"tclsh", Shell),
    (b"tcpdump", Name),
    (b"tcsh", Shell),
    (b"tee", Word),
    (b"telnet", Host),
    (b"telnetd", Name),
    (b"terraform", Tool),
    (b"test", Word),
    (b"tftp", Name),
    (b"then", Prefix),
    (b"time", Prefix),
    (b"timedatectl", Name),
    (b"timeout", Number),
    (b"top", Word),
    (b"touch", Word),
    (b"tr", Word),
    (b"traceroute", Host),
    (b"tracert", Host),
    (b"trap", Word),
    (b"tree", Word),
    (b"truncate", Word),
    (b"tshark", Name),
    (b"tsort", Name),
    (b"tty", Probe),
    (b"type", Word),
    (b"typeset", Word),
    (b"ufw", Name),
    (b"ulimit", Word),
    (b"umask", Word),
    (b"umount", Name),
    (b"uname", Name),
    (b"uniq", Name),
    (b"unlink", Name),
    (b"unset", Word),
    (b"unshare", Name),
    (b"unxz", Name),
    (b"unzip", Word),
    (b"uptime", Probe),
    (b"useradd", Name),
    (b"userdel", Name),
    (b"usermod", Name),
    (b"uudecode", Name),
    (b"uuencode", Name),
    (b"vdir", Name),
    (b"ver", Probe),
    (b"vi", Word),
    (b"vim", Tool),
    (b"visudo", Name),
    (b"vmstat", Name),
    (b"vol", Word),
    (b"vssadmin", Name),
    (b"w", Word),
    (b"waitfor", Name),
    (b"watch", Word),
    (b"wc", Word),
    (b"wevtutil", Name),
    (b"wget", Name),
    (b"where", Word),
    (b"whereis", Name),
    (b"which", Word),
    (b"who", Word),
    (b"whoami", Name),
    (b"whois", Host),
    (b"winrs", Name),
    (b"wmic", Name),
    (b"wscript", Name),
    (b"xargs", Prefix),
    (b"xcopy", Name),
    (b"xterm", Name),
    (b"xxd", Name),
    (b"xzcat", Name),
    (b"yarn", Tool),
    (b"yum", Tool),
    (b"zcat", Name),
    (b"zgrep", Name),
    (b"zip", Word),
    (b"zless", Name),
    (b"zsh", Shell),
];

/// The longest name.
const LONGEST: usize = 16;

/// What the word names, without ASCII case; Windows' endings are left away.
pub(super) fn named(word: &[u8]) -> Option<Kind> {
    let mut small = [0; LONGEST];
    let word = ["exe", "com", "bat", "cmd"]
        .iter()
        .find_map(|ending| {
            let at = word.len().checked_sub(4)?;
            let (stem, end) = word.split_at_checked(at)?;
            let (b'.', end) = end.split_first().map(|(dot, end)| (*dot, end))? else {
                return None;
            };
            end.eq_ignore_ascii_case(ending.as_bytes()).then_some(stem)
        })
        .unwrap_or(word);
    if !word.first()?.is_ascii_alphabetic() {
        return None;
    }
    let small = small.get_mut(..word.len())?;
    for (to, from) in small.iter_mut().zip(word) {
        *to = from.to_ascii_lowercase();
    }
    let at = KEYS.binary_search(&key(small)).ok()?;
    let (name, kind) = NAMES.get(at)?;
    // A zero byte at its end is not in the key.
    if name.len() != word.len() {
        return None;
    }
    let kind = *kind;
    // Names of two letters are written small; in capitals they are abbreviations.
    // Words with one capital before small letters begin a sentence.
    let capitals = word.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let sentence = capitals == 1
        && word.first().is_some_and(u8::is_ascii_uppercase)
        && !matches!(kind, Name | Shell);
    (capitals == 0 || kind == Shell || word.len() > 3 && !sentence).then_some(kind)
}

/// A name as a number; they are in the order of the names.
const fn key(name: &[u8]) -> u128 {
    let (mut key, mut at) = (0, 0);
    while at < LONGEST {
        let byte = if at < name.len() { name[at] } else { 0 };
        key = key << 8 | byte as u128;
        at += 1;
    }
    key
}

/// All names as numbers, in their order.
static KEYS: [u128; NAMES.len()] = {
    let mut all = [0; NAMES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = key(NAMES[at].0);
        at += 1;
    }
    all
};

/// What it takes to tell what a pattern may name, as if so many bytes were read: all
/// names are looked at, or those that begin with one letter.
pub(super) fn effort(pattern: &[u8]) -> usize {
    match pattern.first() {
        _ if !says(pattern) => 0,
        Some(first) if first.is_ascii_alphanumeric() => NAMES.len() / 16,
        _ => NAMES.len(),
    }
}

/// What a pattern of a shell (`?`, `*`) may name. Only patterns that leave two
/// letters standing count: `*` names everything.
pub(super) fn meant(pattern: &[u8]) -> Option<Kind> {
    if !says(pattern) {
        return None;
    }
    // Where the pattern says with which letter a name begins, only those are looked at.
    let from = match pattern.first() {
        Some(first) if first.is_ascii_alphanumeric() => *first,
        _ => 0,
    };
    let begins = |name: &[u8]| name.first().copied().unwrap_or(0);
    let start = NAMES.partition_point(|(name, _)| begins(name) < from);
    let wanted = signs(pattern);
    let stars = pattern.iter().filter(|byte| **byte == b'*').count();
    let all = NAMES.iter().zip(&SIGNS).skip(start);
    all.take_while(|((name, _), _)| from == 0 || begins(name) == from)
        .filter(|(_, signs)| wanted & *signs == wanted)
        .filter(|((name, kind), _)| {
            *kind != Prefix && name.len() + stars >= pattern.len() && matches(pattern, name)
        })
        .map(|((_, kind), _)| *kind)
        .min_by_key(|kind| *kind as u8)
}

/// Whether a pattern leaves two letters standing, and is no longer than names are.
fn says(pattern: &[u8]) -> bool {
    let letters = pattern.iter().filter(|byte| byte.is_ascii_alphanumeric());
    pattern.len() <= 2 * LONGEST && letters.count() >= 2
}

/// Which signs each name has: what a pattern wants and a name lacks decides most pairs.
static SIGNS: [u64; NAMES.len()] = {
    let mut all = [0; NAMES.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = signs(NAMES[at].0);
        at += 1;
    }
    all
};

/// A bit for each sign of a name or pattern but `?` and `*`; some share one.
const fn signs(text: &[u8]) -> u64 {
    let (mut all, mut at) = (0, 0);
    while at < text.len() {
        if !matches!(text[at], b'?' | b'*') {
            all |= 1 << (text[at] % 64);
        }
        at += 1;
    }
    all
}

/// Whether a shell's pattern names this; bounded by the product of both lengths, which are short.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star = None;
    while let Some(byte) = name.get(here) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                here += 1;
            }
            _ => {
                let Some((back, from)) = star else {
                    return false;
                };
                star = Some((back, from + 1));
                at = back + 1;
                here = from + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{matches, meant, named, Kind, LONGEST, NAMES};

    #[test]
    fn the_table_is_in_order() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(NAMES.iter().all(|(name, _)| name.len() <= LONGEST));
        assert!(NAMES.iter().all(|(name, _)| name[0].is_ascii_lowercase()));
    }

    #[test]
    fn a_pattern_finds_what_its_signs_leave() {
        for pattern in [
            "*hoami", "?at", "ca*", "wh?am?", "*s*", "p?th*3", "*oc*at", "zz*",
        ] {
            let pattern = pattern.as_bytes();
            let slowly = NAMES
                .iter()
                .filter(|(name, kind)| *kind != Kind::Prefix && matches(pattern, name))
                .map(|(_, kind)| *kind as u8)
                .min();
            let letters = pattern.iter().filter(|byte| byte.is_ascii_alphanumeric());
            let slowly = slowly.filter(|_| letters.count() >= 2);
            assert_eq!(meant(pattern).map(|kind| kind as u8), slowly, "{pattern:?}");
        }
    }

    #[test]
    fn names_are_found_without_case_and_endings() {
        assert_eq!(named(b"whoami"), Some(Kind::Name));
        assert_eq!(named(b"PowerShell.EXE"), Some(Kind::Shell));
        assert_eq!(named(b"PS"), None);
        assert_eq!(named(b"whoamI"), Some(Kind::Name));
        assert_eq!(named(b"dogs"), None);
        assert_eq!(named(b".exe"), None);
        assert_eq!(named(b"whoami\0"), None);
        assert_eq!(named(b""), None);
        for (name, kind) in NAMES {
            let capitals = name.len() > 3 || *kind == Kind::Shell;
            assert_eq!(named(name), Some(*kind));
            let found = named(&name.to_ascii_uppercase());
            assert_eq!(found, capitals.then_some(*kind));
        }
    }

    #[test]
    fn patterns_name_what_a_shell_would_find() {
        assert!(matches(b"c?t", b"cat") && matches(b"w*i", b"whoami"));
        assert!(!matches(b"c?t", b"cart") && !matches(b"w*x", b"whoami"));
        assert_eq!(meant(b"wh*ami"), Some(Kind::Name));
        assert_eq!(meant(b"***"), None);
    }
}
