"""What the shop speaks: the shapes of its requests and answers."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

SKU_PATTERN = r"^[A-Z]{2}-[0-9]{3}$"


class Strict(BaseModel):
    """A shape without unknown fields."""

    model_config = ConfigDict(extra="forbid")


class Category(StrEnum):
    """What kind of thing a product is."""

    lock = "lock"
    key = "key"
    gate = "gate"
    tool = "tool"


class Product(Strict):
    """A thing for sale."""

    sku: str = Field(pattern=SKU_PATTERN, description="Stock number.", examples=["LK-001"])
    name: str = Field(description="What it is called.", examples=["Padlock, brass, 40 mm"])
    category: Category = Field(description="What kind of thing it is.")
    price: Decimal = Field(ge=0, decimal_places=2, description="Price of one, in euros.")
    stock: int = Field(ge=0, description="How many are left.")


class ProductPage(Strict):
    """Some products, and where the next ones begin."""

    items: list[Product] = Field(description="The products, by stock number.")
    next: str | None = Field(description="Give this as `after` to read on; null at the end.")


class Customer(Strict):
    """Somebody who buys."""

    id: str = Field(pattern=r"^c-[0-9]{4}$", description="Customer number.", examples=["c-0001"])
    name: str = Field(description="Full name.")
    email: str = Field(description="Where the bills go.")
    city: str = Field(description="Where the parcels go.")


class OrderLine(Strict):
    """How many of what."""

    sku: str = Field(pattern=SKU_PATTERN, description="Stock number.", examples=["LK-001"])
    quantity: int = Field(ge=1, le=1000, description="How many.")


class NewOrder(Strict):
    """An order as it is placed."""

    customer: str = Field(pattern=r"^c-[0-9]{4}$", description="Who buys.", examples=["c-0001"])
    lines: list[OrderLine] = Field(min_length=1, max_length=100, description="What is bought.")
    note: str | None = Field(default=None, max_length=500, description="A word to the packers.")


class OrderStatus(StrEnum):
    """How far an order is."""

    placed = "placed"
    packed = "packed"
    shipped = "shipped"
    delivered = "delivered"


class Order(NewOrder):
    """An order as it is kept."""

    id: str = Field(pattern=r"^o-[0-9]{6}$", description="Order number.", examples=["o-000001"])
    status: OrderStatus = Field(description="How far it is.")
    total: Decimal = Field(ge=0, decimal_places=2, description="Sum of all lines, in euros.")
    placed_at: datetime = Field(description="When it was placed.")


class Photo(Strict):
    """What is known of an uploaded picture."""

    sku: str = Field(description="The product that it shows.")
    bytes: int = Field(ge=0, description="Its size.")
    sha256: str = Field(description="Its SHA-256, in hexadecimal digits.")


class OrderEvent(Strict):
    """One piece of news about an order."""

    order: str = Field(description="Order number.")
    status: OrderStatus = Field(description="What it has become.")


class Health(Strict):
    """Whether the shop is open."""

    status: str = Field(description="`open`, whenever it answers at all.")
