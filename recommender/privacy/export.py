"""Everything that is stored of one visitor, as plain data."""

import json
from collections.abc import Iterable
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from pgvector import HalfVector

from recommender.catalog import all_items, get_catalog
from recommender.models import Visitor


def export_visitors(visitors: Iterable[Visitor]) -> dict[str, Any]:
    """{"visitors": [{"key", "account", …, and every table that names the visitor: its rows}]}, JSON-ready by `to_json`.

    The tables are found by their foreign keys, so one that is added later is not forgotten here.
    """
    return {"visitors": [_export(visitor) for visitor in visitors]}


def to_json(data: dict[str, Any]) -> str:
    """Readable text; times in ISO 8601, vectors as lists."""
    return json.dumps(data, cls=_Encoder, ensure_ascii=False, indent=2)


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.to_list() if isinstance(o, HalfVector) else super().default(o)


def _export(visitor: Visitor) -> dict[str, Any]:
    consent = Visitor.Consent(visitor.consent).name.lower() if visitor.consent is not None else None
    fields: list[Any] = [field for field in Visitor._meta.get_fields(include_hidden=True) if not field.concrete]
    tables = {field.related_model._meta.model_name: _rows(field, visitor) for field in fields}
    return {
        "key": visitor.key,
        "account": None if visitor.user_id is None else str(visitor.user_id),
        "created_at": visitor.created_at,
        "consent": consent,
        **tables,
    }


def _rows(relation: Any, visitor: Visitor) -> list[dict[str, Any]]:
    """The rows of one table that belong to the visitor, with the titles of their items."""
    rows = list(relation.related_model._base_manager.filter(**{relation.field.name: visitor.pk}).values())
    named = [row for row in rows if "item_id" in row]
    items = all_items().in_bulk({row["item_id"] for row in named}) if named else {}
    for row in named:
        item = items.get(row["item_id"])
        row["item_title"] = get_catalog().item_title(item) if item is not None else None
    return rows
