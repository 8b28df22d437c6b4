"""Keys of items and visitors as the API takes them."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from recommender.capture.items import key_or_none
from recommender.catalog import item_key


@extend_schema_field(OpenApiTypes.STR)
class ItemKeyField(serializers.Field):
    """A key of the shop's item model as text."""

    def to_internal_value(self, data: object) -> Any:
        try:
            return item_key(data)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from error

    def to_representation(self, value: object) -> str:
        return str(value)


class VisitorKeyField(serializers.UUIDField):
    """A visitor's key as text. Django REST framework takes a number for a UUID, too, and `true` for one."""

    def to_internal_value(self, data: object) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


def keys_in(value: str) -> list[str]:
    """What stands between the commas; and the whole, where that may be a key of the shop, as among texts."""
    keys = [key for key in value.split(",") if key]
    return [*keys, value] if "," in value and key_or_none(value) is not None else keys
