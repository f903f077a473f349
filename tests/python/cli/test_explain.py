"""`lockgate explain`: offline from the configuration, and of a request that was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockgate.admin.keys import create_key
from lockgate.state import StateFolder
from support import places
from support.certificates import Authority
from support.introspector import INACTIVE, Introspector, active
from support.issuer import SigningKey
from support.ports import free_port
from support.processes import Processes
from support.running import Running, write_config
from support.waiting import until

CONFIG = """\
version: 1
apis:
  shop:
    hosts: [shop.example.com]
    path: /shop
    upstream: http://127.0.0.1:9000
    authenticate:
      - api_key: {header: X-Key}
    authorize: authenticated
    ip_filter:
      deny: [203.0.113.0/24]
"""


class Explain:
    """The command in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, status: int, given: str | None = None, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "lockgate", "explain", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            input=given,
            env={**os.environ, **env},
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def json(self, *words: str, status: int, **more: Any) -> dict[str, Any]:
        explained: dict[str, Any] = json.loads(self(*words, "--json", status=status, **more))
        return explained


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    (tmp_path / "lockgate.yaml").write_text(CONFIG)
    return Explain(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return create_key(tmp_path / ".lockgate", name="export", owner="sales").key


URL = "http://shop.example.com/shop/1?a=b"


def test_a_user_in_a_url_is_a_header_s(explain: Explain) -> None:
    assert "names a user" in explain("GET", "http://u:p@shop.example.com/shop", status=2)


def test_an_address_of_a_stranger_drives_no_terminal(explain: Explain) -> None:
    told = explain("GET", "http://shop.example.com/shop/%1b?q=\x1b[31m\x9b31m\u202ex\x07", status=1)
    assert all(char.isprintable() or char == "\n" for char in told), told
    assert "GET /shop/%1b?q=" in told


def test_a_refusal_names_the_line_that_decided(explain: Explain) -> None:
    said = explain("GET", URL, status=1)
    assert "Refused with 401: key-missing  lockgate.yaml:8" in said
    assert "not reached" in said
    assert "shop.example.com/shop/1?a=b" in said
    assert "lockgate.yaml:3" in said


def test_a_refusal_by_place_shows_the_place_and_the_line(explain: Explain) -> None:
    told = {"192.0.2.0/24": {"country": "FR", "network": 64501}}
    said = places.section(explain.folder, told)
    rules = "    ip_filter:\n      geo: {deny_countries: [FR]}\n"
    config = CONFIG.replace("    ip_filter:\n      deny: [203.0.113.0/24]\n", rules)
    geo = f"geo: {{countries: {said['countries']}, networks: {said['networks']}}}\n"
    (explain.folder / "lockgate.yaml").write_text(config + geo)
    shown = explain("GET", URL, "--peer", "192.0.2.9", status=1)
    assert "From      192.0.2.9  FR, AS64501 Example 64501" in shown
    assert "Refused with 403: country-denied  lockgate.yaml:10" in shown
    shown = explain("GET", URL, "--peer", "198.51.100.9", status=1)
    assert "From      198.51.100.9\n" in shown
    assert "key-missing" in shown


def test_no_bundle_is_named_where_none_is_served(explain: Explain) -> None:
    assert "Bundle" not in explain("GET", URL, status=1)
    assert explain.json("GET", URL, status=1)["bundle"] is None


def test_a_token_is_verified_by_the_keys_that_its_issuers_file_holds(explain: Explain, tmp_path: Path) -> None:
    ours, other = SigningKey("first"), SigningKey("first")
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [ours.jwk]}))
    issuer = "issuers: {company: {issuer: https://login.example.com, audience: shop, jwks: {file: keys.json}}}"
    (tmp_path / "lockgate.yaml").write_text(
        f"{CONFIG}      \n{issuer}\n".replace("X-Key}", "X-Key}\n      - jwt: {issuer: company}")
    )

    def asked(key: SigningKey) -> tuple[str, ...]:
        token = key.token(iss="https://login.example.com")
        return ("GET", URL, "-H", f"Authorization: Bearer {token}")

    assert explain.json(*asked(ours), status=0)["identity"]["credential"] == "company/ann"
    assert explain.json(*asked(other), status=1)["reason"]["code"] == "jwt-signature"
    # The same beside a state folder, where no control process has read the file yet.
    create_key(tmp_path / ".lockgate", name="export", owner="sales")
    assert explain.json(*asked(ours), status=0)["verdict"] == "allow"


