"""What one configuration changes against another, and whether it opens something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockgate.config import load
from lockgate.rehearsal.differences import Difference, differences
from support import places

BASE = """\
version: 1
listeners: {public: {address: "127.0.0.1:8080", limits: {headers: 50, body_rate_min: 2KiB/s}}}
upstreams: {shop: {targets: ["http://127.0.0.1:9000"]}}
defaults: {body_limit: {bytes: 64KiB}}
apis:
  shop:
    hosts: [shop.example.com]
    path: /shop
    methods: [GET]
    upstream: shop
    authenticate: [{api_key: {header: X-Key}}]
    authorize: authenticated
    ip_filter: {allow: [10.0.0.0/8], deny: [10.1.0.0/16]}
  open:
    path: /open
    upstream: shop
    public: {owner: ops, reason: docs, until: 2099-01-01}
"""


def compared(folder: Path, *changes: tuple[str, str]) -> list[Difference]:
    """What these replacements in the base change."""
    text = BASE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    bundles = []
    for name, content in (("before.yaml", BASE), ("after.yaml", text)):
        (folder / name).write_text(content)
        bundles.append(load(folder / name).compile(0, 0))
    return differences(*bundles)


def test_nothing_is_no_difference(tmp_path: Path) -> None:
    assert compared(tmp_path) == []


def test_what_is_only_written_otherwise_is_no_difference(tmp_path: Path) -> None:
    assert (
        compared(
            tmp_path,
            (
                "  shop:\n    hosts: [shop.example.com]\n    path: /shop\n",
                "  shop:\n    path: [/shop]\n    # x\n    hosts: [shop.example.com]\n",
            ),
        )
        == []
    )
    assert compared(tmp_path, ("64KiB", "65536")) == []


@pytest.mark.parametrize(
    ("old", "new", "effect", "object_", "words"),
    [
        ("    methods: [GET]\n", "", "opens", "apis.shop.methods", "any method"),
        ("[GET]", "[GET, POST]", "opens", "apis.shop.methods", "method POST is new"),
        ("path: /open\n", "path: /open\n    methods: [GET]\n", "closes", "apis.open.methods", "only method GET"),
        ("path: /shop", "path: [/shop, /more]", "opens", "apis.shop.path", "path /more is new"),
        ("path: /shop", "path: {exact: /shop}", "opens", "apis.shop.path", "/shop alone"),
        ("hosts: [shop.example.com]\n    ", "", "opens", "apis.shop.hosts", "any host"),
        ("deny: [10.1.0.0/16]", "deny: []", "opens", "apis.shop.ip_filter.deny", "denied no more: 10.1.0.0/16"),
        ("deny: [10.1.", "deny: [10.2.0.0/16, 10.1.", "closes", "apis.shop.ip_filter.deny", "denied now: 10.2.0.0/16"),
        ("allow: [10.0.0.0/8], ", "", "opens", "apis.shop.ip_filter.allow", "any allowed network"),
        ("allow: [10.", "allow: [192.0.2.1, 10.", "opens", "apis.shop.ip_filter.allow", "192.0.2.1"),
        (
            "    ip_filter: {allow: [10.0.0.0/8], deny: [10.1.0.0/16]}\n",
            "",
            "opens",
            "apis.shop.ip_filter",
            "not asked",
        ),
        ("{allow: [10.0", "{mode: observe, allow: [10.0", "opens", "apis.shop.ip_filter.mode", "enforce to observe"),
        (
            "{allow: [10.0",
            "{on_error: allow, allow: [10.0",
            "opens",
            "apis.shop.ip_filter.on_error",
            "allow instead of deny",
        ),
        ("64KiB", "1MiB", "opens", "apis.shop.body_limit.bytes", "bytes is 1MiB instead of 64KiB"),
        ("64KiB", "1KiB", "closes", "apis.shop.body_limit.bytes", "bytes is 1KiB instead of 64KiB"),
        (
            "path: /shop\n",
            "path: /shop\n    limits: [{name: calm, by: address, allow: 5/s}]\n",
            "closes",
            "apis.shop.limits.calm",
            "asked now",
        ),
        ("X-Key", "X-Other", "opens", "apis.shop.authenticate", "X-Other"),
        ("2099-01-01", "2099-02-01", "opens", "apis.open.public", "2099-02-01 instead of 2099-01-01"),
        ("2099-01-01", "2098-01-01", "closes", "apis.open.public", "2098-01-01 instead of 2099-01-01"),
        ("owner: ops", "owner: me", "changes", "apis.open.public", "me answers for it"),
        ("headers: 50", "headers: 60", "opens", "listeners.public.limits.headers", "60 instead of 50"),
        ("2KiB/s", "1KiB/s", "opens", "listeners.public.limits.body_rate_min", "1KiB/s instead of 2KiB/s"),
        ("2KiB/s", "3KiB/s", "closes", "listeners.public.limits.body_rate_min", "3KiB/s instead of 2KiB/s"),
        ("8080", "8082", "changes", "listeners.public.address", "8082"),
        (':8080"', ':8080", trusted_proxies: [10.0.0.1]', "opens", "listeners.public.trusted_proxies", "10.0.0.1"),
        (":9000", ":9001", "changes", "upstreams.shop.targets", ":9001"),
        ("version: 1\n", "version: 1\nfacts: {then: deny}\n", "changes", "facts.then", "deny instead of continue"),
        ("version: 1\n", "version: 1\nevents: {access: false}\n", "changes", "events.access", "false instead of true"),
        (
            "path: /open\n    upstream: shop",
            "path: /open\n    strip_path: true\n    upstream: shop",
            "changes",
            "apis.open.strip_path",
            "true",
        ),
    ],
)
def test_a_change_is_told_with_what_it_does(
    tmp_path: Path, old: str, new: str, effect: str, object_: str, words: str
) -> None:
    found = compared(tmp_path, (old, new))
    match = [one for one in found if one.object == object_ and one.effect == effect]
    assert match, found
    assert any(words in one.message for one in match), match


def test_who_may_connect_to_a_unix_socket(tmp_path: Path) -> None:
    def at(more: str) -> tuple[str, str]:
        return '"127.0.0.1:8080"', f'"unix:/run/lockgate/gate.sock"{more}'

    (moved,) = compared(tmp_path, at(""))
    assert (moved.effect, moved.object) == ("changes", "listeners.public.address")
    found = {one.object: one for one in compared(tmp_path, at(', socket: {mode: "0666", group: www-data}'))}
    wider, group = found["listeners.public.socket.mode"], found["listeners.public.socket.group"]
    assert (wider.effect, wider.message) == ("opens", "its mode is 0666 instead of 0660")
    assert (group.effect, group.message) == ("changes", "group is www-data instead of nothing")
    narrower = {one.object: one for one in compared(tmp_path, at(', socket: {mode: "0600"}'))}
    assert narrower["listeners.public.socket.mode"].effect == "closes"


def test_apis_come_and_go(tmp_path: Path) -> None:
    (gone,) = [one for one in compared(tmp_path, ("  open:\n", "  public_docs:\n")) if one.effect == "closes"]
    assert gone.message == "API open is gone: /open of any host"
    (new,) = [one for one in compared(tmp_path, ("  open:\n", "  public_docs:\n")) if one.effect == "opens"]
    assert new.message == "API public_docs is new: /open of any host; anyone may call, until 2099-01-01"
    assert new.place == "after.yaml:14"


def test_what_opens_comes_first_and_places_are_the_new_files(tmp_path: Path) -> None:
    found = compared(tmp_path, ("deny: [10.1.0.0/16]", "deny: [10.2.0.0/16]"), ("9000", "9001"))
    assert [one.effect for one in found] == ["opens", "closes", "changes"]
    assert [one.place for one in found] == ["after.yaml:13", "after.yaml:13", "after.yaml:3"]


def test_what_must_hold_together_is_less_than_either_alone(tmp_path: Path) -> None:
    alone = ("{api_key: {header: X-Key}}", "{api_key: {header: X-Key}}, {api_key: {header: X-Other}}")
    both = ("[{api_key: {header: X-Key}}]", "[{all: [{api_key: {header: X-Key}}, {api_key: {header: X-Other}}]}]")
    told = {(one.effect, one.message.partition("(")[0].strip()) for one in compared(tmp_path, both)}
    assert ("closes", "api_key") in told
    assert any("must hold together now" in one.message for one in compared(tmp_path, both))
    assert not any("together" in one.message for one in compared(tmp_path, alone))


def test_moving_from_keys_to_anyone_opens(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        (
            "authenticate: [{api_key: {header: X-Key}}]\n    authorize: authenticated",
            "public: {owner: o, reason: r, until: 2099-01-01}",
        ),
    )
    effects = {(one.effect, one.object) for one in found}
    assert ("opens", "apis.shop.public") in effects


LIMITED = "path: /shop\n    limits: [{{name: calm, by: address, allow: {allow}, burst: {burst}}}]\n"


@pytest.mark.parametrize(
    ("allow", "burst", "effect", "object_", "words"),
    [
        ("10/s", 20, "opens", "apis.shop.limits.calm.allow", "it allows 10 in 1s instead of 5 in 1s"),
        ("5/m", 20, "closes", "apis.shop.limits.calm.allow", "it allows 5 in 1m instead of 5 in 1s"),
        ("5/s", 30, "opens", "apis.shop.limits.calm.burst", "burst is 30 instead of 20"),
        ("5/s", 10, "closes", "apis.shop.limits.calm.burst", "burst is 10 instead of 20"),
    ],
)
def test_a_limit_is_loosened_or_tightened(
    tmp_path: Path, allow: str, burst: int, effect: str, object_: str, words: str
) -> None:
    bundles = []
    for name, (rate, most) in {"before.yaml": ("5/s", 20), "after.yaml": (allow, burst)}.items():
        (tmp_path / name).write_text(BASE.replace("path: /shop\n", LIMITED.format(allow=rate, burst=most)))
        bundles.append(load(tmp_path / name, native=False).compile(0, 0))
    (found,) = differences(*bundles)
    assert (found.effect, found.object, found.message) == (effect, object_, words)
    gone = differences(bundles[0], {**bundles[0], "apis": [_unlimited(api) for api in bundles[0]["apis"]]})
    assert ("opens", "apis.shop.limits.calm") in {(one.effect, one.object) for one in gone}


def _unlimited(api: dict[str, Any]) -> dict[str, Any]:
    return {**api, "policies": {**api["policies"], "limits": []}}


CHECKS = """\
from lockgate.plugin import Plugin, allow


