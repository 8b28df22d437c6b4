from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.utils.translation import override

from recommender.catalog import Catalog, follow


class Priced(Catalog):
    price_cents = "cents"


@pytest.mark.parametrize(("language", "expected"), [("en", "1234.50"), ("de", "1234,50")])
def test_a_price_is_written_as_the_shopper_s_language_does(language: str, expected: str) -> None:
    with override(language):
        assert Priced().item_price(SimpleNamespace(cents=123450)) == expected  # type: ignore[arg-type]


@pytest.mark.django_db
def test_a_link_that_nothing_points_back_through_is_empty() -> None:
    assert follow(User.objects.create_user("nobody"), "household__name") is None
