"""Signals that a shop sends; the plugin listens. `sender` is whatever the shop likes.

item_viewed.send(sender=Product, request=request, item=product)
item_added.send(sender=Basket, request=request, item=product, quantity=1)
order_placed.send(sender=Order, request=request, order_id=order.pk, lines=[(product, quantity, value_cents), ...])

order_placed also takes at= (aware), when the order was placed; its ids then sort by time. A signal that is sent again
for the same order is stored once. Nothing that goes wrong in the plugin reaches the shop: it is logged.
"""

from django.dispatch import Signal

item_viewed = Signal()
item_added = Signal()
order_placed = Signal()
