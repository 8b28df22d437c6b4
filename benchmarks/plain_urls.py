"""Views that do less than a recommendation, in a shop with or without the plugin: nothing, and a plain list of 12."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer

from shop.models import Product

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


views = [
    path("plain/<int:category>/", PlainList.as_view()),
    path("empty/", empty),
]
# Named by a product's own addresses, asked by nobody.
names = [path("products/<int:pk>/", empty, name="product"), path("pictures/<str:name>/", empty, name="picture")]
urlpatterns = [path("admin/", admin.site.urls), path("", include((names, "shop"))), *views]
