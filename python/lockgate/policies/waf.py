"""`waf`: what looks like an attack is refused, by rules in SecLang, by detectors of Lockgate's own, or by both."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.addresses import Clamd
from lockgate.policies._base import Lists, Policy, Settings, Waiver
from lockgate.scalars import (
    Date,
    Text,
    count,
    duration,
    refusal,
    say_duration,
    say_size,
    shown,
    size,
    some,
)

Rules = Literal["native", "core"]

INSPECT: Final = 2**20
"""Bodies of APIs are seldom longer. ModSecurity reads 128 KiB of what is no file, and 12.5 MiB in all."""
ANSWER: Final = 512 * 1024
"""As ModSecurity's recommended configuration has it."""
MAX_INSPECT: Final = 64 * 2**20
SCAN: Final = 25 * 2**20
"""As `StreamMaxLength` of clamd, unless it says another."""
SCAN_MS: Final = 5_000
AT_ONCE: Final = 8
"""Fewer than the ten threads that clamd has by itself, so that some are left for others."""
SCANNER: Final = "malware-scan"
"""What an exclusion calls the virus scanner."""
LEVELS: Final = 4
"""Levels of paranoia that the Core Rule Set has."""

# Plugins name theirs after themselves: `wordpress-rule-exclusions-plugin_enabled`.
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_.-]{0,127}")
_ALLOWED: Final = "letters in lower case, digits, `_`, `-` and `.`, beginning with a letter"
OWN: Final = {
    "blocking_paranoia_level": "paranoia",
    "detection_paranoia_level": "detect",
    "inbound_anomaly_score_threshold": "threshold",
    "outbound_anomaly_score_threshold": "answer_threshold",
    "sampling_percentage": "sampling",
}
"""Variables of the Core Rule Set that a field of the policy says."""


def _rules(value: object) -> object:
    """One name stands for a list of it."""
    return [value] if isinstance(value, str) else some(value)


def _setup(value: object) -> object:
    if not isinstance(value, dict):
        return value
    found: dict[str, str] = {}
    for name, said in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise refusal("waf-setup-name", f"{shown(name)} is no variable's name", allowed=_ALLOWED)
        if name in OWN:
            raise refusal(
                "waf-setup-own", f"`{name}` is what `{OWN[name]}` of the policy says", hint=f"write it as `{OWN[name]}`"
            )
        if isinstance(said, bool) or not isinstance(said, (str, int)):
            raise refusal(
                "waf-setup-value",
                f"{shown(said)} is neither a number nor a text",
                hint=_one_text(name, said),
                at=(name,),
            )
        found[name] = str(said)
    return found


def _one_text(name: str, said: object) -> str:
    """How to write what rules take as one text."""
    if isinstance(said, bool):
        return f"write `{name}: {int(said)}`"
    if isinstance(said, list) and said and all(isinstance(each, str | int) for each in said):
        return f'a list is one text, its words parted by spaces: `{name}: "{" ".join(map(str, said))}"`'
    return 'write one text, as `crs-setup.conf` has it, such as `allowed_methods: "GET HEAD POST PUT"`'


class Answers(Settings):
    """Which answers are looked at, and how much of them."""

    types: Annotated[list[Text], BeforeValidator(some)] = Field(
        default=["text/plain", "text/html", "text/xml", "application/json"],
        description="Types whose bodies are looked at.",
        examples=[["text/html", "application/json"]],
        json_schema_extra={"minItems": 1},
    )
    bytes: Annotated[int, size(1024, MAX_INSPECT)] = Field(
        default=ANSWER,
        description="How much of a body is looked at; it is held back until then, and the rest passes.",
        examples=["128KiB"],
        json_schema_extra={"default": say_size(ANSWER)},
    )


