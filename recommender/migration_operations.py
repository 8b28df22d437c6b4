"""Migration operations: the vector extension, tables partitioned by version, and events partitioned by month."""

from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, NotSupportedError, OperationalError, ProgrammingError, migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from pgvector.django import VectorExtension

from recommender.exceptions import VectorExtensionMissing


class RequireVectorExtension(VectorExtension):
    """`CREATE EXTENSION IF NOT EXISTS vector`, with an error that names the fix. It stays when the tables go: another
    app may have vectors, and whoever migrates need not own the extension.

    Raises:
        VectorExtensionMissing: the server has no pgvector installed, or this role may not create it.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        except (NotSupportedError, OperationalError, ProgrammingError) as error:
            raise VectorExtensionMissing(f"{VectorExtensionMissing.__doc__} Postgres says: {error}") from error

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Nothing, see above."""


class CreateModelByVersion(migrations.CreateModel):
    """CreateModel whose table is `PARTITION BY LIST (version_id)`; the partitions come with the versions."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        sql, params = schema_editor.table_sql(model)
        schema_editor.execute(f"{sql} PARTITION BY LIST (version_id)", params or None)


class PartitionByMonth(Operation):
    """The event table becomes `PARTITION BY RANGE (id)`; its rows move into the partitions of their months.

    The rows are copied and the indexes built anew, in the migration's transaction: about 20 s for a million and a half.
    In another database than the default one, where nothing of ours is ever stored, it stays a plain table.
    """

    reduces_to_sql = False
    reversible = True

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The model stays as it is."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        from recommender.capture import partitions

        model: Any = to_state.apps.get_model(app_label, self.name)
        if not self._is_wanted(schema_editor, model):
            return
        table = model._meta.db_table
        _put_aside(schema_editor, model)
        _create(schema_editor, model, " PARTITION BY RANGE (id)")
        schema_editor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        schema_editor.execute(
            f"CREATE TABLE {table}_undated PARTITION OF {table}"
            " FOR VALUES FROM (MINVALUE) TO ('00000000-0001-0000-0000-000000000000')"
        )
        partitions.ensure_months(partitions.months_in(f"{table}_before"))
        partitions.create_ahead(datetime.now(UTC).date())
        latest = partitions.first_id(datetime.now(UTC) + partitions.CLOCK_TOLERANCE)
        schema_editor.execute(  # of browsers whose clock is wrong
            f"UPDATE {table}_before SET id = ('00000000-0000-' || substr(id::text, 15))::uuid WHERE id > '{latest}'"  # noqa: S608  names of our own
        )
        _take_back(schema_editor, model)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = from_state.apps.get_model(app_label, self.name)
        if not self._is_wanted(schema_editor, model):
            return
        _put_aside(schema_editor, model)
        _create(schema_editor, model, "")
        _take_back(schema_editor, model)

    def describe(self) -> str:
        return f"Partition {self.name} by month"

    def _is_wanted(self, schema_editor: BaseDatabaseSchemaEditor, model: Any) -> bool:
        alias = schema_editor.connection.alias
        return alias == DEFAULT_DB_ALIAS and self.allow_migrate_model(alias, model)


def _put_aside(schema_editor: BaseDatabaseSchemaEditor, model: Any) -> None:
    """Rename the table to `<table>_before`, and free the names of its indexes."""
    table = model._meta.db_table
    schema_editor.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    schema_editor.execute(f"ALTER TABLE {table}_before DROP CONSTRAINT {table}_pkey")
    for index in model._meta.indexes:
        schema_editor.execute(f"DROP INDEX {index.name}")


def _create(schema_editor: BaseDatabaseSchemaEditor, model: Any, partition_by: str) -> None:
    """Make the table; its indexes and foreign keys come with the last statements of the migration."""
    sql, params = schema_editor.table_sql(model)
    schema_editor.execute(f"{sql}{partition_by}", params or None)
    schema_editor.deferred_sql.extend(schema_editor._model_indexes_sql(model))  # type: ignore[attr-defined]


def _take_back(schema_editor: BaseDatabaseSchemaEditor, model: Any) -> None:
    table = model._meta.db_table
    names = ", ".join(field.column for field in model._meta.concrete_fields)
    schema_editor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}_before")  # noqa: S608  own names
    schema_editor.execute(f"DROP TABLE {table}_before")
