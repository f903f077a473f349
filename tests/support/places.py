"""Databases of countries and networks, written for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPNetwork, IPSet  # type: ignore[import-untyped] # The writer wants them, and they have no types.

Places = Mapping[str, Mapping[str, Any]]
"""`country`, `network` and `location` by network of addresses."""


def write(path: Path, records: Mapping[str, Mapping[str, Any]], kind: str) -> Path:
    """A database of these records. It takes the old one's place at once, as tools that fetch them do."""
    # Else IPv4 would be looked for where nobody writes it.
    writer = MMDBWriter(6, kind, ipv4_compatible=True, description={"en": "For tests"})
    for network, record in records.items():
        writer.insert_network(IPSet([IPNetwork(network)]), dict(record))
    beside = path.with_suffix(".new")
    writer.to_db_file(str(beside))
    return beside.rename(path)


def countries(path: Path, places: Places, *, flat: bool = False) -> Path:
    """As MaxMind has them; `flat` as ip-location-db does."""
    records: dict[str, dict[str, Any]] = {}
    for network, place in places.items():
        record: dict[str, Any] = {}
        if "country" in place:
            record |= {"country_code": place["country"]} if flat else {"country": {"iso_code": place["country"]}}
        if "location" in place:
            latitude, longitude = place["location"]
            record["location"] = {"latitude": latitude, "longitude": longitude}
        if record:
            records[network] = record
    return write(path, records, "Test-Country")


def networks(path: Path, places: Places) -> Path:
    """Autonomous systems, each with an organization's name."""
    records = {
        network: {
            "autonomous_system_number": place["network"],
            "autonomous_system_organization": f"Example {place['network']}",
        }
        for network, place in places.items()
        if "network" in place
    }
    return write(path, records, "Test-ASN")


def section(folder: Path, places: Places) -> dict[str, str]:
    """Both, in a folder, and what a configuration says of them."""
    return {
        "countries": str(countries(folder / "countries.mmdb", places)),
        "networks": str(networks(folder / "networks.mmdb", places)),
    }