class Check(Plugin):
    def on_request(self, head):
        return allow()


class Other(Check):
    pass
"""
ASKED = "{use: checks:Check, deadline: 50ms, options: {a: 1}}"


@pytest.mark.parametrize(
    ("before", "after", "code", "effect", "object_", "words"),
    [
        ("", ASKED, CHECKS, "closes", "apis.shop.plugins.checks:Check", "plugin checks:Check is asked now"),
        (ASKED, "", CHECKS, "opens", "apis.shop.plugins.checks:Check", "plugin checks:Check is not asked any more"),
        (
            ASKED,
            f"{ASKED}, {ASKED}",
            CHECKS,
            "closes",
            "apis.shop.plugins.checks:Check (2)",
            "plugin checks:Check (2) is asked now",
        ),
        (
            ASKED,
            ASKED.replace("options", "mode: observe, options"),
            CHECKS,
            "opens",
            "apis.shop.plugins.checks:Check.mode",
            "plugin checks:Check goes from enforce to observe",
        ),
        (
            ASKED,
            ASKED.replace("options", "on_error: allow, options"),
            CHECKS,
            "opens",
            "apis.shop.plugins.checks:Check.on_error",
            "what fails of plugin checks:Check itself: allow instead of deny",
        ),
        (
            ASKED,
            ASKED.replace("a: 1", "a: 2"),
            CHECKS,
            "changes",
            "apis.shop.plugins.checks:Check.options",
            "plugin checks:Check is made with other options",
        ),
        (
            ASKED,
            ASKED,
            CHECKS + "# More.\n",
            "changes",
            "apis.shop.plugins.checks:Check",
            "the code of plugin checks:Check has changed",
        ),
    ],
)
def test_plugins_are_told_apart(
    tmp_path: Path, before: str, after: str, code: str, effect: str, object_: str, words: str
) -> None:
    bundles = []
    for name, (entries, source) in {"before.yaml": (before, CHECKS), "after.yaml": (after, code)}.items():
        (tmp_path / "checks.py").write_text(source)
        (tmp_path / name).write_text(BASE.replace("path: /shop\n", f"path: /shop\n    plugins: [{entries}]\n"))
        bundles.append(load(tmp_path / name).compile(0, 0))
    (found,) = differences(*bundles)
    assert (found.effect, found.object, found.message) == (effect, object_, words)
    assert not differences(bundles[1], bundles[1])


TOKENS = """\
version: 1
issuers:
  company:
    issuer: https://login.example.com
    audience: [shop]
    require: [scope]
    max_age: 1h
    types: [at+jwt]
    skew: 30s
