"""Our tables come after the migration that makes the shop's item model, whichever that is."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import migrations

from recommender.item_migration import item_dependency

MAKES = "migrations.CreateModel('Product', [])"
MAKES_OTHER = "migrations.CreateModel('Thing', [])"


@pytest.fixture
def shop_with(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> Any:
    """Gives the item's app other migrations: name → (needs, operations, further lines of the class)."""
    package = f"migrations_{request.node.name.partition('[')[0]}"
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"shop": package}

    def write(**files: tuple[Any, str, str] | tuple[Any, str]) -> None:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        for name, (needs, operations, *more) in files.items():
            needed = [(each.partition(".")[0], each.partition(".")[2]) for each in needs]
            lines = ["class Migration(migrations.Migration):", f"dependencies = {needed}"]
            text = "\n    ".join([*lines, f"operations = [{operations}]", *more])
            text = f"from django.db import migrations\n\n\n{text}"
            (tmp_path / package / f"{name}.py").write_text(text)

    return write


def test_the_item_model_may_come_after_the_first_migration(empty_database: str) -> None:
    """Forth, back and forth again on a real database; a key that the shop widens later is widened here, too."""
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "tests.shop_that_grew.settings",
    }
    argv = [sys.executable, "-W", "error", "-m", "tests.shop_that_grew"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["bigint", ""]


def test_a_second_database_without_a_router_is_migrated_forth_and_back(empty_database: str) -> None:
    """As test runners do with every database of DATABASES."""
    environment = {
        **os.environ,
        "LEGACY_DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "tests.shop_that_grew.settings",
    }
    for arguments in ([], ["recommender", "zero"]):
        argv = [sys.executable, "-m", "django", "migrate", *arguments, "--database", "legacy", "--verbosity", "0"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


def test_the_first_migration_may_make_it() -> None:
    assert item_dependency() == ("shop", "0001_initial")


def test_a_later_one_may(shop_with: Any) -> None:
    shop_with(a=((), MAKES_OTHER), c=(["shop.a"], MAKES), b=(["shop.c"], MAKES_OTHER))
    assert item_dependency() == ("shop", "c")


def test_it_may_be_made_in_the_state_only(shop_with: Any) -> None:
    shop_with(
        a=((), MAKES_OTHER),
        b=(["shop.a"], f"migrations.SeparateDatabaseAndState(state_operations=[{MAKES}])"),
    )
    assert item_dependency() == ("shop", "b")


def test_it_may_get_its_name_later(shop_with: Any) -> None:
    shop_with(
        a=((), "migrations.CreateModel('Ware', [])"),
        b=(["shop.a"], "migrations.RenameModel('Ware', 'Product')"),
    )
    assert item_dependency() == ("shop", "b")


def test_of_two_models_of_the_name_the_later_one_is_meant(shop_with: Any) -> None:
    shop_with(z=((), MAKES), y=(["shop.z"], "migrations.DeleteModel('Product')"), x=(["shop.y"], MAKES))
    assert item_dependency() == ("shop", "x")


def test_of_a_squashed_migration_and_what_it_replaces_the_replaced_one_is_named(shop_with: Any) -> None:
    """Django leads from there to the squashed one where that is applied or nothing is."""
    shop_with(
        a=((), MAKES_OTHER),
        b=(["shop.a"], MAKES),
        a_squashed_b=((), f"{MAKES_OTHER}, {MAKES}", "replaces = [('shop', 'a'), ('shop', 'b')]"),
    )
    assert item_dependency() == ("shop", "b")


def test_a_squashed_migration_counts_where_the_others_are_gone(shop_with: Any) -> None:
    shop_with(
        a_squashed_b=((), f"{MAKES_OTHER}, {MAKES}", "replaces = [('shop', 'a'), ('shop', 'b')]"),
        c=(["shop.b"], MAKES_OTHER),
    )
    assert item_dependency() == ("shop", "a_squashed_b")


def test_a_model_that_came_when_our_tables_were_there_does_not_make_a_circle(shop_with: Any) -> None:
    shop_with(
        a=((), MAKES_OTHER),
        b=(["shop.a", "recommender.0001_initial"], MAKES_OTHER),
        c=(["shop.b"], MAKES),
    )
    assert item_dependency() == migrations.swappable_dependency("shop.Product")


@pytest.mark.parametrize("module", [None, "tests.no_such_package"])
def test_an_app_without_migrations_is_left_to_django(settings: Any, module: str | None) -> None:
    settings.MIGRATION_MODULES = {"shop": module}
    assert item_dependency() == ("shop", "__first__")


def test_a_model_that_nobody_makes_is_left_to_django(settings: Any) -> None:
    settings.RECOMMENDER_ITEM_MODEL = "shop.Nothing"
    assert item_dependency() == ("shop", "__first__")
    settings.RECOMMENDER_ITEM_MODEL = "nowhere.Nothing"
    assert item_dependency() == ("nowhere", "__first__")
