"""The basket: product keys and quantities in the session, nothing else, so prices and stock are always today's."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from shop.models import Product

SESSION_KEY: Final = "basket"
MAX_QUANTITY: Final = 99  # pieces of one product
MAX_PRODUCTS: Final = 200


@dataclass(frozen=True)
class BasketLine:
    product: Product
    quantity: int

    @property
    def value_cents(self) -> int:
        return self.product.price_cents * self.quantity

    @property
    def most(self) -> int:
        """Pieces that there are, as far as a basket takes them."""
        return min(MAX_QUANTITY, self.product.stock)

    @property
    def is_short(self) -> bool:
        """More is wanted than there is, or it is not sold any more."""
        return not self.product.is_active or self.product.stock < self.quantity


class Basket:
    """The basket of this request's session, in the order in which things were added."""

    def __init__(self, request: HttpRequest) -> None:
        self._session = request.session
        stored = self._session.get(SESSION_KEY)
        self._quantities: dict[str, int] = stored if isinstance(stored, dict) else {}

    def __len__(self) -> int:
        """Pieces in it."""
        return sum(self._quantities.values())

    def keys(self) -> list[int]:
        """Keys of the products in it."""
        return [int(key) for key in self._quantities]

    def lacks(self, product: Product) -> bool:
        """Whether more of it is in the basket than there is."""
        return self._quantities.get(str(product.pk), 0) > product.stock

    def add(self, product: Product, quantity: int = 1) -> int:
        """Put pieces in; returns how many went in, which is less at the limits of a basket."""
        before = self._quantities.get(str(product.pk), 0)
        if before == 0 and len(self._quantities) >= MAX_PRODUCTS:
            return 0
        after = min(before + quantity, MAX_QUANTITY)
        self._quantities[str(product.pk)] = after
        self._save()
        return after - before

    def change(self, product_id: int, quantity: int) -> None:
        """Have exactly so many pieces of what is in the basket; 0 takes it out."""
        if str(product_id) not in self._quantities:
            return
        if quantity > 0:
            self._quantities[str(product_id)] = min(quantity, MAX_QUANTITY)
        else:
            del self._quantities[str(product_id)]
        self._save()

    def clear(self) -> None:
        self._quantities = {}
        self._save()

    def lines(self) -> list[BasketLine]:
        """Products that are gone from the shop are left out."""
        products = Product.objects.select_related("category__department").in_bulk(self._quantities)
        rows = ((products.get(int(key)), quantity) for key, quantity in self._quantities.items())
        return [BasketLine(product, quantity) for product, quantity in rows if product is not None]

    def _save(self) -> None:
        self._session[SESSION_KEY] = self._quantities


def total_cents(lines: list[BasketLine]) -> int:
    return sum(line.value_cents for line in lines)