def test_an_issuer_is_asked_about_a_token_as_the_gate_would_have_it_asked(explain: Explain, tmp_path: Path) -> None:
    way = "X-Key}\n      - introspection: {issuer: company}"
    with Introspector(lambda token: active() if token == "good" else INACTIVE) as issuer:
        more = (
            'issuers: {company: {issuer: company, audience: "https://api.example.com", introspection: {url: '
            f'"{issuer.url}"}}, client: {{id: lockgate, secret: "${{env:HUSH}}"}}}}}}\n'
            "outgoing: {allow: [127.0.0.0/8]}\n"
        )
        (tmp_path / "lockgate.yaml").write_text(f"{CONFIG}\n{more}".replace("X-Key}", way))

        def asked(token: str, status: int, **env: str) -> dict[str, Any]:
            return explain.json("GET", URL, "-H", f"Authorization: Bearer {token}", status=status, **env)

        known = asked("good", 0, HUSH="hush")
        assert (known["identity"]["credential"], known["errors"]) == ("company/ann", [])
        assert asked("other", 1, HUSH="hush")["reason"]["code"] == "introspection-inactive"
        assert len(issuer.asked) == 2
        asked("a!b", 1, HUSH="hush")
        explain("GET", URL, status=1, HUSH="hush")
        assert len(issuer.asked) == 2, "who brings none, or none that could be one, is not asked about"
        # Without the secret nobody can ask, and that is what is told.
        silent = asked("good", 1)
        assert silent["reason"]["code"] == "introspection-unavailable"
        assert "no variable HUSH" in silent["errors"][0]


def test_nothing_of_a_state_folder_is_needed_or_made(explain: Explain, tmp_path: Path) -> None:
    explain("GET", URL, status=1)
    assert not (tmp_path / ".lockgate").exists()


def test_each_policy_is_listed_in_the_pipelines_order(explain: Explain) -> None:
    explained = explain.json("GET", URL, "--peer", "203.0.113.9", status=1)
    steps = [(step["policy"], step["verdict"]) for step in explained["steps"]]
    left = [(policy, "not-reached") for policy in ("limits", "api_key", "authorize")]
    assert steps[:4] == [("ip_filter", "deny"), *left]
    assert explained["reason"]["span"]["line"] == 10


def test_what_no_api_answers_to_is_said(explain: Explain) -> None:
    assert "no API answers" in explain("GET", "http://other.example.com/shop", status=1)
    assert explain.json("GET", "/shop", "-H", "Host: shop.example.com", status=1)["route"]["api"] == "shop"


@pytest.mark.parametrize("target", ["/../x", "/%2f"])
def test_what_is_refused_before_routing_has_not_come_to_a_route(explain: Explain, target: str) -> None:
    said = explain("GET", f"http://shop.example.com{target}?a=b", status=1)
    assert said.startswith(f"GET shop.example.com{target}?a=b\n")
    assert "Route     not reached" in said
    assert "no API answers" not in said


def test_a_method_that_is_not_taken_names_the_apis_that_take_others(explain: Explain, tmp_path: Path) -> None:
    config = tmp_path / "lockgate.yaml"
    config.write_text(CONFIG + "    methods: [PUT, GET]\n")
    said = explain("POST", URL, status=1)
    assert "Route     shop, which does not take POST" in said
    assert "Allow     GET, HEAD, PUT" in said
    explained = explain.json("POST", URL, status=1)
    assert explained["other_methods"] == {"GET": "shop", "HEAD": "shop", "PUT": "shop"}
    assert explain.json("GET", URL, status=1)["other_methods"] is None


@pytest.mark.parametrize("way", ["option", "file", "stdin", "environment"])
def test_a_key_can_be_given_in_each_way(explain: Explain, key: str, tmp_path: Path, way: str) -> None:
    (tmp_path / "key").write_text(key + "\n")
    words, more = {
        "option": (["--key", key], {}),
        "file": (["--key-file", "key"], {}),
        "stdin": (["--key-file", "-"], {"given": key + "\n"}),
        "environment": ([], {"LOCKGATE_KEY": key}),
    }[way]
    explained = explain.json("GET", URL, *words, status=0, **more)
    assert (explained["verdict"], explained["identity"]["owner"]) == ("allow", "sales")
    assert key not in json.dumps(explained)


def test_a_key_among_the_headers_is_known_as_the_gate_knows_it(explain: Explain, key: str) -> None:
    explained = explain.json("GET", URL, "-H", f"x-key: {key}", status=0)
    assert (explained["verdict"], explained["identity"]["owner"]) == ("allow", "sales")
    assert key not in json.dumps(explained)
    assert key not in explain("GET", URL, "-H", f"X-Key: {key}", status=0)
    assert key not in explain("GET", URL, "-H", f"X-Key: {key}\x01", status=1)
    assert explain.json("GET", URL, "-H", "X-Other: 1", status=1)["reason"]["code"] == "key-missing"


def test_a_key_that_nobody_knows_is_refused_and_said_so(explain: Explain, key: str) -> None:
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert explain.json("GET", URL, "--key", wrong, status=1)["reason"]["code"] == "key-malformed"


