"""A second version for benchmarks that flip between versions: the live one again, under another number."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from recommender.index.partitions import (
    PARTITIONED,
    attach_partition,
    build_hnsw,
    create_partition,
    drop_partitions,
    partition_name,
)
from recommender.index.publish import publish
from recommender.models import ItemEmbedding, ModelArtifact, ModelVersion, TrainingRun

ENCODER = "visitor_encoder.onnx"


@contextmanager
def copy_of_live(*, damaged: bool = False) -> Iterator[ModelVersion]:
    """A version with the live one's vectors and files, deleted at the end; the live one is live again then.

    Args:
        damaged: its visitor encoder is not what its checksum says.
    """
    connection.close()  # a fault before may have ended it
    live = ModelVersion.objects.get(is_live=True)
    with transaction.atomic():
        copy = _copied(live)
        if damaged:
            copy.artifacts.filter(name=ENCODER).update(content=b"damaged")
    try:
        yield copy
    finally:
        connection.close()  # a fault may have ended it
        publish(live)
        with transaction.atomic():
            drop_partitions(copy.pk)
        run = copy.run
        ModelVersion.objects.filter(pk=copy.pk).delete()
        run.delete()


@contextmanager
def damaged_version() -> Iterator[None]:
    """A version with a damaged visitor encoder is live: no process can load it."""
    with copy_of_live(damaged=True) as copy:
        publish(copy)
        yield


def _copied(live: ModelVersion) -> ModelVersion:
    run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger=TrainingRun.Trigger.COMMAND)
    copy = ModelVersion.objects.get(pk=live.pk)
    copy.pk, copy.run, copy.is_live, copy.published_at = None, run, False, None
    copy.save()
    for file in live.artifacts.all():
        ModelArtifact.objects.create(version=copy, name=file.name, sha256=file.sha256, content=file.content)
    for model in PARTITIONED:
        create_partition(model, copy.pk)
        names = [str(field.column) for field in model._meta.concrete_fields if field.column != "version_id"]
        columns = ", ".join(names)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {partition_name(model, copy.pk)} (version_id, {columns})"  # noqa: S608  names of our own
                f" SELECT %s, {columns} FROM {partition_name(model, live.pk)}",
                [copy.pk],
            )
        if model is ItemEmbedding and copy.has_ann_index:
            build_hnsw(copy.pk, copy.dim)
        attach_partition(model, copy.pk)
    return copy
