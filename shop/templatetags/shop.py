"""Small things that the shop's templates need."""

from django import template
from django.http import QueryDict
from django.utils.formats import number_format

from shop.money import price as money_price

register = template.Library()


@register.filter
def price(cents: int) -> str:
    """`{{ product.price_cents|price }}` → "$2.69"."""
    return money_price(cents)


@register.filter
def grouped(number: int) -> str:
    """`{{ 27872|grouped }}` → "27,872" as people here write it."""
    return number_format(number, force_grouping=True)


@register.simple_tag(takes_context=True)
def page_query(context: template.Context, page: int | str) -> str:
    """The current query string with another page number."""
    query: QueryDict = context["request"].GET.copy()
    query["page"] = str(page)
    return f"?{query.urlencode()}"