class Scan(Settings):
    """Has files scanned for viruses by ClamAV's `clamd`, once nothing else refuses the request."""

    clamd: Clamd = Field(
        description="Where it listens: `unix:` and the path of its socket, or an IP address and a port. It gets the "
        "files as they are, and nothing on the way to an address is encrypted.",
        examples=["unix:/run/clamav/clamd.ctl", "127.0.0.1:3310"],
    )
    timeout: Annotated[int, duration(10, 300_000)] = Field(
        default=SCAN_MS,
        description="How long all scans of one request may take, the wait for a place among them.",
        examples=["30s"],
        json_schema_extra={"default": say_duration(SCAN_MS)},
    )
    bytes: Annotated[int, size(1024, MAX_INSPECT)] = Field(
        default=SCAN,
        description="Most bytes of one file; a longer one is refused with 413. No more than `StreamMaxLength` in "
        "clamd's own configuration.",
        examples=["10MiB"],
        json_schema_extra={"default": say_size(SCAN)},
    )
    at_once: Annotated[int, count(1, 1_000)] = Field(
        default=AT_ONCE,
        description="Most requests of the gate whose files are scanned at the same time; others wait.",
        examples=[4],
    )
    on_error: Literal["refuse", "pass"] = Field(
        default="refuse",
        description="What becomes of files that cannot be scanned: the request is refused with 503, or passes, and is "
        "written down.",
        examples=["pass"],
    )


class WafExclusion(Settings):
    """Rules or detectors that leave some values alone, until a day."""

    rule: Text = Field(
        description="What leaves them alone: a rule's id, a range of ids, a tag, the name of a detector, or "
        "`malware-scan`, the virus scanner.",
        examples=["942100", "942100-942199", "attack-sqli", "sql-injection", "malware-scan"],
    )
    at: Text | None = Field(
        default=None,
        description="Which values: `query/NAME`, `body/NAME`, `header/NAME`, `cookie/NAME`, `file/NAME`, `path`, "
        "`target` (path and query as one) or `answer`. Behind `body` stands a parameter's name, or a JSON pointer: "
        "`body/items/0/note`. `*` stands for anything within a name or an array's number, and `**` for any number of "
        "steps; `~0`, `~1` and `~2` are a `~`, a `/` and a `*` in a name. Left out, all values.",
        examples=["body/items/*/note", "query/q"],
    )
    request: Text | None = Field(
        default=None,
        description="Of which requests: a path, or a method and a path, as the gate routes it; `*` stands for one "
        "step of it or a part of one, `**` for any number of steps. Left out, all requests of the API.",
        examples=["POST /shop/notes", "/shop/notes/*"],
    )
    owner: Text = Field(description="Who answers for it.", examples=["shop-team"])
    reason: Text = Field(description="Why it is needed.", examples=["free text"])
    until: Date = Field(description="The day, at 00:00 UTC, from which it no longer holds.", examples=["2027-01-01"])

    @property
    def waiver(self) -> Waiver:
        """Who answers for it, and until when."""
        return Waiver(owner=self.owner, reason=self.reason, until=self.until)


