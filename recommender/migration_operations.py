"""Migration operations: the vector extension, and tables that are LIST-partitioned by version."""

from typing import Any

from django.db import NotSupportedError, OperationalError, migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from pgvector.django import VectorExtension

from recommender.exceptions import VectorExtensionMissing


class RequireVectorExtension(VectorExtension):
    """`CREATE EXTENSION IF NOT EXISTS vector`, with an error that names the fix.

    Raises:
        VectorExtensionMissing: the server has no pgvector installed.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        except (NotSupportedError, OperationalError) as error:
            raise VectorExtensionMissing(f"{VectorExtensionMissing.__doc__} Postgres says: {error}") from error


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