apis:
  shop:
    upstream: http://127.0.0.1:9000
    authenticate: [{jwt: {issuer: company}}]
    authorize: authenticated
    cors: {origins: ["https://shop.example.com"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "effect", "object_", "words"),
    [
        ("audience: [shop]", "audience: [shop, any]", "opens", "issuers.company.audiences", "audience any is new"),
        ("    require: [scope]\n", "", "opens", "issuers.company.require", "demanded no more: scope"),
        ("[scope]", "[scope, tenant]", "closes", "issuers.company.require", "demanded now: tenant"),
        ("    max_age: 1h\n", "", "opens", "issuers.company.max_age", "max_age is nothing instead of 1h"),
        ("max_age: 1h", "max_age: 1m", "closes", "issuers.company.max_age", "max_age is 1m instead of 1h"),
        ("[at+jwt]", "[at+jwt, JWT]", "opens", "issuers.company.types", "type jwt is new"),
        ("skew: 30s", "skew: 60s", "opens", "issuers.company.skew_ms", "skew_ms is 1m instead of 30s"),
        (
            "https://login.example.com",
            "https://evil.example.net",
            "opens",
            "issuers.company.issuer",
            "tokens of https://evil.example.net are believed, those of https://login.example.com no more",
        ),
        ('["https://shop.example.com"]', '["*"]', "opens", "apis.shop.cors.origins", "origin * is new"),
        ('com"]}', 'com"], credentials: true}', "opens", "apis.shop.cors.credentials", "credentials is true now"),
    ],
)
def test_what_issuers_and_origins_open(
    tmp_path: Path, old: str, new: str, effect: str, object_: str, words: str
) -> None:
    assert old in TOKENS
    (tmp_path / "before.yaml").write_text(TOKENS)
    (tmp_path / "after.yaml").write_text(TOKENS.replace(old, new))
    found = differences(*(load(tmp_path / name).compile(0, 0) for name in ("before.yaml", "after.yaml")))
    assert (effect, object_, words) in {(one.effect, one.object, one.message) for one in found}
    assert all(one.place is not None and one.place.startswith("after.yaml:") for one in found)


