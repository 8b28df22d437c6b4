"""What capturing is compared with: the same events through a DRF serializer and bulk_create, and a page in a freeze."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.capture.visitor import visitor_of
from recommender.models import Event
from recommender.signals import item_viewed
from shop.models import Product
from shop.urls import urlpatterns as shop_urlpatterns


class EventSerializer(serializers.ModelSerializer[Event]):
    """As one writes it: the item is looked up by its field."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(["view", "click"])

    class Meta:
        model = Event
        fields = ("id", "item", "kind", "at")


class FrugalEventSerializer(serializers.Serializer[Any]):
    """As one writes it who counts queries: the items are looked up together."""

    id = serializers.UUIDField()
    item = serializers.IntegerField()
    kind = serializers.ChoiceField(["view", "click"])
    at = serializers.DateTimeField()


class PlainEvents(APIView):
    """Validates the batch and stores it; nothing of what else capture promises."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        serializer = EventSerializer(data=request.data["events"], many=True)
        serializer.is_valid(raise_exception=True)
        return self.store(request, [{"item_id": row.pop("item").pk, **row} for row in serializer.validated_data])

    def store(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        kinds = {"view": Event.Kind.VIEW, "click": Event.Kind.CLICK}
        with transaction.atomic():
            visitor = visitor_of(request._request, create=True)
            events = [
                Event(**{**row, "kind": kinds[row["kind"]]}, visitor=visitor, source=Event.Source.BEACON)
                for row in rows
            ]
            Event.objects.bulk_create(events, ignore_conflicts=True)
        return Response({"stored": len(events)}, status=202)


class FrugalEvents(PlainEvents):
    def post(self, request: Request) -> Response:
        serializer = FrugalEventSerializer(data=request.data["events"], many=True)
        serializer.is_valid(raise_exception=True)
        rows = [{"item_id": row.pop("item"), **row} for row in serializer.validated_data]
        known = set(Product.objects.filter(pk__in=[row["item_id"] for row in rows]).values_list("pk", flat=True))
        return self.store(request, [row for row in rows if row["item_id"] in known])


def seen(request: HttpRequest, item: int) -> HttpResponse:
    """A page out of a cache: the shop itself asks no database, and says that the item was viewed."""
    item_viewed.send(sender=Product, request=request, item=item)
    return HttpResponse(b"seen")


urlpatterns = [
    path("plain/events/", PlainEvents.as_view()),
    path("frugal/events/", FrugalEvents.as_view()),
    path("seen/<int:item>/", seen),
    *shop_urlpatterns,
]