def test_a_key_without_a_state_folder_is_unknown(explain: Explain, tmp_path: Path) -> None:
    elsewhere = create_key(tmp_path / "elsewhere", name="n", owner="o").key
    assert explain.json("GET", URL, "--key", elsewhere, status=1)["reason"]["code"] == "key-unknown"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "METHOD and URL"),
        (["GET"], "METHOD and URL"),
        (["GET", "shop"], "neither a path"),
        (["GET", "/", "-H", "nonsense"], "-H 'Name: value'"),
        (["GET", "/", "--peer", "nowhere"], "IP address"),
        (["GET", "/", "--config", "none.yaml"], "none.yaml"),
        (["GET", "/", "--key-file", "none"], "--key-file"),
        (["--request", "x"], "--state"),
        (["--request", "x", "GET", "/x"], "leave METHOD, URL"),
        (["--request", "x", "-H", "A: b"], "leave METHOD, URL"),
    ],
)
def test_what_cannot_be_explained_says_what_to_do(explain: Explain, words: list[str], said: str) -> None:
    assert said in explain(*words, status=2)


def test_a_request_with_an_unknown_id_is_said(explain: Explain, tmp_path: Path) -> None:
    StateFolder.open(tmp_path / ".lockgate")
    assert "no event" in explain("--request", "01ARZ3NDEKTSV4RRFFQ69G5FAV", status=2)


def test_a_request_that_was_is_explained_as_it_would_be(processes: Processes, tmp_path: Path, shop_port: int) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{shop_port}")
    running = Running(processes, tmp_path).ready()
    made, explain = running.make_key(), Explain(tmp_path)
    refused = httpx.get(f"{running.url()}/products").json()["instance"]
    allowed = httpx.get(f"{running.url()}/products", headers={"X-API-Key": made["key"], "X-Request-Id": "wanted-1"})
    assert allowed.status_code == 200
    until(lambda: _written(running, refused), "the event")
    was = explain.json("--request", refused, status=1)
    would_be = explain.json("GET", f"{running.url()}/products", status=1)
    for part in ("verdict", "status", "steps", "bundle_kept", "route"):
        if part != "bundle_kept":
            assert was[part] == would_be[part], part
    assert was["reason"]["code"] == "key-missing"
    assert was["reason"]["span"] == would_be["reason"]["span"]
    said = explain("--request", refused, status=1)
    assert refused in said
    assert "key-missing" in said
    with running.admin as admin:
        assert admin.get(f"/v1/explain/{refused}").json() == was
        key_event = admin.get("/v1/events", params={"key": made["id"]}).json()["items"]
    told = explain.json("--request", key_event[0]["id"], status=0)
    assert told["identity"]["credential"] == made["id"]
    assert told["upstream"]["target"].endswith(str(shop_port))


def test_a_request_that_failed_names_the_upstream_that_was_asked(processes: Processes, tmp_path: Path) -> None:
    nobody = free_port()
    write_config(tmp_path, f"http://127.0.0.1:{nobody}")
    running = Running(processes, tmp_path).ready()
    key = running.make_key()["key"]
    failed = httpx.get(f"{running.url()}/x", headers={"X-API-Key": key})
    assert failed.status_code == 502
    request_id = failed.json()["instance"]
    until(lambda: _written(running, request_id), "the event")
    said = Explain(tmp_path)("--request", request_id, status=1)
    assert "Failed with 502" in said
    assert f"Upstream  http://127.0.0.1:{nobody}" in said or f"Upstream  127.0.0.1:{nobody}" in said


def _written(running: Running, request_id: str) -> bool:
    with running.admin as admin:
        return admin.get(f"/v1/explain/{request_id}").status_code == 200


LISTENERS = """\
version: 1
listeners:
  public: {address: "127.0.0.1:8080"}
  inside: {address: "127.0.0.1:9090"}
apis:
  shop: {upstream: "http://127.0.0.1:9000", authenticate: [api_key], authorize: authenticated}
"""


@pytest.mark.parametrize(
    ("words", "listener"),
    [
        (["/x"], {"name": "public", "address": "127.0.0.1:8080", "assumed": False}),
        (["http://127.0.0.1:9090/x"], {"name": "inside", "address": "127.0.0.1:9090", "assumed": False}),
        (["http://127.0.0.1:7000/x"], {"name": "public", "address": "127.0.0.1:8080", "assumed": True}),
        (["http://shop.example/x"], {"name": "public", "address": "127.0.0.1:8080", "assumed": False}),
        (["/x", "--listener", "inside"], {"name": "inside", "address": "127.0.0.1:9090", "assumed": False}),
    ],
)
def test_it_says_at_which_listener_the_request_arrives(
    tmp_path: Path, words: list[str], listener: dict[str, Any]
) -> None:
    (tmp_path / "lockgate.yaml").write_text(LISTENERS)
    asked = Explain(tmp_path)
    assert asked.json("GET", *words, status=1)["listener"] == listener
    said = asked("GET", *words, status=1)
    assert f"listener {listener['name']}, {listener['address']}" in said
    assert ("assumed: none listens on the URL's port" in said) == listener["assumed"]


