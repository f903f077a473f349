"""The shop's web application. Its OpenAPI 3.1 document is served at ``/openapi.json``."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, TypeVar

from fastapi import FastAPI, HTTPException, Path, Query, Request, Response, status
from fastapi.responses import StreamingResponse

from lockgate.demo.shop.data import Shop, UnknownProductError
from lockgate.demo.shop.models import (
    SKU_PATTERN,
    Category,
    Customer,
    Health,
    NewOrder,
    Order,
    OrderEvent,
    OrderStatus,
    Photo,
    Product,
    ProductPage,
)

# A photo is kept in memory; one that is larger is counted and forgotten.
KEPT_PHOTO_BYTES = 5 * 1024 * 1024

Sku = Annotated[str, Path(pattern=SKU_PATTERN, description="Stock number.")]
OrderId = Annotated[str, Path(pattern=r"^o-[0-9]{6}$", description="Order number.")]
CustomerId = Annotated[str, Path(pattern=r"^c-[0-9]{4}$", description="Customer number.")]
Item = TypeVar("Item")


def create_app(*, event_interval: float = 1.0) -> FastAPI:
    """The shop, freshly stocked. ``event_interval`` is the pause between two order events."""
    app = FastAPI(
        title="Shop",
        version="1.0.0",
        summary="A shop for locks, keys and gates.",
        description="Sample API of `lockgate demo`. It checks no credentials: the gate does.",
        docs_url=None,
        redoc_url=None,
    )
    shop = Shop.opened()
    app.state.shop = shop
    _add_products(app, shop)
    _add_photos(app, shop)
    _add_customers(app, shop)
    _add_orders(app, shop, event_interval)

    @app.get("/healthz", operation_id="health", tags=["shop"])
    async def health() -> Health:
        """Whether the shop is open."""
        return Health(status="open")

    return app


def _add_products(app: FastAPI, shop: Shop) -> None:
    @app.get("/products", operation_id="listProducts", tags=["products"])
    async def list_products(
        category: Annotated[Category | None, Query(description="Only this kind.")] = None,
        after: Annotated[str, Query(max_length=6, description="Begin behind this one.")] = "",
        limit: Annotated[int, Query(ge=1, le=50, description="How many at most.")] = 5,
    ) -> ProductPage:
        """Products by stock number, a page at a time."""
        found = [
            product
            for sku, product in sorted(shop.products.items())
            if sku > after and category in (None, product.category)
        ]
        page = found[:limit]
        return ProductPage(items=page, next=page[-1].sku if len(found) > limit else None)

    @app.get("/products/{sku}", operation_id="getProduct", tags=["products"])
    async def get_product(sku: Sku) -> Product:
        """One product."""
        return _found(shop.products.get(sku), f"There is no product {sku}.")

    @app.get("/search", operation_id="search", tags=["products"])
    async def search(
        q: Annotated[str, Query(min_length=1, max_length=100, description="Words to look for.")],
    ) -> list[Product]:
        """Products whose name holds every word of the question."""
        words = q.casefold().split()
        return [product for product in shop.products.values() if all(word in product.name.casefold() for word in words)]


def _add_photos(app: FastAPI, shop: Shop) -> None:
    @app.put("/products/{sku}/photo", operation_id="putPhoto", tags=["products"])
    async def put_photo(sku: Sku, request: Request) -> Photo:
        """Upload a picture: the body is the file itself. It is read as it comes in."""
        _found(shop.products.get(sku), f"There is no product {sku}.")
        digest, size, kept = hashlib.sha256(), 0, bytearray()
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
            if size <= KEPT_PHOTO_BYTES:
                kept += piece
        if size <= KEPT_PHOTO_BYTES:
            shop.photos[sku] = bytes(kept)
        return Photo(sku=sku, bytes=size, sha256=digest.hexdigest())

    @app.get("/products/{sku}/photo", operation_id="getPhoto", tags=["products"])
    async def get_photo(sku: Sku) -> Response:
        """Download the picture."""
        photo = _found(shop.photos.get(sku), f"There is no photo of {sku}.")
        return Response(photo, media_type="application/octet-stream")


def _add_customers(app: FastAPI, shop: Shop) -> None:
    @app.get("/customers", operation_id="listCustomers", tags=["customers"])
    async def list_customers() -> list[Customer]:
        """Everybody who buys here."""
        return list(shop.customers.values())

    @app.get("/customers/{customer}", operation_id="getCustomer", tags=["customers"])
    async def get_customer(customer: CustomerId) -> Customer:
        """One customer."""
        return _found(shop.customers.get(customer), f"There is no customer {customer}.")


def _add_orders(app: FastAPI, shop: Shop, event_interval: float) -> None:
    @app.get("/orders", operation_id="listOrders", tags=["orders"])
    async def list_orders(
        customer: Annotated[str | None, Query(pattern=r"^c-[0-9]{4}$")] = None,
    ) -> list[Order]:
        """The orders, or one customer's."""
        return [order for order in shop.orders.values() if customer in (None, order.customer)]

    @app.post("/orders", operation_id="placeOrder", tags=["orders"], status_code=status.HTTP_201_CREATED)
    async def place_order(new: NewOrder, response: Response) -> Order:
        """Buy something."""
        _found(shop.customers.get(new.customer), f"There is no customer {new.customer}.")
        try:
            order = shop.place(new)
        except UnknownProductError as unknown:
            raise HTTPException(404, f"There is no product {unknown}.") from unknown
        response.headers["Location"] = f"/orders/{order.id}"
        return order

    @app.get("/orders/{order}", operation_id="getOrder", tags=["orders"])
    async def get_order(order: OrderId) -> Order:
        """One order."""
        return _found(shop.orders.get(order), f"There is no order {order}.")

    @app.get(
        "/orders/{order}/events",
        operation_id="followOrder",
        tags=["orders"],
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def follow_order(order: OrderId) -> StreamingResponse:
        """An order's way to the door, as server-sent events; the last one is `delivered`."""
        _found(shop.orders.get(order), f"There is no order {order}.")
        return StreamingResponse(
            _order_events(order, event_interval),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )


async def _order_events(order: str, interval: float) -> AsyncIterator[str]:
    for number, stage in enumerate(OrderStatus):
        if number:
            await asyncio.sleep(interval)
        event = OrderEvent(order=order, status=stage)
        yield f"id: {number}\nevent: status\ndata: {event.model_dump_json()}\n\n"


def _found(item: Item | None, otherwise: str) -> Item:
    if item is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, otherwise)
    return item
