"""The configuration through the admin API: by tag, dry, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate import _native
from lockgate.admin.api.app import make_app
from lockgate.admin.api.problems import CODES
from lockgate.admin.control import Control
from lockgate.state import StateFolder
from support.asgi import Client

ADDRESS = "127.0.0.1:8081"

CONFIG = """\
version: 1
# Ours.
include: [apis/*.yaml]
events: {retain: 1GiB}  # enough

apis:
  # The shop's.
  shop:
    path: /shop
    upstream: http://127.0.0.1:9000
    authenticate: [api_key]
    authorize: authenticated
  open:
    path: /open
    upstream: http://127.0.0.1:9001
    public: {owner: web, reason: a catalogue, until: 2199-01-01}
"""

MORE = """\
apis:
  more:
    path: /more
    upstream: http://127.0.0.1:9002
    authenticate: [api_key]
    authorize: authenticated
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    (folder / "apis").mkdir(parents=True)
    (folder / "lockgate.yaml").write_text(CONFIG)
    (folder / "apis" / "more.yaml").write_text(MORE)
    return folder


@pytest.fixture
def control(state: StateFolder, folder: Path) -> Iterator[Control]:
    control = Control.open(state, folder / "lockgate.yaml")
    yield control
    control.close()


@pytest.fixture
def client(control: Control) -> Iterator[Client]:
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    with Client(make_app(control, address=ADDRESS), base_url=f"http://{ADDRESS}", headers=token) as client:
        assert client.post("/v1/reload").json()["result"] == "signed"
        yield client


def tag(client: Client) -> dict[str, str]:
    return {"If-Match": client.get("/v1/config").headers["ETag"]}


def refused(answer: Any, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (CODES[code][0], code), body
    return body


def put(client: Client, name: str, text: str, **more: Any) -> Any:
    more.setdefault("headers", tag(client))
    return client.request("PUT", f"/v1/config/{name}", content=text.encode(), **more)


def audited(control: Control) -> list[dict[str, Any]]:
    events, _ = _native.read_events(str(control.state.control_events), filter={"classes": ["audit"]})
    return [event for event in events if event["action"].startswith("config.")]


def test_it_is_read_as_it_stands_and_as_it_is(client: Client, folder: Path) -> None:
    told = client.get("/v1/config")
    body = told.json()
    assert [file["name"] for file in body["files"]] == ["lockgate.yaml", "apis/more.yaml"]
    assert told.headers["ETag"] == f'"{body["etag"]}"'
    assert body["refused"] is None
    file = client.get("/v1/config/files/apis/more.yaml")
    assert (file.text, file.headers["content-type"].split(";")[0]) == (MORE, "application/yaml")
    assert file.headers["ETag"] == told.headers["ETag"]
    effective = client.get("/v1/config/effective").json()
    assert set(effective["config"]["apis"]) == {"shop", "open", "more"}
    assert effective["places"]["apis.more"] == "apis/more.yaml:2"


def test_a_change_is_taken_over_and_written_as_it_was_sent(client: Client, control: Control, folder: Path) -> None:
    path = folder / "apis" / "more.yaml"
    path.chmod(0o640)
    before = tag(client)
    text = MORE.replace("/more", "/further") + "# a note\n"
    answer = put(client, "files/apis/more.yaml", text, headers=before)
    body = answer.json()
    assert (answer.status_code, body["result"], body["changed"]) == (200, "signed", ["apis/more.yaml"])
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o640
    assert answer.headers["ETag"] == tag(client)["If-Match"] != before["If-Match"]
    assert "/further" in json.dumps(client.get("/v1/routes").json())
    (event,) = [event for event in audited(control) if event["action"] == "config.change"]
    assert event["detail"]["files"] == ["apis/more.yaml"]
    assert event["actor"].startswith("admin:")
    assert [child.name for child in path.parent.iterdir()] == ["more.yaml"], "nothing is left behind"


def test_a_dry_run_changes_nothing(client: Client, control: Control, folder: Path) -> None:
    before = tag(client)
    answer = put(client, "files/apis/more.yaml?dry_run=true", MORE.replace("/more", "/x"), headers=before)
    assert (answer.status_code, answer.json()["result"], answer.json()["dry_run"]) == (200, "valid", True)
    told = [(one["effect"], one["object"]) for one in answer.json()["differences"]]
    assert told, answer.json()
    assert {object_ for _, object_ in told} == {"apis.more.path"}
    assert answer.json()["more_differences"] == 0
    bad = put(client, "files/apis/more.yaml?dry_run=true", MORE.replace("/more", "more"), headers=before)
    refused(bad, "config-refused")
    assert (folder / "apis" / "more.yaml").read_text() == MORE
    assert tag(client) == before
    assert [event["action"] for event in audited(control)] == ["config.reload"]


def test_a_stale_tag_is_refused(client: Client, folder: Path) -> None:
    before = tag(client)
    assert put(client, "files/apis/more.yaml", MORE + "# one\n", headers=before).status_code == 200
    refused(put(client, "files/apis/more.yaml", MORE + "# two\n", headers=before), "config-etag-stale")
    fresh = tag(client)
    # By hand, too, and in another file.
    (folder / "lockgate.yaml").write_text(CONFIG + "# by hand\n")
    refused(put(client, "files/apis/more.yaml", MORE, headers=fresh), "config-etag-stale")
    refused(put(client, "files/apis/more.yaml", MORE, headers={}), "config-etag-missing")
    assert (folder / "apis" / "more.yaml").read_text() == MORE + "# one\n"


def test_every_problem_is_told_at_once_with_pointer_and_line(client: Client, folder: Path) -> None:
    text = MORE.replace("/more", "more").replace("[api_key]", "[api_kee]") + "nonsense: 1\n"
    body = refused(put(client, "files/apis/more.yaml", text), "config-refused")
    errors = {error["pointer"]: error for error in body["errors"]}
    assert {error["line"] for error in errors.values()} == {3, 5, 7}
    assert any(pointer.startswith("#/apis/more/path") for pointer in errors)
    assert "#/nonsense" in errors
    assert all(error["file"].endswith("apis/more.yaml") and error["detail"] for error in errors.values())
    assert (folder / "apis" / "more.yaml").read_text() == MORE


def test_a_file_is_added_where_an_include_names_it(client: Client, folder: Path) -> None:
    extra = MORE.replace("more", "extra")
    assert put(client, "files/apis/extra.yaml", extra).status_code == 200
    assert (folder / "apis" / "extra.yaml").stat().st_mode & 0o777 == 0o600
    refused(put(client, "files/other.yaml", MORE.replace("more", "other")), "config-file-not-included")
    assert not (folder / "other.yaml").exists()
    gone = client.request("DELETE", "/v1/config/files/apis/extra.yaml", headers=tag(client))
    assert gone.json()["changed"] == ["apis/extra.yaml"]
    assert not (folder / "apis" / "extra.yaml").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.yaml",
        "apis/../../outside.yaml",
        "%2e%2e/outside.yaml",
        "/etc/passwd.yaml",
        "apis/link/in.yaml",
        "apis/run.py",
        "apis/.hidden.yaml",
        "%00.yaml",
    ],
)
def test_no_path_leads_outside(client: Client, folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "apis" / "link").symlink_to(outside)
    answer = put(client, f"files/{name}", MORE.replace("more", "other"))
    assert answer.status_code in {403, 404, 409}, answer.text
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "outside.yaml").exists()


def test_what_is_included_stays_inside(client: Client, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(MORE.replace("more", "outside"))
    text = CONFIG.replace("apis/*.yaml", "apis/*.yaml, ../outside.yaml")
    refused(put(client, "files/lockgate.yaml", text), "config-file-outside")
    # Nor can a reference have another file read.
    (tmp_path / "base").write_text("/reasons/")
    text = CONFIG + "problems: {base: '${file:../base}'}\n"
    refused(put(client, "files/lockgate.yaml", text), "config-file-outside")
    (folder / "base").write_text("/reasons/")
    assert put(client, "files/lockgate.yaml", text.replace("../base", "base")).status_code == 200


KEPT_SECRET = "a line that nobody may see"


@pytest.mark.parametrize("dry", ["", "?dry_run=true"])
@pytest.mark.parametrize("place", ["outside", "hidden", "state", "linked"])
@pytest.mark.parametrize(
    "text",
    [
        CONFIG.replace("authenticate:", "ip_filter: {deny: [{file: FILE}]}\n    authenticate:"),
        CONFIG.replace("authenticate:", "openapi: FILE\n    authenticate:"),
        CONFIG.replace("owner: web", 'owner: "${file:FILE}"'),
        CONFIG.replace("include: [", "include: [FILE, "),
        CONFIG + "admin: {address: '${file:FILE}'}\n",
        CONFIG + "issuers: {a: {issuer: x, audience: y, jwks: {file: FILE}}}\n",
        CONFIG + "issuers: {a: {issuer: x, audience: y, algorithms: HS256, secret: '${file:FILE}'}}\n",
        CONFIG + "outgoing: {trust: FILE}\n",
        CONFIG
        + "upstreams: {x: {targets: ['http://127.0.0.1:9'], credential: {header: X-L, value: '${file:FILE}'}}}\n",
    ],
)
def test_nothing_apart_is_read_for_a_request(
    client: Client, control: Control, folder: Path, tmp_path: Path, text: str, place: str, dry: str
) -> None:
    files = {
        "outside": tmp_path / "outside.txt",
        "hidden": folder / ".hidden" / "x.txt",
        "state": control.state.root / "control" / "x.txt",
        "linked": tmp_path / "linked.txt",
    }
    file = files[place]
    file.parent.mkdir(exist_ok=True)
    file.write_text(KEPT_SECRET)
    if place == "linked":
        (folder / "link.txt").symlink_to(file)
        file = folder / "link.txt"
    answer = put(client, f"files/lockgate.yaml{dry}", text.replace("FILE", str(file)))
    refused(answer, "config-file-outside")
    assert KEPT_SECRET not in answer.text


@pytest.mark.parametrize("text", ['owner: "${env:LOCKGATE_TEST_WORD}"', "x"])
def test_no_variable_is_read_for_a_request(client: Client, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LOCKGATE_TEST_WORD", KEPT_SECRET)
    new = (
        CONFIG.replace("owner: web", text)
        if text != "x"
        else CONFIG
        + "upstreams: {x: {targets: ['http://127.0.0.1:9'], "
        + "credential: {header: X-L, value: '${env:LOCKGATE_TEST_WORD}'}}}\n"
    )
    answer = put(client, "files/lockgate.yaml?dry_run=true", new)
    refused(answer, "config-file-outside")
    assert KEPT_SECRET not in answer.text


def test_what_is_named_already_may_be_named_again(
    client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKGATE_TEST_WORD", "web")
    (tmp_path / "denied.txt").write_text("192.0.2.0/24\n")
    (tmp_path / "secret.txt").write_text(KEPT_SECRET)
    text = (
        CONFIG.replace("owner: web", 'owner: "${env:LOCKGATE_TEST_WORD}"').replace(
            "authenticate:", f"ip_filter: {{deny: [{{file: {tmp_path / 'denied.txt'}}}]}}\n    authenticate:"
        )
        + "upstreams: {x: {targets: ['http://127.0.0.1:9'], "
        + f"credential: {{header: X-L, value: '${{file:{tmp_path / 'secret.txt'}}}'}}}}}}\n"
    )
    (folder / "lockgate.yaml").write_text(text)
    assert client.post("/v1/reload").json()["result"] == "signed"
    assert put(client, "files/lockgate.yaml", text.replace("1GiB", "2GiB")).status_code == 200
    # A secret that the gate reads is not for a text that the API shows.
    shown = text.replace("reason: a catalogue", f"reason: '${{file:{tmp_path / 'secret.txt'}}}'")
    answer = put(client, "files/lockgate.yaml?dry_run=true", shown)
    refused(answer, "config-file-outside")
    assert KEPT_SECRET not in answer.text


def test_a_link_is_not_written_through(client: Client, folder: Path) -> None:
    (folder / "kept.yaml").write_text(MORE.replace("more", "linked"))
    (folder / "apis" / "linked.yaml").symlink_to(folder / "kept.yaml")
    refused(put(client, "files/apis/linked.yaml", MORE.replace("more", "x")), "config-file-unwritable")
    assert "linked" in (folder / "kept.yaml").read_text()


def test_plugins_cannot_be_installed(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("importing a plugin is running it")

    monkeypatch.setattr("lockgate.config.loaded.load_plugins", never)
    text = CONFIG.replace(
        "    upstream: http://127.0.0.1:9000\n", "    upstream: http://127.0.0.1:9000\n    plugins: [os:system]\n"
    )
    refused(put(client, "files/lockgate.yaml", text), "config-plugins-closed")
    shown = client.get("/v1/config/sections/apis/shop").text
    refused(put(client, "sections/apis/shop", shown + "plugins: [os:system]\n"), "config-plugins-closed")
    assert (folder / "lockgate.yaml").read_text() == CONFIG


def test_a_program_for_dns_records_cannot_be_named(client: Client) -> None:
    acme = "{terms_agreed: true, challenge: dns-01, names: '*.example.com', dns: {command: /bin/ls}}"
    text = f"{CONFIG}\nlisteners: {{public: {{address: 127.0.0.1:8443, tls: {{acme: {acme}}}}}}}\n"
    refused(put(client, "files/lockgate.yaml", text), "config-plugins-closed")
    without = text.replace(", dns: {command: /bin/ls}", "").replace("dns-01", "http-01").replace("'*.", "'www.")
    assert put(client, "files/lockgate.yaml", without).status_code == 200


CHECK = """\
from lockgate.plugin import allow, on_request


@on_request
def check(head):
    return allow()
"""


def test_plugins_that_are_there_stay_and_all_else_can_be_changed(
    client: Client, control: Control, folder: Path
) -> None:
    (folder / "checks.py").write_text(CHECK)
    main = folder / "lockgate.yaml"
    with_plugin = "    upstream: http://127.0.0.1:9000\n    plugins: [{use: checks:check, options: {a: 1}}]\n"
    main.write_text(CONFIG.replace("    upstream: http://127.0.0.1:9000\n", with_plugin))
    shown = client.get("/v1/config/sections/apis/shop").text
    for change in (
        shown.replace("checks:check", "other:check"),
        shown.replace("{a: 1}", "{a: 2}"),
        shown.replace("plugins: [{use: checks:check, options: {a: 1}}]\n", ""),
        shown.replace("options: {a: 1}", "options: {a: 1}, mode: observe"),
    ):
        assert change != shown
        refused(put(client, "sections/apis/shop", change), "config-plugins-closed")
    moved = main.read_text().replace("  shop:\n", "  store:\n")
    assert moved != main.read_text()
    refused(put(client, "files/lockgate.yaml", moved), "config-plugins-closed")
    assert put(client, "sections/apis/shop", shown.replace("/shop", "/store")).status_code == 200
    assert "/store" in main.read_text()


def test_a_section_is_replaced_and_comments_stay(client: Client, folder: Path) -> None:
    main = folder / "lockgate.yaml"
    shown = client.get("/v1/config/sections/apis/shop")
    assert (
        shown.text
        == "path: /shop\nupstream: http://127.0.0.1:9000\nauthenticate: [api_key]\nauthorize: authenticated\n"
    )
    assert put(client, "sections/apis/shop", shown.text.replace("/shop", "/store")).status_code == 200
    assert main.read_text() == CONFIG.replace("path: /shop", "path: /store")
    assert put(client, "sections/events", "retain: 2GiB\naccess: false\n").status_code == 200
    assert "events:\n  retain: 2GiB\n  access: false\n\napis:\n  # The shop's.\n" in main.read_text()
    # One that stands in another file is changed there.
    more = client.get("/v1/config/sections/apis/more")
    assert more.headers["x-lockgate-file"] == "apis/more.yaml"
    assert put(client, "sections/apis/more", more.text.replace("9002", "9003")).status_code == 200
    assert "9003" in (folder / "apis" / "more.yaml").read_text()
    # A new one goes to the main file.
    new = "path: /new\nupstream: http://127.0.0.1:9004\nauthenticate: [api_key]\nauthorize: authenticated\n"
    assert put(client, "sections/apis/new", new).status_code == 200
    assert client.get("/v1/config/sections/apis/new").text == new
    gone = client.request("DELETE", "/v1/config/sections/apis/new", headers=tag(client))
    assert gone.status_code == 200
    assert client.get("/v1/config/sections/apis/new").status_code == 404
    refused(put(client, "sections/apis/shop", "path: [\n"), "config-section-unplaced")


def test_back_to_the_last_good(client: Client, control: Control, folder: Path) -> None:
    main, extra = folder / "lockgate.yaml", folder / "apis" / "broken.yaml"
    main.write_text(CONFIG.replace("path: /shop", "path: shop"))
    extra.write_text("apis: 5\n")
    assert client.post("/v1/reload").status_code == 422
    listed = client.get("/v1/config").json()
    assert {error["pointer"] for error in listed["refused"]} >= {"#/apis/shop/path"}
    answer = client.post("/v1/config/rollback")
    assert answer.status_code == 200, answer.text
    assert main.read_text() == CONFIG
    assert not extra.exists()
    kept = json.loads((control.state.control / "config-before.json").read_text())
    assert kept["apis/broken.yaml"] == "apis: 5\n"
    assert client.get("/v1/config").json()["refused"] is None
    assert audited(control)[-1]["action"] == "config.rollback"


def test_nothing_to_go_back_to(state: StateFolder, folder: Path) -> None:
    control = Control.open(state, folder / "lockgate.yaml")
    token = {"Authorization": f"Bearer {control.state.admin_token()}"}
    try:
        with Client(make_app(control, address=ADDRESS), base_url=f"http://{ADDRESS}", headers=token) as client:
            refused(client.post("/v1/config/rollback"), "config-rollback-absent")
            refused(client.get("/v1/config/effective"), "bundle-absent")
    finally:
        control.close()


def test_a_broken_configuration_can_be_mended(client: Client, folder: Path) -> None:
    (folder / "lockgate.yaml").write_text("version: 1\napis: [\n")
    assert put(client, "files/lockgate.yaml", CONFIG).status_code == 200
    refused(client.get("/v1/config/files/none.yaml"), "config-file-unknown")
