"""System checks: a wrong setting is explained before it hurts."""

import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, router
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from recommender.capture.consent import LEVELS
from recommender.capture.ledger import store_alarms
from recommender.conf import DEFAULTS, FEWEST_BUYERS, PREFIX, conf
from recommender.dataset.augmentations import AUGMENTATIONS
from recommender.exceptions import VectorExtensionMissing
from recommender.index.partitions import has_known_bugs

TAG: Final = "recommender"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
MIDDLEWARE: Final = "recommender.middleware.VisitorMiddleware"
ROUTER: Final = "recommender.routers.InDefault"
# Its version, and the role where that may not create what is not there yet.
OFFERED_PGVECTOR: Final = """
SELECT coalesce(installed_version, default_version), CASE WHEN NOT (
    installed_version IS NOT NULL OR current_setting('is_superuser')::boolean
    OR (has_database_privilege(current_database(), 'CREATE') AND (
        SELECT trusted FROM pg_available_extension_versions AS offered
        WHERE offered.name = 'vector' AND offered.version = default_version
    ))
) THEN current_user END
FROM pg_available_extensions WHERE name = 'vector'
"""
CELERYS_OWN: Final = "default"  # name of the app that Celery makes where a project has none
CHOICES: Final = {"CONSENT": LEVELS, "AUGMENTATIONS": AUGMENTATIONS}
NO_SCHEDULE: Final = "TRAINING_INTERVAL_HOURS"  # may be None, as well as 0
FOLDERS: Final = frozenset({"SPILL_FOLDER", "CHECKPOINT_FOLDER", "LAST_GOOD_FOLDER"})
MAY_BE_NONE: Final = frozenset({NO_SCHEDULE, "CONSENT_HOOK", "METRICS_TOKEN", "BLAS_THREADS", *FOLDERS})
MAY_BE_ZERO: Final = frozenset(
    {
        NO_SCHEDULE,
        "FULL_TRAINING_DAYS",
        "HNSW_MIN_ITEMS",
        "VERSIONS_KEPT",
        "MAX_CLOCK_SKEW_SECONDS",
        "POPULAR_CACHE_SECONDS",
        "PROXIES",
    }
    | {f"{kind}_RETENTION_DAYS" for kind in ("VIEW", "CLICK", "CART", "PURCHASE")}
)
# A list's budget is shared among statements; a longer list's token, with UUIDs as keys, is longer than MAX_CHARACTERS.
# The beacon sends a hundred rows and 60 KB at once, and drops what is refused.
LEAST_AND_MOST: Final = {
    "MIN_BUYERS": (FEWEST_BUYERS, math.inf),
    "BUDGET_MS": (10, math.inf),
    "MAX_LIST_LENGTH": (1, 150),
    "MAX_EVENTS_PER_POST": (100, math.inf),
    "MAX_POST_BYTES": (65_536, math.inf),
}
SHORTEST_TOKEN: Final = 20  # characters; `openssl rand -hex 16` gives 32
FRACTIONS: Final = ("_SECONDS", "_MINUTES", "_HOURS", "_DAYS", "_EFFORT", "_SHARE")  # half an hour is an interval, too


@register(TAG)
def check_item_model(**kwargs: Any) -> list[CheckMessage]:
    """E001: RECOMMENDER_ITEM_MODEL names a model of an installed app."""
    name = getattr(settings, PREFIX + "ITEM_MODEL", None)
    hint = 'Set RECOMMENDER_ITEM_MODEL = "app.Model" to the model of your products, for example "shop.Product".'
    if not name:
        return [Error("RECOMMENDER_ITEM_MODEL is not set.", hint=hint, id="recommender.E001")]
    try:
        apps.get_model(name)
    except (LookupError, ValueError, AttributeError):
        models = [model._meta.label for model in apps.get_models()]
        hint = _did_you_mean(str(name), models) or hint
        return [Error(f"RECOMMENDER_ITEM_MODEL names an unknown model: {name!r}.", hint=hint, id="recommender.E001")]
    return []


