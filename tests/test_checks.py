"""`manage.py check` explains each wrong setting before it hurts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from celery import Celery, current_app
from django.core.checks import run_checks
from django.db import connection, connections
from django.db.migrations.state import ProjectState

from demo.processes import free_port
from recommender import catalog as catalog_module
from recommender import checks
from recommender.catalog import Catalog
from recommender.checks import check_pgvector, check_routers
from recommender.exceptions import VectorExtensionMissing
from recommender.migration_operations import RequireVectorExtension
from shop.models import Product
from shop.recommendations import ProductCatalog
from tests.plugin import ROOT


def found(**options: Any) -> dict[str, str]:
    """id → message and hint of what the plugin's own checks report."""
    messages = run_checks(**options)
    return {
        message.id: f"{message.msg} {message.hint}" for message in messages if message.id.startswith("recommender.")
    }


@contextmanager
def registered(*classes: type[Catalog]) -> Iterator[None]:
    before = list(catalog_module._registered)
    catalog_module._registered[:] = [each() for each in classes]
    try:
        yield
    finally:
        catalog_module._registered[:] = before


@pytest.mark.django_db
def test_the_demo_shop_has_nothing_to_complain_about() -> None:
    assert found(databases=["default"], include_deployment_checks=False) == {}


class TestItemModel:
    @pytest.mark.parametrize("name", ["shop.Prodct", "nowhere.Product", "Product", 7])
    def test_an_unknown_model_is_an_error(self, settings: Any, name: object) -> None:
        settings.RECOMMENDER_ITEM_MODEL = name
        assert repr(name) in found()["recommender.E001"]

    def test_a_misspelt_one_gets_a_suggestion(self, settings: Any) -> None:
        settings.RECOMMENDER_ITEM_MODEL = "shop.Prodct"
        assert "Did you mean shop.Product?" in found()["recommender.E001"]

    def test_a_missing_one_is_an_error(self, settings: Any) -> None:
        del settings.RECOMMENDER_ITEM_MODEL
        assert "is not set" in found()["recommender.E001"]

    def test_a_project_without_the_setting_is_told_at_the_start(self) -> None:
        code = "import shop.settings; del shop.settings.RECOMMENDER_ITEM_MODEL\nimport django; django.setup()"
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings", "DJANGO_DEBUG": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
        assert 'ImproperlyConfigured: Set RECOMMENDER_ITEM_MODEL = "app.Model"' in done.stderr

    def test_a_project_that_misspells_it_is_told_by_the_check(self) -> None:
        code = (
            "import shop.settings; shop.settings.RECOMMENDER_ITEM_MODEL = 'shop.Prodct'\nimport django; django.setup()"
            "\nfrom django.core.management import call_command; call_command('check')"
        )
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings", "DJANGO_DEBUG": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1 and "Did you mean shop.Product?" in done.stderr