def test_a_listener_that_there_is_not_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "lockgate.yaml").write_text(LISTENERS)
    assert "there are: `public`, `inside`" in Explain(tmp_path)("GET", "/x", "--listener", "outside", status=2)


def test_a_certificate_is_shown_where_one_is_asked_for(explain: Explain, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("api", "shop.example.com")
    client = authority.issue("client", "crm.partners.example")
    text = CONFIG.replace("- api_key: {header: X-Key}", '- mtls: {allow: [{dns: "*.partners.example"}]}')
    tls = "tls: {certificate: {chain: api.pem, key: api.key}, client_certificates: {trust: authority.pem}}"
    (tmp_path / "lockgate.yaml").write_text(text)
    told = explain("GET", "/shop", "--certificate", str(client.chain), status=2)
    assert "asks no client for a certificate" in told
    (tmp_path / "lockgate.yaml").write_text(f"{text}listeners:\n  public: {{address: 127.0.0.1:8443, {tls}}}\n")
    url = "https://shop.example.com/shop"
    explained = explain.json("GET", url, "--certificate", str(client.chain), status=0)
    assert explained["identity"]["credential"] == "dns:crm.partners.example"
    assert explain.json("GET", url, status=1)["reason"]["code"] == "tls-client-certificate-missing"
    free = tls.replace("authority.pem}", "authority.pem, require: false}")
    (tmp_path / "lockgate.yaml").write_text(f"{text}listeners:\n  public: {{address: 127.0.0.1:8443, {free}}}\n")
    assert explain.json("GET", url, status=1)["reason"]["code"] == "certificate-missing"
    (tmp_path / "lockgate.yaml").write_text(f"{text}listeners:\n  public: {{address: 127.0.0.1:8443, {tls}}}\n")
    crl = authority.revoke(client.certificate)
    tls = tls.replace("trust: authority.pem", f"trust: authority.pem, crl: {crl.name}")
    (tmp_path / "lockgate.yaml").write_text(f"{text}listeners:\n  public: {{address: 127.0.0.1:8443, {tls}}}\n")
    explained = explain.json("GET", url, "--certificate", str(client.chain), status=1)
    assert (explained["reason"]["code"], explained["status"]) == ("tls-client-certificate-revoked", 403)
    assert explained["steps"] == []
    assert "The client certificate was revoked" in explain("GET", url, "--certificate", str(client.chain), status=1)
    assert "certificate" in explain("GET", url, "--certificate", str(tmp_path / "lockgate.yaml"), status=2)
    told = explain("GET", url, "--certificate", "absent.pem", status=2)
    assert "absent.pem cannot be read: No such file or directory" in told
    # Whatever the API takes beside, the handshake comes first.
    (tmp_path / "lockgate.yaml").write_text(f"{CONFIG}listeners:\n  public: {{address: 127.0.0.1:8443, {tls}}}\n")
    for asked in (url, "https://shop.example.com:8443/shop", "/shop"):
        assert explain.json("GET", asked, status=1)["reason"]["code"] == "tls-client-certificate-missing"


def test_a_host_that_no_certificate_is_good_for_is_not_reached(explain: Explain, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("api", "shop.example.com", "*.shop.example.com")
    tls = (
        "tls: {certificate: {chain: api.pem, key: api.key}, client_certificates: {trust: authority.pem}, "
        "passthrough: {hosts: db.example.com, upstream: db}}"
    )
    text = CONFIG.replace("hosts: [shop.example.com]", "hosts: []")
    (tmp_path / "lockgate.yaml").write_text(
        f"{text}listeners:\n  public: {{address: 127.0.0.1:8443, {tls}}}\n"
        "upstreams: {db: {targets: [tcp://127.0.0.1:5432]}}\n"
    )
    for host in ("other.example", "other.example:8443", "a.b.shop.example.com"):
        explained = explain.json("GET", f"https://{host}/shop", status=1)
        assert (explained["reason"]["code"], explained["status"]) == ("tls-name-unknown", 400)
        assert "*.shop.example.com, shop.example.com" in explained["reason"]["detail"]
    for host in ("a.shop.example.com", "192.0.2.1", "[::1]:8443"):
        explained = explain.json("GET", f"https://{host}/shop", status=1)
        assert explained["reason"]["code"] == "tls-client-certificate-missing"
    # What is carried on unread is asked for nothing.
    assert explain.json("GET", "https://db.example.com:8443/", status=0)["verdict"] == "passthrough"
