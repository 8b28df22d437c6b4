"""A product that was saved a moment ago is in the lists; one that cannot be sold never is. No training in between."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from celery import current_app
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone

from recommender import item_changes
from recommender.capture.tables import VIEW
from recommender.catalog import Catalog
from recommender.dataset.item_encoder import NAME
from recommender.dataset.link_packing import unpack_links
from recommender.dataset.ranking_features import STATISTICS
from recommender.index.nearest import NEWCOMERS, compare
from recommender.index.newcomers import _relink
from recommender.index.publish import publish
from recommender.index.version_files import item_encoder
from recommender.models import ItemChange, ItemEmbedding, ModelArtifact, ModelVersion, Visitor
from recommender.refresh import refresh_items, take_in_missing
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.plugin import ROOT, worker_environment
from tests.worded_shops import DRINKS, make_product, make_shop, publish_worded_version
from tests.worlds import make_event, make_products, publish_tiny_version, write_tiny_version

pytestmark = pytest.mark.django_db
SECONDS = 5.0


@pytest.fixture
def version() -> ModelVersion:
    make_shop()
    ItemChange.objects.all().delete()  # the version knows them
    return publish_worded_version()


def similar_to(item: Product, n: int = 6) -> list[str]:
    return [entry.item.name for entry in recommend(Query("similar_items", None, n, item_id=item.pk)).entries]


def row_of(version: ModelVersion, item: Product) -> ItemEmbedding:
    return ItemEmbedding.objects.get(version_id=version.pk, item_id=item.pk)


def content_links(row: ItemEmbedding) -> dict[int, float]:
    rows, strengths = unpack_links(row.links)
    return {int(other): float(strength[2]) for other, strength in zip(rows, strengths, strict=True) if strength[2]}


def wait_until(holds: Callable[[], bool], seconds: float = SECONDS) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "too late"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.django_db(transaction=True)
def test_a_product_is_recommended_within_five_seconds_of_its_save(celery_worker_process: Any) -> None:
    shop = make_shop()
    publish_worded_version()
    visitor = Visitor.objects.create()
    make_event(visitor, shop[0], VIEW)
    new = make_product("hazelnut milk", "Drinks")
    wait_until(lambda: new.name in similar_to(shop[0], 12))
    found = recommend(Query("for_you", visitor, 12))
    assert found.rung == "personal"
    assert new.name in [entry.item.name for entry in found.entries]


def test_a_new_product_is_among_its_like(version: ModelVersion) -> None:
    new = make_product("hazelnut milk", "Drinks")
    assert refresh_items() == 1
    assert set(similar_to(new)) <= set(DRINKS)
    row = row_of(version, new)
    assert row.is_cold and row.popularity == 0.0
    assert row.row == ItemEmbedding.objects.filter(version_id=version.pk).count()
    statistics = np.frombuffer(row.statistics, "<f4")
    assert statistics[STATISTICS.index("price")] == pytest.approx(np.log1p(199))
    assert statistics[0] == 0.0 and statistics[7] == 7.0  # of an item without events


def test_its_words_lead_to_it_and_from_it(version: ModelVersion) -> None:
    new = make_product("hazelnut milk", "Drinks")
    refresh_items()
    own = row_of(version, new)
    leads = content_links(own)
    assert len(leads) >= 5
    for row, strength in leads.items():
        back = ItemEmbedding.objects.get(version_id=version.pk, row=row)
        assert content_links(back)[own.row] == pytest.approx(strength)


def test_a_new_name_moves_a_product(version: ModelVersion) -> None:
    new = make_product("hazelnut milk", "Drinks")
    refresh_items()
    drinks = content_links(row_of(version, new))
    new.name, new.description = "garden table", "garden furniture"
    new.category = Product.objects.get(name="garden hose").category
    new.save()
    assert refresh_items() == 1
    assert set(similar_to(new, 4)).isdisjoint(DRINKS)
    row = row_of(version, new)
    for gone in set(drinks) - set(content_links(row)):
        assert row.row not in content_links(ItemEmbedding.objects.get(version_id=version.pk, row=gone))


def test_what_was_learned_from_events_stays(version: ModelVersion) -> None:
    item = Product.objects.get(name="oat milk")
    ItemEmbedding.objects.filter(version_id=version.pk, item_id=item.pk).update(is_cold=False, popularity=7.0)
    before = np.array(row_of(version, item).vector)
    item.name, item.price_cents = "oat drink", 500
    item.save()
    refresh_items()
    row = row_of(version, item)
    after = np.array(row.vector)
    assert np.allclose(before[:6], after[:6], atol=2e-3) and not np.allclose(before[6:14], after[6:14], atol=1e-2)
    assert (row.popularity, row.is_cold) == (7.0, False)
    assert np.frombuffer(row.statistics, "<f4")[STATISTICS.index("price")] == pytest.approx(np.log1p(500))


def test_a_save_of_the_stock_alone_is_no_change(version: ModelVersion) -> None:
    item = Product.objects.get(name="oat milk")
    refresh_items()
    item.stock = 1
    item.save(update_fields=["stock"])
    assert refresh_items() == 0
    item.save(update_fields=["category_id"])
    assert refresh_items() == 1


def test_what_sells_out_or_goes_is_not_shown_from_that_moment(version: ModelVersion) -> None:
    new = make_product("hazelnut milk", "Drinks")
    oat = Product.objects.get(name="oat milk")
    refresh_items()
    assert new.name in similar_to(oat, 12)
    Product.objects.filter(pk=new.pk).update(stock=0)
    assert new.name not in similar_to(oat, 12)
    Product.objects.filter(pk=new.pk).update(stock=1)
    assert new.name in similar_to(oat, 12)
    new.delete()
    assert new.name not in similar_to(oat, 12)


def test_what_came_after_the_training_is_among_the_candidates_the_newest_first(version: ModelVersion) -> None:
    new = [make_product(name, "Drinks") for name in ("hazelnut milk", "almond milk", "rice milk")]
    refresh_items()
    somewhere = np.ones(version.dim, np.float32)
    found = compare(version, somewhere, nearest=0, newcomers=2)
    assert [(row.item_id, row.source) for row in found] == [(item.pk, NEWCOMERS) for item in new[:0:-1]]


def test_a_product_that_is_gone_again_is_no_error(version: ModelVersion) -> None:
    make_product("hazelnut milk", "Drinks").delete()
    assert refresh_items() == 1
    assert refresh_items() == 0


def test_products_that_came_past_save_are_found(version: ModelVersion) -> None:
    assert take_in_missing() == 0
    new = make_products(3, "Bulk")
    assert refresh_items() == 0
    assert take_in_missing() == 3
    assert row_of(version, new[2]).is_cold


def test_a_product_noted_twice_at_once_is_one_change(version: ModelVersion) -> None:
    drink = make_product("hazelnut milk", "Drinks")
    item_changes.note_items([drink.pk, drink.pk])  # a shop hands over the keys of its changed prices, say
    assert ItemChange.objects.filter(item=drink).count() == 1


def test_a_change_whose_time_is_not_found_again_is_no_endless_loop(version: ModelVersion, monkeypatch) -> None:
    new = make_product("hazelnut milk", "Drinks")
    asked = iter([[(new.pk, timezone.now())]])
    monkeypatch.setattr("recommender.refresh._pending", lambda version: next(asked))  # a second time is an error
    assert refresh_items() == 1


def test_two_that_come_together_lead_to_each_other(version: ModelVersion) -> None:
    one, other = make_product("hazelnut milk", "Drinks"), make_product("hazelnut milk, large", "Drinks")
    refresh_items()
    rows = row_of(version, one), row_of(version, other)
    _relink(version, {rows[0].row: {rows[1].row: 0.5}, rows[1].row: {}})
    assert content_links(row_of(version, one)) == {rows[1].row: 0.5}
    assert content_links(row_of(version, other)) == {rows[0].row: 0.5}


def test_the_next_version_takes_in_what_its_training_did_not_see(version: ModelVersion) -> None:
    new = make_product("hazelnut milk", "Drinks")
    refresh_items()
    table_without = Product.objects.exclude(pk=new.pk)
    artifact = ModelArtifact.objects.get(version=version, name=NAME)
    again = write_tiny_version(list(table_without), parts=_parts(version))
    ModelArtifact.objects.create(version=again, name=NAME, content=artifact.content, sha256=artifact.sha256)
    item_encoder.forget()
    publish(again)
    assert refresh_items() >= 1
    assert row_of(again, new).is_cold
    assert refresh_items() == 0


def _parts(version: ModelVersion) -> tuple[Any, ...]:
    from recommender.encoders.tables import Part

    return tuple(Part(**part) for part in version.parts)


def test_a_version_that_older_code_trained_goes_without() -> None:
    publish_tiny_version(make_products(4))
    make_product("hazelnut milk", "Drinks")
    assert (refresh_items(), take_in_missing()) == (0, 0)
    assert ItemChange.objects.count() == 1


def test_without_a_version_nothing_happens() -> None:
    make_product("hazelnut milk", "Drinks")
    assert refresh_items() == 0


def test_a_shop_saves_also_where_our_table_is_gone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_itemchange RENAME TO gone")
    assert make_product("hazelnut milk", "Drinks").pk


@pytest.fixture
def eager() -> Iterator[None]:
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


def test_an_eager_celery_that_fails_does_not_reach_the_shop(
    eager: None,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr("recommender.refresh.refresh_items", fail)
    with django_capture_on_commit_callbacks(execute=True):
        product = make_product("hazelnut milk", "Drinks")
    assert Product.objects.get() == product
    assert "recommender.refresh_items failed." in caplog.text


def test_an_eager_celery_knows_the_tasks_in_a_process_that_has_imported_none(broker_url: str) -> None:
    source = (
        "import django; django.setup()\n"
        "from celery import current_app\n"
        "from recommender.delivery import nudge\n"
        "current_app.conf.task_always_eager = True\n"
        "nudge('recommender.refresh_items')"
    )
    other = {"DJANGO_SETTINGS_MODULE": "tests.foreign_shop.settings", "FOREIGN_ITEM_MODEL": "foreign_shop.Thing"}
    environment = worker_environment(broker_url) | other
    done = subprocess.run([sys.executable, "-c", source], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "refresh_items failed" in done.stderr) == (0, False), done.stderr


@isolate_apps("shop")
def test_where_the_item_model_is_a_proxy_the_shop_saves_by_whichever_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnSale(Product):
        class Meta:
            app_label = "shop"
            proxy = True

    class Imported(Product):
        class Meta:
            app_label = "shop"
            proxy = True

    monkeypatch.setattr(item_changes, "item_model", lambda: OnSale)
    first, second, third = make_products(3)
    first.save()
    OnSale.objects.get(pk=second.pk).save()
    Imported.objects.get(pk=third.pk).save()
    assert set(ItemChange.objects.values_list("item_id", flat=True)) == {first.pk, second.pk, third.pk}


@isolate_apps("shop")
def test_a_price_that_postgres_makes_from_what_was_saved_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Priced(models.Model):  # noqa: DJ008  nobody reads it
        price = models.DecimalField(max_digits=8, decimal_places=2)
        stock = models.IntegerField()
        price_cents = models.GeneratedField(
            expression=models.F("price") * 100, output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "shop"

    class PricedCatalog(Catalog):
        price_cents = "price_cents"

    monkeypatch.setattr(item_changes, "item_model", lambda: Priced)
    monkeypatch.setattr(item_changes, "get_catalog", PricedCatalog)
    assert item_changes._matters(frozenset({"price"}))
    assert not item_changes._matters(frozenset({"stock"}))