class Waf(Policy):
    """Looks for attacks in every value of a request: path, query, header fields, cookies and what is in the body."""

    room: ClassVar[str] = "waf"

    rules: Annotated[list[Rules], BeforeValidator(_rules)] = Field(
        default=["native"],
        description="What looks: `native` are Lockgate's own detectors, which need no installation; `core` is the "
        "OWASP Core Rule Set, installed beside the configuration in `.lockgate/rules/core`. One of them, or a list of "
        "both.",
        examples=["core", ["core", "native"]],
        json_schema_extra={"minItems": 1},
    )
    files: list[Text] = Field(
        default=[],
        description="Files of rules in SecLang of your own, read behind the Core Rule Set where that is used; `*` "
        "stands for part of a name. Lists and files that they name are read from beside them.",
        examples=[["waf/*.conf"]],
    )
    paranoia: Annotated[int, count(1, LEVELS)] = Field(
        default=1,
        description="Up to which level of paranoia the Core Rule Set's rules count; more find more, also where "
        "nothing is.",
        examples=[2],
    )
    detect: Annotated[int, count(1, LEVELS)] | None = Field(
        default=None,
        description="Up to which level rules are asked and written down; those above `paranoia` count for nothing. "
        "Left out, as `paranoia`.",
        examples=[3],
    )
    threshold: Annotated[int, count(1, 10_000)] = Field(
        default=5,
        description="The score from which on a request is refused. A critical finding scores 5, an error 4, a warning "
        "3, a notice 2.",
        examples=[10],
    )
    answer_threshold: Annotated[int, count(1, 10_000)] = Field(
        default=4,
        description="The score from which on an answer is refused.",
        examples=[8],
    )
    sampling: Annotated[int, count(1, 100)] = Field(
        default=100,
        description="Of a hundred requests, how many the Core Rule Set looks at; to begin with on a busy site.",
        examples=[10],
    )
    overrule: bool = Field(
        default=True,
        description="Where both look, what the Core Rule Set found counts for nothing if detectors that judge that "
        "kind of attack read the same values and found nothing. It is written down all the same.",
        examples=[False],
    )
    setup: Annotated[dict[str, str], BeforeValidator(_setup)] = Field(
        default={},
        description="Other settings of `crs-setup.conf` and of plugins, by the names of their variables without "
        "`tx.`. A list is one text, its words parted by spaces, in the form that `crs-setup.conf` gives them. A name "
        "that no rule reads is refused.",
        examples=[{"allowed_methods": "GET HEAD POST PUT PATCH DELETE", "max_num_args": 255}],
    )
    exclude: list[WafExclusion] = Field(
        default=[],
        description="Rules or detectors that leave some values alone.",
        examples=[
            [
                {
                    "rule": "942100",
                    "at": "body/note",
                    "owner": "shop-team",
                    "reason": "free text",
                    "until": "2027-01-01",
                }
            ]
        ],
    )
    inspect_bytes: Annotated[int, size(1024, MAX_INSPECT)] = Field(
        default=INSPECT,
        description="Most bytes of a body that are looked at. It is held back until then.",
        examples=["128KiB"],
        json_schema_extra={"default": say_size(INSPECT)},
    )
    longer: Literal["refuse", "begin"] = Field(
        default="refuse",
        description="What becomes of a longer body: it is refused with 413, or judged by its beginning (`begin`).",
        examples=["begin"],
    )
    answers: Answers | None = Field(
        default=None,
        description="Looks at answers too, for what should not get out; left out, they pass. The API is then asked for "
        "all of an answer, and unpacked, whatever the client asks for.",
        examples=[{"types": ["text/html"], "bytes": "128KiB"}],
    )
    scan: Scan | None = Field(
        default=None,
        description="Has files scanned for viruses by ClamAV; left out, they are not.",
        examples=[{"clamd": "unix:/run/clamav/clamd.ctl"}],
    )

    @model_validator(mode="after")
    def _levels(self) -> Waf:
        if self.detect is not None and self.detect < self.paranoia:
            raise refusal(
                "waf-detect-below",
                f"`detect: {self.detect}` is below `paranoia: {self.paranoia}`: what counts has to be asked",
                hint="leave `detect` out, or raise it",
                at=("detect",),
            )
        return self

    @model_validator(mode="after")
    def _whole(self) -> Waf:
        if self.scan is not None and self.longer == "begin":
            raise refusal(
                "waf-scan-begin",
                "`longer: begin` lets pass what was not held back, and only what is held back can be scanned",
                hint="raise `inspect_bytes` instead, or leave `scan` out",
                at=("longer",),
            )
        return self

    @model_validator(mode="after")
    def _scanner(self) -> Waf:
        for index, one in enumerate(self.exclude):
            if one.rule == SCANNER and self.scan is None:
                raise refusal(
                    "waf-scan-missing",
                    f"`{SCANNER}` leaves files out of a scan, and there is no `scan`",
                    hint="take the exclusion out, or say `scan`",
                    at=("exclude", index, "rule"),
                )
        return self

    @property
    def reads_rules(self) -> bool:
        """Whether it has rules in SecLang at all."""
        return "core" in self.rules or bool(self.files)

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it; its rule set is added by whoever reads that."""
        values = {
            "paranoia": self.paranoia,
            "detect": self.detect or self.paranoia,
            "threshold": self.threshold,
            "answer_threshold": self.answer_threshold,
            "sampling": self.sampling,
        }
        core = {variable: str(values[field]) for variable, field in OWN.items()}
        return {
            "set": None,
            "native": "native" in self.rules,
            "overrule": self.overrule and {"core", "native"} <= {*self.rules},
            "variables": {**(core if "core" in self.rules else {}), **self.setup},
            "threshold": self.threshold,
            "exclude": [],
            "inspect_bytes": self.inspect_bytes,
            "longer": self.longer,
            "answers": None
            if self.answers is None
            else {"types": [kind.lower() for kind in self.answers.types], "bytes": self.answers.bytes},
            "scan": None
            if self.scan is None
            else {
                "clamd": self.scan.clamd,
                "timeout_ms": self.scan.timeout,
                "bytes": self.scan.bytes,
                "at_once": self.scan.at_once,
                "on_error": self.scan.on_error,
            },
        }
