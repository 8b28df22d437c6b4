"""What the recommendations are compared with: a view that does nothing, and a plain DRF list of 12 products.

And the list as a shop keeps it in a cache, for a page that is the same for everybody.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer

from shop.models import Product
from shop.urls import urlpatterns as shop_urlpatterns

SHOWN = 12


class ProductSerializer(serializers.Serializer):
    """The fields that a recommended item has, as far as a product has them."""

    id = serializers.IntegerField()
    title = serializers.CharField(source="name")
    url = serializers.CharField(source="get_absolute_url")
    image_url = serializers.CharField()
    price_cents = serializers.IntegerField()


class PlainList(ListAPIView):
    """The first products of a category, as any shop's API has it: one statement by an index."""

    queryset = Product.objects.filter(is_active=True, stock__gt=0).select_related("category__department")
    serializer_class = ProductSerializer
    renderer_classes = (JSONRenderer,)

    def filter_queryset(self, queryset: Any) -> Any:
        return queryset.filter(category=self.kwargs["category"]).order_by("-times_bought")[:SHOWN]


def empty(request: HttpRequest) -> HttpResponse:
    """Middleware and nothing else."""
    return HttpResponse(b"{}", content_type="application/json")


WIDGET = Template("{% load cache recommender %}{% cache 60 widget %}{% recommended_for_you n=12 %}{% endcache %}")


def cached(request: HttpRequest) -> HttpResponse:
    """The widget out of Django's cache."""
    return HttpResponse(WIDGET.render(Context()))


urlpatterns = [
    path("cached/", cached),
    path("plain/<int:category>/", PlainList.as_view()),
    path("empty/", empty),
    *shop_urlpatterns,
]
