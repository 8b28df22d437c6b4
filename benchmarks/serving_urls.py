"""What the recommendations are compared with: a view that does nothing, and a plain DRF list of 12 products.

And the list as a shop keeps it in a cache, for a page that is the same for everybody, with what that costs anyway.
"""

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path
from django.utils.safestring import SafeString, mark_safe

from benchmarks.plain_urls import SHOWN, PlainList, views
from shop.urls import urlpatterns as shop_urlpatterns

WIDGET = Template("{% load cache recommender %}{% cache 60 widget %}{% recommended_for_you n=12 %}{% endcache %}")
TEXT = Template("{% load cache %}{% cache 60 text %}{{ text }}{% endcache %}")


class ByKey(PlainList):
    """Twelve products by primary key."""

    def filter_queryset(self, queryset: Any) -> Any:
        return queryset.filter(pk__gte=self.kwargs["first"]).order_by("pk")[:SHOWN]


@lru_cache(maxsize=1)
def text() -> SafeString:
    """As many bytes as the widget has."""
    return mark_safe(WIDGET.render(Context()))  # noqa: S308  a template's output


def cached(request: HttpRequest) -> HttpResponse:
    """The widget out of Django's cache."""
    return HttpResponse(WIDGET.render(Context()))


def cached_text(request: HttpRequest) -> HttpResponse:
    """The limit of that: Django's own `{% cache %}` around a text that is there already."""
    return HttpResponse(TEXT.render(Context({"text": text()})))


def sent_text(request: HttpRequest) -> HttpResponse:
    """The limit of any cache: the text itself."""
    return HttpResponse(text())


urlpatterns = [
    path("cached/", cached),
    path("cached-text/", cached_text),
    path("text/", sent_text),
    path("twelve/<int:first>/", ByKey.as_view()),
    *views,
    *shop_urlpatterns,
]
