"""Pictures of admin: what the judge found, the map, the neighbours, the last weeks. Numbers stand beside every one."""

import uuid
from typing import Any

import numpy as np
import pytest
from django.core.validators import MinValueValidator
from django.test import Client
from uuid_utils.compat import uuid7

from recommender.admin.plots import calibration_plot, columns
from recommender.capture.tables import CLICK, PURCHASE
from recommender.encoders.item_map import NAME, map_items
from recommender.index.publish import publish
from recommender.models import Event, Impression, ModelVersion, Visitor
from shop.models import Category, Product
from tests.admin.conftest import StaffClient
from tests.tiny_tables import tiny_table
from tests.worlds import make_event, make_products, write_tiny_version

VERSIONS = "/admin/recommender/modelversion/"
DETAILS = {
    "segments": {
        "tail_items": {"visitors": 1234, "ndcg@10": {"ours": 0.2, "popularity": 0.1}, "recall@20": {}, "error": 0.01},
        "repeat": {"visitors": 0, "ndcg@10": {"ours": 0.0}, "recall@20": {}, "error": 0.0},
    },
    "calibration": [
        {"predicted": 0.001, "observed": 0.0, "error": 0.0, "n": 90},
        {"predicted": 0.05, "observed": 0.04, "error": 0.01, "n": 90},
    ],
    "by_history": [
        {"from": 1, "to": 1, "visitors": 40, "predicted": 0.3, "observed": 0.25, "ndcg@10": 0.1, "error": 0.02},
        {"from": 50, "to": None, "visitors": 9, "predicted": 0.6, "observed": 0.65, "ndcg@10": 0.4, "error": 0.05},
    ],
}


def mapped_version(products: list[Product]) -> ModelVersion:
    """A live version with what the judge found and a map."""
    table = tiny_table(products, (), groups=2)
    content = map_items(table.item, table.vector, table.popularity, table.parts)
    version = write_tiny_version(products, artifacts=table.artifacts | {NAME: content})
    version.verdict = version.verdict | DETAILS
    version.save()
    return publish(version)


@pytest.fixture
def version(db: None) -> ModelVersion:
    return mapped_version(make_products(12))


def page(client: Client, version: ModelVersion, rest: str) -> str:
    response = client.get(f"{VERSIONS}{version.pk}/{rest}")
    assert response.status_code == 200
    return response.content.decode()


def test_a_version_shows_segments_calibration_and_reliability_with_tables(
    admin_client: Client, version: ModelVersion
) -> None:
    shown = page(admin_client, version, "change/")
    assert "All other products (tail)" in shown and "1,234" in shown
    assert "Buying again" not in shown, "nobody was asked"
    assert "recommender-plot" in shown and "0.04000" in shown
    assert "50 products and more" in shown and "65.0 %" in shown
    assert "style=" not in shown[shown.index('id="content-main"') :]


def test_a_version_of_older_code_goes_without(admin_client: Client, db: None) -> None:
    shown = page(admin_client, write_tiny_version(make_products(3)), "change/")
    assert "recommender-plot" not in shown and "Does a score keep" not in shown


def test_the_plot_puts_honest_scores_on_the_line_and_takes_zeros() -> None:
    svg = calibration_plot([{"predicted": 0.01, "observed": 0.01, "error": 0.0, "n": 9}])
    cx, cy = (float(svg.split(f'{name}="')[1].split('"')[0]) for name in ("cx", "cy"))
    assert cx + cy == pytest.approx(300.0)
    assert "nan" not in calibration_plot(DETAILS["calibration"])


def test_the_map_names_every_product_colours_by_kind_and_has_a_table(
    admin_client: Client, version: ModelVersion
) -> None:
    other = Category.objects.create(department=Category.objects.get().department, name="Jars", slug="jars")
    Product.objects.filter(name="Product 3").update(category=other)
    Product.objects.filter(name="Product 4").delete()
    shown = page(admin_client, version, "map/")
    assert shown.count("<circle") == 11 + 1  # the deleted one is gone; one kind in the legend
    assert "<title>Product 3 · Pantry</title>" in shown
    assert "neighbours/?item=" in shown and "As a table" in shown


def test_the_map_shows_products_that_are_older_than_a_validator_of_their_key(
    admin_client: Client, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(Product._meta.pk), "validators", [MinValueValidator(10**9)])
    assert page(admin_client, version, "map/").count("<circle") == 12 + 1


