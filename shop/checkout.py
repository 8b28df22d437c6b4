"""Basket → order in one transaction: stock is taken, the order written once, the plugin told after the commit."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from recommender.signals import order_placed
from shop.basket import BasketLine, total_cents
from shop.models import Order, OrderLine, Product


class OutOfStock(Exception):
    """Somebody was faster: change the quantities of `lines` and place the order again."""

    def __init__(self, lines: list[BasketLine]) -> None:
        super().__init__(", ".join(line.product.name for line in lines))
        self.lines = lines


def place_order(request: HttpRequest, lines: list[BasketLine], checkout_key: UUID) -> Order:
    """Write the order of `lines`; the same `checkout_key` again gives the same order.

    Raises:
        OutOfStock: not everything is there any more; nothing was written.
        ValueError: no lines.
    """
    if not lines:
        raise ValueError("An order needs at least one line.")
    try:
        with transaction.atomic():
            return _write_order(request, lines, checkout_key)
    except IntegrityError:
        if order := Order.objects.filter(checkout_key=checkout_key).first():
            return order
        raise


def _write_order(request: HttpRequest, lines: list[BasketLine], checkout_key: UUID) -> Order:
    order = Order.objects.create(
        user=request.user if request.user.is_authenticated else None,
        placed_at=timezone.now(),
        total_cents=total_cents(lines),
        checkout_key=checkout_key,
    )
    _take_stock(lines)
    OrderLine.objects.bulk_create(
        OrderLine(order=order, product=line.product, quantity=line.quantity, value_cents=line.value_cents)
        for line in lines
    )
    sold = [(line.product, line.quantity, line.value_cents) for line in lines]
    transaction.on_commit(
        lambda: order_placed.send(sender=Order, request=request, order_id=order.pk, lines=sold, at=order.placed_at)
    )
    return order


def _take_stock(lines: list[BasketLine]) -> None:
    """Lock the products in the order of their keys, so that two orders cannot block each other."""
    keys = [line.product.pk for line in lines]
    locked = {product.pk: product for product in Product.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    short = [
        line
        for line in lines
        if (product := locked.get(line.product.pk)) is None or BasketLine(product, line.quantity).is_short
    ]
    if short:
        raise OutOfStock(short)
    for line in lines:
        Product.objects.filter(pk=line.product.pk).update(
            stock=F("stock") - line.quantity, times_bought=F("times_bought") + 1
        )