@register(TAG)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E003: every RECOMMENDER_ setting is one of ours. E004: its value is of the right kind."""
    found: list[CheckMessage] = []
    known = ", ".join(PREFIX + each for each in DEFAULTS)
    for name in sorted(name for name in dir(settings) if name.startswith(PREFIX)):
        short, value = name.removeprefix(PREFIX), getattr(settings, name)
        if short not in DEFAULTS:
            hint = _did_you_mean(short, DEFAULTS, PREFIX) or f"Known are {known}."
            found.append(Error(f"Unknown setting {name}.", hint=hint, id="recommender.E003"))
        elif wanted := _wrong_value(short, value):
            hint = f"Set {name} to {wanted}, or remove it to take the default {DEFAULTS[short]!r}."
            found.append(Error(f"{name} is {value!r}.", hint=hint, id="recommender.E004"))
    return found


@register(TAG)
def check_installation(**kwargs: Any) -> list[CheckMessage]:
    """E005 PostgreSQL, E007 REST framework, E008 USE_TZ, W002 the middleware, W003 the Celery app, W008 the URLs."""
    found: list[CheckMessage] = []
    alias = router.db_for_write(apps.get_model("recommender.Event"))
    if connections[alias].vendor != "postgresql":
        message = f"The database {alias!r} is not PostgreSQL: vectors are stored and searched by its pgvector."
        hint = 'Set the ENGINE of DATABASES to "django.db.backends.postgresql".'
        found.append(Error(message, hint=hint, id="recommender.E005"))
    if not apps.is_installed("rest_framework"):
        hint = 'Add "rest_framework" to INSTALLED_APPS.'
        found.append(Error("The API needs Django REST framework.", hint=hint, id="recommender.E007"))
    if not settings.USE_TZ:
        hint = (
            "Set USE_TZ = True, Django's default: events, orders and versions are compared by moments, not by clocks."
        )
        found.append(Error("USE_TZ is off: events cannot be stored.", hint=hint, id="recommender.E008"))
    order = [name for name in settings.MIDDLEWARE if name in (AUTHENTICATION, MIDDLEWARE)]
    if MIDDLEWARE not in order:
        hint = f'Add "{MIDDLEWARE}" to the end of MIDDLEWARE.'
        message = "Visitors who are not logged in get no cookie, so nothing is learned from them."
        found.append(Warning(message, hint=hint, id="recommender.W002"))
    elif order[-1] != MIDDLEWARE:
        hint = f'Move "{MIDDLEWARE}" to the end of MIDDLEWARE.'
        message = "VisitorMiddleware stands before AuthenticationMiddleware, so it does not see who is logged in."
        found.append(Warning(message, hint=hint, id="recommender.W002"))
    if current_app.main in (None, CELERYS_OWN) and not current_app.conf.broker_write_url:
        hint = "Import your Celery app in your project's __init__.py, as Celery's page “First steps with Django” shows."
        message = "No Celery app is loaded, so “Retrain now” in admin cannot reach a worker."
        found.append(Warning(message, hint=hint, id="recommender.W003"))
    try:
        reverse("recommender:events")
    except NoReverseMatch:
        hint = 'Add path("recommender/", include("recommender.urls")) to the urlpatterns of ROOT_URLCONF.'
        found.append(Warning("The plugin's URLs are not there: its tags fail.", hint=hint, id="recommender.W008"))
    return found


@register(TAG)
def check_routers(**kwargs: Any) -> list[CheckMessage]:
    """E009: what we store and the items lie in the default database; lists join them. What we store is read there, too:
    a replica does not have yet what was written a moment ago."""
    ours, hint = apps.get_model("recommender.Event"), f'Put "{ROUTER}" first in DATABASE_ROUTERS.'
    found: list[CheckMessage] = []
    if (alias := router.db_for_write(ours)) != DEFAULT_DB_ALIAS:
        message = f"A database router sends {ours._meta.label} to {alias!r}."
        found.append(Error(message, hint=hint, id="recommender.E009"))
    elif (alias := router.db_for_read(ours)) != DEFAULT_DB_ALIAS:
        message = f"A database router reads {ours._meta.label} from {alias!r}."
        found.append(Error(message, hint=hint, id="recommender.E009"))
    if not check_item_model() and (alias := router.db_for_write(apps.get_model(conf.ITEM_MODEL))) != DEFAULT_DB_ALIAS:
        hint = f'Let the routers of DATABASE_ROUTERS return "{DEFAULT_DB_ALIAS}" or None where it is written.'
        message = f"A database router sends {apps.get_model(conf.ITEM_MODEL)._meta.label} to {alias!r}."
        found.append(Error(message, hint=hint, id="recommender.E009"))
    return found


@register(Tags.database)
def check_pgvector(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W010: the server answers. E006: it has pgvector. W004: and not one with known bugs. W007: migrate may create it,
    or need not."""
    alias = router.db_for_write(apps.get_model("recommender.Event"))
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return []
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(OFFERED_PGVECTOR)
            row = cursor.fetchone()
    except DatabaseError as error:
        hint = f"Start Postgres or correct DATABASES, then run manage.py check --database {alias} again."
        said = " ".join(str(error).split())
        message = f"The database {alias!r} does not answer, so pgvector and stored events were not looked at: {said}"
        return [Warning(message, hint=hint, id="recommender.W010")]
    if row is None:
        return [Error("Postgres has no pgvector.", hint=VectorExtensionMissing.__doc__, id="recommender.E006")]
    version, role = row
    found: list[CheckMessage] = []
    if has_known_bugs(version):
        hint = "Install pgvector 0.8.5 or newer, then run ALTER EXTENSION vector UPDATE."
        found.append(Warning(f"pgvector {version} has known bugs in its index.", hint=hint, id="recommender.W004"))
    if role is not None:
        hint = "Before you migrate, let a superuser run CREATE EXTENSION vector in this database."
        message = f"The role {role!r} may not create the extension that migrate needs."
        found.append(Warning(message, hint=hint, id="recommender.W007"))
    return found