def test_without_a_map_the_page_says_so(admin_client: Client, db: None) -> None:
    assert "has no map" in page(admin_client, write_tiny_version(make_products(3)), "map/")


def test_neighbours_are_found_by_words_and_shown_with_their_likeness(
    admin_client: Client, version: ModelVersion
) -> None:
    found = page(admin_client, version, "neighbours/?q=product+3")
    product = Product.objects.get(name="Product 3")
    assert f"neighbours/?item={product.pk}" in found
    shown = page(admin_client, version, f"neighbours/?item={product.pk}")
    assert shown.count("<img ") == 1 + 11
    first = shown.index("Its neighbours")
    assert shown.index("Product 1<", first) < shown.index("Product 2<", first), "odd ones are alike"


@pytest.mark.parametrize("query", ["", "?item=x", "?item=999999", "?item=%00", "?q=%00nothing", "?q=<b>"])
def test_what_is_not_there_stays_a_page(admin_client: Client, version: ModelVersion, query: str) -> None:
    page(admin_client, version, f"neighbours/{query}")


def test_a_product_that_does_not_exist_is_said_not_to(admin_client: Client, version: ModelVersion) -> None:
    for key in ("999999999", "abc"):
        assert "There is no such product." in page(admin_client, version, f"neighbours/?item={key}")
    assert "There is no such product." not in page(admin_client, version, "neighbours/")


def test_they_are_for_those_who_may_look(staff_client: StaffClient, version: ModelVersion) -> None:
    client = staff_client("view_event")
    for url in (f"{version.pk}/map/", f"{version.pk}/neighbours/", "dashboard/"):
        assert client.get(f"{VERSIONS}{url}").status_code == 403
    assert staff_client("view_modelversion").get(f"{VERSIONS}999/map/").status_code == 404


class TestDashboard:
    def seen(self, visitor: Visitor, items: list[Any], rung: str, doubt: int = 0) -> uuid.UUID:
        keys = [str(item.pk) for item in items]
        made = Impression.objects.create(
            list_id=uuid7(), visitor=visitor, placement="for_you", rung=rung, items=keys, slots=[1, 2], doubt=doubt
        )
        return made.list_id

    def test_it_counts_what_was_seen_clicked_and_ordered(self, admin_client: Client, version: ModelVersion) -> None:
        products = list(Product.objects.order_by("pk"))
        visitor = Visitor.objects.create()
        self.seen(visitor, products[:3], "personal")
        self.seen(visitor, products[1:4], "personal")
        self.seen(visitor, products[:3], "popular")
        self.seen(visitor, products[5:8], "popular", doubt=Event.Doubt.CRAWLER)
        click = make_event(visitor, products[0], CLICK)
        Event.objects.filter(pk=click.pk).update(impression={"rung": "personal"})
        make_event(visitor, products[0], CLICK)  # came from no list
        for product in products[:2]:  # one order of two lines
            make_event(visitor, product, PURCHASE, days_ago=3)
        make_event(visitor, products[0], PURCHASE, days_ago=40)
        shown = admin_client.get(f"{VERSIONS}dashboard/").content.decode()
        assert "Seen products: 28 days, 6 in all" in shown
        assert "Clicks on them: 28 days, 1 in all" in shown
        assert "Orders: 28 days, 1 in all" in shown
        assert "Events: 28 days, 4 in all" in shown
        assert "3 of 12 products" in shown and "25.0 %" in shown
        assert "66.7 %" in shown and "33.3 %" in shown

    def test_an_empty_shop_has_an_empty_dashboard(self, admin_client: Client) -> None:
        shown = admin_client.get(f"{VERSIONS}dashboard/").content.decode()
        assert "No list was seen in these days." in shown and "No version is live yet." in shown

    def test_the_overview_leads_there(self, admin_client: Client) -> None:
        assert "modelversion/dashboard/" in admin_client.get("/admin/recommender/").content.decode()


def test_columns_tell_their_numbers_to_those_who_cannot_see_them() -> None:
    svg = columns("Clicks", [("1 Nov", 3.0), ("2 Nov", 0.0)])
    assert 'aria-label="Clicks: 2 days, 3 in all, at most 3 a day"' in svg and "1 Nov: 3" in svg
    assert columns("Clicks", []) == "" and np.isfinite(len(columns("Clicks", [("1 Nov", 0.0)])))