GUARDED = """\
version: 1
apis:
  shop:
    path: /
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
    waf:
      rules: native
      files: [own.conf]
      setup: {allowed_methods: GET POST}
      exclude:
        - {rule: sql-injection, at: body/**, request: POST /notes/**, owner: ann, reason: r, until: 2099-01-01}
"""
RULES = (
    'SecRule &TX:allowed_methods "@eq 0" "id:1,phase:1,nolog,pass,setvar:\'tx.allowed_methods=GET\'"\n'
    'SecRule REQUEST_METHOD "!@within %{tx.allowed_methods}" "id:2,phase:1,deny"\n'
)
ENTRY = "- {rule: sql-injection, at: body/**, request: POST /notes/**, owner: ann, reason: r, until: 2099-01-01}"


@pytest.mark.parametrize(
    ("old", "new", "effect", "field", "words"),
    [
        ("at: body/**", "at: body/note", "closes", "exclude", "body/note, of POST /notes/**, instead of body/**"),
        ("POST /notes/**", "POST /notes/*", "closes", "exclude", "less than before"),
        ("POST /notes/**", "/notes/**", "opens", "exclude", "more than before"),
        ("at: body/**, ", "", "opens", "exclude", "every value, of POST /notes/**, instead of body/**"),
        ("at: body/**", "at: query/q", "opens", "exclude", "query/q, of POST /notes/**, instead of body/**"),
        ("2099-01-01}", "2098-01-01}", "closes", "exclude", "until 2098-01-01 instead of 2099-01-01"),
        ("owner: ann", "owner: bob", "changes", "exclude", "bob answers for it (r)"),
        (f"      exclude:\n        {ENTRY}\n", "", "closes", "exclude", "sql-injection leaves alone no more: body/**"),
        (
            ENTRY,
            f"{ENTRY}\n        {ENTRY.replace('sql-injection', 'jndi-lookup')}",
            "opens",
            "exclude",
            "jndi-lookup leaves alone body/**, of POST /notes/**, until 2099-01-01 (ann: r)",
        ),
        (
            "GET POST}",
            "GET PUT}",
            "changes",
            "setup.allowed_methods",
            "allowed_methods is with PUT and without POST now",
        ),
        ("rules: native", "rules: native\n      threshold: 9", "opens", "threshold", "threshold is 9 instead of 5"),
        ("files: [own.conf]", "files: [other.conf]", "changes", "rules", "new: other.conf; gone: own.conf"),
        ("rules: native", "rules: native\n      answers: {}", "closes", "answers", "answers are looked at now"),
        ("rules: native", "rules: native\n      longer: begin", "opens", "longer", "judged by its beginning"),
        (
            "rules: native",
            "rules: native\n      inspect_bytes: 2MiB",
            "changes",
            "inspect_bytes",
            "2MiB of a body are looked at instead of 1MiB",
        ),
    ],
)
def test_what_a_waf_changes_is_said_in_the_words_of_the_configuration(
    tmp_path: Path, old: str, new: str, effect: str, field: str, words: str
) -> None:
    for name in ("own.conf", "other.conf"):
        (tmp_path / name).write_text(RULES)
    assert old in GUARDED
    bundles = []
    for name, content in (("before.yaml", GUARDED), ("after.yaml", GUARDED.replace(old, new))):
        (tmp_path / name).write_text(content)
        bundles.append(load(tmp_path / name).compile(0, 0))
    (found,) = differences(*bundles)
    assert (found.effect, found.object) == (effect, f"apis.shop.waf.{field}")
    assert words in found.message
    assert found.place is not None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("{}", "{deny_countries: [FR]}", [("closes", "deny_countries", "denied now: FR")]),
        ("{deny_countries: [FR, DE]}", "{deny_countries: [DE]}", [("opens", "deny_countries", "denied no more: FR")]),
        ("{deny_networks: [64500]}", "{}", [("opens", "deny_networks", "denied no more: AS64500")]),
        ("{}", "{allow_countries: [DE]}", [("closes", "allow_countries", "only allowed country DE")]),
        ("{allow_countries: [DE]}", "{}", [("opens", "allow_countries", "any allowed country")]),
        ("{allow_countries: [DE]}", "{allow_countries: [DE, FR]}", [("opens", "allow_countries", "FR is new")]),
    ],
)
def test_where_callers_may_be(tmp_path: Path, before: str, after: str, told: list[tuple[str, str, str]]) -> None:
    found = located(tmp_path, f"{{geo: {before}}}", f"{{geo: {after}}}")
    assert [(each.effect, each.object) for each in found] == [
        (effect, f"apis.open.ip_filter.geo.{name}") for effect, name, _ in told
    ]
    assert all(words in each.message for each, (_, _, words) in zip(found, told, strict=True))


