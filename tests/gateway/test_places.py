"""Where clients are: looked up in databases that come and go, told in events and to upstreams."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate, Refused
from gateway.harness.hellos import hello
from gateway.harness.upstream import AutoUpstream, Upstream
from lockgate.config.bundle_types import Api, Bundle, Geo
from support import places
from support.processes import Processes
from support.running import Running
from support.waiting import until

PLACES = {
    "127.33.0.0/16": {"country": "FR", "network": 64501},
    "127.49.0.0/16": {"country": "DE", "network": 64500},
}
FRANCE, GERMANY, NOWHERE = "127.33.1.1", "127.49.1.1", "127.0.0.1"
NO_FRANCE = {"deny_countries": ["FR"]}


@pytest.fixture
def geo(tmp_path: Path) -> Geo:
    folder = tmp_path / "places"
    folder.mkdir()
    said = places.section(folder, PLACES)
    return {"countries": said["countries"], "networks": said["networks"]}


def asking(auto: AutoUpstream, geo: Geo | None, api: Api | None = None) -> Bundle:
    """An API that takes nobody from France, or this one."""
    return bundles.bundle(
        [api or bundles.api(addresses=bundles.ip_filter(geo=NO_FRANCE))], [bundles.upstream(auto.port)], geo=geo
    )


def reason(gate: Gate, source: str) -> str | None:
    """Why an address is refused; nothing where it is not."""
    answer = gate.client(source=source).get()
    return None if answer.status == 200 else answer.reason


def test_events_tell_where_clients_are(gate: Gate, auto: AutoUpstream, geo: Geo) -> None:
    """Of those who were let in, of those who were not, and where no policy asked."""
    gate.load(asking(auto, geo))
    for source, place in [(FRANCE, ("FR", 64501)), (GERMANY, ("DE", 64500)), (NOWHERE, (None, None))]:
        event = gate.event(gate.client(source=source).get().id)
        assert (event["country"], event["network"]) == place, source
    gate.load(asking(auto, geo, bundles.api()))
    event = gate.event(gate.client(source=FRANCE).get().id)
    assert (event["country"], event["network"]) == ("FR", 64501)
    gate.load(asking(auto, None, bundles.api()))
    event = gate.event(gate.client(source=FRANCE).get().id)
    assert (event["country"], event["network"]) == (None, None)


def test_an_answer_and_the_upstream_are_told(gate: Gate, auto: AutoUpstream, geo: Geo) -> None:
    """Also with a refusal that comes before the fields are set."""
    fields = bundles.headers(
        {
            "request": {"remove": [], "set": {"x-country": "{country}", "x-network": "{network}"}, "add": {}},
            "response": {"hide": [], "set": {"x-seen-in": "{country}"}, "add": {}},
        }
    )
    api = bundles.api(addresses=bundles.ip_filter(deny=[FRANCE]), fields=fields)
    gate.load(asking(auto, geo, api))
    answer = gate.client(source=GERMANY).get("/", "X-Country: a lie")
    assert answer.get("x-seen-in") == "DE"
    told = auto.requests[-1]
    assert (told.get("x-country"), told.get("x-network")) == ("DE", "64500")
    refused = gate.client(source=FRANCE).get()
    assert (refused.status, refused.get("x-seen-in")) == (403, "FR")


def test_a_new_database_is_taken_up_and_a_broken_one_is_not(
    gate: Gate, auto: AutoUpstream, geo: Geo, tmp_path: Path
) -> None:
    gate.load(asking(auto, geo))
    file = tmp_path / "places" / "countries.mmdb"
    assert (reason(gate, FRANCE), reason(gate, GERMANY)) == ("country-denied", None)
    places.countries(file, {"127.49.0.0/16": {"country": "FR"}}, flat=True)
    assert gate.tell("renew_secrets")
    assert (reason(gate, FRANCE), reason(gate, GERMANY)) == (None, "country-denied")
    good = file.read_bytes()
    for broken in (b"not a database", good[: len(good) // 2], None):
        file.unlink()
        if broken is not None:
            file.write_bytes(broken)
        assert gate.tell("renew_secrets")
        assert reason(gate, GERMANY) == "country-denied", "the last good one is asked"
        gate.load(asking(auto, geo))
        assert reason(gate, GERMANY) == "country-denied"
    told = gate.written(code="secret-unfit")
    assert "the last good one is asked" in told[0]["message"]
    assert str(file) in told[0]["message"]


def test_a_database_that_was_never_good_is_refused(gate: Gate, auto: AutoUpstream, geo: Geo, tmp_path: Path) -> None:
    gate.load(asking(auto, None, bundles.api()))
    lacking: Geo = {"countries": geo["networks"], "networks": None}
    with pytest.raises(Refused) as refused:
        gate.load(asking(auto, lacking))
    assert "tells no countries" in str(refused.value)
    assert reason(gate, FRANCE) is None, "the bundle before serves on"


def test_a_gate_that_lost_its_database_lets_nobody_in_by_it(
    tmp_path: Path, signer: Signer, auto: AutoUpstream, geo: Geo
) -> None:
    """It starts with its last bundle, and the file is gone."""
    open_to_all = bundles.api("open", "/open")
    shop = bundles.api("shop", "/shop", addresses=bundles.ip_filter(geo=NO_FRANCE))
    told = bundles.bundle([shop, open_to_all], [bundles.upstream(auto.port)], geo=geo)
    with Gate(tmp_path / "state", signer=signer) as gate:
        gate.load(told)
        assert gate.client(source=GERMANY).get("/shop").status == 200
    Path(str(geo["countries"])).unlink()
    with Gate(tmp_path / "state", signer=signer) as gate:
        answer = gate.client(source=GERMANY).get("/shop")
        assert (answer.status, answer.reason) == (500, "policy-failed")
        assert gate.client(source=GERMANY).get("/open").status == 200
        places.countries(Path(str(geo["countries"])), PLACES)
        assert gate.tell("renew_secrets")
        assert gate.client(source=GERMANY).get("/shop").status == 200


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"deny_countries": ["FR"]}, "country-denied"),
        ({"allow_countries": ["DE"]}, "country-not-allowed"),
        ({"deny_networks": [64501]}, "network-denied"),
        ({"deny_countries": ["DE"]}, None),
    ],
)
def test_what_is_carried_on_unread_has_rules_too(
    rules: dict[str, list[str]], told: str | None, gate: Gate, geo: Geo
) -> None:
    way = bundles.carried("db.example", geo=rules)
    with Upstream() as upstream:
        legacy = bundles.upstream(f"tcp://127.0.0.1:{upstream.port}", name="legacy")
        listener = bundles.listener(tls=bundles.tls(passthrough=[way]))
        gate.load(bundles.bundle([], [legacy], listeners=[listener], geo=geo))
        with gate.client(source=FRANCE) as client:
            client.send(hello("db.example"))
            if told is None:
                upstream.accept()
                return
            client.rest()
        assert upstream.untouched()
    (event,) = gate.written(host="db.example")
    assert (event["reason"], event["country"], event["network"]) == (told, "FR", 64501)


def test_from_the_configuration_to_an_answer_and_back(processes: Processes, auto: AutoUpstream, tmp_path: Path) -> None:
    """A whole `lockgate run`, with files that are put in each other's place while it serves."""
    (tmp_path / "places").mkdir()
    places.section(tmp_path / "places", PLACES)
    config = {
        "version": 1,
        "listeners": {"public": {"address": "127.0.0.1:0"}},
        "admin": {"address": "127.0.0.1:0"},
        "geo": {"countries": "places/countries.mmdb", "networks": "places/networks.mmdb"},
        "apis": {
            "shop": {
                "upstream": f"http://127.0.0.1:{auto.port}",
                "public": {"owner": "tests", "reason": "a case", "until": "2100-01-01"},
                "ip_filter": {"geo": NO_FRANCE},
            }
        },
    }
    (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    running = Running(processes, tmp_path).ready()
    url = running.url()

    def status(source: str) -> int:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source)) as client:
            return client.get(url).status_code

    assert (status(FRANCE), status(GERMANY)) == (403, 200)
    file = tmp_path / "places" / "countries.mmdb"
    places.countries(file, {"127.49.0.0/16": {"country": "FR"}})
    until(lambda: (status(FRANCE), status(GERMANY)) == (200, 403), "the new database to be asked")
    file.write_bytes(b"<html>Sign in to download.</html>")
    with running.admin as admin:
        refused = admin.post("/v1/reload")
        assert "places/countries.mmdb" in refused.text
        assert "geo-unfit" in refused.text
    checked = subprocess.run(
        [sys.executable, "-m", "lockgate", "check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 2
    assert "geo-unfit" in checked.stdout + checked.stderr
    assert (status(FRANCE), status(GERMANY)) == (200, 403), "the last good one is asked"
