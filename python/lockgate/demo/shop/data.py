"""What is in the shop when it opens, and where it keeps what is added."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from lockgate.demo.shop.models import (
    Category,
    Customer,
    NewOrder,
    Order,
    OrderLine,
    OrderStatus,
    Product,
)

_PRODUCTS = [
    ("GT-001", "Garden gate, oak, 90 cm", Category.gate, "249.00", 4),
    ("GT-002", "Side gate, steel, 120 cm", Category.gate, "389.00", 2),
    ("GT-003", "Lock gate, river size", Category.gate, "48000.00", 1),
    ("KY-001", "Key blank, cylinder", Category.key, "2.20", 800),
    ("KY-002", "Key blank, lever, long", Category.key, "3.80", 340),
    ("KY-003", "Skeleton key, for show", Category.key, "12.00", 15),
    ("LK-001", "Padlock, brass, 40 mm", Category.lock, "14.90", 120),
    ("LK-002", "Padlock, steel, 60 mm", Category.lock, "32.50", 45),
    ("LK-003", "Mortice lock, five lever", Category.lock, "54.00", 30),
    ("LK-004", "Bicycle lock, folding", Category.lock, "79.00", 22),
    ("TL-001", "Graphite powder, 20 g", Category.tool, "4.50", 210),
    ("TL-002", "Key file, half round", Category.tool, "8.75", 64),
]

_CUSTOMERS = [
    ("c-0001", "Ada Kessler", "ada@example.com", "Leiden"),
    ("c-0002", "Bruno Falk", "bruno@example.com", "Graz"),
    ("c-0003", "Chidi Okafor", "chidi@example.org", "Leeds"),
    ("c-0004", "Dina Marković", "dina@example.org", "Split"),
]


class UnknownProductError(LookupError):
    """An order names a product that the shop does not sell."""


@dataclass
class Shop:
    """The shelves and the books, in memory."""

    products: dict[str, Product] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    photos: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def opened(cls) -> "Shop":
        """A shop with its first products, customers and orders."""
        shop = cls()
        for sku, name, category, price, stock in _PRODUCTS:
            shop.products[sku] = Product(sku=sku, name=name, category=category, price=Decimal(price), stock=stock)
        for number, name, email, city in _CUSTOMERS:
            shop.customers[number] = Customer(id=number, name=name, email=email, city=city)
        shop.place(NewOrder(customer="c-0001", lines=[OrderLine(sku="LK-001", quantity=2)]))
        shop.place(NewOrder(customer="c-0003", lines=[OrderLine(sku="GT-003", quantity=1)]))
        return shop

    def place(self, new: NewOrder) -> Order:
        """Write an order into the books."""
        total = Decimal(0)
        for line in new.lines:
            product = self.products.get(line.sku)
            if product is None:
                raise UnknownProductError(line.sku)
            total += product.price * line.quantity
        order = Order(
            **new.model_dump(),
            id=f"o-{len(self.orders) + 1:06}",
            status=OrderStatus.placed,
            total=total,
            placed_at=datetime.now(UTC),
        )
        self.orders[order.id] = order
        return order
