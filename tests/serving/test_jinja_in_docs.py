"""The function for Jinja2 in docs/guide.md, word for word."""

import re
import sys
from types import ModuleType

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.backends.jinja2 import Jinja2
from django.test import RequestFactory

from tests.plugin import ROOT
from tests.worlds import make_listed_products

BLOCK = re.compile(r"^```python\n(# yourproject/jinja2.py.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = """<main>{{ recommender("recommended_for_you n=2") }}</main>
{{ recommender("similar_items product", product=product) }}
{{ recommender("recommender_beacon") }}{{ recommender("recommender_consent") }}"""


@pytest.mark.django_db
def test_lists_stand_on_pages_of_jinja(rf: RequestFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    found = BLOCK.search((ROOT / "docs/guide.md").read_text(encoding="utf-8"))
    assert found is not None
    module = ModuleType("shop_jinja")
    exec(compile(found[1], "docs/guide.md", "exec"), vars(module))  # noqa: S102  that it runs is the claim
    monkeypatch.setitem(sys.modules, "shop_jinja", module)
    options = {"environment": "shop_jinja.environment", "autoescape": True}
    engine = Jinja2({"NAME": "jinja2", "DIRS": [], "APP_DIRS": False, "OPTIONS": options})
    request, products = rf.get("/"), make_listed_products(5)
    request.user, request.session = AnonymousUser(), {}

    html = engine.from_string(PAGE).render({"product": products[0]}, request)

    first, others = html.split("</main>")
    assert first.count("<li class=") == 2
    assert 'data-recommender-placement="similar_items"' in others and products[0].name not in others
    assert "beacon" in others and 'name="level"' in others
