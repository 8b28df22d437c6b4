"""The client in docs/guide.md, word for word, against a running server."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from recommender.api_keys import create_key
from recommender.models import Event, Visitor
from tests.plugin import ROOT
from tests.worlds import make_event, make_listed_products

BLOCK = re.compile(r"^### A client in Python$.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def client_class() -> Any:
    found = BLOCK.search((ROOT / "docs/guide.md").read_text(encoding="utf-8"))
    assert found is not None
    lines = found[1].splitlines()
    assert len(lines) <= 30
    names: dict[str, Any] = {}
    exec(compile(found[1], "docs/guide.md", "exec"), names)  # noqa: S102  that it runs is the claim
    return names["Recommender"]


@pytest.mark.django_db(transaction=True)
def test_it_reads_pages_and_batches_and_reports_clicks(live_server: Any, client_class: Any) -> None:
    products = make_listed_products(20)
    users = [User.objects.create_user(name).pk for name in ("household-1", "household-2")]
    make_event(Visitor.objects.create(user_id=users[0]), products[4], 1)
    recommender = client_class(live_server.url, create_key("till", ["lists", "events"])[1])

    pages = list(recommender.pages(users[0], n=8))
    ids = [item["id"] for page in pages for item in page["items"]]
    assert len(pages) == 3 and sorted(ids) == sorted(product.pk for product in products)

    lists = recommender.batch(users, n=3)
    assert [(found["user"], len(found["items"])) for found in lists] == [(str(user), 3) for user in users]

    assert recommender.click(users[0], ids[1], pages[0]["token"])["stored"] == 1
    click = Event.objects.get(kind=Event.Kind.CLICK)
    assert (click.item_id, click.impression["slot"]) == (ids[1], 2)

    with pytest.raises(RuntimeError, match="At most 100 items"):
        recommender.batch(users, n=101)
