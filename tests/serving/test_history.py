"""What is read of a visitor's newest events."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from recommender.dataset.link_packing import pack_links
from recommender.dataset.ranking_features import LINKED_ITEMS, STATISTICS
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


@pytest.mark.django_db
def test_how_old_an_item_was_is_told_as_of_the_events_that_the_version_knows() -> None:
    products = make_products(2)
    statistics = np.zeros((2, len(STATISTICS)), np.float32)
    statistics[:, STATISTICS.index("age")] = np.log1p(30.0)  # first taken 30 days before the newest event
    until = int((timezone.now() - timedelta(days=10)).timestamp())
    publish_tiny_version(products, statistics=statistics, events_until=until)
    visitor = Visitor.objects.create()
    make_event(visitor, products[0], days_ago=12)
    make_event(visitor, products[1], days_ago=5)
    history = read_history(visitor, ModelVersion.objects.get(), with_vector=1)
    assert history.item_age.tolist() == pytest.approx([28.0, 35.0], abs=0.01)
    assert np.isnan(read_history(visitor).item_age).all()
