"""The pictures of admin in a real browser: on a laptop and a phone, under a strict content security policy, in dark."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from uuid_utils.compat import uuid7

from recommender.models import Impression, ModelVersion, Visitor
from shop.models import Category, Department, Product
from tests.admin.test_pictures import mapped_version
from tests.browser.test_admin_retrain import be_strict, log_in, owner
from tests.worlds import make_event, make_products, write_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
VERSIONS = "/admin/recommender/modelversion/"

__all__ = ["owner"]


@pytest.fixture
def version(transactional_db: None) -> ModelVersion:
    """A version with everything that can be drawn, and three weeks of lists that were seen."""
    products = make_products(150)
    for number in range(4):
        department = Department.objects.create(name=f"Department {number}", slug=f"department-{number}")
        category = Category.objects.create(department=department, name=f"Shelf {number}", slug=f"shelf-{number}")
        Product.objects.filter(pk__in=[each.pk for each in products[number::5]]).update(category=category)
    made = mapped_version(products)
    random, visitor = np.random.default_rng(0), Visitor.objects.create()
    for day in range(21):
        for _ in range(int(random.integers(1, 9))):
            items = [str(products[int(place)].pk) for place in random.integers(0, 150, 6)]
            seen = Impression.objects.create(
                list_id=uuid7(), visitor=visitor, placement="for_you", rung="personal", items=items, slots=[1, 2, 3]
            )
            event = make_event(visitor, products[0], days_ago=day)
            Impression.objects.filter(list_id=seen.list_id).update(seen_at=event.at)
    return made


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_and_nothing_is_blocked(
    version: ModelVersion, owner: None, page: Page, live_server: Any, width: int, scheme: Any
) -> None:
    other = write_tiny_version(list(Product.objects.all()))
    metrics = {"ours": {"ndcg@10": 0.2}, "popularity": {"ndcg@10": 0.1}}
    judged = version.verdict | {"metrics": metrics, "holdout": {"visitors": 90, "start": "2026-11-01T00:00:00+00:00"}}
    ModelVersion.objects.update(verdict=judged)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    log_in(page, live_server.url)
    blocked = be_strict(page)
    item = Product.objects.earliest("pk").pk
    for path, sign in {
        f"{version.pk}/change/": "Does a score keep its promise?",
        f"compare/?a={version.pk}&b={other.pk}": "Two versions side by side",
        f"{version.pk}/map/": "Each dot is a product",
        f"{version.pk}/neighbours/?item={item}": "Its neighbours",
        "dashboard/": "Which rung answered",
    }.items():
        page.goto(f"{live_server.url}{VERSIONS}{path}")
        expect(page.get_by_text(sign).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    for path in ("trainingrun/", "trainingrun/schedule/", "auditentry/", ""):
        page.goto(f"{live_server.url}/admin/recommender/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert blocked == []


def test_a_click_on_the_map_leads_to_the_neighbours(
    version: ModelVersion, owner: None, page: Page, live_server: Any
) -> None:
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}{VERSIONS}{version.pk}/map/")
    dot = page.locator(".recommender-map a").last  # the topmost
    name = dot.locator("title").text_content()
    dot.click(force=True)
    expect(page).to_have_url(re.compile(r"neighbours/\?item=\d+"))
    assert name is not None
    expect(page.get_by_role("heading", name=name.split(" · ")[0], exact=True)).to_be_visible()
