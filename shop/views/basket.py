"""Basket, checkout, orders."""

from typing import Final, cast
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from recommender.signals import item_added
from shop.basket import MAX_QUANTITY, Basket, total_cents
from shop.checkout import OutOfStock, place_order
from shop.models import Order, OrderLine, Product

ORDERS_PER_PAGE: Final = 10
OWN_ORDERS: Final = "orders"  # session key: what this browser ordered without an account


class AddForm(forms.Form):
    product = forms.ModelChoiceField(Product.objects.on_shelf())
    quantity = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)


class QuantityForm(forms.Form):
    product = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    quantity = forms.IntegerField(min_value=0, max_value=MAX_QUANTITY)


@require_safe
def basket(request: HttpRequest) -> HttpResponse:
    lines = Basket(request).lines()
    products = [line.product for line in lines]
    context = {"lines": lines, "products": products, "total_cents": total_cents(lines)}
    return render(request, "shop/basket.html", context)


@require_POST
def basket_add(request: HttpRequest) -> HttpResponse:
    form = AddForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("This product or quantity is not available."))
        return redirect(_back(request))
    product = form.cleaned_data["product"]
    if not product.is_available:
        messages.error(request, _("Sold out: %(product)s") % {"product": product.name})
    elif added := (basket := Basket(request)).add(product, form.cleaned_data["quantity"] or 1):
        item_added.send(sender=Basket, request=request, item=product, quantity=added)
        messages.success(request, _("In your basket: %(product)s") % {"product": product.name})
        if basket.lacks(product):
            _tell_short(request, product)
    else:
        messages.error(request, _("Your basket cannot take more of this."))
    return redirect(f"{_back(request)}#p-{product.pk}")


@require_POST
def basket_change(request: HttpRequest) -> HttpResponse:
    form = QuantityForm(request.POST)
    if form.is_valid():
        Basket(request).change(form.cleaned_data["product"], form.cleaned_data["quantity"])
    else:
        messages.error(request, _("Please choose a quantity between 0 and %(maximum)s.") % {"maximum": MAX_QUANTITY})
    return redirect("shop:basket")


def _back(request: HttpRequest) -> str:
    """Where the form stood, or the basket; never another site."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()) and "#" not in target:
        return target
    return reverse("shop:basket")


def checkout(request: HttpRequest) -> HttpResponse:
    """Look once more (GET), place the order (POST). The key in the form makes a second click harmless."""
    lines = Basket(request).lines()
    if request.method == "POST":
        return _place(request)
    if not lines or _tell_short(request, *(line.product for line in lines if line.is_short)):
        return redirect("shop:basket")
    context = {"lines": lines, "total_cents": total_cents(lines), "checkout_key": uuid4()}
    return render(request, "shop/checkout.html", context)


def _tell_short(request: HttpRequest, *products: Product) -> bool:
    """Says of what there is not enough; whether there is any such product."""
    for product in products:
        messages.error(request, _("There is not enough of %(product)s left.") % {"product": product.name})
    return bool(products)


def _place(request: HttpRequest) -> HttpResponse:
    try:
        key = UUID(request.POST.get("checkout_key", ""))
    except ValueError:
        return redirect("shop:checkout")
    if order := Order.objects.filter(checkout_key=key).first():
        return redirect(order)
    basket = Basket(request)
    lines = basket.lines()
    if not lines:
        return redirect("shop:basket")
    try:
        order = place_order(request, lines, key)
    except OutOfStock as error:
        _tell_short(request, *(line.product for line in error.lines))
        return redirect("shop:basket")
    basket.clear()
    request.session[OWN_ORDERS] = [*request.session.get(OWN_ORDERS, []), order.pk]
    return redirect(order)


@require_safe
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """One order, for whoever placed it."""
    found = _own_order(request, pk)
    products = [line.product for line in found.lines.all()]
    return render(request, "shop/order.html", {"order": found, "products": products})


def _own_order(request: HttpRequest, pk: int) -> Order:
    found = get_object_or_404(Order.objects.prefetch_related("lines__product"), pk=pk)
    is_own = request.user.is_authenticated and found.user_id == request.user.pk
    if not is_own and pk not in request.session.get(OWN_ORDERS, []):
        raise Http404
    return found


@require_POST
def order_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything of an old order that can still be bought goes into the basket."""
    basket, added = Basket(request), 0
    for line in _own_order(request, pk).lines.all():
        if line.product.is_available and (count := basket.add(line.product, line.quantity)):
            item_added.send(sender=OrderLine, request=request, item=line.product, quantity=count)
            added += 1
    messages.success(
        request,
        ngettext("%(count)s product is in your basket.", "%(count)s products are in your basket.", added)
        % {"count": added},
    )
    return redirect("shop:basket")


@require_safe
@login_required
def orders(request: HttpRequest) -> HttpResponse:
    found = Order.objects.filter(user_id=cast(int, request.user.pk)).prefetch_related("lines__product")
    paginator = Paginator(found, ORDERS_PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    pages = paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return render(request, "shop/orders.html", {"page": page, "pages": pages})