class TestCatalog:
    def test_a_price_with_decimals_is_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        price = Product._meta.get_field("price_cents")
        monkeypatch.setattr(price, "decimal_places", 2, raising=False)  # as a DecimalField has it
        assert "Prices" in found()["recommender.W009"]

    def test_none_is_a_warning_that_names_the_file(self) -> None:
        with registered():
            assert "recommendations.py" in found()["recommender.W001"]

    @pytest.mark.parametrize(
        ("attribute", "value"),
        [
            ("title", "nmae"),
            ("text", ["name", "descripton"]),
            ("attributes", ["category__departmnt__name"]),
            ("price_cents", "price"),
            ("image", "pictur_url"),
            ("variant_group", "family"),
            ("select_related", ["categories"]),
        ],
    )
    def test_a_lookup_that_leads_nowhere_is_an_error(self, attribute: str, value: Any) -> None:
        wrong = type("WrongCatalog", (ProductCatalog,), {attribute: value})
        with registered(wrong):
            assert f"WrongCatalog.{attribute} is wrong" in found()["recommender.E002"]

    @pytest.mark.parametrize(
        ("attribute", "value", "is_wrong"),
        [
            ("title", "category__department__categories__name", True),
            ("category", "category__department__categories__name", False),  # item_category() is written
            ("attributes", ["category__department__categories__name"], False),
        ],
    )
    def test_what_a_card_shows_has_one_value(self, attribute: str, value: Any, is_wrong: bool) -> None:
        with registered(type("ManyCatalog", (ProductCatalog,), {attribute: value})):
            assert ("recommender.E002" in found()) is is_wrong

    @pytest.mark.parametrize(
        "available",
        [
            lambda self, items: items.filter(is_activ=True),
            lambda self, items: items.exclude(category__departmnt=1),
            lambda self, items: items[:1000],
            lambda self, items: items.union(items),
        ],
        ids=["a misspelt field", "a misspelt lookup", "a slice", "a union"],
    )
    def test_what_cannot_filter_is_an_error(self, available: Any) -> None:
        with registered(type("WrongCatalog", (ProductCatalog,), {"available": available})):
            assert "WrongCatalog.available is wrong" in found()["recommender.E002"]

    @pytest.mark.parametrize(
        "available",
        [
            lambda self, items: items.none(),
            lambda self, items: items.order_by("-price_cents").distinct(),
            lambda self, items: items.filter(pk__in=[item.pk for item in items]),  # no database here, as before migrate
        ],
        ids=["nothing", "an order", "a query"],
    )
    def test_what_may_filter_is_none(self, available: Any) -> None:
        with registered(type("FineCatalog", (ProductCatalog,), {"available": available})):
            assert found() == {}

    def test_a_title_that_is_no_field_names_the_way(self) -> None:
        with registered(type("WrongCatalog", (ProductCatalog,), {"title": "get_absolute_url"})):
            assert "override item_title()" in found()["recommender.E002"]

    def test_a_text_where_a_list_belongs_is_an_error(self) -> None:
        class Sloppy(ProductCatalog):
            text: ClassVar = "name"

        with registered(Sloppy):
            assert 'write a list: ["name"]' in found()["recommender.E002"]


class TestSettings:
    def test_an_unknown_name_is_an_error_with_a_suggestion(self, settings: Any) -> None:
        settings.RECOMMENDER_LIST_LENGHT = 8
        assert "Did you mean RECOMMENDER_LIST_LENGTH?" in found()["recommender.E003"]

    def test_a_name_like_none_of_ours_gets_all_of_them(self, settings: Any) -> None:
        settings.RECOMMENDER_QQQ = 8
        assert "RECOMMENDER_LIST_LENGTH" in found()["recommender.E003"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("LIST_LENGTH", "12"),
            ("LIST_LENGTH", 0),
            ("LIST_LENGTH", 1.5),
            ("LIST_LENGTH", True),
            ("BLAS_THREADS", 0),
            ("LIST_LENGTH", None),
            ("LEASE_SECONDS", -1),
            ("LEASE_SECONDS", float("nan")),
            ("TRAINING_QUEUE", ""),
            ("TRAINING_QUEUE", None),
            ("REPEAT_SHARE", 1.5),
            ("TRAINING_EFFORT", 0),
            ("MIN_BUYERS", 4),
            ("BUDGET_MS", 1),
            ("MAX_LIST_LENGTH", 151),
            ("MAX_EVENTS_PER_POST", 99),
            ("MAX_POST_BYTES", 60_000),
            ("CONSENT", "all"),
            ("CONSENT", None),
            ("CONSENT_HOOK", "shop.nothing.here"),
            ("CONSENT_HOOK", ""),
            ("AUGMENTATIONS", "crop"),
            ("AUGMENTATIONS", ["luck"]),
            ("AUGMENTATIONS", None),
            ("VIEW_RETENTION_DAYS", -1),
        ],
    )
    def test_a_value_of_the_wrong_kind_is_an_error(self, settings: Any, name: str, value: object) -> None:
        setattr(settings, f"RECOMMENDER_{name}", value)
        assert f"RECOMMENDER_{name} is {value!r}." in found()["recommender.E004"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("BLAS_THREADS", None),
            ("TRAINING_INTERVAL_HOURS", None),
            ("TRAINING_INTERVAL_HOURS", 0.5),
            ("CONSENT", "none"),
            ("CONSENT_HOOK", None),
            ("AUGMENTATIONS", []),
            ("AUGMENTATIONS", ["crop", "edges"]),
            ("CONSENT_HOOK", "tests.privacy.test_consent.banner"),
            ("PURCHASE_RETENTION_DAYS", 0),
            ("MAX_LIST_LENGTH", 150),
            ("MAX_EVENTS_PER_POST", 100),
            ("HNSW_MIN_ITEMS", 0),
            ("VERSIONS_KEPT", 0),
        ],
    )
    def test_a_value_that_makes_sense_is_none(self, settings: Any, name: str, value: object) -> None:
        setattr(settings, f"RECOMMENDER_{name}", value)
        assert found() == {}

    def test_every_default_passes_its_own_check(self, settings: Any) -> None:
        for name, value in checks.DEFAULTS.items():
            if name != "ITEM_MODEL":
                setattr(settings, f"RECOMMENDER_{name}", value)
        assert found() == {}


