"""Item models with UUID, text and linked keys; RECOMMENDER_ITEM_MODEL is fixed, so each has a process of its own."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("model", "key_type"), [("Book", "UUID"), ("Record", "str"), ("Poster", "int")])
def test_every_list_works_with_other_keys(empty_database: str, model: str, key_type: str) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "tests.foreign_shop.settings",
        "FOREIGN_ITEM_MODEL": f"foreign_shop.{model}",
    }
    argv = [sys.executable, "-W", "error", "-m", "tests.foreign_shop"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    came = json.loads(done.stdout)
    lists = came["lists"]
    assert came["types"] == [key_type]
    assert came["rungs"] == {
        "for_you": "personal",
        "similar_items": "item",
        "bought_together": "item",
        "recently_viewed": "personal",
        "buy_again": "nothing",  # the only item bought is the one that the list must leave out
        "basket_complement": "item",
        "trending": "popular",
        "new_for_you": "personal" if key_type == "int" else "nothing",  # other keys do not tell what is new
        "post_purchase": "personal",
        "email": "personal",
    }
    assert sorted(lists["for_you"]) == ["Item 0", "Item 2", "Item 3", "Item 4", "Item 6"]
    assert lists["similar_items"][0] == lists["bought_together"][0] == lists["recently_viewed"][0] == "Item 3"
    status, ids = came["similar"]
    assert (status, came["cards"]) == (200, 2)
    assert {str(key) for key in ids} == {key for number, key in enumerate(came["keys"]) if number not in (1, 7)}
    assert came["keys"][4] not in came["others"] and came["keys"][1] in came["others"]
