"""`DATABASE_ROUTERS = ["recommender.routers.InDefault", ...]` in shops with replicas or several databases."""

from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

APP_LABEL: Final = "recommender"


class InDefault:
    """What the plugin stores is made, written and read in the default database, whatever the routers behind it say.

    It reads what it has just written, often in the same transaction: a replica does not have that yet.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return DEFAULT_DB_ALIAS if model._meta.app_label == APP_LABEL else None

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        """A replica's row of an item or account is the same as that of the default database."""
        return True if APP_LABEL in (one._meta.app_label, other._meta.app_label) else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return db == DEFAULT_DB_ALIAS if app_label == APP_LABEL else None
