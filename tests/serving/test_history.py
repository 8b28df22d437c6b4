"""What is read of a visitor's newest events."""

import numpy as np
import pytest

from recommender.dataset.link_packing import pack_links
from recommender.dataset.ranking_features import LINKED_ITEMS
from recommender.models import ModelVersion, Visitor
from recommender.serving.history import read_history
from tests.worlds import make_event, make_products, publish_tiny_version


@pytest.mark.django_db
def test_links_come_with_the_newest_items_however_few_have_vectors() -> None:
    products = make_products(LINKED_ITEMS + 5)
    links = [pack_links(np.array([1]), np.full((1, 3), 0.5, np.float32)) for _ in products]
    publish_tiny_version(products, links=links)
    visitor = Visitor.objects.create()
    for product in products:
        make_event(visitor, product)
    history = read_history(visitor, ModelVersion.objects.get(), with_vector=1)
    assert int(history.has_vector.sum()) == len(history.vectors) == 1
    assert [packed is not None for packed in history.links] == [False] * 5 + [True] * LINKED_ITEMS