def test_an_address_beside_countries_opens(tmp_path: Path) -> None:
    """It takes neither list for all to be let in, and each entry of either lets somebody in."""
    countries = "{geo: {allow_countries: [DE]}}"
    both = "{allow: [10.0.0.0/8], geo: {allow_countries: [DE]}}"
    (opened,) = located(tmp_path, countries, both)
    assert (opened.effect, opened.object) == ("opens", "apis.open.ip_filter.allow")
    (closed,) = located(tmp_path, both, countries)
    assert closed.effect == "closes"
    assert {each.effect for each in located(tmp_path, "{}", both)} == {"closes"}
    assert {each.effect for each in located(tmp_path, both, "{}")} == {"opens"}


def located(folder: Path, before: str, after: str) -> list[Difference]:
    """What these filters of an API change, where there are databases."""
    said = places.section(folder, {"192.0.2.0/24": {"country": "DE", "network": 64500}})
    bundles = []
    for name, said_of in (("before.yaml", before), ("after.yaml", after)):
        text = BASE.replace("path: /open\n", f"path: /open\n    ip_filter: {said_of}\n")
        (folder / name).write_text(f"{text}geo: {{countries: {said['countries']}, networks: {said['networks']}}}\n")
        bundles.append(load(folder / name).compile(0, 0))
    return differences(*bundles)
