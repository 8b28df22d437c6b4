"""What capturing is compared with: the same events through a DRF serializer and bulk_create, and a page in a freeze."""

from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from uuid_utils.compat import uuid7

from recommender.capture.views import events
from recommender.capture.visitor import visitor_of
from recommender.models import Event, Visitor
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


_INSERT: Final = f"""
INSERT INTO {Event._meta.db_table} (id, visitor_id, item_id, kind, at, quantity, source)
VALUES (%s, %s, %s, {Event.Kind.VIEW.value}, now(), 1, {Event.Source.BEACON.value})
"""  # noqa: S608  names of our own


@lru_cache
def _anything() -> list[Any]:
    """Keys of a visitor and of an item."""
    return [model.objects.values_list("pk", flat=True)[0] for model in (Visitor, Product)]


@csrf_exempt
def limit(request: HttpRequest) -> HttpResponse:
    """What any view takes that commits: one prepared INSERT of one row, made here."""
    with connection.cursor() as cursor:
        raw: Any = cursor.connection
        raw.prepare_threshold = 0  # Django's None forbids it
        raw.execute(_INSERT, [uuid7(), *_anything()])
        raw.prepare_threshold = None
    return HttpResponse(b"{}", content_type="application/json", status=202)


def seen(request: HttpRequest, item: int) -> HttpResponse:
    """A page out of a cache: the shop itself asks no database, and says that the item was viewed."""
    item_viewed.send(sender=Product, request=request, item=item)
    return HttpResponse(b"seen")


urlpatterns = [
    path("plain/events/", PlainEvents.as_view()),
    path("frugal/events/", FrugalEvents.as_view()),
    path("limit/events/", limit),
    path("behind/events/", events),
    path("seen/<int:item>/", seen),
    *shop_urlpatterns,
]
