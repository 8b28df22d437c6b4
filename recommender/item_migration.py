"""The migration of the shop that makes the item model: the plugin's tables link to it, so it has to come first."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from django.db import migrations
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from recommender.conf import conf

Key = tuple[str, str]  # app label and name, as Django's graph of migrations has them
Migrations = dict[Key, type[migrations.Migration]]


def item_dependency() -> Key:
    """What a migration that links to the item model depends on.

    Django's `swappable_dependency` means the first migration of the item's app, but the model may be made, or get its
    name, in a later one. What the shop changes of its key after that is no matter of order: Django alters the columns
    that link to it, too, and a database that has our tables must not depend on a migration that it has not got yet.
    """
    first: Key = migrations.swappable_dependency(conf.ITEM_MODEL)
    app_label, _, model = conf.ITEM_MODEL.partition(".")
    known = _migrations(app_label)
    graph = _graph(known)
    makers = {key for key, each in known.items() if _makes(each.operations, model.lower())}
    needed = {key: set(graph.forwards_plan(key)) - {key} for key in makers}
    # Where a squashed migration takes the place of one that it replaces, Django leads from that one to it.
    squashed = {key for key in makers if makers.intersection(map(tuple, known[key].replaces))}
    last = sorted(makers - squashed.union(*needed.values()))
    if not last or any(app == "recommender" for app, _ in needed[last[-1]]):
        return first  # an app without migrations, or a model that came when our tables were there
    return last[-1]


def _migrations(app_label: str) -> Migrations:
    """As Django's loader finds them. It cannot be asked: it is just loading the module that asks."""
    try:
        name, _ = MigrationLoader.migrations_module(app_label)
        package = import_module(name) if name else None
    except (LookupError, ModuleNotFoundError):
        return {}  # the loader reports it, or takes it for an app without migrations
    names = [each.name for each in pkgutil.iter_modules(getattr(package, "__path__", ())) if not each.ispkg]
    modules = {each: import_module(f"{name}.{each}") for each in names if each[0] not in "_~"}
    return {(app_label, each): module.Migration for each, module in modules.items() if hasattr(module, "Migration")}


def _makes(operations: Iterable[Operation], model: str) -> bool:
    """Whether there is a model of this name, in lower case, after them."""
    for each in operations:
        if isinstance(each, migrations.SeparateDatabaseAndState) and _makes(each.state_operations, model):
            return True
        if isinstance(each, migrations.CreateModel) and each.name_lower == model:
            return True
        if isinstance(each, migrations.RenameModel) and each.new_name_lower == model:
            return True
    return False


def _graph(known: Migrations) -> MigrationGraph:
    """One app's migrations, and the names of what they need of other apps."""
    graph = MigrationGraph()
    for key, migration in known.items():
        graph.add_node(key, migration)  # type: ignore[arg-type]
    for key, migration in known.items():
        for parent in migration.dependencies:
            graph.add_dependency(None, key, tuple(parent), skip_validation=True)  # type: ignore[arg-type]
    return graph