@register(Tags.database)
def check_event_store(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W005: no event lies in the default partition. W006: the ledger adds up."""
    alias = router.db_for_write(apps.get_model("recommender.Event"))
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return []
    try:
        has_default_rows, differs = store_alarms()
    except DatabaseError:
        return []  # before the first migrate, or a server that is away, which is told above
    found: list[CheckMessage] = []
    if has_default_rows:
        hint = "Run the Celery beat: its task recommender.keep_books makes the months' partitions ahead."
        found.append(Warning("Events lie in the default partition.", hint=hint, id="recommender.W005"))
    if differs:
        hint = "Look at manage.py recommender_ledger: rows that were received have no outcome. Please report it."
        found.append(Warning("The ledger of events does not add up.", hint=hint, id="recommender.W006"))
    return found


def _wrong_value(name: str, value: Any) -> str:
    """What the value should be; "" where it is right. Judged by the kind of the default."""
    if name == "ITEM_MODEL" or (value is None and name in MAY_BE_NONE):
        return ""
    if name in CHOICES:
        return _wrong_choice(name, value)
    if name == "CONSENT_HOOK":
        return "" if _is_function(value) else 'the dotted path of a function, such as "shop.banner.consent"'
    if name in FOLDERS:
        return "" if isinstance(value, str | Path) and str(value) else "the path of a folder"
    if name == "METRICS_TOKEN":
        return "" if isinstance(value, str) and len(value) >= SHORTEST_TOKEN else f"{SHORTEST_TOKEN} or more characters"
    if isinstance(DEFAULTS[name], str):
        return "" if isinstance(value, str) and value else "a text"
    is_fraction = name.endswith(FRACTIONS)
    kind = "number" if is_fraction else "whole number"
    is_kind = isinstance(value, int | float if is_fraction else int) and not isinstance(value, bool)
    if name.endswith("_SHARE"):
        return "" if is_kind and 0 <= value <= 1 else "a number from 0 to 1"
    if name in LEAST_AND_MOST:
        least, most = LEAST_AND_MOST[name]
        limits = f"from {least} to {most}" if most < math.inf else f"of at least {least}"
        return "" if is_kind and least <= value <= most else f"a {kind} {limits}"
    if name in MAY_BE_ZERO:
        return "" if is_kind and 0 <= value < math.inf else f"a {kind} of at least 0"
    return "" if is_kind and 0 < value < math.inf else f"a {kind} above 0"


def _wrong_choice(name: str, value: Any) -> str:
    """As `_wrong_value`, for a setting in CHOICES: one of them, or a list of some."""
    choices = CHOICES[name]
    if isinstance(DEFAULTS[name], str):
        return "" if value in choices else f"one of {', '.join(choices)}"
    is_list = isinstance(value, list | tuple) and all(each in choices for each in value)
    return "" if is_list else f"a list of some of {', '.join(choices)}, or of none"


def _is_function(path: Any) -> bool:
    try:
        return callable(import_string(path))
    except (ImportError, AttributeError):
        return False


def _did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {prefix}{close[0]}?" if close else ""
