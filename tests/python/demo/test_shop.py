"""The sample shop does what its OpenAPI document says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture
def shop(shop_port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{shop_port}", timeout=10) as client:
        yield client


def test_products_come_in_pages(shop: httpx.Client) -> None:
    skus: list[str] = []
    after = ""
    while True:
        page = shop.get("/products", params={"after": after, "limit": 5}).json()
        skus += [product["sku"] for product in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert len(skus) == 12
    assert skus == sorted(set(skus))


def test_search_wants_every_word(shop: httpx.Client) -> None:
    assert [product["sku"] for product in shop.get("/search", params={"q": "padlock BRASS"}).json()] == ["LK-001"]
    assert shop.get("/search", params={"q": "padlock river"}).json() == []


def test_an_order_is_placed_and_found_again(shop: httpx.Client) -> None:
    placed = shop.post("/orders", json={"customer": "c-0002", "lines": [{"sku": "LK-001", "quantity": 3}]})
    assert placed.status_code == 201
    order = shop.get(placed.headers["Location"]).json()
    assert order["total"] == "44.70"
    assert order["id"] in [each["id"] for each in shop.get("/orders", params={"customer": "c-0002"}).json()]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"customer": "c-0001", "lines": []}, 422),
        ({"customer": "c-0001", "lines": [{"sku": "LK-001", "quantity": 0}]}, 422),
        ({"customer": "c-0001", "lines": [{"sku": "LK-001", "quantity": 1}], "total": 1}, 422),
        ({"customer": "c-0001", "lines": [{"sku": "ZZ-999", "quantity": 1}]}, 404),
        ({"customer": "c-9999", "lines": [{"sku": "LK-001", "quantity": 1}]}, 404),
    ],
)
def test_a_wrong_order_is_refused(shop: httpx.Client, body: dict[str, object], status: int) -> None:
    assert shop.post("/orders", json=body).status_code == status


def test_a_photo_goes_up_and_comes_down(shop: httpx.Client) -> None:
    picture = bytes(range(256)) * 400
    known = shop.put("/products/GT-001/photo", content=picture).json()
    assert known == {"sku": "GT-001", "bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
    assert shop.get("/products/GT-001/photo").content == picture


def test_order_events_end_with_delivered(shop: httpx.Client) -> None:
    with shop.stream("GET", "/orders/o-000001/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert len(data) == 4
    assert '"status":"delivered"' in data[-1]


def test_the_document_names_every_operation(shop: httpx.Client) -> None:
    document = shop.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert operations >= {"listProducts", "search", "putPhoto", "placeOrder", "getCustomer", "followOrder"}
