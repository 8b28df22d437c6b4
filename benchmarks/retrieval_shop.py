"""A made-up catalogue in a Postgres of its own: products, their vectors as a version, and what visitors ask for.

The vectors have the width of the demo's, and are clustered as trained ones are: a few hundred groups of unequal size
in a space of few directions, and noise in all of them. A product's category has nothing to do with its cluster, which
is the harder case for an index: what a filter keeps lies anywhere.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from demo.postgres import EmbeddedPostgres
from recommender.dataset.ranking_features import STATISTICS
from recommender.encoders.tables import EmbeddingTable, Part

if TYPE_CHECKING:
    from recommender.models import ModelVersion, SavedFilter

DIM: Final = 194  # of the demo's version
DIRECTIONS: Final = 32  # of the space that the groups lie in
GROUPS: Final = 400
SPREAD: Final = 0.6  # of a group, beside the distance between groups
NOISE: Final = 0.25
CATEGORIES: Final = 100  # each keeps 1 % of the items
LINKS: Final = bytes(600)  # 60 links an item are usual
Floats = NDArray[np.float32]


def made_up_vectors(count: int, seed: int = 0) -> Floats:
    """[count, DIM] unit norm."""
    rng = np.random.default_rng(seed)
    lift = rng.standard_normal((DIRECTIONS, DIM), dtype=np.float32) / np.float32(DIRECTIONS**0.5)
    centres = rng.standard_normal((GROUPS, DIRECTIONS), dtype=np.float32)
    group = (GROUPS * rng.random(count) ** 2).astype(np.int64)  # the first groups are the largest
    vectors = (centres[group] + SPREAD * rng.standard_normal((count, DIRECTIONS), dtype=np.float32)) @ lift
    vectors += NOISE * rng.standard_normal((count, DIM), dtype=np.float32)
    return unit(vectors)


def asked_for(vectors: Floats, count: int, seed: int = 1) -> Floats:
    """[count, DIM] unit norm: the mean of eight items around each of `count` random ones, as after a visit."""
    rng = np.random.default_rng(seed)
    found = []
    for row in rng.integers(len(vectors), size=count):
        some = rng.integers(len(vectors), size=2_000)
        near = some[np.argsort(vectors[some] @ vectors[row])[-7:]]
        found.append(vectors[row] + vectors[near].sum(axis=0))
    return unit(np.array(found, dtype=np.float32))


def unit(vectors: Floats) -> Floats:
    """[n, dim] at unit norm."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@contextmanager
def shop_database(kept: Path | None) -> Iterator[EmbeddedPostgres]:
    """A shop, empty and gone at the end unless its files are kept there; Django is set up on it."""
    folder = kept or Path(tempfile.mkdtemp(prefix="retrieval-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # as root, Postgres runs as another account
    server = EmbeddedPostgres(folder)
    try:
        os.environ["DATABASE_URL"] = server.start()
        os.environ.setdefault("DJANGO_SECRET_KEY", "only-for-the-benchmark")
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", "--noinput", "--verbosity=0")
        yield server
    finally:
        server.destroy() if kept is None else server.stop()


def fill(vectors: Floats) -> "ModelVersion":
    """Products 1..n with these vectors, all in stock, as the live version; its index is still to be built."""
    from django.test import override_settings

    from recommender.index.publish import publish
    from recommender.index.writer import write_version
    from recommender.models import TrainingRun

    fill_products(len(vectors))
    run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger=TrainingRun.Trigger.COMMAND)
    with override_settings(RECOMMENDER_HNSW_MIN_ITEMS=10**9):
        return publish(write_version(run, table(vectors), {"passed": True, "reasons": [], "metrics": {}}))


def fill_products(count: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX shop_product_search")  # of the shop's text search: slow to fill, not asked here
        cursor.execute("INSERT INTO shop_department (name, slug, picture, position) VALUES ('All', 'all', 'box', 0)")
        cursor.execute(
            "INSERT INTO shop_category (department_id, name, slug) SELECT (SELECT id FROM shop_department),"
            " 'Category ' || n, 'category-' || n FROM generate_series(0, %s) AS n",
            [CATEGORIES - 1],
        )
        cursor.execute(
            "INSERT INTO shop_product (id, name, description, category_id, brand, manufacturer, product_type, size,"
            " picture, price_cents, stock, is_active, times_bought)"
            " SELECT n, 'Item ' || n, '', category.id, '', '', '', '', 'box', 100, 10, true, 0"
            " FROM generate_series(1, %s) AS n"
            " JOIN shop_category AS category ON category.slug = 'category-' || n %% %s",
            [count, CATEGORIES],
        )
        cursor.execute("VACUUM ANALYZE shop_product")
        cursor.execute("ANALYZE shop_category")


def table(vectors: Floats) -> EmbeddingTable:
    """A version of products 1..n without visitors and pairs."""
    count = len(vectors)
    none, numbers = np.zeros(0, np.int64), np.arange(1, count + 1)
    return EmbeddingTable(
        item=numbers,
        vector=vectors,
        popularity=1.0 / numbers.astype(np.float32),
        statistics=np.zeros((count, len(STATISTICS)), np.float32),
        links=[LINKS] * count,
        is_cold=np.zeros(count, dtype=bool),
        parts=(Part("content", 0, vectors.shape[1], 1.0),),
        visitor=none,
        visitor_vector=np.zeros((0, vectors.shape[1]), np.float32),
        pair_item=none,
        pair_other=none,
        pair_score=np.zeros(0, np.float32),
        pair_support=np.zeros(0, np.int32),
        artifacts={},
    )


def kept(items: int, share: int) -> NDArray[np.bool_]:
    """Which of the products 1..items are in the first `share` categories."""
    allowed: NDArray[np.bool_] = np.arange(1, items + 1) % CATEGORIES < share * CATEGORIES // 100
    return allowed


def narrowed(share: int) -> "SavedFilter":
    """The same as a filter of the shop's, by the name of the category."""
    from recommender.models import SavedFilter

    names = [f"Category {number}" for number in range(share * CATEGORIES // 100)]
    return SavedFilter(name=f"{share} %", values={"category__name": names})


def keep_in_stock(share: int) -> None:
    """Have only the first `share` categories."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shop_product SET stock = 10 * wanted::int FROM (SELECT id AS category,"
            " split_part(slug, '-', 2)::int < %s AS wanted FROM shop_category) AS wanting"
            " WHERE category_id = category AND (stock > 0) <> wanted",
            [share * CATEGORIES // 100],
        )
        cursor.execute("VACUUM ANALYZE shop_product")