class ToShop:
    """A router that moves one app out of the default database."""

    def __init__(self, app_label: str) -> None:
        self.app_label = app_label

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "other" if model._meta.app_label == self.app_label else None


class FromReplica:
    """A router as on Django's page on several databases."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


class TestRouters:
    @pytest.mark.parametrize(("app_label", "model"), [("recommender", "recommender.Event"), ("shop", "shop.Product")])
    def test_what_lists_join_lies_in_the_default_database(self, settings: Any, app_label: str, model: str) -> None:
        settings.DATABASE_ROUTERS = [ToShop(app_label)]
        (error,) = check_routers()
        assert (error.id, error.msg) == ("recommender.E009", f"A database router sends {model} to 'other'.")

    def test_what_is_stored_is_not_read_from_a_replica(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = [FromReplica()]
        (error,) = check_routers()
        assert error.msg == "A database router reads recommender.Event from 'replica'." and checks.ROUTER in error.hint
        settings.DATABASE_ROUTERS = [checks.ROUTER, FromReplica()]
        assert check_routers() == []

    def test_others_may_lie_elsewhere(self, settings: Any) -> None:
        settings.DATABASE_ROUTERS = [ToShop("sessions")]
        assert check_routers() == []


class TestInstallation:
    def test_another_database_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections["default"], "vendor", "sqlite")
        assert "is not PostgreSQL" in found()["recommender.E005"]

    def test_times_without_a_zone_are_an_error(self, settings: Any) -> None:
        settings.USE_TZ = False
        assert "USE_TZ is off" in found()["recommender.E008"]

    def test_a_missing_rest_framework_is_an_error(self, settings: Any) -> None:
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "rest_framework"]
        assert 'Add "rest_framework"' in found()["recommender.E007"]

    def test_a_missing_middleware_is_a_warning(self, settings: Any) -> None:
        settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != checks.MIDDLEWARE]
        assert checks.MIDDLEWARE in found()["recommender.W002"]

    def test_a_middleware_before_the_accounts_is_a_warning(self, settings: Any) -> None:
        others = [path for path in settings.MIDDLEWARE if path != checks.MIDDLEWARE]
        settings.MIDDLEWARE = [checks.MIDDLEWARE, *others]
        assert "to the end" in found()["recommender.W002"]

    def test_urls_that_are_not_included_are_a_warning(self, settings: Any) -> None:
        settings.ROOT_URLCONF = "django.contrib.auth.urls"
        assert 'include("recommender.urls")' in found()["recommender.W008"]

    def test_a_project_that_loads_no_celery_app_is_warned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = current_app._get_current_object()
        monkeypatch.delenv("CELERY_BROKER_URL")
        try:
            Celery(set_as_current=True)  # what Celery falls back to
            assert "__init__.py" in found()["recommender.W003"]
        finally:
            ours.set_current()


def test_celery_s_own_app_is_none() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"} | {
        "DJANGO_SETTINGS_MODULE": "tests.foreign_shop.settings",
        "FOREIGN_ITEM_MODEL": "foreign_shop.Thing",
    }
    argv = [sys.executable, "-m", "django", "check"]
    done = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert "(recommender.W003) No Celery app is loaded" in done.stderr


def test_a_server_that_is_away_is_named_and_costs_no_traceback() -> None:
    of_browser_tests = "DJANGO_ALLOW_ASYNC_UNSAFE"
    environment = {
        **{name: value for name, value in os.environ.items() if name != of_browser_tests},
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DJANGO_SECRET_KEY": "x" * 60,
        "DATABASE_URL": f"postgresql://shop@127.0.0.1:{free_port()}/shop",
    }
    arguments = [sys.executable, "manage.py", "check", "--deploy", "--database", "default"]
    done = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "recommender.serving.placements has not read its table" in done.stderr
    assert "(recommender.W010) The database 'default' does not answer, so pgvector and stored" in done.stderr


@pytest.mark.django_db
class TestPgvector:
    """`pg_available_extensions` is shadowed by a table of the session, as if the server had another pgvector."""

    @pytest.fixture
    def offers(self) -> Iterator[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE pg_available_extensions"
                " (name text, installed_version text, default_version text)"
            )
            cursor.execute("SET LOCAL search_path = pg_temp, public, pg_catalog")
            yield lambda *row: cursor.execute("INSERT INTO pg_available_extensions VALUES ('vector', %s, %s)", row)

    def test_a_server_without_it_is_an_error_that_names_the_fix(self, offers: Any) -> None:
        (error,) = check_pgvector(databases=["default"])
        assert error.id == "recommender.E006" and "CREATE EXTENSION vector" in str(error.hint)

    @pytest.mark.parametrize(("installed", "offered"), [("0.6.2", "0.8.6"), ("0.8.4", "0.8.6"), (None, "0.8.3")])
    def test_an_old_one_is_a_warning(self, offers: Any, installed: str | None, offered: str) -> None:
        offers(installed, offered)
        (warning,) = check_pgvector(databases=["default"])
        assert warning.id == "recommender.W004" and str(installed or offered) in warning.msg

    def test_one_that_is_offered_is_enough_before_the_first_migrate(self, offers: Any) -> None:
        offers(None, "0.8.5")
        assert check_pgvector(databases=["default"]) == []

    @pytest.mark.parametrize(("installed", "expected"), [(None, ["recommender.W007"]), ("0.8.6", [])])
    def test_a_role_that_may_not_create_it_is_told_before_migrate(
        self, offers: Any, installed: str | None, expected: list[str]
    ) -> None:
        offers(installed, "0.8.6")
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE recommender_poor; GRANT SELECT ON pg_available_extensions TO recommender_poor")
            cursor.execute("SET LOCAL ROLE recommender_poor")
        assert [message.id for message in check_pgvector(databases=["default"])] == expected

    def test_migrate_by_a_role_that_may_not_create_it_names_the_fix(self) -> None:
        operation = RequireVectorExtension()
        operation.name = "bloom"  # on the server, not in the database, and not for everybody
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE recommender_poor; SET LOCAL ROLE recommender_poor")
        with pytest.raises(VectorExtensionMissing, match="as superuser"), connection.schema_editor() as editor:
            operation.database_forwards("recommender", editor, ProjectState(), ProjectState())

    def test_the_extension_stays_when_the_tables_go(self) -> None:
        with connection.schema_editor() as editor:
            RequireVectorExtension().database_backwards("recommender", editor, ProjectState(), ProjectState())
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")
                assert cursor.fetchone() == (1,)

    def test_without_databases_none_is_asked(self, offers: Any) -> None:
        assert check_pgvector(databases=None) == []

    def test_migrate_on_a_server_without_it_names_the_fix(self) -> None:
        operation = RequireVectorExtension()
        operation.name = "no_such_extension"
        with pytest.raises(VectorExtensionMissing, match="install pgvector"), connection.schema_editor() as editor:
            operation.database_forwards("recommender", editor, ProjectState(), ProjectState())
